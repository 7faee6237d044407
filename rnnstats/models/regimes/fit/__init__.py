"""The fit: starts, expectation-maximisation, exact climb, borders, order, record."""
