"""Small speaker encoders that begin from nothing: 2-D separable, and 1-D time-delay.

Takes a configuration. Gives Keras models from windows to unit embeddings, whose layers are those that ``convert``
knows: plain ReLU, batch normalisation that folds, additions, and mean and deviation over time at the end. Must hold:
every frame count of at least 50 works, and the weights don't depend on it.

Separable convolutions: A. Howard et al., "MobileNets", 2017; with residuals, M. Sandler et al., "MobileNetV2",
CVPR 2018. Time delay: V. Peddinti et al., "A time delay neural network architecture for efficient modeling of long
temporal contexts", Interspeech 2015; separable in time, N. R. Koluguri et al., "SpeakerNet", 2020.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Protocol

import keras
from keras import layers

from edge.errors import UsageError
from training.models.campp import HEAD, StatisticsPooling

FRAME_FEATURES: Final = "frame_features"
"""Name of the layer that ends what runs in int8; pooling and the dense layer behind it are float32."""

_MOMENTUM: Final = 0.95


class Family(Protocol):
    """A configuration that knows how to build itself."""

    def build(self, frames: int, bands: int, dimensions: int) -> keras.Model:
        """Windows (n, frames, bands, 1) -> unit embeddings (n, dimensions)."""

    def to_json(self) -> dict[str, Any]:
        """Plain values, with the family's name."""


def _norm_relu(x: Any, name: str, relu: bool = True) -> Any:
    x = layers.BatchNormalization(momentum=_MOMENTUM, epsilon=1e-5, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x) if relu else x


def _conv(x: Any, filters: int, kernel: tuple[int, int], name: str, *, strides: tuple[int, int] = (1, 1)) -> Any:
    """A convolution whose zeros stand in front and behind alike, whatever the stride."""
    around = tuple((size // 2, size // 2) for size in kernel)
    if kernel != (1, 1):
        x = layers.ZeroPadding2D(around, name=f"{name}_pad")(x)
    return layers.Conv2D(filters, kernel, strides=strides, use_bias=False, name=name)(x)


def _depthwise(x: Any, kernel: tuple[int, int], name: str) -> Any:
    x = layers.ZeroPadding2D(tuple((size // 2, size // 2) for size in kernel), name=f"{name}_pad")(x)
    return layers.DepthwiseConv2D(kernel, use_bias=False, name=name)(x)


def _end(window: Any, x: Any, features: int, dimensions: int, name: str) -> keras.Model:
    """Frame features, statistics, embedding."""
    x = _norm_relu(_conv(x, features, (1, 1), "features"), "features")
    x = layers.Reshape((x.shape[1], features), name=FRAME_FEATURES)(x)
    x = layers.Dense(dimensions, name=HEAD)(StatisticsPooling(name="pool")(x))
    return keras.Model(window, layers.UnitNormalization(name="embedding")(x), name=name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Separable2d:
    """Time and mel alike: a stem with stride 2 in both, then stages that halve the bands with a plain convolution and
    go on with residual depthwise + pointwise pairs. ``time_strides``: of the stages.
    """

    stem: int = 24
    widths: tuple[int, ...] = (32, 64, 96)
    blocks: tuple[int, ...] = (2, 3, 3)
    time_strides: tuple[int, ...] = (1, 2, 1)
    features: int = 384

    def build(self, frames: int, bands: int, dimensions: int) -> keras.Model:
        """See ``Family``."""
        window = layers.Input((frames, bands, 1), name="window")
        x = _norm_relu(_conv(window, self.stem, (3, 3), "stem", strides=(2, 2)), "stem")
        for stage, (width, count, stride) in enumerate(zip(self.widths, self.blocks, self.time_strides, strict=True)):
            x = _norm_relu(_conv(x, width, (3, 3), f"s{stage}_down", strides=(stride, 2)), f"s{stage}_down")
            for block in range(count):
                name = f"s{stage}_{block}"
                y = _norm_relu(_depthwise(x, (3, 3), f"{name}_dw"), f"{name}_dw")
                y = _norm_relu(_conv(y, width, (1, 1), f"{name}_pw"), f"{name}_pw", relu=False)
                x = layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, y]))
        x = layers.Reshape((x.shape[1], 1, x.shape[2] * x.shape[3]), name="flatten")(x)
        return _end(window, x, self.features, dimensions, "separable2d")

    def to_json(self) -> dict[str, Any]:
        """See ``Family``."""
        return {"family": "separable2d"} | asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeDelay:
    """Bands are channels: a first convolution with stride 2, then residual blocks of a depthwise convolution over time
    between two pointwise ones. ``second_stride``: before which block time is halved again.
    """

    channels: int = 256
    kernels: tuple[int, ...] = (5, 5, 7, 7, 9, 9)
    second_stride: int = 2
    features: int = 384

    def build(self, frames: int, bands: int, dimensions: int) -> keras.Model:
        """See ``Family``."""
        window = layers.Input((frames, bands, 1), name="window")
        x = layers.Reshape((frames, 1, bands), name="bands_are_channels")(window)
        x = _norm_relu(_conv(x, self.channels, (5, 1), "first", strides=(2, 1)), "first")
        for block, kernel in enumerate(self.kernels):
            name = f"b{block}"
            if block == self.second_stride:
                x = _norm_relu(_conv(x, self.channels, (3, 1), f"{name}_down", strides=(2, 1)), f"{name}_down")
            y = _norm_relu(_conv(x, self.channels, (1, 1), f"{name}_in"), f"{name}_in")
            y = _norm_relu(_depthwise(y, (kernel, 1), f"{name}_dw"), f"{name}_dw")
            y = _norm_relu(_conv(y, self.channels, (1, 1), f"{name}_out"), f"{name}_out", relu=False)
            x = layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, y]))
        return _end(window, x, self.features, dimensions, "time_delay")

    def to_json(self) -> dict[str, Any]:
        """See ``Family``."""
        return {"family": "time_delay"} | asdict(self)


FAMILIES: Final[dict[str, type[Separable2d] | type[TimeDelay]]] = {
    "separable2d": Separable2d,
    "time_delay": TimeDelay,
}


def family(values: dict[str, Any]) -> Family:
    """A family from JSON. Raises ``UsageError`` for a name or key that is unknown, or lengths that don't fit."""
    values = dict(values)
    name = values.pop("family", None)
    if name not in FAMILIES:
        raise UsageError(f"There is no family {name!r}", f"There are {', '.join(FAMILIES)}.")
    kind = FAMILIES[name]
    unknown = sorted(set(values) - {one.name for one in fields(kind)})
    if unknown:
        raise UsageError(f"The family {name} has no {unknown[0]!r}", "Correct the recipe.")
    given: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    found: Family = kind(**given)
    if isinstance(found, Separable2d) and len({len(found.widths), len(found.blocks), len(found.time_strides)}) != 1:
        raise UsageError("Each stage needs a width, blocks and a stride", "Give lists of the same length.")
    return found
