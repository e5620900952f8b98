"""Teaches a small network what a large one says."""
