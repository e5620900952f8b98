"""What a network costs, read off its layers.

Takes a Keras model with batch-free shapes. Gives multiply-adds for one window and parameters of convolutions and dense
layers. Must hold: layers that fold away (normalisation, activations) count nothing.
"""

from __future__ import annotations

import math

import keras
from keras import layers

from training.slim.cost import Cost


def count(model: keras.Model) -> Cost:
    """Convolutions, depthwise convolutions and dense layers; biases aside."""
    macs = weights = 0
    for layer in model.layers:
        if isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D | layers.Dense):
            size = math.prod(layer.kernel.shape)
            macs += size * math.prod(layer.output.shape[1:-1])
            weights += size
    return Cost(macs, weights)
