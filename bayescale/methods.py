"""What the paper found (Ruan, Maddison & Hashimoto 2024, arXiv:2405.10938), as methods of `Posterior`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, cast

from bayescale._display import working
from bayescale.analysis.compute_equivalent import ALONG, Along, Of

if TYPE_CHECKING:
    import xarray as xr

    from bayescale.analysis.efficiency import Efficiency
    from bayescale.analysis.emergence import Emergence
    from bayescale.analysis.explained_variance import Information
    from bayescale.analysis.model_selection import Cost, Suggestion
    from bayescale.analysis.uplift import Gain
    from bayescale.inference.posterior import Posterior


class Findings:
    """Efficiency of families (section 3.3), emergence (4.1), what plain benchmarks tell of agents (4.2), gains of
    post-training (4.3) and choosing models (5); a part of `Posterior`, never made alone.
    """

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
        >>> efficiency = posterior.efficiency(reference="Llama-2")
        >>> efficiency.summary()[["family", "multiplier", "multiplier_lower", "multiplier_upper"]].shape
        (8, 4)
        """
        from bayescale.analysis.efficiency import efficiency

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
        >>> posterior.equivalent_flops("Llama-2").median(("chain", "draw")).to_series().shape
        (36,)
        """
        from bayescale.analysis.efficiency import efficiency

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
        >>> posterior.emergence("GSM8K", "Llama-2").statement(0.5)[:48]
        'The first Llama-2 model above 50% on GSM8K needs'
        """
        from bayescale.analysis.emergence import emergence

        return emergence(cast("Posterior", self), benchmark, family, random_seed)

    def information(
        self,
        target: str,
        given: Sequence[str] | None = None,
        *,
        family: str | None = None,
        flops: float | None = None,
        params_b: float | None = None,
        tokens_t: float | None = None,
        model: str | None = None,
        random_seed: int = 0,
    ) -> Information:
        """What share of the variance of a forecast the scores of the model on other benchmarks would resolve.

        By the law of total variance, on average over what the scores may turn out to be; counted is all that the
        forecast is unsure of, parameters of the posterior as well as the model's own capability (see
        `bayescale.analysis.explained_variance`).

        Parameters
        ----------
        target : str
            The benchmark that is forecast, as its expected score.
        given : sequence of str, optional
            Benchmarks whose scores would be known; default all others.
        family : str, optional
            A family of the data, or `bayescale.NEW_FAMILY`, which is the default.
        flops, params_b, tokens_t : float, optional
            As in `forecast`. Default: unknown, drawn from the prior of unknown compute, as of a closed model.
        model : str, optional
            Instead: a model of the data, whose family and compute are taken, its compute from the prior where it is
            unknown. Its scores are not: the question is what they tell. A family of few models has learned from them.
        random_seed : int
            Seed of the simulated models.

        Returns
        -------
        Information
            `summary` (shares that each score resolves alone, and that are lost without it), `plot`.

        Raises
        ------
        InformationError
            For an unknown benchmark or model, the target among the given, or a model beside family or compute.
        ForecastError
            For an unknown family, or compute that is not plausible.

        Examples
        --------
        >>> information = posterior.information("GSM8K", given=["MMLU", "HumanEval"], family="Llama-3", flops=4e25)
        >>> information.summary().columns.tolist()
        ['target', 'benchmark', 'alone', 'lost', 'alone_error', 'lost_error']
        """
        from bayescale.analysis.explained_variance import information, read_subject

        posterior = cast("Posterior", self)
        figures = {"flops": flops, "params_b": params_b, "tokens_t": tokens_t}
        return information(posterior, target, given, read_subject(posterior, model, family, figures), random_seed)

    def gain(self, benchmark: str, over: str, family: str | None = None, random_seed: int = 0) -> Gain:
        """What a post-training technique adds to the score of a family's models, over their compute.

        Parameters
        ----------
        benchmark, over : str
            Benchmarks of the data: with the technique, and without it.
        family : str, optional
            A family of the data; default the one with the most models.
        random_seed : int
            Seed of what a single model owes to neither family nor compute.

        Returns
        -------
        Gain
            `expected_gain` over compute, `starts_to_pay`, `summary`, `observed`, `plot`.

        Raises
        ------
        EmergenceError
            For an unknown benchmark or family, twice the same benchmark, or a spec with other covariates than compute.

        Examples
        --------
        >>> gain = posterior.gain("GSM8K CoT + SC", over="GSM8K direct", family="Llama-2")
        >>> gain.starts_to_pay(0.05)[["gain", "median", "lower", "upper", "ever"]].shape
        (1, 5)
        """
        from bayescale.analysis.uplift import gain

        return gain(cast("Posterior", self), benchmark, over, family, random_seed)

    def suggest_models(
        self,
        budget: float,
        target: str | None = None,
        *,
        candidates: Iterable[str] | None = None,
        families: Iterable[str] | None = None,
        forecast: Iterable[str] | None = None,
        cost: Cost = None,
        random_seed: int = 0,
    ) -> Suggestion:
        """Choose the few models to evaluate on a new benchmark, so that the scores of others on it are foreseen best.

        Chosen is the set that is expected to leave least variance in the scores to be forecast, by what the posterior
        knows of the models' capabilities and of how benchmarks load on them: Bayesian V-optimal design, greedily and by
        exchanges (see `bayescale.analysis.optimal_design`). At most 1,000 draws and 200 benchmarks stand for the
        posterior.

        Parameters
        ----------
        budget : float
            Number of models; with `cost`, the sum of costs.
        target : str, optional
            A benchmark of the data whose law is to be learned again, as if nothing on it was known but where models
            stand on its curve. Default: a new benchmark, drawn from the population of benchmarks.
        candidates : iterable of str, optional
            Models of the data that could be evaluated. Default: all.
        families : iterable of str, optional
            Only candidates of these families.
        forecast : iterable of str, optional
            Models of the data whose scores are to be known. Default: those that are no candidates, or all, when
            all are.
        cost : str or mapping of str to float, optional
            What evaluating a model costs: a column of the table of models, such as ``"params_b"``, or numbers by model.
            Default: 1 each.
        random_seed : int
            Seed of the benchmarks that stand for a new one.

        Returns
        -------
        Suggestion
            With `table`, `models`, `plot`, and `variance_left` of any other choice.

        Raises
        ------
        ChoosingError
            For unknown names, a budget that buys no model, or a candidate without a cost.

        Examples
        --------
        >>> posterior.suggest_models(3).table.columns.tolist()
        ['order', 'model', 'family', 'params_b', 'flops', 'cost', 'total_cost', 'variance_left', 'forecast_sd']
        >>> chosen = posterior.suggest_models(30, cost="params_b", families=["Llama-2", "Phi", "Pythia"])
        >>> bool(chosen.table["cost"].sum() <= 30)
        True
        """
        from bayescale.analysis.model_selection import choose_models, read_question

        posterior = cast("Posterior", self)
        question = read_question(posterior.evals, budget, target, candidates, families, forecast, cost)
        posterior.verdict.warn_unless_converged("This choice comes")
        with working("Choosing models"):
            return choose_models(posterior, question, random_seed)
