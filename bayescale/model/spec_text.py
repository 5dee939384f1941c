"""What a spec says of itself: a line, a page, and a table of its priors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bayescale._display import as_html
from bayescale.model.priors import Priors, split_name

if TYPE_CHECKING:
    from bayescale.model.spec import Spec


def line(spec: Spec, factors: str) -> str:
    """Say the form of a spec in one line, with `factors` in words, and what comes next in another."""
    return (
        f"Spec {spec.name!r}: {factors} over {', '.join(spec.covariates)}; "
        f"{spec.likelihood} scores along {spec.curve} curves; effects: {_effects(spec)}\n"
        "Next: print(spec), spec.to_yaml(), bayescale.prior_predictive(spec, evals), bayescale.fit(spec, evals)"
    )


def html(spec: Spec) -> str:
    """Say the line with the title, and the priors as a table: name, distribution, and what it is the prior of."""
    import pandas as pd

    meanings = _prior_meanings(spec)
    rows = [{"prior": name, "distribution": repr(prior), "of": meanings[name]} for name, prior in spec.priors]
    first, following = repr(spec).splitlines()
    return as_html("\n".join([first, *filter(None, [spec.title]), following]), pd.DataFrame(rows))


def page(spec: Spec) -> str:
    """Say all of a spec, a line a setting and a prior."""
    meaning, f = _prior_meanings(spec), spec.floor
    learned = (
        f"learned: around chance as if from {f.concentration:g} items; where chance is 0, around "
        f"{f.open_mean:g} as if from {f.open_concentration:g}"
    )
    width = max(len(repr(prior)) for _, prior in spec.priors) + 1
    lines = [
        f"Spec {spec.name!r}: {spec.title}".rstrip(": "),
        f"  factors     {spec.factors}{', by the table' * isinstance(spec.factors, str)}",
        f"  covariates  {', '.join(spec.covariates)}",
        f"  likelihood  {spec.likelihood}",
        f"  curve       {spec.curve}",
        f"  effects     {_effects(spec)}",
        f"  floor       {learned if f.learned else 'fixed at chance'}",
        "  priors",
        *(f"    {name:20s} {prior!r:{width}s} {meaning[name]}" for name, prior in spec.priors),
        "Next: bayescale.prior_predictive(spec, evals).plot(), bayescale.fit(spec, evals)",
    ]
    return "\n".join(lines)


def _effects(spec: Spec) -> str:
    effects = [name for name, field in type(spec).model_fields.items() if field.annotation is bool]
    return ", ".join(name for name in effects if getattr(spec, name)) or "none"


def _prior_meanings(spec: Spec) -> dict[str, str]:
    described = {name: str(field.description) for name, field in Priors.model_fields.items()}
    described |= {name: f"the same, of {of}" for name, _ in spec.priors if (of := split_name(name)[1])}
    return described | dict.fromkeys(spec.unused_priors, "(not in use)")
