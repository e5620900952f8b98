"""Makes ``spectral.npz`` with librosa, which Earmark itself never needs: ``pip install librosa==0.11.0``.

    python tests/golden/make_spectral.py

The signal is a buzz with moving formants and some noise, so that no feature is constant.
"""

from pathlib import Path

import librosa
import numpy as np

RATE, N_FFT, HOP = 16_000, 1024, 256


def signal() -> np.ndarray:
    rng = np.random.default_rng(9)
    time = np.arange(RATE) / RATE
    pitch = 140 + 40 * np.sin(2 * np.pi * 1.5 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    buzz = sum(np.sin(k * phase) / k for k in range(1, 30))
    loud = 0.15 * (1 + np.sin(2 * np.pi * 3 * time)) / 2
    return (loud * buzz + 0.01 * rng.normal(size=RATE)).astype(np.float32)


def main() -> None:
    samples = signal()
    y = samples.astype(np.float64)
    power = np.abs(librosa.stft(y, n_fft=N_FFT, hop_length=HOP, center=False)) ** 2
    size = np.sqrt(power)
    chroma = librosa.feature.chroma_stft(S=power, sr=RATE, n_fft=N_FFT, tuning=0.0)
    feature = librosa.feature
    np.savez_compressed(
        Path(__file__).with_name("spectral.npz"),
        samples=samples,
        zero_crossings=feature.zero_crossing_rate(y, frame_length=N_FFT, hop_length=HOP, center=False),
        tonnetz=feature.tonnetz(chroma=chroma, sr=RATE),
        roll_off=feature.spectral_rolloff(S=size, sr=RATE, n_fft=N_FFT),
        flatness=feature.spectral_flatness(S=size),
        contrast=feature.spectral_contrast(S=size, sr=RATE, n_fft=N_FFT, n_bands=5),
        bandwidth=feature.spectral_bandwidth(S=size, sr=RATE, n_fft=N_FFT),
        centroid=feature.spectral_centroid(S=size, sr=RATE, n_fft=N_FFT),
        rms=feature.rms(y=y, frame_length=N_FFT, hop_length=HOP, center=False),
        chroma=chroma,
    )


if __name__ == "__main__":
    main()
