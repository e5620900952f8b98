"""Classical models: support vectors, random forest, nearest neighbours, boosted trees.

Takes scaled features ``(n, columns)`` and labels. Gives a ``Classical``. Must hold: the same data and seed give the
same model; a package that is missing is one sentence that names the extra. Models are not pickled (a pickle runs
whatever is in it): they are made again from the features on disk, which takes seconds.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edge.errors import ExtraMissingError
from edge.records import Float32
from training.classify.fit import Labels, class_weights
from training.report import canvas

_PACKAGES: Final = {"svm": "sklearn", "forest": "sklearn", "knn": "sklearn", "xgboost": "xgboost"}
_NAMES: Final = {"sklearn": "scikit-learn", "xgboost": "XGBoost"}
_TREES: Final = 200
_NEIGHBOURS: Final = 5
_SHOWN: Final = 20


def require(network: str) -> None:
    """Raise ``ExtraMissingError`` where the package of a classical model is not installed."""
    package = _PACKAGES[network]
    if find_spec(package) is None:
        raise ExtraMissingError(
            f"The model {network} needs {_NAMES[package]}, which is not installed", "pip install 'earmark[train]'"
        )


class Classical:
    """A classical model with one way to learn and one to answer."""

    def __init__(self, network: str, classes: int, seed: int) -> None:
        require(network)
        self.network, self._classes = network, classes
        self.model = _make(network, seed)
        self._present: Labels = np.arange(classes)

    def fit(self, x: Float32, y: Labels, *, weighted: bool = True) -> None:
        """Learn. ``weighted``: rare classes weigh more, where the model can do that."""
        self._present, places = np.unique(y, return_inverse=True)
        if weighted and self.network != "knn":
            self.model.fit(x, places, sample_weight=class_weights(places, len(self._present))[places])
        else:
            self.model.fit(x, places)

    def scores(self, x: Float32) -> Float32:
        """How much speaks for each class, float32 ``(n, classes)``; the largest is the answer."""
        if self.network == "svm":
            found = np.asarray(self.model.decision_function(x))
            found = np.stack((-found, found), axis=1) if found.ndim == 1 else found
        else:
            found = np.asarray(self.model.predict_proba(x))
        scores = np.full((len(x), self._classes), -np.inf, np.float32)
        scores[:, self._present] = found
        return scores

    @property
    def size(self) -> int:
        """Numbers that the model keeps: support vectors, rows of examples, nodes of trees."""
        return _size(self.network, self.model)


def _make(network: str, seed: int) -> Any:
    if network == "xgboost":
        from xgboost import XGBClassifier

        return XGBClassifier(
            n_estimators=_TREES, max_depth=4, learning_rate=0.1, subsample=0.8, colsample_bytree=0.8,
            random_state=seed, n_jobs=1,
        )  # fmt: skip
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.svm import SVC

    if network == "svm":
        return SVC(kernel="rbf", C=10.0, gamma="scale", random_state=seed)
    if network == "forest":
        return RandomForestClassifier(n_estimators=_TREES, random_state=seed, n_jobs=1)
    return KNeighborsClassifier(n_neighbors=_NEIGHBOURS)


def _size(network: str, model: Any) -> int:
    if network == "svm":
        return int(model.support_vectors_.size + model.dual_coef_.size + model.intercept_.size)
    if network == "forest":
        return sum(int(tree.tree_.node_count) for tree in model.estimators_)
    if network == "knn":
        return int(model._fit_X.size)
    return sum(tree.count("\n") for tree in model.get_booster().get_dump())


def importances(one: Classical) -> npt.NDArray[np.float64]:
    """Of each column, of trees alone: gain of XGBoost, decrease of impurity of a forest; they add up to 1."""
    return np.asarray(one.model.feature_importances_, np.float64)


def importance_picture(names: tuple[str, ...], values: npt.NDArray[np.float64], title: str) -> bytes:
    """The most important columns as a bar chart, PNG."""
    order = np.argsort(values)[::-1][:_SHOWN][::-1]
    made, (panel,) = canvas.figure(800, 120 + 24 * len(order))
    panel.barh([canvas.plain(names[place]) for place in order], values[order], color=canvas.GENUINE)
    panel.set_xlabel("share of the gain")
    panel.set_title(canvas.plain(title))
    return canvas.png(made)
