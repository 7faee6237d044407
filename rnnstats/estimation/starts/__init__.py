"""Starting values of each form, from the data."""
