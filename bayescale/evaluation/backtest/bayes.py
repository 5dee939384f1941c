"""The Bayesian model as a method of the backtest: one joint fit per fold."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass

import numpy as np

from bayescale.errors import ConvergenceWarning
from bayescale.evals.selection import positions
from bayescale.evaluation.backtest.fold import Fold
from bayescale.evaluation.backtest.method import Predictive
from bayescale.inference.defaults import BACKTEST_DRAWS, CHAINS, TUNE
from bayescale.inference.mixing import effective_draws, rhat
from bayescale.model.spec import Spec


@dataclass(frozen=True)
class BayesMethod:
    """Forecast hidden scores with one spec.

    A hidden score of a model in the fit is forecast by conditioning: the model's capabilities are sampled jointly with
    all other parameters, given its visible scores. Folds over the same coordinates share a compiled model (see
    `bayescale.inference.compile`). The settings are those of `bayescale.fit`.
    """

    spec: Spec
    draws: int = BACKTEST_DRAWS
    tune: int = TUNE
    chains: int = CHAINS
    cores: int | None = None

    @property
    def name(self) -> str:
        """Name of the spec."""
        return self.spec.name

    def predict(self, fold: Fold, random_seed: int) -> Predictive:
        """Fit `spec` to the visible scores of `fold` and forecast its cells, also if the fit did not converge.

        R-hat and effective draws are the worst of the expected scores, hidden and visible.
        """
        from bayescale.methods import fit

        started = time.perf_counter()
        with warnings.catch_warnings():
            # The diagnostics are part of the result, and the table of scores shows them for each task.
            warnings.simplefilter("ignore", ConvergenceWarning)
            posterior = fit(
                self.spec,
                fold.evals,
                draws=self.draws,
                tune=self.tune,
                chains=self.chains,
                cores=self.cores,
                random_seed=random_seed,
                progressbar=False,
            )
        draws, cells = posterior.draws, fold.cells
        row, column = positions(cells, fold.evals.models["model"], fold.evals.benchmarks["benchmark"])
        expected = draws.fitted_scores()[:, row, column]
        rng = np.random.default_rng(random_seed)
        predicted = draws.measured(expected, rng, column)
        hidden = draws.by_chain(expected)
        visible = posterior.convergence.blocks[0]
        return Predictive(
            cells=cells,
            mean=expected.mean(axis=0),
            draws=predicted,
            seconds=time.perf_counter() - started,
            rhat=float(max(rhat(hidden).max(), visible.rhat)),
            ess=float(min(effective_draws(hidden)[0].min(), visible.ess_bulk)),
            divergences=posterior.convergence.divergences,
        )
