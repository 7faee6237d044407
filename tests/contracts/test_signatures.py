"""Names and signatures that users' programs rely on; changing one is a change of the interface."""

from __future__ import annotations

import inspect
from abc import ABC

import numpy as np
import pytest

import rnnstats
from rnnstats import GRU, LSTM, BidirectionalRNN, ElmanRNN, LinearRNN, MarkovRNN
from rnnstats.models.base import LikelihoodModel

EMPTY = inspect.Parameter.empty


def signature(function: object) -> tuple[dict[str, object], dict[str, object]]:
    """Parameters without ``self``: (by position, by keyword only), each with its default."""
    parameters = list(inspect.signature(function).parameters.values())  # type: ignore[arg-type]
    parameters = [p for p in parameters if p.name != "self"]
    keyword = inspect.Parameter.KEYWORD_ONLY
    return (
        {p.name: p.default for p in parameters if p.kind is not keyword},
        {p.name: p.default for p in parameters if p.kind is keyword},
    )


def test_public_names() -> None:
    assert len(rnnstats.__all__) <= 25
    assert {"LinearRNN", "ElmanRNN", "GRU", "LSTM", "datasets"} <= set(rnnstats.__all__)
    assert set(rnnstats.__all__) <= {
        "LinearRNN", "MarkovRNN", "ElmanRNN", "GRU", "LSTM", "BidirectionalRNN",
        "compare", "load", "datasets", "VARMA", "diagnostics", "equivalence",
        "select_order", "select_regimes",
    }  # fmt: skip


def test_linear_rnn() -> None:
    assert signature(LinearRNN) == (
        {"endog": EMPTY, "exog": None},
        {
            "k_states": None,
            "form": "innovations",
            "kronecker": None,
            "trend": "c",
            "exog_enters": "state",
            "obs_noise": None,
            "initial": "stationary",
            "fixed": None,
            "structure": None,
        },
    )


def test_markov_rnn() -> None:
    assert signature(MarkovRNN) == (
        {"endog": EMPTY, "exog": None},
        {
            "k_regimes": 2,
            "emission": "gaussian",
            "exog_transition": None,
            "order": 0,
            "ar_form": "intercept",
            "switching": ("trend", "exog", "ar", "variance"),
            "start": "stationary",
            "groups": None,
            "trend": "c",
            "fixed": None,
        },
    )


@pytest.mark.parametrize(
    ("model", "own"),
    [(ElmanRNN, {"activation": "tanh"}), (GRU, {"reset": "after"}), (LSTM, {"peephole": False})],
)
def test_networks(model: type, own: dict[str, object]) -> None:
    common = {
        "k_hidden": 2,
        "y_lags": 1,
        "head": "gaussian",
        "state_noise": False,
        "filter": "ekf",
        "n_layers": 1,
        "skip": False,
        "initial": "zero",
        "presample": "condition",
        "groups": None,
        "penalty": 0.0,
        "fixed": None,
    }
    assert signature(model) == ({"endog": EMPTY, "exog": None}, {**common, **own})


def test_bidirectional_rnn() -> None:
    assert signature(BidirectionalRNN) == (
        {"endog": EMPTY, "exog": None},
        {
            "cell": "elman",
            "k_hidden": 2,
            "y_lags": None,
            "head": "gaussian",
            "activation": "tanh",
            "n_layers": 1,
            "initial": "zero",
            "groups": None,
            "penalty": 0.0,
            "fixed": None,
        },
    )


@pytest.mark.parametrize("model", [ElmanRNN, GRU, LSTM, BidirectionalRNN])
def test_fit_of_networks_adds_a_penalty(model: type) -> None:
    _, keyword = signature(model.fit)  # type: ignore[attr-defined]
    assert keyword.pop("penalty") is None
    expected = signature(LinearRNN.fit)[1]
    if model is BidirectionalRNN:  # where a pseudo-likelihood is maximised it is "hac"
        assert keyword.pop("cov_type") is None
        del expected["cov_type"]
    assert keyword == expected


METHODS_OF_NETWORKS = {
    **{
        name: ({"params": EMPTY}, {})
        for name in (
            "loglike",
            "loglikeobs",
            "score",
            "score_obs",
            "hessian",
            "information",
            "filter",
            "smooth",
            "system",
        )
    },
    "with_fixed": ({"fixed": EMPTY}, {}),
    "clone": ({"endog": EMPTY, "exog": None}, {"groups": None}),
    "simulate": (
        {"params": EMPTY, "nsimulations": EMPTY},
        {"rng": None, "exog": None, "burnin": 0},
    ),
}


@pytest.mark.parametrize("method", METHODS_OF_NETWORKS)
@pytest.mark.parametrize("model", [ElmanRNN, GRU, LSTM, BidirectionalRNN])
def test_methods_of_networks(model: type, method: str) -> None:
    assert signature(getattr(model, method)) == METHODS_OF_NETWORKS[method]


def test_fit_of_regimes_adds_their_order() -> None:
    _, keyword = signature(MarkovRNN.fit)
    assert keyword.pop("order_regimes") == "auto"
    assert keyword == signature(LinearRNN.fit)[1]


def test_fit() -> None:
    positional, keyword = signature(LinearRNN.fit)
    assert positional == {}
    assert isinstance(keyword.pop("maxiter"), int)
    assert keyword == {
        "start_params": None,
        "method": "auto",
        "n_starts": None,
        "cov_type": "oim",
        "cov_kwds": None,
        "rng": None,
        "progress": False,
        "n_jobs": 1,
    }
    assert LinearRNN.fit is LikelihoodModel.fit  # written once


@pytest.mark.parametrize(
    ("method", "positional", "keyword"),
    [
        ("loglike", {"params": EMPTY}, {}),
        ("loglikeobs", {"params": EMPTY}, {}),
        ("score", {"params": EMPTY}, {}),
        ("score_obs", {"params": EMPTY}, {}),
        ("hessian", {"params": EMPTY}, {}),
        ("information", {"params": EMPTY}, {}),
        ("filter", {"params": EMPTY}, {}),
        ("smooth", {"params": EMPTY}, {}),
        ("with_fixed", {"fixed": EMPTY}, {}),
        ("clone", {"endog": EMPTY, "exog": None}, {}),
        ("system", {"params": EMPTY}, {"steps": 0, "exog": None}),
        (
            "simulate",
            {"params": EMPTY, "nsimulations": EMPTY},
            {"rng": None, "exog": None, "initial_state": None},
        ),
    ],
)
def test_methods(method: str, positional: dict[str, object], keyword: dict[str, object]) -> None:
    assert signature(getattr(LinearRNN, method)) == (positional, keyword)


def test_parameters_have_names_and_starting_values() -> None:
    model = LinearRNN(np.arange(30.0) % 7)
    assert list(model.start_params.index) == list(model.param_names)


def test_models_are_final() -> None:
    """Inheritance has depth one: abstract parts, and models."""
    assert LikelihoodModel in LinearRNN.__bases__
    assert all(base.__bases__ in ((ABC,), (object,)) for base in LinearRNN.__bases__)
    assert not LinearRNN.__subclasses__()
    for model in (MarkovRNN, ElmanRNN, GRU, LSTM, BidirectionalRNN):
        assert LikelihoodModel in model.__bases__
        assert not model.__subclasses__()
