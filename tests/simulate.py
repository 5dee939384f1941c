"""Evals simulated from a known truth, by the equations of the model written out once more, apart from the package.

Nothing here imports the package's own response curve or draws: a mistake there must not be able to hide here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import expit, logit

from bayescale._arviz import inference_data
from bayescale.evals import Evals
from bayescale.inference import diagnostics
from bayescale.inference.convergence import Block, ConvergenceReport
from bayescale.methods import Posterior
from bayescale.model import model_data
from bayescale.model.spec import Spec


def simulation_spec(factors: int = 1, **form: Any) -> Spec:
    """The spec with every effect that the simulation has; the default lacks two."""
    return Spec(**{"factors": factors, "benchmark_slopes": True, "family_benchmark": True, **form})


def rise(logit_of_score: np.ndarray, shape: np.ndarray | float) -> np.ndarray:
    """Way from floor to ceiling, 0 to 1, written out by hand: sigmoid(z)^s, half-way up at logit 0 with slope 1/4."""
    s = 1 / np.asarray(shape)
    half_way = 0.5 ** (1 / s)  # sigmoid(z) where sigmoid(z)^s = 1/2
    steepness = s * 0.5 * (1 - half_way)  # d sigmoid(z)^s / dz there
    return expit(logit(half_way) + 0.25 / steepness * logit_of_score) ** s


def cell_precision(
    mean: np.ndarray, precision: np.ndarray, specific_sd: np.ndarray, floor: np.ndarray, shape: np.ndarray | float = 1.0
) -> np.ndarray:
    """Precision of scores whose logit has noise of its own, written out by hand; the ceiling is 1."""
    share = (mean - floor) / (1 - floor)
    slope = (1 - floor) * share * (1 - share**shape) * 0.5 / (1 - 0.5**shape)
    between = specific_sd**2 * slope**2 / (mean * (1 - mean) + 1e-300)
    return (1 + between) / (1 / (precision + 1) + between) - 1


# For draws whose convergence is beside the point of a test.
CONVERGED = ConvergenceReport(
    converged=True, chains=4, draws=4000, divergences=0, max_depth_hits=0, bfmi=1.0, blocks=(), problems=()
)


@dataclass(frozen=True)
class Truth:
    """Everything that the simulation is made of; compute is in decades around `centre`.

    Shapes: ``slope`` (factor,), ``offset`` (family, factor), ``loading`` (benchmark, factor),
    ``family_benchmark`` (family, benchmark), ``capability`` (model, factor), ``testlet`` (model, testlet),
    ``x`` (model,), the others (benchmark,).
    """

    families: list[str]
    benchmarks: list[str]
    slope: np.ndarray
    offset: np.ndarray
    loading: np.ndarray
    difficulty: np.ndarray
    benchmark_slope: np.ndarray
    family_benchmark: np.ndarray
    testlet_sd: float
    testlet_index: np.ndarray
    floor: np.ndarray
    ceiling: np.ndarray
    precision: np.ndarray
    specific_sd: np.ndarray
    items: np.ndarray
    centre: float
    capability: np.ndarray
    testlet: np.ndarray
    family_of_model: np.ndarray
    x: np.ndarray

    @property
    def efficiency(self) -> np.ndarray:
        """Decades of compute that each family is worth: ``(alpha . beta) / (beta . beta)``."""
        return self.offset @ self.slope / (self.slope @ self.slope)

    def expected(self, x: np.ndarray, capability: np.ndarray, testlet: np.ndarray, family: np.ndarray) -> np.ndarray:
        """Expected scores (model, benchmark)."""
        shared = np.where(self.testlet_index >= 0, testlet[:, np.maximum(self.testlet_index, 0)], 0.0)
        logit = (
            capability @ self.loading.T
            - self.difficulty
            + np.outer(x, self.benchmark_slope)
            + shared
            + self.family_benchmark[family]
        )
        return self.floor + (self.ceiling - self.floor) * expit(logit)

    @property
    def fitted(self) -> np.ndarray:
        """Expected scores of the models of the data."""
        return self.expected(self.x, self.capability, self.testlet, self.family_of_model)

    def unseen(self, x: np.ndarray, family: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw new models: their expected and their measured scores (model, benchmark)."""
        capability = np.outer(x, self.slope) + self.offset[family] + rng.standard_normal((len(x), len(self.slope)))
        testlet = self.testlet_sd * rng.standard_normal((len(x), self.testlet.shape[1]))
        mean = self.expected(x, capability, testlet, family)
        return mean, self.measured(mean, rng)

    def measured(self, mean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw scores (model, benchmark) with these expected ones."""
        return measure(mean, cell_precision(mean, self.precision, self.specific_sd, self.floor), self.items, rng)


def measure(mean: np.ndarray, precision: np.ndarray, items: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw scores: beta-binomial shares where items are counted, elsewhere Beta, to a hundredth of a point."""
    share = rng.beta(mean * precision, (1 - mean) * precision)
    counted = np.isfinite(items)
    n = np.where(counted, items, 1).astype(int)
    return np.where(counted, rng.binomial(n, share) / n, np.round(share, 4))


def new_models(
    posterior: Posterior, family: str | None, flops: float | None, repeats: int, seed: int = 0, *, offsets: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Draw new models from a posterior of compute alone: expected scores and precision (simulation, benchmark).

    `family` None is one never seen, `flops` None is compute that is unknown; every draw makes `repeats` models.
    Without `offsets` that of a known family is drawn given the capabilities of its models, as it is in any posterior
    that was sampled.
    """
    known = {n: v.to_numpy().reshape(-1, *v.shape[2:]) for n, v in posterior.idata["posterior"].data_vars.items()}
    data = {n: np.repeat(v, repeats, axis=0) for n, v in known.items() if n not in ("capability", "covariate_value")}
    evals, rng = posterior.evals, np.random.default_rng(seed)
    size, benchmarks = data["difficulty"].shape
    if flops is None:
        prior = posterior.spec.priors.latent_covariate.parameters
        x = rng.normal(prior["mu"], prior["sigma"], (size, 1))
    else:
        x = np.full((size, 1), np.log10(flops) - np.nanmean(np.log10(evals.models["flops"])))
    if family is None:
        offset = data["family_sd"][:, None] * rng.standard_normal((size, data["slope"].shape[2]))
        family_benchmark = data["family_benchmark_sd"][:, None] * rng.standard_normal((size, benchmarks))
    else:
        row = evals.families.index(family)
        offset, family_benchmark = data["family_offset"][:, row], data["family_benchmark"][:, row]
        if not offsets:
            offset = _offset_given_models(known, np.array(evals.models["family"] == family), repeats, rng)
    capability = x * data["slope"][:, 0] + offset + rng.standard_normal(offset.shape)
    testlet = data["testlet_sd"][:, None] * rng.standard_normal((size, 1))
    logit_of_score = np.einsum("sbk,sk->sb", data["loading"], capability) - data["difficulty"]
    logit_of_score += x * data["benchmark_slope"][..., 0] + family_benchmark
    logit_of_score += np.where((evals.benchmarks["testlet"] != "").to_numpy(), testlet, 0.0)
    expected = data["floor"] + (1 - data["floor"]) * rise(logit_of_score, data["curve_shape"])
    noise = np.exp(data["log_precision"]), data.get("specific_sd", np.zeros((size, benchmarks)))
    return expected, cell_precision(expected, *noise, data["floor"], data["curve_shape"])


def _offset_given_models(
    draws: dict[str, np.ndarray], members: np.ndarray, repeats: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw a family's offset (simulation, factor) by Bayes' rule for normals: prior sd tau, one of sd 1 for a model."""
    residual = (draws["capability"] - draws["covariate_value"] @ draws["slope"])[:, members]
    precision = 1 / draws["family_sd"] ** 2 + members.sum()
    mean = residual.sum(axis=1) / precision[:, None]
    normal = rng.standard_normal((len(mean), repeats, mean.shape[1]))
    return (mean[:, None] + normal / np.sqrt(precision)[:, None, None]).reshape(-1, mean.shape[1])


def simulate(
    seed: int = 0,
    *,
    families: int = 4,
    models: int = 12,
    items: tuple[float, ...] = (2000, 500, np.inf, 300, 300),
    floors: tuple[float, ...] = (0.25, 0.0, 0.0, 0.1, 0.1),
    testlets: tuple[str, ...] = ("", "", "", "pair", "pair"),
    factors: int = 1,
    slope: tuple[float, ...] | None = None,
    offset_sd: float = 0.7,
    benchmark_slope_sd: float = 0.15,
    family_benchmark_sd: float = 0.15,
    testlet_sd: float = 0.3,
    missing: float = 0.15,
    unknown_compute: int = 1,
    stated_error: int = 1,
) -> tuple[Evals, Truth]:
    """Simulate models of several families, of 1e21 to 1e24.5 FLOP, on benchmarks of every kind.

    The last `unknown_compute` models have no figure of compute; the first `stated_error` models state theirs with a
    standard deviation of 0.2 decades.
    """
    rng = np.random.default_rng(seed)
    n_items, floor = np.array(items, float), np.array(floors, float)
    count, (groups, group_of) = len(items), _testlets(testlets)
    family = np.arange(models) % families
    log10_flops = rng.uniform(21, 24.5, models)
    unknown = np.arange(models) >= models - unknown_compute
    stated = np.arange(models) < stated_error
    centre = log10_flops[~unknown].mean()
    x = log10_flops - centre
    true_x = x + np.where(stated, 0.2 * rng.standard_normal(models), 0.0)
    beta = np.array(slope if slope is not None else [1.2, 0.5, 0.3][:factors])
    offset = offset_sd * rng.standard_normal((families, factors))
    testlet = testlet_sd * rng.standard_normal((models, max(len(groups), 1)))
    truth = Truth(
        families=[f"Family-{'ABCDEFGHIJKLMNOP'[f]}" for f in range(families)],
        benchmarks=[f"bench-{b + 1}" for b in range(count)],
        slope=beta,
        offset=offset,
        loading=_loadings(count, factors, rng),
        difficulty=rng.normal(0.5, 0.8, count),
        benchmark_slope=benchmark_slope_sd * rng.standard_normal(count),
        family_benchmark=family_benchmark_sd * rng.standard_normal((families, count)),
        testlet_sd=testlet_sd,
        testlet_index=group_of,
        floor=np.where(floor > 0, floor, 0.01),
        ceiling=np.ones(count),
        precision=np.exp(rng.normal(5.5, 0.4, count)),
        specific_sd=np.full(count, 0.15),
        items=n_items,
        centre=centre,
        capability=np.outer(true_x, beta) + offset[family] + rng.standard_normal((models, factors)),
        testlet=testlet,
        family_of_model=family,
        x=true_x,
    )
    scores = truth.measured(truth.fitted, rng)
    seen = rng.random(scores.shape) >= missing
    return _evals(truth, scores, seen, log10_flops, unknown, stated, floor, testlets, rng), truth


def _testlets(testlets: tuple[str, ...]) -> tuple[list[str], np.ndarray]:
    groups = [g for g in dict.fromkeys(testlets) if g]
    return groups, np.array([groups.index(g) if g else -1 for g in testlets])


def _loadings(benchmarks: int, factors: int, rng: np.random.Generator) -> np.ndarray:
    """All load on the first capability; the others tell halves of the benchmarks apart."""
    loading = 0.25 * rng.standard_normal((benchmarks, factors))
    loading[:, 0] += 0.9
    for k in range(1, factors):
        loading[:, k] += 0.6 * np.where(np.arange(benchmarks) // k % 2, 1, -1)
    return loading


def _evals(
    truth: Truth,
    scores: np.ndarray,
    seen: np.ndarray,
    log10_flops: np.ndarray,
    unknown: np.ndarray,
    stated: np.ndarray,
    floor: np.ndarray,
    testlets: tuple[str, ...],
    rng: np.random.Generator,
) -> Evals:
    names = [f"{truth.families[f]}-{m}" for m, f in enumerate(truth.family_of_model)]
    flops = np.where(unknown, np.nan, 10**log10_flops)
    params_b = np.where(unknown, np.nan, np.sqrt(10**log10_flops / 120) / 1e9 * rng.uniform(0.5, 1.5, len(names)))
    models = pd.DataFrame(
        {
            "model": names,
            "family": [truth.families[f] for f in truth.family_of_model],
            "flops": flops,
            "flops_log10_sd": np.where(stated, 0.2, np.nan),
            "params_b": params_b,
            "tokens_t": flops / (6 * params_b * 1e9) / 1e12,
        }
    )
    benchmarks = pd.DataFrame(
        {
            "benchmark": truth.benchmarks,
            "items": np.where(np.isfinite(truth.items), truth.items, np.nan),
            "floor": floor,
            "testlet": testlets,
        }
    )
    rows, columns = np.nonzero(seen)
    table = pd.DataFrame(
        {
            "model": [names[m] for m in rows],
            "benchmark": [truth.benchmarks[b] for b in columns],
            "score": scores[rows, columns],
        }
    )
    return Evals(models, benchmarks, table, name="simulated")


def with_columns(evals: Evals) -> Evals:
    """Models with free columns: dates, two of them unknown, flags and numbers."""
    rng = np.random.default_rng(7)
    count = len(evals.model_names)
    dates = [str(day.date()) for day in pd.Timestamp("2022-11-03") + pd.to_timedelta(rng.integers(0, 900, count), "D")]
    dates[1] = dates[4] = ""
    flags = np.arange(count) % 3 == 0
    makers = [("Maker A", "", "Maker B")[m % 3] for m in range(count)]
    return Evals(
        evals.models.assign(released=dates, reasoning=flags, context=rng.integers(1, 99, count), organization=makers),
        evals.benchmarks,
        evals.scores,
    )


def with_settings(evals: Evals) -> Evals:
    """Scores in two numbers of examples on the first benchmark, three efforts on the third, two sources on the fourth.

    Some state nothing, and of two models of the third benchmark there is no score but one of another setting.
    """
    rng = np.random.default_rng(8)
    first = evals.scores.assign(shots="", setting="")
    first.loc[first["benchmark"] == "bench-1", "shots"] = "5"
    third = np.flatnonzero(first["benchmark"] == "bench-3")
    first.loc[third[:2], "setting"] = "effort high"
    zero = first[first["benchmark"] == "bench-1"].iloc[::2].assign(shots="0")
    unstated = first[first["benchmark"] == "bench-1"].iloc[:2].assign(shots="")
    low, high = (first.iloc[third[2::k]].assign(setting=f"effort {name}") for k, name in ((2, "low"), (3, "high")))
    again = first[first["benchmark"] == "bench-4"].iloc[:2].assign(source="its maker")
    more = pd.concat([zero, unstated, low, high, again])
    more["score"] = (more["score"] + rng.normal(-0.05, 0.02, len(more))).clip(0.01, 0.99)
    return Evals(evals.models, evals.benchmarks, pd.concat([first, more], ignore_index=True), "settings")


def posterior_near(
    evals: Evals,
    truth: Truth,
    spec: Spec,
    *,
    chains: int = 4,
    draws: int = 1000,
    spread: float = 0.1,
    seed: int = 0,
    convergence: ConvergenceReport | None = None,
    **centres: np.ndarray | float,
) -> Posterior:
    """Make a posterior without sampling: independent draws around the truth, by the names that `fit` leaves.

    Parameters
    ----------
    spread : float
        Standard deviation of the draws around the truth, on the scale on which a variable has no bounds.
    convergence : ConvergenceReport, optional
        Diagnosed on a few quantities if none is given; on all, it would take longer than all else.
    **centres
        Other centres than the truth, by the name of the variable.
    """
    rng = np.random.default_rng(seed)
    evals = evals.with_families_of(spec.family_column)
    covariates, arrays = len(spec.covariates), model_data(spec, evals)
    factors = len(arrays.coords["factor"])
    x = np.zeros((len(truth.x), covariates))
    x[:, 0] = truth.x
    variables: dict[str, tuple[tuple[str, ...], np.ndarray]] = {
        "slope": (("covariate", "factor"), np.tile(truth.slope / covariates, (covariates, 1))),
        "loading": (("benchmark", "factor"), truth.loading),
        "difficulty": (("benchmark",), truth.difficulty),
        "floor": (("benchmark",), truth.floor),
        "log_precision": (("benchmark",), np.log(truth.precision)),
        "capability": (("model", "factor"), truth.capability),
        "covariate_value": (("model", "covariate"), x),
    }
    if spec.common_loading:
        variables |= {"own_loading_sd": ((), np.array(0.3)), "common_loading_sd": ((), np.array(0.9))}
    if spec.family_offsets:
        variables |= {"family_offset": (("family", "factor"), truth.offset), "family_sd": ((), np.array(0.7))}
    if spec.benchmark_slopes:
        slopes = np.repeat(truth.benchmark_slope[:, None], covariates, 1)
        variables |= {"benchmark_slope": (("benchmark", "covariate"), slopes)}
        variables |= {"benchmark_slope_sd": ((), np.array(0.15))}
    if spec.family_benchmark:
        variables |= {"family_benchmark": (("family", "benchmark"), truth.family_benchmark)}
        variables |= {"family_benchmark_sd": ((), np.array(0.15))}
    if spec.testlets and (truth.testlet_index >= 0).any():
        variables |= {"testlet_effect": (("model", "testlet"), truth.testlet)}
        variables |= {"testlet_sd": ((), np.array(truth.testlet_sd))}
    if "setting" in arrays.coords:
        effects = np.linspace(-0.6, 0.6, len(arrays.coords["setting"]))
        variables |= {"setting_effect": (("setting",), effects), "setting_sd": ((), np.array(0.4))}
    if "repeated_cell" in arrays.coords:
        variables |= {"specific_effect": (("repeated_cell",), np.zeros(len(arrays.coords["repeated_cell"])))}
    if spec.uniqueness:
        variables |= {"specific_sd": (("benchmark",), truth.specific_sd)}
    if spec.curve == "richards":
        variables |= {"curve_shape": (("benchmark",), np.ones(len(truth.difficulty)))}
    if spec.drift:
        steps = np.zeros((len(arrays.coords["drift_step"]), factors))
        variables |= {"drift": (("drift_step", "factor"), steps), "drift_sd": ((), np.array(0.5))}
    if (predictors := arrays.predictors) is not None:
        variables |= {"compute_slope": (("compute_predictor",), np.zeros(len(predictors.names)))}
        variables |= {name: ((), np.array(0.5)) for name in ("compute_sd", "vague_compute_sd")}
        if predictors.makers:
            variables |= {"maker_compute": (("organization",), np.zeros(len(predictors.makers)))}
            variables |= {"maker_compute_sd": ((), np.array(0.5))}
    if spec.shares_noise:
        by_items = 4 / truth.precision
        total = by_items + truth.specific_sd**2
        variables |= {"noise_sd": (("benchmark",), np.sqrt(total)), "item_share": (("benchmark",), by_items / total)}
    coords: dict[str, list[Any]] = {
        "chain": list(range(chains)),
        "draw": list(range(draws)),
        "model": evals.model_names,
        "family": evals.families,
        "benchmark": evals.benchmark_names,
        "factor": [f"capability {k + 1}" for k in range(factors)],
        "covariate": list(spec.covariates),
        "testlet": [t for t, n in evals.benchmarks["testlet"].value_counts(sort=False).items() if t and n > 1],
        **{
            name: arrays.coords[name]
            for name in ("setting", "repeated_cell", "drift_step", "compute_predictor", "organization")
            if name in arrays.coords
        },
    }
    data = {}
    for name, (dims, centre) in variables.items():
        centre = np.broadcast_to(np.asarray(centres.get(name, centre), float), np.shape(centre))
        noise = spread * rng.standard_normal((chains, draws, *centre.shape))
        if name in ("floor", "item_share"):
            values = expit(logit(centre) + noise)
        elif name.endswith("_sd") or name == "curve_shape":
            values = centre * np.exp(noise)
        else:
            values = centre + (0.0 if name == "covariate_value" else noise)
        data[name] = (("chain", "draw", *dims), np.broadcast_to(values, noise.shape))
    used = {d for dims, _ in data.values() for d in dims}
    stats = {
        "diverging": np.zeros((chains, draws), bool),
        "reached_max_treedepth": np.zeros((chains, draws), bool),
        "energy": rng.standard_normal((chains, draws)),
    }
    idata = inference_data(
        {
            "posterior": xr.Dataset(data, {k: v for k, v in coords.items() if k in used}),
            "sample_stats": xr.Dataset(
                {k: (("chain", "draw"), v) for k, v in stats.items()}, {k: coords[k] for k in ("chain", "draw")}
            ),
            "observed_data": evals.matrix().rename("score").reset_coords(drop=True).to_dataset(),
        }
    )
    sampling = {"nuts_sampler": "none", "seconds": 0.0}
    if convergence is not None:
        return Posterior(idata, spec, evals, convergence, sampling)
    with mock.patch.object(diagnostics, "_block", _few_quantities):
        return Posterior.from_draws(idata, spec, evals, sampling)


_block = diagnostics._block


def _few_quantities(
    name: str, values: np.ndarray, labels: list[str], required: bool, benchmarks: list[str] | None = None
) -> Block:
    """Diagnose at most six quantities of a block: draws are independent, so one is as good as another."""
    step = -(-len(labels) // 6)
    of = None if benchmarks is None else benchmarks[::step]
    return _block(name, values[..., ::step], list(labels)[::step], required, of)
