"""Specs: what ships, what is read and written, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from simulate import with_columns

from bayescale._files import shipped
from bayescale.errors import SpecError
from bayescale.model.prior import Prior
from bayescale.model.priors import SCALES, Floor, Priors, split_name
from bayescale.model.spec import Spec, list_specs, load_spec

SHIPPED = [
    "default",
    "no_family_offsets",
    "one_factor",
    "params_and_tokens",
    "three_factors",
    "two_factors",
    "wide_priors",
]


def raw(name: str) -> dict:
    return yaml.safe_load((shipped("models") / f"{name}.yaml").read_text())


def test_these_specs_ship() -> None:
    assert set(SHIPPED) <= set(list_specs())
    assert list_specs() == sorted(list_specs())


@pytest.mark.parametrize("name", list_specs())
def test_a_shipped_spec_spells_everything_out_and_survives_yaml(name: str, tmp_path: Path) -> None:
    spec, written = load_spec(name), raw(name)
    assert spec.name == name
    assert spec.title
    assert set(written) == set(Spec.model_fields)
    assert {split_name(prior)[0] for prior in written["priors"]} == set(Priors.model_fields)
    assert set(written["floor"]) == set(Floor.model_fields)
    assert Spec.from_yaml(spec.to_yaml()) == spec
    path = tmp_path / "mine.yaml"
    path.write_text(spec.to_yaml())
    for given_path in (path, str(path)):
        assert load_spec(given_path) == spec
        assert load_spec(given_path).identity == spec.identity


def test_the_default_file_and_the_defaults_in_code_are_one() -> None:
    default = load_spec("default")
    assert default.replace(name="custom", title="") == Spec()
    assert default.identity == Spec().identity


def test_each_shipped_spec_differs_from_the_default_as_its_name_says() -> None:
    default = load_spec("default")
    for name, factors in (("one_factor", 1), ("two_factors", 2), ("three_factors", 3)):
        assert load_spec(name).identity == default.replace(factors=factors).identity
    assert load_spec("sigmoids").identity == default.replace(curve="sigmoid").identity
    assert load_spec("params_and_tokens").covariates == ("log10_params", "log10_tokens")
    dated = load_spec("dated")
    assert dated.covariates == ("log10_flops", "released", "reasoning")
    form = {
        "covariates": dated.covariates,
        "family_column": "organization",
        "rising_with": ["released", "reasoning"],
        "drift": True,
        "compute_from": ["released", "log10_params", "organization"],
        "priors": {"latent_covariate[released]": "Normal(0, 1)", "slope[released]": "Normal(0, 2)"},
    }
    assert dated.identity == default.replace(**form).identity
    none = load_spec("no_family_offsets")
    assert not none.family_offsets
    assert none.identity == default.replace(family_offsets=False, family_benchmark=none.family_benchmark).identity
    wide, usual = load_spec("wide_priors").priors, default.priors
    assert wide != usual
    for prior_name, prior in wide:
        at_home = getattr(usual, prior_name)
        if prior.distribution == "Exponential":
            assert prior.parameters["lam"] < at_home.parameters["lam"]
        elif prior.share:
            assert prior == at_home == Prior.parse("Beta(1, 1)")  # there is no wider one
        else:
            assert prior.parameters["sigma"] >= at_home.parameters["sigma"], prior_name


def test_an_unknown_shipped_spec_is_refused_with_the_nearest() -> None:
    with pytest.raises(SpecError, match=r"Did you mean 'default'.*Known: .*default, no_family_offsets.*\.yaml"):
        load_spec("defualt")
    with pytest.raises(SpecError, match=r"There is no spec file 'nowhere\.yaml'"):
        load_spec("nowhere.yaml")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"factor": 2}, "no key of a spec 'factor'. Did you mean 'factors'"),
        ({"priors": {"slopes": "Normal(0, 1)"}}, "no prior 'slopes'. Did you mean 'slope'"),
        ({"priors": {"tau": "HalfNormal(1)"}}, "no prior 'tau'.*Known: .*family_sd.*loading"),
        ({"floor": {"learnt": True}}, "no floor setting 'learnt'. Did you mean 'learned'"),
        ({"priors": {"slope": "Normal(0, -1)"}}, "priors.slope.*sigma=-1 must be positive"),
        ({"priors": {"slope": "Norm(0, 1)"}}, "Did you mean 'Normal'"),
        ({"priors": {"slope": 1}}, "is not a prior"),
        ({"priors": {"family_sd": "Normal(0, 1)"}}, "family_sd is a standard deviation"),
        ({"priors": {"testlet_sd": "Cauchy(0, 1)"}}, "testlet_sd is a standard deviation"),
        ({"priors": {"latent_covariate": "StudentT(3, 0, 1)"}}, "latent_covariate must be a Normal"),
        ({"factors": 0}, "factors: .*0 is no number of capabilities: a whole number from 1 to 20, or auto"),
        ({"factors": True}, "factors: .*True is no number of capabilities"),
        ({"factors": "some"}, "factors: .*'some' is no number of capabilities"),
        ({"covariates": []}, "at least one covariate"),
        ({"covariates": ["log10_flops", "log10_flops"]}, "each once"),
        ({"covariates": ["flops"]}, "log10_flops.*log10_params"),
        ({"covariates": ["log10_params", "log10_params:log10_tokens"]}, "interaction needs both"),
        ({"likelihood": "normal"}, "'beta_binomial' or 'beta'"),
        ({"floor": {"open_mean": 1.0}}, "floor.open_mean"),
        ({"priors": None}, "priors"),
    ],
)
def test_what_is_wrong_is_refused_with_what_exists(values: dict, message: str) -> None:
    with pytest.raises(SpecError, match=f"(?s){message}"):
        Spec(**values)
    text = yaml.safe_dump({k: list(v) if isinstance(v, tuple) else v for k, v in values.items()})
    with pytest.raises(SpecError, match=f"(?s){message}"):
        Spec.from_yaml(text)


@pytest.mark.parametrize(
    ("benchmarks", "models", "expected"),
    [(1, 99, 1), (3, 99, 1), (4, 99, 1), (5, 99, 2), (8, 148, 4), (10, 99, 6), (80, 99, 6), (20, 1, 1), (20, 11, 5)],
)
def test_unless_it_is_given_the_number_of_factors_goes_by_the_table(
    benchmarks: int, models: int, expected: int
) -> None:
    assert load_spec("default").factors_for(benchmarks, models) == expected
    assert Spec(factors=5).factors_for(benchmarks, models) == 5
    assert Spec(factors="auto") == Spec()


@pytest.mark.parametrize("name", SCALES)
def test_every_scale_needs_a_positive_prior(name: str) -> None:
    with pytest.raises(SpecError, match=f"{name} is a standard deviation"):
        Spec(priors={name: "Normal(1, 0.1)"})
    assert getattr(Spec(priors={name: "Exponential(2)"}).priors, name) == Prior("Exponential", lam=2)


@pytest.mark.parametrize("prior", ["HalfNormal(1)", "LogNormal(0, 1)", "Gamma(2, 1)"])
def test_a_difficulty_has_no_sign_so_its_prior_needs_the_whole_line(prior: str) -> None:
    with pytest.raises(SpecError, match="difficulty"):
        Spec(priors={"difficulty": prior})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- factors", "A spec is a mapping"),
        ("", "A spec is a mapping"),
        ("factors: [", "not YAML"),
        ("1: 2", "1"),
        ("factors: 2\nfactor: 3", "Did you mean 'factors'"),
    ],
)
def test_text_that_is_not_a_spec_is_refused(text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        Spec.from_yaml(text)


def test_an_error_in_a_file_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("factor: 2")
    with pytest.raises(SpecError, match=r"mine\.yaml: .*Did you mean 'factors'"):
        load_spec(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SpecError, match=r"mine\.yaml"):
        load_spec(path)


def test_a_spec_does_not_change() -> None:
    spec = Spec()
    with pytest.raises(ValidationError, match="frozen"):
        spec.factors = 3
    with pytest.raises(ValidationError, match="frozen"):
        spec.priors.slope = Prior("Normal", mu=0, sigma=9)
    with pytest.raises(ValidationError, match="frozen"):
        spec.floor.learned = False


def test_replace_changes_what_it_names_and_nothing_else() -> None:
    spec = load_spec("two_factors")
    changed = spec.replace(priors={"family_sd": "HalfNormal(2)"}, floor={"learned": False})
    assert changed.priors.family_sd == Prior("HalfNormal", sigma=2)
    assert changed.priors.loading == spec.priors.loading
    assert (changed.floor.learned, changed.floor.open_mean) == (False, spec.floor.open_mean)
    assert changed.factors == 2
    assert spec.floor.learned
    back = changed.replace(priors={"family_sd": spec.priors.family_sd}, floor={"learned": True})
    assert back == spec
    with pytest.raises(SpecError, match="Did you mean 'factors'"):
        spec.replace(factor=3)
    with pytest.raises(SpecError, match="no prior 'tau'"):
        spec.replace(priors={"tau": "HalfNormal(1)"})


def test_identity_is_of_what_matters_and_not_of_the_name() -> None:
    spec, dated = Spec(), load_spec("dated")
    assert spec.replace(name="other", title="Another title").identity == spec.identity
    others = [
        spec.replace(factors=3),
        spec.replace(covariates=("log10_params", "log10_tokens")),
        spec.replace(likelihood="beta"),
        spec.replace(family_offsets=False),
        spec.replace(family_benchmark=True),
        spec.replace(uniqueness=False),
        spec.replace(noise_shares=False),
        spec.replace(priors={"noise_sd": "HalfNormal(0.123)"}),
        spec.replace(priors={"item_share": "Beta(2, 1)"}),
        spec.replace(rising=False),
        spec.replace(learned_ceilings=True),
        spec.replace(loading_sds="factor"),
        spec.replace(factors="many"),
        spec.replace(benchmark_slopes=True),
        spec.replace(common_loading=False),
        spec.replace(testlets=False),
        spec.replace(floor={"learned": False}),
        spec.replace(floor={"concentration": 101}),
        spec.replace(family_column="organization"),
        spec.replace(compute_from=["organization"]),
        spec.replace(repeated_measurements=True),
        *(dated.replace(repeated_measurements=True, priors={name: "HalfNormal(0.123)"}) for name in SCALES),
        *(dated.replace(**change) for change in ({}, {"drift": False}, {"rising_with": []}, {"compute_from": []})),
        spec.replace(priors={"loading": "Normal(0, 1.0000001)"}),
        spec.replace(priors={"loading": "Normal(0, 1.0000002)"}),
    ]
    identities = {s.identity for s in [spec, *others]}
    assert len(identities) == len(others) + 1
    assert all(len(i) == 64 for i in identities)


@settings(max_examples=25, deadline=None)
@given(sigma=st.floats(1e-6, 1e6), factors=st.integers(1, 20), mean=st.floats(0.001, 0.999))
def test_yaml_keeps_every_digit(sigma: float, factors: int, mean: float) -> None:
    prior = Prior("StudentT", nu=3, mu=-sigma, sigma=sigma)
    spec = Spec(factors=factors, priors={"loading": prior}, floor={"open_mean": mean})
    again = Spec.from_yaml(spec.to_yaml())
    assert again == spec
    assert dict(again.priors.loading.parameters) == {"nu": 3, "mu": -sigma, "sigma": sigma}
    assert again.identity == spec.identity


@pytest.mark.parametrize(
    ("priors", "common", "independent"),
    [
        ({}, True, True),
        ({"loading": "Normal(0, 3)", "slope": "Normal(0, 0.2)"}, True, True),
        ({"family_sd": "HalfCauchy(1)", "difficulty": "StudentT(3, 1, 1)"}, True, True),
        ({"own_loading_sd": "Exponential(1)", "common_loading_sd": "HalfCauchy(1)"}, True, True),
        ({"loading": "StudentT(4, 0, 1)"}, True, False),
        ({"loading": "Laplace(0, 1)"}, True, False),
        ({"loading": "Normal(0.5, 1)"}, True, False),
        ({"loading": "HalfNormal(1)"}, True, False),
        ({"slope": "HalfNormal(1)"}, False, False),
        ({"slope": "Normal(1, 1)"}, False, False),
    ],
)
def test_rotating_all_factors_matters_unless_loadings_and_slopes_are_zero_mean_normals(
    priors: dict, common: bool, independent: bool
) -> None:
    """Loadings around a common one are zero-mean normals whatever the prior of independent ones."""
    assert Spec(priors=priors).rotation_invariant is common
    assert Spec(priors=priors, common_loading=False).rotation_invariant is independent


def test_printing_a_spec_lists_every_prior() -> None:
    spec = load_spec("wide_priors")
    text = str(spec)
    for name, prior in spec.priors:
        assert name in text
        assert str(prior) in text


def test_printing_a_spec_says_what_each_prior_is_about_and_what_comes_next() -> None:
    spec = load_spec("default").replace(floor={"concentration": 77})
    lines = str(spec).splitlines()
    for name, field in type(spec.priors).model_fields.items():
        assert field.description
        (line,) = (line for line in lines if line.split()[0] == name)
        assert line.endswith("(not in use)" if name in spec.unused_priors else field.description)
    assert any(line.startswith("  floor") and "77 items" in line for line in lines)
    assert "fixed at chance" in str(spec.replace(floor={"learned": False}))
    assert lines[-1] == "Next: bayescale.prior_predictive(spec, evals).plot(), bayescale.fit(spec, evals)"


def test_print_says_which_priors_are_not_in_use() -> None:
    lines = str(load_spec("default")).splitlines()
    marked = {line.split()[0] for line in lines if line.endswith("(not in use)")}
    assert (
        marked
        == set(load_spec("default").unused_priors)
        == {
            "loading",
            "log_precision",
            "specific_sd",
            "benchmark_slope_sd",
            "family_benchmark_sd",
            "ceiling_gap",
            "setting_sd",
            "drift_sd",
            "compute_slope",
            "compute_sd",
            "maker_compute_sd",
        }
    )
    assert "common_loading, family_offsets" in "\n".join(lines)


@pytest.mark.parametrize("name", list_specs())
def test_a_prior_is_in_use_if_and_only_if_the_model_has_it(name: str) -> None:
    from bayescale.evals import load_evals
    from bayescale.model import build_model

    spec = load_spec(name)
    variables = {v.name for v in build_model(spec, with_columns(load_evals("base-llms-all"))).free_RVs}
    # These are variables by their own name; `loading` is one either way.
    others = ("curve_shape", "ceiling_gap", "log_precision", "item_share")
    named = [n for n in type(spec.priors).model_fields if n.endswith("_sd") or n in others]
    assert {n for n in named if n not in variables} == {n for n in spec.unused_priors if n in named}


SAVED_BY_0_1 = """
name: mine
title: Saved by version 0.1
factors: auto
covariates: [log10_flops]
likelihood: beta_binomial
common_loading: true
family_offsets: true
family_benchmark: true
benchmark_slopes: false
testlets: true
curve: richards
floor: {learned: true, concentration: 100.0, open_mean: 0.015, open_concentration: 60.0}
priors:
  slope: Normal(mu=0, sigma=2)
  family_sd: HalfNormal(sigma=3)
  loading: Normal(mu=0, sigma=1)
  own_loading_sd: HalfNormal(sigma=0.5)
  common_loading_sd: HalfNormal(sigma=1)
  difficulty: Normal(mu=0, sigma=1.5)
  benchmark_slope_sd: LogNormal(mu=-1.5, sigma=0.5)
  family_benchmark_sd: HalfNormal(sigma=0.3)
  testlet_sd: HalfNormal(sigma=0.5)
  curve_shape: Exponential(lam=4)
  log_precision: Normal(mu=6, sigma=0.5)
  latent_covariate: Normal(mu=0, sigma=1.5)
"""


def test_a_spec_that_version_0_1_saved_means_what_it_meant() -> None:
    spec = Spec.from_yaml(SAVED_BY_0_1)
    assert not any([spec.uniqueness, spec.noise_shares, spec.rising, spec.learned_ceilings])
    assert spec.family_benchmark
    assert [spec.factors_for(*size) for size in [(8, 148), (20, 75), (5, 75), (20, 11)]] == [6, 8, 3, 5]
    assert spec.prior("own_loading_sd", 8) == Prior.parse("HalfNormal(0.5)")
    # As version 0.1 computed it for its default.
    assert spec.identity == "93feba2837a0cd161d0dfda882f403f5410455139bc03963af51c348c6586853"
    assert Spec.from_yaml(spec.to_yaml()) == spec


def test_a_spec_that_was_saved_before_noise_had_shares_means_what_it_meant() -> None:
    text = Spec().to_yaml()
    before = "".join(line for line in text.splitlines(True) if not line.lstrip().startswith(("noise_s", "item_share")))
    assert before.count("\n") == text.count("\n") - 3
    spec = Spec.from_yaml(before)
    assert spec == Spec(noise_shares=False)
    assert {"noise_sd", "item_share"} <= set(spec.unused_priors)
    # As computed for the default before.
    assert spec.identity == "b40667005a96edf88d6ee0aaa124bbe71116639f6c67a0bea5da2f6a1b4fe746"


def test_a_prior_of_one_form_of_the_noise_brings_the_form_with_it() -> None:
    each, shares = {"log_precision": "Normal(5, 1)"}, {"item_share": "Beta(2, 2)"}
    assert not Spec(priors=each).noise_shares
    assert not Spec(priors=Spec(priors=each).priors).noise_shares
    assert Spec(priors=shares).noise_shares
    assert not Spec().replace(priors=each).noise_shares
    assert Spec(noise_shares=False).replace(priors=shares).noise_shares
    assert Spec().replace(priors=each, noise_shares=True).noise_shares
    # Priors that are all spelled out, as in the shipped specs, say nothing of the form.
    assert Spec(priors=load_spec("default").priors).noise_shares
    for form in (True, False):
        assert Spec(noise_shares=form).replace(priors=load_spec("default").priors).noise_shares == form
    assert not Spec(uniqueness=False).shares_noise
    assert "log_precision" not in Spec(uniqueness=False).unused_priors


@pytest.mark.parametrize(
    ("priors", "message"),
    [
        ({"item_share": "HalfNormal(1)"}, r"item_share is a share; its prior is a Beta, of values between 0 and 1"),
        ({"slope": "Beta(1, 1)"}, r"slope is no share, of values between 0 and 1; got Beta\(alpha=1, beta=1\)"),
        ({"difficulty": "Beta(1, 1)"}, r"difficulty is no share"),
        ({"noise_sd": "Normal(0, 1)"}, r"noise_sd is a standard deviation"),
    ],
)
def test_shares_have_priors_of_shares_and_nothing_else_has(priors: dict[str, str], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        Spec(priors=priors)


def test_sds_of_loadings_mean_the_same_for_any_number_of_factors() -> None:
    spec = Spec(priors={"own_loading_sd": "HalfNormal(0.6)", "loading": "StudentT(4, 0.2, 1)"})
    assert spec.prior("own_loading_sd", 1) == spec.priors.own_loading_sd
    assert spec.prior("own_loading_sd", 9).parameters["sigma"] == pytest.approx(0.2)
    assert spec.prior("loading", 4) == Prior.parse("StudentT(4, 0.1, 0.5)")
    assert spec.prior("slope", 4) == spec.priors.slope
    assert spec.replace(loading_sds="factor").prior("own_loading_sd", 9) == spec.priors.own_loading_sd


BOMB = "a: &a [x, x]\nb: &b [*a, *a, *a]\npriors: {slope: *b}\n"
MERGED = "a: &a {k: 1}\nb: &b {<<: [*a, *a]}\nfactors: 1\n"


@pytest.mark.parametrize(
    "text",
    [
        BOMB,
        MERGED,
        "[" * 5000,
        "{a: " * 3000,
        "factors: " + "9" * 5000,
        "factors: [" + "1, " * 2000 + "1]",
        "priors: {slope: 'Normal(0, " + "9" * 400 + ")'}",
        "priors: {slope: 'Normal(0, " + "-" * 5000 + "1)'}",
        "priors: {slope: 'Normal(0, " + "1+" * 5000 + "1)'}",
        "priors: {slope: 'Normal(0, 1e400)'}",
        "priors: {slope: " + "[" * 8 + "]" * 8 + "}",
        "priors: {slope: 2024-99-99}",
        "x: " + "y" * 200_000,
        "y" * 40_000 + ": 1",
        "floor: {learned: false, concentration: .inf}",
        "floor: {open_concentration: .inf}",
        'name: "a\\0b"',
    ],
)
def test_a_spec_of_any_form_is_one_sentence(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        Spec.from_yaml(text)
    assert len(str(caught.value)) < 3000


def test_an_anchor_of_a_single_value_is_taken() -> None:
    spec = Spec.from_yaml("priors: {slope: &wide 'Normal(0, 3)', difficulty: *wide}")
    assert spec.priors.slope == spec.priors.difficulty
