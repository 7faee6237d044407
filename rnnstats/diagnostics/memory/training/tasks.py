"""Three tasks whose answer lies far back: first symbol, adding, copying.

Sequences are drawn afresh each time, so that nothing can be learnt by heart and the error of a
batch before its step is an error out of sample. The time lag of a sequence is the number of rows
between what must be remembered and where it is asked for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from rnnstats._checks import check_float, check_int

__all__ = ["Adding", "Batch", "Copying", "FirstSymbol", "Judged", "Task", "explained"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
ADDING_VARIANCE: Final = 1.0 / 6.0  # of the sum of two uniform numbers
WORST: Final = -1.0


@dataclass(frozen=True, eq=False)
class Batch:
    """Sequences one after the other.

    Attributes
    ----------
    inputs : ndarray, shape (n * rows, k_in)
    offsets : ndarray of int, shape (n + 1,)
    asked : ndarray of int, shape (m,)
        Rows of the inputs at which something is asked for; the last row of each sequence is one.
    target : ndarray, shape (m,)
        Numbers, or numbers of the classes.
    """

    inputs: FloatArray
    offsets: IntArray
    asked: IntArray
    target: FloatArray

    @property
    def size(self) -> int:
        """Number of sequences."""
        return len(self.offsets) - 1


@dataclass(frozen=True, eq=False)
class Judged:
    """What answers are worth.

    Attributes
    ----------
    loss : float
        Mean over what is asked: cross-entropy in nats, or half the squared error.
    skill : float
        One for perfect answers; zero for the best answers that do not look at the inputs, less for
        worse ones: (share right - chance) / (1 - chance), or one minus the mean squared error
        relative to the variance. Numbers that have grown out of all bounds count as -1, so that a
        mean over runs still says something.
    slopes : ndarray, shape (n * rows, k_eta)
        Derivative of the loss by each eta.
    """

    loss: float
    skill: float
    slopes: FloatArray


class Task(ABC):
    """A distribution of sequences and what is asked about them."""

    @property
    @abstractmethod
    def title(self) -> str:
        """Words for tables and pictures."""

    @property
    @abstractmethod
    def k_in(self) -> int:
        """Number of inputs."""

    @property
    @abstractmethod
    def k_eta(self) -> int:
        """Number of outputs."""

    @abstractmethod
    def draw(self, lag: int, size: int, rng: np.random.Generator) -> Batch:
        """Draw sequences.

        Parameters
        ----------
        lag : int
        size : int
            Number of sequences.
        rng : numpy.random.Generator

        Returns
        -------
        Batch
        """

    @abstractmethod
    def judge(self, eta: FloatArray, batch: Batch) -> Judged:
        """Compare answers with what was right.

        Parameters
        ----------
        eta : ndarray, shape (n * rows, k_eta)
        batch : Batch

        Returns
        -------
        Judged
        """


def _cuts(size: int, rows: int) -> IntArray:
    """Offsets of sequences of equal length."""
    return np.arange(size + 1, dtype=np.int64) * rows


def explained(eta: FloatArray, batch: Batch, variance: float) -> Judged:
    """Judge one number a row by its squared error.

    Parameters
    ----------
    eta : ndarray, shape (n * rows, 1)
    batch : Batch
    variance : float
        Of what is asked for.

    Returns
    -------
    Judged
    """
    error = eta[batch.asked, 0] - batch.target
    square = float(np.mean(error**2))
    slopes = np.zeros_like(eta)
    slopes[batch.asked, 0] = error / len(error)
    skill = 1.0 - square / variance
    return Judged(0.5 * square, skill if skill > WORST else WORST, slopes)


def _classes(eta: FloatArray, batch: Batch) -> Judged:
    """Judge logits of all classes."""
    logits = eta[batch.asked]
    right = batch.target.astype(np.int64)
    own = (np.arange(len(right)), right)
    log_prob = logits - logsumexp(logits, axis=1, keepdims=True)
    by_logits = np.exp(log_prob)
    by_logits[own] -= 1.0
    slopes = np.zeros_like(eta)
    slopes[batch.asked] = by_logits / len(right)
    chance = 1.0 / eta.shape[1]
    share = float(np.mean(logits.argmax(axis=1) == right))
    return Judged(-float(log_prob[own].mean()), (share - chance) / (1.0 - chance), slopes)


@dataclass(frozen=True)
class FirstSymbol(Task):
    """Recall the symbol of the first row, ``lag`` rows later.

    Row 0 shows one of `alphabet` symbols, one input each; rows 1 to ``lag`` show Gaussian noise on
    an input of its own. The answer is asked for at row ``lag``. After the latching problem of
    Bengio, Simard and Frasconi (1994), IEEE Transactions on Neural Networks 5, 157-166.

    Attributes
    ----------
    alphabet : int
    noise : float
        Standard deviation.
    """

    alphabet: int = 2
    noise: float = 1.0

    def __post_init__(self) -> None:
        check_int(self.alphabet, name="alphabet", caller="FirstSymbol", minimum=2)
        hint = "Without noise the task is the same as with a very small one."
        check_float(self.noise, name="noise", caller="FirstSymbol", above=0.0, hint=hint)

    @property
    def title(self) -> str:
        """Words for tables and pictures."""
        return "First-symbol recall"

    @property
    def k_in(self) -> int:
        """Number of inputs."""
        return self.alphabet + 1

    @property
    def k_eta(self) -> int:
        """Number of outputs."""
        return self.alphabet

    def draw(self, lag: int, size: int, rng: np.random.Generator) -> Batch:
        """Draw sequences of ``lag + 1`` rows.

        Parameters
        ----------
        lag : int
        size : int
        rng : numpy.random.Generator

        Returns
        -------
        Batch
        """
        symbol = rng.integers(self.alphabet, size=size)
        rows = np.zeros((size, lag + 1, self.k_in))
        rows[np.arange(size), 0, symbol] = 1.0
        rows[:, 1:, -1] = self.noise * rng.standard_normal((size, lag))
        cuts = _cuts(size, lag + 1)
        return Batch(rows.reshape(-1, self.k_in), cuts, cuts[1:] - 1, symbol.astype(np.float64))

    def judge(self, eta: FloatArray, batch: Batch) -> Judged:
        """Cross-entropy and share of symbols recalled.

        Parameters
        ----------
        eta : ndarray, shape (n * rows, alphabet)
        batch : Batch

        Returns
        -------
        Judged
        """
        return _classes(eta, batch)


@dataclass(frozen=True)
class Adding(Task):
    """Add two marked numbers of ``lag`` rows.

    The first input is uniform on (0, 1), the second one at two rows, zero elsewhere: one mark in
    the first half of the rows, one in the second. Their sum is asked for at the last row.
    Hochreiter and Schmidhuber (1997), Neural Computation 9, 1735-1780, section 5.4; the marks as in
    Le, Jaitly and Hinton (2015), arXiv:1504.00941.
    """

    @property
    def title(self) -> str:
        """Words for tables and pictures."""
        return "Adding problem"

    @property
    def k_in(self) -> int:
        """Number of inputs."""
        return 2

    @property
    def k_eta(self) -> int:
        """Number of outputs."""
        return 1

    def draw(self, lag: int, size: int, rng: np.random.Generator) -> Batch:
        """Draw sequences of ``lag`` rows.

        Parameters
        ----------
        lag : int
            At least 2.
        size : int
        rng : numpy.random.Generator

        Returns
        -------
        Batch
        """
        lag = check_int(lag, name="lag", caller="Adding", minimum=2, hint="There are two marks.")
        rows = np.zeros((size, lag, 2))
        rows[:, :, 0] = rng.random((size, lag))
        every, half = np.arange(size), lag // 2
        first, second = rng.integers(half, size=size), rng.integers(half, lag, size=size)
        rows[every, first, 1] = rows[every, second, 1] = 1.0
        target = rows[every, first, 0] + rows[every, second, 0]
        cuts = _cuts(size, lag)
        return Batch(rows.reshape(-1, 2), cuts, cuts[1:] - 1, target)

    def judge(self, eta: FloatArray, batch: Batch) -> Judged:
        """Half the squared error, and the share of the variance that is explained.

        Parameters
        ----------
        eta : ndarray, shape (n * rows, 1)
        batch : Batch

        Returns
        -------
        Judged
        """
        return explained(eta, batch, ADDING_VARIANCE)


@dataclass(frozen=True)
class Copying(Task):
    """Repeat a string of symbols after ``lag`` rows.

    `length` rows show symbols, then come blanks; the last blank row before the answer shows a mark
    instead, and each symbol is asked for ``lag`` rows after it was shown. Hochreiter and
    Schmidhuber (1997), section 5.1, in the form of Arjovsky, Shah and Bengio (2016), ICML 48,
    1120-1128, section 5.1, but only the symbols are judged: blanks before them cost nothing.

    Attributes
    ----------
    length : int
    alphabet : int
    """

    length: int = 2
    alphabet: int = 2

    def __post_init__(self) -> None:
        check_int(self.length, name="length", caller="Copying", minimum=1)
        check_int(self.alphabet, name="alphabet", caller="Copying", minimum=2)

    @property
    def title(self) -> str:
        """Words for tables and pictures."""
        return "Copy problem"

    @property
    def k_in(self) -> int:
        """Number of inputs."""
        return self.alphabet + 1

    @property
    def k_eta(self) -> int:
        """Number of outputs."""
        return self.alphabet

    def draw(self, lag: int, size: int, rng: np.random.Generator) -> Batch:
        """Draw sequences of ``lag + length`` rows.

        Parameters
        ----------
        lag : int
            More than `length`.
        size : int
        rng : numpy.random.Generator

        Returns
        -------
        Batch
        """
        hint = "The mark comes between the string and its copy."
        lag = check_int(lag, name="lag", caller="Copying", minimum=self.length + 1, hint=hint)
        symbols = rng.integers(self.alphabet, size=(size, self.length))
        rows = np.zeros((size, lag + self.length, self.k_in))
        every, place = np.ogrid[:size, : self.length]
        rows[every, place, symbols] = 1.0
        rows[:, lag - 1, -1] = 1.0
        cuts = _cuts(size, lag + self.length)
        asked = (cuts[:-1, None] + lag + np.arange(self.length)).ravel()
        return Batch(rows.reshape(-1, self.k_in), cuts, asked, symbols.ravel().astype(np.float64))

    def judge(self, eta: FloatArray, batch: Batch) -> Judged:
        """Cross-entropy and share of symbols repeated.

        Parameters
        ----------
        eta : ndarray, shape (n * rows, alphabet)
        batch : Batch

        Returns
        -------
        Judged
        """
        return _classes(eta, batch)
