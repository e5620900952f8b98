"""Networks that others trained and that a bundle may start from: importers, never a dependency of the edge."""
