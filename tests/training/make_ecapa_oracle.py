"""Let SpeechBrain embed a few made-up utterances, for ``test_ecapa.py`` to compare with; run by hand.

pip install torch torchaudio speechbrain
python tests/training/make_ecapa_oracle.py embedding_model.ckpt oracle.npz
EARMARK_ECAPA_CHECKPOINT=embedding_model.ckpt EARMARK_ECAPA_ORACLE=oracle.npz pytest tests/training/test_ecapa.py
"""

from __future__ import annotations

import sys

import numpy as np
import torch
from speechbrain.lobes.features import Fbank
from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN
from speechbrain.processing.features import InputNormalization

SECONDS = (0.04, 0.5, 1.0, 2.345, 3.0, 7.0)


def utterance(seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Gliding harmonics in bursts with silence between, over faint hiss: loud, quiet, below the front-end's floor."""
    time = np.arange(round(seconds * 16_000)) / 16_000
    phase = 2 * np.pi * np.cumsum(140 + 40 * np.sin(2 * np.pi * 0.7 * time)) / 16_000
    sound = sum(np.sin(k * phase + rng.uniform(0, 6)) / k ** rng.uniform(0.3, 1.5) for k in range(1, 30))
    bursts = np.sin(2 * np.pi * 1.5 * time + 1) > -0.5
    sound = 0.1 * sound * bursts + 1e-6 * rng.standard_normal(len(time))
    return np.where(time > 0.9 * seconds, 0.0, sound).astype(np.float32)


def main(checkpoint: str, out: str) -> None:
    """One array each of samples, features and embedding for every length."""
    model = ECAPA_TDNN(80, channels=[1024, 1024, 1024, 1024, 3072], lin_neurons=192)
    model.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True))
    model.eval()
    front_end, normalise = Fbank(n_mels=80), InputNormalization(norm_type="sentence", std_norm=False)
    rng, arrays = np.random.default_rng(0), {}
    with torch.no_grad():
        for number, seconds in enumerate(SECONDS):
            samples = utterance(seconds, rng)
            features = normalise(front_end(torch.tensor(samples)[None]), torch.ones(1))
            arrays[f"samples{number}"] = samples
            arrays[f"features{number}"] = features[0].numpy()
            arrays[f"embedding{number}"] = model(features)[0, 0].numpy()
    np.savez(out, **arrays)


if __name__ == "__main__":
    main(*sys.argv[1:])
