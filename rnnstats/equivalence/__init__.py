"""The exact correspondences between recurrent networks and classical models, on arrays."""
