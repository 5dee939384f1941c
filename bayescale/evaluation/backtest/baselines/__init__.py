"""Baselines of the backtest: regressions and rules of thumb, with prediction intervals."""

from bayescale.errors import MissingDependencyError

try:
    import sklearn  # type: ignore[import-untyped]  # noqa: F401
    import statsmodels  # type: ignore[import-untyped]  # noqa: F401
except ImportError as error:
    raise MissingDependencyError(
        f"The baselines of a backtest need {error.name}. Install it with: pip install 'bayescale[backtest]'"
    ) from error

from bayescale.evaluation.backtest.baselines.baseline import Baseline
from bayescale.evaluation.backtest.baselines.completion import MatrixCompletion
from bayescale.evaluation.backtest.baselines.dated import BestSoFar, DateTrend, FactorDate, FamilyComputeOrMean
from bayescale.evaluation.backtest.baselines.family import FamilyCompute
from bayescale.evaluation.backtest.baselines.regression import ComponentRegression, CovariateRegression, ScalingLaw
from bayescale.evaluation.backtest.baselines.sibling import LastSibling

__all__ = [
    "BASELINES",
    "DATED",
    "Baseline",
    "BestSoFar",
    "ComponentRegression",
    "CovariateRegression",
    "DateTrend",
    "FactorDate",
    "FamilyCompute",
    "FamilyComputeOrMean",
    "LastSibling",
    "MatrixCompletion",
    "ScalingLaw",
]

_UNDATED: tuple[Baseline, ...] = (
    *(ComponentRegression(name=f"pc_{count}", count=count) for count in (1, 2, 3, 4)),
    CovariateRegression(name="training_flops", covariate="flops"),
    CovariateRegression(name="model_size", covariate="params_b"),
    FamilyCompute(name="family_compute"),
    LastSibling(name="last_sibling"),
    MatrixCompletion(name="rank_two"),
)
_DATED: tuple[Baseline, ...] = (
    BestSoFar(name="best_so_far"),
    DateTrend(name="date_trend"),
    DateTrend(name="record_trend", records=True),
    FactorDate(name="factor_date"),
    FamilyComputeOrMean(name="family_compute_or_mean"),
)

DATED = tuple(baseline.name for baseline in _DATED)
"""Names of the baselines for models that are later than all that is seen."""

BASELINES = {baseline.name: baseline for baseline in (*_UNDATED, *_DATED)}
"""Every baseline by name. The first six are those of Ruan, Maddison & Hashimoto (2024), whose default is ``pc_3``."""
