"""Notebooks run from the first cell to the last and print what is in their files."""

from __future__ import annotations

import importlib
import math
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NUMBER = re.compile(r"-?\d+\.?\d*(?:e[+-]?\d+)?")


@pytest.fixture(scope="module")
def runner():
    """The module ``notebooks.run``, which lies beside the package and is not installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT))
        yield importlib.import_module("notebooks.run")


# when it was run, how long it took and by which path: not what was found
PASSING = re.compile(r"(Date|Time): +\S.{18}|Convergence: (.|\n)*?(?=\n\S)")


def words(text: str) -> list[str]:
    """Text without its numbers, rules and white space, which depend on the widths of numbers."""
    return re.sub(r"[=\-]{2,}", " ", NUMBER.sub("#", text)).replace("#", " ").split()


def agree(one: str, other: str) -> bool:
    """Whether texts are the same but for the last digits of their numbers."""
    one, other = (PASSING.sub("", text) for text in (one, other))
    pairs = zip(NUMBER.findall(one), NUMBER.findall(other), strict=False)
    # machines round differently on the way to an optimum, where the likelihood is flat
    close = all(math.isclose(float(a), float(b), rel_tol=2e-3, abs_tol=2e-3) for a, b in pairs)
    return close and words(one) == words(other)


def test_agreement_looks_at_words_and_numbers():
    assert agree("llf  -66678.969", "llf -66678.970")
    assert not agree("llf -66678.969", "aic -66678.969")
    assert not agree("p 0.95", "p 0.90")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_a_notebook_prints_what_its_file_says(runner, path):
    kept = runner.read(path)
    fresh = runner.execute(kept)
    for old, new in zip(runner.printed(kept), runner.printed(fresh), strict=True):
        assert agree(old, new), f"run `python -m notebooks.run {path.relative_to(ROOT)}`:\n{new}"


def test_there_is_a_notebook_and_its_figures_are_in_it(runner):
    assert NOTEBOOKS
    for path in NOTEBOOKS:
        cells = [cell for cell in runner.read(path)["cells"] if cell["cell_type"] == "code"]
        assert any("image/png" in x.get("data", {}) for cell in cells for x in cell["outputs"])


def test_the_runner_shows_text_values_and_figures(runner):
    def cell(source: str) -> dict:
        return {"cell_type": "code", "source": source, "metadata": {}}

    sources = ["x = 2\nprint('two')\nx + 1", "import matplotlib.pyplot as plt\nplt.plot([x]);"]
    done = runner.execute({"cells": [{"cell_type": "markdown"}, *map(cell, sources)]})
    assert [c.get("execution_count") for c in done["cells"]] == [None, 1, 2]
    assert runner.printed(done) == ["two\n3", "<Figure>"]
    with pytest.raises(ZeroDivisionError):
        runner.execute({"cells": [cell("1 / 0")]})
