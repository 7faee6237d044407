"""Run notebooks from their first cell to their last, as a reader would.

    python -m notebooks.run notebooks/dna_regimes.ipynb

writes what the cells print, and the figures they draw, into the file. The tests run every notebook
through `execute` and compare what comes out with what is in the file. Needs nothing but matplotlib:
a notebook is JSON (nbformat 4), a cell is Python.
"""

from __future__ import annotations

import argparse
import ast
import base64
import contextlib
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["execute", "main", "printed", "read"]

DPI, COLOURS = 80, 160


def read(path: Path) -> dict[str, Any]:
    """Return a notebook as it is in its file."""
    notebook: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return notebook


def execute(notebook: dict[str, Any]) -> dict[str, Any]:
    """Return the notebook with the outputs of a fresh run, all cells in one namespace."""
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    mpl.use("Agg", force=True)
    plt.close("all")
    names: dict[str, Any] = {"__name__": "__main__"}
    cells, count = [], 0
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            cells.append(cell)
            continue
        count += 1
        source = "".join(cell["source"])
        outputs = _run(source, names, count)
        cells.append({**cell, "outputs": outputs, "execution_count": count})
    return {**notebook, "cells": cells}


def printed(notebook: dict[str, Any]) -> list[str]:
    """Return the text of each code cell's outputs."""
    texts = []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            parts = [x.get("text") or x.get("data", {}).get("text/plain") for x in cell["outputs"]]
            texts.append("".join("".join(part) for part in parts if part))
    return texts


def _run(source: str, names: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """Run one cell; the value of a last expression is shown, unless a semicolon follows it."""
    import matplotlib.pyplot as plt

    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    stream = io.StringIO()
    value = None
    with contextlib.redirect_stdout(stream):
        exec(compile(tree, f"cell {count}", "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), f"cell {count}", "eval"), names)
    outputs: list[dict[str, Any]] = []
    if stream.getvalue():
        outputs.append({"output_type": "stream", "name": "stdout", "text": _lines(stream)})
    quiet = source.rstrip().endswith(";") or type(value).__module__.startswith("matplotlib")
    if value is not None and not quiet:
        data = {"text/plain": repr(value).splitlines(keepends=True)}
        outputs.append(
            {
                "output_type": "execute_result",
                "data": data,
                "metadata": {},
                "execution_count": count,
            }
        )
    for number in plt.get_fignums():
        coded = base64.b64encode(_picture(plt.figure(number))).decode("ascii")
        data = {"image/png": coded, "text/plain": ["<Figure>"]}
        outputs.append({"output_type": "display_data", "data": data, "metadata": {}})
    plt.close("all")
    return outputs


def _picture(figure: Any) -> bytes:
    """Figure as a PNG of few colours, a quarter of the bytes of one with all."""
    from PIL import Image  # matplotlib needs it too

    whole, small = io.BytesIO(), io.BytesIO()
    figure.savefig(whole, format="png", dpi=DPI)
    with Image.open(whole) as image:
        few = image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        few.save(small, format="png", optimize=True)
    return small.getvalue()


def _lines(stream: io.StringIO) -> list[str]:
    return stream.getvalue().splitlines(keepends=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run notebooks and write their outputs into them."""
    parser = argparse.ArgumentParser(prog="python -m notebooks.run", description=__doc__)
    parser.add_argument("paths", nargs="+", type=Path)
    for path in parser.parse_args(arguments).paths:
        done = execute(read(path))
        text = json.dumps(done, indent=1, ensure_ascii=False)
        path.write_text(text + "\n", encoding="utf-8")
        print(path, file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
