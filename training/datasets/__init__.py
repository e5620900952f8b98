"""Public sets of speech as they lie on a disk: found, read, brought into one form, and fetched.

Takes folders in the layouts in which LibriSpeech, LibriVox, VoxCeleb, Common Voice, RAVDESS and others are given out;
gives ``training.corpus.Recording`` rows, and a list of what was set aside with its reason. ``layout`` says what a
layout is, ``layouts`` knows all of them, ``speech`` reads any folder, ``importing`` makes 16 kHz mono with a manifest
of it, ``splits`` keeps people apart; ``catalogue`` knows the sets and their licences, ``fetch`` downloads them.

Must hold: a file is a row or is set aside by name, never neither; one bad file never stops the others; labels are the
set's own, or empty.
"""
