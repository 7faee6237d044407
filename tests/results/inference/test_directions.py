"""Inference along the directions in which estimates can move: all of them, or those of a face."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from results.fakes import series

from rnnstats import LinearRNN, datasets
from rnnstats.estimation.covariance import covariance
from rnnstats.models.markov import MarkovRNN
from rnnstats.results.inference.covariances import (
    Derivatives,
    estimate_covariance,
    hessian_along,
    score_of,
)
from rnnstats.results.inference.functions import delta_table, read_functions
from rnnstats.results.protocol import direction_names, free_directions


@pytest.fixture(scope="module")
def tied():
    endog, _ = series(90, 2)
    model = LinearRNN(endog, k_states=2, form="observed")
    names = list(model.param_names)
    return model.with_fixed({names[1]: names[0], names[2]: 0.1}).fit()


def test_models_without_faces_have_all_free_directions(tied):
    theta = tied.params.to_numpy()
    np.testing.assert_array_equal(free_directions(tied.model, theta), tied.model.layout.expansion)
    assert direction_names(tied.model, tied.model.layout.expansion) == tied.model.layout.free_names
    np.testing.assert_allclose(
        score_of(tied.model, theta), tied.model.score_obs(theta).sum(axis=0), atol=1e-6
    )


def test_second_derivatives_along_directions_are_those_of_the_whole_matrix(tied):
    model, theta = tied.model, tied.params.to_numpy()
    ties = model.layout.expansion
    whole = ties.T @ model.hessian(theta) @ ties
    found = hessian_along(model, theta, ties, model.information(theta))
    # both by differences of an exact score, good to about 1e-10 of the curvature
    np.testing.assert_allclose(found, whole, rtol=1e-7, atol=1e-8 * np.abs(whole).max())
    turned = ties @ np.linalg.qr(np.random.default_rng(1).standard_normal((ties.shape[1],) * 2))[0]
    found = hessian_along(model, theta, turned, model.information(theta))
    wanted = turned.T @ model.hessian(theta) @ turned
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-8 * np.abs(wanted).max())


class _Face(SimpleNamespace):
    """Two proportions that add to one with a third: the first lies at zero, a mean is free."""

    names = ("a", "b", "mean")
    layout = SimpleNamespace(
        names=names,
        free_names=names,
        k_free=3,
        expansion=np.eye(3),
        expand=lambda free: free.copy(),
        reduce=lambda theta: theta.copy(),
    )
    param_names = names

    @staticmethod
    def free_directions(theta):
        return np.eye(3)[:, 1:]


def test_functions_have_derivatives_along_the_face_only():
    model, theta = _Face(), np.array([0.0, 0.4, 3.0])
    ties = free_directions(model, theta)
    assert direction_names(model, ties) == ("b", "mean")
    seen = []

    def function(params):
        seen.append(params["a"])
        return params["b"] * params["mean"] + np.sqrt(params["a"])

    errors = np.array([np.nan, 0.1, 0.2])
    found = read_functions(
        model, theta, errors, function, names=["f"], labelled=True, caller="test"
    )
    assert set(seen) == {0.0}  # never off the face
    np.testing.assert_allclose(found.slopes, [[0.0, 3.0, 0.4]], rtol=1e-10)
    information = np.diag([np.nan, 100.0, 25.0])
    estimate = covariance(
        "approx", information=information, expansion=ties, names=model.param_names
    )
    np.testing.assert_allclose(np.diagonal(estimate.cov), [0.0, 0.01, 0.04])
    table = delta_table(found, estimate, 0.05)
    error = np.sqrt((3 * 0.1) ** 2 + (0.4 * 0.2) ** 2)
    assert table["std err"].iloc[0] == pytest.approx(error, rel=1e-9)


@pytest.fixture(scope="module")
def faced():
    """Three regimes of which one cannot follow another at the maximum."""
    return MarkovRNN(datasets.earthquakes(), emission="poisson", k_regimes=3).fit()


def test_covariances_on_a_face_equal_those_of_the_restricted_model(faced):
    known = faced.model.with_fixed({"p[h3->h1]": 0.0})
    theta = faced.params[list(known.param_names)].to_numpy()
    held = [name for name in faced.model.param_names if name != "p[h3->h1]"]
    for kind in ("oim", "opg", "robust"):
        ours = faced.with_cov(kind).cov_params()
        other = estimate_covariance(Derivatives(known, theta), kind, {})
        frame = pd.DataFrame(other.cov, index=known.param_names, columns=known.param_names)
        np.testing.assert_allclose(ours.loc[held, held], frame.loc[held, held], rtol=1e-6)
        assert (ours.loc["p[h3->h1]"] == 0.0).all()
    assert faced.covariance.k_free == 8
    assert faced.information_rank.k_free == 8


def test_profiles_on_a_face_do_not_stop_at_its_edges(faced):
    found = faced.profile_conf_int("p[h2->h2]")
    row = found.frame.loc["p[h2->h2]"]
    assert row["note"] == ""
    assert row["upper"] < 1.0 < row["wald upper"]
    start = faced.params.copy()
    start["p[h2->h1]"] *= (1.0 - row["upper"]) / (1.0 - start["p[h2->h2]"])
    held = faced.model.with_fixed({"p[h2->h2]": row["upper"]}).fit(start_params=start)
    assert 2 * (faced.llf - held.llf) == pytest.approx(3.841459, abs=2e-3)
    assert "p[h3->h1]" not in faced.profile_conf_int(["mean[earthquakes,h1]"]).frame.index
