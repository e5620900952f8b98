"""The voices of Kokoro-82M, a neural synthesiser that sounds like people.

Takes a folder with a ``.onnx`` file, ``vocab.json`` and ``voices/*.bin``, and text. Gives WAV files. Must hold: nothing
is fetched; between two voices of one sex lies another one, "FIRST~SECOND"; the same text, voice and rate give one file.

Phonemes come from espeak-ng and are spelt as the network learnt them. Needs onnxruntime, which no other part does.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np

from edge.errors import ExtraMissingError, UsageError
from edge.records import Float32

RATE: Final = 24000
_STYLE: Final = 256
_SPELT: Final = (
    ("oʊ", "O"), ("əʊ", "Q"), ("aɪ", "I"), ("eɪ", "A"), ("aʊ", "W"), ("ɔɪ", "Y"), ("tʃ", "ʧ"), ("dʒ", "ʤ"), ("r", "ɹ"),
)  # fmt: skip
_AMERICAN: Final = (("oːɹ", "ɔɹ"), ("iə", "ɪ"), ("ː", ""))
LANGUAGES: Final[Mapping[str, str]] = {"en": "en-us", "es": "es", "fr": "fr-fr", "it": "it", "pt": "pt-br", "hi": "hi"}
"""What the network can say, by espeak-ng's names. Voices of any language say any of them, with an accent."""
_BRITISH: Final = "b"
"""The first letter of a voice tells its language: a is American, b is British; the second one its sex."""


class Kokoro:
    """An opened synthesiser. ``voices``: names of the voices in the folder, sorted."""

    def __init__(self, folder: Path) -> None:
        """Raises ``UsageError`` for a folder that lacks a part, ``ExtraMissingError`` without onnxruntime."""
        models = sorted(folder.glob("*.onnx"))
        self._voices = {path.stem: path for path in sorted(folder.glob("voices/*.bin"))}
        if len(models) != 1 or not self._voices or not (folder / "vocab.json").is_file():
            raise UsageError(
                f"{folder} does not hold one .onnx file, vocab.json and voices/*.bin",
                "Put Kokoro-82M's files there as docs/digits.md says.",
            )
        if find_spec("onnxruntime") is None:
            raise ExtraMissingError("onnxruntime is not installed", "Install it: pip install onnxruntime")
        if shutil.which("espeak-ng") is None:
            raise UsageError("espeak-ng is not installed, which spells words for Kokoro", "apt install espeak-ng")
        raw = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
        self._symbols: dict[str, int] = raw.get("vocab", raw)
        self._session = _session(models[0])
        self.voices = tuple(self._voices)

    def say(self, text: str, name: str, language: str, rate: float, path: Path) -> None:
        """Write ``text`` in voice ``name``, ``rate`` times as fast as it usually speaks."""
        import soundfile

        british = name.startswith(_BRITISH) and language == "en"
        told = spelt(
            _espeak(text, "en-gb" if british else LANGUAGES[language]), american=language == "en" and not british
        )
        tokens = [self._symbols[sign] for sign in told if sign in self._symbols]
        inputs = {
            "tokens": np.array([[0, *tokens, 0]], np.int64),
            "style": self._style(name, len(tokens)),
            "speed": np.array([rate], np.float32),
        }
        samples = np.asarray(self._session.run(None, inputs)[0], np.float32).ravel()
        temporary = path.with_suffix(".writing.wav")
        soundfile.write(temporary, np.clip(samples, -1.0, 1.0), RATE, subtype="PCM_16")
        temporary.rename(path)

    def _style(self, name: str, tokens: int) -> Float32:
        rows = []
        for one in name.split("~"):
            table = np.fromfile(self._voices[one], np.float32).reshape(-1, _STYLE)
            rows.append(table[min(max(tokens, 1), len(table)) - 1])
        mean: Float32 = np.mean(rows, axis=0, dtype=np.float32).reshape(1, _STYLE)
        return mean


def spelt(phonemes: str, *, american: bool) -> str:
    """espeak-ng's phonemes as the network spells them: one sign for a diphthong, in American English no long vowels."""
    for theirs, ours in (*_SPELT, *(_AMERICAN if american else ())):
        phonemes = phonemes.replace(theirs, ours)
    return phonemes


def _espeak(text: str, voice: str) -> str:
    """Phonemes of ``text``; commas stay, which make pauses."""
    parts = [part for part in re.split(r",\s*", text) if part]
    told = subprocess.run(
        ["espeak-ng", "-q", "--ipa", "-v", voice, "--", "\n\n".join(parts)],
        check=True, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
    ).stdout  # fmt: skip
    return ", ".join(line.strip() for line in told.splitlines() if line.strip()) + "."


def _session(model: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(model), sess_options=options, providers=["CPUExecutionProvider"])
