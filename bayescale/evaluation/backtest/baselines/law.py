"""The paper's laws: a sigmoid of principal components (observational), of compute, or of size."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from bayescale.evaluation.backtest.baselines.baseline import Answer, Baseline
from bayescale.evaluation.backtest.baselines.bootstrap import bootstrap, residuals
from bayescale.evaluation.backtest.baselines.components import principal_components
from bayescale.evaluation.backtest.baselines.curve import fit_curve
from bayescale.evaluation.backtest.baselines.question import Question

# Upper end of a learned floor (Ruan, Maddison & Hashimoto 2024, section 4; ryoungj/ObsScaling, utils/data.py).
_HIGHEST_FLOOR = 0.2

# A bootstrap refit starts at the plain fit and needs no more digits than its own scatter.
_REFIT_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Law(Baseline):
    """A sigmoid of some covariates of a model, fitted by least squares, with residual-bootstrap intervals.

    Intervals take the covariates as given: principal components and imputed scores are not drawn again.

    Parameters
    ----------
    refits : int
        Fits to resampled scores, from which the uncertainty of the parameters comes.
    """

    refits: int = 100

    @abstractmethod
    def covariates(self, question: Question) -> tuple[np.ndarray, np.ndarray] | None:
        """Covariates (model, covariate) of the models learnt from and of those asked for; NaN where unknown."""

    def answer(self, question: Question, rng: np.random.Generator) -> Answer | None:
        """Fit the curve to the models whose covariates are known; see `Baseline`."""
        covariates = self.covariates(question)
        if covariates is None:
            return None
        usable, served = (np.isfinite(x).all(axis=1) for x in covariates)
        x, asked, score = covariates[0][usable], covariates[1][served], question.scores[usable]
        learned = question.task.law_floor == "learned"
        parameters = 1 + x.shape[1] + learned
        if len(score) <= parameters or not served.any():
            return None

        floor = (0.0, _HIGHEST_FLOOR) if learned else (question.chance, question.chance)
        curve = fit_curve(x, score, floor)

        def refit(again: np.ndarray) -> np.ndarray:
            return fit_curve(x, again, floor, start=curve, tolerance=_REFIT_TOLERANCE).predict(asked)

        fitted = curve.predict(x)
        pool = residuals(score, fitted, parameters)
        mean = np.full(len(served), np.nan)
        draws = np.full((self.draws, len(served)), np.nan)
        mean[served] = curve.predict(asked)
        draws[:, served] = bootstrap(refit, fitted, pool, self.draws, self.refits, rng)
        return mean, draws


@dataclass(frozen=True)
class CovariateLaw(Law):
    """A law in the logarithm of one figure of the models; those of which it is unknown are left out.

    Parameters
    ----------
    covariate : str
        Column of the table of models: ``flops`` or ``params_b``.
    """

    covariate: str = "flops"

    def covariates(self, question: Question) -> tuple[np.ndarray, np.ndarray] | None:
        """Logarithm of the figure, centred so that its unit does not matter."""
        learnt_from = np.log(question.known(self.covariate, question.learnt_from))
        asked = np.log(question.known(self.covariate, question.asked))
        if np.isnan(learnt_from).all():
            return None
        centre = np.nanmean(learnt_from)
        return learnt_from[:, None] - centre, asked[:, None] - centre


@dataclass(frozen=True)
class ComponentLaw(Law):
    """The observational law: a sigmoid of the first principal components of the benchmarks that may be seen.

    Parameters
    ----------
    count : int
        How many components.
    suites : tuple of str
        Benchmarks of these suites enter the components; all that may be seen, where none of them does. The paper takes
        the standard benchmarks, and leaves out Arena Elo and MT-Bench for agents (instruct_llm_agent_capability.ipynb).
    """

    count: int = 3
    suites: tuple[str, ...] = ("standard",)

    def covariates(self, question: Question) -> tuple[np.ndarray, np.ndarray] | None:
        """Components of the seen scores; a model without any is left out, and nothing is served without benchmarks."""
        seen = [b for b in question.task.seen if b != question.benchmark]
        standard = [b for b in seen if question.benchmarks.loc[b, "suite"] in self.suites]
        table = question.seen[standard or seen]
        learnt_from = table.loc[question.learnt_from].to_numpy(float)
        asked = table.loc[question.asked].to_numpy(float)
        kept = np.isfinite(learnt_from).any(axis=0)
        learnt_from, asked = learnt_from[:, kept], asked[:, kept]
        known = [np.isfinite(x).any(axis=1) for x in (learnt_from, asked)]
        if self.count > min(known[0].sum(), kept.sum()) or not known[1].any():
            return None
        found = principal_components(learnt_from[known[0]], asked[known[1]], self.count)
        components = tuple(np.full((len(rows), self.count), np.nan) for rows in known)
        for whole, rows, values in zip(components, known, found, strict=True):
            whole[rows] = values
        return components[0], components[1]
