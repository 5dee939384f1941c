"""Progress a year against a truth that was put in, and against a regression by hand; subsets and refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import Run
from simulate import CONVERGED, posterior_near, simulate, simulation_spec, with_columns

from bayescale._intervals import interval_columns
from bayescale.errors import ForecastError
from bayescale.evals import Evals
from bayescale.methods import Posterior
from bayescale.model import model_data
from bayescale.model.covariates import decimal_year

A_YEAR = 0.6
SPEC = simulation_spec(
    2, covariates=("log10_flops", "released"), benchmark_slopes=False, family_benchmark=False,
    priors={"latent_covariate[released]": "Normal(0, 0.5)"},
)  # fmt: skip


def growing(**columns: object) -> tuple[Posterior, Evals]:
    """Make a posterior whose capabilities grow by `A_YEAR` decades of compute a year, exactly, at equal compute."""
    evals, truth = simulate(factors=2, missing=0.0)
    evals = with_columns(evals)
    evals = Evals(evals.models.assign(**columns), evals.benchmarks, evals.scores)
    x = np.nan_to_num(model_data(SPEC, evals).covariates)
    capability = x @ np.stack([truth.slope, A_YEAR * truth.slope])
    centres = {"slope": np.stack([truth.slope, A_YEAR * truth.slope]), "covariate_value": x, "capability": capability}
    made = posterior_near(
        evals, truth, SPEC, chains=2, draws=100, spread=1e-6, convergence=CONVERGED, **centres, benchmark_slope_sd=0.0
    )
    return made, evals


@pytest.fixture(scope="module")
def progress():  # type: ignore[no-untyped-def]
    return growing()[0].progress()


def test_a_known_slope_is_found(progress) -> None:  # type: ignore[no-untyped-def]
    np.testing.assert_allclose(progress.log10_compute, A_YEAR, atol=1e-4)
    draws = progress.posterior.draws
    logits = A_YEAR * np.einsum("sbk,sk->sb", draws.loading, draws.slope[:, 0])
    for subset in progress.models:
        found = progress.logits.sel(subset=subset).to_numpy().reshape(logits.shape)
        np.testing.assert_allclose(found, logits, atol=1e-4)
    table = progress.summary()
    overall = table.query("benchmark == 'all benchmarks' and measure == 'times'")
    np.testing.assert_allclose(overall["median"], 10**A_YEAR, rtol=1e-3)
    assert f"x{10**A_YEAR:.3g}" in repr(progress)


def test_makers_reasoning_and_residuals_are_in_it(dated: Posterior) -> None:
    """The slope is that of a regression by hand, draw by draw; models without a date take no part."""
    found, draws = dated.progress(), dated.draws
    known = dated.evals.models["released"].ne("").to_numpy()
    assert len(found.models["all"]) == known.sum() == 10
    years = [decimal_year(cell) for cell in dated.evals.models["released"][known]]
    compute = draws.data.place("log10_flops")
    covariate = draws.covariate.copy()
    covariate[..., compute] = 0
    level = draws.capability - draws.covariate[..., [compute]] * draws.slope[:, [compute]]
    family = draws.family_benchmark[:, draws.data.family_index]
    logit = draws.logit(level, covariate, family_benchmark=family)[:, known]
    slopes = [np.polyfit(years, one, 1)[0] for one in logit[::500]]
    actual = found.logits.sel(subset="all").to_numpy().reshape((len(logit), -1))
    np.testing.assert_allclose(actual[::500], slopes, rtol=1e-6)


def test_subsets_are_those_of_the_day() -> None:
    """Compute and dates are known, so the frontier is: no earlier model, and none of the day, is better."""
    weights = ["open", "closed"] * 6
    posterior, evals = growing(released=[f"2023-{m // 2 + 1:02d}-01" for m in range(12)], weights=weights)
    found = posterior.progress()
    assert list(found.models) == ["all", "frontier", "open weights"]
    assert set(found.models["open weights"]) == set(evals.models["model"][::2])
    logit = posterior.draws.logit(posterior.draws.capability, np.zeros((12, 2))).mean(axis=(0, 2))
    day = evals.models["released"].tolist()
    best = [
        name
        for m, name in enumerate(evals.model_names)
        if all(logit[m] > logit[n] for n in range(12) if n != m and day[n] <= day[m])
    ]
    assert list(found.models["frontier"]) == best


@pytest.mark.parametrize("measure", ["log10_compute", "logits"])
def test_a_plot_has_a_row_for_every_benchmark(progress, measure: str) -> None:  # type: ignore[no-untyped-def]
    ax = progress.plot(measure=measure)
    rows = [label.get_text() for label in ax.get_yticklabels()]
    assert rows[0] == "all benchmarks"
    assert set(rows[1:]) == set(progress.posterior.evals.benchmark_names)


def test_what_a_spec_lacks_is_said(posterior: Posterior) -> None:
    with pytest.raises(ForecastError, match="progress needs a spec with the covariate released, such as 'dated'"):
        posterior.progress()
    evals, truth = simulate()
    sizes = posterior_near(
        with_columns(evals), truth, simulation_spec(covariates=("log10_params", "log10_tokens")), convergence=CONVERGED
    )
    with pytest.raises(ForecastError, match="one measure of size is log10_flops"):
        sizes.progress()
    few, _ = growing(released=["2023-01-01"] * 12)
    with pytest.raises(ForecastError, match="3 models with a score and a release date, on different days"):
        few.progress()
    with pytest.raises(ForecastError, match="Known: log10_compute, logits"):
        growing()[0].progress().plot(measure="points")


def test_the_command_prints_and_writes_what_the_library_says(run: Run, dated: Posterior, tmp_path: Path) -> None:
    saved, csv = dated.save(tmp_path / "p.nc"), tmp_path / "p.csv"
    code, out, _ = run("progress", saved, "--csv", csv)
    assert code == 0
    assert "decades of compute" in out
    pd.testing.assert_frame_equal(pd.read_csv(csv), interval_columns(dated.progress().summary()))
