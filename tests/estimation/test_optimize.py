"""`maximize` on surfaces with known answers: regressions, ridges, saddles, walls, many optima."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from rnnstats.errors import SpecificationError
from rnnstats.estimation import METHODS, assess, maximize, optimize
from rnnstats.estimation.certificate import examine
from rnnstats.estimation.optima import tabulate
from rnnstats.estimation.optimize import _best
from rnnstats.estimation.trust_region import Climb

EVERY = [m for m in METHODS if m != "scoring"]


class Logistic:
    """Logistic regression: log-concave, information equal to the negative Hessian."""

    def __init__(self, seed=1, n=200, k=4):
        rng = np.random.default_rng(seed)
        self.X = np.column_stack([np.ones(n), rng.normal(size=(n, k - 1))])
        beta = rng.normal(size=k)
        self.y = (rng.uniform(size=n) < 1 / (1 + np.exp(-self.X @ beta))).astype(float)

    def __call__(self, b):
        eta = self.X @ b
        llf = float(self.y @ eta - np.logaddexp(0.0, eta).sum())
        return llf, self.X.T @ (self.y - 1 / (1 + np.exp(-eta)))

    def information(self, b):
        p = 1 / (1 + np.exp(-self.X @ b))
        return (self.X.T * (p * (1 - p))) @ self.X


def rosenbrock(x):
    """Chained Rosenbrock in any dimension; maximum 0 at ones."""
    head, tail = x[:-1], x[1:]
    gap = tail - head**2
    score = np.zeros_like(x)
    score[:-1] += 400.0 * head * gap + 2.0 * (1.0 - head)
    score[1:] -= 200.0 * gap
    return float(-(100.0 * gap**2 + (1.0 - head) ** 2).sum()), score


def saddle(x):
    """-(x^2 - 1)^2 - y^2: a saddle at the origin, maxima at (+-1, 0)."""
    return float(-((x[0] ** 2 - 1) ** 2) - x[1] ** 2), np.array(
        [-4.0 * x[0] * (x[0] ** 2 - 1), -2.0 * x[1]]
    )


def mixture(centres, heights):
    """Gaussian hills, as a logarithm; a closure, which processes receive by value."""

    def objective(x):
        logs = np.log(heights) - 0.5 * ((x - centres) ** 2).sum(axis=1)
        top = logs.max()
        weights = np.exp(logs - top)
        return float(top + np.log(weights.sum())), weights @ (centres - x) / weights.sum()

    return objective


three_hills = mixture(np.array([[-4.0, 0.0], [0.0, 4.0], [4.0, -1.0]]), [1.0, 2.0, 3.0])


@pytest.mark.parametrize("method", METHODS)
def test_logistic_regression_by_every_method(method):
    problem = Logistic()
    beta = np.zeros(4)
    for _ in range(25):
        beta = beta + np.linalg.solve(problem.information(beta), problem(beta)[1])
    out = maximize(problem, np.zeros(4), method=method, information=problem.information, gtol=1e-8)
    assert out.convergence.converged, out.convergence.message
    np.testing.assert_allclose(out.psi, beta, rtol=1e-7)
    np.testing.assert_allclose(out.hessian, -problem.information(beta), rtol=1e-8)
    record = out.convergence
    assert (record.hessian_positive, record.hessian_negative, record.hessian_zero) == (4, 0, 0)
    assert record.max_scaled_score <= 1e-8
    assert record.newton_decrement <= 1e-16
    assert record.method == method


@pytest.mark.crosspkg
def test_poisson_regression_against_statsmodels():
    sm = pytest.importorskip("statsmodels.api")
    rng = np.random.default_rng(4)
    X = np.column_stack([np.ones(80), rng.normal(size=(80, 2))])
    y = rng.poisson(np.exp(X @ [1.0, 0.4, -0.6]))
    model = sm.Poisson(y, X)
    fitted = model.fit(disp=0, method="newton", tol=1e-12)
    out = maximize(lambda b: (model.loglike(b), model.score(b)), np.zeros(3))
    assert out.convergence.converged
    assert out.llf == pytest.approx(fitted.llf, rel=1e-12)
    np.testing.assert_allclose(out.psi, fitted.params, rtol=1e-5)


@pytest.mark.parametrize("method", EVERY)
@pytest.mark.parametrize("k", [2, 6])
def test_curved_ridge(method, k):
    start = np.tile([-1.2, 1.0], k // 2)
    out = maximize(rosenbrock, start, method=method)
    assert out.convergence.converged, out.convergence.message
    assert out.convergence.hessian_negative == 0
    # For 4 to 7 coordinates it has exactly two maxima (Kok and Sandrock 2009, Evol. Comput. 17).
    lower = [-0.986575, 0.983398, 0.972107, 0.947437, 0.898651, 0.807574]
    target = np.ones(k) if k == 2 or out.psi[0] > 0 else np.array(lower)
    np.testing.assert_allclose(out.psi, target, atol=1e-4)


@pytest.mark.parametrize("method", EVERY)
def test_a_start_on_the_saddle_leaves_it(method):
    out = maximize(saddle, [0.0, 0.5], method=method)
    assert out.convergence.converged
    assert abs(out.psi[0]) == pytest.approx(1.0, abs=1e-5)


def test_an_indefinite_start_is_climbed():
    out = maximize(saddle, [0.1, 3.0], method="newton")
    assert out.convergence.converged
    np.testing.assert_allclose(out.psi, [1.0, 0.0], atol=1e-6)


@pytest.mark.parametrize("method", EVERY)
def test_steps_into_inadmissible_ground_are_refused(method):
    """log x - x and log(1 - y^2) + y, each -inf outside its domain: maxima 1 and sqrt(2) - 1."""

    def objective(p):
        x, y = p
        if x <= 0 or abs(y) >= 1:
            return -math.inf, np.full(2, np.nan)
        value = 50 * (math.log(x) - x) + 50 * (math.log(1 - y * y) + y)
        return value, np.array([50 * (1 / x - 1), 50 * (1 - 2 * y / (1 - y * y))])

    out = maximize(objective, [[20.0, -0.999], [-1.0, 0.0]], method=method)
    assert out.convergence.converged
    np.testing.assert_allclose(out.psi, [1.0, math.sqrt(2) - 1], rtol=1e-5)
    refused = out.convergence.optima[1]
    assert refused.start_llf == -math.inf
    assert refused.same_as == -1
    assert "refused" in refused.message


def test_overflow_and_nan_count_as_inadmissible():
    def objective(p):
        with np.errstate(over="ignore", invalid="ignore"):
            return float(2 * p[0] - np.exp(p[0])), 2 - np.exp(p)

    out = maximize(objective, [-800.0])
    assert out.psi[0] == pytest.approx(math.log(2.0), abs=1e-5)


def test_table_of_optima():
    starts = [[-4.5, 0.3], [4.2, -1.5], [0.1, 4.4], [3.7, -0.2], [-3.5, -0.5], [0.4, 3.9]]
    out = maximize(three_hills, starts, n_polish=6, labels=list("abcdef"))
    table = out.convergence.optima
    assert [row.label for row in table] == list("abcdef")
    assert [row.same_as for row in table] == [0, 1, 2, 1, 0, 2]
    np.testing.assert_allclose(out.psi, [4.0, -1.0], atol=0.01)
    heights = np.array([row.llf for row in table])
    np.testing.assert_allclose(heights, np.log([1, 3, 2, 3, 1, 2]), atol=1e-3)
    assert table[1].distance < 1e-2
    assert table[0].distance == pytest.approx(math.hypot(8.0, 1.0), rel=1e-2)
    assert out.convergence.n_starts == 6
    assert len(out.points) == 6


def test_equal_heights_at_two_points_are_two_optima():
    out = maximize(saddle, [[0.5, 0.1], [-0.5, 0.1]])
    first, second = out.convergence.optima
    assert first.llf == pytest.approx(second.llf, abs=1e-9)
    assert (first.same_as, second.same_as) == (0, 1)
    assert max(first.distance, second.distance) > 1.0


def test_only_the_best_distinct_starts_are_polished():
    rng = np.random.default_rng(2)
    starts = rng.normal(size=(9, 4))
    out = maximize(rosenbrock, starts, n_polish=1, screen_iterations=3)
    climbed = [row for row in out.convergence.optima if row.same_as == row.start]
    assert len(climbed) == 1
    assert any("put aside" in row.message for row in out.convergence.optima)


def test_a_canonical_point_is_taken():
    """The mirror image of the lower half line: every end point is on the preferred side."""

    def canonical(p):
        return np.array([abs(p[0]), p[1]])

    out = maximize(saddle, [[-0.5, 0.1], [-2.0, 1.0]], canonical=canonical)
    assert out.convergence.converged
    np.testing.assert_allclose(out.psi, [1.0, 0.0], atol=1e-5)
    assert out.convergence.optima[1].same_as == 0


def test_a_worse_canonical_point_is_not_taken():
    out = maximize(saddle, [-0.5, 0.1], canonical=lambda p: p + 1.0)
    np.testing.assert_allclose(out.psi, [-1.0, 0.0], atol=1e-5)


def test_a_flat_direction_is_reported():
    """Only the sum is identified."""

    def objective(p):
        gap = 3.0 - p[0] - p[1]
        return -50.0 * gap**2, np.full(2, 100.0 * gap)

    out = maximize(objective, [0.0, 0.5])
    record = out.convergence
    assert record.converged
    assert (record.hessian_positive, record.hessian_zero) == (1, 1)
    assert record.condition == math.inf
    assert "flat in 1 of 2 directions" in record.message
    assert out.psi.sum() == pytest.approx(3.0, abs=1e-6)


def test_the_limit_of_iterations_is_said():
    out = maximize(rosenbrock, [-1.2, 1.0], maxiter=3)
    assert not out.convergence.converged
    assert "limit of iterations" in out.convergence.message
    assert out.convergence.newton_decrement > 1e-3


def test_an_interrupt_returns_the_best_so_far():
    seen = []

    def objective(p):
        llf, score = rosenbrock(p)
        seen.append(llf)
        if len(seen) == 25:
            raise KeyboardInterrupt
        return llf, score

    out = maximize(objective, [[-1.2, 1.0], [5.0, 5.0]])
    assert not out.convergence.converged
    assert out.convergence.message.startswith("interrupted")
    assert len(seen) == 25
    assert seen[0] < out.llf <= max(seen)
    assert rosenbrock(out.psi)[0] == out.llf
    assert len(out.convergence.optima) == 2


def test_an_interrupt_before_all_starts_were_seen():
    calls = []

    def objective(p):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return rosenbrock(p)

    out = maximize(objective, [[-1.2, 1.0], [5.0, 5.0]])
    np.testing.assert_array_equal(out.psi, [-1.2, 1.0])
    assert not out.convergence.converged
    assert out.convergence.optima[1].message == "not reached before the interrupt"


def test_an_interrupt_during_the_last_examination_is_not_convergence():
    total = maximize(rosenbrock, [-1.2, 1.0]).convergence.evaluations
    calls = []

    def objective(p):
        calls.append(1)
        if len(calls) == total - 3:
            raise KeyboardInterrupt
        return rosenbrock(p)

    out = maximize(objective, [-1.2, 1.0])
    assert len(calls) == total - 3
    assert out.convergence.newton_decrement < 1e-9
    assert not out.convergence.converged
    assert out.convergence.message.startswith("interrupted")


def test_the_same_numbers_with_two_processes():
    starts = np.random.default_rng(8).normal(scale=3.0, size=(5, 2))
    one = maximize(three_hills, starts)
    two = maximize(three_hills, starts, n_jobs=2)
    np.testing.assert_array_equal(one.psi, two.psi)
    assert one.convergence.optima == two.convergence.optima
    assert one.convergence.evaluations == two.convergence.evaluations


def test_the_objective_cannot_change_the_climb_and_starts_stay():
    def rude(p):
        llf, score = rosenbrock(p)
        p[:] = 99.0
        return llf, score

    starts = np.array([-1.2, 1.0])
    out = maximize(rude, starts)
    np.testing.assert_allclose(out.psi, 1.0, atol=1e-4)
    np.testing.assert_array_equal(starts, [-1.2, 1.0])


def test_callback_boundary_and_count_of_evaluations():
    calls, news = [], []

    def objective(p):
        calls.append(1)
        return rosenbrock(p)

    out = maximize(objective, [-1.2, 1.0], callback=news.append, boundary=lambda p: ["at one"])
    assert len(news) == out.convergence.iterations
    assert len(calls) == out.convergence.evaluations
    assert out.convergence.boundary == ("at one",)
    assert out.convergence.seconds > 0.0


def test_progress_goes_to_standard_error_only(capsys, monkeypatch):
    monkeypatch.setattr("rnnstats.estimation.progress.PATIENCE", 0.0)
    maximize(three_hills, [[-4.5, 0.3], [4.2, -1.5]], progress=True)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "starts" in captured.err


def test_rounding_does_not_stop_convergence():
    """A log-likelihood of 1e8 with noise of a few units in its last place."""

    def objective(p):
        llf, score = Logistic()(p)
        return llf - 1e8, score

    out = maximize(objective, np.zeros(4), gtol=1e-7)
    assert out.convergence.converged, out.convergence.message


def test_assess_a_closed_form():
    problem = Logistic()
    found = maximize(problem, np.zeros(4), gtol=1e-8)
    record = assess(problem, found.psi, information=problem.information, boundary=lambda p: ("x",))
    assert record.convergence.converged
    assert record.convergence.method == "closed form"
    assert record.convergence.iterations == 0
    assert record.convergence.boundary == ("x",)
    off = assess(problem, found.psi + 0.1)
    assert not off.convergence.converged
    assert off.convergence.newton_decrement > 1e-3


def test_assess_does_not_take_a_saddle_for_a_maximum():
    record = assess(saddle, [0.0, 0.0]).convergence
    assert not record.converged
    assert (record.hessian_positive, record.hessian_negative) == (1, 1)
    assert record.newton_decrement == 0.0
    assert "curves upwards in 1 direction" in record.message


def test_points_that_differ_in_height_are_not_one():
    """However near they are in the metric (here: apart along a flat direction)."""
    hessian = np.diag([-4.0, 0.0])
    certificate = examine(np.zeros(2), np.zeros(2), hessian)
    climbs = []
    for start, llf in enumerate([-1.0, -1.5, -1.0]):
        psi = np.array([0.0, float(start)])
        climbs.append(Climb(start, psi, llf, np.zeros(2), np.ones(2), -hessian, evaluations=1))
    table = tabulate(climbs, [0, 1, 2], climbs[0], certificate, ("a", "b", "c"))
    assert [row.same_as for row in table] == [0, 1, 0]


def test_clear_errors():
    problem = Logistic()
    with pytest.raises(SpecificationError, match="method must be one of"):
        maximize(problem, np.zeros(4), method="powell")
    with pytest.raises(SpecificationError, match="needs the information"):
        maximize(problem, np.zeros(4), method="scoring")
    with pytest.raises(SpecificationError, match="gtol"):
        maximize(problem, np.zeros(4), gtol=0.0)
    with pytest.raises(SpecificationError, match="labels"):
        maximize(problem, np.zeros(4), labels=["a", "b"])
    with pytest.raises(SpecificationError, match="finite log-likelihood"):
        maximize(lambda p: (-math.inf, p), np.zeros(2))
    with pytest.raises(SpecificationError, match="starts must have shape"):
        maximize(problem, np.zeros(0))
    with pytest.raises(SpecificationError, match="must be finite at the point"):
        assess(lambda p: (-math.inf, p), np.zeros(2))


def _ended(start, llf, status):
    state = Climb(start, np.zeros(1), llf, np.zeros(1), np.ones(1), np.eye(1))
    state.status = status
    return state


def test_rounding_is_no_reason_to_prefer_a_climb_that_did_not_converge():
    higher = _ended(0, -605.4119453838205, "stalled")
    settled = _ended(1, -605.4119453838205 - 5e-6, "converged")
    assert _best([higher, settled]) is settled
    assert _best([higher, _ended(1, -605.5, "converged")]) is higher


def test_another_converged_climb_is_taken_where_the_examination_refutes_the_first(monkeypatch):
    """Two peaks of one height; what is said of the first is that it curves upwards."""
    examined = optimize.certify

    def refuting(problem, state):
        found = examined(problem, state)
        return replace(found, negative=1) if state.start == 0 else found

    def objective(x):
        return -(x[0] ** 2) * (x[0] - 4.0) ** 2, np.array([-4 * x[0] * (x[0] - 2) * (x[0] - 4)])

    monkeypatch.setattr(optimize, "certify", refuting)
    outcome = maximize(objective, [[0.0], [3.9]])
    assert outcome.convergence.converged
    assert outcome.psi[0] == pytest.approx(4.0)


def test_a_fall_of_the_likelihood_is_never_taken_for_a_gain():
    """Next to a cliff the slopes promise a little gain; the value says what happened."""

    def objective(x):
        off = float(x[0] - 1.0)
        if off > 0.0:
            return -1e25, np.array([1e-8])
        return -1e3 - 1e-9 * off**2 + 1e-8 * off, np.array([1e-8 - 2e-9 * off])

    outcome = maximize(objective, [0.999], information=lambda x: np.array([[2e-9]]), maxiter=50)
    assert outcome.llf > -1e3 - 1e-6
