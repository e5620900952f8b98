"""Synthetic voices that say digits, for more voices than there are recordings, and for fluent strings.

Takes a word list and a language. Gives ``Take`` rows of WAV files in a folder. Must hold: a voice is either learnt from
or held out, never both; what a synthesiser that isn't installed would say is left out and told.

espeak-ng, flite and festival are Debian packages; espeak-ng's formant voices differ by accent and variant, flite's and
festival's stem from recordings of people.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np

from training.augment import generator
from training.digits.takes import Take
from training.digits.words import WordList

Say = Callable[[str], None]
Part = Literal["learn", "choose", "test"]

_ACCENTS: Final = (
    "en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-029", "en-us-nyc",
)  # fmt: skip
_VARIANTS: Final[dict[Part, dict[str, tuple[str, ...]]]] = {
    "learn": {
        "f": ("f1", "f2", "f3", "annie", "aunty", "linda", "Alicia", "steph2"),
        "m": ("m1", "m2", "m3", "m4", "m5", "m6", "adam", "boris", "caleb", "david", "edward", "john", "max", "michael",
              "paul", "robert", "klatt2", "klatt4", "Lee", "pablo"),
    },
    "choose": {"f": ("f4", "shelby", "anika"), "m": ("m7", "victor", "quincy")},
    "test": {"f": ("f5", "Andrea", "belinda", "steph", "grandma"), "m": ("m8", "travis")},
}  # fmt: skip
_FLITE: Final[dict[Part, dict[str, tuple[str, ...]]]] = {
    "learn": {"f": ("slt",), "m": ("awb", "kal16")},
    "choose": {"f": (), "m": ("rms",)},
    "test": {"f": (), "m": ()},
}
_FESTIVAL: Final[dict[Part, dict[str, tuple[str, ...]]]] = {
    "learn": {"f": ("cmu_us_slt_arctic_hts",), "m": ()},
    "choose": {"f": (), "m": ()},
    "test": {"f": (), "m": ("ked_diphone",)},
}
_OTHER_WORDS: Final = (
    "ten", "eleven", "twelve", "thirteen", "twenty", "thirty", "hundred", "oh", "yes", "no", "hello", "open the door",
    "fine", "sick", "heaven", "hate", "free", "nice", "want", "for you", "tree", "hero", "wait", "line", "lights on",
)  # fmt: skip
"""English that sounds like digits, or comes with them: fillers."""


@dataclass(frozen=True, slots=True)
class Voice:
    """``engine`` speaks with ``name``; both together are the speaker."""

    engine: str
    name: str
    sex: str
    part: Part

    @property
    def speaker(self) -> str:
        """The variant without its accent: a variant is one voice in any accent."""
        return f"{self.engine}-{self.name.rsplit('+', 1)[-1]}"


def voices(language: str) -> Iterator[Voice]:
    """Voices for ``language``: espeak-ng's variants in each accent; for English flite's and festival's too."""
    accents = _ACCENTS if language == "en" else (language,)
    for part, sexes in _VARIANTS.items():
        for sex, names in sexes.items():
            for number, name in enumerate(names):
                spoken = (accents[number % len(accents)], accents[(number + 3) % len(accents)])
                yield from (Voice("espeak-ng", f"{accent}+{name}", sex, part) for accent in dict.fromkeys(spoken))
    if language == "en":
        for engine, table in (("flite", _FLITE), ("festival", _FESTIVAL)):
            for part, sexes in table.items():
                yield from (Voice(engine, name, sex, part) for sex, names in sexes.items() for name in names)


def say_all(
    words: WordList, language: str, *, strings: int, folder: Path, seed: int, say: Say
) -> dict[Part, list[Take]]:
    """Every voice says each word by itself, at two rates, and ``strings`` fluent strings; learners also fillers.

    Files that are in ``folder`` already are taken as they are.
    """
    found: dict[Part, list[Take]] = {"learn": [], "choose": [], "test": []}
    folder.mkdir(parents=True, exist_ok=True)
    absent: set[str] = set()
    for voice in voices(language):
        if shutil.which(voice.engine) is None:
            absent.add(voice.engine)
            continue
        rng = generator(seed, f"strings {voice.name}")
        texts: list[tuple[tuple[int, ...], str]] = []
        for _ in range(2):
            texts += [((digit,), word) for digit, word in enumerate(words.words)]
        few = voice.engine == "festival"  # a second each
        for number in range(strings // 2 if few else strings):
            length = 6 if voice.part != "learn" else int(rng.integers(2, 6))
            texts.append(_string(words, length, number % 2 == 1, rng))
        if voice.part == "learn" and language == "en":
            texts += [((), _OTHER_WORDS[int(pick)]) for pick in rng.choice(len(_OTHER_WORDS), 4, replace=False)]
        for number, (digits, text) in enumerate(texts):
            path = folder / f"{voice.engine}-{voice.name}-{number}.wav"
            if not path.exists():
                _speak(voice, text, float(rng.uniform(0.8, 1.25)), path)
            if not path.exists():
                absent.add(f"{voice.engine}, voice {voice.name}")
                break
            if path.stat().st_size > 1000:
                found[voice.part].append(Take(path, digits, voice.speaker, voice.sex, voice.engine))
    if absent:
        first = ", ".join(sorted(absent)[:4])
        say(f"{len(absent)} synthesisers or voices are not installed and left out: {first} ...")
    return found


def _string(words: WordList, length: int, pauses: bool, rng: np.random.Generator) -> tuple[tuple[int, ...], str]:
    digits = [int(rng.integers(len(words.words)))]
    while len(digits) < length:
        digit = int(rng.integers(len(words.words)))
        if digit != digits[-1]:
            digits.append(digit)
    return tuple(digits), (", " if pauses else " ").join(words.words[digit] for digit in digits)


def _speak(voice: Voice, text: str, rate: float, path: Path) -> None:
    """Leaves no file where the synthesiser does not know the voice."""
    if voice.engine == "espeak-ng":
        pitch = 35 + 40 * (rate - 0.8)
        _run(["espeak-ng", "-v", voice.name, "-s", f"{165 * rate:.0f}", "-p", f"{pitch:.0f}", "-w", str(path), text])
    elif voice.engine == "flite":
        _run(["flite", "-voice", voice.name, "--setf", f"duration_stretch={1 / rate:.2f}", "-t", text, "-o", str(path)])
    else:
        script = (
            f"(begin (voice_{voice.name}) (Parameter.set 'Duration_Stretch {1 / rate:.2f}) "
            f'(utt.save.wave (utt.synth (Utterance Text "{text}")) "{path}" \'riff))'
        )
        _run(["festival", "--batch", script])


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
