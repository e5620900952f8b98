"""Speech gate and segmenter: audio blocks in, utterances out. See ``segmenter.Segmenter``."""

from edge.segment.segmenter import Segmenter

__all__ = ["Segmenter"]
