"""The data of a posterior: draws, with the spec and the evals that they come from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from bayescale._arviz import InferenceData, as_arviz_has_it, dataset, group_names, with_groups
from bayescale._display import as_html, working, wrapped
from bayescale._identity import stored_identity
from bayescale._intervals import PROB, summarise, with_interval
from bayescale.errors import BayescaleError, EvalsError, FileError, suggest
from bayescale.evals import Evals
from bayescale.inference import storage
from bayescale.inference.convergence import ConvergenceReport
from bayescale.inference.diagnostics import diagnose
from bayescale.inference.draws import Draws, disagreement, read_draws, relabelled, variables
from bayescale.model import model_data
from bayescale.model.spec import Spec

if TYPE_CHECKING:
    import xarray as xr

    from bayescale.model import ModelData

_NEXT = "Next: posterior.forecast(family=..., flops=...)"


class _Container:
    """The field ``idata``: whatever container is set, given as the installed ArviZ has it.

    Forecasts from a file need no ArviZ, which takes two seconds to import.
    """

    def __set__(self, posterior: PosteriorData, container: Any) -> None:
        posterior.__dict__["groups"] = container

    def __get__(self, posterior: PosteriorData | None, owner: type) -> InferenceData:
        if posterior is None:
            raise AttributeError("idata")  # as a field without a default
        posterior.__dict__["groups"] = as_arviz_has_it(posterior.groups)
        return posterior.groups


@dataclass(frozen=True, eq=False, repr=False)
class PosteriorData:
    """Draws with the spec and the data that they come from: what all functions of a posterior take.

    Users meet it as `bayescale.Posterior`, which adds the verbs.

    Attributes
    ----------
    idata : arviz.InferenceData or xarray.DataTree
        The container of the installed ArviZ.
    spec : Spec
    evals : Evals
    convergence : ConvergenceReport
    sampling : dict
        Sampler, seed, draws and seconds.
    """

    idata: InferenceData
    spec: Spec
    evals: Evals
    convergence: ConvergenceReport
    sampling: Mapping[str, Any]

    @classmethod
    def from_draws(
        cls,
        idata: Any,
        spec: Spec,
        evals: Evals,
        sampling: Mapping[str, Any],
        data: ModelData | None = None,
        convergence: ConvergenceReport | None = None,
    ) -> Self:
        """Diagnose convergence, and bind draws, spec and data together.

        `data` are the arrays of spec and evals, and `convergence` the diagnosis, where they are at hand.

        Examples
        --------
        >>> import bayescale as bs
        >>> same = bs.Posterior.from_draws(posterior.idata, posterior.spec, posterior.evals, {"nuts_sampler": "mine"})
        >>> same.converged
        True
        """
        evals = evals.with_families_of(spec.family_column)
        data = data or model_data(spec, evals)
        draws = read_draws(idata, data)
        convergence = convergence or diagnose(idata, draws, sampling.get("seconds"))
        posterior = cls(with_containers(idata, data), spec, evals, convergence, dict(sampling))
        posterior.__dict__["draws"] = draws  # what the cached property would read again
        return posterior

    @property
    def groups(self) -> Any:
        """The draws by group, in whatever container they are."""
        return self.__dict__["groups"]

    @property
    def converged(self) -> bool:
        """Whether the chains agree and hold enough effective draws; see `convergence` for the values and remedies."""
        return self.convergence.converged

    @property
    def identity(self) -> str:
        """SHA-256 of spec and data together: equal for posteriors of the same question."""
        return stored_identity(self.spec.identity, self.evals.identity)

    @cached_property
    def draws(self) -> Draws:
        """The draws as plain arrays, chains end to end."""
        return read_draws(self.groups, model_data(self.spec, self.evals))

    def expected_scores(self, models: Sequence[str] | None = None) -> xr.DataArray:
        """Return expected scores of models of the data, on all benchmarks, observed or not.

        Parameters
        ----------
        models : sequence of str, optional
            Names; default all.

        Returns
        -------
        xarray.DataArray
            Dims ``(chain, draw, model, benchmark)``, scores in [0, 1].

        Raises
        ------
        EvalsError
            For a model that is not in the data.

        Examples
        --------
        >>> posterior.expected_scores(["meta-llama/Llama-2-7b-hf"]).sel(benchmark="MMLU").dims
        ('chain', 'draw', 'model')
        """
        names = self.evals.model_names
        chosen = names if models is None else [models] if isinstance(models, str) else list(models)
        for name in chosen:
            if name not in names:
                raise EvalsError(suggest(name, names, "model in the fitted data"))
        rows = np.array([names.index(n) for n in chosen], dtype=int)
        scores = self.draws.fitted_scores(rows)
        return self.labelled("expected_score", scores, model=chosen, benchmark=self.evals.benchmark_names)

    def labelled(self, name: str, values: np.ndarray, **along: Sequence[Any] | np.ndarray) -> xr.DataArray:
        """Label values (draw, ...), chains end to end: dims ``(chain, draw, *along)``, with the coordinates `along`.

        Examples
        --------
        >>> posterior.labelled("common", posterior.draws.floor, benchmark=posterior.evals.benchmark_names).dims
        ('chain', 'draw', 'benchmark')
        """
        import xarray as xr

        sampled = self.groups["posterior"]
        coords = {"chain": sampled["chain"].to_numpy(), "draw": sampled["draw"].to_numpy(), **along}
        return xr.DataArray(self.draws.by_chain(values), dims=list(coords), coords=coords, name=name)

    def summary(self, *, prob: float = PROB) -> pd.DataFrame:
        """Summarise the expected score of every fitted model on every benchmark, beside the observed one.

        Returns
        -------
        pandas.DataFrame
            One row per model and benchmark: ``model, benchmark, observed, median, lower, upper``.

        Examples
        --------
        >>> table = posterior.summary(prob=0.8)
        >>> table[table["benchmark"] == "MMLU"][["model", "observed", "median", "lower", "upper"]].shape
        (36, 5)
        """
        table = summarise(self.expected_scores(), prob=prob)
        observed = self.evals.matrix().to_series().rename("observed")
        table = table.join(observed, on=["model", "benchmark"])
        return with_interval(table[["model", "benchmark", "observed", "median", "lower", "upper"]], prob)

    @working("Computing the log-likelihood")
    def log_likelihood(self) -> InferenceData:
        """Return `idata` with the group ``log_likelihood``: ``score`` (chain, draw, cell), for LOO and WAIC.

        Cells are the observed scores; their coordinates ``model`` and ``benchmark`` tell which.

        Examples
        --------
        >>> import arviz as az
        >>> int(az.loo(posterior.log_likelihood()).n_data_points) - posterior.evals.n_scores
        0
        """
        values = self.labelled("score", self.draws.log_likelihood(), cell=np.arange(self.evals.n_scores))
        return with_groups(self.idata, {"log_likelihood": of_cells(self, values).to_dataset()})

    @working("Writing the posterior")
    def save(self, path: str | Path) -> Path:
        """Write one netCDF file with draws, spec, data and identity; whole or not at all.

        Raises
        ------
        FileError
            When it cannot be written.

        Examples
        --------
        >>> import bayescale as bs
        >>> path = posterior.save("posterior.nc")
        >>> bs.Posterior.load(path).identity == posterior.identity
        True
        """
        parts = {
            "spec": self.spec.model_dump_json(),
            "evals": self.evals.to_json(),
            "evals_name": self.evals.name,
            "verdict": self.convergence.model_dump_json(),
            "sampling": storage.pack(dict(self.sampling)),
            "identity": self.identity,
        }
        return storage.write(path, self.groups, parts)

    @classmethod
    @working("Reading the posterior")
    def load(cls, path: str | Path) -> Self:
        """Read a posterior written by `save`; it forecasts exactly as before.

        A digest tells whether anything in the file has changed. Files of version 0.1 have none: in these, draws that
        changed within their range pass unnoticed.

        Raises
        ------
        FileError
            For a missing, damaged or foreign file, or one of a newer format.

        Examples
        --------
        >>> import bayescale as bs
        >>> path = posterior.save("posterior.nc")
        >>> one, same = (p.forecast("Llama-3", 4e25, random_seed=1) for p in (posterior, bs.Posterior.load(path)))
        >>> bool((one.draws == same.draws).all().to_array().all())
        True
        """
        idata, parts = storage.read(path)
        try:
            posterior = cls(
                idata,
                Spec(**json.loads(parts["spec"])),
                Evals.from_json(parts["evals"]),
                ConvergenceReport.model_validate_json(parts["verdict"]),
                {**json.loads(parts["sampling"])},
            )
            data = model_data(posterior.spec, posterior.evals)
        except Exception as error:  # what a stranger wrote raises any kind, and runs nothing
            kind = "" if isinstance(error, BayescaleError) else f"{type(error).__name__}: "
            raise FileError(f"{str(path)!r} cannot be understood: {kind}{error}") from error
        missing = [name for name in variables(posterior.spec, data) if name not in idata["posterior"]]
        if missing:
            raise FileError(f"{str(path)!r} is incomplete: it lacks {', '.join(missing)}. Fit again.")
        if wrong := disagreement(idata, posterior.spec, data):
            raise FileError(f"{str(path)!r} is damaged: {wrong}. Fit again, or take a copy of the file.")
        if posterior.identity != parts["identity"]:
            raise FileError(f"{str(path)!r} is damaged: its spec or data do not match its identity. Fit again.")
        return replace(posterior, idata=with_containers(relabelled(idata, data), data))

    @property
    def headline(self) -> str:
        """Spec, data and draws in one line."""
        report = self.convergence
        sampler, seconds = (self.sampling.get(name, "?") for name in ("nuts_sampler", "seconds"))
        return (
            f"Posterior of spec {self.spec.name!r} on {self.evals.name!r}: {len(self.evals.model_names)} models, "
            f"{len(self.evals.benchmark_names)} benchmarks, {self.evals.n_scores} scores; "
            f"{report.chains} chains, {report.draws} draws ({sampler}, {seconds} s)."
        )

    def __repr__(self) -> str:
        return "\n".join([wrapped(self.headline), str(self.convergence), _NEXT])

    def _repr_html_(self) -> str:
        report = self.convergence
        return as_html("\n".join([self.headline, report.headline, *report.warnings, _NEXT]), report.summary())


# Not in the class: there it would be the default of the field.
PosteriorData.idata = _Container()


def with_containers(idata: InferenceData, data: ModelData) -> InferenceData:
    """Return `idata` with the data containers of `bayescale.build_model` among its constant data.

    PyMC draws again, in a posterior predictive, whatever depends on a container that it does not find there unchanged:
    capabilities from their prior, for example, without an error.
    """
    import xarray as xr

    cells = {name: (("model", "benchmark"), values) for name, values in data.cells.items()}
    constants = dataset(idata["constant_data"]) if "constant_data" in group_names(idata) else xr.Dataset()
    coords = {name: data.coords[name] for name in ("model", "benchmark")}
    return with_groups(idata, {"constant_data": constants.assign_coords(coords).assign(cells)})


def rounded(posterior: PosteriorData) -> PosteriorData:
    """Return a posterior whose capabilities and effects of models and families have seven digits.

    They fill a file, 31 of 40 MB for 147 models, and rounding errors are far below their Monte Carlo errors. What
    `save` writes is what is in memory.
    """
    group = dataset(posterior.groups["posterior"])
    short = {
        name: values.astype(np.float32).astype(float)
        for name, values in group.data_vars.items()
        if {"model", "family"} & set(values.dims) and name != "covariate_value"  # mostly data
    }
    return replace(posterior, idata=with_groups(posterior.groups, {"posterior": group.assign(short)}))


def of_cells(posterior: PosteriorData, values: xr.DataArray) -> xr.DataArray:
    """Name the observed scores along the dim ``cell``: coordinates ``model`` and ``benchmark``."""
    names = posterior.evals.model_names, posterior.evals.benchmark_names
    places = np.nonzero(posterior.draws.data.cells["observed"])
    labels = {n: np.array(v)[p] for n, v, p in zip(("model", "benchmark"), names, places, strict=True)}
    return values.assign_coords({name: ("cell", label) for name, label in labels.items()})
