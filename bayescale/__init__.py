"""Bayesian observational scaling laws of language models: evals in, forecasts with credible intervals out."""

import lazy_loader

from bayescale._files import use_writable_caches

use_writable_caches()  # before PyTensor and ArviZ are imported, which fail without

__version__ = "0.2.0.dev0"

# Names resolve on first use (SPEC 1), so that `import bayescale` and `bayescale --help` do not pay for PyMC.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "evals": ["Evals", "list_evals", "load_evals", "read_evals"],
        "evals.importers": ["Imported", "import_evals"],
        "analysis.sensitivity": ["prior_sensitivity"],
        "model.spec": ["Spec", "list_specs", "load_spec"],
        "model.prior": ["Prior"],
        "model": ["build_model"],
        "methods": ["Posterior", "fit"],
        "checks": ["PredictiveCheck", "PriorPredictive", "prior_predictive"],
        "forecast": ["NEW_FAMILY", "Forecast"],
        "forecast.prediction": ["Prediction"],
        "analysis.effect": ["Effect"],
        "analysis.efficiency": ["Efficiency"],
        "analysis.emergence": ["Emergence"],
        "analysis.progress": ["Progress"],
        "analysis.model_selection": ["Suggestion", "suggest_models"],
        "analysis.benchmark_selection": ["BenchmarkSuggestion"],
        "analysis.compute_optimal": ["ComputeOptimal"],
        "analysis.required_compute": ["RequiredCompute"],
        "analysis.training_compute": ["TrainingCompute"],
        "analysis.when": ["Crossing"],
        "analysis.explained_variance": ["ExplainedVariance"],
        "analysis.uplift": ["Uplift"],
        "evaluation.compare": ["Comparison", "compare", "scan_factors", "scan_priors"],
        "inference.convergence": ["ConvergenceReport"],
    },
)
