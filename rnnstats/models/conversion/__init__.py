"""Linear models made from other descriptions of them."""
