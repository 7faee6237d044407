"""What the data tell about a network: identification, nesting, linearity, refits."""
