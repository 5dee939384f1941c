"""The seam to ArviZ: the only module that imports it, and the only one that knows its version.

Python 3.11 has ArviZ 0.23, whose container is `arviz.InferenceData`. Python 3.12 and later have ArviZ 1, whose
container is `xarray.DataTree`. Files are the same netCDF. `posterior.idata` is what the installed ArviZ takes.
"""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import version
from io import BytesIO
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import xarray as xr

# `arviz.InferenceData` or `xarray.DataTree`.
InferenceData: TypeAlias = Any
ELPDData: TypeAlias = Any

# Pareto k above which importance sampling is not reliable (Vehtari et al. 2024, JMLR 25:72).
LARGEST_K = 0.7

ARVIZ_1 = int(version("arviz").split(".")[0]) >= 1


def inference_data(groups: Mapping[str, Any]) -> InferenceData:
    """Return datasets as one container of the installed ArviZ.

    Parameters
    ----------
    groups : mapping of str to xarray.Dataset
        By group, such as ``posterior``.

    Examples
    --------
    >>> draws = xr.Dataset({"x": (("chain", "draw"), [[1.0]])})
    >>> group_names(inference_data({"posterior": draws, "sample_stats": draws}))
    ['posterior', 'sample_stats']
    """
    if ARVIZ_1:
        return _tree(groups)
    import arviz as az

    return az.InferenceData(**{name: dataset(group) for name, group in groups.items()})


def group_names(idata: InferenceData) -> list[str]:
    """Return the names of the groups, in their order."""
    return list(idata.children) if isinstance(idata, xr.DataTree) else list(idata.groups())


def dataset(group: Any) -> xr.Dataset:
    """Return a group, a node of a tree or a dataset already, as a dataset."""
    return group.to_dataset() if isinstance(group, xr.DataTree) else group


def with_groups(idata: InferenceData, groups: Mapping[str, Any]) -> InferenceData:
    """Return a container of the same kind with these groups added or replaced; `idata` stays as it is."""
    make = _tree if isinstance(idata, xr.DataTree) else inference_data
    return make({**{name: idata[name] for name in group_names(idata)}, **groups})


def as_arviz_has_it(container: InferenceData) -> InferenceData:
    """Return a container as the installed ArviZ takes it."""
    if ARVIZ_1 or not isinstance(container, xr.DataTree):
        return container
    idata = inference_data(container.children)
    idata.attrs = dict(container.attrs)
    return idata


def _tree(groups: Mapping[str, Any]) -> xr.DataTree:
    return xr.DataTree.from_dict({name: dataset(group) for name, group in groups.items()})


def read_netcdf(content: bytes) -> xr.DataTree:
    """Read the bytes of a netCDF file: its groups, in memory, with the attributes of the file.

    Without ArviZ, whose import takes two seconds: `as_arviz_has_it` makes its container.
    """
    import h5netcdf

    with h5netcdf.File(BytesIO(content), "r", decode_vlen_strings=True) as file:  # as UTF-8: NumPy knows ASCII only
        tree = _tree({name: _decoded(group) for name, group in file.groups.items()})
        tree.attrs = dict(file.attrs)
    return tree


def _decoded(group: Any) -> xr.Dataset:
    """Return a group of a netCDF file in memory; xarray's own reader takes twice as long for many small variables."""
    raw = {name: xr.Variable(v.dimensions, v[...], dict(v.attrs)) for name, v in group.variables.items()}
    values = xr.decode_cf(xr.Dataset(raw, attrs=dict(group.attrs)))
    return values.assign({name: v.astype(str) for name, v in values.variables.items() if v.dtype == object})


def netcdf_bytes(groups: Mapping[str, Any], attrs: Mapping[str, Any]) -> bytes:
    """Return datasets as the bytes of a netCDF file with these attributes; ``"/"`` is the group of the file itself.

    HDF5 writes to memory: where the disk is full, it would end the process.

    Examples
    --------
    >>> draws = xr.Dataset({"x": (("chain", "draw"), [[1.0]])})
    >>> read = read_netcdf(netcdf_bytes({"posterior": draws}, {"version": 2}))
    >>> read["posterior"]["x"].item(), int(read.attrs["version"])
    (1.0, 2)
    """
    import h5netcdf
    from xarray.backends import H5NetCDFStore

    buffer = BytesIO()
    with h5netcdf.File(buffer, "w") as file:
        file.attrs.update(attrs)
        for name, group in groups.items():
            values = dataset(group)
            small = {"zlib": True, "shuffle": True}
            numbers = {variable: small for variable, v in values.variables.items() if v.dtype.kind in "fiub"}
            values.dump_to_store(H5NetCDFStore(file, group=None if name == "/" else name, mode="w"), encoding=numbers)
    return buffer.getvalue()


def loo(idata: InferenceData, var_name: str, reff: float | None = None) -> ELPDData:
    """Estimate the elpd of single observations by PSIS-LOO, pointwise.

    The warning of large Pareto k is left out: tables show k.
    """
    import arviz as az

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        _bear_no_docstrings()
        return az.loo(idata, var_name=var_name, pointwise=True, reff=reff)


def pareto_smoothed(log_weight: np.ndarray) -> tuple[np.ndarray, float]:
    """Return normalised importance weights (draw,) after Pareto smoothing, and Pareto k.

    Of fewer than 25 draws, too few for a tail of five, weights are as they are and k is infinite; and so it is where
    too few draws carry weight for an estimate.

    Examples
    --------
    >>> weight, k = pareto_smoothed(np.random.default_rng(0).normal(size=1000))
    >>> round(float(weight.sum()), 6), k < 0.7
    (1.0, True)
    >>> uniform = np.random.default_rng(0).uniform(size=4000)
    >>> abs(pareto_smoothed(-0.5 * np.log(uniform))[1] - 0.5) < 0.1  # weights of a Pareto distribution with k = 0.5
    True
    """
    smoothed, k = log_weight, np.inf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _bear_no_docstrings()
        if len(log_weight) >= 25 and ARVIZ_1:
            with contextlib.suppress(ValueError):  # a tail without any weight
                # It takes log densities of what is left out, minus log weights.
                smoothed, k = import_module("arviz_stats.base").array_stats.psislw(-log_weight)
        elif len(log_weight) >= 25:
            import arviz as az

            smoothed, k = az.psislw(log_weight.copy())
    weight = np.exp(smoothed - np.max(smoothed))
    return weight / weight.sum(), float(k)


def _bear_no_docstrings() -> None:
    """Keep ArviZ from extending docstrings, which Python takes away with ``-OO``."""
    if sys.flags.optimize > 1:
        module = "arviz_stats.base.stats_utils" if ARVIZ_1 else "arviz.stats.stats_utils"
        import_module(module).update_docstring = lambda *_, **__: None  # type: ignore[attr-defined]


def elpd_summary(found: ELPDData) -> tuple[float, float, float]:
    """Return the elpd, its standard error and the effective number of parameters."""
    names = ("elpd", "se", "p") if ARVIZ_1 else ("elpd_loo", "se", "p_loo")
    elpd, se, p = (float(found[name]) for name in names)
    return elpd, se, p


def pareto_k(found: ELPDData) -> np.ndarray:
    """Return the Pareto k of each observation (observation,)."""
    return np.asarray(found["pareto_k"])


def pointwise(found: ELPDData) -> np.ndarray:
    """Return the log density of each observation (observation,)."""
    return np.asarray(found["elpd_i" if ARVIZ_1 else "loo_i"]).ravel()


def elpd_of_units(log_density: pd.Series[float]) -> ELPDData:
    """Return held-out log densities, one a model or family, in the form that `compare_elpd` takes."""
    count = len(log_density)
    each = xr.DataArray(
        log_density.to_numpy(float), dims="unit", coords={"unit": [str(name) for name in log_density.index]}
    )
    total, se = float(each.sum()), float(np.sqrt(count * log_density.var(ddof=0)))
    shared: dict[str, Any] = {"se": se, "n_samples": 0, "n_data_points": count, "warning": False, "scale": "log"}
    if ARVIZ_1:
        # Densities of refits have no Pareto k, but the comparison asks for elpds of the kind that has.
        return import_module("arviz_stats.utils").ELPDDataLOO(
            elpd=total, p=float("nan"), elpd_i=each, pareto_k=xr.zeros_like(each), good_k=LARGEST_K, **shared
        )
    from arviz.stats.stats_utils import ELPDData as Fields

    fields = {"elpd_loo": total, "p_loo": float("nan"), "loo_i": each, **shared}
    return Fields(data=list(fields.values()), index=list(fields))


def compare_elpd(found: Mapping[str, ELPDData]) -> pd.DataFrame:
    """Compare elpds of one kind, with stacking weights (Yao et al. 2018, Bayesian Analysis 13:917).

    Returns
    -------
    pandas.DataFrame
        Index: the names, best first. Columns ``elpd``, ``se``, ``p``, ``difference`` (from the best, at most 0),
        ``dse`` (its standard error) and ``weight``, not rounded.
    """
    import arviz as az

    columns = ["elpd", "se", "p", "difference", "dse", "weight"]
    if len(found) == 1:
        ((name, only),) = found.items()
        return pd.DataFrame([[*elpd_summary(only), 0.0, 0.0, 1.0]], index=[name], columns=columns)
    with warnings.catch_warnings():
        # Of large k, which tables show, and of what pandas will change under ArviZ.
        warnings.simplefilter("ignore", UserWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        if ARVIZ_1:
            table = az.compare(dict(found), method="stacking", round_to="none").rename(
                columns={"elpd_diff": "difference"}
            )
        else:
            table = az.compare(dict(found), ic="loo", method="stacking")
            table = table.rename(columns={"elpd_loo": "elpd", "p_loo": "p"}).assign(difference=-table["elpd_diff"])
    return table[columns].astype(float)


def power_scaling(
    quantities: Mapping[str, np.ndarray], log_prior: Mapping[str, np.ndarray], log_likelihood: np.ndarray
) -> pd.DataFrame:
    """Return power-scaling sensitivities (Kallioinen et al. 2024, Statistics and Computing 34:57).

    Parameters
    ----------
    quantities : mapping of str to ndarray (chain, draw)
    log_prior : mapping of str to ndarray (chain, draw)
        Log densities of the draws under each prior.
    log_likelihood : ndarray (chain, draw)

    Returns
    -------
    pandas.DataFrame
        Index: the quantities; one column a prior, then ``all priors`` and ``likelihood``.

    Raises
    ------
    ImportError
        Without arviz-stats.
    """
    from arviz_base import from_dict
    from arviz_stats import psense

    # Variables by number: labels may hold any character, which names of variables may not.
    data = from_dict(
        {
            "posterior": {f"q{i}": values for i, values in enumerate(quantities.values())},
            "log_prior": dict(log_prior),
            "log_likelihood": {"score": log_likelihood},
        }
    )

    def column(**group: Any) -> list[float]:
        found = psense(data, **group)
        return [float(found[f"q{i}"]) for i in range(len(quantities))]

    def by_prior(name: str) -> list[float]:
        # A uniform prior to any power is itself; ArviZ smooths the tail of the weights, which are all alike.
        uniform = np.ptp(log_prior[name]) == 0
        return [0.0] * len(quantities) if uniform else column(group="prior", group_var_names=[name])

    return pd.DataFrame(
        {
            **{name: by_prior(name) for name in log_prior},
            "all priors": column(group="prior"),
            "likelihood": column(group="likelihood"),
        },
        index=list(quantities),
    )
