"""One file per page: they draw, and compute nothing."""
