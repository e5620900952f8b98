"""Measure what a conversion lost, and keep the variants that a bundle has no use for.

Takes the converted files, held-out utterances and trial lists. Gives what goes into the report. Must hold: all figures
have been said when a loss ends the command; files are written only once nothing can end it any more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convert import eer, parity
from convert.alone import runtimes
from convert.encoder import float_encoder
from convert.limits import LEAST_MEAN_COSINE, MAX_EER_LOSS, MAX_RUNTIME_GAP
from convert.variants import Converted, Variant

Files = Mapping[Variant, Converted]
"""The variants of one network; ``float32`` and ``int8`` are among them."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is made and measured beyond the bundle. ``variants``: float32 and dynamic-range file too. ``trials``: lists
    to compare errors on. ``min_cosine``: least mean cosine of a file's embeddings to float. ``max_eer_loss``: points of
    EER that int8 may lose on any list; ``max_runtime_gap``: points that the runtimes may be apart. ``cache``: folder
    that keeps embeddings of the lists between runs.
    """

    variants: bool = False
    trials: tuple[Path, ...] = ()
    min_cosine: float = LEAST_MEAN_COSINE
    max_eer_loss: float = MAX_EER_LOSS
    max_runtime_gap: float = MAX_RUNTIME_GAP
    cache: Path | None = None


def measure(
    files: Files,
    utterances: Sequence[parity.HeldOut],
    material: eer.Material,
    wishes: Wishes,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """What the conversion lost, for the report.

    Raises ``ConversionError`` where that is too much; all figures were said by then.
    """
    engines = runtimes()
    if len(engines) < 2:
        say(f"only {engines[0].name} can be used here: runtimes are not compared")
    say("comparing with float")
    whole = files["float32"]
    reference = float_encoder(whole.model, whole.kernel, whole.bias, whole.spec)
    compared = list(files.values()) if wishes.variants else [files["int8"]]
    reports = parity.measure(reference, compared, engines, utterances)
    tables = [parity.table(reports)]
    say(f"compared:\n{tables[0]}")
    parity.check(reports, wishes.min_cosine)
    found: dict[str, Any] = {
        "parity": [report.to_json() for report in reports],
        "parity_utterances": [one.path for one in utterances],
    }
    if material.lists:
        say("scoring the trial lists")
        errors = eer.measure(list(files.values()), engines, material, say)
        tables.append(eer.table(errors))
        say(f"scored:\n{tables[1]}")
        eer.check(errors, wishes.max_eer_loss, wishes.max_runtime_gap)
        limits = {"int8_loss": wishes.max_eer_loss, "runtime_gap": wishes.max_runtime_gap}
        found["trials"] = {"allowed": limits, "lists": [one.to_json() for one in errors]}
    return found | {"tables": tables}


def write_variants(out: Path, files: Files) -> list[dict[str, Any]]:
    """Write all files but int8 beside the bundle ``out``, whose ``head.npz`` fits them; says what was written."""
    written = []
    for name, file in files.items():
        if name == "int8":
            continue
        path = out.with_name(f"{out.name}.{name}.tflite")
        path.write_bytes(file.model)
        digest = hashlib.sha256(file.model).hexdigest()
        written.append({"variant": name, "file": path.name, "bytes": len(file.model), "sha256": digest})
    return written
