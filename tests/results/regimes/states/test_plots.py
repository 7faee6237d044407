"""Shading of rows: all of them, each as wide as it is."""

import matplotlib as mpl
import numpy as np
import pytest

from rnnstats.results.regimes.states.plots import shade_rows

mpl.use("Agg")


def test_rows_are_shaded_from_halfway_to_halfway():
    """A spell of one row is as visible as any other, also the first and the last."""
    from matplotlib.figure import Figure

    ax = Figure().add_subplot()
    shade_rows(ax, np.array([0, 1, 2, 4]), np.array([True, False, True, True]), label="seen")
    (piece,) = ax.collections
    ends = [(path.vertices[:, 0].min(), path.vertices[:, 0].max()) for path in piece.get_paths()]
    assert ends == [(-0.5, 0.5), (1.5, 5.0)]
    assert piece.get_label() == "seen"


@pytest.mark.parametrize("unit", ["s", "ns"])
def test_dates_are_placed_as_matplotlib_places_them(unit):
    from matplotlib.dates import date2num
    from matplotlib.figure import Figure

    x = np.array(["2000-01-01", "2000-01-03"], dtype=f"datetime64[{unit}]")
    ax = Figure().add_subplot()
    ax.plot(x, [0.0, 1.0])
    shade_rows(ax, x, np.array([False, True]))
    (path,) = ax.collections[0].get_paths()
    first = date2num(x[0])
    # days are whole numbers of this size without rounding
    assert (path.vertices[:, 0].min(), path.vertices[:, 0].max()) == (first + 1.0, first + 3.0)


def test_no_rows_leave_no_mark():
    from matplotlib.figure import Figure

    ax = Figure().add_subplot()
    shade_rows(ax, np.arange(3), np.zeros(3, dtype=bool), label="nothing")
    assert not ax.collections
