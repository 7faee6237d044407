"""Tables of a structured model from a state space whose matrices can be evaluated.

Each parameter is moved alone by one and two units (powers of two of its own size where that is
larger). A cell that follows exactly one parameter, with
slope plus or minus one and nothing added, is that parameter; a cell that no parameter moves is a
number; and a cell that depends on parameters in any other way becomes the number it has at the
estimates, and the parameters are reported as held.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnstats._compat.statespace import StateSpaceReading

__all__ = ["Inputs", "Probe", "Terms", "probe", "tables_of"]

FloatArray = NDArray[np.float64]
ObjectArray = NDArray[np.object_]
MATRICES = ("design", "transition", "selection", "obs_cov", "state_cov")
TOL = 1e-9
# A change of an intercept below this share of it is rounding.
ROUNDING = 1e-13


@dataclass
class Inputs:
    """Columns behind intercepts that vary in time.

    Attributes
    ----------
    index : pandas.Index
    columns : dict of str to ndarray, shape (nobs,)
        Name to values; filled as columns are asked for.
    known : DataFrame or None
        The user's inputs, whose names are used where the values are theirs.
    """

    index: pd.Index
    known: pd.DataFrame | None
    columns: dict[str, FloatArray] = field(default_factory=dict)

    def name_of(self, profile: FloatArray, stem: str, *, shifted: bool) -> str:
        """Name of the column with these values; a new one where there is none."""
        for name, values in self.columns.items():
            if _alike(values, profile):
                return name
        name = stem
        if self.known is not None:
            for label in self.known.columns:
                values = self.known[label].to_numpy()
                after = values[1:] if shifted else values
                if _alike(after, profile[len(profile) - len(after) :]):
                    name = str(label)
                    break
        while name in self.columns:
            name += "_"
        self.columns[name] = profile
        return name

    def frame(self) -> pd.DataFrame | None:
        """All columns, or None."""
        return pd.DataFrame(self.columns, index=self.index) if self.columns else None


def _alike(values: FloatArray, profile: FloatArray) -> bool:
    """Whether two columns are the same but for rounding, in units of their own."""
    size = float(np.abs(profile).max(initial=0.0))
    return bool(np.allclose(values, profile, rtol=TOL, atol=TOL * size))


@dataclass(frozen=True)
class Terms:
    """One intercept: constants, slopes in time, and coefficients of input columns, as cells."""

    constant: ObjectArray
    slope: ObjectArray
    loads: dict[str, ObjectArray]


@dataclass
class Probe:
    """Cells of a state space.

    Attributes
    ----------
    cells : dict of str to ndarray of object
        The matrices, each cell a number or a name.
    obs, state : Terms
        The intercepts, in our timing: row t of the state's acts on the step into t.
    values : dict of str to float
        Parameters that occur.
    held : set of str
        Parameters that cells depend on in another way.
    used : set of str
        Parameters that move any cell.
    inputs : Inputs
    """

    cells: dict[str, ObjectArray]
    obs: Terms
    state: Terms
    values: dict[str, float]
    held: set[str]
    used: set[str]
    inputs: Inputs

    def number(self, cell: object) -> float:
        """Value of a cell."""
        if isinstance(cell, str):
            return self.values[cell] if cell in self.values else -self.values[cell[1:]]
        return float(cell)  # type: ignore[arg-type]

    def numbers(self, cells: Sequence[object] | ObjectArray) -> FloatArray:
        """Values of cells, in their shape."""
        array = np.asarray(cells, dtype=object)
        flat = [self.number(cell) for cell in array.ravel()]
        return np.array(flat, dtype=np.float64).reshape(array.shape)


@dataclass(frozen=True)
class _Moves:
    """How an array follows each parameter, moved by its step.

    ``slope`` is the change by one step over the step, ``bend`` the second difference; both have
    shape (K, *array), ``steps`` (K,).
    """

    base: FloatArray
    slope: FloatArray
    bend: FloatArray
    params: FloatArray
    steps: FloatArray

    @property
    def moved(self) -> NDArray[np.bool_]:
        step = self.steps.reshape(-1, *[1] * self.base.ndim)
        size = np.minimum(1.0, step) + np.abs(self.base)
        return (np.abs(self.slope * step) > TOL * size) | (np.abs(self.bend) > TOL * size)


def probe(reading: StateSpaceReading) -> Probe:
    """Find the cells of a state space that are parameters.

    Parameters
    ----------
    reading : StateSpaceReading
        Constant matrices; intercepts may vary.
    """
    moves = _moves(reading)
    cells: dict[str, ObjectArray] = {}
    values: dict[str, float] = {}
    held: set[str] = set()
    for name in MATRICES:
        cells[name] = _named(moves[name], reading.names, values, held)
    _free_covariances(cells, moves, reading, values, held)
    inputs = Inputs(reading.endog.index, reading.exog)
    nobs = len(reading.endog)
    obs = _terms(moves["obs_intercept"], reading, nobs, inputs, values, held, shifted=False)
    state = _terms(moves["state_intercept"], reading, nobs, inputs, values, held, shifted=True)
    if reading.scale is not None:
        held.add("scale")
    used = {
        name
        for j, name in enumerate(reading.names)
        if any(m.moved[j].any() for m in moves.values())
    }
    return Probe(cells, obs, state, values, held, used, inputs)


def _moves(reading: StateSpaceReading) -> dict[str, _Moves]:
    """Evaluate the matrices with each parameter moved."""
    theta = reading.params
    steps = np.exp2(np.round(np.log2(np.maximum(np.abs(theta), 1.0))))
    base = _scaled(reading, theta)
    moves: dict[str, tuple[list[FloatArray], list[FloatArray]]] = {n: ([], []) for n in base}
    for j, size in enumerate(steps):
        step = np.zeros(len(theta))
        step[j] = size
        one, two = _scaled(reading, theta + step), _scaled(reading, theta + 2.0 * step)
        for name, array in base.items():
            moves[name][0].append((one[name] - array) / size)
            moves[name][1].append(two[name] - 2.0 * one[name] + array)
    out = {}
    for name, array in base.items():
        shape = (len(theta), *array.shape)
        slope, bend = (np.reshape(part, shape) for part in moves[name])
        out[name] = _Moves(array, slope, bend, theta, steps)
    return out


def _scaled(reading: StateSpaceReading, theta: FloatArray) -> dict[str, FloatArray]:
    """Matrices without the axis of time, and intercepts with it."""
    arrays = reading.arrays(theta)
    out = {name: arrays[name][..., 0] for name in MATRICES}
    if reading.scale is not None:
        out["obs_cov"] = out["obs_cov"] * reading.scale
        out["state_cov"] = out["state_cov"] * reading.scale
    for name in ("obs_intercept", "state_intercept"):
        out[name] = arrays[name]
    return out


def _named(
    moves: _Moves, names: Sequence[str], values: dict[str, float], held: set[str]
) -> ObjectArray:
    """Cells of a matrix."""
    cells = moves.base.astype(object)
    moved = moves.moved
    for index in np.ndindex(moves.base.shape):
        which = np.flatnonzero(moved[(slice(None), *index)])
        if not which.size:
            continue
        j = int(which[0])
        sign = _sign(moves, j, index) if which.size == 1 else 0
        if sign:
            cells[index] = names[j] if sign > 0 else f"-{names[j]}"
            values[names[j]] = float(moves.params[j])
        else:
            held.update(names[int(k)] for k in which)
    return cells


def _sign(moves: _Moves, j: int, index: tuple[int, ...]) -> int:
    """1 or -1 where a cell is plus or minus a parameter, else 0."""
    value, slope = moves.base[index], moves.slope[(j, *index)]
    size = 1.0 + abs(value)
    straight = abs(moves.bend[(j, *index)]) <= TOL * size and abs(abs(slope) - 1.0) <= TOL
    if not straight or abs(value - np.sign(slope) * moves.params[j]) > TOL * size:
        return 0
    return int(np.sign(slope))


def _free_covariances(
    cells: dict[str, ObjectArray],
    moves: dict[str, _Moves],
    reading: StateSpaceReading,
    values: dict[str, float],
    held: set[str],
) -> None:
    """Give cells of their own to covariance matrices that are free, but otherwise parametrised."""
    names = reading.names
    labels = {
        "obs_cov": [str(name) for name in _output_names(reading.endog)],
        "state_cov": [f"eta{i + 1}" for i in range(len(moves["state_cov"].base))],
    }
    for array, rows in labels.items():
        moved = moves[array].moved
        mine = {j for j in range(len(names)) if moved[j].any()}
        others = [m.moved for name, m in moves.items() if name != array]
        elsewhere = {j for j in mine if any(part[j].any() for part in others)}
        involved = np.flatnonzero(moved.any(axis=(0, 2)) | moved.any(axis=(0, 1)))
        free = len(mine) == len(involved) * (len(involved) + 1) // 2
        nonlinear = bool(mine & {names.index(name) for name in held if name in names})
        if not nonlinear or elsewhere or not free:
            continue
        for a in involved:
            for b in involved[involved <= a]:
                name = f"{array}[{rows[a]},{rows[b]}]"
                cells[array][a, b] = cells[array][b, a] = name
                values[name] = float(moves[array].base[a, b])
        for j in mine:
            held.discard(names[j])
            values.pop(names[j], None)


def _output_names(endog: pd.DataFrame | pd.Series) -> list[str]:
    return [str(endog.name)] if isinstance(endog, pd.Series) else [str(c) for c in endog.columns]


def _terms(
    moves: _Moves,
    reading: StateSpaceReading,
    nobs: int,
    inputs: Inputs,
    values: dict[str, float],
    held: set[str],
    *,
    shifted: bool,
) -> Terms:
    """Split an intercept into constants, slopes and input columns."""
    names, theta = reading.names, reading.params
    base = _our_timing(moves.base, nobs, shifted)
    slope = _our_timing(moves.slope, nobs, shifted)
    bend = _our_timing(moves.bend, nobs, shifted)
    rows = base.shape[0]
    constant, trend = (np.zeros(rows, dtype=object) for _ in range(2))
    loads: dict[str, ObjectArray] = {}
    rest = base.copy()
    for j, name in enumerate(names):
        change = np.abs(slope[j]).max(axis=1, initial=0.0) * moves.steps[j]
        level = np.abs(base).max(axis=1, initial=0.0)
        if (np.abs(bend[j]).max(axis=1, initial=0.0) > TOL * np.maximum(change, level)).any():
            held.add(name)
            continue
        for i in np.flatnonzero(change > ROUNDING * level):
            rest[i] -= theta[j] * slope[j, i]
            values[name] = float(theta[j])
            _place(int(i), name, slope[j, i], constant, trend, loads, inputs, shifted)
    level = np.abs(base).max(axis=1, initial=0.0)
    for i in np.flatnonzero(np.abs(rest).max(axis=1, initial=0.0) > TOL * 1e2 * level):
        _place_number(int(i), rest[i], constant, loads, inputs, shifted)
    return Terms(constant, trend, loads)


def _our_timing(array: FloatArray, nobs: int, shifted: bool) -> FloatArray:
    """One column a row of data; the state's move one on, the first of them standing twice."""
    if array.shape[-1] == 1:
        return np.repeat(array, nobs, axis=-1)
    if not shifted:
        return array[..., :nobs]
    return np.concatenate([array[..., :1], array[..., : nobs - 1]], axis=-1)


def _place(
    row: int,
    name: str,
    profile: FloatArray,
    constant: ObjectArray,
    trend: ObjectArray,
    loads: dict[str, ObjectArray],
    inputs: Inputs,
    shifted: bool,
) -> None:
    """Put a parameter where its profile in time belongs."""
    ones, time = np.ones(len(profile)), np.arange(1.0, len(profile) + 1)
    for sign in (1.0, -1.0):
        cell = name if sign > 0 else f"-{name}"
        if constant[row] == 0 and np.allclose(profile, sign * ones, rtol=TOL, atol=TOL):
            constant[row] = cell
            return
        untouched = trend[row] == 0 and not shifted
        if untouched and np.allclose(profile, sign * time, rtol=TOL, atol=TOL):
            trend[row] = cell
            return
    column = inputs.name_of(profile, name, shifted=shifted)
    loads.setdefault(column, np.zeros(len(constant), dtype=object))[row] = name


def _place_number(
    row: int,
    profile: FloatArray,
    constant: ObjectArray,
    loads: dict[str, ObjectArray],
    inputs: Inputs,
    shifted: bool,
) -> None:
    """Put a known profile in time into a constant, or a column of its own."""
    if constant[row] == 0 and np.ptp(profile) <= TOL * np.abs(profile).max():
        constant[row] = float(profile[0])
        return
    column = inputs.name_of(profile, "offset", shifted=shifted)
    loads.setdefault(column, np.zeros(len(constant), dtype=object))[row] = 1.0


def tables_of(found: Probe) -> dict[str, object]:
    """Tables of the structured form, without the start.

    Parameters
    ----------
    found : Probe

    Returns
    -------
    dict of str to object
        For ``LinearRNN(form="structured", structure=...)``.
    """
    cells = found.cells
    tables: dict[str, object] = {
        "W_h": cells["transition"],
        "selection": cells["selection"],
        "V": cells["design"],
        "state_cov": cells["state_cov"],
        "obs_cov": cells["obs_cov"],
    }
    columns = list(found.inputs.columns)
    both = (("b_y", "b_y_trend", "D", found.obs), ("b_h", "", "W_x", found.state))
    for key, slope, load, terms in both:
        if any(cell != 0 for cell in terms.constant):
            tables[key] = terms.constant
        if slope and any(cell != 0 for cell in terms.slope):
            tables[slope] = terms.slope
        if terms.loads:
            table = np.zeros((len(terms.constant), len(columns)), dtype=object)
            for name, load_cells in terms.loads.items():
                table[:, columns.index(name)] = load_cells
            tables[load] = table
    return tables
