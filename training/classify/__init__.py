"""Label models: gender, emotion, who of a closed set, and classical ways to verify, as recipes of one framework."""
