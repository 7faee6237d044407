"""The list of tests that are left out without the compiled core names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LISTED = [
    line
    for line in (ROOT / "tests" / "needs_core.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]


@pytest.mark.parametrize("line", LISTED)
def test_listed_tests_exist(line):
    file, name = line.split("::")
    function = re.escape(re.split(r"[\[*]", name)[0])
    assert re.search(rf"^def {function}", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)


def test_the_kernels_twins_are_all_tested_without_the_core():
    assert not [line for line in LISTED if line.startswith("tests/kernels/")]
    assert len(set(LISTED)) == len(LISTED)
