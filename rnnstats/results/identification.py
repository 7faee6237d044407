"""Which parameters and functions of parameters a model's data identify, with names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from rnnstats import _compat
from rnnstats._compat import wrapped
from rnnstats.diagnostics.identification import LOADING, Identifiability, identify
from rnnstats.diagnostics.memory import roots as arrays
from rnnstats.errors import SpecificationError
from rnnstats.estimation.covariance import jacobian
from rnnstats.kernels.system import StateSpace, Tangents
from rnnstats.results.inference.functions import read_functions
from rnnstats.results.protocol import FloatArray, StateSpaceModel

__all__ = ["Identification", "identification_of", "numeric_tangents"]

# Components of a direction below this share of its largest are left out of weak directions, and of
# the text of null directions.
SMALL = 0.1
# Names that one line of text holds.
SHOWN = 8
CURVED = "by curvature alone, as at a boundary, along"
ALWAYS = (
    "Identified in any case: impulse responses, innovation covariance, autocovariances, spectrum, "
    "forecasts."
)


@dataclass(frozen=True, eq=False, repr=False)
class Identification:
    """What the data can tell about the parameters of a model.

    The Jacobian of the law of the outputs (impulse responses of the innovations, their covariance,
    the mean with its inputs and trend) by the free parameters has a rank; along its null directions
    parameters can move without changing any prediction.

    Attributes
    ----------
    rank : int
        Number of combinations of parameters that the data tell.
    k_free : int
        Number of free parameters.
    condition : float
        Ratio of the largest to the smallest singular value of the Jacobian with columns of length
        one, null directions left out: how much less the worst combination is told than the best.

    References
    ----------
    Rothenberg, T. J. (1971), Identification in parametric models, Econometrica 39, 577-591.
    """

    rank: int
    k_free: int
    condition: float
    _found: Identifiability
    _model: StateSpaceModel
    _theta: FloatArray

    def __str__(self) -> str:
        """Return the identification line."""
        text = f"rank {self.rank} of {self.k_free}"
        if self.identified:
            line = f"identified: {text}"
            line += f", condition {self.condition:.3g}" if self.rank else ""
        else:
            kinds = [_words(column) for _, column in self.null_directions.items()]
            line = f"not identified: {text}; nothing changes along {_listed(kinds)}"
        weak = [_words(column) for _, column in self.weak_directions.items()]
        line += f"; nearly nothing along {_listed(weak)}" if weak else ""
        folds = [_words(column) for _, column in self.fold_directions.items()]
        return line + (f"; {CURVED} {_listed(folds)}" if folds else "")

    def __repr__(self) -> str:
        """Return the identification line."""
        return f"<Identification: {self}>"

    @property
    def identified(self) -> bool:
        """Whether all free parameters are identified."""
        return self.rank == self.k_free

    @property
    def nullity(self) -> int:
        """Number of null directions."""
        return self.k_free - self.rank

    @property
    def singular_values(self) -> FloatArray:
        """Singular values of the Jacobian with columns of length one, largest first (a copy)."""
        return self._found.singular_values.copy()

    @property
    def frame(self) -> pd.DataFrame:
        """One row a parameter (a copy).

        ``estimate``; ``identified``; ``status``: "identified", "weak" (takes part in a direction
        that is nearly null), "not identified", "fixed" or "tied to" another parameter;
        ``std_err_alone``: its standard error if all others were known, from the expected
        information in the steady state; NaN with a moving-average root on the unit circle.
        """
        model, found = self._model, self._found
        expansion = model.layout.expansion
        owner = np.array([int(np.argmax(row)) if row.any() else -1 for row in expansion])
        free = list(model.layout.free_names)
        names = list(model.param_names)
        shares = np.abs(self._found.weak * found.sizes[:, None])
        frail = (shares >= SMALL * shares.max(axis=0, initial=0.0)).any(axis=1)
        regular = not (found.folds.size or found.unsure)
        rows = []
        for name, value, at in zip(names, self._theta, owner, strict=True):
            if at < 0:
                rows.append((float(value), True, "fixed", np.nan))
                continue
            sure = bool(found.identified[at])
            word = "not identified" if not sure else "weak" if frail[at] else "identified"
            word = word if free[at] == name else f"tied to {free[at]}"
            size = float(found.sizes[at]) if regular else 0.0
            alone = 1.0 / (size * np.sqrt(model.nobs)) if size > 0.0 else np.nan
            rows.append((float(value), sure, word, alone))
        columns = ["estimate", "identified", "status", "std_err_alone"]
        return pd.DataFrame(rows, index=pd.Index(names), columns=columns)

    @property
    def null_directions(self) -> pd.DataFrame:
        """Directions along which nothing changes, one a column, in the parameters' units (a copy).

        A basis with few parameters a direction; in each the parameter with the largest share has
        weight one.
        """
        return self._directions(self._found.null, LOADING)

    @property
    def weak_directions(self) -> pd.DataFrame:
        """Directions along which hardly anything changes, the weakest first (a copy).

        Combinations whose singular value is below a thousandth of the largest (parameters with less
        than a tenth of the largest share are left at zero), and single parameters with hardly any
        effect, such as a root that nearly cancels. `weak_conditions` says how weak they are.
        """
        return self._directions(self._found.weak, SMALL)

    @property
    def fold_directions(self) -> pd.DataFrame:
        """Directions that only the curvature of the likelihood tells, one a column (a copy).

        At a moving-average root on the unit circle the score and the expected information vanish
        along them, although responses differ; tests and intervals are not asymptotically normal.
        """
        return self._directions(self._found.folds, LOADING)

    @property
    def weak_conditions(self) -> pd.Series:
        """How many times weaker than others, or than the noise's unit, each weak direction is."""
        values = 1.0 / self._found.weak_values
        index = pd.RangeIndex(1, values.size + 1, name="direction")
        return pd.Series(values, index=index, name="condition")

    def _directions(self, weights: FloatArray, least: float) -> pd.DataFrame:
        shares = np.abs(weights) * np.where(self._found.sizes > 0, self._found.sizes, 1.0)[:, None]
        kept = np.where(shares >= least * shares.max(axis=0, initial=0.0), weights, 0.0)
        columns = pd.RangeIndex(1, weights.shape[1] + 1, name="direction")
        return pd.DataFrame(kept, index=pd.Index(self._model.layout.free_names), columns=columns)

    @property
    def roots(self) -> pd.DataFrame:
        """Roots of W_h and whether the data tell them (a copy).

        A root that cancels against a moving-average root, or belongs to a state that no shock
        moves or no output shows, is not identified. Complex pairs come once; repeated roots have
        no derivative, and NaN in ``identified``.
        """
        transition = self._model.system(self._theta).transition
        tangents = _tangents(self._model, self._theta)
        found = arrays.roots(np.array(transition))
        slopes = np.einsum("qij,kij->qk", found.slopes, tangents.transition)
        slopes = slopes @ self._model.layout.expansion
        told = []
        for simple, row in zip(found.simple, slopes, strict=True):
            both = np.vstack([row.real, row.imag])
            reach = np.abs(both).max(axis=1, initial=0.0)
            moves = both[reach > 1e-12 * max(float(reach.max()), 1e-300)]
            told.append(bool(self._found.tells(moves).all()) if simple else np.nan)
        values = found.values
        return pd.DataFrame(
            {
                "real": values.real,
                "imag": values.imag,
                "modulus": np.abs(values),
                "identified": pd.Series(told, dtype=object).to_numpy(),
            },
            index=pd.RangeIndex(1, values.size + 1, name="root"),
        )

    def is_identified(
        self, function: Callable[[Any], Any] | str | Sequence[str] | ArrayLike
    ) -> pd.Series:
        """Say which functions of the parameters the data tell.

        Parameters
        ----------
        function : callable, str, sequence of str, or array_like of shape (K,) or (q, K)
            Formulas such as ``"K[h1,y] / W_h[h1,h1]"``; or what is given a Series of all parameters
            and returns one number or several; or weights of linear combinations.

        Returns
        -------
        Series of bool
            One a function: whether, to first order, it has the same value along all null
            directions.

        Raises
        ------
        SpecificationError
            Unknown parameters, a function without finite values, or weights of a wrong shape.
        """
        names, slopes = self._slopes(function)
        told = self._found.tells(slopes @ self._model.layout.expansion)
        return pd.Series(told, index=pd.Index(names), name="identified")

    def _slopes(self, function: Any) -> tuple[tuple[str, ...], FloatArray]:
        text = isinstance(function, str) or (
            isinstance(function, (list, tuple)) and all(isinstance(part, str) for part in function)
        )
        if text or callable(function):
            units = np.full(self._theta.size, np.nan)
            found = read_functions(
                self._model, self._theta, units, function,
                names=None, labelled=True, caller="is_identified",
            )  # fmt: skip
            return found.names, found.slopes
        weights = np.atleast_2d(np.asarray(function, dtype=np.float64))
        if weights.ndim != 2 or weights.shape[1] != self._theta.size:
            raise SpecificationError(
                f"is_identified: weights must have {self._theta.size} columns, one a parameter; "
                f"got shape {weights.shape}. Write the function as text to name the parameters."
            )
        return tuple(str(i) for i in range(len(weights))), weights

    def summary(self) -> Any:
        """Summary table.

        Returns
        -------
        statsmodels.iolib.summary.Summary
            Parameters with what is known about each; null directions, weak directions and roots
            where there is something to say.
        """
        frame = self.frame.drop(columns="identified").rename(
            columns={"std_err_alone": "std err if alone"}
        )
        summary = _compat.build_table(
            frame, title=f"Identification: rank {self.rank} of {self.k_free}", notes=self._notes()
        )
        for table, title in (
            (self.null_directions, "Directions along which nothing changes"),
            (self.weak_directions, "Directions along which hardly anything changes"),
            (self.fold_directions, "Directions that only the curvature tells"),
        ):
            if table.shape[1]:
                named = table[(table != 0.0).any(axis=1)]
                summary.tables.extend(_compat.build_table(named, title=title).tables)
        roots = self.roots
        words = roots["identified"].map({True: "yes", False: "no"}).fillna("repeated")
        shown = roots.assign(identified=words)
        summary.tables.extend(_compat.build_table(shown, title="Roots of W_h").tables)
        return summary

    def _notes(self) -> list[str]:
        notes = [f"{str(self)[0].upper()}{str(self)[1:]}."]
        if not self.identified:
            notes.append(ALWAYS)
            notes.append("Fix or tie one parameter a direction, or report identified functions.")
        if self._found.folds.size:
            notes.append(
                "A moving-average root lies on the unit circle: the expected information is "
                "singular there, tests and intervals are not asymptotically normal."
            )
        if self._found.unsure:
            notes.append(
                "A zero of the spectrum lies on the unit circle: directions may be null to first "
                "order there and still be told by the curvature; see information_rank."
            )
        return [line for note in notes for line in wrapped(note)]


def _words(direction: pd.Series) -> str:
    """A direction in words."""
    shares = direction[direction != 0.0]
    largest = shares.iloc[np.argsort(-np.abs(shares.to_numpy()), kind="stable")][:SHOWN]
    kept = shares[shares.index.isin(largest.index)]
    text = " ".join(f"{weight:+.3g} {name}" for name, weight in kept.items()).removeprefix("+")
    return text + (f" (and {len(shares) - len(kept)} more)" if len(kept) < len(shares) else "")


def _listed(kinds: Sequence[str]) -> str:
    """At most three directions."""
    more = f"; and {len(kinds) - 3} more" if len(kinds) > 3 else ""
    return "; ".join(kinds[:3]) + more


def identification_of(model: StateSpaceModel, theta: FloatArray, *, caller: str) -> Identification:
    """Find which parameters of a model its data identify.

    Parameters
    ----------
    model : StateSpaceModel
    theta : ndarray of shape (K,)
        Natural parameters at which to look.
    caller : str
        Named at the front of error messages.

    Returns
    -------
    Identification

    Raises
    ------
    SpecificationError
        The model has no steady state at `theta`, or errors with a singular covariance.
    """
    point = np.array(theta, dtype=np.float64)
    found = identify(
        model.system(point),
        _tangents(model, point),
        np.isfinite(model.endog.values),
        expansion=model.layout.expansion,
        caller=caller,
    )
    return Identification(
        found.rank, int(model.layout.k_free), found.condition, found, model, point
    )


def _tangents(model: StateSpaceModel, theta: FloatArray) -> Tangents:
    """Derivatives of a model's system, exact where the model gives them."""
    exact = getattr(model, "tangents", None)
    if exact is not None:
        given: Tangents = exact(theta)
        return given
    return numeric_tangents(model.system, theta)


def numeric_tangents(system: Callable[[FloatArray], StateSpace], theta: FloatArray) -> Tangents:
    """Differentiate a system by its parameters numerically.

    Parameters
    ----------
    system : callable
        Of the parameters, shape (K,).
    theta : ndarray of shape (K,)

    Returns
    -------
    Tangents
        Exact up to rounding where the system is linear in the parameters.
    """
    base = system(theta)
    shapes = (base.matrices.shape, base.obs_intercept.shape, base.state_intercept.shape)

    def flat(params: FloatArray) -> FloatArray:
        value = system(params)
        parts = (value.matrices, value.obs_intercept, value.state_intercept)
        return np.concatenate([part.ravel() for part in parts])

    slopes = jacobian(flat, theta).T
    cuts = np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1]
    matrices, obs, state = (
        np.ascontiguousarray(part).reshape(len(theta), *shape)
        for part, shape in zip(np.split(slopes, cuts, axis=1), shapes, strict=True)
    )
    p, m, r = base.k_endog, base.k_states, base.k_posdef
    return Tangents(p, m, r, matrices, obs, state)
