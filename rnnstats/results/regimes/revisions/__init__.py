"""Other and later data: results moved to them, and why estimates change."""
