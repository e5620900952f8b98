"""The network: log-mel frames to a word, or none, per step of three frames.

Takes sizes. Gives a Keras model without softmax, and how far it sees. Must hold: only operations that int8 files of
2023 know; the same weights for any number of frames, so that training sees long strings and the device windows.
"""

from __future__ import annotations

from typing import Any, Final

import keras
from keras import layers

from edge.challenge.frames import SPEC

STRIDE: Final = 3
"""Frames per step: 30 ms, a fifth of the shortest digit in fluent speech."""
_KERNEL: Final = 7
_BLOCKS: Final = 5
CONTEXT_FRAMES: Final = 51
"""How far to either side a step sees: blocks of seven steps each, and the first layers."""
WINDOW_FRAMES: Final = 2 * CONTEXT_FRAMES + 168


def build(words: int, frames: int | None, channels: int = 112) -> keras.Model:
    """Input float32 ``(n, frames, bands, 1)``, output ``(n, frames / 3, 1, words + 1)``; the last class is "none"."""
    start = layers.Input((frames, SPEC.n_mels, 1))
    x = _normalised(layers.Conv2D(16, 5, strides=(STRIDE, 2), padding="same", use_bias=False)(start))
    x = layers.DepthwiseConv2D(3, strides=1, padding="same", use_bias=False)(x)
    x = _normalised(layers.Conv2D(32, 1, strides=(1, 2), use_bias=False)(layers.BatchNormalization()(x)))
    # All bands of a step at once: a convolution as high as they are.
    x = layers.Conv2D(channels, (1, SPEC.n_mels // 4), use_bias=False)(x)
    x = _normalised(x)
    for _ in range(_BLOCKS):
        x = layers.Add()([x, _block(x, channels)])
    x = layers.Dropout(0.1)(x)
    return keras.Model(start, layers.Conv2D(words + 1, 1)(x), name="digits")


def _block(x: Any, channels: int) -> Any:
    x = layers.DepthwiseConv2D((_KERNEL, 1), padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    return _normalised(layers.Conv2D(channels, 1, use_bias=False)(x))


def _normalised(x: Any) -> Any:
    return layers.ReLU()(layers.BatchNormalization()(x))
