"""Trains the digit recogniser of the random-digit challenge: ``earmark train digits``.

Takes recordings of single words by several people, and a word list. Gives a folder that ``edge.challenge`` opens, and
figures on people that it never learnt from. Must hold: frames are those of ``edge.challenge.frames``; what is measured
is the int8 file, through ``edge.challenge``.
"""
