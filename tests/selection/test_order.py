"""`select_order`: criteria, nesting, recovery, interruption."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from selection.test_ranks import ARMA11, TWO_OF_THREE, simulated

from rnnstats import LinearRNN, datasets, select_order
from rnnstats.errors import ConvergenceWarning, DataError, SpecificationError
from rnnstats.models.conversion.nesting import beside, embedded, without_state
from rnnstats.selection.candidates import SLACK, compositions


@pytest.fixture(scope="module")
def found():
    z = simulated(*TWO_OF_THREE, 300, np.random.default_rng(0))
    return select_order(pd.DataFrame(z, columns=["a", "b", "c"]), max_states=4)


def test_the_table_compares_fits_of_the_same_rows(found):
    table = found.table
    assert table.index.tolist() == [0, 1, 2, 3, 4]
    assert table["kronecker"].tolist() == [(0, 0, 0), (1, 0, 0), (1, 1, 0), (1, 1, 1), (2, 1, 1)]
    assert table["k_params"].tolist() == [9, 15, 21, 27, 33]  # 2 n p + p (p + 1) / 2 + p
    assert (np.diff(table["llf"]) > -1e-6).all()
    n = 300
    assert table["aic"].to_numpy() == pytest.approx(-2 * table["llf"] + 2 * table["k_params"])
    expected = -2 * table["llf"] + np.log(n) * table["k_params"]
    assert table["bic"].to_numpy() == pytest.approx(expected.to_numpy())
    assert table["converged"].all()


def test_zero_states_are_independent_rows(found):
    y = np.asarray(found.results[0].model.endog.values)
    cov = np.cov(y.T, bias=True)
    n, p = y.shape
    expected = -0.5 * n * (p * np.log(2 * np.pi) + np.linalg.slogdet(cov)[1] + p)
    assert found.table.loc[0, "llf"] == pytest.approx(expected, rel=1e-9)


def test_the_order_is_recovered(found):
    assert found.order == 2
    assert found.orders["bic"] == 2 <= found.orders["aic"]  # AIC does not tend to the order
    assert found.orders["rank test"] == 2
    assert found.best.llf == found.results[2].llf == found.table.loc[2, "llf"]
    assert found.best.bse.notna().all()
    assert found.singular_values.iloc[1] > 2 * found.singular_values.iloc[2]


def test_a_state_too_many_is_called_by_its_roots():
    z = simulated(*ARMA11, 600, np.random.default_rng(3))[:, 0]
    selection = select_order(z, max_states=2)
    assert selection.order == 1
    assert selection.table.loc[1, "note"] == ""
    assert "cancel" in selection.table.loc[2, "note"] or "ridge" in selection.table.loc[2, "note"]


def test_no_memory_is_order_zero():
    y = np.random.default_rng(1).standard_normal((200, 2))
    selection = select_order(y, max_states=2)
    assert selection.order == 0
    assert selection.best.model.layout.k_free == 5
    assert selection.best.params["K[h1,y1]"] == 0.0


@pytest.mark.crosspkg
def test_no_rival_is_higher():
    from statsmodels.tsa.statespace.sarimax import SARIMAX

    y = np.log10(datasets.lynx())
    selection = select_order(y, max_states=2)
    for n in (1, 2):
        model = SARIMAX(y, order=(n, 0, n), trend="c")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # theirs, about starts and ends
            theirs = model.fit(disp=False, maxiter=100, cov_type="none")
        assert selection.table.loc[n, "llf"] >= theirs.llf - 1e-4


@pytest.mark.parametrize("form", ["observed", "leaky", "factor"])
def test_other_forms(form):
    z = simulated(*TWO_OF_THREE, 120, np.random.default_rng(2))
    states = 6 if form == "observed" else 2
    selection = select_order(z, max_states=states, form=form, n_starts=3)
    numbers = [0, 3, 6] if form == "observed" else [0, 1, 2]
    assert selection.table.index.tolist() == numbers
    assert (np.diff(selection.table["llf"]) > -1e-6).all()
    assert "kronecker" not in selection.table


def test_kronecker_indices_within_an_order():
    a, c = np.array([[0.0, 1.0], [-0.5, 1.2]]), np.array([[1.0, 0.0], [0.4, 0.0]])
    k = np.array([[0.9, 0.2], [0.3, 0.4]])
    z = simulated(a, c, k, 500, np.random.default_rng(4))
    selection = select_order(z, max_states=2, kronecker=True)
    assert selection.table["kronecker"].tolist() == [
        (0, 0), (1, 0), (0, 1), (1, 1), (2, 0), (0, 2),
    ]  # fmt: skip
    assert selection.best.model.kronecker == (2, 0)
    llf = selection.table.set_index("kronecker")["llf"]
    # generic indices contain the others as limits
    assert llf[(1, 1)] >= llf[(2, 0)] - 1e-6
    assert selection.results[2].model.kronecker == (2, 0)
    assert "2 (2, 0)" in str(selection.summary())


def test_inputs_and_trend():
    rng = np.random.default_rng(5)
    x = rng.standard_normal((150, 1))
    z = simulated(*ARMA11, 150, rng) + 0.05 * np.arange(150)[:, None] + 3 * x
    output = select_order(z, x, max_states=2, trend="ct", exog_enters="output")
    assert output.order == 1
    assert output.results[0].params["D[y1,x]" if "D[y1,x]" in output.best.params else "D[y,x]"] > 2
    state = select_order(z, x, max_states=1, trend="ct", initial="known")
    assert state.results[0].params["W_x[h1,x]"] == 0.0
    assert state.results[1].params["W_x[h1,x]"] > 2


def test_gaps():
    z = simulated(*ARMA11, 200, np.random.default_rng(6))[:, 0]
    z[[3, 50, 51, 120]] = np.nan
    assert select_order(z, max_states=2).order == 1


# --- nesting ------------------------------------------------------------------------------------


@pytest.mark.parametrize("nu", [(1, 1), (2, 0), (0, 2), (2, 1), (1, 0), (0, 1)])
def test_a_larger_model_has_a_point_of_the_same_likelihood(nu):
    rng = np.random.default_rng(sum(nu))
    y, x = rng.standard_normal((60, 2)), rng.standard_normal((60, 1))
    small = LinearRNN(y, x, kronecker=nu)
    theta = small.start_params.to_numpy()
    for i in range(2):
        larger = tuple(v + (j == i) for j, v in enumerate(nu))
        model = LinearRNN(y, x, kronecker=larger)
        same, better = embedded(small, theta, model, rng)
        assert model.loglike(same) == pytest.approx(small.loglike(theta), rel=1e-9)
        assert model.loglike(better) >= model.loglike(same)
    free = LinearRNN(y, kronecker=nu)
    start = free.start_params.to_numpy()
    grown = LinearRNN(y, kronecker=(nu[0] + 1, nu[1]))
    same, better = embedded(free, start, grown, rng)
    assert grown.loglike(better) > free.loglike(start)


def test_the_point_without_a_state():
    y = np.random.default_rng(0).standard_normal((50, 2))
    for form in ("innovations", "observed", "leaky", "factor"):
        model = LinearRNN(y, form=form)
        bare = model.with_fixed(without_state(model))
        theta = bare.layout.expand(bare.layout.reduce(model.start_params.to_numpy()))
        system = bare.system(theta)
        assert not (system.design @ system.selection @ system.state_cov).any() or form == "observed"
        assert bare.layout.k_free == (4 if form in ("leaky", "factor") else 5)


def test_generic_indices_come_close_to_others():
    rng = np.random.default_rng(8)
    y = rng.standard_normal((80, 2))
    other = LinearRNN(y, kronecker=(2, 0))
    theta = other.start_params.to_numpy()
    model = LinearRNN(y, k_states=2)
    near = beside(other, theta, model, rng)
    assert near is not None
    # the nearest of those tried is 1e-4 away, so that at most about that is lost
    assert model.loglike(near) >= other.loglike(theta) - 0.01


def test_compositions():
    assert list(compositions(2, 1)) == [(2,)]
    assert next(iter(compositions(1, 3))) == (1, 0, 0)
    assert len(list(compositions(6, 3))) == 28
    assert next(iter(compositions(4, 3))) == (2, 1, 1)


# --- what is around it --------------------------------------------------------------------------


def test_summary_and_plot(found):
    text = str(found.summary())
    assert f"{found.table['bic'].min():.3f}*" in text
    assert "Rank of the Hankel matrix" in text and "Chosen here by bic" in text
    fig = found.plot()
    left, right = fig.axes
    assert len(left.lines) == 8 and len(right.patches) == len(found.singular_values)
    same = found.plot(fig=fig)
    assert same is fig


def test_fit_again(found):
    again = found.fit(1, cov_type="opg")
    assert again.llf == pytest.approx(found.table.loc[1, "llf"], abs=1e-6)
    assert again.cov_type == "opg"
    assert found.fit().llf == pytest.approx(found.best.llf, abs=1e-6)
    with pytest.raises(SpecificationError, match="got 9"):
        found.fit(9)


def test_an_interrupt_keeps_what_is_done(monkeypatch):
    y = simulated(*ARMA11, 80, np.random.default_rng(9))[:, 0]
    fit, seen = LinearRNN.fit, []

    def stopping(self, **options):
        seen.append(self.k_states)
        if self.k_states == 3:
            raise KeyboardInterrupt
        return fit(self, **options)

    monkeypatch.setattr(LinearRNN, "fit", stopping)
    selection = select_order(y, max_states=4)
    assert selection.interrupted and 4 not in seen
    assert selection.table.index.tolist() == [0, 1, 2]
    assert "interrupted" in str(selection.summary())


def test_orders_that_cannot_be_fitted_are_left_out():
    y = simulated(*ARMA11, 14, np.random.default_rng(10))[:, 0]
    selection = select_order(y, max_states=7, n_starts=2)
    assert selection.table.index.max() < 7
    assert "7 states" in str(selection.summary())


def test_an_unconverged_choice_warns():
    y = simulated(*ARMA11, 100, np.random.default_rng(11))[:, 0]
    with pytest.warns(ConvergenceWarning, match="chosen order"):
        selection = select_order(y, max_states=1, maxiter=1, n_starts=1)
    assert not selection.table.loc[selection.order, "converged"]


@pytest.mark.slow
def test_processes_do_not_change_numbers():
    z = simulated(*TWO_OF_THREE, 100, np.random.default_rng(12))
    one, two = (select_order(z, max_states=3, n_jobs=n, rng=5) for n in (1, 2))
    pd.testing.assert_frame_equal(one.table, two.table)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"initial": "diffuse"}, "uses up one value a state"),
        ({"form": "structured"}, "form must be one of"),
        ({"criterion": "fpe"}, "criterion must be one of"),
        ({"form": "leaky", "kronecker": True}, "kronecker belongs to"),
        ({"max_states": 0}, "max_states must be at least 1"),
        ({"form": "observed", "max_states": 3}, "Use 2 or 4"),
        ({"form": "observed", "max_states": 1}, "Use 2 or 4"),
        ({"alpha": 1.5}, "alpha must lie strictly between"),
        ({"n_jobs": 0}, "n_jobs must be at least 1"),
    ],
)
def test_refusals(options, words):
    y = np.random.default_rng(0).standard_normal((50, 2))
    with pytest.raises(SpecificationError, match=words):
        select_order(y, **options)


@pytest.mark.parametrize("states", [12, 1000])
def test_more_states_than_values(states):
    y = np.random.default_rng(0).standard_normal(12)
    with pytest.raises(DataError, match=f"12 values and max_states={states}"):
        select_order(y, max_states=states)


def test_too_little_data():
    with pytest.raises(DataError, match="three observed values"):
        select_order(np.random.default_rng(0).standard_normal((5, 2)))


@pytest.mark.slow
@pytest.mark.statistical
def test_recovery_by_simulation():
    # BIC is consistent; at T = 400 it finds the order in nearly all samples of this model. Wrong
    # in more than 4 of 25 has probability 2e-3 if it is right in 96 %.
    rng = np.random.default_rng(13)
    right = 0
    for _ in range(25):
        z = simulated(*TWO_OF_THREE, 400, rng)
        right += select_order(z, max_states=4).order == 2
    assert right >= 21


def test_each_order_is_as_high_as_a_fit_of_its_own() -> None:
    # of three series with four states the likelihood has many maxima: with other random starts
    # the table stopped two below what LinearRNN(k_states=4).fit() finds
    macro = datasets.us_macro()[["realinv", "realgdp", "realcons"]]
    growth = 100 * np.log(macro).diff().dropna()
    table = select_order(growth, max_states=4).table
    for k in (1, 2, 3, 4):
        own = LinearRNN(growth, k_states=k).fit().llf
        assert table.loc[k, "llf"] >= own - SLACK  # the slack of the nesting itself
