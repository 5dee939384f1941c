"""Evaluation results: which model scored what on which benchmark."""

from __future__ import annotations

from bayescale.evals.datasets import list_evals, load_evals, read_evals
from bayescale.evals.evals import Evals

__all__ = ["Evals", "list_evals", "load_evals", "read_evals"]
