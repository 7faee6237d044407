"""Parts of the results of bidirectional networks."""
