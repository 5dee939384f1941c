"""Predictions of models of the data: their own capabilities, with observation noise, on all benchmarks."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from bayescale.errors import ForecastError
from bayescale.forecast.prediction import Prediction
from bayescale.methods import Posterior


@pytest.fixture(scope="module")
def prediction(posterior: Posterior) -> Prediction:
    return posterior.predict(random_seed=0)


def test_expected_scores_are_those_of_the_posterior(posterior: Posterior, prediction: Prediction) -> None:
    xr.testing.assert_allclose(
        prediction.draws["expected_score"].drop_vars(["family", "flops"]), posterior.expected_scores()
    )
    assert prediction.draws["family"].to_numpy().tolist() == posterior.evals.models["family"].tolist()


def test_measured_scores_scatter_about_them_by_the_noise_of_the_items(
    posterior: Posterior, prediction: Prediction
) -> None:
    expected, measured = (prediction.draws[f"{kind}_score"].to_numpy() for kind in ("expected", "predicted"))
    precision = posterior.draws.score_precision(posterior.draws.fitted_scores()).reshape(expected.shape)
    items = posterior.draws.data.items
    variance = expected * (1 - expected) * (1 + precision / items) / (precision + 1)
    np.testing.assert_allclose((measured - expected).std((0, 1)), np.sqrt(variance.mean((0, 1))), rtol=0.1)
    observed = posterior.evals.matrix().to_numpy()
    low, high = np.quantile(measured, [0.05, 0.95], axis=(0, 1))
    seen = np.isfinite(observed)
    assert ((observed > low) & (observed < high))[seen].mean() > 0.8


def test_the_summary_has_the_observed_scores_beside(posterior: Posterior, prediction: Prediction) -> None:
    table = prediction.summary()
    matrix = posterior.evals.matrix()
    assert len(table) == matrix.size
    for row in table[::7].itertuples():
        np.testing.assert_equal(row.observed, float(matrix.sel(model=row.model, benchmark=row.benchmark)))
    narrow = prediction.summary(kind="expected")
    assert ((table["upper"] - table["lower"]) >= 0.9 * (narrow["upper"] - narrow["lower"])).all()


def test_imputed_scores_fill_the_gaps(posterior: Posterior, prediction: Prediction) -> None:
    filled, matrix = prediction.imputed(), posterior.evals.matrix().to_pandas()
    assert filled.index.tolist() == posterior.evals.model_names
    assert filled.columns.tolist() == posterior.evals.benchmark_names
    seen = matrix.notna().to_numpy()
    assert not seen.all()
    np.testing.assert_array_equal(filled.to_numpy()[seen], matrix.to_numpy()[seen])
    medians = prediction.draws["predicted_score"].median(("chain", "draw")).to_numpy()
    np.testing.assert_allclose(filled.to_numpy()[~seen], medians[~seen])


def test_models_and_benchmarks_are_chosen_and_keep_their_order(posterior: Posterior) -> None:
    models, benchmarks = posterior.evals.model_names, posterior.evals.benchmark_names
    few = posterior.predict(models[3::-1], benchmarks[1], random_seed=0)
    assert few.draws["model"].to_numpy().tolist() == models[3::-1]
    assert few.draws["benchmark"].to_numpy().tolist() == [benchmarks[1]]
    np.testing.assert_allclose(
        few.draws["expected_score"], posterior.expected_scores(models[3::-1]).sel(benchmark=[benchmarks[1]])
    )


def test_a_plot_has_the_observed_scores(posterior: Posterior, prediction: Prediction) -> None:
    (ax,) = prediction.plot().axes
    marks = next(line for line in ax.lines if line.get_label() == "observed")
    assert len(marks.get_xdata()) == np.isfinite(posterior.evals.matrix().to_numpy()[:6]).sum()
    plt.close("all")


def test_unknown_names_are_refused_all_at_once(posterior: Posterior) -> None:
    with pytest.raises(ForecastError, match=r"Did you mean 'Family-A-0'[\s\S]*'other'"):
        posterior.predict(["Famly-A-0", "other"])
    with pytest.raises(ForecastError, match="Did you mean 'bench-"):
        posterior.predict(benchmarks=["bench-9"])
