"""Makes a trained network smaller: which channels matter, what they cost, which to keep, and how to cut."""
