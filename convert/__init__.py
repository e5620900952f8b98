"""Keras to full int8 to bundle: passes over a small graph, a quantiser, a parity report. TensorFlow lives here."""
