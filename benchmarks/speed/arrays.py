"""Arrays of data and priors that the hand-written density of `yardstick` reads."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import betaln

from bayescale.evals import Evals
from bayescale.model.coordinates.parameterization import Coordinates
from bayescale.model.data import covariate_prior
from bayescale.model.spec import Spec, load_spec


class Arrays(NamedTuple):
    """Arrays of the density; cells are observed scores sorted by model, `first` is the first cell of each model."""

    factors: tuple[int, ...]  # as long as there are factors, so that Numba compiles for their number
    x: np.ndarray  # (model,), 0 where latent
    latent: np.ndarray  # rows of the models whose covariate is latent
    latent_mean: np.ndarray
    latent_sd: np.ndarray
    family: np.ndarray
    families: int
    testlet: np.ndarray  # (benchmark,), -1 where alone
    testlets: int
    items: np.ndarray  # (benchmark,)
    ceiling: np.ndarray
    floor_alpha: np.ndarray
    floor_beta: np.ndarray
    basis: np.ndarray  # (benchmark, rank)
    complement: np.ndarray  # (benchmark, benchmark - rank)
    first: np.ndarray  # (model + 1,)
    model: np.ndarray  # (cell,)
    benchmark: np.ndarray  # (cell,)
    by_benchmark: np.ndarray  # cells sorted by benchmark, with the first of each
    first_by_benchmark: np.ndarray  # (benchmark + 1,)
    score: np.ndarray  # (cell,)
    informative: np.ndarray  # (cell,)
    constant: float
    sds: np.ndarray  # prior scales: slope, family, own loading, common loading, difficulty, testlet, family_benchmark
    precision_mean: float
    precision_sd: float
    shape_rate: float


def make_arrays(evals: Evals, spec: Spec | None = None) -> Arrays:
    """Return the arrays of `evals` under the default spec, or under it with another number of factors.

    Raises
    ------
    ValueError
        For specs of another form, or fewer benchmarks than factors.
    """
    spec = spec or load_spec("default")
    coordinates = Coordinates.of(spec, evals)
    data, given = coordinates.data, coordinates.arrays
    benchmarks, factors = len(data.items), len(data.coords["factor"])
    mean, sd = covariate_prior(spec, data)
    latent = np.nonzero(sd[:, 0] > 0)[0]
    observed = given["observed"] > 0
    needed = {
        "no fewer benchmarks than factors": factors <= benchmarks,
        "a score on every benchmark": observed.any(axis=0).all(),
        "the default form": spec.replace(factors="auto").identity == load_spec("default").identity,
    }
    if not all(needed.values()):
        raise ValueError(f"The yardstick needs {', '.join(n for n, there in needed.items() if not there)}.")
    alpha, beta = spec.floor.shapes(data.floor)
    rows, columns = np.nonzero(observed)
    priors = spec.priors
    constant = given["log_choose"].sum() - betaln(alpha, beta).sum()
    constant += benchmarks * np.log(priors.curve_shape.parameters["lam"])
    scales = ("slope", "family_sd", "own_loading_sd", "common_loading_sd", "difficulty", "testlet_sd")
    return Arrays(
        factors=(1,) * factors,
        x=np.where(sd > 0, 0.0, mean)[:, 0].copy(),
        latent=latent,
        latent_mean=mean[latent, 0],
        latent_sd=sd[latent, 0],
        family=data.family_index,
        families=len(data.coords["family"]),
        testlet=data.testlet_index,
        testlets=len(data.coords["testlet"]),
        items=data.items,
        ceiling=data.ceiling,
        floor_alpha=alpha,
        floor_beta=beta,
        basis=np.ascontiguousarray(given["rotation_basis"]),
        complement=np.ascontiguousarray(given["rotation_complement"]),
        first=np.searchsorted(rows, np.arange(len(observed) + 1)),
        model=rows,
        benchmark=columns,
        by_benchmark=np.argsort(columns, kind="stable"),
        first_by_benchmark=np.searchsorted(np.sort(columns), np.arange(benchmarks + 1)),
        score=given["observed_score"][rows, columns],
        informative=given["informative_models"][columns, rows],
        constant=float(constant),
        sds=np.array([getattr(priors, n).parameters["sigma"] for n in (*scales, "family_benchmark_sd")]),
        precision_mean=priors.log_precision.parameters["mu"],
        precision_sd=priors.log_precision.parameters["sigma"],
        shape_rate=priors.curve_shape.parameters["lam"],
    )
