"""Which network learns, and the weights from which it begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from rnnstats._checks import check_float, check_int, check_literal, shown
from rnnstats.diagnostics.memory.training.tasks import Task
from rnnstats.errors import SpecificationError
from rnnstats.kernels.architecture import Architecture, Cell, Kind

__all__ = ["NAMED", "ForgetBias", "Learner", "Recurrent", "learners_of"]

FloatArray = NDArray[np.float64]
ForgetBias = float | Literal["chrono"] | None
Recurrent = Literal["uniform", "orthogonal", "identity"]

KEEPS: Final = {"gru": "update", "lstm": "forget"}  # the gate that multiplies the old state


@dataclass(frozen=True)
class Learner:
    """A recurrent network before it has learnt anything.

    Matrices and constants are drawn uniformly from plus or minus 1 / sqrt(k_hidden), as PyTorch
    does (which has two constants where one is enough); what the other arguments say is put on top
    of that.

    Attributes
    ----------
    cell : {"elman", "gru", "lstm"}
    k_hidden : int
        Number of units.
    forget_bias : float or "chrono", optional
        Of gated cells. Added to the constant of the gate that keeps the old state: forget gate of a
        LSTM (Gers, Schmidhuber and Cummins 2000, Neural Computation 12, 2451-2471), update gate of
        a GRU. "chrono": the constant is ln(u) with u uniform on 1 to ``span - 1`` for each unit, so
        that time constants of the gates spread over about 1 to ``span`` rows, and the input gate of
        a LSTM gets minus that (Tallec and Ollivier 2018, ICLR, equations 15 and 16). None: nothing
        is added.
    span : int, optional
        Longest memory that "chrono" begins with, in rows; by default the lag of the task.
    recurrent : {"uniform", "orthogonal", "identity"}
        Matrix from state to state of an Elman cell: as above, a random rotation (Saxe, McClelland
        and Ganguli 2014, ICLR), or the identity with constants of zero (Le, Jaitly and Hinton 2015,
        arXiv:1504.00941, who take rectified units; these are tanh).
    gain : float
        Factor of that matrix.

    Raises
    ------
    SpecificationError
        An argument is not allowed, or means nothing for the cell.
    """

    cell: Kind = "lstm"
    k_hidden: int = 8
    forget_bias: ForgetBias = None
    span: int | None = None
    recurrent: Recurrent = "uniform"
    gain: float = 1.0

    def __post_init__(self) -> None:
        check_literal(self.cell, get_args(Kind), name="cell", caller="Learner")
        check_int(self.k_hidden, name="k_hidden", caller="Learner", minimum=1)
        check_literal(self.recurrent, get_args(Recurrent), name="recurrent", caller="Learner")
        check_float(self.gain, name="gain", caller="Learner", above=0.0)
        if self.span is not None:
            check_int(self.span, name="span", caller="Learner", minimum=3)
        if isinstance(self.forget_bias, str):
            check_literal(self.forget_bias, ("chrono",), name="forget_bias", caller="Learner")
        elif self.forget_bias is not None:
            check_float(self.forget_bias, name="forget_bias", caller="Learner")
        if self.cell == "elman" and self.forget_bias is not None:
            raise SpecificationError(
                f"Learner: forget_bias needs a gate that forgets; got {self.forget_bias!r} for an "
                "Elman cell. Use recurrent='orthogonal' or 'identity' for a long memory there."
            )
        if self.cell != "elman" and (self.recurrent, self.gain) != ("uniform", 1.0):
            raise SpecificationError(
                f"Learner: recurrent and gain are of the Elman cell; got {self.recurrent!r} and "
                f"{self.gain:g} for {self.cell!r}. A gated cell remembers by its forget_bias."
            )

    def architecture(self, task: Task) -> Architecture:
        """Network with the inputs and outputs of a task.

        Parameters
        ----------
        task : Task

        Returns
        -------
        Architecture
        """
        return Architecture((Cell(self.cell),), (self.k_hidden,), task.k_in, task.k_eta)

    def start(self, arch: Architecture, lag: int, rng: np.random.Generator) -> FloatArray:
        """Draw the weights to begin with.

        Parameters
        ----------
        arch : Architecture
        lag : int
            Of the task.
        rng : numpy.random.Generator

        Returns
        -------
        ndarray, shape (P,)
        """
        units = self.k_hidden
        weights: FloatArray = rng.uniform(-1.0, 1.0, arch.size) / np.sqrt(units)
        matrix = arch.unpack(weights).layers[0][0]  # a view
        if self.cell == "elman":
            self._turn(matrix, rng)
            return weights
        gates = arch.cells[0].gates
        keep = slice(gates.index(KEEPS[self.cell]) * units, None)
        constants = matrix[keep, -1][:units]
        if self.forget_bias == "chrono":
            span = max(3, lag if self.span is None else self.span)
            constants[:] = np.log(rng.uniform(1.0, span - 1.0, units))
            if self.cell == "lstm":
                matrix[:units, -1] = -constants
        elif self.forget_bias is not None:
            constants += self.forget_bias
        return weights

    def _turn(self, matrix: FloatArray, rng: np.random.Generator) -> None:
        """Put the matrix from state to state in its place."""
        units = self.k_hidden
        if self.recurrent == "orthogonal":
            q, r = np.linalg.qr(rng.standard_normal((units, units)))
            matrix[:, :units] = q * np.sign(np.diagonal(r))  # so that every rotation is as likely
        elif self.recurrent == "identity":
            matrix[:, :units] = np.eye(units)
            matrix[:, -1] = 0.0
        matrix[:, :units] *= self.gain


NAMED: Final = {
    "Elman": Learner("elman"),
    "Elman orthogonal": Learner("elman", recurrent="orthogonal"),
    "GRU": Learner("gru"),
    "GRU chrono": Learner("gru", forget_bias="chrono"),
    "LSTM": Learner("lstm", forget_bias=1.0),
    "LSTM chrono": Learner("lstm", forget_bias="chrono"),
}


def learners_of(networks: Sequence[str] | Mapping[str, Learner], caller: str) -> dict[str, Learner]:
    """Read which networks learn.

    Parameters
    ----------
    networks : sequence of str or mapping of str to Learner
        Names of `NAMED`, or networks of one's own by name.
    caller : str

    Returns
    -------
    dict of str to Learner

    Raises
    ------
    SpecificationError
        A name is not known, what it stands for is no `Learner`, or there is none.
    """
    if isinstance(networks, Mapping):
        found = {str(name): one for name, one in networks.items()}
    else:
        names = [networks] if isinstance(networks, str) else list(networks)
        known = tuple(NAMED)
        found = {
            check_literal(name, known, name="networks", caller=caller): NAMED[name]
            for name in names
        }
    if not found or not all(isinstance(one, Learner) for one in found.values()):
        raise SpecificationError(
            f"{caller}: networks must be names or a mapping of names to Learner, one at least; got "
            f"{shown(networks)}. Known names are {', '.join(NAMED)}."
        )
    return found
