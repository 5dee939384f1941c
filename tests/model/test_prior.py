"""Priors as values: reading, writing, densities, and what is refused."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pymc as pm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bayescale.errors import SpecError
from bayescale.model.prior import LOCATIONS, POSITIVE, REAL, SHARE, Prior

KNOWN = {**REAL, **POSITIVE, **SHARE}
few = settings(max_examples=25, deadline=None)
finite = st.floats(allow_nan=False, allow_infinity=False)
positive = st.floats(min_value=0, exclude_min=True, allow_infinity=False)


@st.composite
def priors(draw: st.DrawFn) -> Prior:
    name = draw(st.sampled_from(sorted(KNOWN)))
    return Prior(name, **{p: draw(finite if (name, p) in LOCATIONS else positive) for p in KNOWN[name]})


@settings(deadline=None)
@given(priors())
def test_what_is_printed_is_read_back_to_the_last_bit(prior: Prior) -> None:
    again = Prior.parse(repr(prior))
    assert again == prior
    assert again.distribution == prior.distribution
    assert dict(again.parameters) == dict(prior.parameters)
    assert hash(again) == hash(prior)


@few
@given(priors())
def test_pickle_and_copy_keep_every_digit(prior: Prior) -> None:
    for again in (pickle.loads(pickle.dumps(prior)), copy.deepcopy(prior)):
        assert again == prior
        assert dict(again.parameters) == dict(prior.parameters)


@few
@given(priors(), priors())
def test_equal_means_the_same_distribution_and_numbers(one: Prior, other: Prior) -> None:
    same = one.distribution == other.distribution and dict(one.parameters) == dict(other.parameters)
    assert (one == other) is same


def test_numbers_that_differ_late_are_different_priors() -> None:
    assert Prior("HalfNormal", sigma=0.12345678) != Prior("HalfNormal", sigma=0.12345679)


def test_short_numbers_are_printed_short() -> None:
    assert repr(Prior("Normal", mu=0, sigma=1)) == "Normal(mu=0, sigma=1)"
    assert repr(Prior.parse("Normal(-0.5, 1.5)")) == "Normal(mu=-0.5, sigma=1.5)"
    assert str(Prior("HalfNormal", sigma=0.3)) == "HalfNormal(sigma=0.3)"


@pytest.mark.parametrize(
    "text",
    [
        "Normal(0, 2)",
        " Normal( mu = 0 , sigma = 2 ) ",
        "Normal(0, sigma=2)",
        "Normal(sigma=2, mu=0)",
        "Normal(mu=0.0, sigma=2e0)",
    ],
)
def test_parameters_by_name_or_in_order(text: str) -> None:
    assert Prior.parse(text) == Prior("Normal", mu=0, sigma=2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Norml(0, 1)", "Did you mean 'Normal'"),
        ("Uniform(0, 1)", "There is no prior distribution 'Uniform'"),
        ("Normal(mu=0)", "takes mu, sigma; got mu"),
        ("Normal(mu=0, sd=1)", "takes mu, sigma"),
        ("Normal()", r"got nothing.*Normal\(mu=1, sigma=1\)"),
        ("Normal(mu=0, sigma=0)", "sigma=0 must be positive"),
        ("HalfNormal(-1)", "sigma=-1 must be positive"),
        ("Gamma(alpha=-1, beta=1)", "alpha=-1 must be positive"),
        ("Normal(mu=1e999, sigma=1)", "not a finite number"),
        ("Normal", "is not a prior"),
        ("Normal(mu=a, sigma=1)", "is not a prior"),
        ("Normal(mu=0, sigma=1) + 1", "is not a prior"),
        ("pm.Normal(0, 1)", "is not a prior"),
        ("__import__('os').getcwd()", "is not a prior"),
        ("", "is not a prior"),
        ("1", "is not a prior"),
        ("Normal(0, 1", "is not a prior"),
        # Nothing written may be passed over in silence, or end in an error of Python's own.
        ("Normal(0, 1, 2)", "."),
        ("Normal(0, mu=1, sigma=1)", "."),
        ("Normal(distribution=1)", "."),
        ("Normal(self=1)", "."),
        ("Normal(**{'mu': 0, 'sigma': 1})", "."),
    ],
)
def test_what_is_not_a_prior_is_refused_with_an_example(text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        Prior.parse(text)


def test_nan_is_refused() -> None:
    with pytest.raises(SpecError, match="not a finite number"):
        Prior("Normal", mu=float("nan"), sigma=1)


def test_a_prior_does_not_change() -> None:
    prior = Prior("Normal", mu=0, sigma=1)
    with pytest.raises(AttributeError, match="make a new one"):
        prior.distribution = "Cauchy"
    with pytest.raises(TypeError):
        prior.parameters["mu"] = 1  # type: ignore[index]


class _HalfT:
    def __init__(self, nu: float, sigma: float) -> None:
        self.whole = stats.t(nu, 0, sigma)

    def logpdf(self, x: float) -> float:
        return np.log(2) + self.whole.logpdf(x)


# SciPy's name and parametrisation of each distribution, written down apart from PyMC.
SCIPY = {
    "Normal": lambda mu, sigma: stats.norm(mu, sigma),
    "StudentT": lambda nu, mu, sigma: stats.t(nu, mu, sigma),
    "Laplace": lambda mu, b: stats.laplace(mu, b),
    "Cauchy": lambda alpha, beta: stats.cauchy(alpha, beta),
    "SkewNormal": lambda mu, sigma, alpha: stats.skewnorm(alpha, mu, sigma),
    "HalfNormal": lambda sigma: stats.halfnorm(0, sigma),
    "HalfStudentT": _HalfT,
    "HalfCauchy": lambda beta: stats.halfcauchy(0, beta),
    "Exponential": lambda lam: stats.expon(0, 1 / lam),
    "Gamma": lambda alpha, beta: stats.gamma(alpha, 0, 1 / beta),
    "Beta": lambda alpha, beta: stats.beta(alpha, beta),
    "InverseGamma": lambda alpha, beta: stats.invgamma(alpha, 0, beta),
    "LogNormal": lambda mu, sigma: stats.lognorm(sigma, 0, np.exp(mu)),
}


def log_density(prior: Prior, value: float) -> float:
    with pm.Model() as model:
        variable = prior.variable("x")
    assert variable is model["x"]
    return float(pm.logp(variable, value).eval(mode="FAST_COMPILE"))


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_each_distribution_is_the_one_that_scipy_knows_by_these_parameters(name: str) -> None:
    numbers = dict(zip(KNOWN[name], (1.3, 0.7, 2.1), strict=False))
    prior = Prior(name, **numbers)
    assert (prior.positive, prior.share) == (name in POSITIVE, name in SHARE)
    assert log_density(prior, 0.8) == pytest.approx(SCIPY[name](**numbers).logpdf(0.8), abs=1e-6)


@pytest.mark.parametrize("name", sorted({**REAL, **POSITIVE}))
def test_a_unit_scales_the_whole_distribution(name: str) -> None:
    prior = Prior(name, **dict(zip(KNOWN[name], (1.3, 0.7, 2.1), strict=False)))
    half = log_density(prior.scaled(0.5), 0.4)
    assert half == pytest.approx(log_density(prior, 0.8) + np.log(2), abs=1e-9)


@pytest.mark.parametrize("name", sorted(REAL))
def test_a_distribution_about_zero_is_symmetric_if_nothing_skews_it(name: str) -> None:
    numbers = dict.fromkeys(KNOWN[name], 1.0)
    assert not Prior(name, **numbers).symmetric
    centred = Prior(name, **numbers | {n: 0.0 for n in ("mu", "alpha") if n in numbers})
    assert centred.symmetric
    assert log_density(centred, 0.8) == pytest.approx(log_density(centred, -0.8), abs=1e-9)


@pytest.mark.parametrize("value", ["x", None, [1]])
def test_parameters_are_numbers(value: object) -> None:
    with pytest.raises(SpecError, match="Normal takes numbers, got"):
        Prior("Normal", mu=value, sigma=1)
