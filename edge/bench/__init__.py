"""Measures what Earmark costs on this machine: CPU per stage, memory, start, latency, size.

Takes a bundle; gives a ``Report``. Must hold: CPU time, not wall time, wherever another program could disturb; what
can't be measured here is None, with the reason; nothing here decides whether a figure is good.
"""

from edge.bench.report import Report, measure

__all__ = ["Report", "measure"]
