"""Convergence of a posterior: thresholds, each block of quantities, and the report.

Thresholds are those of Vehtari et al. (2021, Bayesian Analysis 16:667): rank-normalised split R-hat at most 1.01 and at
least 100 effective draws per chain, in the bulk and the tails.
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

import numpy as np
from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from bayescale._display import as_html, wrapped
from bayescale.errors import ConvergenceWarning

if TYPE_CHECKING:
    import pandas as pd

MAX_RHAT = 1.01
MIN_ESS_PER_CHAIN = 100
# Above one divergence in a thousand draws a posterior counts as not converged; fewer are only reported.
MAX_DIVERGENT_SHARE = 1e-3


class Block(BaseModel):
    """Convergence of one block of quantities: the worst R-hat and effective sample sizes, and the worst quantity.

    Posterior files written before version 0.2.0 name `required` ``gates`` and `outlier_chain` ``apart``; both are read.
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="constants")
    name: str
    quantities: int
    rhat: float
    ess_bulk: float
    ess_tail: float
    worst: str
    required: bool = Field(validation_alias=AliasChoices("required", "gates"))
    """Whether the posterior counts as converged only if this block does."""
    outlier_chain: int | None = Field(default=None, validation_alias=AliasChoices("outlier_chain", "apart"))
    """The one chain without which the others agree, if there is one: it is in a mode of its own."""
    split_benchmarks: tuple[str, ...] = ()
    """The benchmarks on which chains are in different modes, where quantities belong to benchmarks."""
    rhat_elsewhere: float | None = None
    """The worst R-hat on the other benchmarks, where there are split ones."""
    ess_elsewhere: float | None = None

    @property
    def ess(self) -> float:
        """The smaller of the effective sample sizes in the bulk and in the tails."""
        return min(self.ess_bulk, self.ess_tail)

    def holds(self, enough: int) -> bool:
        """Return whether the chains agree and there are this many effective draws; False where that is unknown."""
        return self.rhat <= MAX_RHAT and self.ess >= enough

    def without_split_benchmarks(self) -> Block:
        """Return the block of the quantities of all other benchmarks."""
        if self.rhat_elsewhere is None or self.ess_elsewhere is None:
            return self
        worst = {"ess_bulk": self.ess_elsewhere, "ess_tail": self.ess_elsewhere}
        return self.model_copy(update={"rhat": self.rhat_elsewhere, **worst, "split_benchmarks": ()})


class ConvergenceReport(BaseModel):
    """Convergence diagnostics of a posterior, with the problems found and their remedies.

    Attributes
    ----------
    converged : bool
        Whether forecasts from this posterior may be reported.
    blocks : tuple of Block
        One per block of quantities; `converged` depends on those that are `required`.
    divergences, draws, max_depth_hits : int
        Divergent transitions, draws in all chains, and transitions cut off at the largest tree depth.
    bfmi : float
        Lowest energy Bayesian fraction of missing information of a chain.
    problems : tuple of str
        Each with its remedy; empty if there is none.

    Examples
    --------
    >>> posterior.convergence.converged, posterior.convergence.chains
    (True, 4)
    >>> bool(posterior.convergence.rhat < 1.01)
    True
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="constants")
    converged: bool
    chains: int
    draws: int
    divergences: int
    max_depth_hits: int
    bfmi: float
    blocks: tuple[Block, ...]
    problems: tuple[str, ...]

    def warn_unless_converged(self, what: str) -> None:
        """Issue a `ConvergenceWarning`, at the line of the caller, if the sampler did not converge.

        `what` begins the sentence, such as ``"This forecast comes"``.

        Examples
        --------
        >>> posterior.convergence.warn_unless_converged("This forecast comes")  # it converged: no warning
        """
        if not self.converged:
            text = f"{what} from a posterior that did not converge. {' '.join(self.problems)}"
            warnings.warn(ConvergenceWarning(text), stacklevel=4)

    @property
    def rhat(self) -> float:
        """Largest R-hat of the required blocks; NaN if there is none."""
        return max((b.rhat for b in self.blocks if b.required), default=np.nan)

    @property
    def ess_bulk(self) -> float:
        """Smallest bulk effective sample size of the required blocks; NaN if there is none."""
        return min((b.ess_bulk for b in self.blocks if b.required), default=np.nan)

    @property
    def ess(self) -> float:
        """Smallest effective sample size of the required blocks, in the bulk or the tails; NaN if there is none."""
        return min((b.ess for b in self.blocks if b.required), default=np.nan)

    @property
    def long_enough(self) -> bool:
        """Whether the required blocks hold: what else is wrong, such as divergences, more draws do not mend."""
        enough = MIN_ESS_PER_CHAIN * self.chains
        return all(b.holds(enough) for b in self.blocks if b.required)

    @property
    def wanted_draws(self) -> int:
        """Draws per chain with which the required blocks would converge; see `more_draws`."""
        here = self.draws / max(self.chains, 1)
        enough = MIN_ESS_PER_CHAIN * self.chains
        return max((more_draws(b, here, enough) for b in self.blocks if b.required), default=0)

    @property
    def headline(self) -> str:
        """Whether it converged, and numbers of the sampler, in one line."""
        head = "Converged." if self.converged else "NOT converged: do not report forecasts from this posterior."
        return (
            f"{head} {self.chains} chains, {self.draws} draws; {self.divergences} divergent, "
            f"{self.max_depth_hits} at the largest tree depth, lowest BFMI {self.bfmi:.2f}."
        )

    def __str__(self) -> str:
        lines = [
            f"  {b.name:22s} R-hat {b.rhat:.3f}   effective draws {b.ess_bulk:.0f} bulk, {b.ess_tail:.0f} tail"
            for b in self.blocks
        ]
        return wrapped("\n".join([self.headline, *lines, *(f"  * {problem}" for problem in self.problems)]))

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return as_html("\n".join([self.headline, *self.warnings]), self.summary())

    @property
    def warnings(self) -> list[str]:
        """The problems as bullet points."""
        return [f"• {problem}" for problem in self.problems]

    def summary(self) -> pd.DataFrame:
        """Return the diagnostics as a table.

        Returns
        -------
        pandas.DataFrame
            One row per block: ``block, rhat, ess_bulk, ess_tail, worst, required``.

        Examples
        --------
        >>> posterior.convergence.summary()["block"].tolist()[:2]
        ['expected scores', 'forecasts']
        """
        import pandas as pd

        rows = [
            {"block": b.name, "rhat": b.rhat, "ess_bulk": b.ess_bulk, "ess_tail": b.ess_tail, "worst": b.worst,
             "required": "yes" if b.required else "no"}
            for b in self.blocks
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=["block", "rhat", "ess_bulk", "ess_tail", "worst", "required"])


def diverges(divergences: int, draws: int, share: float = MAX_DIVERGENT_SHARE) -> bool:
    """Return whether more than `share` of the transitions diverged.

    Examples
    --------
    >>> diverges(4, 4000), diverges(5, 4000)
    (False, True)
    """
    return divergences > share * draws


def more_draws(block: Block, draws: float, enough: int) -> int:
    """Return the draws per chain with which a block would converge, from those that it has.

    Effective draws grow with the draws, and R-hat less one falls with them.
    """
    if np.isnan(block.ess) or np.isinf(block.rhat):  # chains that stood still say nothing
        return math.ceil(2 * draws)
    longer = max(1.3 * enough / max(block.ess, 1.0), (block.rhat - 1) / (MAX_RHAT - 1) if block.rhat > MAX_RHAT else 0)
    return math.ceil(draws * longer)
