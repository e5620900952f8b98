"""A trunk and its head as the edge runs them, before they are a bundle.

Takes a function from one window to frame features, the float head and the ``FeatureSpec``. Gives embeddings and pooled
statistics of whole utterances. Must hold: windows, repetition, pooling and weights are the edge's own code
(``edge.bundle``); only what computes the frame features differs.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from convert.graph import Float32
from convert.interpreter import Kind, float_interpreter
from convert.windows import WINDOW_FRAMES
from edge.bundle.embedding import EmbeddingStream, Machinery
from edge.bundle.heads import Head, pool
from edge.features import FrontEnd
from edge.records import Embedding, FeatureSpec
from edge.runtime import Network, Preference

Trunk = Callable[[Float32], Float32]
"""One normalised window float32 (frames, bands) -> frame features float32 (T, C)."""


class Encoder:
    """Embeds utterances with ``trunk`` and ``kernel`` (2C, dim), ``bias`` (dim,), and perhaps ``compensation``: centre
    (dim,) and transform (dim, dim) of the head. Not for several threads at once.

    ``encoder``: what its embeddings are bound to, and cached under (as in ``training.embeddings``).
    """

    def __init__(
        self,
        trunk: Trunk,
        kernel: Float32,
        bias: Float32,
        spec: FeatureSpec,
        encoder: str = "unnamed",
        *,
        compensation: tuple[Float32, Float32] | None = None,
    ) -> None:
        self.encoder = encoder
        self._trunk = trunk
        self._pooled: list[Float32] = []
        self._machinery = Machinery(
            encoder=encoder,
            space="",
            front_end=FrontEnd(spec),
            frames_of=self._frames,
            fixed=True,
            window_frames=WINDOW_FRAMES,
            head=Head(kernel, bias, None, 0.0, *(compensation or (None, None))),
            labels={},
        )

    def _frames(self, window: Float32) -> tuple[Float32, ...]:
        frames = self._trunk(window)
        self._pooled.append(pool(frames))
        return (frames,)

    def analyse(self, samples: Float32) -> Embedding:
        """The embedding of an utterance, float32 mono 16 kHz, half a second or more, as a bundle gives it."""
        self._pooled.clear()
        stream = EmbeddingStream(self._machinery)
        stream.push(samples)
        return stream.finish()

    def embed(self, samples: Float32) -> Float32:
        """Its unit-norm vector (dim,) alone."""
        return self.analyse(samples).vector

    def statistics(self, samples: Float32) -> list[Float32]:
        """Pooled mean and deviation (2C,) of every window of an utterance."""
        self.embed(samples)
        return list(self._pooled)


def int8_encoder(  # noqa: PLR0917 - the five parts of an encoder, and its name
    model: bytes,
    kernel: Float32,
    bias: Float32,
    spec: FeatureSpec,
    prefer: Preference,
    encoder: str = "unnamed",
    *,
    compensation: tuple[Float32, Float32] | None = None,
) -> Encoder:
    """An encoder that runs an int8 file through the edge's runtime."""
    network = Network(model, prefer=prefer)

    def trunk(window: Float32) -> Float32:
        result = network(window)
        return result.reshape(result.shape[-2:])

    return Encoder(trunk, kernel, bias, spec, encoder, compensation=compensation)


def float_encoder(  # noqa: PLR0917 - as above
    model: bytes, kernel: Float32, bias: Float32, spec: FeatureSpec, kind: Kind = "litert", encoder: str = "unnamed"
) -> Encoder:
    """The same around a file with float input and output, which the edge's runtime refuses: what the int8 file is
    compared with.
    """
    interpreter = float_interpreter(model, kind=kind)
    entry, exit_ = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def trunk(window: Float32) -> Float32:
        interpreter.set_tensor(entry, window[None, :, :, None])
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(exit_)[0], np.float32)

    return Encoder(trunk, kernel, bias, spec, encoder)
