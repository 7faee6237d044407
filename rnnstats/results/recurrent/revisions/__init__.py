"""The same parameters on more rows, later rows and other data."""
