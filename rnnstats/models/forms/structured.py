"""Structured form: every matrix is a table whose cells are numbers or names of parameters.

As in MARSS (Holmes, Ward and Wills 2012, The R Journal 4, 11-19): a number fixes a cell, a name
estimates it, the same name in several cells is one parameter, and ``"-name"`` is its negative. With
``n`` states, ``p`` outputs, ``k`` inputs and ``r`` noises (as many as states unless ``selection``
says otherwise):

=============== ======== =========================================================================
table           shape    meaning; default
=============== ======== =========================================================================
W_h             n, n     state to state; needed, and gives the number (and a frame the names) of
                         states
state_cov       r, r     noise of the state; needed
selection       n, r     which noise enters which state; the identity
V               p, n     state to output; the identity where p = n
obs_cov         p, p     noise of the output; zero
cross_cov       r, p     noise shared by output t and the step into t + 1; zero
b_h, b_y        n; p     constants; none
b_y_trend       p        slopes in t = 1 .. nobs; none
W_x, D          n, k;    coefficients of inputs; none
                p, k
initial_mean,   n; n, n  moments of the start, with ``initial="known"``; zero
initial_cov
initial_diffuse n        True for states with a diffuse start, beside a stationary or known rest
first_step      word     with ``initial="known"``: the start is that of ``h_0`` before a "noisy" or
                         "noiseless" step, or ("none") of the first state ``h_1``; "noisy"
=============== ======== =========================================================================

Tables are nested lists, arrays or frames (labels that are our names are put into our order). A
scalar or a list serves where the shape leaves no doubt; for a covariance these are a multiple of
the identity and a diagonal, and ``"identity"``, ``"diagonal"`` and ``"full"`` are the matrices of
that kind, the latter two with parameters called ``state_cov[h1,h1]`` and so on. A covariance matrix
of distinct names is estimated without restriction (log-Cholesky), other variances as positive;
where covariances are restricted, the likelihood refuses what is not a covariance matrix.

An unknown constant before the sample (MARSS: ``tinitx=0``) is ``initial="known"`` with names in
``initial_mean``; at the first row (``tinitx=1``), with ``first_step="none"`` as well. A diffuse
level beside a stationary cycle is ``initial="stationary"`` with ``initial_diffuse=[True, False]``:
diffuse states may not drive the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from rnnstats._checks import check_literal, suggest
from rnnstats.errors import SpecificationError
from rnnstats.kernels.system import FirstStep, Start
from rnnstats.models.forms.request import TRENDS, Form, Request, refuse
from rnnstats.models.forms.tables import Cell, Reader, labels_of
from rnnstats.parameters.cells import TableBuilder
from rnnstats.parameters.transforms import Block

__all__ = ["KEYS", "structured"]

ObjectArray = NDArray[np.object_]
FIRST_STEPS: tuple[FirstStep, ...] = ("noisy", "noiseless", "none")
# in the order of the parameters: table -> where its cells go
PLACES: Mapping[str, str] = {
    "W_h": "transition",
    "selection": "selection",
    "W_x": "C_state",
    "b_h": "C_state",
    "V": "design",
    "D": "C_obs",
    "b_y": "C_obs",
    "b_y_trend": "C_obs",
    "state_cov": "state_cov",
    "obs_cov": "obs_cov",
    "cross_cov": "cross_cov",
    "initial_mean": "initial_mean",
    "initial_cov": "initial_cov",
}
COVARIANCES = ("state_cov", "obs_cov", "initial_cov")
KEYS = (*PLACES, "initial_diffuse", "first_step")
ZERO = Cell("", 0.0)


@dataclass(frozen=True)
class _Sizes:
    """Names of outputs, inputs, states and noises."""

    outputs: tuple[str, ...]
    inputs: tuple[str, ...]
    states: tuple[str, ...]
    noises: tuple[str, ...]


def structured(request: Request) -> Form:
    """Tables of numbers and names, see `LinearRNN`."""
    refuse(request, "structured", allow=("structure",))
    _check_keys(request)
    reader = Reader(request.caller)
    sizes = _sizes(request, reader)
    tables = _read(request, reader, sizes)
    start, step, diffuse, stationary = _start(request, reader, sizes, tables)
    trend = "ct" if "b_y_trend" in tables else "c" if "b_y" in tables else "n"
    obs_terms = TRENDS[trend]
    state_terms = ("const",) if "b_h" in tables else ()
    builder = TableBuilder(
        len(sizes.outputs),
        len(sizes.states),
        len(sizes.noises),
        (*obs_terms, "exog") if "D" in tables else obs_terms,
        (*state_terms, "exog") if "W_x" in tables else state_terms,
        len(sizes.inputs),
    )
    definite = _fill(builder, tables, len(obs_terms), len(state_terms))
    for i in np.flatnonzero(diffuse):
        builder.constant(1.0, "initial_diffuse", int(i))
    table = builder.finish(sizes.states, start, step)
    enters = "both" if {"W_x", "D"} <= set(tables) else "output" if "D" in tables else "state"
    _check_enters(request, enters)
    return Form(
        "structured",
        "Linear RNN, structured form",
        replace(table, stationary=stationary, definite=definite),
        trend=trend,
        exog_enters=enters,
    )


def _check_keys(request: Request) -> None:
    """Refuse unknown tables and arguments that tables replace."""
    caller, given = request.caller, request.structure
    for key in given:
        if key not in KEYS:
            raise SpecificationError(
                f"{caller}: structure of the structured form has the keys {', '.join(KEYS)}; "
                f"got {key!r}.{suggest(key, KEYS)}"
            )
    for key in ("W_h", "state_cov"):
        if key not in given:
            raise SpecificationError(
                f"{caller}: form='structured' needs structure[{key!r}]; got {sorted(given)}. "
                "Cells are numbers or names, for example {'W_h': [[1]], 'V': [[1]], "
                "'state_cov': [['q']], 'obs_cov': [['r']]}."
            )
    if request.obs_noise is not None:
        raise SpecificationError(
            f"{caller}: obs_noise must be None in the structured form; got "
            f"{request.obs_noise!r}. Give structure['obs_cov']."
        )
    constants = {"b_y", "b_y_trend"} & set(given)
    if (request.trend == "n" and constants) or (request.trend == "ct" and "b_y_trend" not in given):
        raise SpecificationError(
            f"{caller}: in the structured form trend follows from the tables b_y and b_y_trend; "
            f"got trend={request.trend!r} and {sorted(constants) or 'neither'}. Leave trend out."
        )
    for key in ("W_x", "D"):
        if key in given and not request.exog_names:
            raise SpecificationError(
                f"{caller}: structure[{key!r}] holds coefficients of inputs; got no exog. "
                "Give exog, or use b_h and b_y for constants."
            )
    if request.exog_names and not {"W_x", "D"} & set(given):
        raise SpecificationError(
            f"{caller}: structure must say where the inputs {', '.join(request.exog_names)} enter; "
            "got neither 'W_x' nor 'D'. Give a table of shape (k_states, k_exog) or "
            "(k_endog, k_exog)."
        )


def _check_enters(request: Request, enters: str) -> None:
    if request.exog_enters not in ("state", enters):
        raise SpecificationError(
            f"{request.caller}: in the structured form inputs enter through the tables W_x and D; "
            f"got exog_enters={request.exog_enters!r} and tables for {enters!r}. "
            "Leave exog_enters out."
        )


def _sizes(request: Request, reader: Reader) -> _Sizes:
    """Sizes from W_h, selection and state_cov."""
    given = request.structure
    raw = reader.raw("W_h", given["W_h"])
    m = 1 if raw.ndim == 0 else len(raw)
    if raw.size != m * m or raw.ndim > 2:
        reader.refuse("W_h", "must be square", f"shape {raw.shape}", "Write one row a state.")
    if request.k_states not in (None, m):
        raise SpecificationError(
            f"{request.caller}: k_states follows from structure['W_h'], which has {m} rows; "
            f"got {request.k_states}. Leave k_states out."
        )
    states = labels_of(given["W_h"]) or tuple(f"h{i + 1}" for i in range(m))
    if len(set(states)) < m:
        reader.refuse("W_h", "must have distinct row labels", str(states), "Rename the rows.")
    noises = states
    if "selection" in given:
        loading = reader.raw("selection", given["selection"])
        r = loading.shape[1] if loading.ndim == 2 else 1 if m > 1 else loading.size
        noises = states if r == m else tuple(f"eta{i + 1}" for i in range(r))
    return _Sizes(request.endog_names, request.exog_names, states, noises)


def _read(request: Request, reader: Reader, sizes: _Sizes) -> dict[str, ObjectArray]:
    """Read all tables that are given, in the order of the parameters."""
    given = dict(request.structure)
    y, x, h, eta = sizes.outputs, sizes.inputs, sizes.states, sizes.noises
    if "V" not in given:
        if len(y) != len(h):
            reader.refuse(
                "V",
                "may be left out where there are as many states as outputs",
                f"{len(h)} states and {len(y)} outputs",
                "Give it, one row an output and one column a state.",
            )
        given["V"] = np.eye(len(y))
    if "selection" not in given:
        given["selection"] = np.eye(len(h))
    if "b_y_trend" in given:
        given.setdefault("b_y", np.zeros(len(y)))
    matrices = {
        "W_h": (h, h, "states by states"),
        "selection": (h, eta, "states by noises"),
        "W_x": (h, x, "states by inputs"),
        "V": (y, h, "outputs by states"),
        "D": (y, x, "outputs by inputs"),
        "cross_cov": (eta, y, "noises by outputs"),
    }
    vectors = {"b_h": h, "b_y": y, "b_y_trend": y, "initial_mean": h}
    covariances = {"state_cov": eta, "obs_cov": y, "initial_cov": h}
    out: dict[str, ObjectArray] = {}
    for key in PLACES:
        if key not in given:
            continue
        if key in matrices:
            rows, columns, meaning = matrices[key]
            table = _aligned(given[key], rows, columns)
            out[key] = reader.matrix(key, table, (len(rows), len(columns)), meaning)
        elif key in vectors:
            names = vectors[key]
            table = _aligned(given[key], names, names)
            out[key] = reader.vector(key, table, len(names), "one cell each")
        else:
            names = covariances[key]
            out[key] = reader.covariance(key, _aligned(given[key], names, names), names)
    return out


def _aligned(table: object, rows: tuple[str, ...], columns: tuple[str, ...]) -> object:
    """Put a labelled table into our order where its labels are our names."""
    if isinstance(table, pd.Series) and set(table.index) == set(rows):
        return table.loc[list(rows)]
    if isinstance(table, pd.DataFrame):
        if set(table.index) == set(rows):
            table = table.loc[list(rows)]
        if set(table.columns) == set(columns):
            table = table[list(columns)]
    return table


def _start(
    request: Request, reader: Reader, sizes: _Sizes, tables: Mapping[str, ObjectArray]
) -> tuple[Start, FirstStep, NDArray[np.bool_], tuple[int, ...]]:
    """How the state starts: kernel's words, diffuse states, and states with a stationary start."""
    m, given = len(sizes.states), request.structure
    flags = np.zeros(m, dtype=np.bool_)
    if "initial_diffuse" in given:
        flags[:] = reader.flags("initial_diffuse", given["initial_diffuse"], m)
    if request.initial == "known":
        step = check_literal(
            given.get("first_step", "noisy"),
            FIRST_STEPS,
            name="structure['first_step']",
            caller=request.caller,
        )
        return "given", step, flags, ()
    for key in ("initial_mean", "initial_cov", "first_step"):
        if key in given:
            raise SpecificationError(
                f"{request.caller}: structure[{key!r}] belongs to initial='known'; got "
                f"initial={request.initial!r}. Use initial='known', where states named in "
                "initial_diffuse may still be diffuse."
            )
    if request.initial == "diffuse":
        if "initial_diffuse" in given and not flags.all():
            raise SpecificationError(
                f"{request.caller}: with initial='diffuse' every state is diffuse; got "
                f"initial_diffuse={flags.tolist()}. Use initial='stationary' or 'known' for the "
                "others."
            )
        return "given", "none", np.ones(m, dtype=np.bool_), ()
    block = tuple(int(i) for i in np.flatnonzero(~flags))
    _check_block(request.caller, sizes.states, tables["W_h"], block)
    if not flags.any():
        return "stationary", "noisy", flags, ()
    return "given", "none", flags, block


def _check_block(
    caller: str, states: tuple[str, ...], transition: ObjectArray, block: tuple[int, ...]
) -> None:
    """Check that states with a stationary start move on their own and have no fixed unit root."""
    way_out = (
        "Name the states without a stationary distribution in structure['initial_diffuse'] "
        "(one True or False a state), or use initial='diffuse' or 'known'."
    )
    others = [j for j in range(len(states)) if j not in block]
    for i in block:
        for j in others:
            if transition[i, j] != ZERO:
                raise SpecificationError(
                    f"{caller}: a state with a stationary start must not be driven by a diffuse "
                    f"one; got {transition[i, j]} in W_h at [{states[i]},{states[j]}]. {way_out}"
                )
    cells = transition[np.ix_(block, block)]
    linked = np.vectorize(lambda cell: cell != ZERO, otypes=[bool])(cells)
    number, label = connected_components(linked, directed=True, connection="strong")
    for k in range(number):
        members = np.flatnonzero(label == k)
        part = cells[np.ix_(members, members)]
        if any(cell.name for cell in part.ravel()):
            continue
        values = np.vectorize(lambda cell: cell.value, otypes=[float])(part)
        radius = float(np.abs(np.linalg.eigvals(values)).max())
        if radius >= 1.0 - 1e-12:
            names = ", ".join(states[block[i]] for i in members)
            raise SpecificationError(
                f"{caller}: initial='stationary' needs roots inside the unit circle; got a fixed "
                f"one of modulus {radius:g} in W_h (state {names}). {way_out}"
            )


def _fill(
    builder: TableBuilder,
    tables: Mapping[str, ObjectArray],
    obs_terms: int,
    state_terms: int,
) -> tuple[str, ...]:
    """Put all cells into the builder; returns covariances whose sign the likelihood must check."""
    offsets = {"b_y": 0, "b_y_trend": 1, "D": obs_terms, "b_h": 0, "W_x": state_terms}
    uses = Counter(cell.name for cells in tables.values() for cell in cells.ravel() if cell.name)
    places: dict[str, int] = {}

    def place(name: str, group: str) -> int:
        if name not in places:
            places[name] = builder.parameter(name, group)
        return places[name]

    definite: list[str] = ["joint"] if _moves(tables.get("cross_cov")) else []
    positive: list[str] = []
    for key, cells in tables.items():
        if key in COVARIANCES:
            regular = _covariance_blocks(builder, key, cells, uses, place, positive)
            definite += [] if regular else [key]
        for index in np.ndindex(cells.shape):
            cell = cast(Cell, cells[index])
            where = index
            if key in offsets:  # coefficients lie term by output or state
                where = (offsets[key] + (index[1] if len(index) == 2 else 0), index[0])
            if cell.name:
                builder.put(place(cell.name, key), PLACES[key], *where, sign=cell.value)
            elif cell.value:
                builder.constant(cell.value, PLACES[key], *where)
    for name in dict.fromkeys(positive):
        builder.blocks.append(Block("positive", (places[name],)))
    return tuple(definite)


def _moves(cells: ObjectArray | None) -> bool:
    return cells is not None and any(cell != ZERO for cell in cells.ravel())


def _covariance_blocks(
    builder: TableBuilder,
    key: str,
    cells: ObjectArray,
    uses: Counter[str],
    place: object,
    positive: list[str],
) -> bool:
    """Domains of a covariance's parameters, part by part; whether these make it definite.

    States that share no covariance are separate parts. A part of distinct names that occur nowhere
    else is unrestricted; otherwise its variances are positive, and where it has covariances too
    the likelihood refuses what is not a covariance matrix.
    """
    regular = True
    for members in _parts(cells):
        lower = [cells[i, j] for a, i in enumerate(members) for j in members[: a + 1]]
        names = [cell.name for cell in lower]
        once = all(uses[cells[i, j].name] == (1 if i == j else 2) for i in members for j in members)
        free = all(names) and len(set(names)) == len(names) and once
        if free and len(members) > 1 and all(cell.value > 0.0 for cell in lower):
            indices = tuple(place(name, key) for name in names)  # type: ignore[operator]
            builder.blocks.append(Block("covariance", indices))
            continue
        diagonal = [cells[i, i].name for i in members]
        positive.extend(name for name in diagonal if name)
        regular = regular and len(members) == 1
    return regular


def _parts(cells: ObjectArray) -> Iterator[list[int]]:
    linked = np.vectorize(lambda cell: cell != ZERO, otypes=[bool])(cells)
    number, label = connected_components(linked, directed=False)
    for k in range(number):
        yield [int(i) for i in np.flatnonzero(label == k)]
