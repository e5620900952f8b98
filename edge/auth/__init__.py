"""Attempts to be recognised as a certain person: counted before they are heard, judged, and written down.

Takes: results of a pipeline with a claim. Gives: ``attempt.Gate``, through which every attempt goes, whoever asks.
Must hold: an attempt counts as failed until a match takes that back, so neither a power cut nor many requests at once
win a guess; a file that cannot be trusted refuses everybody; nothing here keeps sound.

Imports nothing by itself, so that the words in ``words`` cost a command nothing.
"""
