"""The Python in the README is run as it stands."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[1] / "README.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README.read_text("utf-8"), re.MULTILINE | re.DOTALL)


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


@pytest.mark.slow
def test_all_examples_run_one_after_the_other():
    assert len(BLOCKS) >= 3
    assert run(BLOCKS)
