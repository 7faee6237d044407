"""What is to be known about a fit before its order is believed."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from rnnstats.equivalence.varma import coprimeness_of, innovations_system

if TYPE_CHECKING:
    from rnnstats.models.linear import LinearRNN
    from rnnstats.results.linear import LinearResults

__all__ = ["model_of", "notes", "number_of_states"]


def model_of(results: LinearResults) -> LinearRNN:
    """Return the model of results as what it is."""
    return cast("LinearRNN", results.model)


def number_of_states(results: LinearResults) -> int:
    """Number of states; 0 where all dynamics are fixed, see `models.nesting.without_state`."""
    layout = model_of(results).layout
    groups = dict(zip(layout.names, layout.groups, strict=True))
    free = {groups[name] for name in layout.free_names}
    return results.model.k_states if "W_h" in free else 0


def notes(results: LinearResults) -> str:
    """Words about convergence, boundaries and cancellations of one fit, or nothing."""
    record = results.convergence
    words: list[str] = []
    states = number_of_states(results)
    if record is not None:
        if record.message != "converged":
            words.append(record.message)
        words += record.boundary if states else ()
    told = any("cancel" in word for word in words)
    if results.model.form == "innovations" and states and not told:
        words += _cancellations(results)
    return "; ".join(dict.fromkeys(words))


def _cancellations(results: LinearResults) -> list[str]:
    """Words about roots that nearly cancel, so that fewer states would do about as well."""
    theta = results.params.to_numpy()
    system = results.model.system(theta)
    table = model_of(results)._table
    inputs = table.array(table.fill(theta), "C_state").T
    found = coprimeness_of(
        innovations_system(system.transition, system.design, system.selection, inputs),
        scale=np.sqrt(np.maximum(np.diag(system.obs_cov), 1e-300)),
    )
    return [case.words(results.model.endog.names) for case in (*found.common, *found.near)]
