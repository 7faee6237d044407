"""Models: data and structure, with a likelihood."""
