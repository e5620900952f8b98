"""A few seconds of made-up speech whose speakers and genders can be told apart: buzzes through two resonances."""

from pathlib import Path

import numpy as np
import soundfile

RATE = 16_000
EMOTIONS = ("neutral", "angry")


def voice(pitch_hz: float, formant_hz: float, seconds: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(pitch_hz * (1 + 0.05 * np.sin(2 * np.pi * 3 * time + seed))) / RATE
    buzz = sum(np.sin(k * phase) * np.exp(-(((k * pitch_hz - formant_hz) / 500) ** 2)) for k in range(1, 20))
    return (0.1 * buzz + 0.002 * rng.normal(size=len(time))).astype(np.float32)


def write(folder: Path, speakers: int = 8, clips: int = 4, seconds: float = 1.0) -> Path:
    """Half of the speakers are women, with higher voices; angry clips are higher still."""
    lines = ["path\tsplit\tset\tspeaker\tgender\temotion\tlanguage\tseconds\tlicence\tsource"]
    for who in range(speakers):
        gender = "fm"[who % 2]
        for clip in range(clips):
            emotion = EMOTIONS[clip % 2]
            pitch = (210 if gender == "f" else 115) * (1 + 0.02 * who) * (1.15 if emotion == "angry" else 1.0)
            path = Path("toy") / f"s{who}" / f"{clip}.wav"
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            samples = voice(pitch, 500 + 130 * who, seconds, 100 * who + clip)
            soundfile.write(folder / path, samples, RATE)
            lines.append(f"{path}\ttrain\ttoy\ts{who}\t{gender}\t{emotion}\ten\t{seconds}\tnone\tmade up")
    (folder / "manifest.tsv").write_text("\n".join(lines) + "\n")
    return folder
