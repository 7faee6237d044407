"""PyTorch's nn.RNN, nn.GRU, nn.LSTM with a linear readout, float64. Only where it is installed."""

from __future__ import annotations

import importlib.util
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rnnstats.kernels.cells import Architecture

FloatArray = NDArray[np.float64]
TOLERANCE = 1e-9


def available() -> bool:
    """Whether PyTorch is installed."""
    return importlib.util.find_spec("torch") is not None


class Network:
    """One layer and its readout, normal errors of variance one; one thread.

    Parameters
    ----------
    arch : Architecture
        One layer, without a skip connection.
    weights : ndarray, shape (P,)
    x : ndarray, shape (n, k_in)
    y : ndarray, shape (n, k_eta)
    """

    def __init__(
        self, arch: Architecture, weights: FloatArray, x: FloatArray, y: FloatArray
    ) -> None:
        import torch

        torch.set_num_threads(1)
        self.torch: Any = torch
        self.arch = arch
        kind = {"elman": "RNN", "gru": "GRU", "lstm": "LSTM"}[arch.cells[0].kind]  # type: ignore[union-attr]
        self.cell: Any = getattr(torch.nn, kind)(arch.k_in, arch.units[0]).double()
        self.head: Any = torch.nn.Linear(arch.units[0], arch.k_eta).double()
        self.x, self.y = torch.from_numpy(x), torch.from_numpy(y)
        self.parameters = [*self.cell.parameters(), *self.head.parameters()]
        self.put(weights)

    def put(self, weights: FloatArray) -> None:
        """Set the weights; its two constants are ours and zero, but for that inside the reset."""
        w, units, torch = self.arch.unpack(weights), self.arch.units[0], self.torch
        W, extra = w.layers[0]
        other = np.zeros(len(W))
        if len(extra):
            other[2 * units :] = extra
        parts = (W[:, units:-1], W[:, :units], W[:, -1], other, w.readout, w.constant)
        ours = dict(
            zip(("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"), parts, strict=False)
        )
        with torch.no_grad():
            for name, value in ours.items():
                getattr(self.cell, name).copy_(torch.from_numpy(np.ascontiguousarray(value)))
            self.head.weight.copy_(torch.from_numpy(np.ascontiguousarray(w.readout)))
            self.head.bias.copy_(torch.from_numpy(np.ascontiguousarray(w.constant)))

    def loss(self) -> Any:
        """Minus the log-likelihood but for its constant."""
        return 0.5 * ((self.y - self.head(self.cell(self.x)[0])) ** 2).sum()

    def score(self) -> float:
        """Log-likelihood; its gradient is then in the parameters."""
        for one in self.parameters:
            one.grad = None
        loss = self.loss()
        loss.backward()
        return -loss.item() - 0.5 * np.log(2.0 * np.pi) * self.y.numel()

    def gradient(self) -> FloatArray:
        """What `score` left, in our order."""
        cell, units = self.cell, self.arch.units[0]
        constant, extra = cell.bias_ih_l0.grad.numpy(), np.zeros(0)
        if len(self.arch.unpack(np.zeros(self.arch.size)).layers[0][1]):
            extra = cell.bias_hh_l0.grad.numpy()[2 * units :]
        W = np.hstack(
            [cell.weight_hh_l0.grad.numpy(), cell.weight_ih_l0.grad.numpy(), constant[:, None]]
        )
        head = self.head.weight.grad.numpy().ravel(), self.head.bias.grad.numpy()
        return -np.concatenate([W.ravel(), extra, *head])


def train(
    network: Network, how: Literal["Adam", "L-BFGS"], target: float, steps: int
) -> tuple[float, int]:
    """Climb until a concentrated log-likelihood is reached, or for so many steps.

    Parameters
    ----------
    network : Network
        Begins at its weights.
    how : {"Adam", "L-BFGS"}
        Adam at rate 0.01; L-BFGS with its strong Wolfe search.
    target : float
        Log-likelihood, the variance of the errors at its best value.
    steps : int

    Returns
    -------
    llf : float
        The best.
    steps : int
        Gradients computed.
    """
    torch = network.torch
    n, best, count = network.y.numel(), -np.inf, 0

    class ReachedError(Exception):
        pass

    def closure() -> Any:
        nonlocal best, count
        for one in network.parameters:
            one.grad = None
        # minus the log-likelihood at the best variance, which both optimisers can climb
        loss = 0.5 * n * torch.log(2.0 * network.loss() / n)
        loss.backward()
        count += 1
        best = max(best, -loss.item() - 0.5 * n * (np.log(2.0 * np.pi) + 1.0))
        if best >= target or count >= steps:
            raise ReachedError
        return loss

    make = {
        "Adam": lambda p: torch.optim.Adam(p, lr=0.01),
        "L-BFGS": lambda p: torch.optim.LBFGS(
            p, max_iter=steps, max_eval=steps, history_size=20, line_search_fn="strong_wolfe",
            tolerance_grad=1e-10, tolerance_change=0.0,
        ),
    }  # fmt: skip
    optimiser = make[how](network.parameters)
    try:
        while True:
            before = count
            optimiser.step(closure)
            if how == "L-BFGS" and count - before <= 1:  # it stands still
                break
    except ReachedError:
        pass
    return best, count
