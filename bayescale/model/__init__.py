"""From a spec and evals to a PyMC model."""

from bayescale.model.build import build_model
from bayescale.model.data import ModelData, model_data, observed_cells

__all__ = ["ModelData", "build_model", "model_data", "observed_cells"]
