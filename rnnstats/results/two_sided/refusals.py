"""What makes no sense for a bidirectional network, and why."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from rnnstats.errors import SpecificationError
from rnnstats.estimation.covariance import CovType

__all__ = ["NEVER", "PSEUDO", "check_covariance"]

_READS = "a bidirectional network says what the target is given inputs before and after it;"
_STATES = "its states are functions of the rows, without regimes. Use MarkovRNN, or"
_CURVED = "the network is not linear, so there is no"

# For every bidirectional network.
NEVER: Final[Mapping[str, str]] = MappingProxyType(
    {
        "impulse_responses": f"{_READS} it does not step from the past into the future, so that "
        "no shock travels through it. Use those of ElmanRNN, GRU or LSTM.",
        "generalized_responses": f"{_READS} it does not step from the past into the future, so "
        "that no shock travels through it. Use those of ElmanRNN, GRU or LSTM.",
        "extend": "later rows change what the backward cell says about all earlier ones, so there "
        "are no results for later rows alone. Use append().",
        "to_varma": f"{_CURVED} VARMA with the same law. Fit LinearRNN.",
        "to_rnn": "the model is a recurrent network already: params are its weights.",
        "to_birnn": "the model is a bidirectional network already: params are its weights.",
        "to_statsmodels": "statsmodels has no recurrent networks. Fit LinearRNN and use its "
        "to_statsmodels().",
        "to_hmm": f"{_STATES} smoothed_state.",
        "fevd": f"{_CURVED} sum of shares of shocks. Use LinearRNN.",
        "historical_decomposition": f"{_CURVED} sum of contributions of shocks. Use LinearRNN.",
        "contributions": f"{_CURVED} sum of contributions of shocks and inputs. Use LinearRNN.",
        "observation_weights": f"{_CURVED} weights of single rows. Use LinearRNN, whose smoother "
        "has some.",
        "conditional_forecast": "targets are independent given the inputs, so that given values "
        "of some say nothing about others. Use get_forecast().",
        "news": "revisions are not sums of contributions of single rows here. Compare "
        "smoothedvalues before and after append().",
        "average_partial_effects": f"{_READS} an input acts on all rows of its sequence. Compare "
        "smoothed_prediction() of apply() with other inputs.",
        "partial_effects": f"{_READS} an input acts on all rows of its sequence. Compare "
        "smoothed_prediction() of apply() with other inputs.",
        "predict_at": f"{_READS} a single history is not enough. Use apply() with other inputs.",
        "test_linearity": "tests of linearity are for networks that read the past. Use those of "
        "ElmanRNN, GRU or LSTM, or lr_test() against restrictions.",
        "transition": f"{_STATES} smoothed_state.",
        "transition_table": f"{_STATES} smoothed_state.",
        "filtered_marginal_probabilities": f"{_STATES} filtered_state.",
        "smoothed_marginal_probabilities": f"{_STATES} smoothed_state.",
        "predicted_marginal_probabilities": f"{_STATES} predicted_state.",
        "viterbi": f"{_STATES} smoothed_state.",
        "expected_durations": f"{_STATES} smoothed_state.",
        "duration_table": f"{_STATES} smoothed_state.",
        "stationary_probabilities": f"{_STATES} smoothed_state.",
        "stationary_table": f"{_STATES} smoothed_state.",
        "switch_probability": f"{_STATES} smoothed_state.",
        "turning_points": f"{_STATES} smoothed_state.",
    }
)

_HINDSIGHT = (
    "each row is predicted from the rows before and after it here, and nothing called fitted, "
    "resid or predict uses the future of the target. Use"
)
_NO_LAW = (
    "the objective is a pseudo-likelihood: laws of each row given all others, which need not be "
    "those of any series. Use"
)
_NO_FUTURE = (
    "to predict a row the network reads rows of the target after it, which do not exist past the "
    "sample. Use"
)
_NO_MODULE = (
    "the cells read rows of the target before and after each row, and their own predictions in the "
    "place of those that are missing or lie beyond the ends; a module has no such feedback. Use "
    "to_torch() of a network given inputs only (y_lags=0), or copy the weights from params."
)
_DEPENDENT = (
    "errors of rows predicted from both sides are correlated over time even if the model is right, "
    "so that the test's p-value is wrong. Look at smoothed_resid, or use"
)
_NOT_CHI2 = (
    "twice the difference of two pseudo-likelihoods is no chi-squared variable but a weighted sum "
    "of some (Kent 1982, Biometrika 69, 19-27). Use"
)

# Where the target itself is read, and the objective is a pseudo-likelihood.
PSEUDO: Final[Mapping[str, str]] = MappingProxyType(
    {
        "fittedvalues": f"{_HINDSIGHT} smoothedvalues.",
        "resid": f"{_HINDSIGHT} smoothed_resid.",
        "standardized_resid": f"{_HINDSIGHT} smoothed_resid.",
        "quantile_residuals": f"{_HINDSIGHT} smoothed_resid.",
        "predict": f"{_HINDSIGHT} smoothed_prediction().",
        "get_prediction": f"{_HINDSIGHT} smoothed_prediction().",
        "forecast": f"{_NO_FUTURE} ElmanRNN, GRU or LSTM.",
        "get_forecast": f"{_NO_FUTURE} ElmanRNN, GRU or LSTM.",
        "plot_forecast": f"{_NO_FUTURE} ElmanRNN, GRU or LSTM.",
        "plot_fan": f"{_NO_FUTURE} ElmanRNN, GRU or LSTM.",
        "to_torch": _NO_MODULE,
        "from_torch": _NO_MODULE,
        "simulate": f"{_NO_LAW} ElmanRNN, GRU or LSTM.",
        "bootstrap": f"{_NO_LAW} standard errors with cov_type='hac'.",
        "test_normality": f"{_DEPENDENT} those of ElmanRNN, GRU or LSTM.",
        "test_serial_correlation": f"{_DEPENDENT} those of ElmanRNN, GRU or LSTM.",
        "test_heteroskedasticity": f"{_DEPENDENT} those of ElmanRNN, GRU or LSTM.",
        "plot_diagnostics": f"{_DEPENDENT} those of ElmanRNN, GRU or LSTM.",
        "lr_test": f"{_NOT_CHI2} wald_test(), or compare aic, which is the composite criterion.",
        "profile_conf_int": f"{_NOT_CHI2} conf_int().",
        "compare_covariances": f"{_NO_LAW} with_cov(): curvature and variance of the scores differ "
        "even if the model is right.",
    }
)


def check_covariance(model: Any, cov_type: CovType | None, caller: str) -> CovType:
    """Choose or check the covariance of the estimates.

    Parameters
    ----------
    model : BidirectionalRNN
    cov_type : str, optional
        A known kind.
    caller : str

    Returns
    -------
    str
        By default "oim" of a regression likelihood, "hac" of a pseudo-likelihood.

    Raises
    ------
    SpecificationError
        A kind that takes curvature for the inverse of the variance, with a pseudo-likelihood.
    """
    if cov_type is None:
        return "hac" if model.pseudo else "oim"
    if model.pseudo and cov_type in ("oim", "approx", "opg"):
        raise SpecificationError(
            f"{caller}: cov_type={cov_type!r} rests on the information equality, which a "
            "pseudo-likelihood does not have: its curvature is not the variance of its scores, "
            "even if the model is right. Use 'hac', or 'cluster' with many sequences."
        )
    return cov_type
