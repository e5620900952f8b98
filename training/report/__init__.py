"""Reports that a person can judge an encoder by: conditions, operating points, pictures, pages.

Takes scored trial lists (``training.evaluate``) and tables of costs. Gives rows, PNG pictures and self-contained HTML.
Must hold: pictures and pages show the figures of ``training.metrics`` and compute none of their own; matplotlib is
imported only when a picture is drawn.
"""
