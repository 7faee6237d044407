"""Command line of the benchmarks."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Sequence
from datetime import date
from importlib import metadata
from pathlib import Path

# Read by the numerical libraries when they are imported.
ONE_THREAD = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}
# where each family's table stands in the page
MARKS = {
    "linear": ("<!-- table -->", "<!-- end of table -->"),
    "markov": ("<!-- markov table -->", "<!-- end of markov table -->"),
    "nonlinear": ("<!-- nonlinear table -->", "<!-- end of nonlinear table -->"),
}


def machine() -> str:
    """Machine, load and versions, one line each."""
    import rnnstats

    cpu = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            cpu = next(line.split(":")[1].strip() for line in info if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    load = ", ".join(f"{x:.2f}" for x in os.getloadavg()) if hasattr(os, "getloadavg") else "?"
    names = ("numpy", "scipy", "statsmodels", "dynamax", "hmmlearn", "torch", "jax")
    found = [f"rnnstats {rnnstats.__version__}"]
    for name in names:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return (
        f"{cpu}, {os.cpu_count()} cores, one thread used; load average {load}; {date.today()}\n"
        f"Python {platform.python_version()}, {', '.join(found)}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one family of comparisons and print the table.

    Parameters
    ----------
    arguments : sequence of str, optional
        Of the command line.

    Returns
    -------
    int
        0 where every requirement is reached, else 1.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("family", choices=sorted(MARKS), help="which models")
    parser.add_argument("--quick", action="store_true", help="short series, few repetitions")
    parser.add_argument("--out", type=Path, help="Markdown page whose table is to be replaced")
    options = parser.parse_args(arguments)

    os.environ.update(ONE_THREAD)
    from benchmarks import linear, markov, nonlinear
    from benchmarks.table import as_text, verdict

    head = machine()
    print(head, flush=True)
    rows = []
    measured = {"linear": linear.rows, "markov": markov.rows, "nonlinear": nonlinear.rows}[
        options.family
    ]
    for row in measured(options.quick):
        rows.append(row)
        print(f"{row.part}: {row.what}: {row.value:.3g}", file=sys.stderr, flush=True)
    text = as_text(rows)
    print(text, verdict(rows), sep="\n\n")
    if options.out is not None:
        lines = head.splitlines()
        page = options.out.read_text(encoding="utf-8")
        begin, end = MARKS[options.family]
        before, rest = page.split(begin)
        after = rest.split(end)[1]
        block = "\n\n".join([begin, "\n".join(lines), text, verdict(rows), end])
        options.out.write_text(before + block + after, encoding="utf-8")
    return 0 if all(row.reached is not False for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
