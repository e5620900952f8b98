"""Rewrites of a ``convert.graph.Graph`` that leave its float output unchanged and make its int8 output better."""
