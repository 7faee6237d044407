"""Linear models from fitted statsmodels state space models."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnstats._checks import warn
from rnnstats._compat.statespace import StateSpaceReading, read_state_space
from rnnstats.data import Endog
from rnnstats.errors import ConversionWarning, SpecificationError
from rnnstats.models.conversion.probing import MATRICES, Probe, probe, tables_of
from rnnstats.models.conversion.varma import Converted
from rnnstats.models.linear import LinearRNN

__all__ = ["from_statsmodels"]

FloatArray = NDArray[np.float64]
CALLER = "LinearRNN.from_statsmodels"
# Their filter stops updating covariances when these hardly change, which moves sums by 1e-8.
SAME = 1e-6


def from_statsmodels(results: object) -> Converted:
    """Linear model with the likelihood of a fitted statsmodels model.

    See `LinearRNN.from_statsmodels`.
    """
    reading = read_state_space(results)
    if reading is None:
        raise SpecificationError(
            f"{CALLER}: results must be those of a statsmodels state space model (SARIMAX, "
            f"VARMAX, DynamicFactor, UnobservedComponents); got {type(results).__name__}. "
            "Give what its fit(), smooth() or filter() returns."
        )
    unknown = [name for name, x in zip(reading.names, reading.params, strict=True) if x != x]
    if unknown:
        raise SpecificationError(
            f"{CALLER}: results must have a number for every parameter; got nan for "
            f"{', '.join(unknown)}. Fit again from other start_params."
        )
    for name, array in reading.arrays().items():
        if name in MATRICES and array.shape[-1] > 1:
            hint = " Regression in the state: use mle_regression=True." if name == "design" else ""
            raise SpecificationError(
                f"{CALLER}: the state space must be constant in time but for intercepts; got a "
                f"{name} that varies.{hint}"
            )
    if "" in reading.start_kinds:
        raise SpecificationError(
            f"{CALLER}: the model must say how its state starts; got one that does not. "
            "Use an initialize method of the statsmodels model."
        )
    found = probe(reading)
    converted = _arma(reading, found) if _is_arma(reading) else _structured(reading, found)
    if "approximate_diffuse" not in reading.start_kinds:
        _compare(converted, reading)
    return converted


def _compare(converted: Converted, reading: StateSpaceReading) -> None:
    """Warn where their log-likelihood is not that of the state space on all rows."""
    ours = converted.model.loglike(converted.params)
    if abs(ours - reading.llf) > SAME * (1.0 + abs(reading.llf)):
        left = f"leaves out the first {reading.burn} rows" if reading.burn else "has another start"
        warn(
            f"{CALLER}: results.llf is {reading.llf:.6f} and the log-likelihood of the model "
            f"{ours:.6f}: theirs {left}.",
            ConversionWarning,
        )


# --- ARMA models --------------------------------------------------------------------------------


def _is_arma(reading: StateSpaceReading) -> bool:
    """Whether it is an ARMA model without further noise, started from its stationary moments."""
    quiet = not reading.arrays()["obs_cov"].any()
    steady = set(reading.start_kinds) == {"stationary"}
    return quiet and steady and bool({"SARIMAX", "VARMAX"} & set(reading.kinds))


def _polynomials(
    reading: StateSpaceReading,
) -> tuple[FloatArray, FloatArray, list[bool], list[bool]]:
    """AR and MA coefficients, lag first, and whether each lag occurs in the model."""
    if "VARMAX" in reading.kinds:
        p = reading.endog.shape[1]
        parts = []
        for name in ("coefficient_matrices_var", "coefficient_matrices_vma"):
            value = reading.attribute(name)
            parts.append(np.zeros((0, p, p)) if value is None else np.array(value, dtype=float))
        return parts[0], parts[1], [True] * len(parts[0]), [True] * len(parts[1])
    ar = -np.asarray(reading.attribute("polynomial_reduced_ar"), dtype=float)[1:]
    ma = np.asarray(reading.attribute("polynomial_reduced_ma"), dtype=float)[1:]
    there = []
    for kind in ("ar", "ma"):
        plain, seasonal = (
            np.asarray(reading.attribute(f"polynomial_{season}{kind}")) != 0
            for season in ("", "seasonal_")
        )
        there.append(np.convolve(plain.astype(int), seasonal.astype(int))[1:] > 0)
    return (
        ar.reshape(-1, 1, 1),
        ma.reshape(-1, 1, 1),
        [bool(x) for x in there[0][: len(ar)]],
        [bool(x) for x in there[1][: len(ma)]],
    )


def _arma(reading: StateSpaceReading, found: Probe) -> Converted:
    """Innovations form in VARMA coordinates, lags that do not occur fixed at zero."""
    ar, ma, has_ar, has_ma = _polynomials(reading)
    names = Endog.from_input(reading.endog, caller=CALLER).names
    p, lags = len(names), max(len(ar), len(ma), 1)
    sigma = reading.arrays()["state_cov"][..., 0] * (reading.scale or 1.0)
    diagonal = reading.attribute("error_cov_type") == "diagonal"
    values = _coefficients(names, "ar", ar, lags) | _coefficients(names, "ma", ma, lags)
    for i in range(p):
        for j in range(i + 1):
            values[f"obs_cov[{names[i]},{names[j]}]"] = float(sigma[i, j])
    fixed: dict[str, float] = {}
    for kind, there in (("ar", has_ar), ("ma", has_ma)):
        absent = [lag for lag in range(1, lags + 1) if lag > len(there) or not there[lag - 1]]
        fixed |= {
            f"{kind}{lag}[{row},{column}]": 0.0
            for lag in absent
            for row in names
            for column in names
        }
    trend = _means(found, ar, names, values)
    enters = _inputs(found, names, lags * p, values, fixed)
    model = LinearRNN(
        reading.endog,
        found.inputs.frame(),
        k_states=lags * p,
        trend=trend,  # type: ignore[arg-type]
        exog_enters=enters,  # type: ignore[arg-type]
        obs_noise="diagonal" if diagonal else None,
        structure={"coordinates": "varma"},
        fixed=fixed | _held_there(reading, names),
    )
    _tell_products(reading, has_ar, has_ma)
    return _finished(model, values)


def _coefficients(
    names: tuple[str, ...], kind: str, lags: FloatArray, number: int
) -> dict[str, float]:
    return {
        f"{kind}{lag + 1}[{row},{column}]": float(lags[lag, i, j]) if lag < len(lags) else 0.0
        for lag in range(number)
        for i, row in enumerate(names)
        for j, column in enumerate(names)
    }


def _means(found: Probe, ar: FloatArray, names: tuple[str, ...], values: dict[str, float]) -> str:
    """Put constants into the mean of the outputs; returns the trend."""
    p = len(names)
    equation = found.numbers(found.state.constant[:p])
    mean = found.numbers(found.obs.constant) + np.linalg.solve(np.eye(p) - ar.sum(axis=0), equation)
    slope = found.numbers(found.obs.slope)
    constants = (*found.state.constant[:p], *found.obs.constant)
    sloped = any(cell != 0 for cell in found.obs.slope)
    values |= {f"b_y[{name}]": float(mean[i]) for i, name in enumerate(names)}
    values |= {f"b_y_trend[{name}]": float(slope[i]) for i, name in enumerate(names)}
    if sloped:
        return "ct"
    return "c" if any(cell != 0 for cell in constants) else "n"


def _inputs(
    found: Probe,
    names: tuple[str, ...],
    k_states: int,
    values: dict[str, float],
    fixed: dict[str, float],
) -> str:
    """Put coefficients of input columns into W_x and D; returns where inputs enter."""
    p = len(names)
    in_state, in_output = bool(found.state.loads), bool(found.obs.loads)
    enters = "both" if in_state and in_output else "output" if in_output else "state"
    none = np.zeros(max(p, k_states), dtype=object)
    for column in found.inputs.columns:
        state = found.numbers(found.state.loads.get(column, none))
        output = found.numbers(found.obs.loads.get(column, none))
        for i in range(k_states if in_state else 0):
            label = f"W_x[h{i + 1},{column}]"
            values[label] = float(state[i]) if i < p else 0.0
            if i >= p or column not in found.state.loads:
                fixed[label] = 0.0
        for i in range(p if in_output else 0):
            label = f"D[{names[i]},{column}]"
            values[label] = float(output[i])
            if column not in found.obs.loads:
                fixed[label] = 0.0
    return enters


def _held_there(reading: StateSpaceReading, names: tuple[str, ...]) -> dict[str, float]:
    """Restrictions of the statsmodels fit in our names, and a warning for those without one."""
    ours: dict[str, str] = {"sigma2": f"obs_cov[{names[0]},{names[0]}]"}
    for lag in range(1, 1 + len(reading.names)):
        for row in names:
            for column in names:
                ours[f"L{lag}.{column}.{row}"] = f"ar{lag}[{row},{column}]"
                ours[f"L{lag}.e({column}).{row}"] = f"ma{lag}[{row},{column}]"
        if len(names) == 1:
            ours[f"ar.L{lag}"] = f"ar{lag}[{names[0]},{names[0]}]"
            ours[f"ma.L{lag}"] = f"ma{lag}[{names[0]},{names[0]}]"
    if any(name.startswith(("ar.S", "ma.S")) for name in reading.names):
        ours = {key: name for key, name in ours.items() if key == "sigma2"}
    lost = [name for name in reading.fixed if name not in ours]
    if lost:
        warn(
            f"{CALLER}: {', '.join(lost)} was held in the fit and is a free parameter here, at the "
            "same value. Use with_fixed to hold it.",
            ConversionWarning,
        )
    return {ours[name]: value for name, value in reading.fixed.items() if name in ours}


def _tell_products(reading: StateSpaceReading, has_ar: list[bool], has_ma: list[bool]) -> None:
    factors = [name for name in reading.names if name.startswith(("ar.", "ma."))]
    lags = sum(has_ar) + sum(has_ma)
    if "SARIMAX" in reading.kinds and lags != len(factors):
        warn(
            f"{CALLER}: seasonal polynomials are multiplied out: {lags} coefficients, each a "
            f"parameter here, stand for {len(factors)} in statsmodels. The likelihood at params is "
            "the same; a fit has more freedom.",
            ConversionWarning,
        )


# --- everything else ----------------------------------------------------------------------------


def _structured(reading: StateSpaceReading, found: Probe) -> Converted:
    """Structured form, the cells that are parameters by their statsmodels names."""
    tables = tables_of(found)
    initial = _start(reading, tables, found)
    model = LinearRNN(
        reading.endog,
        found.inputs.frame(),
        form="structured",
        initial=initial,  # type: ignore[arg-type]
        structure=tables,
        fixed={name: v for name, v in reading.fixed.items() if name in found.values} or None,
    )
    if "approximate_diffuse" in reading.start_kinds:
        warn(
            f"{CALLER}: the approximate diffuse start is replaced by the exact one: the "
            "log-likelihood is not results.llf but that of use_exact_diffuse=True.",
            ConversionWarning,
        )
    if found.held:
        some = ", ".join(sorted(found.held))
        warn(
            f"{CALLER}: cells that depend on {some} in another way than being equal to it are held "
            "at the estimates: the likelihood at params is the same, a fit leaves them alone.",
            ConversionWarning,
        )
    return _finished(model, found.values)


def _start(reading: StateSpaceReading, tables: dict[str, object], found: Probe) -> str:
    """Put the start into the tables; returns ``initial``."""
    kinds = reading.start_kinds
    diffuse = [kind.endswith("diffuse") for kind in kinds]
    if all(diffuse):
        return "diffuse"
    if any(diffuse):
        tables["initial_diffuse"] = diffuse
    if "known" not in kinds:
        return "stationary"
    if "stationary" in kinds:
        found.held.add("the stationary start")
    found.held |= {name for name in reading.names if name not in found.used}
    tables["first_step"] = "none"
    tables["initial_mean"] = reading.start_mean
    tables["initial_cov"] = reading.start_cov
    return "known"


def _finished(model: LinearRNN, values: Mapping[str, float]) -> Converted:
    """Put the values into the order of the model's parameters."""
    names = list(model.param_names)
    params = pd.Series([float(values[name]) for name in names], index=names, name="params")
    return Converted(model, params)
