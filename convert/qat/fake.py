"""Rounding as int8 does it, with a gradient: the layers of a network that learns to be quantised.

Takes and gives float tensors of any Keras backend. Must hold: values are those of ``dequantise(quantise(x))`` of
``edge.runtime``, bit for bit; the gradient is that of the value before rounding inside the range, and zero outside
(straight-through estimator; Y. Bengio et al., "Estimating or Propagating Gradients Through Stochastic Neurons", 2013).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import keras
import numpy as np
import numpy.typing as npt
from keras import layers, ops

from convert.graph import Conv, Depthwise, Float32
from edge.runtime import QuantParams

WEIGHT_STEPS: Final = 127
"""Weights use -127 to 127, so that zero is in the middle."""
_INT32: Final = 2**31
_TINY: Final = 1e-20
"""Keeps the scale of a channel whose weights are all zero from being zero."""


def fake_quantise(x: Any, scale: Any, least: int, most: int) -> Any:
    """``x`` rounded to multiples of ``scale``, from ``least`` to ``most`` of them; ties go to the even number.

    The gradient to ``scale`` is that of learned step sizes: the error of rounding inside, the limit outside (S. Esser
    et al., "Learned Step Size Quantization", ICLR 2020).
    """
    steps = ops.clip(x / scale, least, most)
    # What is added is exactly zero, and carries the gradient.
    return (ops.stop_gradient(ops.round(steps)) + (steps - ops.stop_gradient(steps))) * scale


def weight_scale(kernel: Any) -> Any:
    """One scale for each channel, the last axis, as TFLite takes it: the largest weight is 127 steps."""
    largest = ops.max(ops.abs(kernel), axis=tuple(range(len(kernel.shape) - 1)))
    return ops.stop_gradient(ops.maximum(largest / WEIGHT_STEPS, _TINY))


def _power_of_two(values: npt.ArrayLike) -> Float32:
    """The nearest power of two, 1 for zero: dividing and multiplying by it loses nothing."""
    above = np.asarray(values, np.float32)
    return np.asarray(np.exp2(np.round(np.log2(np.where(above > 0, above, 1.0)))), np.float32)


class FakeQuantise(layers.Layer):  # type: ignore[misc]
    """An activation in int8. ``rate``: how much faster than a weight the logarithm of the scale learns; 0 keeps the
    scale. One layer stands for all tensors that share a scale.
    """

    def __init__(self, params: QuantParams, rate: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.zero_point, self._rate = params.zero_point, rate
        # A variable also where it is fixed: graph compilers make a division by a constant a multiplication, which
        # rounds differently.
        self._first = self.add_weight(shape=(), trainable=False, name="scale")
        self._first.assign(params.scale)
        self._change = self.add_weight(shape=(), initializer="zeros", name="change") if rate else None

    @property
    def scale(self) -> Any:
        """The scale as it is now."""
        return self._first if self._change is None else self._first * ops.exp(self._rate * self._change)

    @property
    def params(self) -> QuantParams:
        """The same as numbers."""
        return QuantParams(float(ops.convert_to_numpy(self.scale)), self.zero_point)

    def call(self, x: Any) -> Any:
        """The rounded values."""
        return fake_quantise(x, self.scale, -128 - self.zero_point, 127 - self.zero_point)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The same as the input's."""
        return input_shape


class QuantisedConvolution(layers.Layer):  # type: ignore[misc]
    """The convolution of a graph's node, its weights in int8 and its bias in steps of input times weights, as the
    kernels add it up. ``source`` and ``target``: the layers that round its input and its output.

    What learns is each weight as a share of its channel's largest, and each bias as a share of the output's range:
    equalised channels differ by orders of magnitude, and an optimiser that takes steps of one length for all, as Adam
    does, would wipe out the small ones.
    """

    def __init__(self, node: Conv | Depthwise, source: FakeQuantise, target: FakeQuantise, **kwargs: Any) -> None:
        super().__init__(name=node.name, **kwargs)
        # Behind a function: Keras would count the other layer's variables as this one's too.
        self._input_scale: Callable[[], Any] = lambda: source.scale
        self._relu = node.activation == "relu"
        self._depthwise = isinstance(node, Depthwise)
        self._options: dict[str, Any] = {"padding": "valid"}
        if isinstance(node, Conv):
            self._options = {"strides": node.strides, "padding": node.padding, "dilation_rate": node.dilation}
        largest = np.abs(node.kernel).max(axis=tuple(range(node.kernel.ndim - 1)))
        self._units = _power_of_two(largest), _power_of_two(np.float32(WEIGHT_STEPS * target.params.scale))
        self._kernel = self.add_weight(shape=node.kernel.shape, name="kernel")
        self._bias = self.add_weight(shape=node.bias.shape, name="bias")
        self.set_weights([node.kernel / self._units[0], node.bias / self._units[1]])

    @property
    def arrays(self) -> tuple[Float32, Float32]:
        """Kernel and bias in float, as a node holds them."""
        kernel, bias = (np.array(value, np.float32) for value in (self._kernel, self._bias))
        return kernel * self._units[0], bias * self._units[1]

    def call(self, x: Any) -> Any:
        """Convolve, add, and cut below zero where the node does."""
        kernel, bias = self._kernel * self._units[0], self._bias * self._units[1]
        scale = weight_scale(kernel)
        kernel = fake_quantise(kernel, scale, -WEIGHT_STEPS, WEIGHT_STEPS)
        bias = fake_quantise(bias, ops.stop_gradient(scale * self._input_scale()), -_INT32, _INT32)
        if self._depthwise:
            y = ops.depthwise_conv(x, kernel[..., None], **self._options)
        else:
            y = ops.conv(x, kernel, **self._options)
        y = y + bias
        return keras.activations.relu(y) if self._relu else y
