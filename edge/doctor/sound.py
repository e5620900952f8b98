"""Sound: which files can be read, which microphones are there, and what one of them hears.

Takes a ``Case``; gives findings. Must hold: nothing is recorded unless ``level`` is asked for, and then nothing is
kept.
"""

from __future__ import annotations

import math
import time
from typing import Final

import numpy as np

from edge.audio import Device, MicrophoneSource, list_devices, readable_formats
from edge.audio.devices import find_device
from edge.doctor.case import Case
from edge.doctor.findings import Finding, fault
from edge.errors import MicrophoneError
from edge.records import SAMPLE_RATE, AudioBlock
from edge.settings import Audio

_WANTED: Final = ("WAV", "FLAC", "Ogg Vorbis", "Opus", "MP3", "AIFF")
_SILENCE_DBFS: Final = -120.0
_CLIPPED_SHARE: Final = 0.001
_GRACE_SECONDS: Final = 10.0
"""How much longer than asked for listening may take before it is given up."""


def formats(case: Case) -> Finding:
    """Which kinds of recordings can be read."""
    found = readable_formats()
    missing = [name for name in _WANTED if name not in found]
    facts = {"readable": list(found)}
    if missing:
        return Finding(
            "formats",
            "warn",
            f"The sound library reads {', '.join(found)}, but not {', '.join(missing)}.",
            "Get a newer one: pip install --upgrade soundfile",
            facts,
        )
    return Finding("formats", "ok", f"Recordings may be {', '.join(found)}.", facts=facts)


def wanted_device(audio: Audio) -> str | None:
    """The microphone that the settings mean, empty for the default; None where they mean a recording."""
    kind, _, device = audio.source.partition(":")
    return (device or audio.device) if kind == "mic" else None


def microphone(case: Case) -> Finding:
    """Whether there is the microphone that the settings mean. No fault where they mean a recording."""
    wanted = wanted_device(case.known.audio)
    try:
        devices = list_devices()
        device = find_device(devices, wanted)
    except MicrophoneError as error:
        return fault("microphone", error, "warn" if wanted is None else "fail")
    facts = {"devices": [one.stable_name for one in devices], "chosen": device.stable_name}
    others = len(devices) - 1
    more = f"; {others} more to choose from (`earmark devices`)" if others else ""
    return Finding("microphone", "ok", f"{_shown(device)}{more}.", facts=facts)


def level(case: Case) -> Finding:
    """Listen for ``listen_seconds`` and judge what comes."""
    audio = case.known.audio
    source = MicrophoneSource(wanted_device(audio) or None, None, audio.block_ms, audio.watchdog_seconds)
    blocks: list[AudioBlock] = []
    samples = 0
    deadline = time.monotonic() + case.listen_seconds + _GRACE_SECONDS
    try:
        for block in source.blocks():
            blocks.append(block)
            samples += len(block.samples)
            if samples >= case.listen_seconds * SAMPLE_RATE or time.monotonic() > deadline:
                break
    finally:
        source.close()
    return judge_level(blocks, source.name, case.known.segment.floor_dbfs)


def judge_level(blocks: list[AudioBlock], name: str, floor_dbfs: float) -> Finding:
    """``blocks``: what came from the microphone ``name``. ``floor_dbfs``: what is quieter never counts as speech."""
    levels = [_dbfs(block) for block in blocks if len(block.samples)]
    samples = sum(len(block.samples) for block in blocks)
    clipped = sum(block.clipped for block in blocks) / max(1, samples)
    lost = sum(block.dropped for block in blocks)
    loudest, quiet = max(levels, default=_SILENCE_DBFS), float(np.percentile(levels or [_SILENCE_DBFS], 10))
    facts = {
        "seconds": round(samples / SAMPLE_RATE, 1),
        "background_dbfs": round(quiet, 1),
        "loudest_dbfs": round(loudest, 1),
        "clipped_share": round(clipped, 5),
        "lost_samples": lost,
    }
    if loudest <= _SILENCE_DBFS:
        return Finding(
            "level",
            "fail",
            f"{name} delivers nothing but zeros.",
            "Switch it on or unmute it (alsamixer, F4); in a virtual machine, let it use the microphone.",
            facts,
        )
    said = f"{name}: background {quiet:.0f} dBFS, loudest {loudest:.0f} dBFS"
    if loudest < floor_dbfs:
        remedy = "Speak while it listens; if you did, turn the microphone up (alsamixer, F4) or come closer."
        return Finding("level", "warn", f"{said}: too quiet for speech.", remedy, facts)
    if clipped > _CLIPPED_SHARE:
        remedy = "Turn the microphone down (alsamixer, F4), or step back."
        return Finding("level", "warn", f"{said}: {100 * clipped:.1f} % of it is distorted.", remedy, facts)
    if lost:
        remedy = "See with `top` what keeps the processor busy; a longer audio.block_ms helps, too."
        return Finding("level", "warn", f"{said}: {lost} samples were lost on the way.", remedy, facts)
    return Finding("level", "ok", f"{said}.", facts=facts)


def _dbfs(block: AudioBlock) -> float:
    power = float(np.mean(np.square(block.samples, dtype=np.float64)))
    return 10 * math.log10(power) if power > 10 ** (_SILENCE_DBFS / 10) else _SILENCE_DBFS


def _shown(device: Device) -> str:
    default = ", the default" if device.is_default else ""
    return f"{device.stable_name} ({device.channels} channels at {device.default_rate} Hz{default})"
