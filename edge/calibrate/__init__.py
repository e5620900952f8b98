"""A household's own calibration: how far its people and microphones differ from what the bundle was calibrated on.

Takes the exemplars of the people enrolled, the bundle's cohort and, where there are some, further clips; gives a
``Correction`` of the bundle's log-likelihood ratio, the error rates to expect, and keeps both beside the people.
``trials`` compares, ``fit`` learns, ``points`` and ``intervals`` say what to expect, ``overlap`` finds people who
cannot be told apart, ``kept`` stores. Must hold: few clips change almost nothing; what is kept is used only with the
bundle and the people it was learned from.
"""
