"""The error curve of a list as counts, for whoever draws or moves a threshold over it: `earmark studio` does.

Takes a scored list. Gives plain objects. Must hold: every point is one of the list, counted, not interpolated; few
points where many would look the same.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from training import metrics
from training.evaluate import ScoredList

POINTS: Final = 300
"""About as many points are kept, close together where errors are few."""


def to_json(scored: ScoredList) -> dict[str, Any]:
    """Return the curve of the calibrated likelihood ratio, or of the cosine where there is none.

    ``score``: ``llr`` or ``cosine``. ``genuine``, ``impostors``: tests. ``thresholds``: falling; a test passes at or
    above. ``accepted``: impostor tests that pass each; ``refused``: genuine tests that do not.
    """
    scores = scored.cosine if scored.llr is None else scored.llr
    curve = metrics.error_curve(scores, scored.target)
    genuine, impostors = int(scored.target.sum()), int((~scored.target).sum())
    accepted = np.rint(curve.far * impostors).astype(int)
    refused = np.rint(curve.frr * genuine).astype(int)
    kept = np.unique(
        np.concatenate([[0, len(accepted) - 1], _spread(accepted), len(refused) - 1 - _spread(refused[::-1])])
    )
    return {
        "score": "cosine" if scored.llr is None else "llr",
        "genuine": genuine,
        "impostors": impostors,
        "thresholds": curve.thresholds[kept].tolist(),
        "accepted": accepted[kept].tolist(),
        "refused": refused[kept].tolist(),
    }


def _spread(rising: metrics.Ints) -> metrics.Ints:
    """The last place of each of the counts 0, 1, 2, ... and then ever further apart."""
    most = int(rising[-1])
    wanted = np.unique(np.concatenate([[0], np.geomspace(1, max(1, most), POINTS // 2).astype(int)]))
    places = np.searchsorted(rising, wanted, side="right") - 1
    return np.asarray(places[places >= 0], np.int64)
