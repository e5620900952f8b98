"""Quantisation-aware fine-tuning: a network learns with the rounding of its int8 file in the way.

It stands here because the graph that is fine-tuned is the one that ``convert`` quantises; ``earmark train`` runs it.
"""
