"""Label heads: probabilities of labels from pooled vectors, and the answer, which may be that it is unsure.

Takes: the arrays of a head and what its card says; pooled vectors of the windows of an utterance with weights. Gives:
``Labels``, a ``records.LabelAnswer``.
Must hold: every shape is checked at load; probabilities are those of ``temperature``-scaled logits and add up to 1; a
head that does not know says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from edge.bundle.heads import array, both, known
from edge.bundle.label_card import LabelHead
from edge.errors import BundleError
from edge.records import UNSURE, Float32, LabelAnswer, UnsureReason

_AGAIN: Final = "Get the bundle again, or make it again."
_ARRAYS: Final = {"kernel", "bias", "hidden_kernel", "hidden_bias", "centre", "scale", "temperature"}


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """A softmax over trained classes on the pooled vector, published as labels.

    ``head``: what the card says. ``width``: length of a pooled vector, ``2 * channels``. ``kernel`` float32 (width,
    classes), or (hidden, classes) after ``hidden_kernel`` (width, hidden) and ``hidden_bias`` (hidden,) with ReLU; all
    three None or all there. ``bias`` (classes,). ``centre`` and ``scale`` (width,): standardise the pooled vector.
    ``temperature``: divides the combined logits (C. Guo, G. Pleiss, Y. Sun and K. Weinberger, "On calibration of modern
    neural networks", ICML 2017).
    """

    head: LabelHead
    width: int
    kernel: Float32
    bias: Float32
    hidden_kernel: Float32 | None = None
    hidden_bias: Float32 | None = None
    centre: Float32 | None = None
    scale: Float32 | None = None
    temperature: float = 1.0

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Float32], head: LabelHead, width: int | None = None) -> Self:
        """Check the arrays of a label head's file. Raises ``BundleError`` that names the array at fault.

        ``width``: ``2 * channels`` of the network below; without one, that of the arrays themselves.
        """
        known(arrays, _ARRAYS)
        hidden = both(arrays, "hidden_kernel", "hidden_bias")
        standard = both(arrays, "centre", "scale")
        found = _rows(arrays, "hidden_kernel" if hidden else "kernel")
        if width is None:
            width = found
        elif found != width:
            raise BundleError(f"the bundle's label head takes {found} values, and its encoder gives {width}", _AGAIN)
        units = int(arrays["hidden_kernel"].shape[1]) if hidden else width
        temperature = float(array(arrays, "temperature", ())) if "temperature" in arrays else 1.0
        if temperature <= 0:
            raise BundleError(f"the bundle's label head has the temperature {temperature:g}", _AGAIN)
        scale = array(arrays, "scale", (width,)) if standard else None
        if scale is not None and float(scale.min()) <= 0:
            raise BundleError("the bundle's label head has a scale that is not above zero", _AGAIN)
        return cls(
            head,
            width,
            array(arrays, "kernel", (units, len(head.classes))),
            array(arrays, "bias", (len(head.classes),)),
            array(arrays, "hidden_kernel", (width, units)) if hidden else None,
            array(arrays, "hidden_bias", (units,)) if hidden else None,
            array(arrays, "centre", (width,)) if standard else None,
            scale,
            temperature,
        )

    def logits(self, pooled: Float32) -> Float32:
        """Pooled float32 ``(..., width)`` -> logits of the trained classes ``(..., classes)``, without temperature."""
        values = pooled
        if self.centre is not None and self.scale is not None:
            values = (values - self.centre) / self.scale
        if self.hidden_kernel is not None and self.hidden_bias is not None:
            values = np.maximum(values @ self.hidden_kernel + self.hidden_bias, 0)
        logits: Float32 = values @ self.kernel + self.bias
        return logits

    def classes(self, pooled: Sequence[Float32] | Float32, weights: Sequence[float]) -> dict[str, float]:
        """Trained class -> probability. ``pooled``: ``(k, width)``, one per window; the logits of the windows are
        averaged with ``weights`` ``(k,)`` (frames; equal ones where all are 0).
        """
        weights = weights if np.sum(weights) > 0 else np.ones(len(weights)).tolist()
        mean = np.average(self.logits(np.stack(list(pooled))).astype(np.float64), axis=0, weights=weights)
        shares = softmax(mean / self.temperature)
        return dict(zip(self.head.classes, shares.tolist(), strict=True))

    def probabilities(self, pooled: Sequence[Float32] | Float32, weights: Sequence[float]) -> dict[str, float]:
        """Published label -> probability; ``pooled`` and ``weights`` as for ``classes``. Under ``unsure`` stand the
        classes that are published as no label, where there are such.
        """
        found = self.classes(pooled, weights)
        return {label: sum(found[one] for one in parts) for label, parts in self.head.publish.items()}

    def answer(
        self,
        probabilities: Mapping[str, float],
        *,
        speech_seconds: float | None = None,
        snr_db: float | None = None,
        voices: int = 1,
    ) -> LabelAnswer:
        """The likeliest label, or ``unsure`` where the card's rules say so.

        ``speech_seconds``, ``snr_db``: of the utterance, None where not known. ``voices``: how many people speak in it.
        """
        told = {label: share for label, share in probabilities.items() if label != UNSURE}
        best = max(told, key=lambda label: told[label])
        rules: tuple[tuple[bool, UnsureReason], ...] = (
            (voices > 1, "multi_speaker"),
            (speech_seconds is not None and speech_seconds < self.head.min_speech_seconds, "too_short"),
            (snr_db is not None and self.head.min_snr_db is not None and snr_db < self.head.min_snr_db, "too_noisy"),
            (probabilities.get(UNSURE, 0.0) >= told[best], "other"),
            (told[best] < self.head.unsure_below, "low_probability"),
        )
        reason: UnsureReason = next((reason for broken, reason in rules if broken), "")
        return LabelAnswer(UNSURE if reason else best, told[best], dict(probabilities), reason)


def softmax(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Probabilities ``(classes,)`` that add up to 1."""
    raised = np.exp(logits - logits.max())
    shares: npt.NDArray[np.float64] = raised / raised.sum()
    return shares


def _rows(arrays: Mapping[str, Any], name: str) -> int:
    if name not in arrays or arrays[name].ndim != 2 or not arrays[name].size:
        raise BundleError(f"the bundle's label head needs the array {name} with two dimensions", _AGAIN)
    return int(arrays[name].shape[0])
