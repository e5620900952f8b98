"""What a person names on the command line, turned into what the data side needs: features and an augmenter.

Takes the name of a bundle or of a JSON file; gives a ``FeatureSpec``, and an ``AugmenterSource`` with its fingerprint.
Must hold: a spec that the front-end can't compute is refused before any work; the fingerprint covers everything that
decides what augmented audio sounds like.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.bundle import spec_from_json
from edge.errors import UsageError
from edge.features import FrontEnd
from edge.records import FeatureSpec
from training.corpus import Recording
from training.data.views import Augmenter, AugmenterSource


def features_of(name: str) -> FeatureSpec:
    """The features of a bundle (its name or path) or of a JSON file: a spec, or anything with ``features``.

    Raises ``BundleError`` or ``UsageError``.
    """
    if name.endswith(".json"):
        raw = read_json(Path(name))
        spec = spec_from_json(raw.get("features", raw))
    else:
        from edge.bundle.files import read_bundle
        from edge.bundle.locate import locate

        spec = read_bundle(locate(name))[0].spec
    FrontEnd(spec)
    return spec


def read_json(path: Path) -> dict[str, Any]:
    """An object from a JSON file. Raises ``UsageError``."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read ({error})", "Name a JSON file.") from error
    if not isinstance(raw, dict):
        raise UsageError(f"{path} holds no JSON object", "It must begin with a brace.")
    return raw


@dataclass(frozen=True)
class Ready:
    """An augmenter that travels to the workers as it is: it carries paths, no audio."""

    augmenter: Augmenter
    fingerprint: str

    def __call__(self) -> Augmenter:
        """Give it."""
        return self.augmenter


def augmenter_of(speech: Path, recordings: Sequence[Recording], recipe: Path | None) -> AugmenterSource:
    """The augmenter of a recipe (None: its defaults) with what the corpus has of noises, rooms and talkers.

    Raises ``UsageError``, ``AudioFileError``.
    """
    from training.augment import Augmenter, AugmentRecipe, load_materials

    chosen = AugmentRecipe.from_json(read_json(recipe)) if recipe else AugmentRecipe()
    digest = hashlib.sha256(json.dumps(chosen.to_json(), sort_keys=True).encode())
    for recording in recordings:
        if recording.split in ("noise", "rir", "train"):
            digest.update(f"{recording.split} {recording.set} {recording.path} {recording.seconds}\n".encode())
    return Ready(Augmenter(load_materials(speech, recordings), chosen), digest.hexdigest()[:16])
