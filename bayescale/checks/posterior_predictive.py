"""Posterior predictive check by leave-one-model-out: scores of each model among forecasts made without them.

Scores that were fitted lie nearer to the middle of their replications than new ones, under the right model too. So
each model's scores are compared with scores of a new model of its family and covariates, under draws that are weighted
as if its scores had not been fitted: by one over their likelihood, the model's own unknowns and its family's offset
integrated out, Pareto-smoothed (Vehtari, Gelman & Gabry 2017, Statistics and Computing 27:1413; of whole units: Merkle,
Furr & Rabe-Hesketh 2019, Psychometrika 84:802). Under the right model their PIT values are uniform, by
benchmark; and so are those of all scores of a model together, which see noise that hardly widens a forecast.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import logit

from bayescale._arviz import LARGEST_K, InferenceData, pareto_smoothed, with_groups
from bayescale._display import Result
from bayescale._intervals import PROB, tails
from bayescale._tables import Table
from bayescale.analysis.sensitivity import log_priors
from bayescale.checks.pit import BAND, Reading, inside, randomised_pit, read_pit, uniform_by_name
from bayescale.errors import ForecastError
from bayescale.forecast.condition import Family, LatentModel, log_evidence, siblings, systematic
from bayescale.inference.defaults import seed_or_new
from bayescale.inference.parallel import in_threads
from bayescale.inference.posterior import of_cells
from bayescale.model.curve import predict_score

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from bayescale.inference.draws import Draws
    from bayescale.inference.posterior import PosteriorData
    from bayescale.model.spec import Spec

# Where logits of scores are cut: half a point from 0 and 1.
_ENDS = (0.005, 0.995)


@dataclass(frozen=True, eq=False, repr=False)
class PredictiveCheck(Result):
    """Observed scores among forecasts that leave out their model; made by `Posterior.predictive_check`.

    Attributes
    ----------
    replicated : xarray.DataArray
        Scores in [0, 1] with observation noise, dims ``(draw, cell)``; ``model`` and ``benchmark`` along ``cell``.
    cells : pandas.DataFrame
        One row per observed score: ``model, benchmark, observed`` (as the model reads it: counted scores rounded to the
        nearest item), ``replicated`` (mean), ``pit`` (randomised probability integral transform, in (0, 1)), and
        of its model ``pit_together`` (the PIT of the Mahalanobis distance of all its scores, in logits, from their
        forecast) and ``pareto_k``: above 0.7 the posterior depends so much on the model that importance sampling cannot
        leave it out, and its PIT values are drawn towards the middle.
    title : str
        Names of spec and evals.
    random_seed : int
        Seed of the replications and of the randomised PIT.

    Examples
    --------
    >>> check = posterior.predictive_check(draws=200)
    >>> check.replicated.dims
    ('draw', 'cell')
    """

    replicated: xr.DataArray
    cells: pd.DataFrame
    title: str
    random_seed: int

    @property
    def band(self) -> float:
        """Probability of each band, so that all benchmarks, and `together`, are inside with probability 95%."""
        return 1 - (1 - BAND) / (self.cells["benchmark"].nunique() + 1)  # Bonferroni

    @property
    def together(self) -> Reading:
        """How the scores of one model lie together: ``as expected``, ``too scattered`` or ``too central``."""
        pit = self.cells.drop_duplicates("model")["pit_together"].to_numpy()
        if read_pit(pit, prob=self.band) == "as expected":
            return "as expected"
        return "too scattered" if pit.mean() > 0.5 else "too central"

    @property
    def large_k(self) -> int:
        """Number of models whose Pareto k is above 0.7."""
        return int((self.cells.drop_duplicates("model")["pareto_k"] > LARGEST_K).sum())

    def table(self, *, prob: float = PROB) -> pd.DataFrame:
        """Summarise the check per benchmark; `prob` is the probability of the wider interval, 0.9 below.

        Returns
        -------
        pandas.DataFrame
            One row per benchmark with scores:

            - ``benchmark, scores`` (their number), ``observed, replicated`` (means);
            - ``coverage_50, coverage_90``: shares of observed scores inside equal-tailed intervals of the replications,
              computed from PIT values, which handle ties;
            - ``pit``: a class, see `bayescale.checks.pit.read_pit`. Under the right model all benchmarks, and
              `together`, are ``as expected`` with probability 95%.

        Examples
        --------
        >>> posterior.predictive_check(draws=200).table()["scores"].tolist()[:2]
        [36, 34]
        """
        tails(prob)
        rows = []
        for name, part in self.cells.groupby("benchmark", sort=False):
            pit = part["pit"].to_numpy()
            means = {"scores": len(part), **part[["observed", "replicated"]].mean()}
            coverage = {f"coverage_{100 * p:g}": inside(pit, p).mean() for p in (0.5, prob)}
            rows.append({"benchmark": name, **means, **coverage, "pit": read_pit(pit, prob=self.band)})
        return pd.DataFrame(rows)

    def summary(self, *, prob: float = PROB) -> pd.DataFrame:
        """Summarise as `table` does, without ``scores`` and ``replicated``, so that a terminal holds it.

        Examples
        --------
        >>> posterior.predictive_check(draws=200).summary()["benchmark"].tolist()[:2]
        ['MMLU', 'ARC-C']
        """
        return Table(self.table(prob=prob).drop(columns=["scores", "replicated"]))

    def to_xarray(self) -> xr.Dataset:
        cells = {
            name: ("cell", self.cells[name].to_numpy()) for name in ("observed", "pit", "pit_together", "pareto_k")
        }
        return super().to_xarray().assign(cells)

    def plot(self, benchmarks: list[str] | None = None) -> Figure:
        """Draw how PIT values differ from uniform ones, one panel per benchmark.

        Examples
        --------
        >>> posterior.predictive_check(draws=200).plot(benchmarks=["MMLU", "GSM8K"]).savefig("pit.png")
        """
        from bayescale.plots import plot_predictive_check

        return plot_predictive_check(self, benchmarks=benchmarks)

    @property
    def caution(self) -> str:
        """One sentence on the models that importance sampling cannot leave out; empty if there are none."""
        if not self.large_k:
            return ""
        models = self.cells["model"].nunique()
        return f"Pareto k exceeds {LARGEST_K} for {self.large_k} of {models} models: these seem too well predicted."

    def _text(self, prob: float = PROB) -> str:
        table = self.summary()
        off = table[table["pit"] != "as expected"]
        classes = ", ".join(f"{row.benchmark} ({row.pit})" for row in off.itertuples()) or "none"
        lines = [
            f"Posterior predictive check of {self.title}: {len(self.cells)} scores, replicated with their model left "
            f"out, in {self.replicated.sizes['draw']} draws.",
            f"Benchmarks whose PIT values are not uniform: {classes}. Scores of one model together: {self.together}.",
            self.caution,
            "Next: check.summary(), check.plot()",
        ]
        return "\n".join(filter(None, lines))


def predictive_check(posterior: PosteriorData, draws: int = 1000, *, random_seed: int | None = None) -> PredictiveCheck:
    """Replicate scores of each model without it; `Posterior.predictive_check` documents the arguments."""
    import xarray as xr

    if not (isinstance(draws, int | np.integer) and draws >= 1):
        raise ForecastError(f"draws={draws!r}: a whole number, at least 1, is needed.")
    random_seed = seed_or_new(random_seed)
    thinned = posterior.draws.thinned(draws)
    observed = thinned.data.cells["observed"] > 0
    row, column = np.nonzero(observed)
    rng = np.random.default_rng(random_seed)
    replicated, k = _left_out_scores(thinned, posterior.spec, rng)
    names = {"model": posterior.evals.model_names, "benchmark": posterior.evals.benchmark_names}
    labels = {n: np.array(v)[at] for (n, v), at in zip(names.items(), (row, column), strict=True)}
    cells = pd.DataFrame({**labels, "observed": thinned.data.cells["observed_score"][observed]})
    uniform = uniform_by_name(cells[list(labels)], random_seed)
    pit = randomised_pit(cells["observed"].to_numpy(), replicated.T, uniform)
    together = np.array(
        [_pit_together(replicated[:, row == m], cells["observed"][row == m], rng) for m in np.unique(row)]
    )
    by_model = {"pit_together": together[np.unique(row, return_inverse=True)[1]], "pareto_k": k[row]}
    cells = cells.assign(replicated=replicated.mean(axis=0), pit=pit, **by_model)
    drawn = xr.DataArray(replicated, dims=("draw", "cell"), coords={n: ("cell", v) for n, v in labels.items()})
    title = f"spec {posterior.spec.name!r} on {posterior.evals.name!r}"
    # By benchmark, in the order of the tables, as in all output.
    order = np.argsort(column, kind="stable")
    cells = cells.iloc[order].reset_index(drop=True)
    return PredictiveCheck(drawn[:, order].rename("score"), cells, title, random_seed)


def _left_out_scores(draws: Draws, spec: Spec, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw the observed scores (S, cell) of each model as if they were unseen, and return Pareto k (model,)."""
    data = draws.data
    observed = data.cells["observed"] > 0
    rows, k = np.flatnonzero(observed.any(axis=1)).tolist(), np.full(len(observed), np.nan)

    def unseen(row: int, rng: np.random.Generator) -> tuple[LatentModel, np.ndarray]:
        (given,) = np.nonzero(observed[row])
        family = Family.of_models(draws, siblings(draws, row, [row]))
        as_measured = draws if data.measurements is None else draws.in_settings(data.measurements.of_cell[row])
        latent = LatentModel.left_out(as_measured, spec, row, given, family)
        return latent, log_evidence(latent, data.cells["observed_score"][row, given], rng)

    # A stream of its own for each model: their evidence is computed in any order.
    streams, parts = rng.spawn(len(rows)), []
    found = in_threads(lambda pair: unseen(*pair), zip(rows, streams, strict=True))
    for row, (latent, evidence) in zip(rows, found, strict=True):
        weight, k[row] = pareto_smoothed(-evidence)
        chosen = systematic(weight, draws.size, rng.random())
        expected = latent.mean((latent.sd * rng.standard_normal(latent.sd.shape))[:, None])
        precision = latent.precision(expected)
        parts.append(predict_score(expected[chosen, 0], precision[chosen, 0], latent.items, rng))
    return np.concatenate(parts, axis=1), k


def _pit_together(replicated: np.ndarray, observed: pd.Series, rng: np.random.Generator) -> float:
    """Return the PIT of the distance of one model's scores (score,) among those of their replications (S, score).

    Distances are from the mean of all, the observed scores among them: exchangeable under the right model.
    """
    scores = logit(np.clip(np.vstack([observed, replicated]), *_ENDS))
    centred = scores - scores.mean(axis=0)
    precision = np.linalg.pinv(centred.T @ centred, hermitian=True)
    distance = np.einsum("sb,bc,sc->s", centred, precision, centred)
    return float(randomised_pit(distance[:1], distance[None, 1:], rng.random(1))[0])


def observed_groups(posterior: PosteriorData, random_seed: int) -> InferenceData:
    """Return `idata` with groups of the observed scores; `Posterior.to_arviz` documents them."""
    import xarray as xr

    draws = posterior.draws
    seen = draws.data.cells["observed_score"][draws.data.cells["observed"] > 0]
    cell = np.arange(len(seen))

    def block(row: np.ndarray, column: np.ndarray, mean: np.ndarray, precision: np.ndarray) -> list[np.ndarray]:
        # A stream of its own for each block: they are made in any order.
        rng = np.random.default_rng([random_seed, *row[:1].tolist()])
        scores = predict_score(mean, precision, draws.data.items[column], rng)
        return [scores, draws.log_density(row, column, mean, precision)]

    replicated, likelihood = (np.concatenate(parts, axis=1) for parts in zip(*draws.at_observed(block), strict=True))
    priors = {name: posterior.labelled(name, values.ravel()) for name, values in log_priors(posterior).items()}
    groups = {
        "observed_data": of_cells(posterior, xr.DataArray(seen, dims="cell", coords={"cell": cell}, name="score")),
        "posterior_predictive": of_cells(posterior, posterior.labelled("score", replicated, cell=cell)),
        "log_likelihood": of_cells(posterior, posterior.labelled("score", likelihood, cell=cell)),
    }
    datasets = {name: values.to_dataset() for name, values in groups.items()}
    return with_groups(posterior.idata, {**datasets, "log_prior": xr.Dataset(priors)})
