"""Matrix polynomials of vector ARMA models, to and from a state space."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnstats._checks import check_literal
from rnnstats.equivalence.order import kronecker_indices, minimal_realisation
from rnnstats.equivalence.systems import (
    AnyArray,
    InnovationsSystem,
    chains,
    echelon,
    echelon_columns,
    powers,
)
from rnnstats.errors import SpecificationError

__all__ = [
    "PolynomialForm",
    "Polynomials",
    "checked_lags",
    "final_polynomials",
    "from_polynomials",
    "echelon_polynomials",
    "to_polynomials",
]

FloatArray = NDArray[np.float64]
PolynomialForm = Literal["echelon", "final"]


class Polynomials(NamedTuple):
    """Coefficients of a vector ARMA model.

    ``ar0 y_t = sum ar_i y_{t-i} + sum exog_j x_{t-j} + ar0 e_t + sum ma_j e_{t-j}``.

    Attributes
    ----------
    ar0 : ndarray, shape (p, p)
        Lower triangular with ones on its diagonal.
    ar : ndarray, shape (q, p, p)
        Lags 1 .. q.
    ma : ndarray, shape (r, p, p)
        Lags 1 .. r.
    exog : ndarray, shape (s + 1, p, k)
        Lags 0 .. s.
    """

    ar0: FloatArray
    ar: FloatArray
    ma: FloatArray
    exog: FloatArray

    def reduced(self) -> Polynomials:
        """Return the polynomials multiplied by the inverse of `ar0`.

        Returns
        -------
        Polynomials
            With ``ar0 = I``.
        """
        inverse = np.linalg.inv(self.ar0)
        unit = np.eye(len(self.ar0))
        return Polynomials(unit, inverse @ self.ar, inverse @ self.ma, inverse @ self.exog)


def to_polynomials(
    system: InnovationsSystem,
    kronecker: tuple[int, ...] | None = None,
    form: PolynomialForm = "echelon",
) -> Polynomials:
    """Vector ARMA polynomials of a system.

    Parameters
    ----------
    system : InnovationsSystem
    kronecker : tuple of int, optional
        Kronecker indices, if they are known; the system must then be minimal. Default: the system
        is reduced and its indices found numerically.
    form : {"echelon", "final"}
        "echelon": minimal, row i of degree ``kronecker[i]``. "final": one scalar autoregressive
        polynomial det(I - W_h L) for all outputs, which is what eliminating the state gives; here
        ``kronecker`` is not used and the system is taken as it is.

    Returns
    -------
    Polynomials

    Raises
    ------
    SpecificationError
        An unknown form, or indices that do not fit.

    References
    ----------
    Hannan and Deistler (1988), sec. 2.5; Luetkepohl (2005), sec. 12.1.2 (echelon), 12.1.1 (final
    equations form).
    """
    check_literal(form, get_args(PolynomialForm), name="form", caller="to_polynomials")
    if form == "final":
        return final_polynomials(system)
    if kronecker is None:
        system = minimal_realisation(system)
        kronecker = kronecker_indices(system)
    nu = tuple(kronecker)
    echelon(system, nu)  # refuses indices that do not fit
    return echelon_polynomials(system, nu)


def echelon_polynomials(
    system: InnovationsSystem, nu: tuple[int, ...], *, trim: bool = True
) -> Polynomials:
    """Echelon polynomials of a minimal system with these Kronecker indices.

    Parameters
    ----------
    system : InnovationsSystem
        Real or complex (for derivatives by complex steps).
    nu : tuple of int
    trim : bool
        Whether to leave out the last lag of the inputs where it is zero: there is no ``direct``.

    Returns
    -------
    Polynomials

    Notes
    -----
    Row i says how the forecast of output i at lead nu_i follows from the chosen ones; replacing
    forecasts by outputs minus later errors gives ``A(L) y = A(L) Psi(L) e + A(L) X(L) x``, whose
    right sides have degree nu_i in row i.
    """
    a, c, k, b, d = system
    p, order = len(c), max(nu, default=0)
    basis, ends = chains(c, a, nu)
    alpha = np.linalg.solve(basis.T, ends.T).T if sum(nu) else np.zeros((p, 0))
    lags = np.zeros((order + 1, p, p), dtype=np.result_type(alpha, c))
    lags[0] = np.eye(p)
    place = [(output, lead) for output, chain in enumerate(nu) for lead in range(chain)]
    for i, columns in enumerate(echelon_columns(nu)):
        for column in columns:
            output, lead = place[column]
            lags[nu[i] - lead, i, output] -= alpha[i, column]
    psi = np.concatenate([np.eye(p)[None], powers(c, a, order) @ k])
    x = powers(c, a, order + 1) @ b
    x[0] = x[0] + d
    rows = np.arange(order + 1)[:, None] <= np.array(nu)[None, :]
    ma = _product(lags, psi) * rows[:, :, None]
    exog = _product(lags, x) * rows[:, :, None]
    return Polynomials(lags[0], -lags[1:], ma[1:], _trimmed(exog, d) if trim else exog)


def final_polynomials(system: InnovationsSystem, *, trim: bool = True) -> Polynomials:
    """Polynomials of the final equations form.

    Parameters
    ----------
    system : InnovationsSystem
        Real or complex.
    trim : bool
        As for `echelon_polynomials`.

    Returns
    -------
    Polynomials
        ``ar[i - 1]`` is a multiple of the identity.
    """
    a, c, k, b, d = system
    n, p = len(a), len(c)
    lags = characteristic(a)[:, None, None] * np.eye(p)
    psi = np.concatenate([np.eye(p)[None], powers(c, a, n) @ k])
    x = powers(c, a, n + 1) @ b
    x[0] = x[0] + d
    exog = _product(lags, x)
    exog = _trimmed(exog, d) if trim else exog
    return Polynomials(lags[0], -lags[1:], _product(lags, psi)[1:], exog)


def _trimmed(exog: AnyArray, direct: AnyArray) -> AnyArray:
    """Leave out the last lag where inputs enter the state only: it is zero then."""
    return exog if direct.any() or len(exog) == 1 else exog[:-1]


def characteristic(matrix: AnyArray) -> AnyArray:
    """Coefficients of det(I - M L), lowest first, shape (n + 1,); complex M allowed.

    From the eigenvalues for real M; by Faddeev and LeVerrier's recursion for complex ones, where
    only the (tiny) imaginary part is used.
    """
    n = len(matrix)
    if not np.iscomplexobj(matrix):
        return np.real(np.poly(np.linalg.eigvals(matrix))) if n else np.ones(1)
    out = np.zeros(n + 1, dtype=matrix.dtype)
    out[0] = 1.0
    step = np.eye(n, dtype=matrix.dtype)
    for j in range(1, n + 1):
        product = matrix @ step
        out[j] = -np.trace(product) / j
        step = product + out[j] * np.eye(n)
    return out


def _product(left: AnyArray, right: AnyArray) -> AnyArray:
    """Product of two matrix polynomials up to the degree of the first."""
    out = np.zeros((len(left), left.shape[1], right.shape[2]), dtype=np.result_type(left, right))
    for i, one in enumerate(left):
        for j in range(len(left) - i):
            if j < len(right):
                out[i + j] += one @ right[j]
    return out


def checked_lags(
    ar: ArrayLike | None, ma: ArrayLike | None, *, caller: str, k_endog: int | None = None
) -> tuple[FloatArray, FloatArray]:
    """Read AR and MA coefficients.

    Parameters
    ----------
    ar, ma : array_like, shape (q, p, p) and (r, p, p)
        Also (q,) for one output, (p, p) for one lag; empty or None for none.
    caller : str
        Named in messages.
    k_endog : int, optional
        Number of outputs, where neither says it.

    Returns
    -------
    ar : ndarray, shape (q, p, p)
    ma : ndarray, shape (r, p, p)

    Raises
    ------
    SpecificationError
        Shapes that do not fit, or numbers that are not finite.
    """
    read = [_stack(ar, "ar", caller), _stack(ma, "ma", caller)]
    sizes = {part.shape[1] for part in read if part.shape[1]} | ({k_endog} if k_endog else set())
    if len(sizes) != 1:
        got = " and ".join(str(part.shape) for part in read)
        raise SpecificationError(
            f"{caller}: ar and ma must be arrays of shape (lags, k, k) with the same k; got {got}. "
            "For one output, lists of numbers will do; for neither, there is no model."
        )
    p = sizes.pop()
    filled = [part if part.size else np.zeros((0, p, p)) for part in read]
    return filled[0], filled[1]


def _stack(lags: ArrayLike | None, name: str, caller: str) -> FloatArray:
    try:
        array = np.asarray([] if lags is None else lags, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise SpecificationError(
            f"{caller}: {name} must be finite numbers of shape (lags, k, k); got {lags!r}. "
            "Put the lag first."
        ) from error
    if array.size == 0:
        known = array.ndim == 3 and len(array) == 0 and array.shape[1] == array.shape[2]
        return array if known else np.zeros((0, 0, 0))
    if array.ndim <= 1:
        array = array.reshape(-1, 1, 1)
    elif array.ndim == 2:
        array = array[None]
    if array.ndim != 3 or array.shape[1] != array.shape[2] or not np.isfinite(array).all():
        raise SpecificationError(
            f"{caller}: {name} must be finite numbers of shape (lags, k, k); got shape "
            f"{array.shape}. Put the lag first."
        )
    return array


def from_polynomials(
    ar: ArrayLike, ma: ArrayLike, exog: ArrayLike | None = None, ar0: ArrayLike | None = None
) -> InnovationsSystem:
    """System of a vector ARMA model, in observer form.

    Parameters
    ----------
    ar : array_like, shape (q, p, p)
    ma : array_like, shape (r, p, p)
    exog : array_like, shape (s + 1, p, k), optional
        Coefficients of ``x_t .. x_{t-s}``.
    ar0 : array_like, shape (p, p), optional
        Coefficient of y_t and e_t; the identity where left out.

    Returns
    -------
    InnovationsSystem
        With ``max(q, r, s + 1) * p`` states (without inputs ``max(q, r, 1) * p``), not necessarily
        minimal: see `minimal_realisation`.

    Raises
    ------
    SpecificationError
        Shapes that do not fit, or a singular `ar0`.
    """
    given = None if exog is None else np.asarray(exog, dtype=np.float64)
    p0 = len(np.atleast_2d(np.asarray(ar0))) if ar0 is not None else None
    p0 = given.shape[1] if given is not None and given.ndim == 3 else p0
    a, m = checked_lags(ar, ma, caller="from_polynomials", k_endog=p0)
    p = a.shape[1]
    x = np.zeros((1, p, 0)) if given is None else given
    if x.ndim != 3 or x.shape[1] != p or not np.isfinite(x).all() or len(x) == 0:
        raise SpecificationError(
            f"from_polynomials: exog must be finite numbers of shape (lags + 1, {p}, inputs); got "
            f"shape {x.shape}. The first is the coefficient of x_t."
        )
    if ar0 is not None:
        lead = np.asarray(ar0, dtype=np.float64)
        if lead.shape != (p, p) or not np.isfinite(np.linalg.cond(lead)):
            raise SpecificationError(
                f"from_polynomials: ar0 must be a regular matrix of shape {(p, p)}; got shape "
                f"{lead.shape}. Leave it out for the identity."
            )
        inverse = np.asarray(np.linalg.inv(lead), dtype=np.float64)
        a, m, x = inverse @ a, inverse @ m, inverse @ x
    q = max(len(a), len(m), len(x) if x.shape[2] else 1)
    a, m = (np.concatenate([part, np.zeros((q - len(part), p, p))]) for part in (a, m))
    transition = np.eye(q * p, k=p)
    transition[:, :p] = a.reshape(-1, p)
    inputs = np.concatenate([x, np.zeros((q - len(x), p, x.shape[2]))])[:q].reshape(q * p, -1)
    return InnovationsSystem(
        transition,
        np.eye(p, q * p),
        (a + m).reshape(-1, p),
        inputs,
        np.zeros((p, x.shape[2])),
    )
