"""The script that makes the demo's audio: ``python -m training.demo_assets --speech DIR --out DIR``.

Takes: a folder with LibriSpeech utterances (``dev/librispeech/ls<speaker>/<speaker>-<chapter>-<number>.ogg``) and the
two household noises of the Arabic Speech Commands set (``noise/noise/asc_bg``). Gives: enrolment clips of two people,
one stream with both of them, strangers, noise and silence, a few single utterances for tests, and ``index.json`` and
``stream.json`` that say what is what and where it comes from. Must hold: nobody in the assets is in this project's
training speech; a person's stream and test clips come from another chapter (another recording session) than the
enrolment; the same input gives the same bytes. Documented beside the assets in ATTRIBUTION.md.
"""

from __future__ import annotations

import argparse
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import soundfile

from edge.records import SAMPLE_RATE, Float32

SPEECH_SOURCE: Final = "LibriSpeech, speaker {speaker}, chapter {chapter}, utterance {number}"
SPEECH_LICENCE: Final = "CC BY 4.0"
NOISE_SOURCE: Final = "Arabic Speech Commands Dataset, background noise {noise}"
NOISE_LICENCE: Final = "CC BY 4.0"

FLOOR_DBFS: Final = -58.0
"""RMS of the room: a quiet living room through a microphone; digital silence does not occur in a home."""
OPUS_LEVEL: Final = 0.89
"""libsndfile's compression level, 0 = 256 kbit/s and 1 = 6 kbit/s: this one is about 33 kbit/s."""


@dataclass(frozen=True, slots=True)
class Say:
    """Somebody speaks: about ``seconds`` of an utterance, at ``level_dbfs`` (RMS of the speech part)."""

    who: str
    speaker: str
    clip: str
    seconds: float
    level_dbfs: float = -26.0
    snr_db: float | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """Nobody speaks. What is heard is the room, or the noise that is running."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Noise:
    """A household noise starts (``name``, with its RMS) or, with an empty name, ends."""

    name: str = ""
    level_dbfs: float = -40.0


PEOPLE: Final = {"Ada": ("1088", "female"), "Ben": ("26", "male")}
"""Invented first names for LibriSpeech readers 1088 and 26; the readers' own names are not used."""

ENROL: Final = {
    "Ada": (("134315-0002", 5.0), ("134315-0024", 4.0), ("134315-0034", 6.0), ("134315-0020", 5.5),
            ("134315-0053", 5.5)),
    "Ben": (("495-0005", 5.0), ("495-0054", 4.0), ("495-0077", 6.0), ("495-0028", 5.0), ("495-0086", 5.5)),
}  # fmt: skip

CLIPS: Final = (
    Say("Ada", "1088", "134318-0001", 3.0),
    Say("Ada", "1088", "134318-0019", 2.0, -30.0),
    Say("Ben", "26", "496-0001", 3.0),
    Say("Ben", "26", "496-0002", 2.0, -30.0),
    Say("stranger", "3664", "178355-0003", 3.0),
    Say("stranger", "8629", "261139-0006", 3.0),
    Say("stranger", "669", "129074-0004", 3.0),
    Say("stranger", "1898", "145715-0003", 3.0),
)

SCENE: Final[tuple[Say | Pause | Noise, ...]] = (
    Pause(2.5),
    Say("Ada", "1088", "134318-0008", 4.0),
    Pause(1.8),
    Say("Ben", "26", "496-0008", 3.0),
    Pause(2.2),
    Say("stranger", "2416", "152139-0005", 4.0),
    Pause(6.0),
    Say("Ada", "1088", "134318-0017", 2.0, -29.0),
    Pause(1.6),
    Say("stranger", "2136", "5147-0006", 3.0),
    Pause(2.0),
    Say("Ben", "26", "496-0024", 6.0),
    Pause(2.5),
    Noise("boiler"),
    Pause(8.0),
    Say("Ben", "26", "496-0005", 4.0, snr_db=15.0),
    Pause(2.5),
    Say("stranger", "118", "47824-0057", 3.0, snr_db=12.0),
    Pause(2.5),
    Say("Ada", "1088", "134318-0010", 5.0, snr_db=12.0),
    Pause(2.0),
    Noise(),
    Pause(3.0),
    Say("stranger", "118", "47824-0010", 2.5),
    Pause(1.8),
    Say("Ada", "1088", "134318-0002", 7.0),
    Pause(2.0),
    Say("Ben", "26", "496-0016", 1.5),
    Pause(4.0),
    Say("stranger", "4680", "16042-0011", 5.0, -28.0),
    Pause(2.0),
    Noise("washing_machine"),
    Pause(9.0),
    Say("Ada", "1088", "134318-0020", 3.0, snr_db=15.0),
    Pause(2.2),
    Say("stranger", "4680", "16042-0008", 3.0, snr_db=12.0),
    Pause(2.2),
    Say("Ben", "26", "496-0012", 5.0, snr_db=10.0),
    Pause(2.0),
    Noise(),
    Pause(7.0),
    Say("Ben", "26", "496-0020", 8.0, -30.0),
    Pause(2.0),
    Say("stranger", "2136", "5147-0002", 6.0),
    Pause(1.6),
    Say("Ada", "1088", "134318-0018", 1.5),
    Pause(2.4),
    Say("stranger", "2416", "152139-0008", 2.0),
    Pause(2.0),
    Say("Ben", "26", "496-0007", 2.5),
    Pause(3.5),
)
"""About three minutes of a household evening."""


FRAME: Final = SAMPLE_RATE // 50
MARGIN: Final = SAMPLE_RATE // 16


def spoken(samples: Float32) -> npt.NDArray[np.bool_]:
    """Which 20 ms frames hold speech: above the clip's quiet tenth by 9 dB and within 35 dB of its loud tenth."""
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME).astype(np.float64)
    level = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-12)
    quiet, loud = np.percentile(level, 10), np.percentile(level, 90)
    return np.asarray(level > max(quiet + 9, loud - 35), dtype=np.bool_)


def runs(mask: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The stretches where ``mask`` holds, as (first, last + 1)."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], mask.astype(np.int8), [0]))))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def cut(samples: Float32, seconds: float) -> Float32:
    """A phrase of about ``seconds`` that starts and ends at a pause, with 62.5 ms of its own room on both sides.

    Among all spans between pauses of 120 ms or more whose length is right within a fifth, the one with the shortest
    inner pause wins, then the one nearest to ``seconds``, then the first. Raises ValueError when there is none.
    """
    pauses = [(0, 0), *(r for r in runs(~spoken(samples)) if r[1] - r[0] >= 6), (len(samples) // FRAME,) * 2]
    best: tuple[int, float, int, int] | None = None
    for i, (_, start) in enumerate(pauses):
        inner = 0
        for stop, resumed in pauses[i + 1 :]:
            length = (stop - start) * FRAME / SAMPLE_RATE
            if abs(length - seconds) <= 0.2 * seconds:
                best = min(filter(None, (best, (inner, abs(length - seconds), start, stop))))
            inner = max(inner, resumed - stop)
    if best is None:
        raise ValueError(f"no phrase of about {seconds} s between pauses")
    first, last = best[2] * FRAME - MARGIN, best[3] * FRAME + MARGIN
    piece = samples[max(first, 0) : last].copy()
    ramp = np.linspace(0, 1, FRAME, dtype=np.float32)
    piece[:FRAME] *= ramp
    piece[-FRAME:] *= ramp[::-1]
    return piece


def at_level(samples: Float32, dbfs: float, mask: npt.NDArray[np.bool_] | None = None) -> Float32:
    """Scale so that the RMS (of the 20 ms frames in ``mask``, where given) is ``dbfs``; peaks stay below full scale."""
    part = samples if mask is None else samples[: len(mask) * FRAME].reshape(-1, FRAME)[mask]
    gain = 10 ** (dbfs / 20) / float(np.sqrt(np.mean(part.astype(np.float64) ** 2)))
    gain = min(gain, 0.89 / float(np.max(np.abs(samples))))
    return np.asarray(samples * np.float32(gain), dtype=np.float32)


def room(length: int, rng: np.random.Generator) -> Float32:
    """``length`` samples of a quiet room: noise that falls by 3 dB an octave above 60 Hz, at ``FLOOR_DBFS``."""
    spectrum = np.fft.rfft(rng.standard_normal(length))
    frequency = np.fft.rfftfreq(length, 1 / SAMPLE_RATE)
    shaped = np.fft.irfft(spectrum / np.sqrt(np.maximum(frequency, 60.0)), length)
    return at_level(shaped.astype(np.float32), FLOOR_DBFS)


def read(path: Path) -> Float32:
    """A mono 16 kHz file as float32 ``(n,)``."""
    samples, rate = soundfile.read(path, dtype="float32")
    if rate != SAMPLE_RATE or samples.ndim != 1:
        raise ValueError(f"{path} is not 16 kHz mono")
    return np.asarray(samples, dtype=np.float32)


def phrase(speech: Path, say: Say) -> Float32:
    """The cut that ``say`` asks for, at its level."""
    clip = read(speech / "dev" / "librispeech" / f"ls{say.speaker}" / f"{say.speaker}-{say.clip}.ogg")
    piece = cut(clip, say.seconds)
    return at_level(piece, say.level_dbfs, spoken(piece))


def source(say: Say) -> dict[str, str]:
    """Where a phrase comes from, for the truth files."""
    chapter, number = say.clip.split("-")
    return {
        "source": SPEECH_SOURCE.format(speaker=say.speaker, chapter=chapter, number=number),
        "licence": SPEECH_LICENCE,
    }


def compose(speech: Path, scene: Sequence[Say | Pause | Noise]) -> tuple[Float32, list[dict[str, Any]]]:
    """The scene as samples and its truth: segments that follow each other without a gap, times in seconds."""
    voices: list[Float32] = []
    segments: list[dict[str, Any]] = []
    noises: list[tuple[int, int, Noise]] = []
    running, since, clock = Noise(), 0, 0
    for part in scene:
        if isinstance(part, Noise):
            if running.name:
                noises.append((since, clock, running))
            running, since = part, clock
            continue
        entry: dict[str, Any] = {"start": round(clock / SAMPLE_RATE, 3)}
        if isinstance(part, Pause):
            piece = np.zeros(round(part.seconds * SAMPLE_RATE), dtype=np.float32)
            entry["who"] = "noise" if running.name else "silence"
        else:
            # Over noise the talker raises the voice, so the ratio is set by the voice and the noise stays as it is.
            level = part.level_dbfs if part.snr_db is None else running.level_dbfs + part.snr_db
            piece = phrase(speech, Say(part.who, part.speaker, part.clip, part.seconds, level))
            entry |= {"who": part.who, **source(part)}
            if part.snr_db is not None:
                entry["snr_db"] = part.snr_db
        if running.name:
            entry |= {"noise": NOISE_SOURCE.format(noise=running.name), "noise_licence": NOISE_LICENCE}
        clock += len(piece)
        entry["end"] = round(clock / SAMPLE_RATE, 3)
        voices.append(piece)
        segments.append(
            {key: entry[key] for key in ("start", "end", "who", *sorted(entry.keys() - {"start", "end", "who"}))}
        )
    mix = np.concatenate(voices)
    for first, last, noise in noises:
        clip = read(speech / "noise" / "noise" / "asc_bg" / f"{noise.name}.ogg")
        bed = at_level(clip[SAMPLE_RATE : SAMPLE_RATE + last - first], noise.level_dbfs)
        ramp = np.linspace(0, 1, SAMPLE_RATE // 2, dtype=np.float32)
        bed[: len(ramp)] *= ramp
        bed[-len(ramp) :] *= ramp[::-1]
        mix[first:last] += bed
    return mix, segments


def page_checksum(page: bytes) -> int:
    """The checksum of an Ogg page (RFC 3533, section 6): CRC-32 with polynomial 0x04c11db7, no reflection, start 0."""
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
    return crc


def with_serial(ogg: bytes, serial: int) -> bytes:
    """The same Ogg stream under another serial number: libsndfile draws it at random, which would change every run."""
    pages, at = [], 0
    while at < len(ogg):
        segments = ogg[at + 26]
        size = 27 + segments + sum(ogg[at + 27 : at + 27 + segments])
        page = bytearray(ogg[at : at + size])
        page[14:18] = struct.pack("<I", serial)
        page[22:26] = bytes(4)
        page[22:26] = struct.pack("<I", page_checksum(bytes(page)))
        pages.append(bytes(page))
        at += size
    return b"".join(pages)


def write(path: Path, samples: Float32, serial: int) -> None:
    """Ogg Opus, 16 kHz mono, in a quiet room."""
    audio = np.clip(samples + room(len(samples), np.random.default_rng(serial)), -1, 1)
    soundfile.write(path, audio, SAMPLE_RATE, format="OGG", subtype="OPUS", compression_level=OPUS_LEVEL)
    path.write_bytes(with_serial(path.read_bytes(), serial))


def with_silence(samples: Float32) -> Float32:
    """The phrase with 0.4 s of the room before and after, as a recorder that starts early and stops late gives it."""
    return np.pad(samples, round(0.4 * SAMPLE_RATE))


def make(speech: Path, out: Path) -> None:
    """Write all assets into ``out``."""
    out.mkdir(parents=True, exist_ok=True)
    index: dict[str, Any] = {"people": [], "clips": [], "stream": "stream.ogg", "truth": "stream.json"}
    serial = 1
    for name, (speaker, sex) in PEOPLE.items():
        clips = []
        for number, (clip, seconds) in enumerate(ENROL[name], start=1):
            say = Say(name, speaker, clip, seconds)
            file = f"{name.lower()}-enrol-{number}.ogg"
            write(out / file, with_silence(phrase(speech, say)), serial)
            clips.append({"file": file, **source(say)})
            serial += 1
        index["people"].append({"name": name, "sex": sex, "enrol": clips})
    for number, say in enumerate(CLIPS, start=1):
        file = f"clip-{number}-{say.who.lower()}.ogg"
        write(out / file, with_silence(phrase(speech, say)), serial)
        index["clips"].append({"file": file, "who": say.who, **source(say)})
        serial += 1
    stream, segments = compose(speech, SCENE)
    write(out / "stream.ogg", stream, serial)
    truth = {"file": "stream.ogg", "sample_rate": SAMPLE_RATE, "seconds": round(len(stream) / SAMPLE_RATE, 3)}
    for file, value in (("index.json", index), ("stream.json", truth | {"segments": segments})):
        (out / file).write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Read the arguments and make the assets."""
    parser = argparse.ArgumentParser(description="Make the audio of `earmark demo` from licensed recordings.")
    parser.add_argument("--speech", type=Path, required=True, help="folder with dev/librispeech and noise/noise/asc_bg")
    parser.add_argument("--out", type=Path, required=True, help="folder to write, such as edge/demo/assets")
    options = parser.parse_args()
    make(options.speech, options.out)


if __name__ == "__main__":
    main()
