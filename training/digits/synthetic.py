"""Synthetic voices that say digits, for more voices than there are recordings, and for fluent strings.

Takes a word list and a language. Gives ``Take`` rows of WAV files in a folder. Must hold: a voice is either learnt from
or held out, never both; what a synthesiser that isn't installed would say is left out and told.

espeak-ng, flite and festival are Debian packages; espeak-ng's formant voices differ by accent and variant, flite's and
festival's stem from recordings of people. Kokoro's voices (``training.digits.kokoro``) are there when its folder is.
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
from training.digits.kokoro import LANGUAGES, Kokoro
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
_KOKORO: Final[dict[Part, tuple[str, ...]]] = {
    "choose": ("af_jessica", "am_echo", "bf_lily", "bm_daniel", "ef_dora", "im_nicola", "zf_xiaobei", "zm_yunjian"),
    "test": ("af_bella", "af_nova", "am_eric", "am_puck", "bf_emma", "bm_lewis", "ff_siwis", "hf_alpha", "hm_psi",
             "jf_alpha", "jf_gongitsune", "jf_nezumi", "jf_tebukuro", "jm_kumo"),
}  # fmt: skip
"""All others are learnt from."""
_BETWEEN: Final = 40
"""So many more voices to learn from, each between two of those."""
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


def voices(language: str, kokoro: Sequence[str] = ()) -> Iterator[Voice]:
    """Voices for ``language``: espeak-ng's variants in each accent; for English flite's and festival's too.

    ``kokoro``: names of Kokoro's voices, where they are at hand.
    """
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
    if language in LANGUAGES:
        yield from _kokoro(kokoro)


def _kokoro(names: Sequence[str]) -> Iterator[Voice]:
    kept = {name: part for part, held in _KOKORO.items() for name in held}
    yield from (Voice("kokoro", name, name[1], kept.get(name, "learn")) for name in names)
    heard = [name for name in names if name not in kept]
    rng = generator(0, "voices between voices")
    pairs = [f"{one}~{other}" for one in heard for other in heard if one < other and one[1] == other[1]]
    for place in sorted(rng.permutation(len(pairs))[:_BETWEEN]):
        yield Voice("kokoro", pairs[int(place)], pairs[int(place)][1], "learn")


def say_all(
    words: WordList, language: str, *, strings: int, folder: Path, seed: int, say: Say, kokoro: Path | None = None
) -> dict[Part, list[Take]]:
    """Every voice says each word by itself, at two rates, and ``strings`` fluent strings; learners also fillers.

    Files that are in ``folder`` already are taken as they are. ``kokoro``: folder of that synthesiser.
    """
    neural = Kokoro(kokoro) if kokoro is not None and language in LANGUAGES else None
    found: dict[Part, list[Take]] = {"learn": [], "choose": [], "test": []}
    folder.mkdir(parents=True, exist_ok=True)
    absent: set[str] = set()
    for voice in voices(language, neural.voices if neural else ()):
        if voice.engine != "kokoro" and shutil.which(voice.engine) is None:
            absent.add(voice.engine)
            continue
        rng = generator(seed, f"strings {voice.name}")
        texts: list[tuple[tuple[int, ...], str]] = []
        few = voice.engine in ("festival", "kokoro")  # a second each
        for _ in range(1 if voice.engine == "kokoro" else 2):
            texts += [((digit,), word) for digit, word in enumerate(words.words)]
        for number in range(strings // 2 if few else strings):
            length = 6 if voice.part != "learn" else int(rng.integers(2, 6))
            texts.append(_string(words, length, number % 2 == 1, rng))
        if voice.part == "learn" and language == "en":
            texts += [((), _OTHER_WORDS[int(pick)]) for pick in rng.choice(len(_OTHER_WORDS), 4, replace=False)]
        for number, (digits, text) in enumerate(texts):
            path = folder / f"{voice.engine}-{voice.name}-{number}.wav"
            rate = float(rng.uniform(0.8, 1.25))
            if not path.exists():
                if neural and voice.engine == "kokoro":
                    neural.say(text, voice.name, language, rate, path)
                else:
                    _speak(voice, text, rate, path)
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
