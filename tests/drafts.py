"""Figures that are saved as drafts, for examples and commands: how figures look, tests/plots checks."""

from __future__ import annotations

from typing import Any

import pytest


def save_drafts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save figures with few pixels, and without a layout, which takes longer than all else that is drawn."""
    from matplotlib.figure import Figure

    save = Figure.savefig

    def draft(figure: Figure, *arguments: Any, **settings: Any) -> None:
        figure.set_layout_engine("none")
        save(figure, *arguments, **settings | {"dpi": 20})

    monkeypatch.setattr(Figure, "savefig", draft)
