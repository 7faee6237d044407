"""Names of the coefficients of a vector ARMA model."""

from __future__ import annotations

from rnnstats.results.varma.mapping import Coefficients

__all__ = ["coefficient_names"]


def coefficient_names(
    found: Coefficients, names: tuple[tuple[str, ...], tuple[str, ...]], *, scalar: bool
) -> list[str]:
    """Name the numbers of ``found.flat()``.

    Parameters
    ----------
    found : Coefficients
        Only shapes matter.
    names : pair of tuples of str
        Outputs and inputs.
    scalar : bool
        Whether all outputs share one autoregressive polynomial: its coefficients are ``ar1``, ...
        and their repetitions have empty names.

    Returns
    -------
    list of str
        Empty for cells that repeat others: the upper triangle of sigma_u.
    """
    outputs, inputs = names
    out = [f"{label}[{y}]" for label in ("intercept", "trend") for y in outputs]
    out += [f"ar0[{y},{other}]" for y in outputs for other in outputs]
    polynomials = found.polynomials
    for label, lags in (("ar", polynomials.ar), ("ma", polynomials.ma)):
        for lag in range(1, len(lags) + 1):
            if scalar and label == "ar":
                out += [f"ar{lag}"] + [""] * (len(outputs) ** 2 - 1)
                continue
            out += [f"{label}{lag}[{y},{other}]" for y in outputs for other in outputs]
    for lag in range(len(polynomials.exog)):
        out += [f"exog{lag}[{y},{x}]" for y in outputs for x in inputs]
    for i, y in enumerate(outputs):
        out += [f"sigma_u[{y},{other}]" if j <= i else "" for j, other in enumerate(outputs)]
    return out
