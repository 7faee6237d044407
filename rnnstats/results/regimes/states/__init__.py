"""The regimes themselves: probabilities, dates, transitions, and what filter and smoother say."""
