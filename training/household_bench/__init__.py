"""What a household feels: how often the device names a stranger in an hour, and how often it misses its own people."""
