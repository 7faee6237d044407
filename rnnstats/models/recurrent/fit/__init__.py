"""Estimation of recurrent networks: starts, climbs, alignment, penalties, what diverges."""
