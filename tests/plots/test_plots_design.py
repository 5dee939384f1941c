"""The picture of a suggestion: what is drawn is what its table says."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest

from bayescale.methods import Posterior
from bayescale.plots import plot_suggestion


@pytest.mark.parametrize("target", [None, "bench-4"])
def test_the_share_left_is_drawn_for_each_model(two_factors: Posterior, target: str | None) -> None:
    suggestion = two_factors.suggest_models(5, target, candidates=two_factors.evals.model_names[:8], random_seed=0)
    ax = suggestion.plot()
    left = suggestion.table["variance_left"].to_numpy()
    path, points, start, least = ax.lines
    np.testing.assert_allclose(path.get_xdata(), [1.0, *left])
    np.testing.assert_allclose(points.get_xdata(), left)
    assert points.get_ydata().tolist() == [1, 2, 3, 4, 5]
    assert list(start.get_xdata()) == [1.0]
    assert least.get_xdata()[0] == suggestion.least
    labels = [text.get_text() for text in ax.get_yticklabels()]
    assert labels == ["nothing evaluated", *(f"{m}  {i + 1}" for i, m in enumerate(suggestion.models))]
    assert ax.get_title(loc="left").endswith("a new benchmark" if target is None else target)
    assert "for 4 models" in ax.get_xlabel()
    low, high = ax.get_xlim()
    assert low < suggestion.least
    assert high > 1
    plt.close("all")


def test_it_draws_where_it_is_told_to(two_factors: Posterior) -> None:
    figure, ax = plt.subplots()
    assert plot_suggestion(two_factors.suggest_models(2, random_seed=0), ax=ax) is ax
    plt.close(figure)
