"""Importers: the output of evaluation tools as tables."""

from __future__ import annotations

from bayescale.evals.importers.base import NameMapping, Target
from bayescale.evals.importers.imported import Imported
from bayescale.evals.importers.read import import_evals

__all__ = ["Imported", "NameMapping", "Target", "import_evals"]
