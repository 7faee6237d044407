"""Words for the head of a summary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["MEAN_DURATION", "emission_words", "shortened", "switching_words"]

# Below the table of regimes where transitions depend on inputs.
MEAN_DURATION = (
    "Durations are means over rows of 1 / (1 - p), p the probability of staying in that row; a few "
    "rows where p is nearly 1 can dominate them. duration_table(exog_transition=...) has those at "
    "given inputs."
)
# Width of the head's left column.
WIDTH = 34
# Groups of parameters that `switching="variance"` is about.
SPREAD = {"obs_cov", "scale2", "df", "dispersion", "shape"}


def emission_words(model: Any) -> str:
    """Say which distributions a model's outputs have.

    Parameters
    ----------
    model : RegimeModel

    Returns
    -------
    str
        "gaussian", or "poisson (n), bernoulli (rain)" where outputs differ.
    """
    emission = model.emission
    if not isinstance(emission, Mapping):
        return str(emission)
    words: dict[str, list[str]] = {}
    for key, family in emission.items():
        name = str(family["family"] if isinstance(family, Mapping) else family)
        words.setdefault(name, []).append("+".join(key) if isinstance(key, tuple) else str(key))
    if len(words) == 1:
        return next(iter(words))
    return ", ".join(f"{family} ({', '.join(names)})" for family, names in words.items())


def switching_words(model: Any) -> str:
    """Say what differs between a model's regimes, of what it has.

    Parameters
    ----------
    model : RegimeModel

    Returns
    -------
    str
    """
    groups = set(model.layout.groups)
    has = {
        "trend": model.trend != "n",
        "exog": model.exog is not None,
        "ar": model.order > 0,
        "variance": bool(groups & SPREAD),
    }
    return ", ".join(word for word in model.switching if has.get(word, True))


def shortened(text: str) -> str:
    """Cut a text that is too long for its column.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
    """
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 3]}..."
