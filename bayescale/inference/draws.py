"""Posterior draws as plain arrays with one leading axis of draws, for equations that read the posterior forwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from bayescale._arviz import dataset, group_names, with_groups
from bayescale.inference.parallel import in_threads
from bayescale.model.curve import expected_score, log_likelihood_share, logit_score, predict_score, score_precision
from bayescale.model.data import ModelData, design, unknown_cells

if TYPE_CHECKING:
    from bayescale.model.spec import Spec


# Number of models whose scores are computed at once, which bounds the memory.
BLOCK = 16

R = TypeVar("R")


@dataclass(frozen=True)
class Draws:
    """All variables of the posterior, chains laid end to end; effects that a spec leaves out are zero.

    A covariate here is any term of `ModelData.terms`, the steps of a drift too. Shapes, with S draws: ``slope``
    (S, covariate, factor), ``loading`` (S, benchmark, factor), ``difficulty``,
    ``floor``, ``ceiling``, ``curve_shape`` (1 where a spec leaves it out), ``precision`` and
    ``specific_sd`` (S, benchmark), ``benchmark_slope`` (S, benchmark, covariate), ``family_offset`` (S, family,
    factor), ``family_mean``, the mean of the offsets given the capabilities of their models, ``family_benchmark`` (S,
    family, benchmark), ``capability`` (S, model, factor), ``covariate`` (S, model, covariate), ``testlet`` (S, model,
    testlet), ``setting`` (S, setting), ``compute_slope`` (S, compute predictor), ``maker_compute`` (S, organization);
    sds (S,).
    """

    data: ModelData
    chains: int
    slope: np.ndarray
    loading: np.ndarray
    difficulty: np.ndarray
    floor: np.ndarray
    ceiling: np.ndarray
    precision: np.ndarray
    specific_sd: np.ndarray
    benchmark_slope: np.ndarray
    family_offset: np.ndarray
    family_mean: np.ndarray
    family_sd: np.ndarray
    family_benchmark: np.ndarray
    family_benchmark_sd: np.ndarray
    testlet: np.ndarray
    testlet_sd: np.ndarray
    setting: np.ndarray
    setting_sd: np.ndarray
    capability: np.ndarray
    covariate: np.ndarray
    curve_shape: np.ndarray
    own_loading_sd: np.ndarray
    common_loading_sd: np.ndarray
    benchmark_slope_sd: np.ndarray
    compute_slope: np.ndarray
    compute_sd: np.ndarray
    vague_compute_sd: np.ndarray
    maker_compute: np.ndarray
    maker_compute_sd: np.ndarray

    @property
    def size(self) -> int:
        """Number of draws, all chains together."""
        return len(self.difficulty)

    def by_chain(self, values: np.ndarray) -> np.ndarray:
        """Split the leading axis of draws into (chain, draw)."""
        return values.reshape((self.chains, -1, *values.shape[1:]))

    def testlet_of_benchmarks(self, testlet: np.ndarray) -> np.ndarray:
        """Spread testlet effects (S, ..., testlet) over benchmarks (S, ..., benchmark); zero for those alone."""
        alone = np.zeros((*testlet.shape[:-1], 1))
        return np.concatenate([testlet, alone], axis=-1)[..., self.data.testlet_index]

    def logit(
        self,
        capability: np.ndarray,
        covariates: np.ndarray,
        *,
        testlet: np.ndarray | float = 0.0,
        family_benchmark: np.ndarray | float = 0.0,
        benchmarks: Any = slice(None),
    ) -> np.ndarray:
        """Return the linear predictor, the logit of expected scores: ``W theta - difficulty + d x + u + v``.

        Parameters
        ----------
        capability : ndarray (S, model, factor)
        covariates : ndarray (S, model, covariate), or (model, covariate)
            Centred.
        testlet, family_benchmark : ndarray (S, model, benchmark), optional
            Effects of testlets, spread over benchmarks, and of families on benchmarks. Default: none.
        benchmarks : slice or ndarray of int, optional
            Of which benchmarks. Default: all.

        Returns
        -------
        ndarray (S, model, benchmark)
        """
        return logit_score(
            capability @ np.swapaxes(self.loading[:, benchmarks], 1, 2),
            self.difficulty[:, None, benchmarks],
            covariates @ np.swapaxes(self.benchmark_slope[:, benchmarks], 1, 2),
            testlet,
            family_benchmark,
        )

    def expected(self, logit: np.ndarray) -> np.ndarray:
        """Return expected scores (S, model, benchmark) at logits on all benchmarks."""
        return expected_score(logit, self.floor[:, None], self.ceiling[:, None], self.curve_shape[:, None])

    def measured(
        self, expected: np.ndarray, rng: np.random.Generator, benchmarks: np.ndarray | slice = slice(None)
    ) -> np.ndarray:
        """Draw scores with observation noise.

        Parameters
        ----------
        expected : ndarray (S, ..., benchmark)
            Expected scores.
        rng
        benchmarks : ndarray of int, optional
            The benchmark of each place on the last axis. Default: all.
        """
        return predict_score(expected, self.score_precision(expected, benchmarks), self.data.items[benchmarks], rng)

    def score_precision(self, expected: np.ndarray, benchmarks: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Return the precision of scores with these expected scores; arguments as in `measured`."""
        by_draw = (self.precision, self.specific_sd, self.floor, self.ceiling, self.curve_shape)
        shape = (self.size, *[1] * (expected.ndim - 2), -1)
        precision, specific_sd, *curve = (values[:, benchmarks].reshape(shape) for values in by_draw)
        if not self.specific_sd.any():
            return precision
        return score_precision(precision, specific_sd, expected, *curve)

    def predicted_compute(
        self, regressors: np.ndarray, maker: np.ndarray, whole: np.ndarray, new_maker: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and sd (S, model) of centred log10 compute, as `bayescale.model.compute` predicts it.

        Parameters
        ----------
        regressors : ndarray (model, compute predictor)
        maker : ndarray of int (model,)
            Index of a maker; -1 for one that is not in the data.
        whole : ndarray of bool (model,)
            Whether all that predicts compute is known.
        new_maker : ndarray (S, 1)
            The effect of a maker that is not in the data.
        """
        makers = np.concatenate([self.maker_compute, new_maker], axis=1)
        sd = np.where(whole, self.compute_sd[:, None], self.vague_compute_sd[:, None])
        return self.compute_slope @ regressors.T + makers[:, maker], sd

    def unknown_covariates(self) -> np.ndarray:
        """Return the covariates that are unknown or uncertain (S, value), in the order of `unknown_cells`."""
        rows, columns = unknown_cells(self.data)
        places = [self.data.place(self.data.columns[column].name) for column in columns]
        return self.covariate[:, rows, places]

    def expected_share(self) -> np.ndarray:
        """Return the posterior mean (model, benchmark) of the fitted scores' share of the way from floor to ceiling.

        It stays within 0.01% of both ends, where a score tells nothing of its logit.
        """
        floor = self.floor[:, None]
        share = (self.fitted_scores(as_measured=True) - floor) / (self.ceiling[:, None] - floor)
        return share.mean(axis=0).clip(1e-4, 1 - 1e-4)

    def scores_of(
        self, capability: np.ndarray, covariates: np.ndarray, testlet: np.ndarray, family_benchmark: np.ndarray
    ) -> np.ndarray:
        """Return expected scores (S, model, benchmark) of any models, from all that the equations know of them.

        Parameters
        ----------
        capability : ndarray (S, model, factor)
        covariates : ndarray (S, model, covariate), or (model, covariate)
        testlet : ndarray (S, model, testlet)
        family_benchmark : ndarray (S, model, benchmark)
        """
        spread = self.testlet_of_benchmarks(testlet)
        return self.expected(self.logit(capability, covariates, testlet=spread, family_benchmark=family_benchmark))

    def setting_effects(self, effect: np.ndarray) -> np.ndarray:
        """Return effects of settings (S, ...) by their numbers (...); zero for -1."""
        return np.concatenate([self.setting, np.zeros((self.size, 1))], axis=1)[:, effect]

    def as_measured(self, models: np.ndarray | slice = slice(None)) -> np.ndarray | float:
        """Return what the settings of the scores of models of the data add to their logits (S, model, benchmark)."""
        how = self.data.measurements
        return 0.0 if how is None else self.setting_effects(how.of_cell[models])

    def in_settings(self, effect: np.ndarray) -> Draws:
        """Return draws whose scores are those in other settings, by number of their effect (benchmark,)."""
        return replace(self, difficulty=self.difficulty - self.setting_effects(effect))

    def fitted_scores(self, models: np.ndarray | slice = slice(None), *, as_measured: bool = False) -> np.ndarray:
        """Expected scores (S, model, benchmark) of models of the data, by row number.

        They are in the headline setting of each benchmark, or that of the score that counts (`as_measured`).
        """
        effect = self.family_benchmark[:, self.data.family_index[models]]
        effect = effect + self.as_measured(models) if as_measured else effect
        return self.scores_of(self.capability[:, models], self.covariate[:, models], self.testlet[:, models], effect)

    def fitted_cells(self, cells: np.ndarray) -> np.ndarray:
        """Expected scores (S, cell) of the cells (model, benchmark) that are true, block by block of models."""

        def block(start: int) -> np.ndarray:
            rows = np.arange(start, min(start + BLOCK, len(cells)))
            return self.fitted_scores(rows)[:, cells[rows]]

        return np.concatenate(in_threads(block, range(0, len(cells), BLOCK)), axis=1)

    def log_likelihood(self) -> np.ndarray:
        """Return the log probability (S, cell) of each observed score, in the order of ``np.nonzero`` of the cells.

        Of several measurements it is that of the first, by itself.
        """
        return np.concatenate(self.at_observed(self.log_density), axis=1)

    def at_observed(self, compute: Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], R]) -> list[R]:
        """Return what `compute` makes of the observed cells, block by block of models.

        It is called with rows and columns (cell,), and mean and precision (S, cell) of the scores as measured.
        """
        observed = self.data.cells["observed"] > 0

        def block(start: int) -> R:
            rows = np.arange(start, min(start + BLOCK, len(observed)))
            row, column = np.nonzero(observed[rows])
            mean = self.fitted_scores(rows, as_measured=True)[:, row, column]
            return compute(rows[row], column, mean, self.score_precision(mean, column))

        return in_threads(block, range(0, len(observed), BLOCK))

    def log_density(self, row: np.ndarray, column: np.ndarray, mean: np.ndarray, precision: np.ndarray) -> np.ndarray:
        """Return the log probability (S, cell) of observed scores; arguments as of `at_observed`."""
        score, choose = (self.data.cells[name][row, column] for name in ("observed_score", "log_choose"))
        return log_likelihood_share(score, self.data.items[column], mean, precision) + choose

    def moved_scores(self, model: int, covariates: np.ndarray) -> np.ndarray:
        """Expected scores (S, point, benchmark) of a model of the data, had it other covariates (point, covariate).

        All else that is the model's own stays: its family's effects, its residual, its testlet effects.
        """
        rows = np.full(len(covariates), model)
        moved = self.capability[:, rows] + (covariates - self.covariate[:, rows]) @ self.slope
        effect = self.family_benchmark[:, self.data.family_index[rows]]
        return self.scores_of(moved, covariates, self.testlet[:, rows], effect)

    def thinned(self, count: int) -> Draws:
        """Take at most `count` evenly spaced draws, merged into one chain."""
        return self.take(np.linspace(0, self.size - 1, min(count, self.size)).astype(int))

    def take(self, rows: np.ndarray, *, models: bool = True) -> Draws:
        """Take draws by number, with repetitions or not, merged into one chain.

        Parameters
        ----------
        rows : ndarray of int
        models : bool
            False leaves out what belongs to the models of the data, which is most of the memory.
        """
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        if not models:
            values |= {name: values[name][:, :0] for name in ("capability", "covariate", "testlet")}
        return replace(self, chains=1, **{k: v[rows] for k, v in values.items() if isinstance(v, np.ndarray)})

    def family_scores(self, covariates: np.ndarray) -> np.ndarray:
        """Expected scores (S, family, benchmark) of each family's typical model (no residual) at one point."""
        location = (covariates @ self.slope)[:, None] + self.family_offset
        return self.expected(self.logit(location, covariates[None], family_benchmark=self.family_benchmark))


def variables(spec: Spec, data: ModelData) -> dict[str, tuple[str, ...]]:
    """Return the variables that a posterior of `spec` on these data must hold, with their dims after chain and draw."""
    names = {
        "slope": ("covariate", "factor"),
        "loading": ("benchmark", "factor"),
        **dict.fromkeys(("difficulty", "floor", "log_precision"), ("benchmark",)),
        "capability": ("model", "factor"),
        "covariate_value": ("model", "covariate"),
    }
    parts = {
        "family_offset": (spec.family_offsets, ("family", "factor")),
        "family_benchmark": (spec.family_benchmark, ("family", "benchmark")),
        "benchmark_slope": (spec.benchmark_slopes, ("benchmark", "covariate")),
        "drift": (spec.drift, ("drift_step", "factor")),
        "testlet_effect": (bool(data.coords["testlet"]), ("model", "testlet")),
        "setting_effect": ("setting" in data.coords, ("setting",)),
    }
    for name, (present, dims) in parts.items():
        if present:
            names |= {name: dims, name.removesuffix("_offset").removesuffix("_effect") + "_sd": ()}
    if spec.curve == "richards":
        names["curve_shape"] = ("benchmark",)
    if spec.uniqueness:
        names["specific_sd"] = ("benchmark",)
    if spec.shares_noise:
        names |= dict.fromkeys(("noise_sd", "item_share"), ("benchmark",))
    if spec.uniqueness and "repeated_cell" in data.coords:
        names["specific_effect"] = ("repeated_cell",)
    if spec.learned_ceilings:
        names |= dict.fromkeys(("ceiling", "ceiling_gap"), ("benchmark",))
    if (predictors := data.predictors) is not None:
        names |= {"compute_slope": ("compute_predictor",), "compute_sd": ()}
        names |= {"maker_compute": ("organization",), "maker_compute_sd": ()} if predictors.makers else {}
        names |= {} if predictors.whole.all() else {"vague_compute_sd": ()}
    return names


def disagreement(idata: Any, spec: Spec, data: ModelData) -> str | None:
    """Return where draws disagree with the spec and the tables: shapes, labels, values; None where they agree."""
    groups = {str(name): dataset(idata[name]) for name in group_names(idata)}
    for name, group in groups.items():
        for dim in set(group.dims) & set(data.coords):
            ours, theirs = list(data.coords[str(dim)]), group[dim].to_numpy().tolist()
            moved = {b for a, b in zip(ours, theirs, strict=False) if a != b} & set(ours)
            if len(ours) != len(theirs) or moved:
                return f"the labels of {dim} in its {name} are not those of its tables, in their order"
    posterior = groups["posterior"]
    for name, dims in variables(spec, data).items():
        values = posterior[name]
        if values.dims != ("chain", "draw", *dims) or values.dtype.kind != "f" or not values.size:
            return f"{name} is no array of numbers by {', '.join(('chain', 'draw', *dims))}"
        numbers = values.to_numpy()
        if not np.isfinite(numbers).all():
            return f"{name} has draws that are no finite numbers"
        low, high = (0, 1) if name in ("floor", "ceiling") else (0 if name.endswith("_sd") else -np.inf, np.inf)
        if numbers.min() < low or numbers.max() > high:
            return f"{name} has draws out of its range"
    return None


def relabelled(idata: Any, data: ModelData) -> Any:
    """Return draws with the names of the tables, where somebody renamed a row of a saved posterior."""
    renamed = {}
    for name in group_names(idata):
        group = dataset(idata[name])
        labels = {dim: data.coords[str(dim)] for dim in group.dims if dim in data.coords}
        if any(group[dim].to_numpy().tolist() != list(names) for dim, names in labels.items()):
            renamed[name] = group.assign_coords(labels)
    return with_groups(idata, renamed) if renamed else idata


def observed_models(data: ModelData) -> np.ndarray:
    """Return whether each model has a score (model,)."""
    return np.asarray(data.cells["observed"].any(axis=1))


def family_sizes(data: ModelData) -> np.ndarray:
    """Return the number of models with scores of each family (family,)."""
    return np.bincount(data.family_index, observed_models(data), minlength=len(data.coords["family"]))


def offset_variance(sd: Any, models: Any) -> Any:
    """Return the variance of the offset of a family given the capabilities of its models, one normal with unit sd each.

    Its mean is this variance times the sum of their residuals, ``theta - x beta``. Zero models: a new family's.

    Examples
    --------
    >>> float(offset_variance(2.0, 0)), round(float(offset_variance(2.0, 1)), 3)
    (4.0, 0.8)
    """
    return sd**2 / (1 + models * sd**2)


def offset_given(sd: np.ndarray, residual: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean (S, factor) and variance (S,) of a family's offset given residuals (S, model, factor) of its models.

    ``sd`` (S,) is that between families, and residuals are ``theta - x beta``.
    """
    variance = offset_variance(sd, residual.shape[1])
    return variance[:, None] * residual.sum(axis=1), variance


def read_draws(idata: Any, data: ModelData) -> Draws:
    """Read the draws of a posterior that was fitted to these arrays."""
    posterior = idata["posterior"]
    chains = posterior.sizes["chain"]

    def flat(name: str, *shape: int, left_out: float | np.ndarray = 0.0) -> np.ndarray:
        if name not in posterior:
            return np.full((posterior.sizes["draw"] * chains, *shape), left_out)
        values = posterior[name].transpose("chain", "draw", ...).to_numpy()
        return values.reshape((-1, *values.shape[2:]))

    sizes = {dim: len(labels) for dim, labels in data.coords.items()}
    families, benchmarks, factors = sizes["family"], sizes["benchmark"], sizes["factor"]
    steps = sizes.get("drift_step", 0)
    slope, capability, covariate = flat("slope"), flat("capability"), flat("covariate_value")
    benchmark_slope = flat("benchmark_slope", benchmarks, sizes["covariate"])
    if steps:
        measured = covariate[..., [data.place(column.name) for column in data.columns]]
        covariate = np.stack(design(measured, data.terms), axis=-1)
        slope = np.concatenate([slope, flat("drift")], axis=1)
        benchmark_slope = np.concatenate([benchmark_slope, np.zeros((*benchmark_slope.shape[:2], steps))], axis=2)
    family_sd = flat("family_sd")
    family_mean, seen = np.zeros((len(slope), families, factors)), observed_models(data)
    for family in range(families):
        members = np.flatnonzero((data.family_index == family) & seen)
        family_mean[:, family], _ = offset_given(family_sd, capability[:, members] - covariate[:, members] @ slope)
    return Draws(
        data=data,
        chains=chains,
        slope=slope,
        loading=flat("loading"),
        difficulty=flat("difficulty"),
        floor=flat("floor", benchmarks),
        ceiling=flat("ceiling", benchmarks, left_out=data.ceiling),
        precision=np.exp(flat("log_precision")),
        specific_sd=flat("specific_sd", benchmarks),
        benchmark_slope=benchmark_slope,
        family_offset=flat("family_offset", families, factors),
        family_mean=family_mean,
        family_sd=family_sd,
        family_benchmark=flat("family_benchmark", families, benchmarks),
        family_benchmark_sd=flat("family_benchmark_sd"),
        testlet=flat("testlet_effect", sizes["model"], sizes["testlet"]),
        testlet_sd=flat("testlet_sd"),
        setting=flat("setting_effect", sizes.get("setting", 0)),
        setting_sd=flat("setting_sd"),
        capability=capability,
        covariate=covariate,
        curve_shape=flat("curve_shape", benchmarks, left_out=1.0),
        own_loading_sd=flat("own_loading_sd"),
        common_loading_sd=flat("common_loading_sd"),
        benchmark_slope_sd=flat("benchmark_slope_sd"),
        compute_slope=flat("compute_slope", 0),
        compute_sd=flat("compute_sd"),
        vague_compute_sd=flat("vague_compute_sd"),
        maker_compute=flat("maker_compute", 0),
        maker_compute_sd=flat("maker_compute_sd"),
    )
