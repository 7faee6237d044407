"""States, gates and memory of a fitted network."""
