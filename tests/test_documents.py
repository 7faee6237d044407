"""The Python in the README, its table included, and in the page on memory, is run as it stands."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import numpy as np
import pytest
from statsmodels.tsa.statespace.sarimax import SARIMAX

import rnnstats

ROOT = Path(__file__).resolve().parents[1]
README, MEMORY = ROOT / "README.md", ROOT / "docs" / "memory.md"
WHOLE = re.MULTILINE | re.DOTALL


def blocks_of(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", page.read_text("utf-8"), WHOLE)


BLOCKS = blocks_of(README)


def run(blocks: list[str]) -> str:
    names: dict[str, object] = {}
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream):
        for block in blocks:
            exec(compile(block, "README.md", "exec"), names)
    return stream.getvalue()


def test_the_example_of_regimes_runs():
    (block,) = [block for block in BLOCKS if "MarkovRNN(" in block]
    text = run([block])
    assert "-181.263" in text  # Hamilton (1989): case M01 of the published numbers
    assert "P>LR" not in text  # no bootstrap in an example


def test_the_example_of_networks_runs_and_prints_what_the_readme_shows():
    (block,) = [block for block in BLOCKS if "ElmanRNN(" in block]
    text = " ".join(run([block]).split())
    assert "-1205.132" in text
    shown = re.search(r"^```\n(Convergence: .*?)^```$", README.read_text("utf-8"), WHOLE)
    lines = [line for line in shown[1].splitlines() if line.startswith(("lag", "Ter", "Ident"))]
    assert len(lines) == 8
    for line in lines:
        # the last column is the Monte Carlo error, whose last digits depend on the machine
        words = line.split()[:-1] if line.startswith("lag") else line.split()
        assert " ".join(words) in text


def test_the_examples_of_memory_run_and_print_what_the_page_says():
    blocks = blocks_of(MEMORY)
    assert len(blocks) == 10
    text = run([block for block in blocks if "compare_memory" not in block])
    for shown in (
        "-0.282", "0.157", "vanishing', 'neither vanishes nor explodes', 'exploding",  # products
        "1.249", "0.220", "-0.873", "0.213",  # gradients by input
        "0.1599", "0.0320", "0.532", "0.237", "4.48142",  # time constants, in years and rows
        "low-pass", "band-pass", "0.224075",  # cut-offs, the last a closed form
        "65536 0.174", "[ True False]", "4.00",  # paths, stability of RK4, its order
    ):  # fmt: skip
        assert shown in text, shown


def calls_of_the_table() -> list[str]:
    """Calls of public names in the table of the README that stand in full, PyTorch's apart."""
    rows = re.findall(r"^\| [^|]* \| (.*?) \|$", README.read_text("utf-8"), re.MULTILINE)
    calls = [call for row in rows for call in re.findall(r"`([^`]+)`", row)]
    public = re.compile(rf"({'|'.join(rnnstats.__all__)})\b[\w.]*\(")
    return [call for call in calls if public.match(call) and not re.search(r"\.\.\.|torch", call)]


@pytest.mark.filterwarnings("ignore::rnnstats.errors.ConvergenceWarning")  # of 60 rows of noise
@pytest.mark.parametrize("call", calls_of_the_table())
def test_the_calls_of_the_table_run(call: str):
    rng = np.random.default_rng(0)
    names: dict[str, object] = {name: getattr(rnnstats, name) for name in rnnstats.__all__}
    names |= {"y": rng.poisson(4.0, 60), "x": rng.standard_normal((60, 1))}
    names |= {"ar": [0.5], "ma": [0.2], "sigma_u": [[1.0]]}
    if "results" in call:
        names["results"] = SARIMAX(rng.standard_normal(60), order=(1, 0, 0)).fit(disp=False)
    assert eval(call.replace("nboot=199, n_jobs=-1", "nboot=19"), names) is not None


def test_the_table_has_calls():
    assert len(calls_of_the_table()) == 6


@pytest.mark.slow
def test_all_examples_of_memory_run_one_after_the_other():
    assert "Markov chains" in run(blocks_of(MEMORY))


@pytest.mark.slow
def test_all_examples_run_one_after_the_other():
    assert len(BLOCKS) >= 3
    assert run(BLOCKS)
