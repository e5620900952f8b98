"""One page that shows and plays examples: self-contained HTML with sound and pictures inside.

Takes ``Example``s, gives the text of the page. Must hold: it opens anywhere, offline; every picture says in words what
it shows; nothing a file is called can break out of the text.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from html import escape
from typing import Any, Final

import numpy as np

from edge.features import FrontEnd
from edge.records import SAMPLE_RATE, FeatureSpec, Float32
from training.augment.augmenter import Augmenter
from training.augment.examples import Example, wav_bytes
from training.augment.seeding import generator
from training.report.page import STYLE

_SPEC: Final = FeatureSpec(n_ceps=0, normalise="none")
"""Log-mel energies as the network gets them, before the mean is taken away."""

_STYLE: Final = (
    STYLE
    + """section { border-top: 1px solid var(--line); padding: 1rem 0; }
h2 { border: 0; font-size: 1.1rem; margin: 0 0 .5rem; }
.sounds { display: flex; flex-wrap: wrap; gap: 1rem 2rem; }
ul { margin: .5rem 0; }
"""
)


def page(examples: Iterable[Example], augmenter: Augmenter, title: str, note: str, seed: int) -> str:
    """The whole page. ``note``: a sentence on what the examples were made of. Raises ``ImportError`` (matplotlib)."""
    sections = "\n".join(_section(example, augmenter, seed) for example in examples)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head>\n<body><h1>{escape(title)}</h1>\n<p>{escape(note)}</p>\n"
        f"<p>Each picture: the waveform and the 80 log-mel bands before, after, and after with the stretches hidden "
        f"that SpecAugment hides from the network.</p>\n{sections}\n</body></html>\n"
    )


def _section(example: Example, augmenter: Augmenter, seed: int) -> str:
    done = [("voice", words) for words in example.voice] + [("place", words) for words in example.place]
    items = "".join(f"<li>{kind}: {escape(words)}</li>" for kind, words in done) or "<li>kept as it was</li>"
    front_end = FrontEnd(_SPEC)
    before, after = front_end.features(example.before), front_end.features(example.after)
    masked = augmenter.spec(after, generator(seed, f"{example.key} spec"))
    picture = base64.b64encode(_picture(example, before, after, masked)).decode()
    return (
        f"<section><h2>{example.number}. {escape(example.clip.name)}</h2><ul>{items}</ul>\n"
        f'<div class="sounds">{_player("before", example.before)}{_player("after", example.after)}</div>\n'
        f'<img alt="Waveform and log-mel bands of example {example.number} before, after, and masked" '
        f'src="data:image/png;base64,{picture}"></section>'
    )


def _player(words: str, samples: Float32) -> str:
    sound = base64.b64encode(wav_bytes(samples)).decode()
    return (
        f"<figure><figcaption>{words}, {len(samples) / SAMPLE_RATE:.1f} s</figcaption>"
        f'<audio controls preload="none" src="data:audio/wav;base64,{sound}"></audio></figure>'
    )


def _picture(example: Example, before: Float32, after: Float32, masked: Float32) -> bytes:
    from matplotlib.figure import Figure

    figure: Any = Figure(figsize=(11, 3.6), dpi=80, layout="constrained")
    grid = figure.subplots(2, 3, gridspec_kw={"height_ratios": (1, 2)})
    signals = (("before", example.before, before), ("after", example.after, after), ("masked", None, masked))
    for column, (words, samples, features) in enumerate(signals):
        wave, bands = grid[0, column], grid[1, column]
        wave.set_title(words, fontsize=10)
        if samples is None:
            wave.axis("off")
        else:
            _draw_wave(wave, samples)
        # One scale for all three, so that what became louder looks louder.
        bands.imshow(
            features.T, origin="lower", aspect="auto", cmap="magma", interpolation="nearest",
            extent=(0, len(features) / 100, 0, features.shape[1]),
            vmin=float(before.max()) - 16, vmax=float(before.max()),
        )  # fmt: skip
        bands.set_xlabel("s", fontsize=8)
        bands.tick_params(labelsize=7)
    grid[1, 0].set_ylabel("mel band", fontsize=8)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def _draw_wave(axes: Any, samples: Float32) -> None:
    """Lowest and highest sample of each 10 ms: draws quickly and hides no peak."""
    step = SAMPLE_RATE // 100
    whole = samples[: len(samples) // step * step].reshape(-1, step)
    seconds = np.arange(len(whole)) / 100
    axes.fill_between(seconds, whole.min(axis=1, initial=0.0), whole.max(axis=1, initial=0.0), linewidth=0.5)
    axes.set_xlim(0, max(0.01, len(samples) / SAMPLE_RATE))
    axes.set_ylim(-1, 1)
    axes.tick_params(labelsize=7)
