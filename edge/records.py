"""The types that cross rooms: frozen dataclasses with shapes, dtypes and units; no computation beyond derived values.

(Called ``records`` because ``types`` would shadow the standard library.)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal, Protocol

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]

SAMPLE_RATE: Final = 16_000
"""Hertz. Every room after ``audio/`` sees float32 mono at this rate, full scale = 1.0."""

QualityReason = Literal[
    "too_short", "too_long", "silent", "too_quiet", "too_loud", "too_noisy", "clipped", "not_speech", "other_voice",
    "two_voices", "narrow_band", "duplicate", "unreadable",
]  # fmt: skip
"""Why a piece of audio is not good enough; the words shown in logs, JSON and Home Assistant."""

Outcome = Literal["identified", "unknown", "uncertain", "rejected"]
"""What a decision says. ``rejected``: the audio itself allows no statement (too short, clipped, no speech)."""

Profile = Literal["relaxed", "balanced", "strict"]
"""Operating point: at most 1 %, 0.3 % or 0.1 % of strangers' utterances get a name."""

Flag = Literal["short", "noisy", "clipped", "multi_speaker", "low_margin", "playback_suspect", "channel_mismatch"]

LabelKind = Literal["gender", "emotion"]
"""What may be told of a voice besides whose it is."""

UNSURE: Final = "unsure"
"""The answer of a label head that abstains."""

UnsureReason = Literal["", "too_short", "too_noisy", "multi_speaker", "other", "low_probability"]
"""Why it abstains. ``other``: what it heard is most likely none of its labels. Empty where it does not abstain."""


@dataclass(frozen=True, slots=True, eq=False)
class AudioBlock:
    """A run of consecutive samples from a source.

    ``samples``: float32 ``(n,)``, mono, 16 kHz, full scale 1.0. ``start``: index of the first sample since the stream
    began, at 16 kHz. ``dropped``: samples lost (overruns) immediately before this block; they are not counted in
    ``start``'s gap-free clock but in ``start`` itself (start jumps by ``dropped``). ``clipped``: how many samples
    were at full scale before resampling. ``absent``: samples before this block (and before ``dropped``) for which there
    was no microphone; ``start`` jumps by these, too. ``behind_seconds``: for how long a live source has had this block.
    """

    samples: Float32
    start: int
    dropped: int = 0
    clipped: int = 0
    absent: int = 0
    behind_seconds: float = 0.0


class AudioSource(Protocol):
    """Where audio comes from. Constructors only remember; ``blocks`` opens, ``close`` (idempotent) ends."""

    @property
    def name(self) -> str:
        """Stable name for logs and for the microphone noted with each enrolment clip, such as ``mic:USB Audio``."""

    @property
    def live(self) -> bool:
        """True for a microphone: time passes whether we read or not."""

    def blocks(self) -> Iterator[AudioBlock]:
        """Yield blocks until the source ends. Raises ``AudioFileError`` or ``MicrophoneError``."""

    def close(self) -> None:
        """Release the device or file; safe to call twice and from another thread."""


@dataclass(frozen=True, slots=True, eq=False)
class Utterance:
    """One stretch of speech between silences (or cut at the limit).

    ``samples``: float32 ``(n,)`` at 16 kHz, with a little context on both sides. ``start``/``end``: stream clock in
    samples, ``end`` exclusive. ``speech_seconds``: time judged to be speech. ``snr_db``: speech over the background
    tracked before it. ``level_dbfs``: RMS of the speech part; ``peak_dbfs``: highest sample.
    ``clipped_fraction``: share of samples at full scale.
    """

    samples: Float32
    start: int
    end: int
    speech_seconds: float
    snr_db: float
    level_dbfs: float
    peak_dbfs: float
    clipped_fraction: float
    ended_by: Literal["silence", "limit", "end_of_stream"]

    @property
    def duration_seconds(self) -> float:
        """Length of ``samples`` in seconds."""
        return len(self.samples) / SAMPLE_RATE


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSpec:
    """The one definition of a feature; serialised into each bundle, and its hash names the feature caches of training.

    Semantics are those of python_speech_features 0.6: pre-emphasis over the whole signal (first sample kept), samples
    on the 16-bit scale (x 32768), the last frame zero-padded, |FFT|^2 / n_fft, HTK mel scale with filter edges rounded
    down to bins, natural logarithm, orthonormal DCT-II. Energies below ``log_floor`` are raised to it (absolute, so
    that a stream knows it). ``n_ceps`` = 0 asks for the log-mel energies before the DCT. ``normalise``: ``window_mean``
    subtracts the mean over the frames that enter the network together. Then ``(x - mean) / scale`` per
    coefficient, where those are given.
    """

    sample_rate: int = SAMPLE_RATE
    frame_ms: float = 25.0
    hop_ms: float = 10.0
    n_fft: int = 640
    n_mels: int = 80
    n_ceps: int = 80
    f_min: float = 20.0
    f_max: float = 8000.0
    preemphasis: float = 0.97
    window: Literal["hamming", "hann", "rectangular"] = "hamming"
    log_floor: float = 0.1
    lifter: int = 0
    normalise: Literal["none", "window_mean"] = "window_mean"
    mean: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    version: int = 1

    @property
    def frame_samples(self) -> int:
        """Length of an analysis frame in samples."""
        return round(self.sample_rate * self.frame_ms / 1000)

    @property
    def hop_samples(self) -> int:
        """Distance between frames in samples."""
        return round(self.sample_rate * self.hop_ms / 1000)

    @property
    def coefficients(self) -> int:
        """Width of a feature vector."""
        return self.n_ceps or self.n_mels

    def to_json(self) -> dict[str, Any]:
        """Plain values, as stored under ``features`` in a bundle's card."""
        return asdict(self) | {"mean": list(self.mean), "scale": list(self.scale)}

    def fingerprint(self) -> str:
        """First 16 hex digits of the SHA-256 of the canonical JSON form."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """What the encoder says about an utterance.

    ``vector``: float32 ``(dim,)``, unit norm. ``windows``: float32 ``(k, dim)``, unit norm, one per network window, in
    order of time. ``seconds``: audio that went in. ``speech_probability``: how sure the bundle's speech head is that
    this is speech at all, or None where it has none. ``encoder``: hash of the encoder that made it. ``space``: name of
    the embedding space, empty where the encoder is alone in its own. Vectors of different encoders must never be
    compared unless both name the same space.
    """

    vector: Float32
    windows: Float32
    seconds: float
    encoder: str
    speech_probability: float | None = None
    space: str = ""


@dataclass(frozen=True, slots=True)
class LabelAnswer:
    """What a label head says of one utterance. ``label``: a published label, or ``unsure``. ``probability``:
    calibrated, of the likeliest published label, whether it is told or not. ``probabilities``: of every published
    label, and under ``unsure`` of the classes that are none of them, where the head has such; they add up to 1.
    """

    label: str
    probability: float
    probabilities: Mapping[str, float]
    reason: UnsureReason = ""


@dataclass(frozen=True, slots=True, eq=False)
class Exemplar:
    """One enrolment clip as kept in the people database. No audio, only the embedding and its circumstances.

    ``digest``: SHA-256 of the clip's 16-bit samples, to refuse the same recording twice. ``encoder``: which encoder
    made it; ``space``: the embedding space that its bundle named, empty where it named none.
    """

    vector: Float32
    encoder: str
    speech_seconds: float
    snr_db: float
    microphone: str
    created: str
    digest: str
    space: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """Somebody enrolled. ``id`` (such as ``p7c1e``) never changes; ``name`` may."""

    id: str
    name: str
    created: str
    exemplars: tuple[Exemplar, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Voiceprint:
    """The template that a score is computed against: the normalised mean of a person's exemplars.

    ``vector``: float32 ``(dim,)``, unit norm. ``speech_seconds``: enrolment speech behind it. ``clips``: how many
    exemplars. ``spread``: mean cosine of the exemplars to ``vector`` (1 = identical clips). ``encoder``: the hash of
    the exemplars' encoder, several in order with ``+`` between.
    """

    person_id: str
    name: str
    vector: Float32
    speech_seconds: float
    clips: int
    spread: float
    encoder: str


@dataclass(frozen=True, slots=True)
class PersonScore:
    """One person against one piece of evidence. ``llr``: calibrated natural-log likelihood ratio, same over different
    speaker. ``probability``: posterior under the open-set prior (this person against everybody else and strangers).
    """

    person_id: str
    name: str
    cosine: float
    llr: float
    probability: float


@dataclass(frozen=True, slots=True)
class Scores:
    """All enrolled people against one piece of evidence, best first. ``margin``: llr of the best minus the second best
    person (or the best of the bundled cohort where only one person is enrolled).
    """

    ranked: tuple[PersonScore, ...]
    margin: float
    speech_seconds: float


@dataclass(frozen=True, slots=True)
class Decision:
    """Who it was, or why nobody is named.

    ``best``/``runner_up``: the ranked people behind it (None where nobody is enrolled). ``probability`` and
    ``threshold`` are on the same scale: identified needs probability >= threshold. ``pooled``: how many utterances of
    the turn went in.
    """

    outcome: Outcome
    best: PersonScore | None
    runner_up: PersonScore | None
    probability: float
    threshold: float
    margin: float
    flags: tuple[Flag, ...] = ()
    reason: str = ""
    pooled: int = 1

    @property
    def person_id(self) -> str | None:
        """Id of the person named, None unless identified."""
        return self.best.person_id if self.outcome == "identified" and self.best else None


@dataclass(frozen=True, slots=True)
class StageTimes:
    """CPU milliseconds spent on one utterance, by stage."""

    gate_ms: float = 0.0
    frontend_ms: float = 0.0
    encoder_ms: float = 0.0
    decision_ms: float = 0.0

    @property
    def total_ms(self) -> float:
        """Sum of the stages."""
        return self.gate_ms + self.frontend_ms + self.encoder_ms + self.decision_ms


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What the pipeline gives for one utterance: the utterance, its embedding (None where rejected before the network),
    the decision, what it cost, and the answers of the label heads that are switched on (none where it was rejected).
    """

    utterance: Utterance
    embedding: Embedding | None
    decision: Decision
    times: StageTimes = field(default_factory=StageTimes)
    labels: Mapping[LabelKind, LabelAnswer] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Message:
    """One MQTT message. ``kind``: ``event`` (kept in order, never replaced, said once; retained only where others say
    the same topic) or ``state`` (only the latest per topic matters; retained, unless it tells of a moment).
    """

    topic: str
    payload: bytes
    qos: Literal[0, 1] = 1
    retain: bool = False
    kind: Literal["event", "state"] = "event"


class Clock(Protocol):
    """Time, passed in so that tests and simulations own it."""

    def now(self) -> float:
        """UTC seconds since the epoch."""

    def monotonic(self) -> float:
        """Seconds that never jump."""
