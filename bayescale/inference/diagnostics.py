"""Convergence diagnostics of a posterior, with remedies.

Convergence is assessed on expected scores and forecasts, not on raw loadings: under rotation-invariant priors the
factors may rotate from draw to draw while everything a user reads stays the same.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from bayescale.inference.convergence import (
    MAX_RHAT,
    MIN_ESS_PER_CHAIN,
    Block,
    ConvergenceReport,
    diverges,
    more_draws,
)
from bayescale.inference.mixing import effective_draws, rhat
from bayescale.inference.parallel import in_threads
from bayescale.model.data import design, unknown_cells
from bayescale.model.priors import SCALES

if TYPE_CHECKING:
    from bayescale.inference.draws import Draws

# Above this, chains are in different modes and not merely too short (Gelman & Rubin's threshold).
MODES_RHAT = 1.1
MIN_BFMI = 0.3
# Chains that differ on at most this share of the benchmarks differ in how they explain those, not in the law.
FEW_BENCHMARKS = 0.25
# Quantities that are diagnosed together: so few that their draws stay in the cache.
_AT_ONCE = 200


def diagnose(idata: Any, draws: Draws, seconds: float | None = None) -> ConvergenceReport:
    """Diagnose the convergence of a sampled posterior.

    Parameters
    ----------
    idata : arviz.InferenceData or xarray.DataTree
        With `sample_stats` under PyMC's names.
    draws : Draws
        The same posterior as arrays.
    seconds : float, optional
        How long sampling took, from which remedies tell the time of a longer run.
    """
    blocks = tuple(_blocks(idata, draws))
    stats = idata["sample_stats"]
    divergences = int(stats["diverging"].sum())
    hits = int(stats["reached_max_treedepth"].sum()) if "reached_max_treedepth" in stats else 0
    energy = stats["energy"].to_numpy()
    with np.errstate(invalid="ignore"):  # of a chain that stands still
        bfmi = float((np.square(np.diff(energy, axis=1)).mean(1) / energy.var(1)).min())

    here = draws.size // draws.chains
    enough = MIN_ESS_PER_CHAIN * draws.chains
    required = [block for block in blocks if block.required]
    split = [block for block in required if block.rhat > MODES_RHAT]
    problems, fatal = _disagreements(split, required, draws), bool(split)
    for block in required:
        if block in split:
            continue
        if np.isnan(block.ess) or (np.isnan(block.rhat) and draws.chains > 1):
            fatal = True
            problems.append(f"{block.name}: {here} draws per chain are too few to diagnose. Use at least 400.")
            continue
        remedy = _longer(more_draws(block, here, enough), here, seconds)
        if block.rhat > MAX_RHAT:
            fatal = True
            problems.append(f"{_where(block)}: the run is too short. {remedy}")
        elif block.ess < enough:
            fatal = True
            problems.append(
                f"{block.name}: {block.ess:.0f} effective draws (at {block.worst}; {enough} wanted). {remedy}"
            )
    if divergences:
        serious = diverges(divergences, draws.size)
        fatal |= serious
        problems.append(
            f"{divergences} of {draws.size} transitions diverged: "
            + ("raise target_accept (0.95, then 0.99)" if serious else "few enough to report; target_accept=0.9 helps")
            + ", or tighten the priors of scales."
        )
    if hits > 0.01 * draws.size:
        problems.append(f"{hits} transitions reached the largest tree depth: slow, not wrong. Use fewer factors.")
    if bfmi < MIN_BFMI:
        problems.append(f"BFMI {bfmi:.2f} is below {MIN_BFMI}: the energy moves slowly. Use more tune, tighter scales.")
    size = draws.data.columns[0]
    if not split and size.kind == "size" and (rise := _average_slope(draws).mean()) <= 0:
        problems.append(
            f"The average benchmark does not gain from {size.name} ({rise:.2f} logits a decade). Where newer models "
            "are better and smaller, scores without dates say so: use a spec with dates, such as 'dated', or see "
            "whether other values of random_seed end elsewhere."
        )
    if draws.chains < 2:
        problems.append("One chain cannot show that it found the whole posterior: sample at least 2, better 4.")
        fatal = True
    return ConvergenceReport(
        converged=not fatal,
        chains=draws.chains,
        draws=draws.size,
        divergences=divergences,
        max_depth_hits=hits,
        bfmi=bfmi,
        blocks=blocks,
        problems=tuple(problems),
    )


def _longer(wanted: int, here: int, seconds: float | None) -> str:
    wanted = 100 * math.ceil(wanted / 100)
    more = f"Use about {wanted} draws per chain: {max(wanted - here, 0)} more"
    if seconds is None:
        return f"{more}."
    minutes = seconds / 60 * (wanted - here) / here
    return f"{more}, about {max(minutes, 1):.0f} minute{'s' if minutes >= 1.5 else ''}."


def _where(block: Block) -> str:
    return f"R-hat of {block.name} is {block.rhat:.3f} (at {block.worst}; at most {MAX_RHAT} wanted)"


def _disagreements(split: list[Block], required: list[Block], draws: Draws) -> list[str]:
    """Return a problem for each way in which chains disagree, of blocks in which they are in different modes."""
    if not split:
        return []
    problems = []
    advice = _on_few_benchmarks(split, required, draws) or (
        f"{_average_slopes(draws)} Fit again with another random_seed; if this recurs, use fewer factors or tighter "
        "priors."
    )
    for chain in sorted({block.outlier_chain for block in split}, key=lambda chain: -1 if chain is None else chain):
        worst, *others = sorted((b for b in split if b.outlier_chain == chain), key=lambda b: -b.rhat)
        where = _where(worst) + "".join(f", of {b.name} {b.rhat:.3f} (at {b.worst})" for b in others)
        if chain is None:
            problems.append(f"{where}: the chains are in different modes. {advice}")
        else:
            problems.append(
                f"{where}: chain {chain} is an outlier; the other chains agree. It is in a mode of its own. {advice} "
                "Do not drop the chain."
            )
    return problems


def _on_few_benchmarks(split: list[Block], required: list[Block], draws: Draws) -> str:
    """Name the benchmarks on which alone chains differ, and say what to do; empty where they differ on many."""
    found = {name for block in split for name in block.split_benchmarks}
    names = [name for name in draws.data.coords["benchmark"] if name in found]
    if not all(block.split_benchmarks for block in split) or len(names) > FEW_BENCHMARKS * draws.difficulty.shape[1]:
        return ""
    them, those = ("it", "its") if len(names) == 1 else ("them", "their")
    rest = [block.without_split_benchmarks() for block in required]
    agreed = all(block.holds(MIN_ESS_PER_CHAIN * draws.chains) for block in rest)
    elsewhere = (
        f" On all other benchmarks they converged (R-hat {max(block.rhat for block in rest):.3f} at most, "
        f"{min(block.ess for block in rest):.0f} effective draws at least)."
    )
    return (
        f"The chains differ on {', '.join(names)} alone, and explain {those} scores in different ways: look for scores "
        f"below the guessing floor or far from those of similar models.{elsewhere if agreed else ''} If another "
        f"random_seed does not help, fit without {them}."
    )


def _average_slopes(draws: Draws) -> str:
    """Say what the first covariate moves the average benchmark by, chain by chain: modes often differ in that."""
    said = ", ".join(f"{value:.2f}" for value in draws.by_chain(_average_slope(draws)).mean(axis=1))
    return f"By chain, one more unit of {draws.data.columns[0].name} moves the average benchmark by {said} logits."


def _average_slope(draws: Draws) -> np.ndarray:
    """Return the slope (S,) of the average benchmark over the first covariate, in logits a unit."""
    place = draws.data.place(draws.data.columns[0].name)
    own = draws.benchmark_slope[:, :, place].mean(axis=1)
    return np.einsum("sk,sk->s", draws.loading.mean(axis=1), draws.slope[:, place]) + own


def _blocks(idata: Any, draws: Draws) -> list[Block]:
    """Return the diagnostics of each block of quantities; all but the last are required."""
    coords = draws.data.coords
    cells = draws.data.cells["observed"] > 0
    # One decade, or a year, beyond the largest known.
    beyond = [float(column.kind in ("size", "date")) for column in draws.data.columns]
    ahead = np.nanmax(draws.data.covariates, axis=0) + beyond
    point = np.array(design(ahead, draws.data.terms))
    fitted = draws.fitted_cells(cells)
    names = coords["benchmark"]
    labels = [f"{coords['model'][m]} on {names[b]}" for m, b in zip(*np.nonzero(cells), strict=True)]
    future = draws.family_scores(point).reshape((draws.size, -1))
    future_labels = [f"{f} on {b}, a decade ahead" for f in coords["family"] for b in names]
    of_cells = [names[b] for b in np.nonzero(cells)[1]]
    blocks = [
        _block("expected scores", draws.by_chain(fitted), labels, True, of_cells),
        _block("forecasts", draws.by_chain(future), future_labels, True, names * len(coords["family"])),
        _block("new family", draws.by_chain(_new_family(draws, point)), names, True, names),
    ]
    scales = [n for n in SCALES if n in idata["posterior"]]
    if scales:
        values = np.stack([idata["posterior"][n].to_numpy() for n in scales], axis=-1)
        blocks.append(_block("scales", values, scales, True))
    rows, columns = unknown_cells(draws.data)
    if len(rows):
        values = draws.by_chain(draws.unknown_covariates())
        unknown = [f"{draws.data.columns[c].name} of {coords['model'][m]}" for m, c in zip(rows, columns, strict=True)]
        blocks.append(_block("unknown covariates", values, unknown, True))
    precision = draws.by_chain(np.log(draws.precision))
    blocks.append(_block("precision of scores", precision, names, False))
    return blocks


def _new_family(draws: Draws, point: np.ndarray) -> np.ndarray:
    """Return expected scores (S, benchmark) of the typical model of a new family of average efficiency."""
    location = (point @ draws.slope)[:, None]
    return draws.expected(draws.logit(location, point[None]))[:, 0]


def _block(
    name: str, values: np.ndarray, labels: list[str], required: bool, benchmarks: list[str] | None = None
) -> Block:
    """Return the worst diagnostics over the last axis of `values` (chain, draw, quantity).

    `benchmarks` are those of the quantities, where each belongs to one.
    """
    # A quantity that is the same in every draw (a floor fixed at chance, say) has no Monte Carlo error.
    varying = np.ptp(values, axis=(0, 1)) > 1e-12
    names = [label for label, keep in zip(labels, varying, strict=True) if keep]
    if not names:
        return Block(
            name=name, quantities=0, rhat=1, ess_bulk=np.inf, ess_tail=np.inf, worst="constant", required=False
        )
    values = values[:, :, varying]
    parts = np.array_split(values, math.ceil(values.shape[-1] / _AT_ONCE), axis=-1)
    each = in_threads(lambda part: (*effective_draws(part), rhat(part)), parts)
    bulk, tail, rhats = (np.concatenate(found) for found in zip(*each, strict=True))
    each_of = [benchmarks[i] for i in np.flatnonzero(varying)] if benchmarks else []
    split = tuple(dict.fromkeys(each_of[i] for i in np.flatnonzero(rhats > MODES_RHAT))) if each_of else ()
    other = np.array([name not in split for name in each_of], dtype=bool)
    elsewhere: dict[str, float] = {}
    if split and other.any():
        ess = np.minimum(bulk, tail)[other]
        elsewhere = {"rhat_elsewhere": float(np.max(rhats[other])), "ess_elsewhere": float(np.min(ess))}
    return Block(
        name=name,
        quantities=len(names),
        rhat=float(np.max(rhats)),
        ess_bulk=float(np.min(bulk)),
        ess_tail=float(np.min(tail)),
        worst=names[int(np.argmin(np.minimum(bulk, tail)))],
        required=required,
        outlier_chain=_outlier_chain(values, rhats),
        split_benchmarks=split,
        **elsewhere,
    )


def _outlier_chain(values: np.ndarray, rhats: np.ndarray) -> int | None:
    """Return the one chain of `values` (chain, draw, quantity) without which the quantity of largest R-hat agrees."""
    chains = values.shape[0]
    if chains < 3 or not np.nanmax(rhats, initial=0.0) > MODES_RHAT:
        return None
    worst = values[:, :, [int(np.nanargmax(rhats))]]
    without = [float(rhat(np.delete(worst, chain, axis=0))[0]) for chain in range(chains)]
    outliers = [chain for chain in range(chains) if without[chain] <= (1 + MODES_RHAT) / 2]
    return outliers[0] if len(outliers) == 1 else None
