"""The sections and their keys: where a setting has its name, type, default, bounds, unit and words.

Those about the device's name and whom it talks to stand in ``network``.

Takes: nothing. Gives: frozen dataclasses; ``describe(section)`` lists the documentation of each key.
Must hold: a plain ``Settings()`` is a working configuration; every field has words (a test insists).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Literal, cast, get_origin, get_type_hints

from edge.records import Profile
from edge.settings.keys import Key, setting
from edge.settings.network import HomeAssistant, Mqtt, Node

DEFAULT_BUNDLE: Final = "accurate"
"""The bundle that listens where nothing else is chosen: here, in `earmark demo`, in `earmark bench`."""


@dataclass(frozen=True, slots=True)
class Audio:
    """Where the sound comes from."""

    source: str = setting(
        "mic",
        "`mic`, `mic:NAME` (part of a name shown by `earmark devices`), a file, a folder, or `-` for 16-bit PCM on the "
        "standard input.",
        pattern=r".+",
        pattern_words="a source such as mic or a path",
    )
    device: str = setting(
        "", "Microphone by number, part of its name, or id of its sound card; empty takes the system's default."
    )
    block_ms: int = setting(100, "How much sound is read at a time.", unit="ms", low=10, high=1000)
    watchdog_seconds: float = setting(
        2.0, "A microphone that delivers nothing for this long is opened again.", unit="s", low=0.5, high=60
    )
    silent_seconds: float = setting(
        60.0,
        "A microphone that delivers exact zeros for this long, as a muted or broken one does, is reported as a problem "
        "and opened again. 0 never does it, for a microphone that mutes itself while nobody speaks.",
        unit="s",
        low=0,
        high=86400,
    )


@dataclass(frozen=True, slots=True)
class Segment:
    """How a stream of sound is cut into utterances."""

    hangover_ms: int = setting(
        500,
        "Silence that ends an utterance. The largest part of the wait for an answer; too small a value cuts sentences "
        "in two.",
        unit="ms",
        low=100,
        high=3000,
    )
    preroll_ms: int = setting(300, "Sound kept from before the first detected speech.", unit="ms", low=0, high=2000)
    min_speech_ms: int = setting(400, "Speech shorter than this is no utterance.", unit="ms", low=100, high=5000)
    max_utterance_seconds: float = setting(
        12.0, "An utterance that does not end is cut here, and goes on as the next one.", unit="s", low=2, high=60
    )
    min_snr_db: float = setting(
        6.0, "Sound must stand out from the background by this much to count as speech.", unit="dB", low=0, high=40
    )
    floor_dbfs: float = setting(
        -60.0, "Sound below this level is silence, whatever the background.", unit="dBFS", low=-100, high=-20
    )


@dataclass(frozen=True, slots=True)
class Decide:
    """How evidence becomes a name, `unknown` or `uncertain`."""

    profile: Profile = setting(  # noqa: RUF009 - a field, like the others
        "balanced",
        "How many strangers' utterances may get a name: relaxed 1 %, balanced 0.3 %, strict 0.1 %. Stricter names "
        "fewer "
        "strangers and is more often uncertain about the household.",
    )
    threshold: float | None = setting(
        None,
        "Name somebody from this probability on (0.9: nine times out of ten) instead of the profile's share of "
        "strangers, which nobody then promises. Empty: the profile decides. It never decides whether somebody is the "
        "person they claim to be (`earmark verify`).",
        low=0.5,
        high=0.99,
    )
    min_speech_seconds: float = setting(
        0.4,
        "Less speech than this is never decided; it only adds to the evidence of its turn.",
        unit="s",
        low=0.3,
        high=10,
    )
    turn_gap_seconds: float = setting(
        6.0,
        "Utterances with shorter pauses between them may belong to one turn of one speaker.",
        unit="s",
        low=0,
        high=60,
    )
    pool_turns: bool = setting(True, "Add up the evidence of the utterances of a turn.")
    margin_llr: float = setting(
        1.0,
        "The best person must beat the second best by this much (difference of natural-log likelihood ratios).",
        low=0,
        high=20,
    )
    uncertain_far: float = setting(
        0.03,
        "Between `unknown` and `identified` lies `uncertain`. A score that even a threshold letting through this "
        "share of "
        "strangers would refuse is `unknown`; one between that threshold and the profile's is `uncertain`. A larger "
        "share "
        "makes more answers uncertain.",
        low=0.001,
        high=0.5,
    )
    prior_known: float = setting(
        0.5,
        "How likely it is, before anybody speaks, that a voice belongs to somebody enrolled.",
        low=0.01,
        high=0.99,
    )


@dataclass(frozen=True, slots=True)
class Models:
    """Which networks run, and how."""

    bundle: str = setting(
        DEFAULT_BUNDLE,
        "Name of an installed bundle, or the path of a bundle's folder or .earmark file. `earmark doctor` says which "
        "one to take on this machine. After a change people must enrol again; where both bundles name the same "
        "embedding space they are still compared until then, and named much less often.",
        pattern=r".+",
        pattern_words="a bundle's name or path",
    )
    packs: tuple[str, ...] = setting(
        (),
        "Packs of label heads to put on the bundle, for `privacy.gender` and `privacy.emotion`: names of installed "
        "packs, or paths. Each has a licence of its own. `earmark doctor` lists them.",
        pattern=r"[^\s,]+",
        pattern_words="a list of names or paths, without spaces",
    )
    trusted_keys: tuple[str, ...] = setting(
        (),
        "Public keys (`ed25519:` and 44 characters). Where there are any, a bundle or pack is only opened if one of "
        "them has signed it (`earmark bundle sign`); those that come with the package need no signature.",
        pattern=r"ed25519:[A-Za-z0-9+/]{43}=",
        pattern_words="a list of keys such as ed25519:... as `earmark bundle sign` prints them",
    )
    threads: int = setting(
        1, "Threads of the interpreter. More than one is slower on most small boards; measure first.", low=1, high=16
    )
    reference_kernels: bool = setting(
        False, "Use the slow reference kernels, which give the same bits on every machine. For tests and comparisons."
    )


@dataclass(frozen=True, slots=True)
class Enrolment:
    """How voices are learnt."""

    bundle: str = setting(
        "",
        "Bundle that `earmark enroll` learns voices with, where it is another one than `models.bundle` that listens. "
        "Both must name the same embedding space. Thresholds fit voiceprints of the bundle that listens: with the "
        "bundles that come with Earmark people are named much less often. Empty means `models.bundle`.",
    )


@dataclass(frozen=True, slots=True)
class Auth:
    """Attempts to be recognised as a certain person, by `earmark verify` and the control socket."""

    fallback_hours: float = setting(
        0.0,
        "A voice is good for this long after the PIN was given, and never across a restart; then `earmark unlock` must "
        "be used first. Telephones do so after 72 hours. 0 asks for no such thing.",
        unit="h",
        low=0,
        high=168,
    )


@dataclass(frozen=True, slots=True)
class Privacy:
    """What leaves the device, and what is analysed at all."""

    mqtt_names: Literal["real", "alias", "none"] = setting(
        "real",
        "What stands for a person in MQTT: the real name, an alias (the person's id), or nothing but whether somebody "
        "enrolled spoke.",
    )
    publish_candidates: bool = setting(False, "Add the ranked candidates with their scores to each event.")
    gender: bool = setting(
        False,
        "Estimate how a voice is perceived, female or male, where the bundle or a pack can. Needs "
        "`labels_acknowledged`.",
    )
    emotion: bool = setting(False, "Estimate emotion, where the bundle or a pack can. Needs `labels_acknowledged`.")
    labels_acknowledged: bool = setting(
        False,
        "Set this once you have read docs/labels.md: what a voice sounds like is not who somebody is or how they feel; "
        "the people who live here know of it and agree; it is not used at work, at school, in care, or on people who "
        "did not agree. Without it neither gender nor emotion is estimated.",
    )


@dataclass(frozen=True, slots=True)
class Log:
    """What the daemon writes to its log."""

    level: Literal["debug", "info", "warning", "error"] = setting("info", "Least important level that is logged.")
    format: Literal["text", "json"] = setting("text", "Text for people, or one JSON object a line.")


@dataclass(frozen=True, slots=True)
class Control:
    """The socket on which programs on this machine ask the daemon to verify somebody."""

    enabled: bool = setting(
        True,
        "Serve it, so that `earmark verify` and PAM work while the daemon holds the microphone. Nobody but root and "
        "the daemon's own account may ask unless `group` is set; there is never a network port.",
    )
    path: str = setting(
        "",
        "Path of the socket. Empty means `control.sock` in `$RUNTIME_DIRECTORY` (systemd: /run/earmark), else in the "
        "state folder.",
        pattern=r"(/.+)?",
        pattern_words="an absolute path",
    )
    group: str = setting(
        "",
        "Group whose members may ask as well. The daemon must be a member.",
        pattern=r"([a-z_][a-z0-9_-]{0,30})?",
        pattern_words="the name of a group",
    )
    max_clients: int = setting(8, "Programs that may be connected at a time; root has two places more.", low=1, high=64)


@dataclass(frozen=True, slots=True)
class State:
    """Where people and undelivered messages are kept."""

    dir: str = setting(
        "",
        "Folder of the people database and the outbox. `--state` and `$EARMARK_STATE` win over it; empty means "
        "`$STATE_DIRECTORY` (systemd), else `$XDG_STATE_HOME/earmark`, else `~/.local/state/earmark`.",
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything. ``path``: the file it came from, None where there was none; not part of equality."""

    node: Node = field(default=Node())  # field(): ruff does not see that a class of another module is frozen
    audio: Audio = Audio()
    segment: Segment = Segment()
    decide: Decide = Decide()
    models: Models = Models()
    enrolment: Enrolment = Enrolment()
    auth: Auth = Auth()
    mqtt: Mqtt = field(default=Mqtt())
    homeassistant: HomeAssistant = field(default=HomeAssistant())
    privacy: Privacy = Privacy()
    log: Log = Log()
    control: Control = Control()
    state: State = State()
    path: Path | None = field(default=None, compare=False)


SECTIONS: Final[dict[str, type]] = {
    item.name: cast(type, item.default.__class__) for item in fields(Settings) if item.name != "path"
}
"""Section name as in the file -> dataclass, in the order of the documents."""


def describe(section: type) -> Iterator[Key]:
    """The keys of a section, in order, with everything that is known about them."""
    hints = get_type_hints(section)
    for item in fields(section):
        kind, optional, choices = _kind(hints[item.name])
        yield Key(item.name, kind, optional, choices, _default(item), item.metadata["words"])


def fits(pattern: str, text: str) -> bool:
    """Whether ``text`` as a whole matches a key's pattern."""
    return re.fullmatch(pattern, text) is not None


def _kind(hint: Any) -> tuple[type, bool, tuple[str, ...]]:
    """Split an annotation into (plain type, None allowed, choices)."""
    if get_origin(hint) is tuple:
        return tuple, False, ()
    if isinstance(hint, type):
        return hint, False, ()
    arguments = getattr(hint, "__args__", ())
    if type(None) in arguments:
        return cast(type, next(one for one in arguments if one is not type(None))), True, ()
    return str, False, tuple(str(one) for one in arguments)


def _default(item: Field[Any]) -> Any:
    return None if item.default is MISSING else item.default
