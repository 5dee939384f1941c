"""Names that benchmarks suggest for the factors; what a capability is, only a reader can say."""

from __future__ import annotations

import numpy as np

from bayescale._intervals import PROB, tails

# A benchmark is named beside the first where it correlates at least this much as strongly with the factor.
NEARLY = 0.75
NAMED = 2


def suggest_names(correlation: np.ndarray, benchmarks: list[str]) -> tuple[str, ...]:
    """Name each factor after the benchmarks that correlate most with it, two at most, "-" before a negative one.

    A factor with no benchmark whose 90% interval excludes zero is called unclear. Names are unique: further benchmarks
    are added where two factors have the same ones.

    Parameters
    ----------
    correlation : ndarray (S, benchmark, factor)
        Draws of aligned correlations, see `bayescale.analysis.scaled_loadings.correlations`.
    benchmarks : list of str

    Returns
    -------
    tuple of str
        One per factor, such as ``"HumanEval + GSM8K"``.

    Examples
    --------
    >>> draws = np.array([[[0.9, 0.1], [0.8, -0.6]]] * 3)
    >>> suggest_names(draws, ["MMLU", "GSM8K"])
    ('MMLU + GSM8K', '-GSM8K')
    """
    lower, upper = np.quantile(correlation, tails(PROB), axis=0)
    clear = (lower > 0) | (upper < 0)
    middle = np.median(correlation, axis=0)
    names: list[str] = []
    for k in range(middle.shape[1]):
        # Benchmarks whose sign is known come first: a name says nothing that the draws leave open.
        ranked = sorted(range(len(benchmarks)), key=lambda b: (not clear[b, k], -abs(middle[b, k])))
        near = [b for b in ranked[:NAMED] if abs(middle[b, k]) >= NEARLY * abs(middle[ranked[0], k])]
        if clear[:, k].any():
            near = [b for b in near if clear[b, k]]
        names.append(_unique(near, ranked, middle[:, k], benchmarks, bool(clear[:, k].any()), names))
    return tuple(names)


def _unique(
    near: list[int], ranked: list[int], middle: np.ndarray, benchmarks: list[str], clear: bool, taken: list[str]
) -> str:
    rest = [b for b in ranked if b not in near]
    for count in range(len(rest) + 1):
        named = [("-" if middle[b] < 0 else "") + benchmarks[b] for b in near + rest[:count]]
        name = " + ".join(named) if clear else f"unclear ({' + '.join(named)})"
        if name not in taken:
            return name
    return f"{name}, {len(taken) + 1}"
