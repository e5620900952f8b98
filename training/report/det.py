"""Detection error trade-off (DET) curves: false rejections against false acceptances on normal-deviate axes.

Takes error curves (``metrics.error_curve``). Gives the points that are drawn, and a PNG.

Must hold: every point is a pair of the error curve; rates beyond the axes are drawn on their edge, since a deviate of
zero is infinite. Source: Martin et al., "The DET curve in assessment of detection task performance", Eurospeech 1997.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt

from training import metrics
from training.report import canvas

LOWEST: Final = 0.0005
HIGHEST: Final = 0.6
"""Ends of both axes, as rates."""

WIDTH: Final = 640
HEIGHT: Final = 600
_TICKS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6)
_NORMAL: Final = NormalDist()


def probit(rates: npt.ArrayLike) -> metrics.Float64:
    """Return the standard normal deviate of each rate, float64; rates are first brought between the axes' ends."""
    inside = np.clip(np.asarray(rates, np.float64), LOWEST, HIGHEST)
    return np.array([_NORMAL.inv_cdf(float(rate)) for rate in inside.ravel()]).reshape(inside.shape)


def points(curve: metrics.ErrorCurve) -> tuple[metrics.Float64, metrics.Float64]:
    """Return (FAR, FRR) of the curve to draw, float64 ``(k,)`` each, from refusing everything to accepting everything.

    Pairs that lie on a straight line between their neighbours, FAR or FRR unchanged, are left out: the picture is the
    same and holds a few hundred points instead of thousands.
    """
    far, frr = np.concatenate([[0.0], curve.far]), np.concatenate([[1.0], curve.frr])
    same_far = np.diff(far) == 0
    same_frr = np.diff(frr) == 0
    inner = (same_far[:-1] & same_far[1:]) | (same_frr[:-1] & same_frr[1:])
    keep = np.concatenate([[True], ~inner, [True]])
    return far[keep], frr[keep]


def draw(curves: Mapping[str, metrics.ErrorCurve], title: str) -> bytes:
    """Return a PNG of ``WIDTH`` x ``HEIGHT`` pixels with one line per curve (name -> curve), EERs in the legend."""
    made, (panel,) = canvas.figure(WIDTH, HEIGHT)
    ends = probit([LOWEST, HIGHEST])
    panel.plot(ends, ends, color="0.7", linewidth=0.8, linestyle=":")
    styles = ("-", "--", "-.", ":")
    for number, (name, curve) in enumerate(curves.items()):
        far, frr = points(curve)
        label = f"{canvas.plain(name)}: EER {100 * metrics.eer_of(curve):.2f} %"
        panel.plot(probit(far), probit(frr), styles[number // 10 % 4], label=label, linewidth=1.6)
    ticks, names = probit(_TICKS), [f"{100 * tick:g}" for tick in _TICKS]
    panel.set_xticks(ticks, names)
    panel.set_yticks(ticks, names)
    panel.set_xlim(*ends)
    panel.set_ylim(*ends)
    panel.grid(linewidth=0.4, color="0.85")
    panel.set_xlabel("false acceptances, % of impostor tests")
    panel.set_ylabel("false rejections, % of genuine tests")
    panel.set_title(canvas.plain(title))
    panel.set_aspect("equal")
    panel.legend(loc="best", fontsize=8)
    return canvas.png(made)
