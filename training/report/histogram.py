"""Histograms of genuine and impostor scores, with the bundle's own threshold.

Takes scores and who is who. Gives a PNG. Must hold: both kinds share their bins, and each has the area 1, however many
trials stand behind it.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from training import metrics
from training.evaluate import ScoredList
from training.report import canvas

WIDTH: Final = 720
HEIGHT: Final = 400
BINS: Final = 60


def bins(scores: metrics.Float64, target: metrics.Bools) -> tuple[metrics.Float64, metrics.Float64, metrics.Float64]:
    """Return edges ``(BINS + 1,)`` and the densities of genuine and impostor scores ``(BINS,)``, float64."""
    low, high = float(scores.min()), float(scores.max())
    edges = np.linspace(low, high if high > low else low + 1.0, BINS + 1)
    densities = []
    for part in (scores[target], scores[~target]):
        counts, _ = np.histogram(part, edges)
        densities.append(counts / (max(len(part), 1) * np.diff(edges)))
    return edges, densities[0], densities[1]


def draw(scored: ScoredList, threshold: float | None = None) -> bytes:
    """Return a PNG of ``WIDTH`` x ``HEIGHT`` pixels.

    Scores are calibrated log-likelihood ratios where the list has them, else cosines. ``threshold``: drawn as a line.
    """
    scores = scored.cosine if scored.llr is None else scored.llr
    edges, genuine, impostor = bins(scores, scored.target)
    made, (panel,) = canvas.figure(WIDTH, HEIGHT)
    for density, colour, style, kind, count in (
        (impostor, canvas.IMPOSTOR, "--", "impostor", int((~scored.target).sum())),
        (genuine, canvas.GENUINE, "-", "genuine", int(scored.target.sum())),
    ):
        panel.stairs(density, edges, fill=True, alpha=0.3, color=colour)
        panel.stairs(density, edges, color=colour, linestyle=style, label=f"{kind} ({count} trials)")
    if threshold is not None:
        panel.axvline(threshold, color="black", linewidth=1.2, label=f"threshold of the bundle, {threshold:.2f}")
    panel.set_xlabel("cosine" if scored.llr is None else "calibrated log-likelihood ratio (nats)")
    panel.set_ylabel("density")
    panel.set_title(canvas.plain(f"{scored.name}: scores"))
    panel.legend(fontsize=8)
    return canvas.png(made)
