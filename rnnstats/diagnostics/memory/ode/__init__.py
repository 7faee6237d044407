"""Step methods of ordinary differential equations, seen as recurrences."""
