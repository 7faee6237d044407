"""Identified coordinates of the linear model, each as a table of cells.

A form is a builder: it reads a `Request` and returns a `Form`, whose `CellTable` says which cell
of the state space is a number and which is a parameter. Everything else (likelihood, gradient,
restrictions, forecasts) works on the table alone, so that a new form is a new table.

Innovations form, echelon coordinates (Hannan and Deistler 1988, ch. 2; Luetkepohl 2005, sec. 12.1).
Kronecker indices ``nu`` choose the state: it stacks, chain by chain, the forecasts of output i at
leads 0 .. nu_i - 1 made one step earlier. The forecast at lead nu_i is a linear combination of
those chosen forecasts that come before it (lead first, then output), which gives the free row of
chain i: ``min(nu_i + [k < i], nu_k)`` coefficients on chain k. With generic indices each such row
is full, and the model has ``2 n p + p (p + 1) / 2`` parameters besides trend and inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from rnnstats._checks import check_int, check_literal
from rnnstats.errors import SpecificationError
from rnnstats.kernels.system import FirstStep, Start
from rnnstats.parameters.cells import CellTable, TableBuilder
from rnnstats.parameters.transforms import Block

__all__ = ["FORMS", "Form", "Request", "echelon_columns", "generic_indices"]


@dataclass(frozen=True)
class Request:
    """What the user asked for, as far as a form needs it.

    Attributes
    ----------
    caller : str
        Named at the front of error messages.
    endog_names, exog_names : tuple of str
    k_states : int or None
    kronecker : tuple of int or None
    trend : {"n", "c", "ct"}
    exog_enters : {"state", "output", "both"}
    obs_noise : str or None
    initial : {"stationary", "diffuse", "known"}
    structure : mapping
    """

    caller: str
    endog_names: tuple[str, ...]
    exog_names: tuple[str, ...]
    k_states: int | None
    kronecker: tuple[int, ...] | None
    trend: str
    exog_enters: str
    obs_noise: str | None
    initial: str
    structure: Mapping[str, object]


@dataclass(frozen=True)
class Form:
    """A built form.

    Attributes
    ----------
    name, title : str
    table : CellTable
    kronecker : tuple of int
        Kronecker indices (innovations form), otherwise empty.
    lags : int
        Order of the vector autoregression (observed form), otherwise 0.
    pairs : int
        Number of oscillator pairs (leaky form), otherwise 0.
    """

    name: str
    title: str
    table: CellTable
    kronecker: tuple[int, ...] = ()
    lags: int = 0
    pairs: int = 0


TRENDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"n": (), "c": ("const",), "ct": ("const", "trend")}
)


def generic_indices(k_states: int, k_endog: int) -> tuple[int, ...]:
    """Kronecker indices that almost every system of this size has.

    Parameters
    ----------
    k_states, k_endog : int

    Returns
    -------
    tuple of int
        ``k_states = k_endog * q + rest``: q + 1 for the first ``rest`` outputs, then q.
    """
    q, rest = divmod(k_states, k_endog)
    return tuple(q + 1 if i < rest else q for i in range(k_endog))


def echelon_columns(kronecker: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """States on which the dependent forecast of each output loads.

    Parameters
    ----------
    kronecker : tuple of int

    Returns
    -------
    tuple of tuple of int
        For output i, the places in the state vector (chain by chain) of the chosen forecasts
        that precede its forecast at lead ``kronecker[i]``.
    """
    first = [sum(kronecker[:i]) for i in range(len(kronecker))]
    rows: list[tuple[int, ...]] = []
    for i, nu in enumerate(kronecker):
        columns: list[int] = []
        for k, other in enumerate(kronecker):
            reach = min(nu + 1 if k < i else nu, other)
            columns.extend(first[k] + j for j in range(reach))
        rows.append(tuple(columns))
    return tuple(rows)


def innovations(request: Request) -> Form:
    """Innovations form in echelon coordinates; see the module's docstring."""
    _refuse(request, "innovations", allow=("kronecker",))
    noise = check_literal(
        request.obs_noise, (None, "full", "diagonal"), name="obs_noise", caller=request.caller
    )
    nu = _kronecker(request)
    p, m = len(request.endog_names), sum(nu)
    builder = _builder(request, p, m, p)
    states = _state_names(m)
    dependent = echelon_columns(nu)
    free_v: list[tuple[int, int]] = []
    for i, chain in enumerate(nu):
        first = sum(nu[:i])
        if chain == 0:
            free_v.extend((i, column) for column in dependent[i])
            continue
        builder.constant(1.0, "design", i, first)
        for j in range(chain - 1):
            builder.constant(1.0, "transition", first + j, first + j + 1)
        last = first + chain - 1
        for column in dependent[i]:
            place = builder.parameter(f"W_h[{states[last]},{states[column]}]")
            builder.put(place, "transition", last, column)
    for row in range(m):
        for i, y in enumerate(request.endog_names):
            builder.put(builder.parameter(f"K[{states[row]},{y}]"), "selection", row, i)
    _inputs_to_state(builder, request, range(m))
    for i, column in free_v:
        place = builder.parameter(f"V[{request.endog_names[i]},{states[column]}]")
        builder.put(place, "design", i, column)
    _output_terms(builder, request)
    _covariance(
        builder,
        "obs_cov",
        request.endog_names,
        ("obs_cov", "state_cov", "cross_cov"),
        diagonal=noise == "diagonal",
    )
    start, step = _start(builder, request, m, known="noiseless")
    table = builder.finish(states, start, step)
    return Form("innovations", "Linear RNN, innovations form", table, kronecker=nu)


def observed(request: Request) -> Form:
    """Vector autoregression in companion form: the state is the output and its lags."""
    _refuse(request, "observed", allow=())
    if request.obs_noise is not None:
        raise SpecificationError(
            f"{request.caller}: obs_noise must be None in the observed form, which has no "
            f"measurement noise; got {request.obs_noise!r}. Use form='innovations' or 'leaky'."
        )
    p = len(request.endog_names)
    m = p if request.k_states is None else request.k_states
    if m % p:
        raise SpecificationError(
            f"{request.caller}: k_states must be a multiple of the number of outputs ({p}) in the "
            f"observed form (lags times outputs); got {m}. "
            f"Use {m - m % p or p} or {m - m % p + p}."
        )
    builder = _builder(request, p, m, p)
    states = _state_names(m)
    for i in range(p):
        builder.constant(1.0, "design", i, i)
        builder.constant(1.0, "selection", i, i)
        for column in range(m):
            place = builder.parameter(f"W_h[{states[i]},{states[column]}]")
            builder.put(place, "transition", i, column)
    for row in range(p, m):
        builder.constant(1.0, "transition", row, row - p)
    _inputs_to_state(builder, request, range(p))
    _output_terms(builder, request)
    _covariance(builder, "state_cov", states[:p], ("state_cov",), diagonal=False)
    start, step = _start(builder, request, m, known="noisy")
    table = builder.finish(states, start, step)
    return Form("observed", f"Linear RNN, observed form: VAR({m // p})", table, lags=m // p)


def leaky(request: Request) -> Form:
    """Bank of leaky units: independent exponential memories with unit noise, read out by V."""
    _refuse(request, "leaky", allow=("structure",))
    noise = check_literal(
        request.obs_noise, (None, "diagonal", "none"), name="obs_noise", caller=request.caller
    )
    if request.initial == "diffuse":
        raise SpecificationError(
            f"{request.caller}: initial='diffuse' is not for form='leaky': flat over states whose "
            "scale V is free, the likelihood has no bound; got both. Use initial='stationary' or "
            "'known', or the innovations form."
        )
    pairs = _pairs(request)
    p = len(request.endog_names)
    m = max(1, 2 * pairs) if request.k_states is None else request.k_states
    if 2 * pairs > m:
        raise SpecificationError(
            f"{request.caller}: an oscillator pair takes two states; got {pairs} pairs and "
            f"k_states = {m}. Use k_states of at least {2 * pairs}."
        )
    if noise == "none" and p > m:
        raise SpecificationError(
            f"{request.caller}: without measurement noise there must be at least as many states "
            f"as outputs; got k_states = {m} and {p} outputs. Use obs_noise='diagonal'."
        )
    builder = _builder(request, p, m, m)
    states = _state_names(m)
    real = m - 2 * pairs
    second = {real + 2 * j + 1 for j in range(pairs)}
    for row in range(m):
        builder.constant(1.0, "selection", row, row)
        builder.constant(1.0, "state_cov", row, row)
    for row in range(real):
        place = builder.parameter(f"W_h[{states[row]},{states[row]}]")
        builder.put(place, "transition", row, row)
        builder.blocks.append(Block("interval", (place,), 0.0, 1.0))
    for row in range(real, m, 2):
        a = builder.parameter(f"W_h[{states[row]},{states[row]}]")
        b = builder.parameter(f"W_h[{states[row]},{states[row + 1]}]")
        builder.put(a, "transition", row, row)
        builder.put(a, "transition", row + 1, row + 1)
        builder.put(b, "transition", row, row + 1)
        builder.put(b, "transition", row + 1, row, sign=-1.0)
        builder.blocks.append(Block("oscillator", (a, b)))
    _inputs_to_state(builder, request, range(m))
    for i, y in enumerate(request.endog_names):
        for column in range(m):
            if i == 0 and column in second:  # turning a pair leaves the likelihood alone
                continue
            builder.put(builder.parameter(f"V[{y},{states[column]}]"), "design", i, column)
    _output_terms(builder, request)
    if noise != "none":
        _covariance(builder, "obs_cov", request.endog_names, ("obs_cov",), diagonal=True)
    start, step = _start(builder, request, m, known="noisy")
    table = builder.finish(states, start, step)
    return Form("leaky", "Linear RNN, bank of leaky units", table, pairs=pairs)


FORMS: Mapping[str, Callable[[Request], Form]] = MappingProxyType(
    {"innovations": innovations, "observed": observed, "leaky": leaky}
)


def _builder(request: Request, p: int, m: int, r: int) -> TableBuilder:
    """Return a builder with the terms of trend and inputs."""
    has_exog = bool(request.exog_names)
    obs_terms = TRENDS[request.trend]
    if has_exog and request.exog_enters in ("output", "both"):
        obs_terms = (*obs_terms, "exog")
    state_terms = ("exog",) if has_exog and request.exog_enters in ("state", "both") else ()
    return TableBuilder(p, m, r, obs_terms, state_terms, len(request.exog_names))


def _state_names(m: int) -> tuple[str, ...]:
    return tuple(f"h{i + 1}" for i in range(m))


def _inputs_to_state(builder: TableBuilder, request: Request, rows: range) -> None:
    if not builder.terms[1]:
        return
    for row in rows:
        for j, x in enumerate(request.exog_names):
            builder.put(builder.parameter(f"W_x[h{row + 1},{x}]"), "C_state", j, row)


def _output_terms(builder: TableBuilder, request: Request) -> None:
    terms = builder.terms[0]
    offset = len(terms) - ("exog" in terms)
    if "exog" in terms:
        for i, y in enumerate(request.endog_names):
            for j, x in enumerate(request.exog_names):
                builder.put(builder.parameter(f"D[{y},{x}]"), "C_obs", offset + j, i)
    for row, label in enumerate(("b_y", "b_y_trend")[:offset]):
        for i, y in enumerate(request.endog_names):
            builder.put(builder.parameter(f"{label}[{y}]"), "C_obs", row, i)


def _covariance(
    builder: TableBuilder,
    label: str,
    names: tuple[str, ...],
    arrays: tuple[str, ...],
    *,
    diagonal: bool,
) -> None:
    """Add a covariance matrix that fills one or several arrays of the system."""
    places: list[int] = []
    for i, row in enumerate(names):
        for j in range(i if diagonal else 0, i + 1):
            place = builder.parameter(f"{label}[{row},{names[j]}]")
            for array in arrays:
                builder.put_symmetric(place, array, i, j)
            places.append(place)
    builder.blocks.append(Block("positive" if diagonal else "covariance", tuple(places)))


def _start(
    builder: TableBuilder, request: Request, m: int, known: FirstStep
) -> tuple[Start, FirstStep]:
    if request.initial == "stationary":
        return "stationary", "noisy"
    if request.initial == "known":
        return "given", known
    for i in range(m):
        builder.constant(1.0, "initial_diffuse", i)
    return "given", "none"


def _kronecker(request: Request) -> tuple[int, ...]:
    p = len(request.endog_names)
    if request.kronecker is None:
        return generic_indices(p if request.k_states is None else request.k_states, p)
    nu = request.kronecker
    if len(nu) != p:
        raise SpecificationError(
            f"{request.caller}: kronecker must hold one index an output ({p}); got {nu!r}. "
            f"For example {generic_indices(p, p)!r}."
        )
    if sum(nu) < 1:
        raise SpecificationError(
            f"{request.caller}: the Kronecker indices must add up to at least 1; got {nu!r}. "
            "For a model without a state use statsmodels' OLS."
        )
    if request.k_states is not None and request.k_states != sum(nu):
        raise SpecificationError(
            f"{request.caller}: k_states must be the sum of the Kronecker indices ({sum(nu)}); "
            f"got {request.k_states}. Leave k_states out."
        )
    return nu


def _pairs(request: Request) -> int:
    unknown = [key for key in request.structure if key != "pairs"]
    if unknown:
        raise SpecificationError(
            f"{request.caller}: structure of the leaky form has the one key 'pairs'; "
            f"got {unknown[0]!r}. For example structure={{'pairs': 1}}."
        )
    return check_int(
        request.structure.get("pairs", 0),
        name="structure['pairs']",
        caller=request.caller,
        minimum=0,
    )


def _refuse(request: Request, form: str, allow: tuple[str, ...]) -> None:
    """Refuse arguments that this form does not read."""
    if request.kronecker is not None and "kronecker" not in allow:
        raise SpecificationError(
            f"{request.caller}: kronecker belongs to form='innovations'; got it with "
            f"form={form!r}. Leave it out."
        )
    if request.structure and "structure" not in allow:
        raise SpecificationError(
            f"{request.caller}: structure belongs to form='leaky'; got it with form={form!r}. "
            "Leave it out."
        )
