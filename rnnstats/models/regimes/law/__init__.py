"""The chain: transition probabilities, start, composite states."""
