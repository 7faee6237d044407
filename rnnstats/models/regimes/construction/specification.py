"""What the arguments of `MarkovRNN` ask for, checked and put into one form."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnstats._checks import check_int, check_literal, shown, suggest
from rnnstats._table import is_default
from rnnstats.data import Endog
from rnnstats.errors import SpecificationError
from rnnstats.models.regimes.blocks.factory import JOINT
from rnnstats.models.regimes.law.names import regime_names
from rnnstats.models.regimes.law.starts import (
    FixedStart,
    FreeStart,
    LogitStart,
    StartLaw,
    StationaryStart,
)

if TYPE_CHECKING:
    from rnnstats.models.markov import MarkovRNN

__all__ = [
    "ArForm",
    "Emission",
    "Family",
    "StartName",
    "Switching",
    "TrendName",
    "by_title",
    "categorical_columns",
    "check_lags",
    "check_size",
    "emissions",
    "kept_start",
    "one_line",
    "public_emission",
    "start_law",
    "switching_parts",
    "switching_words",
    "title",
    "with_levels",
]

FloatArray = NDArray[np.float64]
Family = Literal[
    "gaussian",
    "gaussian-diagonal",
    "gaussian-spherical",
    "student-t",
    "poisson",
    "negative-binomial",
    "bernoulli",
    "binomial",
    "categorical",
    "gamma",
]
TrendName = Literal["n", "c", "ct"]
ArForm = Literal["intercept", "mean"]
StartName = Literal["stationary", "free", "uniform"]
SWITCHES = ("trend", "exog", "ar", "variance")
WITH_LAGS = (*JOINT, "student-t")
# States of the mean form, K^(order+1): with 3^9 one likelihood takes eight seconds.
MOST_STATES = 2**14
OPTIONS = {"binomial": ("trials",), "categorical": ("levels",)}


@dataclass(frozen=True)
class Emission:
    """Family of one column, or of several that are jointly normal.

    Attributes
    ----------
    names : tuple of str
        Columns of endog.
    family : str
    options : mapping
    """

    names: tuple[str, ...]
    family: str
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Switching:
    """What differs between regimes.

    Attributes
    ----------
    parts : frozenset
        Subset of ``{"trend", "ar", "variance"}``.
    exog : tuple of bool
        One an input.
    """

    parts: frozenset[str]
    exog: tuple[bool, ...]


def emissions(value: object, columns: tuple[str, ...], caller: str) -> tuple[Emission, ...]:
    """Read ``emission``.

    Parameters
    ----------
    value : str or mapping
        A family for all columns ("gaussian" on several: jointly normal), or a mapping from a
        column, or a tuple of columns that are jointly normal, to a family or to
        ``{"family": name, option: value}``.
    columns : tuple of str
    caller : str

    Returns
    -------
    tuple of Emission
        In the order of their first columns.

    Raises
    ------
    SpecificationError
        For an unknown family, column or option, or a column left out or given twice.
    """
    if not isinstance(value, Mapping) or ("family" in value and "family" not in columns):
        joint = _family(value, caller)[0] in JOINT
        keys: list[Any] = [columns] if joint else list(columns)
        value = dict.fromkeys(keys, value)
    found: list[Emission] = []
    for key, given in value.items():
        names = key if isinstance(key, tuple) else (key,)
        for name in names:
            if name not in columns:
                raise SpecificationError(
                    f"{caller}: emission maps columns of endog to families; got {shown(name)}."
                    f"{suggest(name, columns)} Columns are {', '.join(columns)}."
                )
        family, options = _family(given, caller)
        if len(names) > 1 and family not in JOINT:
            raise SpecificationError(
                f"{caller}: several columns can only be jointly normal; got {family!r} for "
                f"{', '.join(names)}. Give each of them a family of its own."
            )
        ordered = tuple(name for name in columns if name in names)
        found.append(Emission(ordered, family, options))
    return _each_once(found, columns, caller)


def by_title(value: object, labels: Iterable[object], titles: tuple[str, ...]) -> object:
    """Write the columns in ``emission`` as their names in the model.

    Parameters
    ----------
    value : str or mapping
        As the user gave it, with labels of columns or their names.
    labels : iterable
        Labels of the columns, which need not be text.
    titles : tuple of str
        Names of these columns.

    Returns
    -------
    str or mapping
    """
    if not isinstance(value, Mapping):
        return value
    known = dict(zip(labels, titles, strict=True))

    def named(key: Any) -> Any:
        if key in titles or key in known:
            return key if key in titles else known[key]
        return tuple(named(one) for one in key) if isinstance(key, tuple) else key

    return {named(key): item for key, item in value.items()}


def _each_once(
    found: list[Emission], columns: tuple[str, ...], caller: str
) -> tuple[Emission, ...]:
    """Every column has one family; in the order of the columns."""
    for name in columns:
        times = sum(name in emission.names for emission in found)
        if times != 1:
            raise SpecificationError(
                f"{caller}: emission gives every column one family; got "
                f"{'none' if times == 0 else times} for {name!r}. Name each column once."
            )
    return tuple(sorted(found, key=lambda emission: columns.index(emission.names[0])))


def _family(value: object, caller: str) -> tuple[str, dict[str, Any]]:
    """Read a family with its options."""
    options: dict[str, Any] = {}
    if isinstance(value, Mapping):
        options = {str(key): item for key, item in value.items()}
        value = options.pop("family", None)
    family = check_literal(value, get_args(Family), name="emission", caller=caller)
    allowed = OPTIONS.get(family, ())
    for name in options:
        if name not in allowed:
            rule = f"takes the options {', '.join(allowed)}" if allowed else "takes no options"
            raise SpecificationError(
                f"{caller}: emission {family!r} {rule}; got {name!r}. Leave it out."
            )
    if family == "binomial" and "trials" not in options:
        raise SpecificationError(
            f"{caller}: emission 'binomial' needs the number of trials; got none. Give "
            "{'family': 'binomial', 'trials': 10}, or use 'bernoulli' for zeros and ones."
        )
    if family == "binomial":
        options["trials"] = check_int(options["trials"], name="trials", caller=caller, minimum=1)
    return family, options


def categorical_columns(found: Iterable[Emission]) -> dict[str, Any]:
    """Columns that hold categories, with those that the user gave (or None)."""
    return {
        emission.names[0]: emission.options.get("levels")
        for emission in found
        if emission.family == "categorical"
    }


def with_levels(
    found: Iterable[Emission], levels: Mapping[str, tuple[Any, ...]]
) -> tuple[Emission, ...]:
    """Put the categories into the options."""
    return tuple(
        replace(emission, options={**emission.options, "levels": levels[emission.names[0]]})
        if emission.family == "categorical"
        else emission
        for emission in found
    )


def public_emission(found: Iterable[Emission]) -> dict[str | tuple[str, ...], Any]:
    """Write emissions as the constructor takes them."""
    return {
        emission.names[0] if len(emission.names) == 1 else emission.names: {
            "family": emission.family,
            **emission.options,
        }
        for emission in found
    }


def switching_words(value: object, caller: str) -> tuple[str, ...]:
    """Check that ``switching`` is a word or several.

    Parameters
    ----------
    value : str or iterable of str
    caller : str

    Returns
    -------
    tuple of str
    """
    several = isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping))
    words: tuple[Any, ...] = tuple(value) if several and isinstance(value, Iterable) else (value,)
    if not all(isinstance(word, str) for word in words):
        raise SpecificationError(
            f"{caller}: switching must be a tuple of {', '.join(map(repr, SWITCHES))}; got "
            f"{shown(value)}. For example ('trend', 'variance')."
        )
    return words


def switching_parts(words: tuple[str, ...], exog: tuple[str, ...], caller: str) -> Switching:
    """Read ``switching``.

    Parameters
    ----------
    words : tuple of str
        Of "trend", "exog", "ar", "variance", and "exog[x]" for one input.
    exog : tuple of str
        Names of the inputs.
    caller : str

    Returns
    -------
    Switching

    Raises
    ------
    SpecificationError
        For other words or unknown inputs.
    """
    chosen: set[str] = set()
    for word in words:
        inner = word[5:-1] if word[:5] == "exog[" else None
        if inner is not None and word[-1:] == "]" and inner in exog:
            chosen.add(inner)
        elif inner is not None:
            names = ", ".join(exog) if exog else "none"
            raise SpecificationError(
                f"{caller}: switching names an input as 'exog[name]'; got {word!r}."
                f"{suggest(inner, exog)} Inputs are {names}."
            )
        else:
            check_literal(word, SWITCHES, name="switching", caller=caller)
    parts = frozenset(word for word in words if word in SWITCHES)
    return Switching(parts - {"exog"}, tuple("exog" in parts or name in chosen for name in exog))


def check_lags(
    found: Iterable[Emission], order: object, ar_form: object, k_endog: int, caller: str
) -> tuple[int, ArForm]:
    """Check ``order`` and ``ar_form`` and whether the families go with them."""
    order = check_int(order, name="order", caller=caller, minimum=0)
    form: ArForm = check_literal(ar_form, get_args(ArForm), name="ar_form", caller=caller)
    if order == 0 and form == "mean":
        raise SpecificationError(
            f"{caller}: ar_form says how lags enter; got 'mean' with order=0. Give order, or "
            "leave ar_form out."
        )
    for emission in found:
        if order and emission.family not in WITH_LAGS:
            raise SpecificationError(
                f"{caller}: order counts lags of normal or Student-t responses; got order={order} "
                f"with {emission.family!r} for {emission.names[0]!r}. Put lags into exog instead."
            )
        if form == "mean" and (k_endog > 1 or emission.family not in JOINT):
            raise SpecificationError(
                f"{caller}: ar_form='mean' is for a single normal response; got {k_endog} "
                f"column{'s' * (k_endog > 1)}, {emission.family!r}. Use ar_form='intercept'."
            )
    return order, form


def check_size(k_regimes: int, order: int, ar_form: ArForm, rows: int | None, caller: str) -> None:
    """Refuse more regimes than rows (None: any number), and more states than fit into memory."""
    if rows is not None and k_regimes > rows:
        raise SpecificationError(
            f"{caller}: k_regimes must not be above the number of rows; got {k_regimes} with "
            f"{rows} row{'s' * (rows != 1)}. Use fewer regimes; select_regimes compares numbers."
        )
    if ar_form == "mean" and (order + 1) * math.log(k_regimes) > math.log(MOST_STATES) + 1e-9:
        raise SpecificationError(
            f"{caller}: ar_form='mean' needs K^(order+1) states, at most {MOST_STATES}; got "
            f"{k_regimes}^{order + 1} with k_regimes={k_regimes}, order={order}. Use "
            "ar_form='intercept', which needs K, or a smaller order."
        )


def kept_start(value: object) -> object:
    """Copy ``start`` so that nobody changes it."""
    value = copy.deepcopy(value)
    if isinstance(value, np.ndarray):
        value.setflags(write=False)
    return value


def start_law(
    value: object,
    k_regimes: int,
    endog: Endog,
    fixed: Mapping[str, float | str],
    caller: str,
) -> StartLaw:
    """Read ``start``.

    Parameters
    ----------
    value : str, array_like or DataFrame
        "stationary", "free", "uniform"; probabilities of shape (K,) or (sequences, K), by name
        where they are a Series with the names of the regimes; a DataFrame with one row a sequence:
        log odds linear in its columns.
    k_regimes : int
    endog : Endog
        Says which sequences there are.
    fixed : mapping
        Restrictions of the model.
    caller : str

    Returns
    -------
    StartLaw

    Raises
    ------
    SpecificationError
        For other words, shapes, or numbers that are no probabilities.
    """
    sequences, k = len(endog.first_rows), k_regimes
    regimes = regime_names(k)
    if isinstance(value, pd.DataFrame):
        return LogitStart(regimes, *_by_sequence(value, endog, regimes, caller))
    if isinstance(value, (pd.Series, Mapping)):
        value = _by_regime(value, regimes)
    if isinstance(value, str):
        check_literal(value, get_args(StartName), name="start", caller=caller)
        if value == "uniform" or k == 1:
            return FixedStart(np.full((sequences, k), 1.0 / k))
        if value == "free":
            return FreeStart(regimes, sequences, fixed, caller)
        return StationaryStart(sequences)
    if isinstance(value, pd.Series) and set(value.index) == set(regimes) and len(value) == k:
        value = value[list(regimes)]
    try:
        law = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        law = np.empty(0)
    if law.shape not in ((k,), (sequences, k)) or not (law >= 0.0).all():
        raise SpecificationError(
            f"{caller}: start must be 'stationary', 'free', 'uniform', or probabilities of shape "
            f"({k},) or ({sequences}, {k}); got {shown(value)}. Use 'free' to estimate them."
        )
    law = np.repeat(law[None], sequences, axis=0) if law.ndim == 1 else law
    total = law.sum(axis=1)
    if np.abs(total - 1.0).max() > 1e-8:
        raise SpecificationError(
            f"{caller}: probabilities in start must sum to one; got {total.flat[0]:g}. Divide them "
            "by their sum."
        )
    return FixedStart(law / total[:, None])


def _by_regime(value: pd.Series | Mapping[Any, Any], regimes: tuple[str, ...]) -> object:
    """Probabilities in the order of the regimes, where their labels are those of the regimes."""
    labels = list(value.keys())
    if set(labels) == set(regimes) and len(labels) == len(regimes):
        return [value[name] for name in regimes]
    return value


def _by_sequence(
    table: pd.DataFrame, endog: Endog, regimes: tuple[str, ...], caller: str
) -> tuple[FloatArray, tuple[str, ...]]:
    """Inputs of the start, one row a sequence, by label where the labels are those of groups."""
    sequences = len(endog.first_rows)
    if set(table.columns) == set(regimes):
        raise SpecificationError(
            f"{caller}: start as a DataFrame must hold inputs of the log odds; got the columns "
            f"{', '.join(regimes)}. Pass start.to_numpy() if these are probabilities."
        )
    if set(table.index) == set(endog.sequences) and len(table) == sequences:
        table = table.loc[list(endog.sequences)]
    elif endog.sequences and len(table) == sequences and not is_default(table.index):
        raise SpecificationError(
            f"{caller}: start as a DataFrame must have the labels of the sequences as its index; "
            f"got {table.index[0]!r} where groups have {endog.sequences[0]!r}. Use "
            "start.reset_index(drop=True) if the rows are in their order."
        )
    columns = tuple(str(name) for name in table.columns)
    try:
        values = table.to_numpy(dtype=np.float64)
    except (TypeError, ValueError):
        values = np.full((1, 1), np.nan)
    if values.shape[0] != sequences or not values.size or not np.isfinite(values).all():
        raise SpecificationError(
            f"{caller}: start as a DataFrame must hold finite numbers, one row for each of the "
            f"{sequences} sequences; got shape {table.shape}. Use start='free' without inputs."
        )
    return values, columns


def one_line(model: MarkovRNN) -> str:
    """Describe a model for its repr."""
    k = model.k_regimes
    families = ", ".join(dict.fromkeys(item["family"] for item in model.emission.values()))
    lags = f", order {model.order}" if model.order else ""
    words = [f"{model.name}({k} regime{'s' * (k > 1)}, {families}{lags}"]
    words.append(f", outputs: {', '.join(model.endog.names)}")
    if model.exog is not None:
        words.append(f"; inputs: {', '.join(model.exog.names)}")
    if model.exog_transition is not None:
        words.append(f"; inputs of transitions: {', '.join(model.exog_transition.names)}")
    sequences = len(model.endog.first_rows)
    words.append(f"; {model.endog.nobs} rows")
    words.append(f" in {sequences} sequences)" if sequences > 1 else ")")
    return "".join(words)


def title(k_regimes: int, order: int) -> str:
    """Heading of the summary."""
    if k_regimes == 1:
        return "Regression" if order == 0 else "Autoregression"
    return "Hidden Markov Model" if order == 0 else "Markov-Switching Autoregression"
