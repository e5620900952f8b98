"""Exceptions that cross rooms. Each one names the cause, the remedy, and the exit code a command ends with.

Takes nothing, gives types. A command prints ``error.sentence()`` and exits with ``error.exit_code``; nothing else
in the project decides on exit codes.
"""

from __future__ import annotations

from typing import ClassVar, Final, Literal

EXIT_OK: Final = 0
"""Yes, or done."""
EXIT_NO: Final = 1
"""No: not this person, or a check failed."""
EXIT_USAGE: Final = 2
"""Usage or configuration; the message names the key or the argument."""
EXIT_NO_DECISION: Final = 3
"""No decision is possible: too short, silent or clipped; the message says which."""
EXIT_LOCKED: Final = 4
"""Locked out after too many failures."""
EXIT_ENVIRONMENT: Final = 5
"""The environment: no microphone, no model, no broker, no disk; the message says which."""
EXIT_SPOOF: Final = 7
"""A recording or a synthetic voice is suspected."""
EXIT_INTERRUPTED: Final = 130
"""Stopped by Ctrl-C."""


_LONGEST: Final = 1800
"""Characters of a cause or a remedy. What they quote may be a megabyte."""
_SPACES: Final = str.maketrans("\n\r\t", "   ")


class EarmarkError(Exception):
    """Base of every error that a person may see.

    ``cause`` is one plain sentence without a full stop; ``remedy`` says what to do about it and may be empty. What they
    quote, such as the name of a file, is kept from writing further lines or anything that a terminal would obey.
    """

    exit_code: ClassVar[int] = EXIT_ENVIRONMENT
    code: ClassVar[str] = "error"
    """Short machine-readable name, used by ``--json`` and in logs."""
    _lines: ClassVar[bool] = False

    def __init__(self, cause: str, remedy: str = "") -> None:
        super().__init__(cause)
        self.cause = _plain(cause, self._lines)
        self.remedy = _plain(remedy, self._lines)

    def sentence(self) -> str:
        """One line for a person: the cause, then the remedy."""
        return f"{self.cause}. {self.remedy}".strip() if self.remedy else f"{self.cause}."


def _plain(text: str, lines: bool) -> str:
    """``text`` as it may be printed and logged: bytes of a file name that are no text are escaped."""
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST // 2]} ... {text[-_LONGEST // 2 :]}"
    if text.isprintable():
        return text
    shown = text.encode("utf-8", "backslashreplace").decode("utf-8")
    if not lines:
        shown = shown.translate(_SPACES)
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in shown)


class UsageError(EarmarkError):
    """An argument that makes no sense."""

    exit_code = EXIT_USAGE
    code = "usage"


class SettingsError(EarmarkError):
    """A configuration file or environment variable that cannot be used; names the key and the nearest known one."""

    exit_code = EXIT_USAGE
    code = "settings"
    _lines = True  # one for each of several keys


class UnknownPersonError(EarmarkError):
    """Nobody is enrolled under that name."""

    exit_code = EXIT_USAGE
    code = "unknown_person"


class AudioRejectedError(EarmarkError):
    """The audio allows no decision. ``reason`` is one of ``records.QualityReason``."""

    exit_code = EXIT_NO_DECISION
    code = "audio_rejected"

    def __init__(self, reason: str, cause: str, remedy: str = "") -> None:
        super().__init__(cause, remedy)
        self.reason = reason


class AudioFileError(EarmarkError):
    """A file that is missing, empty, or no audio."""

    exit_code = EXIT_USAGE
    code = "audio_file"


MicrophoneFault = Literal[
    "missing", "busy", "refused", "lost", "stopped", "no_answer", "silent", "wrong_rate", "ambiguous", "software"
]
"""What is wrong with a microphone. ``lost``: it ended the recording; ``stopped``: it delivers nothing and says nothing;
``no_answer``: the sound system itself hangs. ``silent`` and ``wrong_rate``: there is sound, but not what it should be.
"""


class MicrophoneError(EarmarkError):
    """No microphone, a busy one, or one that stopped delivering; ``fault`` says which."""

    code = "microphone"

    def __init__(self, cause: str, remedy: str = "", fault: MicrophoneFault = "lost") -> None:
        super().__init__(cause, remedy)
        self.fault: MicrophoneFault = fault


class RuntimeMissingError(EarmarkError):
    """No TFLite interpreter can be used; the remedy is the line that installs one."""

    code = "runtime"


class BundleError(EarmarkError):
    """A bundle that is missing, corrupt, or does not match what this program computes."""

    code = "bundle"


class IncompatibleBundleError(EarmarkError):
    """A bundle with which the people enrolled here would not be recognised any more."""

    exit_code = EXIT_NO
    code = "incompatible_bundle"


class RolledBackError(EarmarkError):
    """A change did not do, and what was there before is in force again."""

    exit_code = EXIT_NO
    code = "rolled_back"


class PeopleError(EarmarkError):
    """The people database cannot be read or written, or refuses a change."""

    code = "people"


class VaultError(EarmarkError):
    """The key of the voiceprints is missing, damaged, or not the one that they were encrypted with."""

    code = "vault"


class StorageError(EarmarkError):
    """The state folder is read-only or the disk is full."""

    code = "storage"


class BrokerError(EarmarkError):
    """The MQTT broker cannot be reached, or refuses us; the message says which."""

    code = "broker"


EnrolmentReason = Literal["other_voice", "too_little", "clips_differ", "known_voice"]
"""Why clips make no voiceprint: more than one person, too little good speech, clips that don't sound like each other, a
voice that is enrolled under another name."""


class EnrolmentError(EarmarkError):
    """The clips given do not make a voiceprint; ``reason`` says why."""

    exit_code = EXIT_NO
    code = "enrolment"

    def __init__(self, cause: str, remedy: str = "", *, reason: EnrolmentReason) -> None:
        super().__init__(cause, remedy)
        self.reason: EnrolmentReason = reason


class CalibrationError(EarmarkError):
    """The people enrolled make no calibration: too few clips, or two of them cannot be told apart."""

    exit_code = EXIT_NO
    code = "calibration"


class ExtraMissingError(EarmarkError):
    """A command needs an extra that is not installed; the remedy is the line that installs it."""

    code = "extra"


class LockedOut(EarmarkError):
    """Too many failed attempts, or another factor is due first; the message says how long it lasts.

    ``reason``: ``failures`` (of this person), ``busy`` (too many in the last hour, by anybody), ``silences`` (too many
    without speech), ``other_factor`` (the PIN is due). ``seconds``: until the next attempt, None where only the PIN
    helps.
    """

    exit_code = EXIT_LOCKED
    code = "locked_out"

    def __init__(self, reason: str, seconds: float | None, cause: str, remedy: str = "") -> None:
        super().__init__(cause, remedy)
        self.reason = reason
        self.seconds = seconds


class AttemptsError(EarmarkError):
    """The record of attempts is damaged, missing, or was changed by hand; nobody passes until it is set right."""

    code = "attempts"


class ControlError(EarmarkError):
    """The control socket cannot be made, or the daemon behind it does not answer as it should."""

    code = "control"


class BusyError(EarmarkError):
    """Somebody else is being verified at the moment, or too many programs are connected."""

    code = "busy"


class AttemptCancelledError(EarmarkError):
    """Whoever asked for a verification does not want its answer any more."""

    exit_code = EXIT_NO_DECISION
    code = "cancelled"


class RequestError(EarmarkError):
    """A line on the control socket that is no request, or one that is not allowed.

    ``id``: of the request, where it has one. ``fatal``: nothing that follows on the connection can be understood.
    """

    exit_code = EXIT_USAGE
    code = "bad_request"

    def __init__(self, cause: str, remedy: str = "", *, fatal: bool = False) -> None:
        super().__init__(cause, remedy)
        self.fatal = fatal
        self.id: str | None = None
