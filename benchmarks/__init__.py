"""Speed of the package beside other packages: ``python -m benchmarks linear`` or
``markov``.

Every row is a ratio of medians measured in the same run, on one thread, the two sides taking turns.
Before a row is timed both sides compute the same number, and the run stops where they do not agree.
"""
