"""A page about recordings: who spoke when, over the waveform, and what was right where that is known.

Takes blocks of audio and events as they come. Gives one HTML file that needs nothing beside it. Must hold: bounded
memory however long the recording; names and file names are text, never markup.
"""

from edge.report.colours import PEOPLE
from edge.report.page import page
from edge.report.sheet import Row, Sheet
from edge.report.waveform import Waveform

__all__ = ["PEOPLE", "Row", "Sheet", "Waveform", "page"]
