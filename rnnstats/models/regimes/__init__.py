"""Parts of the Markov-switching model: specification, transitions, starts, emissions."""
