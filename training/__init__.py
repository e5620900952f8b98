"""Data, evaluation and calibration. Never needed on the device."""
