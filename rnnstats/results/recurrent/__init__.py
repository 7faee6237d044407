"""Results of recurrent networks with a likelihood: their parts."""
