"""Recordings instead of a person: repeats of earlier audio, and signs of a loudspeaker.

Takes: samples of an utterance or a whole attempt. Gives: ``Repeats``, which knows audio that was heard before, and
``playback_suspect``, a score that is reported and decides nothing.
Must hold: no audio is kept, and nothing that speech could be made of again; the file is the owner's only; a live voice
is practically never taken for a repeat; nothing here claims that a voice is live.
"""

from edge.spoof.copies import Copies
from edge.spoof.playback import PlaybackReport, playback_suspect
from edge.spoof.repeats import Repeat, Repeats

__all__ = ["Copies", "PlaybackReport", "Repeat", "Repeats", "playback_suspect"]
