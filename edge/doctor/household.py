"""The household's own calibration: whether it is in force.

Takes a ``Case``; gives a finding. Must hold: nothing is changed, and no file is made.
"""

from __future__ import annotations

from edge.bundle import known_spaces
from edge.calibrate.kept import FILE_NAME, household
from edge.decision import FAR_TARGETS
from edge.doctor.case import Case
from edge.doctor.findings import Finding
from edge.people import PeopleStore
from edge.settings import bundle_dirs


def calibration(case: Case) -> Finding:
    """Whose calibration decides, and why not the household's where one is kept."""
    folder, profile = case.folder(), case.known.decide.profile
    own = "The model's own calibration decides"
    if not (folder / FILE_NAME).exists():
        said = f"{own}; `earmark calibrate` fits it to this household."
        return Finding("calibration", "ok", said, facts={"calibration": "bundle", "stale": None})
    if not (folder / "people.sqlite").exists():
        said = f"{own}: the household's is kept, but nobody is enrolled."
        nobody = {"calibration": "bundle", "stale": "nobody is enrolled"}
        return Finding("calibration", "warn", said, "earmark calibrate --reset", nobody)
    opened = case.bundle()
    with PeopleStore(folder, known_spaces(bundle_dirs(case.known, case.state, case.environ))) as store:
        found = household(folder, opened, store.people(opened.encoder, opened.space))
    origin = found.origin(FAR_TARGETS[profile])
    facts = {"calibration": origin, "stale": found.stale or None}
    if found.stale:
        said = f"{own}: the household's is not used, since {found.stale}."
        return Finding("calibration", "warn", said, "earmark calibrate", facts)
    if origin == "bundle":
        return Finding("calibration", "ok", f"{own}: the household's does not reach to {profile}.", facts=facts)
    return Finding("calibration", "ok", "The household's own calibration decides.", facts=facts)
