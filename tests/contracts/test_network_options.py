"""Each value of an option of a recurrent network changes the model or is refused.

Values are read from the Literals behind the signatures: a new one is tested when it appears.
Options of results are in ``test_results_surface.py``.
"""

from __future__ import annotations

import inspect
import itertools
import typing
from collections.abc import Mapping
from typing import Any, get_args

import numpy as np
import pytest

from rnnstats import GRU, LSTM, BidirectionalRNN, ElmanRNN
from rnnstats.errors import SpecificationError
from rnnstats.kernels.architecture import Activation, Reset
from rnnstats.models.bidirectional import CellName
from rnnstats.models.recurrent.heads.factory import HeadName
from rnnstats.models.recurrent.initial import InitialName
from rnnstats.models.recurrent.specification import FilterName, Presample

ROWS = 40
X = 4.0 * np.random.default_rng(9).standard_normal((ROWS, 1))
# counts of 1 and 2 are in the support of every head but "bernoulli", which has its own
Y = np.random.default_rng(3).integers(1, 3, ROWS).astype(float)
MODELS = (ElmanRNN, GRU, LSTM, BidirectionalRNN)
VALUES: dict[str, tuple[Any, ...]] = {
    "activation": get_args(Activation),
    "cell": get_args(CellName),
    "head": get_args(HeadName),
    "filter": get_args(FilterName),
    "initial": get_args(InitialName),
    "n_layers": (1, 2),
    "peephole": (False, True),
    "presample": get_args(Presample),
    "reset": get_args(Reset),
    "skip": (False, True),
    "k_hidden": (1, 2),
    "y_lags": (0, 1, 2),
}
# what filters states with noise changes nothing without noise, as the docstring says
SAME = ("filter",)


def outcome(model: type, **options: Any) -> tuple[tuple[str, ...], float]:
    """Parameters and log-likelihood at weights that depend on nothing but their names."""
    head = options.get("head", "gaussian")
    y = Y - 1.0 if head == "bernoulli" else Y
    if head == "binomial":
        options["head"] = {"family": "binomial", "trials": 3}
    made = model(y, X, **{"k_hidden": 1, **options})
    theta = [weight(name) for name in made.param_names]
    llf = made.loglike(theta)
    assert np.isfinite(llf)
    return made.param_names, llf


def weight(name: str) -> float:
    if name.startswith(("obs_cov", "scale2", "df", "dispersion", "shape")):
        return 3.0
    return 0.4 if name.startswith(("W_h", "V", "p_", "h_0", "c_0", "g_0", "d_0")) else 0.3


CASES = [
    (model, option)
    for model in MODELS
    for option in inspect.signature(model).parameters
    if option in VALUES
]


def test_every_option_that_is_a_word_is_listed() -> None:
    for model in MODELS:
        hints = typing.get_type_hints(model.__init__)
        words = {
            name
            for name, hint in hints.items()
            if "Literal" in str(hint) or (hint is bool and name != "state_noise")
        }
        assert words <= set(VALUES)


@pytest.mark.parametrize(
    ("model", "option"), CASES, ids=[f"{model.__name__}, {option}" for model, option in CASES]
)
def test_each_value_changes_the_model(model: type, option: str) -> None:
    found = {value: outcome(model, **{option: value}) for value in VALUES[option]}
    for (one, first), (two, second) in itertools.combinations(found.items(), 2):
        if option in SAME:
            assert first == second
        else:
            other = abs(first[1] - second[1]) > 1e-6 * abs(second[1])
            assert first[0] != second[0] or other, (one, two)


@pytest.mark.parametrize(
    ("model", "option"),
    [(m, o) for m, o in CASES if isinstance(VALUES[o][0], str)],
    ids=[f"{m.__name__}, {o}" for m, o in CASES if isinstance(VALUES[o][0], str)],
)
def test_other_words_are_refused_with_the_allowed_ones(model: type, option: str) -> None:
    with pytest.raises(SpecificationError, match=f"{option} must be .*; got 'other'") as caught:
        model(Y, X, **{option: "other"})
    assert str(caught.value).startswith(f"{model.__name__}: ")
    for value in VALUES[option]:
        assert f"'{value}'" in str(caught.value)


@pytest.mark.parametrize("model", [ElmanRNN, GRU, LSTM])
def test_noise_of_the_state_is_refused_with_a_way_out(model: type) -> None:
    with pytest.raises(SpecificationError, match=r"got state_noise=True\. .*LinearRNN"):
        model(Y, state_noise=True)


@pytest.mark.parametrize("model", MODELS)
def test_a_penalty_changes_the_fit_and_not_the_likelihood(model: type) -> None:
    moved = np.tanh(X[:, 0]) + Y  # by the input
    plain, penalised = model(moved, X, k_hidden=1), model(moved, X, k_hidden=1, penalty=1.0)
    start = plain.start_params * 0.5
    assert plain.loglike(start) == penalised.loglike(start)
    own: Mapping[str, Any] = {"start_params": start, "cov_type": "none"}
    inside, asked, more = (
        made.fit(**own, **given)
        for made, given in ((penalised, {}), (plain, {"penalty": 1.0}), (plain, {"penalty": 9.0}))
    )
    np.testing.assert_allclose(inside.params, asked.params, rtol=1e-10)
    assert inside.model.penalty == asked.model.penalty == 1.0
    assert inside.llf > more.llf
    weights = plain.chart.to_standard(np.asarray(inside.params))[plain.chart.penalised]
    smaller = plain.chart.to_standard(np.asarray(more.params))[plain.chart.penalised]
    assert np.linalg.norm(smaller) < np.linalg.norm(weights)
