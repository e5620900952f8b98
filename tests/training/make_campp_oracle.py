"""Let the authors' own code embed a few windows, for ``test_campp.py`` to compare with; run by hand.

pip install torch && pip install --no-deps speakerlab
python tests/training/make_campp_oracle.py campplus_cn_en_common.pt oracle.npz
EARMARK_CAMPP_CHECKPOINT=campplus_cn_en_common.pt EARMARK_CAMPP_ORACLE=oracle.npz pytest tests/training/test_campp.py
"""

from __future__ import annotations

import sys

import numpy as np
import torch
from speakerlab.models.campplus.DTDNN import CAMPPlus


def main(checkpoint: str, out: str) -> None:
    """Random windows with a slow drift, so that the context segments differ."""
    model = CAMPPlus(feat_dim=80, embedding_size=192)
    model.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True))
    model.eval()
    windows = np.random.default_rng(0).normal(0, 2, (4, 300, 80)) + np.sin(np.arange(300) / 50)[None, :, None]
    windows = (windows - windows.mean(axis=1, keepdims=True)).astype(np.float32)
    with torch.no_grad():
        np.savez(out, windows=windows, embeddings=model(torch.tensor(windows)).numpy())


if __name__ == "__main__":
    main(*sys.argv[1:])
