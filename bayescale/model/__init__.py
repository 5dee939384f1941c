"""From a spec and evals to a PyMC model."""

import lazy_loader

# PyMC is loaded when a model is built, not when a saved posterior is read.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={"build": ["build_model"], "data": ["ModelData", "model_data", "observed_cells"]}
)
