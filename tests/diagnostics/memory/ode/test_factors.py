"""Amplification factors behave as the numbers they are, and say what they are."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest

from rnnstats.diagnostics.memory import amplification
from rnnstats.errors import SpecificationError


def test_one_factor_is_a_number():
    found = amplification("euler", -0.5)
    assert found == 0.5
    assert float(found) == 0.5
    assert complex(found) == 0.5
    assert abs(found - 0.5) == 0.0
    assert 1.0 - found == 0.5
    assert f"{found:.2f}" == "0.50"
    assert isinstance(found * 2.0, float)
    assert found == pytest.approx(0.5)
    assert found.stable
    assert not amplification("euler", -1.0)
    assert complex(amplification("heun", 1j)) == 0.5 + 1j


def test_many_factors_are_an_array():
    z = np.array([[0.1, -0.2], [1.0, -3.0]])
    found = amplification("rk4", z)
    known = 1 + z + z**2 / 2 + z**3 / 6 + z**4 / 24
    np.testing.assert_allclose(found, known, rtol=1e-14)
    np.testing.assert_allclose(np.abs(found), np.abs(known), rtol=1e-14)
    np.testing.assert_allclose(2.0 * found + found, 3.0 * known, rtol=1e-14)
    assert found.shape == (2, 2) and len(found) == 2
    assert found.dtype == np.float64
    np.testing.assert_allclose(found[1, 0], known[1, 0], rtol=1e-14)
    np.testing.assert_allclose(next(iter(found)), known[0], rtol=1e-14)
    assert (found.stable == (np.abs(known) <= 1.0)).all()


def test_values_cannot_be_written_through():
    z = np.array([-0.5, 0.5])
    found = amplification("euler", z)
    z[0] = 9.0
    np.asarray(found)[0] = 7.0
    assert found[0] == 0.5


def test_the_table_puts_factors_beside_the_equation():
    frame = amplification("implicit_euler", [-1.0 + 2.0j, 3.0]).frame
    known = 1.0 / (1.0 - np.array([-1.0 + 2.0j, 3.0]))
    np.testing.assert_allclose(frame["real"] + 1j * frame["imag"], known, rtol=1e-14)
    np.testing.assert_allclose(frame["rate"], np.log(np.abs(known)), rtol=1e-12)
    exact = np.exp([-1.0 + 2.0j, 3.0])
    np.testing.assert_allclose(frame["exact_modulus"], np.abs(exact), rtol=1e-14)
    np.testing.assert_allclose(frame["error"], np.abs(known - exact), rtol=1e-12)
    assert frame["stable"].tolist() == [True, True]


def test_a_pole_is_infinite():
    found = amplification("implicit_euler", [1.0, 2.0])
    assert np.isinf(found[0]) and found[1] == -1.0


def test_summary_and_picture():
    found = amplification("rk4", [-1.0, -3.0])
    text = str(found.summary())
    assert "one step of RK4" in text and "2.785" in text
    figure = found.plot()
    ax = figure.axes[0]
    marked = {line.get_label(): line.get_xydata() for line in ax.lines}
    np.testing.assert_allclose(marked["does not grow"], [[-1.0, 0.0]])
    np.testing.assert_allclose(marked["grows"], [[-3.0, 0.0]])
    mpl.pyplot.close(figure)


@pytest.mark.parametrize("z", [np.nan, [1.0, np.inf], "a", [[1.0], [1.0, 2.0]], None])
def test_what_is_no_number_is_refused(z):
    with pytest.raises(SpecificationError, match="amplification: z must be a finite number"):
        amplification("rk4", z)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Euler", "explicit_euler"),
        ("explicit Euler", "explicit_euler"),
        ("forward-Euler", "explicit_euler"),
        ("Implicit Euler", "implicit_euler"),
        ("backward_euler", "implicit_euler"),
        ("Heun", "heun"),
        ("RK4", "rk4"),
        ("Exponential Euler", "exponential_euler"),
    ],
)
def test_methods_may_be_written_as_in_books(written, meant):
    assert complex(amplification(written, -0.3)) == complex(amplification(meant, -0.3))


@pytest.mark.parametrize("unknown", ["rk5", "Runge-Kutta", "", 4, None, ["rk4"]])
def test_other_methods_are_refused_with_the_names_there_are(unknown):
    with pytest.raises(SpecificationError, match="amplification: method must be one of 'explicit"):
        amplification(unknown, -0.3)


def test_no_number_has_no_factor():
    with pytest.raises(SpecificationError, match="z must be a finite number"):
        amplification("rk4", [])
