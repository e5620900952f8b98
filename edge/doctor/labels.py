"""Gender and emotion: what is switched on, whether it can be told, and which packs of label heads are installed.

Takes a ``Case``; gives a finding with a line per pack. Must hold: a pack that the settings name and that cannot be used
is a fault, since the daemon does not start with it; one that merely lies there is none.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edge.bundle import Bundle, Pack, analyses, installed_packs, open_pack
from edge.doctor.case import Case
from edge.doctor.findings import Finding, one_line
from edge.errors import BundleError
from edge.settings import bundle_dirs


def labels(case: Case) -> Finding:
    """Whether what is switched on is told."""
    settings = case.known
    opened = case.bundle()
    directories = bundle_dirs(settings, case.state, case.environ)
    lines, packs = [], []
    for name, path in installed_packs(directories).items():
        line, facts = _described(name, path, opened, name in settings.models.packs)
        lines.append(line)
        packs.append(facts)
    chosen = [open_pack(name, directories, settings.models.trusted_keys) for name in settings.models.packs]
    opened.put_on(chosen)
    found = analyses(opened, settings.privacy)
    facts = {
        "told": list(found.kinds),
        "possible": list(opened.heads),
        "acknowledged": settings.privacy.labels_acknowledged,
        "packs": packs,
    }
    if found.unmet:
        causes = " ".join(one_line(unmet.cause) for unmet in found.unmet)
        remedies = " ".join(one_line(unmet.remedy) for unmet in found.unmet)
        return Finding("labels", "warn", causes, remedies, facts, tuple(lines))
    if found.kinds:
        means = " and ".join([f"the bundle {opened.name}", *(f"the pack {pack.card.name}" for pack in chosen)])
        sentence = f"{' and '.join(found.kinds)} of voices {'is' if len(found.kinds) == 1 else 'are'} told, by {means}"
    else:
        sentence = "Gender and emotion are switched off"
    return Finding("labels", "ok", one_line(sentence), facts=facts, lines=tuple(lines))


def _described(name: str, path: Path, opened: Bundle, used: bool) -> tuple[str, dict[str, Any]]:
    try:
        pack = open_pack(path)
    except BundleError as error:
        return f"{name}: {error.cause}", {"name": name, "path": str(path), "problem": error.cause}
    card = pack.card
    why = _misfit(pack, opened)
    state = "in use" if used and not why else why or f"not in use (models.packs: [{name}])"
    facts = {
        "name": card.name,
        "version": card.version,
        "path": str(path),
        "tells": list(card.kinds),
        "licence": card.licence,
        "bundles": [trunk.bundle for trunk, _ in card.trunks],
        "must_not_be_used_for": card.raw["must_not_be_used_for"],
        "used": used,
        "problem": why,
    }
    made_for = ", ".join(dict.fromkeys(trunk.bundle for trunk, _ in card.trunks))
    return f"{name} {card.version}: tells {' and '.join(card.kinds)}, for {made_for}; {card.licence}; {state}", facts


def _misfit(pack: Pack, opened: Bundle) -> str:
    if pack.fitting(opened.trunk) is not None:
        return ""
    return f"does not fit {opened.name}"
