"""Training compute given what else is known of a model: its date, its maker, its size.

Where compute is not disclosed it is a quantity of the model, drawn from a regression that disclosed compute informs and
that is fitted with all else::

    log10 C_m ~ Normal(a + z_m' g + u_maker(m), s_m)    u ~ Normal(0, sd between makers)

z are the columns that `Spec.compute_from` names, centred; where one is unknown, z is zero and an intercept of its own
takes its place. s is one sd for models of which all of these are known, and another for the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bayescale.evals.tables import text
from bayescale.model.covariates import CovariateColumn, read_covariates

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from bayescale.model.coordinates.parameterization import PlainCoordinates
    from bayescale.model.spec import Spec

MAKER = "organization"


class ComputePredictors(NamedTuple):
    """What predicts compute: columns, names of coefficients, values (model, coefficient), and makers.

    `maker` is the index of each model's maker among `makers`, -1 where it is not stated. `whole` (model,) says of which
    models all columns are known.
    """

    columns: tuple[CovariateColumn, ...]
    names: tuple[str, ...]
    values: np.ndarray
    makers: tuple[str, ...]
    maker: np.ndarray
    whole: np.ndarray

    @property
    def coords(self) -> dict[str, list[str]]:
        """Labels of coefficients and makers, by the names of their dims."""
        makers = {MAKER: list(self.makers)} if self.makers else {}
        return {"compute_predictor": list(self.names), **makers}

    def of(self, said: Mapping[str, np.ndarray], count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the regressors (model, coefficient) of new models, and of which all columns are known.

        `said` has values by the name of a column, in its own units.
        """
        values = np.full((count, len(self.columns)), np.nan)
        for place, column in enumerate(self.columns):
            if column.name in said:
                values[:, place] = column.standardised(said[column.name])
        return _coefficients_of(values, self.columns), np.isfinite(values).all(axis=1)


def read_predictors(spec: Spec, models: pd.DataFrame) -> ComputePredictors | None:
    """Read from the models table what predicts compute; None where the spec says nothing of it."""
    if not spec.compute_from:
        return None
    columns, values = read_covariates([name for name in spec.compute_from if name != MAKER], models)
    known = np.isfinite(values)
    names = ["intercept", *(c.name for c in columns)]
    names += [f"{c.name} unknown" for c, k in zip(columns, known.T, strict=True) if not k.all()]
    makers: list[str] = []
    maker = np.full(len(models), -1)
    if MAKER in spec.compute_from and MAKER in models:
        cells = [text(cell) for cell in models[MAKER]]
        makers = sorted(set(cells) - {""})
        maker = np.array([makers.index(cell) if cell else -1 for cell in cells])
    return ComputePredictors(
        columns, tuple(names), _coefficients_of(values, columns), tuple(makers), maker, known.all(axis=1)
    )


def _coefficients_of(values: np.ndarray, columns: tuple[CovariateColumn, ...]) -> np.ndarray:
    """Return the regressors (model, coefficient) of standardised values (model, column), NaN where unknown."""
    unknown = np.isnan(values)
    partly = [place for place, column in enumerate(columns) if not column.known.all()]
    return np.column_stack([np.ones(len(values)), np.where(unknown, 0.0, values), unknown[:, partly].astype(float)])


def expected_compute(spec: Spec, predictors: ComputePredictors, at: PlainCoordinates) -> tuple[Any, Any]:
    """Make the regression's variables inside the model; return mean and sd (model,) of centred log10 compute."""
    import pytensor.tensor as pt  # takes a second, and forecasts do without

    priors = spec.priors
    level, slope = priors.latent_covariate.location_and_scale, priors.compute_slope.location_and_scale
    location, scale = np.array([level, *[slope] * (len(predictors.names) - 1)]).T.copy()
    coefficient = at.coefficients("compute_slope", location, scale, predictors.values, dims="compute_predictor")
    mean = pt.as_tensor(predictors.values) @ coefficient
    if predictors.makers:
        between = priors.maker_compute_sd.variable("maker_compute_sd")
        maker = at.zero_mean("maker_compute", between, (MAKER,))
        mean = mean + pt.concatenate([maker, pt.zeros(1)])[predictors.maker]
    sd = priors.compute_sd.variable("compute_sd")
    if not predictors.whole.all():
        vague = priors.compute_sd.variable("vague_compute_sd")
        sd = pt.switch(predictors.whole, sd, vague)
    return mean, sd * pt.ones(len(predictors.values))
