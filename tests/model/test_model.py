"""The model is the formula: what the sampler sees, against the equations computed by hand with SciPy.

The model may sample in any coordinates it likes. Its log-density there must be that of the natural parameters times the
volume of the map to them; the map's Jacobian is taken by finite differences, so no test knows the model's coordinates.
The plain coordinates, those parameters themselves, are compared at the same values.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytensor
import pytest
import xarray as xr
from pymc.model.transform.conditioning import remove_value_transforms
from scipy import stats
from scipy.special import expit
from short_runs import short_run
from simulate import rise, simulate, with_columns, with_settings

from bayescale.errors import EvalsError
from bayescale.evals import Evals
from bayescale.model import build_model, model_data, observed_cells
from bayescale.model.build import generative_model
from bayescale.model.coordinates.parameterization import Coordinates, PlainCoordinates, is_coordinate
from bayescale.model.coordinates.rotation import FIXED_FACTORS
from bayescale.model.prior import Prior
from bayescale.model.spec import Spec, list_specs, load_spec

# Public variables and their dims.
DIMS = {
    "slope": ("covariate", "factor"),
    "loading": ("benchmark", "factor"),
    "own_loading_sd": (),
    "common_loading_sd": (),
    "difficulty": ("benchmark",),
    "floor": ("benchmark",),
    "log_precision": ("benchmark",),
    "curve_shape": ("benchmark",),
    "specific_sd": ("benchmark",),
    "noise_sd": ("benchmark",),
    "item_share": ("benchmark",),
    "ceiling": ("benchmark",),
    "ceiling_gap": ("benchmark",),
    "family_sd": (),
    "family_offset": ("family", "factor"),
    "benchmark_slope_sd": (),
    "benchmark_slope": ("benchmark", "covariate"),
    "family_benchmark_sd": (),
    "family_benchmark": ("family", "benchmark"),
    "testlet_sd": (),
    "testlet_effect": ("model", "testlet"),
    "setting_sd": (),
    "setting_effect": ("setting",),
    "specific_effect": ("repeated_cell",),
    "capability": ("model", "factor"),
    "drift": ("drift_step", "factor"),
    "drift_sd": (),
    "covariate_value": ("model", "covariate"),
    "compute_slope": ("compute_predictor",),
    "compute_sd": (),
    "vague_compute_sd": (),
    "maker_compute_sd": (),
    "maker_compute": ("organization",),
}
# Variables that turn together with the factors.
TURNING = ("slope", "loading", "family_offset", "capability", "drift")
COLUMNS = {"log10_flops": ("flops", 1.0), "log10_params": ("params_b", 1e9), "log10_tokens": ("tokens_t", 1e12)}

Values = dict[str, np.ndarray]

# A graph that is evaluated once is not worth rewriting.
AS_IT_IS = pytensor.compile.mode.Mode(linker="py", optimizer=None)


@dataclass
class Table:
    """What the formula needs of spec and evals, read from the tables once more."""

    spec: Spec
    evals: Evals
    covariates: np.ndarray = field(init=False)
    error: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        base = [c for c in self.spec.covariates if ":" not in c]
        models = self.evals.models
        values = np.column_stack([of_column(models, c) for c in base])
        self.covariates = values - np.nanmean(values, axis=0)
        if "context" in base:  # numbers are in units of their sd
            self.covariates[:, base.index("context")] /= np.std(values[:, base.index("context")])
        self.error = np.zeros_like(values)
        if "log10_flops" in base:
            self.error[:, base.index("log10_flops")] = models["flops_log10_sd"].fillna(0)

    @property
    def latent(self) -> np.ndarray:
        return np.isnan(self.covariates) | (self.error > 0)

    def log_density(self, at: Values) -> float:
        """The joint density of natural parameters and scores: section 2 of the design, line by line."""
        spec, priors, benchmarks = self.spec, self.spec.priors, self.evals.benchmarks
        names, count = self.evals.models[spec.family_column], len(benchmarks)
        names = names.where(names != "", self.evals.models["family"])
        family = np.array([list(dict.fromkeys(names)).index(f) for f in names])
        x = at["covariate_value"]
        total = self._covariates(x, *(self._compute(at) if spec.compute_from else (None, None)))
        if spec.compute_from:
            total += self._compute_priors(at)
        total += log_prior(priors.difficulty, at["difficulty"]) + self._noise(at)
        for covariate, slope in zip(spec.covariates, at["slope"], strict=True):
            prior = getattr(priors, f"slope[{covariate}]", priors.slope)
            total += log_prior(prior, slope)
            grows = (spec.rising and covariate in COLUMNS) or covariate in spec.rising_with
            if grows and prior.parameters["mu"] == 0:
                total += np.log(2 * expit(10 * np.mean(at["loading"] @ slope)))
        total += self._loadings(at)

        chance_level = benchmarks["floor"].to_numpy()
        if spec.floor.learned:
            mean = np.where(chance_level > 0, chance_level, spec.floor.open_mean)
            weight = np.where(chance_level > 0, spec.floor.concentration, spec.floor.open_concentration)
            total += stats.beta.logpdf(at["floor"], mean * weight, (1 - mean) * weight).sum()
        else:
            np.testing.assert_array_equal(at["floor"], chance_level)

        location = x @ at["slope"]
        logit = at["capability"] @ at["loading"].T - at["difficulty"]
        if spec.family_offsets:
            total += log_prior(priors.family_sd, at["family_sd"])
            total += stats.norm.logpdf(at["family_offset"], 0, at["family_sd"]).sum()
            location = location + at["family_offset"][family]
        if spec.drift:
            total += log_prior(priors.drift_sd, at["drift_sd"])
            total += stats.norm.logpdf(at["drift"], 0, at["drift_sd"]).sum()
            location = location + self._walk(x[:, spec.covariates.index("released")], at["drift"])
        total += stats.norm.logpdf(at["capability"], location, 1).sum()
        if spec.benchmark_slopes:
            total += log_prior(priors.benchmark_slope_sd, at["benchmark_slope_sd"])
            total += stats.norm.logpdf(at["benchmark_slope"], 0, at["benchmark_slope_sd"]).sum()
            logit = logit + x @ at["benchmark_slope"].T
        if spec.family_benchmark:
            total += log_prior(priors.family_benchmark_sd, at["family_benchmark_sd"])
            total += stats.norm.logpdf(at["family_benchmark"], 0, at["family_benchmark_sd"]).sum()
            logit = logit + at["family_benchmark"][family]
        groups = benchmarks["testlet"].tolist()
        shared = [g for g in dict.fromkeys(groups) if g and groups.count(g) > 1]
        if spec.testlets and shared:
            total += log_prior(priors.testlet_sd, at["testlet_sd"])
            total += stats.norm.logpdf(at["testlet_effect"], 0, at["testlet_sd"]).sum()
            for b in range(count):
                if groups[b] in shared:
                    logit[:, b] += at["testlet_effect"][:, shared.index(groups[b])]
        shape: np.ndarray | float = 1.0
        if spec.curve == "richards":
            shape = at["curve_shape"]
            total += log_prior(priors.curve_shape, shape)
        ceiling = benchmarks["ceiling"].to_numpy()
        if spec.learned_ceilings:
            total += log_prior(priors.ceiling_gap, at["ceiling_gap"])
            ceiling = at["floor"] + (ceiling - at["floor"]) / np.exp(at["ceiling_gap"])
            np.testing.assert_allclose(at["ceiling"], ceiling)
        width = ceiling - at["floor"]

        def moments(logit: np.ndarray, specific_sd: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
            mean = at["floor"] + width * rise(logit, shape)
            phi = np.broadcast_to(np.exp(at["log_precision"]), mean.shape)
            # Two logits, a step to each side, give the slope of the curve.
            step = 1e-5
            slope = width * (rise(logit + step, shape) - rise(logit - step, shape)) / (2 * step)
            between = specific_sd**2 * slope**2 / (mean * (1 - mean))
            # The intraclass correlation of an evaluation's items, 1 / (phi + 1), grows by `between` of their variance.
            return mean, (1 + between) / (1 / (phi + 1) + between) - 1

        specific_sd = 0.0
        if spec.uniqueness:
            specific_sd = at["specific_sd"]
        if not spec.repeated_measurements:
            return total + self._scores(self.evals.scores, *moments(logit, specific_sd))
        # Row by row: the effect of its setting, and where a cell has several rows the noise that they share.
        effects, cells = self._measured()
        total += log_prior(priors.setting_sd, at["setting_sd"])
        total += stats.norm.logpdf(at["setting_effect"], 0, at["setting_sd"]).sum()
        if spec.uniqueness:
            psi = np.array([at["specific_sd"][b] for _, b in cells])
            total += stats.norm.logpdf(at["specific_effect"], 0, psi).sum()
        rows = self.evals.measurements
        for i, row in enumerate(rows.itertuples()):
            m, b = self.evals.model_names.index(row.model), self.evals.benchmark_names.index(row.benchmark)
            moved, own_sd = logit.copy(), specific_sd
            if (b, row.how) in effects:
                moved[m, b] += at["setting_effect"][effects.index((b, row.how))]
            if (m, b) in cells:
                own_sd = 0.0
                moved[m, b] += at["specific_effect"][cells.index((m, b))] if spec.uniqueness else 0.0
            total += self._scores(rows.iloc[[i]], *moments(moved, own_sd))
        return total

    def _noise(self, at: Values) -> float:
        """Priors of each kind of noise, or of their variance half-way up a curve from 0 to 1 and the items' share."""
        names = ["log_precision", "specific_sd"] if self.spec.uniqueness else ["log_precision"]
        if self.spec.noise_shares and self.spec.uniqueness:
            names = ["noise_sd", "item_share"]
            by_items = at["item_share"] * at["noise_sd"] ** 2
            np.testing.assert_allclose(0.25 / np.exp(at["log_precision"]) / 0.25**2, by_items)
            np.testing.assert_allclose(at["specific_sd"] ** 2, at["noise_sd"] ** 2 - by_items)
        return sum(log_prior(getattr(self.spec.priors, name), at[name]) for name in names)

    def _measured(self) -> tuple[list[tuple[int, str]], list[tuple[int, int]]]:
        """Settings that have an effect, by benchmark, and cells with several measurements: of `with_settings`."""
        effects = [(0, "0-shot"), (2, "effort high"), (2, "effort low")]
        counts = self.evals.measurements.groupby(["model", "benchmark"]).size()
        places = [
            (self.evals.model_names.index(m), self.evals.benchmark_names.index(b)) for m, b in counts[counts > 1].index
        ]
        return effects, sorted(places)

    def _walk(self, years: np.ndarray, gains: np.ndarray) -> np.ndarray:
        """What the years from the centre to each date have added, whole years and the part of the last."""
        known = self.covariates[:, self.spec.covariates.index("released")]
        before = int(-np.floor(min(np.nanmin(known), 0)))  # steps down from the centre, the furthest first
        walk = np.zeros((len(years), gains.shape[1]))
        for m, t in enumerate(years):
            steps = gains[before:] if t > 0 else gains[:before][::-1]
            whole = int(abs(t))
            walk[m] = steps[:whole].sum(axis=0)
            if whole < len(steps):
                walk[m] += (abs(t) - whole) * steps[whole]
        return walk

    def _loadings(self, at: Values) -> float:
        """Independent, or all benchmarks of one factor around what they have in common."""
        factors = at["loading"].shape[1]
        prior = {name: self.spec.prior(name, factors) for name in ("loading", "own_loading_sd", "common_loading_sd")}
        if not self.spec.common_loading:
            return log_prior(prior["loading"], at["loading"])
        own, common = at["own_loading_sd"], at["common_loading_sd"]
        benchmarks = len(at["loading"])
        covariance = own**2 * np.eye(benchmarks) + common**2 * np.ones((benchmarks, benchmarks))
        around = stats.multivariate_normal(np.zeros(benchmarks), covariance)
        total = log_prior(prior["own_loading_sd"], own) + log_prior(prior["common_loading_sd"], common)
        return total + sum(around.logpdf(of_factor) for of_factor in at["loading"].T)

    def _covariates(self, x: np.ndarray, mean: Any = None, sd: Any = None) -> float:
        """Unknown covariates: their prior; uncertain ones: prior times measurement, given what was measured.

        Where compute is predicted, `mean` and `sd` of each model are its prior, and what is stated of it is observed.
        """
        priors, total = self.spec.priors, 0.0
        for m, c in np.ndindex(self.covariates.shape):
            own = f"latent_covariate[{self.spec.covariates[c]}]"
            prior = getattr(priors, own, priors.latent_covariate).parameters
            mu, sigma = prior["mu"], prior["sigma"]
            predicted = mean is not None and self.spec.covariates[c] == "log10_flops"
            if predicted:
                mu, sigma = mean[m], sd[m]
            stated, error = self.covariates[m, c], self.error[m, c]
            if self.latent[m, c]:
                total += stats.norm.logpdf(x[m, c], mu, sigma)
                if error > 0:
                    total += stats.norm.logpdf(stated, x[m, c], error)
                    total -= 0.0 if predicted else stats.norm.logpdf(stated, mu, np.hypot(sigma, error))
            elif predicted:
                total += stats.norm.logpdf(stated, mu, sigma)
        return total

    def _compute(self, at: Values) -> tuple[np.ndarray, np.ndarray]:
        """Mean and sd of each model's compute given its release date, its parameters and its maker."""
        models = self.evals.models
        z = np.column_stack([of_column(models, name) for name in ("released", "log10_params")])
        z = z - np.nanmean(z, axis=0)
        unknown = np.isnan(z)
        mean = at["compute_slope"][0] + np.where(unknown, 0, z) @ at["compute_slope"][1:3]
        mean = mean + unknown @ at["compute_slope"][3:]
        makers = models["organization"].tolist()
        names = sorted({name for name in makers if name})
        mean = mean + np.array([at["maker_compute"][names.index(name)] if name else 0.0 for name in makers])
        return mean, np.where(unknown.any(axis=1), at["vague_compute_sd"], at["compute_sd"])

    def _compute_priors(self, at: Values) -> float:
        priors = self.spec.priors
        total = log_prior(priors.latent_covariate, at["compute_slope"][0])
        total += log_prior(priors.compute_slope, at["compute_slope"][1:])
        total += log_prior(priors.compute_sd, at["compute_sd"]) + log_prior(priors.compute_sd, at["vague_compute_sd"])
        total += log_prior(priors.maker_compute_sd, at["maker_compute_sd"])
        return total + stats.norm.logpdf(at["maker_compute"], 0, at["maker_compute_sd"]).sum()

    def _scores(self, rows: pd.DataFrame, mean: np.ndarray, precision: np.ndarray) -> float:
        total = 0.0
        benchmarks = self.evals.benchmarks.set_index("benchmark")
        for row in rows.itertuples():
            m, b = self.evals.model_names.index(row.model), self.evals.benchmark_names.index(row.benchmark)
            a, b = mean[m, b] * precision[m, b], (1 - mean[m, b]) * precision[m, b]
            items = benchmarks.loc[row.benchmark, "items"]
            if np.isnan(items) or self.spec.likelihood == "beta":
                items = 10_000  # steps of a hundredth of a point
            total += stats.betabinom.logpmf(round(row.score * items), int(items), a, b)
        return total


def of_column(models: pd.DataFrame, covariate: str) -> np.ndarray:
    """Values of a covariate: decades of a size, years of a date, 0 and 1, or the numbers of a column."""
    if covariate in COLUMNS:
        column, unit = COLUMNS[covariate]
        return np.log10(models[column].to_numpy() * unit)
    if covariate == "released":
        dates = pd.to_datetime(models["released"].replace("", None))
        start = pd.to_datetime(dates.dt.year.astype("Int64").astype(str) + "-01-01", errors="coerce")
        return (dates.dt.year + ((dates - start).dt.days + 0.5) / (365 + dates.dt.is_leap_year)).to_numpy(float)
    return models[covariate].map({"True": 1.0, "False": 0.0} | {str(i): float(i) for i in range(99)}).to_numpy()


def log_prior(prior: Prior, value: np.ndarray) -> float:
    numbers = list(prior.parameters.values())
    exact = {
        "Normal": stats.norm.logpdf,
        "Laplace": stats.laplace.logpdf,
        "StudentT": lambda v, nu, mu, sigma: stats.t.logpdf(v, nu, mu, sigma),
        "Beta": stats.beta.logpdf,
        "HalfNormal": lambda v, sigma: stats.halfnorm.logpdf(v, 0, sigma),
        "Exponential": lambda v, lam: stats.expon.logpdf(v, 0, 1 / lam),
        "LogNormal": lambda v, mu, sigma: stats.lognorm.logpdf(v, sigma, 0, np.exp(mu)),
        "Gamma": lambda v, alpha, beta: stats.gamma.logpdf(v, alpha, 0, 1 / beta),
    }[prior.distribution]
    return float(np.sum(exact(value, *numbers)))


class Built:
    """A model as a function of the sampler's coordinates: its log-density, and the natural parameters there."""

    def __init__(self, spec: Spec, evals: Evals, *, after_a_short_run: bool = False) -> None:
        at = Coordinates.of(spec, evals)
        if after_a_short_run:
            at = Coordinates(spec, at.data, short_run(at))
        self.spec, self.model = spec, generative_model(at)
        self.names = [name for name in DIMS if name in self.model.named_vars]
        natural = self.model.replace_rvs_by_values([self.model[name] for name in self.names])
        inputs = self.model.value_vars
        # Two functions, since the Jacobian needs the parameters alone, at hundreds of points.
        self.density = pytensor.function(inputs, self.model.logp(jacobian=True), mode=AS_IT_IS)
        self.parameters = pytensor.function(inputs, natural, mode="FAST_COMPILE", on_unused_input="ignore")
        self.density.trust_input = self.parameters.trust_input = True
        with pytensor.config.change_flags(mode="FAST_COMPILE"):
            start = self.model.initial_point(random_seed=0)
        self.start = [np.asarray(start[v.name], dtype=float) for v in inputs]

    def point(self, seed: int) -> list[np.ndarray]:
        rng = np.random.default_rng(seed)
        return [np.asarray(s + 0.3 * rng.normal(size=s.shape)) for s in self.start]

    def values(self, point: list[np.ndarray]) -> Values:
        return dict(zip(self.names, self.parameters(*point), strict=True))

    def log_volume(self, point: list[np.ndarray], table: Table) -> float:
        """Volume of the map from the sampler's coordinates to the natural parameters: log |det| of its Jacobian.

        Where the sampler leaves rotations out, their generators stand in for the missing coordinates.
        """
        step = 1e-5
        columns = []
        for position, part in enumerate(point):
            for index in np.ndindex(part.shape):
                sides = []
                for sign in (1, -1):
                    moved = part.copy()
                    moved[index] += sign * step
                    sides.append(self.flat(self.values([*point[:position], moved, *point[position + 1 :]]), table))
                columns.append((sides[0] - sides[1]) / (2 * step))
        values = self.values(point)
        if len(columns) < len(columns[0]):
            # Factors beyond those of fixed rotation turn freely among themselves.
            for i, j in ((i, j) for i, j in combinations(range(self.spec.factors), 2) if i < FIXED_FACTORS):
                generator = np.zeros((self.spec.factors,) * 2)
                generator[i, j], generator[j, i] = 1, -1
                turned = {n: v @ generator if n in TURNING else np.zeros_like(v) for n, v in values.items()}
                columns.append(self.flat(turned, table))
        matrix = np.array(columns)
        assert matrix.shape[0] == matrix.shape[1], "as many coordinates as natural parameters and rotations"
        return float(np.linalg.slogdet(matrix)[1])

    def flat(self, values: Values, table: Table) -> np.ndarray:
        free = dict(values)
        if not self.spec.floor.learned:
            free.pop("floor")
        free.pop("ceiling", None)  # follows from floor and gap
        if self.spec.shares_noise:
            for name in ("log_precision", "specific_sd"):  # follow from their total and the items' share
                free.pop(name)
        covariates = free.pop("covariate_value")[:, : table.latent.shape[1]]
        return np.concatenate([covariates[table.latent], *(np.ravel(v) for v in free.values())])

    def natural(self, table: Table, seed: int) -> tuple[float, Values]:
        """Log-density of the natural parameters at a point, and these."""
        point = self.point(seed)
        return float(self.density(*point)) - self.log_volume(point, table), self.values(point)

    def excess(self, table: Table, seed: int) -> float:
        """What the model's log-density has beside the formula's: zero."""
        density, values = self.natural(table, seed)
        return density - table.log_density(values)


def plain_log_density(spec: Spec, evals: Evals, table: Table, values: Values) -> float:
    """The same in plain coordinates, of which the natural parameters are the values."""
    model = remove_value_transforms(generative_model(PlainCoordinates.of(spec, evals)))
    base = values["covariate_value"][:, : table.latent.shape[1]]
    values = values | {"latent_covariate": base[table.latent]}
    density = pytensor.function(model.value_vars, model.logp(), mode=AS_IT_IS)
    return float(density(*(values[v.name] for v in model.value_vars)))


UNUSUAL = {
    "loading": "StudentT(nu=4, mu=0.3, sigma=0.8)",
    "slope": "Normal(mu=0.5, sigma=0.7)",
    "difficulty": "Normal(mu=0.7, sigma=1.2)",
    "family_sd": "Exponential(1.5)",
    "own_loading_sd": "Gamma(3, 5)",
    "common_loading_sd": "LogNormal(0, 0.4)",
    "benchmark_slope_sd": "LogNormal(-1.5, 0.5)",
    "family_benchmark_sd": "Gamma(2, 4)",
    "testlet_sd": "HalfNormal(0.2)",
    "setting_sd": "Gamma(3, 6)",
    "curve_shape": "Gamma(2, 3)",
    "specific_sd": "Gamma(2, 6)",
    "ceiling_gap": "HalfNormal(0.1)",
    "log_precision": "StudentT(5, 5.5, 0.8)",
    "latent_covariate": "Normal(0.3, 0.8)",
}
BARE = {"family_offsets": False, "family_benchmark": False, "benchmark_slopes": False, "testlets": False}
PARAMS = ("log10_params", "log10_tokens")
INTERACTION = (*PARAMS, "log10_params:log10_tokens")
EXACT = {"unknown_compute": 0, "stated_error": 0}
INDEPENDENT = {"common_loading": False}
SLOPES = {"benchmark_slopes": True}
ZERO_MEAN = {name: prior for name, prior in UNUSUAL.items() if name not in ("loading", "slope")}
BY_NAME = {"slope[released]": "Normal(0, 0.7)", "latent_covariate[released]": "Normal(0.2, 0.6)"}
# What version 0.1 fitted.
FIRST = {"uniqueness": False, "rising": False, "learned_ceilings": False, "loading_sds": "factor"}
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "one factor": ({"factors": 1}, {}),
    "curves of their own shape": ({"factors": 2, "curve": "richards"}, {}),
    "repeated measurements": ({"factors": 1, "repeated_measurements": True, "priors": ZERO_MEAN}, {"models": 8}),
    "repeated measurements without noise of their own": (
        {
            "factors": 1,
            "repeated_measurements": True,
            "uniqueness": False,
            "rising": False,
            "priors": {"slope": "Exponential(1)"},
        },
        {},
    ),
    "the form of version 0.1": ({"factors": 2, **FIRST}, {}),
    "other priors, one factor": ({"factors": 1, "priors": UNUSUAL}, {}),
    "a prior of each kind of noise": ({"factors": 1, "priors": {"log_precision": "Laplace(5.5, 0.6)"}}, {}),
    "other priors of noise and its shares": (
        {"factors": 1, "priors": {"noise_sd": "Gamma(2, 6)", "item_share": "Beta(2, 3)"}},
        {},
    ),
    "repeated measurements, noise and its shares": ({"factors": 1, "repeated_measurements": True}, {"models": 8}),
    "fixed ceilings": ({"factors": 2, "learned_ceilings": False}, {}),
    "four factors, benchmark slopes": ({"factors": 4, **SLOPES}, {}),
    "as many factors as benchmarks": ({"factors": 5}, {"models": 8}),
    "more factors than benchmarks": ({"factors": 6, **SLOPES}, {"models": 8}),
    "more factors than benchmarks, no families": ({"factors": 6, "family_offsets": False}, {"models": 8}),
    "more factors than benchmarks, independent loadings": ({"factors": 6, **INDEPENDENT}, {"models": 8}),
    "independent loadings": ({"factors": 2, "priors": {"loading": "Normal(0, 1.3)"}, **INDEPENDENT}, {}),
    "independent loadings, no families": ({"factors": 2, "family_offsets": False, **INDEPENDENT}, {}),
    "other priors, rotations": ({"factors": 2, "priors": ZERO_MEAN, **SLOPES}, {}),
    "other priors, no rotations": (
        {"factors": 2, "priors": UNUSUAL, "curve": "richards", "floor": {"open_mean": 0.03}},
        {},
    ),
    "other priors, independent loadings": ({"factors": 2, "priors": UNUSUAL, **INDEPENDENT, **SLOPES}, {}),
    "difficulty off zero, rotations": ({"factors": 2, "priors": {"difficulty": "StudentT(4, -1.5, 0.5)"}}, {}),
    "bare, fixed floor, exact compute": ({"factors": 1, "floor": {"learned": False}, **BARE}, EXACT),
    "no testlets, beta likelihood": ({"factors": 1, "likelihood": "beta", "testlets": False}, {}),
    "no family offsets, items nowhere": ({"factors": 2, "family_offsets": False}, {"items": (np.inf,) * 5}),
    "benchmark slopes, items everywhere": ({"factors": 1, **SLOPES}, {"items": (100,) * 5}),
    "parameters, tokens and interaction": (
        {"factors": 2, "covariates": INTERACTION, **SLOPES},
        {"unknown_compute": 2},
    ),
    "columns as covariates": (
        {"factors": 2, "covariates": ("log10_flops", "released", "reasoning"), "priors": BY_NAME},
        {},
    ),
    "compute of date, size and maker": (
        {
            "factors": 2,
            "covariates": ("log10_flops", "released"),
            "compute_from": ("released", "log10_params", "organization"),
            "priors": BY_NAME,
        },
        {"unknown_compute": 3, "stated_error": 2},
    ),
    "dates that drift, makers as families": (
        {
            "factors": 2,
            "covariates": ("log10_flops", "released", "reasoning"),
            "family_column": "organization",
            "rising_with": ("reasoning",),
            "drift": True,
            "priors": {"latent_covariate[released]": "Normal(0.2, 0.6)"},
        },
        {},
    ),
    "columns of their own priors": (
        {
            "factors": 2,
            "covariates": ("context", "log10_flops", "released", "reasoning", "log10_flops:reasoning"),
            "priors": UNUSUAL | BY_NAME | {"slope[reasoning]": "StudentT(4, 0.5, 0.9)"},
            **SLOPES,
        },
        {},
    ),
}
# Forms of the first edition, of this one, and of today's data; the heavy tests have all.
FAST = (
    "repeated measurements",
    "the form of version 0.1",
    "curves of their own shape",
    "other priors, no rotations",
    "bare, fixed floor, exact compute",
    "precisions of a Laplace prior",
)
EVERY_CASE = [pytest.param(case, marks=() if case in FAST else pytest.mark.heavy) for case in CASES]


def table_of(spec: Spec, settings: dict[str, Any]) -> Evals:
    evals = with_columns(simulate(**settings)[0])
    return with_settings(evals) if spec.repeated_measurements else evals


@cache
def at_one_point(case: str) -> tuple[Table, float, Values]:
    """The tables of a case, and the log-density of the model that is sampled at natural parameters."""
    form, settings = CASES[case]
    spec = Spec(**form)
    evals = table_of(spec, settings)
    table = Table(spec, evals)
    return table, *Built(spec, evals).natural(table, seed=1)


@pytest.mark.parametrize("case", EVERY_CASE)
def test_the_density_that_is_sampled_is_the_formulas(case: str) -> None:
    table, density, values = at_one_point(case)
    assert density == pytest.approx(table.log_density(values), abs=2e-4)


@pytest.mark.parametrize("case", EVERY_CASE)
def test_so_is_the_density_in_the_coordinates_of_a_short_run(case: str) -> None:
    form, settings = CASES[case]
    spec = Spec(**form)
    evals = table_of(spec, settings)
    assert Built(spec, evals, after_a_short_run=True).excess(Table(spec, evals), seed=1) == pytest.approx(0, abs=2e-4)


@pytest.mark.filterwarnings("ignore:pytensor.tensor.linalg.trace is deprecated:FutureWarning")  # PyMC's own
@pytest.mark.parametrize("case", EVERY_CASE)
def test_the_density_that_is_sampled_is_that_of_plain_coordinates(case: str) -> None:
    table, density, values = at_one_point(case)
    assert density == pytest.approx(plain_log_density(table.spec, table.evals, table, values), abs=2e-4)


@pytest.mark.parametrize("case", EVERY_CASE)
def test_variables_are_public_or_coordinates_of_the_sampler(case: str) -> None:
    """What a saved posterior holds is what the plain model has."""
    form, settings = CASES[case]
    spec = Spec(**form)
    evals = table_of(spec, settings)
    names = []
    for parameterization in (Coordinates, PlainCoordinates):
        model = generative_model(parameterization.of(spec, evals))
        names.append({v.name for v in model.unobserved_RVs})
    sampled, plain = names
    assert {name for name in sampled if not is_coordinate(name)} == plain
    assert plain <= {*DIMS, "latent_covariate"}


@pytest.mark.heavy
def test_other_cells_need_no_other_model(evals: Evals) -> None:
    """New values in the containers, in other number: the density of the masked scores, without building anew."""
    spec = Spec(factors=2)
    built = Built(spec, evals)
    full = Table(spec, evals)
    assert built.excess(full, seed=2) == pytest.approx(0, abs=2e-4)
    masked = evals.mask((evals.matrix() > 0.3) & (evals.matrix()["benchmark"] != "bench-4"))
    assert 0 < masked.n_scores < evals.n_scores
    cells = observed_cells(masked, model_data(spec, evals).items)
    assert set(cells) == {"observed", "observed_score", "log_choose"}
    given, before = Coordinates.of(spec, masked).arrays, Coordinates.of(spec, evals).arrays
    assert all(np.array_equal(given[name], value) for name, value in cells.items())
    # The sampler's coordinates follow the scores, too.
    assert not np.allclose(given["rotation_basis"], before["rotation_basis"])
    with built.model:
        pm.set_data(given)
    assert built.excess(Table(spec, masked), seed=2) == pytest.approx(0, abs=2e-4)
    assert abs(built.excess(full, seed=2)) > 1


@pytest.mark.parametrize("name", list_specs())
def test_variables_have_the_dims_and_coords_that_are_promised(name: str, evals: Evals) -> None:
    spec, evals = load_spec(name), with_columns(evals)
    model = build_model(spec, evals)
    coords = {dim: list(labels) for dim, labels in model.coords.items()}
    assert coords["model"] == evals.model_names
    assert coords["family"] == evals.with_families_of(spec.family_column).families
    assert coords["benchmark"] == evals.benchmark_names
    assert coords["testlet"] == ["pair"]
    assert coords["covariate"] == list(spec.covariates)
    assert len(coords["factor"]) == spec.factors_for(len(evals.benchmark_names), len(evals.model_names))
    switched_off = {
        "family_offset": not spec.family_offsets,
        "family_sd": not spec.family_offsets,
        "family_benchmark": not spec.family_benchmark,
        "family_benchmark_sd": not spec.family_benchmark,
        "specific_sd": not spec.uniqueness,
        **dict.fromkeys(("noise_sd", "item_share"), not spec.shares_noise),
        **dict.fromkeys(("ceiling", "ceiling_gap"), not spec.learned_ceilings),
        **dict.fromkeys(("setting_sd", "setting_effect", "specific_effect"), not spec.repeated_measurements),
        "benchmark_slope": not spec.benchmark_slopes,
        "benchmark_slope_sd": not spec.benchmark_slopes,
        "own_loading_sd": not spec.common_loading,
        "common_loading_sd": not spec.common_loading,
        "curve_shape": spec.curve == "sigmoid",
        **dict.fromkeys(("drift", "drift_sd"), not spec.drift),
        **dict.fromkeys((name for name in DIMS if "compute" in name), not spec.compute_from),
    }
    for variable, dims in DIMS.items():
        if switched_off.get(variable):
            assert variable not in model.named_vars
        else:
            assert tuple(model.named_vars_to_dims.get(variable, ())) == dims, variable


@pytest.mark.parametrize("case", EVERY_CASE)
def test_the_sampler_starts_from_variables_that_the_model_has(case: str, evals: Evals) -> None:
    spec = Spec(**CASES[case][0])
    evals = with_columns(evals)
    coordinates = Coordinates.of(spec, with_settings(evals) if spec.repeated_measurements else evals)
    model = generative_model(coordinates)
    start = coordinates.starting_point(np.random.default_rng(1))
    shapes = {v.name: tuple(v.shape.eval()) for v in model.free_RVs if v.name in start}
    assert {n: v.shape for n, v in start.items()} == {n: shapes[n] for n in start}
    assert ("loading_z" in start) == ("rotation_basis" in model.named_vars)
    assert ("latent_covariate_z" in start) == ("latent_covariate" in model.named_vars)
    model.rvs_to_initial_values.update({model[n]: v for n, v in start.items()})
    assert all(np.isfinite(v).all() for v in model.initial_point(random_seed=0).values())


@pytest.mark.heavy
@pytest.mark.parametrize(
    "covariates", [("log10_flops",), ("log10_params", "log10_tokens", "log10_params:log10_tokens")]
)
def test_the_sampler_starts_where_scores_rise_with_compute(covariates: tuple[str, ...]) -> None:
    """Of a simulation in which every benchmark does, whatever the rotation in which the sampler starts."""
    evals, truth = simulate(3, families=6, models=40, factors=2, slope=(1.5, 1.0), offset_sd=0.3)
    assert (truth.loading @ truth.slope > 0).all()
    built = Built(Spec(factors=4, covariates=covariates, rising=False), evals)
    start = Coordinates.of(built.spec, evals).starting_point(np.random.default_rng(1))
    built.model.rvs_to_initial_values.update({built.model[name]: value for name, value in start.items()})
    point = built.model.initial_point(random_seed=0)
    at = built.values([np.asarray(point[v.name], dtype=float) for v in built.model.value_vars])
    rising = at["loading"] @ at["slope"][: len(built.spec.base_covariates)].sum(axis=0)
    assert rising.mean() > 0.5  # logits a decade
    # Scores and compute do not go together for each benchmark without noise: none may fall by a tenth of the average.
    assert (rising > -0.1 * rising.mean()).all()


def test_the_docstring_names_every_public_variable() -> None:
    text = build_model.__doc__ or ""
    for variable in DIMS:
        assert f"``{variable}``" in text, variable


@pytest.mark.heavy
def test_variables_are_drawn_from_their_priors(evals: Evals) -> None:
    """Loadings and slopes are sampled in units of the scatter of capabilities, but their priors are their own."""
    other_specs = ("benchmark_slope", "drift", "compute", "setting", "specific_effect")
    names = [n for n in DIMS if not any(part in n for part in other_specs)]
    spec = Spec(factors=2, family_benchmark=True, learned_ceilings=True)
    with build_model(spec, evals):
        drawn = pm.sample_prior_predictive(400, var_names=names, random_seed=1, compile_kwargs={"mode": "FAST_COMPILE"})
    prior = drawn["prior"]
    assert float(prior["slope"].std()) == pytest.approx(2, abs=0.3)
    average = prior["slope"].dot(prior["loading"].mean("benchmark"), dim="factor").to_numpy()
    assert (average > -1).all()  # odds of e^-10
    assert (average > 0).mean() > 0.85
    gap = -np.log((prior["ceiling"] - prior["floor"]) / (1 - prior["floor"]))
    assert float(gap.mean()) == pytest.approx(1 / 30, abs=4.5 / 30 / np.sqrt(400 * 5))
    common = prior["loading"].mean("benchmark")
    variance = prior["common_loading_sd"] ** 2 + prior["own_loading_sd"] ** 2 / 5
    assert float((common / np.sqrt(variance)).std()) == pytest.approx(1, abs=0.1)
    own = (prior["loading"] - common) / prior["own_loading_sd"]
    assert float((own**2).mean()) == pytest.approx(4 / 5, abs=0.08)
    scaled = prior["family_offset"] / prior["family_sd"]
    assert float(scaled.std()) == pytest.approx(1, abs=0.1)
    location = prior["covariate_value"].dot(prior["slope"], dim="covariate")
    family = model_data(spec, evals).family_index
    location = location.to_numpy() + prior["family_offset"].to_numpy()[:, :, family]
    residual = prior["capability"].to_numpy() - location
    assert residual.mean() == pytest.approx(0, abs=0.08)
    assert residual.std() == pytest.approx(1, abs=0.05)
    assert float(prior["difficulty"].mean()) == pytest.approx(0, abs=0.25)
    assert float(prior["difficulty"].std()) == pytest.approx(1.5, abs=0.15)
    assert float(prior["curve_shape"].mean()) == pytest.approx(1 / 4, abs=4.5 / 4 / np.sqrt(400 * 5))


@pytest.mark.heavy
def test_scores_are_drawn_from_the_prior_within_their_bounds(evals: Evals) -> None:
    spec = Spec(factors=2)
    with build_model(spec, evals):
        drawn = pm.sample_prior_predictive(200, random_seed=1, compile_kwargs={"mode": "FAST_COMPILE"})
    predicted = drawn["prior_predictive"]
    scores, items = predicted["score"], xr.DataArray(model_data(spec, evals).items, dims="benchmark")
    assert scores.dims == ("chain", "draw", "model", "benchmark")
    assert ((scores >= 0) & (scores <= 1)).all()
    hits = scores * items
    np.testing.assert_allclose(hits, np.rint(hits), atol=1e-6)


def test_nothing_to_fit_is_an_error(evals: Evals) -> None:
    with pytest.raises(EvalsError, match="no score to fit"):
        build_model(Spec(factors=1), evals.mask(evals.matrix() >= 0))


def test_a_covariate_that_no_model_has_is_an_error() -> None:
    evals, _ = simulate()
    unknown = Evals(evals.models.assign(tokens_t=np.nan), evals.benchmarks, evals.scores)
    with pytest.raises(EvalsError, match=r"No model has a value for log10_tokens: fill tokens_t"):
        build_model(load_spec("default").replace(covariates=PARAMS), unknown)
