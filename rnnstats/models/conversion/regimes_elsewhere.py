"""Constructors of models with regimes from other descriptions of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rnnstats.models.conversion.hmm import ConvertedRegimes

__all__ = ["RegimesFromElsewhere"]


class RegimesFromElsewhere:
    """Class methods that return a model with regimes and its parameters."""

    @classmethod
    def from_hmm(
        cls,
        transition: Any,
        parameters: Any = None,
        start: Any = None,
        endog: Any = None,
        *,
        emission: Any = None,
        **options: Any,
    ) -> ConvertedRegimes:
        """Make the model and its parameters from the numbers of a hidden Markov model.

        Parameters
        ----------
        transition : array_like, shape (K, K), or a whole model
            Rows from, columns to; zeros are exact. Or ``results.to_hmm()``, a network
            (``results.to_rnn()``, `rnnstats.equivalence.hmm`), or a fitted model of hmmlearn: these
            hold all that follows but `endog`.
        parameters : DataFrame or mapping
            Parameters of the outputs' distributions, one number a regime: by their names without
            the regime (``{"V[y]": [0, 5], "obs_cov[y,y]": [1, 2]}``, a table as in ``to_hmm()``),
            or in short ``mean`` and ``cov`` (normal; several columns: shapes (K, d) and (K, d, d)),
            ``mean`` (Poisson), ``mean`` and ``dispersion``, ``mean`` and ``shape``, ``mean``,
            ``scale2`` and ``df``, ``prob`` ((K,), or (K, levels) for categories).
        start : array_like of shape (K,) or (sequences, K), or str, optional
            As for `MarkovRNN`; "stationary" by default.
        endog : Series, DataFrame or array_like, optional
            Outputs; without them the model has rows with nothing seen, enough to simulate and to
            read what the parameters say.
        emission : str or mapping, optional
            As for `MarkovRNN`; "gaussian" by default.
        **options
            Further arguments of `MarkovRNN`: ``exog``, ``exog_transition``, ``groups``,
            ``switching``, ``ar_form``, ``trend``, ``order`` (by default what the names of the
            parameters say).

        Returns
        -------
        ConvertedRegimes
            ``model`` and ``params``: same likelihood, same law of the regimes.

        Raises
        ------
        SpecificationError
            No distributions, parameters that are missing, unknown or differ between regimes where
            they must not, a mixture in a regime.
        DataError
            Data that cannot be used; inputs missing.

        Examples
        --------
        >>> from rnnstats.models.markov import MarkovRNN
        >>> model, params = MarkovRNN.from_hmm(
        ...     [[0.9, 0.1], [0.2, 0.8]], {"mean": [1.0, 8.0]}, emission="poisson"
        ... )
        >>> params.to_dict()
        {'p[h1->h1]': 0.9, 'p[h2->h1]': 0.2, 'mean[y,h1]': 1.0, 'mean[y,h2]': 8.0}
        """
        from rnnstats.models.conversion.hmm import from_hmm

        return from_hmm(transition, parameters, start, endog, emission=emission, **options)

    @classmethod
    def from_statsmodels(cls, results: object) -> ConvertedRegimes:
        """Make the model and its parameters from a fitted statsmodels model.

        Parameters
        ----------
        results : object
            Of `MarkovRegression` or `MarkovAutoregression`, with inputs of the transitions
            (``exog_tvtp``) or without.

        Returns
        -------
        ConvertedRegimes
            ``model`` and ``params`` with the same data, likelihood and regimes, in their order.

        Raises
        ------
        SpecificationError
            Results of another model, a trend without a constant, known start probabilities, or
            inputs of the transitions without a constant column.

        Warns
        -----
        ConversionWarning
            The log-likelihoods differ.
        """
        from rnnstats.models.conversion.statsmodels_regimes import from_statsmodels

        return from_statsmodels(results)
