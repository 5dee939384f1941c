"""The verbs of a posterior that answer a decision: what to expect, what it takes, and what to measure next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bayescale._display import working
from bayescale.inference.posterior import PosteriorData

if TYPE_CHECKING:
    from bayescale.forecast.prediction import Prediction


class Decisions(PosteriorData):
    """Verbs of `bayescale.Posterior`, beside those of `bayescale.methods`."""

    def predict(
        self,
        models: Sequence[str] | str | None = None,
        benchmarks: Sequence[str] | str | None = None,
        *,
        random_seed: int | None = None,
    ) -> Prediction:
        """Predict scores of models of the data, on benchmarks with a score and without one.

        Parameters
        ----------
        models, benchmarks : str, or sequence of str, optional
            Names of the data; default all.
        random_seed : int, optional
            Seed of the observation noise, as in `forecast`.

        Returns
        -------
        Prediction
            Draws with dims ``(chain, draw, model, benchmark)``, of expected and of measured scores. All models of a
            large table take memory: 16 bytes a draw, model and benchmark.

        Raises
        ------
        ForecastError
            For models or benchmarks that are not in the data.

        Examples
        --------
        >>> posterior.predict(["microsoft/phi-2"], ["MMLU", "GSM8K"]).summary().shape
        (2, 9)
        >>> posterior.predict().imputed().shape  # observed scores, and medians where there is none
        (36, 10)
        """
        from bayescale.forecast.prediction import predict_models

        with working("Predicting scores"):
            return predict_models(self, models, benchmarks, random_seed)
