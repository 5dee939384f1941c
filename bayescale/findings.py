"""What the paper found (Ruan, Maddison & Hashimoto 2024, arXiv:2405.10938), as methods of `Posterior`."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from bayescale.decades import ALONG, Along, Of

if TYPE_CHECKING:
    import xarray as xr

    from bayescale.efficiency import Efficiency
    from bayescale.emergence import Emergence
    from bayescale.posterior import Posterior


class Findings:
    """Efficiency of families (section 3.3) and emergence (section 4.1); a part of `Posterior`, never made alone."""

    def efficiency(self, reference: str | None = None, along: Along = ALONG) -> Efficiency:
        """How efficiently each family turns training compute into capability, relative to one of them.

        Parameters
        ----------
        reference : str, optional
            A family of the data; default the one with the most models.
        along : {"capabilities", "benchmarks"}
            How an offset is compared with what compute does: in the space of capabilities, or in logits of all
            benchmarks, where directions on which nothing loads count for nothing (see `Efficiency`).

        Returns
        -------
        Efficiency
            Draws in decades of compute, overall and per benchmark; `summary`, `probability`, `equivalent_flops`,
            `plot`.

        Raises
        ------
        EfficiencyError
            For an unknown family, or a spec with other covariates than compute or without family offsets.

        Examples
        --------
        >>> posterior.efficiency(reference="Llama-2").summary()  # doctest: +SKIP
        """
        from bayescale.efficiency import efficiency

        return efficiency(cast("Posterior", self), reference, along)

    def equivalent_flops(self, reference: str | None = None, of: Of = "typical", along: Along = ALONG) -> xr.DataArray:
        """Compute with which the reference family gets as far as each model; see `Efficiency.equivalent_flops`.

        Parameters
        ----------
        reference : str, optional
            A family of the data; default the one with the most models.
        of : {"typical", "single"}
            As far as a typical model of the same family and compute, or as this very model.
        along : {"capabilities", "benchmarks"}
            See `efficiency`.

        Returns
        -------
        xarray.DataArray
            Dims ``(chain, draw, model)``, FLOP; ``efficiency(reference).summary(by="model")`` is its table.

        Raises
        ------
        EfficiencyError
            As `efficiency`; or when `of` is neither word.

        Examples
        --------
        >>> posterior.equivalent_flops("Llama-2").median(("chain", "draw")).to_series()  # doctest: +SKIP
        """
        from bayescale.efficiency import efficiency

        return efficiency(cast("Posterior", self), reference, along).equivalent_flops(of)

    def emergence(self, benchmark: str, family: str | None = None, random_seed: int = 0) -> Emergence:
        """How scores on a benchmark rise with the compute of a family, and where they cross a threshold.

        Parameters
        ----------
        benchmark : str
        family : str, optional
            A family of the data; default the one with the most models.
        random_seed : int
            Seed of what a single model owes to neither family nor compute.

        Returns
        -------
        Emergence
            `expected_scores` over compute, `threshold`, `statement`, `summary`, `plot`.

        Raises
        ------
        EmergenceError
            For an unknown benchmark or family, or a spec with other covariates than compute.

        Examples
        --------
        >>> posterior.emergence("GSM8K", "Llama-2").statement(0.5)  # doctest: +SKIP
        """
        from bayescale.emergence import emergence

        return emergence(cast("Posterior", self), benchmark, family, random_seed)
