"""What is in a folder of speech: who and what is in it, what it sounds like, and which labels look wrong.

Takes a folder with a manifest.tsv, or with one folder per speaker. Gives pictures, one self-contained page, plain
figures, and a sheet of suspicious labels that a person fills in. Must hold: at most the beginning of each clip that was
drawn is read; the same folder, seed and options give the same report.
"""
