"""What all tests share: which copy of the package is tested, child processes, reference cases."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]


def _prefer_installed_package() -> None:
    """Take the repository off the path if the package is installed.

    ``python -m pytest`` puts the current folder first on the path, and the package there has no
    compiled core unless it was built in place: the tests would silently test something else than
    what was installed. Where nothing is installed, the package in the repository is tested.
    """
    before = list(sys.path)
    sys.path[:] = [entry for entry in before if Path(entry or os.curdir).resolve() != ROOT]
    if importlib.util.find_spec("rnnstats") is None:
        sys.path[:] = before
        if importlib.util.find_spec("rnnstats") is None:
            sys.path.insert(0, str(ROOT))


_prefer_installed_package()

import rnnstats  # noqa: E402  (only now is it the right one)

COMPILED = importlib.util.find_spec("rnnstats.kernels._core") is not None
WITHOUT_CORE = (
    "without the compiled core this test takes long: it runs the same Python code over the "
    "kernels' twins, which have tests of their own"
)

_SHARED = {
    "deadline": None,  # the machines that run this are shared, and slow without the compiled core
    "suppress_health_check": [HealthCheck.too_slow],
}
# The same examples in every run, so that a change is judged by what it changes; new ones with
# `pytest --hypothesis-profile=search`, which is for finding faults.
settings.register_profile("rnnstats", derandomize=True, database=None, **_SHARED)
settings.register_profile("search", print_blob=True, **_SHARED)
settings.load_profile("rnnstats")


def pytest_configure(config: pytest.Config) -> None:
    """Let the package without a compiled core be tested too."""
    config.addinivalue_line("filterwarnings", "ignore::rnnstats.errors.CompiledCoreWarning")


def _needs_core() -> dict[str, list[str]]:
    """Read which tests are left out without the compiled core: patterns of names by file."""
    patterns: dict[str, list[str]] = {}
    for line in (ROOT / "tests" / "needs_core.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            file, name = line.split("::")
            patterns.setdefault(file, []).append(name)
    return patterns


def _names(pattern: str, test: str) -> bool:
    """Say whether a pattern means a test: all of its parameters if it has no bracket."""
    words = ".*".join(re.escape(part) for part in pattern.split("*"))
    return re.fullmatch(words if "[" in pattern else words + r"(\[.*)?", test) is not None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without the compiled core, skip the tests that would take minutes; see needs_core.txt."""
    listed = {} if COMPILED else _needs_core()
    for item in items:
        file = item.path.relative_to(ROOT).as_posix()
        if any(_names(pattern, item.name) for pattern in listed.get(file, ())):
            item.add_marker(pytest.mark.skip(reason=WITHOUT_CORE))


def pytest_report_header() -> str:
    """Say which copy of the package is tested."""
    core = "with" if COMPILED else "WITHOUT"
    return (
        f"rnnstats {rnnstats.__version__}: {Path(rnnstats.__file__).parent}, {core} compiled core"
    )


@pytest.fixture
def run_python(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a fresh Python on the same copy of the package, in an empty folder.

    Call it with the interpreter's arguments, say ``run_python("-c", "import rnnstats")``.
    """

    def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        environment = dict(os.environ, MPLBACKEND="Agg")
        home = str(Path(rnnstats.__file__).parents[1])
        inherited = environment.get("PYTHONPATH", "")
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [home, inherited]))
        settings_: dict[str, Any] = {
            "cwd": tmp_path, "env": environment, "capture_output": True, "text": True,
            "timeout": 300, "stdin": subprocess.DEVNULL, **options,
        }  # fmt: skip
        return subprocess.run([sys.executable, *arguments], check=False, **settings_)

    return run


class Cases:
    """The reference cases: ``cases["L01"]`` is one, `frame` reads a file that a case names.

    Numbers and series that may be redistributed are copied here (the package's own data files
    are not copied twice). Others are read from ``../shared/cases`` beside the repository; a test
    that needs them is skipped where that folder is absent.
    """

    FOLDERS = (
        ROOT / "tests" / "published" / "reference",
        ROOT / "rnnstats" / "datasets",
        ROOT.parent / "shared" / "cases",
    )

    def __init__(self) -> None:
        listed = json.loads((self.FOLDERS[0] / "cases.json").read_text(encoding="utf-8"))
        self._cases: dict[str, dict[str, Any]] = {case["id"]: case for case in listed}

    def __getitem__(self, identifier: str) -> dict[str, Any]:
        return self._cases[identifier]

    def path(self, file: str) -> Path:
        """Find a file by its path in the reference folder, such as ``data/nile.csv``."""
        for folder in self.FOLDERS:
            if (folder / file).is_file():
                return folder / file
        owners = [case for case in self._cases.values() if file in case["data"] + case["arrays"]]
        if not owners:
            raise FileNotFoundError(f"no reference case names {file}")
        if any(case["data_may_be_bundled"] for case in owners):
            raise FileNotFoundError(f"{file} may be copied into tests/published/reference: do so")
        pytest.skip(
            f"{file} may not be redistributed ({owners[0]['data_licence']}); "
            f"this test runs where ../shared/cases has it"
        )

    def frame(self, file: str) -> pd.DataFrame:
        """Read a CSV file as it is; blank cells are NaN."""
        return pd.read_csv(self.path(file))


@pytest.fixture(scope="session")
def cases() -> Cases:
    """Give the reference cases."""
    return Cases()


@pytest.fixture(autouse=True)
def _no_figure_is_left_open():
    """Close what a test has drawn: pyplot keeps figures, and warns when there are many."""
    yield
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close("all")
