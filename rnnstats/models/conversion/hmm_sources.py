"""Forms in which a hidden Markov model comes: arrays, networks, models of other packages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnstats._checks import shown
from rnnstats._table import column_titles
from rnnstats.equivalence.heads import CategoricalReadout, FamilyReadout, GaussianReadout
from rnnstats.equivalence.hmm import HMM, from_rnn
from rnnstats.equivalence.readouts import Location, Readout, distributions
from rnnstats.equivalence.softmax import SoftmaxRNN
from rnnstats.errors import SpecificationError

__all__ = ["Source", "of_arrays", "of_hmmlearn", "of_network", "one_or_all"]

FloatArray = NDArray[np.float64]
# What a family calls its parameters, in short form: name there -> name here.
_SHORT: Mapping[str, Mapping[str, str]] = {
    "gaussian": {"mean": "V", "cov": "obs_cov"},
    "gaussian-diagonal": {"mean": "V", "cov": "obs_cov"},
    "gaussian-spherical": {"mean": "V", "cov": "obs_cov"},
    "student-t": {"mean": "V", "scale2": "scale2", "df": "df"},
    "poisson": {"mean": "mean"},
    "negative-binomial": {"mean": "mean", "dispersion": "dispersion"},
    "bernoulli": {"prob": "prob"},
    "binomial": {"prob": "prob"},
    "gamma": {"mean": "mean", "shape": "shape"},
    "categorical": {"prob": "prob"},
}


class Source(NamedTuple):
    """A hidden Markov model in one form.

    Attributes
    ----------
    transition : ndarray, shape (K, K)
        At inputs of zero, where there are inputs.
    slopes : ndarray, shape (K, K, r), or None
        What inputs add to the log odds against the last regime: entered, left, input.
    start : str or ndarray
    table : dict of str to ndarray of shape (K,)
        Parameters of the outputs by name without the regime.
    emission : object
        As `MarkovRNN` takes it.
    names, exog_names, transition_names : tuple of str
    ar_form : str
    """

    transition: FloatArray
    slopes: FloatArray | None
    start: Any
    table: dict[str, FloatArray]
    emission: Any
    names: tuple[str, ...]
    exog_names: tuple[str, ...]
    transition_names: tuple[str, ...]
    ar_form: str


def of_arrays(
    transition: FloatArray, parameters: Any, start: Any, emission: Any, endog: Any, caller: str
) -> Source:
    """Read arrays or a labelled table.

    Parameters
    ----------
    transition : ndarray, shape (K, K)
    parameters : DataFrame or mapping
        Names without the regime to one number a regime, or the family's short names.
    start, emission, endog : object
    caller : str

    Returns
    -------
    Source

    Raises
    ------
    SpecificationError
        Parameters that are missing, unknown, or have a wrong shape.
    """
    k = len(transition)
    if not isinstance(parameters, (Mapping, pd.DataFrame)) or not len(parameters.keys()):
        raise SpecificationError(
            f"{caller}: parameters must be a table or a mapping from names such as V[y] or mean to "
            f"one number a regime; got {shown(parameters)}. See MarkovRNN.param_names."
        )
    given = "gaussian" if emission is None else emission
    if isinstance(parameters, pd.DataFrame):
        parameters = {str(name): parameters[name].to_numpy() for name in parameters.columns}
    short = {name: value for name, value in parameters.items() if "[" not in name}
    table = {
        name: _numbers(value, (k,), name, caller)
        for name, value in parameters.items()
        if "[" in name
    }
    names = _output_names(endog, short, table, given, k)
    if short:
        more, given = _expanded(short, given, names, k, caller)
        table.update(more)
    inputs = dict.fromkeys(name.split(",", 1)[1][:-1] for name in table if name.startswith("D["))
    return Source(transition, None, start, table, given, names, tuple(inputs), (), "intercept")


def _numbers(value: Any, shape: tuple[int, ...], name: str, caller: str) -> FloatArray:
    array = np.array(value, dtype=np.float64)
    if array.ndim == 0:
        array = np.full(shape, float(array))
    if array.shape != shape or np.isnan(array).any():
        raise SpecificationError(
            f"{caller}: {name} must hold one number a regime, shape {shape}; got shape "
            f"{array.shape}. Put regimes first."
        )
    return array


def _output_names(
    endog: Any, short: Mapping[str, Any], table: Mapping[str, Any], emission: Any, k: int
) -> tuple[str, ...]:
    """Columns of the data, or what the names of the parameters say, or y, y1, ..."""
    if endog is not None:
        return tuple(column_titles(endog, what="endog", stem="y", caller="MarkovRNN.from_hmm"))
    if isinstance(emission, Mapping) and "family" not in emission:
        found = [name for key in emission for name in ((key,) if isinstance(key, str) else key)]
        return tuple(str(name) for name in found)
    inner = [name.split("[", 1)[1].split("]")[0].split(",")[0].split("=")[0] for name in table]
    if inner:
        return tuple(dict.fromkeys(inner))
    level = np.asarray(short.get("mean", np.zeros(k)), dtype=np.float64)
    width = level.shape[1] if level.ndim == 2 else 1
    return ("y",) if width == 1 else tuple(f"y{i + 1}" for i in range(width))


def _expanded(
    short: Mapping[str, Any], emission: Any, names: tuple[str, ...], k: int, caller: str
) -> tuple[dict[str, FloatArray], Any]:
    """Labelled parameters of short names such as mean, cov, prob."""
    options = dict(emission) if isinstance(emission, Mapping) else {"family": emission}
    family = options.get("family")
    known = _SHORT.get(str(family))
    if known is None:
        raise SpecificationError(
            f"{caller}: short names need one family for all columns; got emission "
            f"{shown(emission)}. Give labelled names such as V[{names[0]}]."
        )
    unknown = [name for name in short if name not in known]
    missing = [name for name in known if name not in short]
    if unknown or missing:
        raise SpecificationError(
            f"{caller}: {family!r} takes {', '.join(known)}; got {', '.join(short)}. Give these, "
            f"or labelled names such as V[{names[0]}]."
        )
    if family == "categorical":
        return _levels(short["prob"], options, names[0], k, caller)
    d = len(names)
    found: dict[str, FloatArray] = {}
    for name, value in short.items():
        if name == "cov":
            found.update(_covariances(value, names, k, str(family), caller))
            continue
        array = np.array(value, dtype=np.float64)
        array = _numbers(array[:, None] if array.shape == (k,) else array, (k, d), name, caller)
        found.update({f"{known[name]}[{y}]": array[:, j] for j, y in enumerate(names)})
    return found, emission


def _levels(
    value: Any, options: dict[str, Any], name: str, k: int, caller: str
) -> tuple[dict[str, FloatArray], Any]:
    """Probabilities of the levels of a categorical output."""
    table = distributions(value, name="prob", caller=caller)
    levels = options.get("levels") or [str(a) for a in range(table.shape[1])]
    if table.shape != (k, len(levels)):
        raise SpecificationError(
            f"{caller}: prob must have a row a regime and a column a level, shape "
            f"{(k, len(levels))}; got {table.shape}. Give the levels: emission={{'family': "
            "'categorical', 'levels': [...]}."
        )
    found = {f"prob[{name}={level}]": table[:, a] for a, level in enumerate(levels)}
    return found, {**options, "levels": list(levels)}


def _covariances(
    value: Any, names: tuple[str, ...], k: int, family: str, caller: str
) -> dict[str, FloatArray]:
    """Labelled covariances: (K,), (K, d) variances, or (K, d, d)."""
    d = len(names)
    array = np.array(value, dtype=np.float64)
    if array.shape in ((k,), (k, d)):
        wide = array.reshape(k, -1)
        array = np.stack([np.diag(np.broadcast_to(row, d)) for row in wide])
    array = _numbers(array, (k, d, d), "cov", caller)
    found = {}
    for i in range(d):
        for j in range(i + 1):
            if i == j or family == "gaussian":
                found[f"obs_cov[{names[i]},{names[j]}]"] = array[:, i, j]
            elif array[:, i, j].any():
                raise SpecificationError(
                    f"{caller}: {family!r} has no covariances between columns; got some. Use "
                    "emission='gaussian'."
                )
    if family == "gaussian-spherical" and d > 1:
        first = found[f"obs_cov[{names[0]},{names[0]}]"]
        if any((found[f"obs_cov[{y},{y}]"] != first).any() for y in names):
            raise SpecificationError(
                f"{caller}: 'gaussian-spherical' has one variance for all columns; got several. "
                "Use emission='gaussian-diagonal'."
            )
        return {f"obs_cov[{names[0]}:{names[-1]}]": first}
    return found


# --- networks -------------------------------------------------------------------------------------


def of_network(network: SoftmaxRNN | HMM, caller: str) -> Source:
    """Read a network with a one-hot state, or the model that it stands for.

    Parameters
    ----------
    network : SoftmaxRNN or HMM
    caller : str

    Returns
    -------
    Source

    Raises
    ------
    SpecificationError
        It has no readout, or composite states.
    """
    value = from_rnn(network) if isinstance(network, SoftmaxRNN) else network
    if not value.emission or value.lead:
        what = "composite states" if value.lead else "no readout"
        raise SpecificationError(
            f"{caller}: a network must have readouts and one state a regime; got {what}. Give "
            "transition and parameters as arrays."
        )
    table: dict[str, FloatArray] = {}
    emission: dict[Any, Any] = {}
    for part in value.emission:
        table.update(_labelled(part, value.exog_names))
        key = part.names if len(part.names) > 1 else part.names[0]
        emission[key] = _family_of(part)
    start = one_or_all(value.start)
    used = [x for x in value.exog_names if any(name.endswith(f",{x}]") for name in table)]
    return Source(
        value.transition, value.W_x if value.exog_transition_names else None, start, table,
        emission, value.endog_names, tuple(used), value.exog_transition_names, "intercept",
    )  # fmt: skip


def one_or_all(start: FloatArray) -> FloatArray:
    """One start law where all sequences have the same.

    Parameters
    ----------
    start : ndarray, shape (sequences, K)

    Returns
    -------
    ndarray, shape (K,) or (sequences, K)
    """
    same = bool((start == start[:1]).all())
    return np.array(start[0] if same else start)


def _family_of(part: Readout) -> Any:
    if isinstance(part, CategoricalReadout):
        return {"family": "categorical", "levels": list(part.levels)}
    trials = getattr(getattr(part, "family", None), "trials", 1)
    if part.kind in ("bernoulli", "binomial") and trials != 1:
        return {"family": "binomial", "trials": trials}
    return {"family": part.kind}


def _labelled(part: Readout, inputs: tuple[str, ...]) -> dict[str, FloatArray]:
    """Parameters of a readout by the names that a model gives them."""
    place = part.location
    if isinstance(part, CategoricalReadout):
        if not place.k_exog and not place.trend.any():
            return {
                f"prob[{part.names[0]}={level}]": part.probabilities[:, a]
                for a, level in enumerate(part.levels)
            }
        rows = tuple(f"{part.names[0]}={level}" for level in part.levels[:-1])
        return _coefficients(place, rows, (), inputs)
    if isinstance(part, GaussianReadout):
        found = _coefficients(place, part.names, part.names, inputs)
        for i, y in enumerate(part.names):
            for j in range(i + 1):
                found[f"obs_cov[{y},{part.names[j]}]"] = part.obs_cov[:, i, j]
        return found
    if not isinstance(part, FamilyReadout):
        raise TypeError(f"of_network: {type(part).__name__} is no readout of this package")
    law: Any = part.family
    if law.natural is not None and not place.k_exog and not place.trend.any():
        mean = law.mean(place.V, part.extra)[0] / getattr(law, "trials", 1)
        found = {f"{law.natural}[{part.names[0]}]": mean}
    else:
        found = _coefficients(place, part.names, part.names, inputs)
    extras = zip(law.extras, part.extra, strict=True)
    return {**found, **{f"{name}[{part.names[0]}]": value for name, value in extras}}


def _coefficients(
    place: Location, rows: tuple[str, ...], own: tuple[str, ...], inputs: tuple[str, ...]
) -> dict[str, FloatArray]:
    found: dict[str, FloatArray] = {}
    for i, y in enumerate(rows):
        found[f"V[{y}]"] = place.V[i]
        if place.trend.any():
            found[f"b_y_trend[{y}]"] = place.trend[i]
        for x in range(place.k_exog):
            found[f"D[{y},{inputs[x]}]"] = place.D[i, :, x]
        for lag in range(place.order):
            for j, other in enumerate(own):
                found[f"ar{lag + 1}[{y},{other}]"] = place.ar[lag, i, :, j]
    return found


# --- other packages -------------------------------------------------------------------------------


def of_hmmlearn(fitted: Any, endog: Any, caller: str) -> Source:
    """Read a model of hmmlearn, or one with the same attributes.

    Parameters
    ----------
    fitted : object
        With ``transmat_``, ``startprob_`` and ``means_`` with ``covars_``, ``lambdas_`` or
        ``emissionprob_``.
    endog : object
        Gives the names of the outputs, if any.
    caller : str

    Returns
    -------
    Source

    Raises
    ------
    SpecificationError
        The model emits something else, such as mixtures.
    """
    transition = distributions(fitted.transmat_, name="transmat_", caller=caller)
    start = np.asarray(fitted.startprob_, dtype=np.float64)
    if hasattr(fitted, "weights_"):
        raise SpecificationError(
            f"{caller}: a regime must emit one distribution; got a mixture "
            f"({type(fitted).__name__}). Give each component a regime of its own."
        )
    if hasattr(fitted, "means_") and hasattr(fitted, "covars_"):
        cov = np.asarray(fitted.covars_)
        each = max(len(cov) // len(transition), 1)  # "spherical" repeats each one by column
        short = {"mean": np.asarray(fitted.means_), "cov": cov[::each]}
        return of_arrays(transition, short, start, "gaussian", endog, caller)
    if hasattr(fitted, "lambdas_"):
        return of_arrays(
            transition, {"mean": np.asarray(fitted.lambdas_)}, start, "poisson", endog, caller
        )
    if hasattr(fitted, "emissionprob_"):
        table = np.asarray(fitted.emissionprob_)
        given = {"family": "categorical", "levels": list(range(table.shape[1]))}
        return of_arrays(transition, {"prob": table}, start, given, endog, caller)
    raise SpecificationError(
        f"{caller}: an hmmlearn model must have means_ and covars_, lambdas_ or emissionprob_; got "
        f"{type(fitted).__name__}. Give transition and parameters as arrays."
    )
