"""The networks of the recipes, layer by layer as they were described.

Takes a name, the shape of an example and the number of classes. Gives a Keras model. Must hold: the parameter counts
stand in tests; the layer called ``HIDDEN`` is what other models build on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import keras
from keras import layers

HIDDEN: Final = "hidden"
Layers = list[Any]


def build(network: str, shape: tuple[int, ...], classes: int) -> keras.Model:
    """A fresh model: input float32 ``(n, *shape)``, output ``(n, 1)`` for a sigmoid or ``(n, classes)``.

    A sigmoid is what three of the gender networks end with; it gives the probability of class 1.
    """
    stack = _NETWORKS[network](classes)
    return keras.Sequential([layers.Input(shape), *stack], name=network.replace("-", "_"))


def hidden(model: keras.Model) -> keras.Model:
    """The part of a model that ends with the hidden layer."""
    return keras.Model(model.inputs, model.get_layer(HIDDEN).output)


def _dense(*widths: int) -> Layers:
    return [layers.Dense(width, activation="relu") for width in widths]


def _softmax(classes: int) -> Layers:
    return [layers.Dense(classes, activation="softmax")]


def _sigmoid(classes: int) -> Layers:
    return [layers.Dense(1, activation="sigmoid")] if classes == 2 else _softmax(classes)


def _stats_dnn(classes: int) -> Layers:
    first, second, third, fourth, fifth = _dense(256, 128, 128, 56, 32)
    drop = [layers.Dropout(0.4) for _ in range(3)]
    return [first, second, drop[0], third, drop[1], fourth, drop[2], fifth, *_sigmoid(classes)]


def _mfcc_cnn1d(classes: int) -> Layers:
    stack: Layers = []
    for filters in (16, 8, 16, 8):
        stack += [
            layers.Conv1D(filters, 6, padding="same", activation="relu"),
            layers.MaxPooling1D(3, strides=2, padding="same"),
        ]
    flat = [layers.TimeDistributed(layers.Flatten()), layers.Flatten()]
    return [*stack, *flat, layers.Dropout(0.5), *_dense(256), *_sigmoid(classes)]


def _mfcc_cnn2d(classes: int) -> Layers:
    stack: Layers = []
    for filters, kernel in ((16, 6), (16, 6), (8, 3)):
        stack += [
            layers.Conv2D(filters, kernel, activation="relu"),
            layers.MaxPooling2D(3, strides=2, padding="same"),
            layers.BatchNormalization(),
        ]
    return [
        *stack, layers.Flatten(), layers.Dropout(0.5), *_dense(256), layers.Dropout(0.5), *_sigmoid(classes),
    ]  # fmt: skip


def _spectrogram_cnn(*widths: int) -> Callable[[int], Layers]:
    def stack(classes: int) -> Layers:
        found: Layers = []
        for filters in widths:
            found += [
                layers.Conv2D(filters, 3, padding="same", activation="relu"),
                layers.Conv2D(filters, 3, activation="relu"),
                layers.MaxPooling2D(2),
                layers.Dropout(0.25),
            ]
        return [*found, layers.Flatten(name=HIDDEN), *_softmax(classes)]

    return stack


def _spectral_ann(classes: int) -> Layers:
    return [*_dense(512, 256), layers.Dense(128, activation="relu", name=HIDDEN), *_softmax(classes)]


def _cnn_lstm(classes: int) -> Layers:
    """Described without widths: these are ours."""
    return [
        layers.Conv1D(64, 5, padding="same", activation="relu"),
        layers.BatchNormalization(),
        layers.MaxPooling1D(4),
        layers.LSTM(64, name=HIDDEN),
        *_softmax(classes),
    ]


def _emotion_conv1d(classes: int) -> Layers:
    def conv(filters: int) -> Any:
        return layers.Conv1D(filters, 8, padding="same", activation="relu")

    def normalised(filters: int) -> Layers:
        """Normalised before the activation."""
        return [
            layers.Conv1D(filters, 8, padding="same"), layers.BatchNormalization(), layers.Activation("relu"),
            layers.Dropout(0.25), layers.MaxPooling1D(8),
        ]  # fmt: skip

    wide = [conv(256), *normalised(256)]
    middle = [conv(128), conv(128), conv(128), *normalised(128)]
    return [*wide, *middle, conv(64), conv(64), layers.Flatten(), *_softmax(classes)]


def _baseline_dense(classes: int) -> Layers:
    return [*_dense(128), layers.Dropout(0.3), *_dense(64), *_softmax(classes)]


_NETWORKS: Final[dict[str, Callable[[int], Layers]]] = {
    "stats-dnn": _stats_dnn,
    "mfcc-cnn1d": _mfcc_cnn1d,
    "mfcc-cnn2d": _mfcc_cnn2d,
    "spectrogram-cnn": _spectrogram_cnn(16, 32),
    "spectrogram-cnn-wide": _spectrogram_cnn(32, 64),
    "spectral-ann": _spectral_ann,
    "cnn-lstm": _cnn_lstm,
    "emotion-conv1d": _emotion_conv1d,
    "dense": _baseline_dense,
}
