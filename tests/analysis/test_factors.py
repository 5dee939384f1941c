"""Aligned factors: one orientation over all draws, nothing else changed, and honest names and shares."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import xarray as xr
from simulate import posterior_near, simulate, simulation_spec

from bayescale._arviz import dataset, with_groups
from bayescale.analysis.factor_rotation import varimax, varimax_criterion
from bayescale.analysis.factors import Factors, align, suggest_names
from bayescale.analysis.variance import variance_shares
from bayescale.errors import ForecastError
from bayescale.methods import Posterior

ROTATED = ("loading", "capability", "slope", "family_offset")


def turned(posterior: Posterior, turns: np.ndarray) -> Posterior:
    """The same posterior with each draw multiplied by its matrix (chain, draw, factor, factor)."""
    held = dataset(posterior.idata["posterior"]).copy()
    for name in ROTATED:
        if name in held:
            held[name] = (held[name].dims, held[name].to_numpy() @ turns)
    idata = with_groups(posterior.idata, {"posterior": held})
    return dataclasses.replace(posterior, idata=idata)


def random_rotations(posterior: Posterior, seed: int = 3) -> np.ndarray:
    size = posterior.idata["posterior"].sizes
    normal = np.random.default_rng(seed).standard_normal((size["chain"], size["draw"], size["factor"], size["factor"]))
    rotation, upper = np.linalg.qr(normal)
    return rotation * np.sign(np.diagonal(upper, axis1=-2, axis2=-1))[..., None, :]  # evenly over all of them


def random_signed_permutations(posterior: Posterior, seed: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    size = posterior.idata["posterior"].sizes
    count = size["factor"]
    order = rng.permuted(np.tile(np.arange(count), (size["chain"], size["draw"], 1)), axis=-1)
    return np.eye(count)[order] * rng.choice([-1.0, 1.0], (size["chain"], size["draw"], 1, count))


def near(actual: xr.DataArray, wanted: xr.DataArray, tolerance: float = 1e-6) -> None:
    np.testing.assert_allclose(actual.to_numpy(), wanted.to_numpy(), atol=tolerance, rtol=0)


def same(actual: Factors, wanted: Factors) -> None:
    near(actual.loadings, wanted.loadings)
    near(actual.capabilities, wanted.capabilities)
    near(actual.slopes, wanted.slopes)
    near(actual.shares, wanted.shares)
    near(actual.family_offsets, wanted.family_offsets)
    assert actual.suggested == wanted.suggested


@pytest.fixture(scope="module")
def three_factors() -> Posterior:
    """Three capabilities on nine benchmarks, with the draws turned at random against each other."""
    simulation = simulate(1, factors=3, models=40, items=(1000,) * 9, floors=(0.0,) * 9, testlets=("",) * 9)
    posterior = posterior_near(*simulation, simulation_spec(3), draws=250)
    return turned(posterior, random_rotations(posterior))


@pytest.fixture(scope="module")
def ordered() -> Posterior:
    """Two capabilities that the prior of slopes tells apart from their rotations."""
    return posterior_near(*simulate(factors=2), simulation_spec(2, priors={"slope": "Normal(1, 1)"}), draws=250)


def test_factors_are_the_same_however_the_draws_are_turned(two_factors: Posterior) -> None:
    again = turned(two_factors, random_rotations(two_factors))
    assert not np.allclose(again.draws.loading, two_factors.draws.loading)
    same(align(again), two_factors.factors)


def test_the_truth_comes_back_up_to_one_rotation(three_factors: Posterior) -> None:
    _, truth = simulate(1, factors=3, models=40, items=(1000,) * 9, floors=(0.0,) * 9, testlets=("",) * 9)
    raw = three_factors.draws.loading.mean(0)
    assert np.abs(raw).max() < 0.2  # turned at random, the draws average out
    loading = three_factors.loadings().mean(("chain", "draw")).to_numpy()
    left, _, right = np.linalg.svd(loading.T @ truth.loading)
    common = left @ right
    np.testing.assert_allclose(loading @ common, truth.loading, atol=0.05)
    capability = three_factors.capabilities().mean(("chain", "draw")).to_numpy()
    np.testing.assert_allclose(capability @ common, truth.capability, atol=0.2)
    slope = three_factors.factors.slopes.mean(("chain", "draw")).to_numpy()
    np.testing.assert_allclose(slope @ common, truth.slope[None], atol=0.05)
    assert float(three_factors.loadings().std(("chain", "draw")).max()) < 0.2  # of draws with a spread of 0.1


def test_one_rotation_turns_all_four_variables(three_factors: Posterior) -> None:
    factors, held = three_factors.factors, three_factors.idata["posterior"]
    turns = factors.rotation.to_numpy()
    np.testing.assert_allclose(np.swapaxes(turns, -1, -2) @ turns, np.broadcast_to(np.eye(3), turns.shape), atol=1e-12)
    assert factors.family_offsets is not None
    pairs = zip(ROTATED, (factors.loadings, factors.capabilities, factors.slopes, factors.family_offsets), strict=True)
    for name, aligned in pairs:
        np.testing.assert_allclose(aligned.to_numpy(), held[name].to_numpy() @ turns, atol=1e-12)


def test_nothing_that_rotations_leave_alone_has_changed(three_factors: Posterior) -> None:
    factors, draws = three_factors.factors, three_factors.draws
    weights = np.swapaxes(draws.by_chain(draws.loading), -1, -2)
    aligned = np.swapaxes(factors.loadings.to_numpy(), -1, -2)
    assert factors.family_offsets is not None
    for before, after in (
        (draws.capability, factors.capabilities),
        (draws.slope, factors.slopes),
        (draws.family_offset, factors.family_offsets),
    ):
        np.testing.assert_allclose(after.to_numpy() @ aligned, draws.by_chain(before) @ weights, atol=1e-10)
    again = turned(three_factors, factors.rotation.to_numpy())
    near(again.expected_scores(), three_factors.expected_scores(), 1e-10)


def test_aligning_aligned_draws_changes_nothing(three_factors: Posterior, ordered: Posterior) -> None:
    for posterior in (three_factors, ordered):
        factors = posterior.factors
        again = align(turned(posterior, factors.rotation.to_numpy()))
        same(again, factors)
        still = np.broadcast_to(np.eye(len(factors.labels)), again.rotation.shape)
        np.testing.assert_allclose(again.rotation, still, atol=1e-6)


def test_varimax_finds_the_largest_criterion() -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((7, 2))
    angles = np.linspace(0, np.pi, 721)
    best = max(varimax_criterion(rows @ np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])) for a in angles)
    assert varimax_criterion(rows @ varimax(rows)) >= best - 1e-12
    simple = np.kron(np.eye(3), np.ones((4, 1)))
    hidden = simple @ np.linalg.qr(rng.standard_normal((3, 3)))[0]
    np.testing.assert_allclose(np.sort(np.abs(hidden @ varimax(hidden)), axis=1), np.sort(simple, axis=1), atol=1e-8)


def test_varimax_is_no_worse_than_the_librarys() -> None:
    rotation = pytest.importorskip("statsmodels.multivariate.factor_rotation")
    rng = np.random.default_rng(1)
    for factors in (2, 3, 5):
        rows = rng.standard_normal((9, factors))
        mine = varimax(rows)
        np.testing.assert_allclose(mine.T @ mine, np.eye(factors), atol=1e-12)
        theirs, _ = rotation.rotate_factors(rows, "varimax")
        assert varimax_criterion(rows @ mine) >= varimax_criterion(theirs) - 1e-8


def test_the_consensus_is_simpler_than_the_truths_axes(three_factors: Posterior) -> None:
    factors = three_factors.factors
    consensus = factors.scaled_loadings.mean(("chain", "draw")).to_numpy()
    rows = consensus / np.linalg.norm(consensus, axis=1, keepdims=True)
    rng = np.random.default_rng(5)
    others = [varimax_criterion(rows @ np.linalg.qr(rng.standard_normal((3, 3)))[0]) for _ in range(500)]
    assert varimax_criterion(rows) >= max(others)


def test_only_signed_permutations_where_priors_distinguish_factors(ordered: Posterior) -> None:
    assert not ordered.spec.rotation_invariant
    again = turned(ordered, random_signed_permutations(ordered))
    factors = align(again)
    turns = np.abs(factors.rotation.to_numpy())
    assert set(np.unique(turns)) == {0.0, 1.0}
    assert (turns.sum(-1) == 1).all()
    assert (turns.sum(-2) == 1).all()
    assert not factors.free
    same(factors, ordered.factors)
    # Its axes stay where the priors put them: the loadings are those of the truth, some columns reflected or exchanged.
    np.testing.assert_allclose(
        np.sort(np.abs(factors.loadings.to_numpy()).mean((0, 1)), axis=1),
        np.sort(np.abs(ordered.draws.loading).mean(0), axis=1),
        atol=0.03,
    )
    # A rotation is no symmetry of such a posterior, and is not undone.
    rotated = align(turned(ordered, random_rotations(ordered)))
    assert float(np.abs(rotated.loadings - ordered.factors.loadings).max()) > 0.5


def test_one_factor_has_a_sign_only(posterior: Posterior) -> None:
    flips = np.random.default_rng(2).choice([-1.0, 1.0], (4, 1000, 1, 1))
    factors = align(turned(posterior, flips))
    same(factors, posterior.factors)
    assert np.abs(factors.rotation.to_numpy()).min() == 1.0
    assert float(factors.correlations.mean(("chain", "draw")).sum()) > 0
    np.testing.assert_allclose(factors.shares, 1.0)
    np.testing.assert_allclose(variance_shares(posterior), 1.0)


def test_factors_come_by_share_of_variance_and_point_upwards(three_factors: Posterior) -> None:
    factors = three_factors.factors
    assert (np.diff(factors.shares.mean(("chain", "draw"))) <= 0).all()
    assert (factors.correlations.mean(("chain", "draw")).sum("benchmark") > 0).all()


def test_shares_are_of_the_variance_over_models(three_factors: Posterior) -> None:
    factors, draws = three_factors.factors, three_factors.draws
    np.testing.assert_allclose(factors.shares.sum("factor"), 1.0)
    ability = draws.capability[0] @ draws.loading[0].T
    wanted = np.cov(ability.T, bias=True)
    scaled = factors.scaled_loadings.to_numpy()[0, 0]
    np.testing.assert_allclose(scaled @ scaled.T, wanted, atol=1e-10)
    np.testing.assert_allclose((factors.correlations**2).sum("factor"), 1.0)

    shares = variance_shares(three_factors)
    assert shares.dims == ("chain", "draw", "component")
    assert shares["component"].to_numpy().tolist() == ["PC-1", "PC-2", "PC-3"]
    np.testing.assert_allclose(shares.sum("component"), 1.0)
    eigenvalues = np.linalg.eigvalsh(wanted)[::-1]
    np.testing.assert_allclose(shares[0, 0], eigenvalues[:3] / eigenvalues.sum())


def test_shares_of_scores_are_those_of_expected_scores(two_factors: Posterior) -> None:
    shares = variance_shares(two_factors, "score")
    scores = two_factors.expected_scores()[1, 7].to_numpy()
    eigenvalues = np.linalg.eigvalsh(np.cov(scores.T))[::-1]
    np.testing.assert_allclose(shares[1, 7], eigenvalues / eigenvalues.sum(), atol=1e-12)
    with pytest.raises(ForecastError, match="Did you mean 'score'"):
        variance_shares(two_factors, "scores")  # type: ignore[arg-type]


def test_a_factor_that_means_nothing_is_seen_to(two_factors: Posterior) -> None:
    rng = np.random.default_rng(4)
    held = dataset(two_factors.idata["posterior"]).copy(deep=True)
    held["capability"][..., 1] = rng.standard_normal(held["capability"].shape[:3])
    held["loading"][..., 1] = 0.02 * rng.standard_normal(held["loading"].shape[:3])
    idata = with_groups(two_factors.idata, {"posterior": held})
    factors = dataclasses.replace(two_factors, idata=idata).factors
    table, congruence = factors.summary().set_index("factor"), factors.congruence()
    assert table.loc["F1", "reliability"] > 0.95
    assert table.loc["F2", "reliability"] < 0.05
    assert congruence["F1"] > 0.99
    assert congruence["F2"] < 0.9
    assert table.loc["F2", "upper"] < 0.02
    assert table.loc["F2", "suggested"].startswith("unclear (")


def test_names_are_unique_and_say_no_more_than_the_draws() -> None:
    benchmarks = ["a", "b", "c"]
    draws = np.array([[0.9, 0.9, 0.0, 0.1], [0.8, 0.8, 0.1, -0.9], [0.1, 0.2, 0.0, 0.1]])
    noise = 0.01 * np.random.default_rng(0).standard_normal((500, 3, 4))
    noise[:, :, 2] *= 100
    names = suggest_names(draws + noise, benchmarks)
    assert names[:2] == ("a + b", "a + b + c")
    assert names[2].startswith("unclear (")
    assert names[3] == "-b"
    same_names = suggest_names(np.ones((10, 1, 4)), ["only"])
    assert len(set(same_names)) == 4


def test_labels_and_dims_are_public(three_factors: Posterior) -> None:
    factors = three_factors.factors
    assert three_factors.factors is factors
    assert three_factors.loadings() is factors.loadings
    assert three_factors.capabilities() is factors.capabilities
    assert factors.family_offsets is not None
    assert factors.loadings.dims == ("chain", "draw", "benchmark", "factor")
    assert factors.capabilities.dims == ("chain", "draw", "model", "factor")
    assert factors.slopes.dims == ("chain", "draw", "covariate", "factor")
    assert factors.family_offsets.dims == ("chain", "draw", "family", "factor")
    assert factors.rotation.dims == ("chain", "draw", "sampled_factor", "factor")
    assert factors.labels == ["F1", "F2", "F3"]
    assert len(set(factors.suggested)) == 3
    evals = three_factors.evals
    assert factors.capabilities["family"].to_numpy().tolist() == evals.models["family"].tolist()
    assert factors.family_offsets["family"].to_numpy().tolist() == list(three_factors.idata["posterior"]["family"].data)
    assert all(len(name.split(" + ")) <= 2 for name in factors.suggested)


def test_the_summary_has_one_row_a_factor(three_factors: Posterior) -> None:
    table = three_factors.factors.summary(prob=0.8)
    wanted = "factor suggested share lower upper reliability rhat"
    assert list(table.columns) == wanted.split()
    shares = three_factors.factors.shares.quantile([0.1, 0.5, 0.9], ("chain", "draw"))
    np.testing.assert_allclose(table[["lower", "share", "upper"]].to_numpy().T, shares)
    assert table["rhat"].between(0.99, 1.05).all()
    first = three_factors.factors.correlations.median(("chain", "draw")).sel(factor="F1").to_series()
    assert three_factors.factors.benchmarks()["F1"].startswith(f"{first.abs().idxmax()} ")
    with pytest.raises(ForecastError, match=r"Did you mean 0\.9"):
        three_factors.factors.summary(prob=90)


def test_print_says_what_and_what_next(three_factors: Posterior, ordered: Posterior) -> None:
    text = repr(three_factors.factors)
    assert "90% equal-tailed" in text.replace("\n", " ")
    assert text.startswith("3 factors, draws turned to a varimax consensus")
    for name in three_factors.factors.suggested:
        assert name in text
    assert text.splitlines()[-1].startswith("Next: ")
    assert "reordered and reflected" in repr(ordered.factors)


def test_a_spec_without_family_offsets_has_none() -> None:
    posterior = posterior_near(*simulate(factors=2), simulation_spec(2, family_offsets=False), draws=50)
    assert posterior.factors.family_offsets is None


def test_more_factors_than_benchmarks() -> None:
    simulation = simulate(factors=6, slope=(1.0, 0.5, 0.3, 0.2, 0.1, 0.1))
    posterior = posterior_near(*simulation, simulation_spec(6), draws=50)
    factors = align(turned(posterior, random_rotations(posterior)))
    np.testing.assert_allclose(factors.shares.sum("factor"), 1.0)
    assert len(set(factors.suggested)) == 6
    assert variance_shares(posterior).sizes["component"] == 5
    weights = np.swapaxes(factors.loadings.to_numpy(), -1, -2)
    draws = posterior.draws
    wanted = draws.by_chain(draws.capability @ np.swapaxes(draws.loading, -1, -2))
    np.testing.assert_allclose(factors.capabilities.to_numpy() @ weights, wanted, atol=1e-10)
