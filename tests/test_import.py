"""What importing costs, which names are public, and which copy is tested."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
from pathlib import Path

import pytest

import rnnstats


def test_import_loads_no_heavy_package(run_python):
    heavy = ["statsmodels", "matplotlib", "joblib", "tqdm", "pandas", "scipy"]
    code = f"import sys, rnnstats; print([m for m in {heavy} if m in sys.modules])"
    done = run_python("-c", code)
    assert done.stdout.strip() == "[]", done.stderr


def test_datasets_load_on_first_use_and_need_only_pandas(run_python):
    heavy = ["statsmodels", "matplotlib", "joblib", "tqdm"]
    code = (
        "import sys, rnnstats; assert 'rnnstats.datasets' not in sys.modules\n"
        "assert len(rnnstats.datasets.nile()) == 100\n"
        f"print([m for m in {heavy} if m in sys.modules])"
    )
    done = run_python("-c", code)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize("model", ["LinearRNN", "MarkovRNN", "ElmanRNN", "BidirectionalRNN"])
def test_model_loads_no_plotting_and_no_statsmodels(run_python, model):
    heavy = ["statsmodels", "matplotlib", "joblib", "tqdm", "torch"]
    code = (
        "import sys, warnings; warnings.simplefilter('ignore')\n"
        f"import rnnstats; rnnstats.{model}\n"
        f"print([m for m in {heavy} if m in sys.modules])"
    )
    done = run_python("-c", code)
    assert done.stdout.strip() == "[]", done.stderr


def test_public_names():
    assert len(rnnstats.__all__) <= 25
    assert set(rnnstats.__all__) <= set(dir(rnnstats))
    for name in rnnstats.__all__:
        assert getattr(rnnstats, name).__name__.rpartition(".")[2] == name


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'rnnstats' has no attribute 'LinearRMM'"):
        _ = rnnstats.LinearRMM


def test_type_information_is_shipped():
    assert (Path(rnnstats.__file__).parent / "py.typed").is_file()


def test_version_is_that_of_the_metadata():
    try:
        version = importlib.metadata.version("rnnstats")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the package is not installed, so it has no metadata")
    assert version == rnnstats.__version__


@pytest.mark.parametrize(
    ("core", "front"), [("_core", "kalman"), ("_markov", "markov"), ("_cells", "cells")]
)
def test_the_compiled_core_is_used_where_it_was_built(core, front):
    """An installation that contains the compiled core must be the one under test."""
    # all of them: a build leaves metadata in the clone, which would hide those of the installation
    installations = list(importlib.metadata.distributions(name="rnnstats"))
    files = [file for one in installations for file in one.files or []]
    built = [file for file in files if file.stem.startswith(f"{core}.")]
    if not built:
        pytest.skip("no installation with a compiled core: whatever lies on the path is tested")
    assert importlib.import_module(f"rnnstats.kernels.{front}").HAVE_COMPILED
    used = Path(sys.modules[f"rnnstats.kernels.{core}"].__file__).resolve()
    assert used == Path(built[0].locate()).resolve()


def test_main_module_is_the_command_line():
    assert importlib.util.find_spec("rnnstats.__main__") is not None


def test_every_header_is_a_dependency_of_the_compiled_core():
    """Else an edited header would not be compiled again."""
    root = Path(__file__).parents[1]
    settings = (root / "pyproject.toml").read_text(encoding="utf-8")
    headers = sorted((root / "rnnstats/kernels/src").glob("*.hpp"))
    assert headers
    for header in headers:
        assert f'"{header.relative_to(root).as_posix()}"' in settings
