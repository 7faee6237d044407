"""Several responses that are jointly normal given the regime: regression and MS-VAR.

Covariances are full, diagonal or spherical, by regime or one for all. Elements that are missing
are left out of the density exactly; the M-step replaces them by their conditional moments
(Little and Rubin 2019, section 11.2). Coefficients follow from generalised least squares, which
is ordinary least squares in each regime where all of them switch; then covariances (ECM; Meng
and Rubin 1993).
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from rnnstats.errors import DataError
from rnnstats.models.regimes.blocks.base import BlockRequest, Rows
from rnnstats.models.regimes.blocks.design import Design, design
from rnnstats.models.regimes.blocks.gaussian_bound import BoundGaussian
from rnnstats.models.regimes.blocks.normal import NormalResponse
from rnnstats.models.regimes.blocks.predictor import coefficient_labels, own, reordered, terms
from rnnstats.parameters.transforms import Block as TransformBlock

__all__ = ["Covariance", "GaussianBlock"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
Covariance = Literal["full", "diagonal", "spherical"]


class GaussianBlock:
    """Emission of d columns that are jointly normal given the regime.

    Parameters
    ----------
    request : BlockRequest
    covariance : {"full", "diagonal", "spherical"}

    Attributes
    ----------
    columns, discrete, composite, names, groups, transforms, order, levels
        As in `rnnstats.models.regimes.blocks.base.Block`.
    place : ndarray of int, shape (d, m, K)
        Places of the coefficients.
    cov_place : ndarray of int, shape (d, d, K)
        Places of the covariances; -1 where they are zero.
    tied : bool
        One covariance matrix for all regimes.
    """

    composite: Final = False
    discrete: Final = False
    levels: Final = None

    def __init__(self, request: BlockRequest, covariance: Covariance = "full") -> None:
        self.request, self.covariance = request, covariance
        self.columns, self.order = request.columns, request.order
        self.tied = "variance" not in request.switching
        d = len(request.names)
        labels = [coefficient_labels(request, j) for j in range(d)]
        rank = {"V": 0, "b_y_trend": 1, "D": 2}
        keyed = [
            (rank.get(label[0], 3 + a), j, a)
            for j, own in enumerate(labels)
            for a, label in enumerate(own)
        ]
        if request.order:  # all coefficients of a lag together
            first = len(labels[0]) - request.order * d
            keyed = [(r if r < 3 else 3 + (a - first) // d, j, a) for r, j, a in keyed]
        keyed.sort()
        made = terms(request, [labels[j][a] for _, j, a in keyed])
        self.place = np.zeros((d, len(labels[0]), request.k_regimes), dtype=np.intp)
        for row, (_, j, a) in enumerate(keyed):
            self.place[j, a] = made.place[row]
        names = self._lay_covariances(len(made.names))
        self.names = made.names + names
        self.groups = made.groups + ("obs_cov",) * len(names)
        self.own = own(self.place, self.cov_place)
        self.own_scale = not self.tied

    def _lay_covariances(self, first: int) -> tuple[str, ...]:
        """Name the covariances, one matrix after the other, and say how they are transformed."""
        request, d = self.request, len(self.columns)
        self.cov_place: IntArray = np.full((d, d, request.k_regimes), -1, dtype=np.intp)
        names: list[str] = []
        transforms: list[TransformBlock] = []
        for k, regime in enumerate((None,) if self.tied else request.regime_names):
            columns = slice(None) if self.tied else slice(k, k + 1)
            start = first + len(names)
            suffix = "" if regime is None else f",{regime}"
            if self.covariance == "spherical":
                self.cov_place[np.arange(d), np.arange(d), columns] = start
                names.append(f"obs_cov[{request.names[0]}:{request.names[-1]}{suffix}]")
            else:
                for i in range(d):
                    for j in range(i + 1) if self.covariance == "full" else (i,):
                        here = first + len(names)
                        self.cov_place[i, j, columns] = self.cov_place[j, i, columns] = here
                        names.append(f"obs_cov[{request.names[i]},{request.names[j]}{suffix}]")
            places = tuple(range(start, first + len(names)))
            kind: Literal["covariance", "positive"] = (
                "covariance" if self.covariance == "full" else "positive"
            )
            transforms.append(TransformBlock(kind, places))
        self.transforms = tuple(transforms)
        return tuple(names)

    def check(self, y: FloatArray) -> None:
        """
        Refuse what is not finite.

        Parameters
        ----------
        y : ndarray, shape (n, d)
            NaN is missing.

        Raises
        ------
        DataError
            An observation is infinite.
        """
        bad = np.argwhere(np.isinf(y))
        if len(bad):
            row, column = bad[0]
            raise DataError(
                f"{self.request.caller}: column {self.request.names[column]!r} of endog must hold "
                f"finite numbers; got {float(y[row, column])!r} in row {int(row)}. Mark missing "
                "observations with NaN."
            )

    def bind(self, rows: Rows, floor: float | FloatArray = 0.0) -> BoundGaussian:
        floors = np.array(np.broadcast_to(np.asarray(floor, dtype=np.float64), len(self.columns)))
        return BoundGaussian(self, rows, floors)

    def response_at(self, part: FloatArray, rows: Rows) -> NormalResponse:
        return self.law(part, design(self.request, rows), len(rows.y))

    def reordered(self, part: FloatArray, order: IntArray) -> FloatArray:
        return reordered(part, order, self.place, self.cov_place)

    def law(self, part: FloatArray, given: Design, n: int) -> NormalResponse:
        """
        Distribution of n rows with a design.

        Parameters
        ----------
        part : ndarray, shape (q,)
        given : Design
        n : int

        Returns
        -------
        NormalResponse
        """
        means = np.stack([given.eta(part[place]) for place in self.place], axis=2)
        if given.usable is not None:
            means = np.where(given.usable[:, None, None], means, np.nan)
        return NormalResponse(self.columns, means, self.covariances(part), n)

    def covariances(self, part: FloatArray) -> FloatArray:
        """
        Covariance matrices by regime.

        Parameters
        ----------
        part : ndarray, shape (q,)

        Returns
        -------
        ndarray, shape (K, d, d)
        """
        return np.ascontiguousarray(np.append(part, 0.0)[self.cov_place].transpose(2, 0, 1))

    def put_covariances(self, part: FloatArray, covariances: FloatArray) -> None:
        """
        Write covariance matrices into a part.

        Parameters
        ----------
        part : ndarray, shape (q,)
            Changed.
        covariances : ndarray, shape (K, d, d)
            Equal ones if tied; diagonal, or a multiple of the identity, where the block says so.
        """
        place = self.cov_place.transpose(2, 0, 1)
        part[place[place >= 0]] = covariances[place >= 0]
