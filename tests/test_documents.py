"""The Python in the README is run as it stands."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[1] / "README.md"
WHOLE = re.MULTILINE | re.DOTALL
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README.read_text("utf-8"), WHOLE)


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


@pytest.mark.slow
def test_all_examples_run_one_after_the_other():
    assert len(BLOCKS) >= 3
    assert run(BLOCKS)
