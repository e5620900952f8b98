"""Label heads: gender and emotion from the statistics that the encoder makes anyway."""
