"""Gives what is left the weights that come nearest to what was there: layer by layer, by least squares.

Takes the tensors before and after a cut, the channels that stayed and windows. Gives better tensors of the same shapes.
Must hold: each layer is fitted on what the mended layers before it really say, so that it makes up for their errors
too; no gradient, no label, nothing random but the choice of places.

The layers are those of ``training.teachers.campp``; the idea is that of Y. He, X. Zhang and J. Sun, "Channel pruning
for accelerating very deep neural networks", ICCV 2017.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from training.slim.channels import BLOCKS, STAGES, depth
from training.slim.choose import Kept
from training.slim.patches import Shape, convolve, outputs, patches
from training.slim.squares import refit
from training.teachers.campp import EPSILON
from training.teachers.checkpoint import Weights
from training.teachers.pace import Pace, is_mark, marks, pace_of

Float32 = npt.NDArray[np.float32]
Say = Callable[[str], None]

_PLACES: Final = 40_000
"""Outputs that a layer is fitted on."""
_SQUARE: Final = Shape((3, 3), pads=((1, 1), (1, 1)))
_HALVING: Final = Shape((3, 3), (1, 2), pads=((1, 1), (1, 0)))
_POINT: Final = Shape()


def _first(pace: Pace, stage: int, block: int) -> tuple[Shape, Shape]:
    """The first convolution of a residual layer, and its shortcut."""
    if block:
        return _SQUARE, _POINT
    time = pace.front if stage == 1 else 1
    return Shape((3, 3), (time, 2), pads=((1, 2 - time), (1, 0))), Shape((1, 1), (time, 2))


def _tdnn(weights: Weights, pace: Pace) -> Shape:
    taps = weights["xvector.tdnn.linear.weight"].shape[2]
    return Shape((taps, 1), (pace.tdnn_stride, 1), pads=((taps // 2,) * 2, (0, 0)))


def _local(pace: Pace, block: int) -> Shape:
    reach = pace.dilation(block)
    return Shape((3, 1), dilation=reach, pads=((reach, reach), (0, 0)))


def _transit(pace: Pace, block: int) -> Shape:
    return Shape((1, 1), (pace.transit_stride(block), 1))


def _thinned(x: Float32, frames: int) -> Float32:
    """Of (n, T, mel, C) as many frames, evenly: what a slower network has to say there."""
    return x[:, :: x.shape[1] // frames]


def _kernel(weight: Float32) -> Float32:
    """(out, in, mel, time) or (out, in, time) to (time, mel, in, out)."""
    return np.asarray(weight.transpose(3, 2, 1, 0) if weight.ndim == 4 else weight.transpose(2, 1, 0)[:, None])


def _weight(kernel: Float32, dimensions: int) -> Float32:
    """The way back."""
    turned = kernel.transpose(3, 2, 1, 0) if dimensions == 4 else kernel[:, 0].transpose(2, 1, 0)
    return np.ascontiguousarray(turned)


def _affine(weights: Weights, name: str) -> tuple[Float32, Float32]:
    """Gain and offset of a batch normalisation."""
    gain = weights[f"{name}.weight"] / np.sqrt(weights[f"{name}.running_var"] + EPSILON)
    return gain, weights[f"{name}.bias"] - weights[f"{name}.running_mean"] * gain


def _norm(weights: Weights, name: str, x: Float32) -> Float32:
    gain, offset = _affine(weights, name)
    return np.asarray(x * gain + offset, np.float32)


def _norm_relu(weights: Weights, name: str, x: Float32) -> Float32:
    return np.maximum(_norm(weights, name, x), 0.0)


def _conv(weights: Weights, name: str, x: Float32, shape: Shape) -> Float32:
    return convolve(x, _kernel(weights[f"{name}.weight"]), weights.get(f"{name}.bias"), shape)


def _context(x: Float32, segment: int) -> Float32:
    """Mean over all frames and over the segment, on every frame; (n, T, 1, C)."""
    result = np.empty_like(x)
    for start in range(0, x.shape[1], segment):
        part = slice(start, start + segment)
        result[:, part] = x[:, part].mean(axis=1, keepdims=True)
    return np.asarray(result + x.mean(axis=1, keepdims=True), np.float32)


def _gate(weights: Weights, name: str, x: Float32, segment: int) -> Float32:
    # Equal frames have equal gates: one per segment is enough.
    context = _context(x, segment)[:, ::segment]
    hidden = np.maximum(_conv(weights, f"{name}.linear1", context, _POINT), 0.0)
    gates = 1.0 / (1.0 + np.exp(-_conv(weights, f"{name}.linear2", hidden, _POINT)))
    return np.asarray(np.repeat(gates, segment, axis=1)[:, : x.shape[1]], np.float32)


def _layers(weights: Weights) -> dict[str, Float32]:
    return {name: np.asarray(value, np.float32) for name, value in weights.items() if not is_mark(name)}


class _Mender:
    """Walks through both networks side by side. ``before``: the large one; ``after``: the small one, mended here."""

    def __init__(self, before: Weights, after: Weights, kept: Kept, ridge: float, seed: int) -> None:
        self.paces = pace_of(before), pace_of(after)
        self.before = _layers(before)
        self.after = _layers(after)
        self.kept, self.ridge = kept, ridge
        self._rng = np.random.default_rng(seed)

    def fit(self, name: str, x: Float32, wanted: Float32, shape: Shape) -> Float32:
        """Fit the small network's convolution ``name``, so that it gives ``wanted`` for its own inputs ``x``; gives
        what it then says.
        """
        weight = self.after[f"{name}.weight"]
        kernel = _kernel(weight)
        size = outputs(x, shape)
        count = int(np.prod(size))
        places = np.sort(self._rng.permutation(count)[:_PLACES])
        seen = patches(x, shape, places)
        aim = _thinned(wanted, size[1]).reshape(count, -1)[places]
        fitted, bias = refit(seen, aim, np.ascontiguousarray(kernel.reshape(-1, kernel.shape[3])), self.ridge)
        self.after[f"{name}.weight"] = _weight(fitted.reshape(kernel.shape), weight.ndim)
        self.after[f"{name}.bias"] = bias
        return _conv(self.after, name, x, shape)

    def front(self, windows: Float32) -> tuple[Float32, Float32]:
        """The 2-D part; what both say, flattened (n, T, 1, channels * mel) in the checkpoint's order."""
        large = _norm_relu(self.before, "head.bn1", _conv(self.before, "head.conv1", windows, _SQUARE))
        small = _norm_relu(self.after, "head.bn1", _conv(self.after, "head.conv1", windows, _SQUARE))
        for stage in STAGES:
            for block in (0, 1):
                large, small = self._residual(f"head.layer{stage}.{block}", stage, block, large, small)
        wanted = _conv(self.before, "head.conv2", large, _HALVING)
        rows = self.kept["front.out"]
        found = self.fit("head.conv2", small, wanted[..., rows], _HALVING)
        flat = (_norm_relu(self.before, "head.bn2", wanted), _norm_relu(self.after, "head.bn2", found))
        large, small = (np.ascontiguousarray(x.transpose(0, 1, 3, 2)).reshape(len(x), x.shape[1], 1, -1) for x in flat)
        return large, small

    def _residual(self, name: str, stage: int, block: int, large: Float32, small: Float32) -> tuple[Float32, Float32]:
        (shape, across), (narrow, narrow_across) = (_first(pace, stage, block) for pace in self.paces)
        inner, stream = self.kept[f"front.{stage}.{block}"], self.kept[f"front.{stage}"]
        wanted = _conv(self.before, f"{name}.conv1", large, shape)
        found = self.fit(f"{name}.conv1", small, wanted[..., inner], narrow)
        y = _conv(self.before, f"{name}.conv2", _norm_relu(self.before, f"{name}.bn1", wanted), _SQUARE)
        y = _norm(self.before, f"{name}.bn2", y)
        within = _norm_relu(self.after, f"{name}.bn1", found)
        if not block:
            wanted = _conv(self.before, f"{name}.shortcut.0", large, across)
            found = self.fit(f"{name}.shortcut.0", small, wanted[..., stream], narrow_across)
            large = _norm(self.before, f"{name}.shortcut.1", wanted)
            small = _norm(self.after, f"{name}.shortcut.1", found)
        total = large + y
        # What the second convolution has to say for the sum to come out right.
        gain, offset = _affine(self.after, f"{name}.bn2")
        safe = np.where(np.abs(gain) < _LEAST_GAIN, np.inf, gain)
        missing = _thinned(total, small.shape[1])[..., stream] - small
        found = self.fit(f"{name}.conv2", within, (missing - offset) / safe, _SQUARE)
        small = small + _norm(self.after, f"{name}.bn2", found)
        return np.maximum(total, 0.0), np.maximum(small, 0.0)

    def layer(self, source: str, target: str, key: str, large: Float32, small: Float32) -> tuple[Float32, Float32]:
        """A dense layer; what both add to their streams. ``small`` has no layer where nothing of it was kept."""
        kept = {part: self.kept[f"{key}.{part}"] for part in ("bottleneck", "growth")}
        block = int(key.removeprefix("block").partition(".")[0])
        (shape, segment), (narrow, narrow_segment) = ((_local(pace, block), pace.segment(block)) for pace in self.paces)
        wanted = _conv(
            self.before, f"{source}.linear1", _norm_relu(self.before, f"{source}.nonlinear1.batchnorm", large), _POINT
        )
        inner = _norm_relu(self.before, f"{source}.nonlinear2.batchnorm", wanted)
        local = _conv(self.before, f"{source}.cam_layer.linear_local", inner, shape)
        grown = local * _gate(self.before, f"{source}.cam_layer", inner, segment)
        if not len(kept["growth"]):
            return grown, small[..., :0]
        seen = _norm_relu(self.after, f"{target}.nonlinear1.batchnorm", small)
        found = self.fit(f"{target}.linear1", seen, wanted[..., kept["bottleneck"]], _POINT)
        within = _norm_relu(self.after, f"{target}.nonlinear2.batchnorm", found)
        said = self.fit(f"{target}.cam_layer.linear_local", within, local[..., kept["growth"]], narrow)
        return grown, said * _gate(self.after, f"{target}.cam_layer", within, narrow_segment)

    def head(self, large: Float32, small: Float32) -> None:
        """The dense layer on mean and deviation."""
        name = "xvector.dense.linear"
        both = [
            np.concatenate([x[:, :, 0].mean(axis=1), x[:, :, 0].std(axis=1, ddof=1)], axis=1) for x in (large, small)
        ]
        wanted = both[0] @ self.before[f"{name}.weight"][:, :, 0].T
        present = np.ascontiguousarray(self.after[f"{name}.weight"][:, :, 0].T)
        fitted, bias = refit(both[1], wanted, present, _HEAD_RIDGE)
        self.after[f"{name}.weight"] = np.ascontiguousarray(fitted.T[:, :, None])
        norm = "xvector.dense.nonlinear.batchnorm.running_mean"
        self.after[norm] = self.before[norm] - bias


_LEAST_GAIN: Final = 1e-3
_HEAD_RIDGE: Final = 0.3
"""There is one example per window only."""


def mend(
    before: Weights,
    after: Weights,
    kept: Kept,
    windows: Float32,
    *,
    ridge: float = 1e-3,
    seed: int = 0,
    say: Say = print,
) -> dict[str, Float32]:
    """Tensors of the small network ``after``, fitted to what ``before`` says about ``windows`` (n, frames, bands).
    ``after`` may go at a slower pace.

    About 200 windows are enough, and take a few minutes and 3 GB of memory.
    """
    mender = _Mender(before, after, kept, ridge, seed)
    large, small = mender.front(np.ascontiguousarray(windows[..., None], np.float32))
    say("  mended the 2-D part")
    first, narrow = (_tdnn(side, pace) for side, pace in zip((mender.before, mender.after), mender.paces, strict=True))
    wanted = _conv(mender.before, "xvector.tdnn.linear", large, first)
    found = mender.fit("xvector.tdnn.linear", small, wanted[..., kept["tdnn"]], narrow)
    large = _norm_relu(mender.before, "xvector.tdnn.nonlinear.batchnorm", wanted)
    small = _norm_relu(mender.after, "xvector.tdnn.nonlinear.batchnorm", found)
    for block in BLOCKS:
        layers = 0
        for layer in range(1, depth(mender.before, block) + 1):
            key = f"block{block}.{layer}"
            layers += bool(len(kept[f"{key}.growth"]))
            grown, said = mender.layer(
                f"xvector.block{block}.tdnnd{layer}", f"xvector.block{block}.tdnnd{layers}", key, large, small
            )
            large, small = np.concatenate([large, grown], axis=3), np.concatenate([small, said], axis=3)
        name = f"xvector.transit{block}"
        passage, narrow = (_transit(pace, block) for pace in mender.paces)
        wanted = _conv(
            mender.before, f"{name}.linear", _norm_relu(mender.before, f"{name}.nonlinear.batchnorm", large), passage
        )
        seen = _norm_relu(mender.after, f"{name}.nonlinear.batchnorm", small)
        small = mender.fit(f"{name}.linear", seen, wanted[..., kept[f"transit{block}"]], narrow)
        large = wanted
        say(f"  mended block {block}")
    ends = [
        _norm_relu(side, "xvector.out_nonlinear.batchnorm", x)
        for side, x in ((mender.before, large), (mender.after, small))
    ]
    mender.head(*ends)
    return mender.after | dict(marks(after))
