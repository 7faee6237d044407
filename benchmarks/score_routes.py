"""What each observation's own score must cost: exact routes, counted in multiplications a weight.

    python -m benchmarks.score_routes

Networks of ``python -m benchmarks nonlinear``. A row's score by P weights is its adjoint carried
back over the rows before it; what lies further back than a block of B rows is carried along as
sensitivities of K directions of the state, and combined. With (1 + f) multiplications a weight for
each row that a pass goes back, f the share beside its outer products:

blocks        all K states are carried (`kernels/src/cells_scores.hpp`), B of the best length
truncated     every pass ends where its adjoint is below 2^-53 of where it began; nothing carried
directions    carried in the directions that later rows can still tell apart to 2^-53 (which takes a
              sweep back before), as combinations
selected      the same, the directions being later rows themselves, which are then finished in part

The score takes 3. Numbers of directions are numerical ranks of all later rows' adjoints, the median
over rows of the middle of the series; "one unit" is that of one unit's adjoints alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from benchmarks.nonlinear import Case
from rnnstats.kernels import cells
from rnnstats.kernels.architecture import Kind

FloatArray = NDArray[np.float64]
EPS: Final = 2.0**-53
REACH: Final = 200  # rows after which all is forgotten in these networks
CASES: Final = (("elman", 32), ("gru", 16), ("gru", 32), ("lstm", 16), ("lstm", 32))
LEADS: Final = (0, 8, 16, 32, 48)
BLOCKS: Final = range(8, 129, 8)


class Forgetting:
    """How a network's rows forget.

    Parameters
    ----------
    case : Case
    middle : tuple of int
        Rows before which adjoints are looked at.
    """

    def __init__(self, case: Case, middle: tuple[int, ...] = (220, 250, 280)) -> None:
        self.arch = case.arch
        run = cells.forward(case.arch, case.weights, case.x)
        self.by_state = cells.jacobians(case.arch, case.weights, run)[0]
        self.seed = np.zeros(case.arch.k_state)
        self.seed[case.arch.outputs] = case.weights[case.arch.readout]
        self.adjoints = [self.later(row) for row in middle]
        self.responses = [self.earlier(row) for row in middle]

    def later(self, row: int) -> FloatArray:
        """Adjoints of the state before a row, of the rows from it on, (REACH, K)."""
        out, carried = [], np.eye(self.arch.k_state)
        for t in range(row, row + REACH):
            carried = self.by_state[t] @ carried
            out.append(self.seed @ carried)
        return np.array(out)

    def earlier(self, row: int) -> FloatArray:
        """Derivatives of the state before a row by the states before it, (REACH, K, K)."""
        out = [np.eye(self.arch.k_state)]
        for t in range(row - 1, row - REACH, -1):
            out.append(out[-1] @ self.by_state[t])
        return np.array(out)

    def rows(self) -> float:
        """After how many rows an adjoint is below EPS of its seed."""
        size = float(np.linalg.norm(self.seed))
        found = [np.linalg.norm(a, axis=1) > EPS * size for a in self.adjoints]
        return float(np.median([np.flatnonzero(big).max() + 1 for big in found]))

    def directions(self, lead: int) -> float:
        """Rank of the adjoints of rows `lead` and more after."""
        return float(np.median([self.rank(a[lead:]) for a in self.adjoints]))

    def of_one_unit(self, lead: int) -> float:
        """Rank of the adjoints that meet one number of the state."""
        found = [
            self.rank(a[lead:] @ r[:, :, unit].T)
            for a, r in zip(self.adjoints, self.responses, strict=True)
            for unit in range(self.arch.k_state)
        ]
        return float(np.median(found))

    def rank(self, matrix: FloatArray) -> int:
        """Singular values above EPS of the seed."""
        values = np.linalg.svd(matrix, compute_uv=False)
        return int((values > EPS * np.linalg.norm(self.seed)).sum())


def routes(found: Forgetting) -> dict[str, float]:
    """Multiplications a row, in numbers of weights, of each route at its best block and lead."""
    arch = found.arch
    k, f = float(arch.k_state), arch.k_state * arch.layers[0].units / arch.size
    carried = [(lead, found.directions(lead)) for lead in LEADS]

    def best(cost: Callable[[float, float, float], float], of: list[tuple[int, float]]) -> float:
        return min(cost(block, lead, rank) for block in BLOCKS for lead, rank in of)

    def blocks(block: float, lead: float, rank: float) -> float:
        return (1 + f) * (0.5 * block + lead + rank) + rank + rank**2 / block

    def selected(block: float, lead: float, rank: float) -> float:
        return (1 + f) * (0.5 * block + lead + rank) + rank

    def sweep(block: float, lead: float, rank: float) -> float:
        return f * (0.5 * block + lead + rank)

    return {
        "blocks": best(blocks, [(0, k)]),
        "truncated": (1 + f) * found.rows(),
        "directions": best(lambda *at: blocks(*at) + sweep(*at), carried),
        "selected": best(lambda *at: selected(*at) + sweep(*at), carried),
    }


def main() -> None:
    """Print the tables."""
    for kind, units in CASES:
        found = Forgetting(Case(cast("Kind", kind), units))
        ranks = ", ".join(f"{found.directions(lead):.0f}" for lead in LEADS)
        counts: Any = ", ".join(f"{name} {cost:.0f}" for name, cost in routes(found).items())
        print(
            f"{kind} {units}: K = {found.arch.k_state}, forgets in {found.rows():.0f} rows; "
            f"directions after {', '.join(map(str, LEADS))} rows: {ranks} "
            f"(one unit, 8: {found.of_one_unit(8):.0f}); multiplications a weight: {counts}",
            flush=True,
        )


if __name__ == "__main__":
    main()
