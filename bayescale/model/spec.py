"""`Spec`: the form of the model and its priors, as a frozen value read from and written to YAML."""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml
from pydantic import BaseModel, ValidationError, field_validator, model_validator

from bayescale._files import shipped, storable
from bayescale._identity import stored_identity
from bayescale._yaml import read_yaml
from bayescale.errors import SpecError, suggest
from bayescale.model import spec_text
from bayescale.model.covariates import NOT_COVARIATES, SIZES
from bayescale.model.drift import DATE
from bayescale.model.prior import Prior
from bayescale.model.priors import Floor, Frozen, Priors, split_name
from bayescale.model.saved_spec import FORM_0_1, NEW_PRIORS, as_meant, noise_form

# Capabilities where there are benchmarks enough to tell them apart (`Spec.factors_for`).
MOST_FACTORS = 6
# The rule of version 0.1, which specs that were saved by it keep: up to eight, two fewer than there are benchmarks.
_MOST_FACTORS_0_1 = 8

_LONGEST = 50_000  # characters of YAML


class Spec(Frozen):
    """One model specification: its form, its covariates and its priors.

    Parameters
    ----------
    name, title : str
        A short name and one sentence.
    factors : int, "auto" or "many"
        Number of latent capabilities K; "auto" is as many as the benchmarks identify, six at most; "many" is the rule
        of version 0.1, up to eight (`factors_for`).
    covariates : tuple of str
        What predicts capability: ``log10_flops``, or ``log10_params`` and ``log10_tokens``; beside them any column of
        the models table that holds numbers, dates (``released``) or true and false (``reasoning``; ``instruct`` also
        stands for that kind); and interactions such as ``log10_params:log10_tokens``. What they are centred on, and
        their units, is in `bayescale.model.covariates.CovariateColumn`. A slope of its own prior is
        ``priors={"slope[released]": ...}``; unknown values of a column need ``"latent_covariate[released]"``.
    likelihood : {"beta_binomial", "beta"}
        Whether scores of benchmarks that count items scatter like counts of so many, or like shares of
        `bayescale.model.curve.SHARE_STEPS` steps, a Beta but for rounding, as scores without items always do.
    common_loading : bool
        Whether benchmarks share a common loading on each factor, around which their own scatter (sds
        ``common_loading_sd`` and ``own_loading_sd``, learned), or have independent ones (prior ``loading``).
    loading_sds : {"logit", "factor"}
        What the priors of the sds of loadings describe: the sum over factors, so that they mean the same for any number
        of them (each factor has that over sqrt(K)), or one factor, as in version 0.1.
    family_offsets : bool
        Whether each family has its own compute efficiency (``alpha``, pooled with sd ``family_sd``).
    family_benchmark : bool
        Whether each family has an effect of its own on each benchmark (``v``, pooled with sd ``family_benchmark_sd``).
    family_column : str
        The column of the models table that says what a family is, such as ``organization``: then all models of a maker
        share an offset. Models without an entry stay with their family.
    benchmark_slopes : bool
        Whether a benchmark may answer to the covariates beside the capabilities (``d``).
    testlets : bool
        Whether variants of one benchmark share an effect of their own per model (``u``).
    repeated_measurements : bool
        Whether all measurements of a model on a benchmark take part, with an effect of their setting (``h``, pooled
        with sd ``setting_sd``; `bayescale.model.measurements`), or only the first, whatever its setting.
    uniqueness : bool
        Whether each benchmark has noise of its own on the logit (specific variance, prior ``specific_sd``), beside the
        scatter that its items have in common.
    noise_shares : bool
        Whether the priors of these two are of their total (``noise_sd``) and of the items' share of its variance
        (``item_share``), or of each (``log_precision``, ``specific_sd``), as in a spec that names one of the latter
        (`bayescale.model.noise`). Without `uniqueness` there is nothing to share.
    rising : bool
        Whether capability grows with compute, parameters and tokens by the prior: the average benchmark rises
        (`bayescale.model.rising`). Slopes whose prior is not symmetric about zero are left as they are, and so are
        those of other columns, dates too: the sign of their effect is a finding, unless `rising_with` names them.
    rising_with : tuple of str
        Further covariates with which capability grows by the prior, such as ``reasoning``.
    drift : bool
        Whether each year has a gain of its own beside the slope over ``released`` (`bayescale.model.drift`, prior
        ``drift_sd``).
    compute_from : tuple of str
        Columns from which undisclosed compute is predicted, such as ``released``, ``log10_params`` and
        ``organization`` (`bayescale.model.compute`). Default: unknown compute has the prior ``latent_covariate``.
    learned_ceilings : bool
        Whether scores may level off below the stated ceiling, as where labels are wrong (prior ``ceiling_gap``).
        Models of one period draw them too low (docs/model-notes.md).
    curve : {"sigmoid", "richards"}
        How scores rise from floor to ceiling: along the growth curve of Richards with a shape of each benchmark's own
        (prior ``curve_shape``), of which Gompertz' curve and the sigmoid are cases, or along sigmoids.
    floor : Floor
    priors : Priors

    Raises
    ------
    SpecError
        For unknown keys, priors or values; the message lists what exists.

    Examples
    --------
    >>> spec = Spec(factors=2, priors={"slope": "Normal(0, 2)"})
    >>> spec.priors.slope
    Normal(mu=0, sigma=2)
    >>> Spec.from_yaml(spec.to_yaml()) == spec
    True
    """

    name: str = "custom"
    title: str = ""
    factors: int | Literal["auto", "many"] = "auto"
    covariates: tuple[str, ...] = ("log10_flops",)
    likelihood: Literal["beta_binomial", "beta"] = "beta_binomial"
    common_loading: bool = True
    loading_sds: Literal["logit", "factor"] = "logit"
    family_offsets: bool = True
    family_column: str = "family"
    family_benchmark: bool = False
    benchmark_slopes: bool = False
    testlets: bool = True
    repeated_measurements: bool = False
    uniqueness: bool = True
    noise_shares: bool = True
    rising: bool = True
    rising_with: tuple[str, ...] = ()
    drift: bool = False
    learned_ceilings: bool = False
    curve: Literal["sigmoid", "richards"] = "richards"
    compute_from: tuple[str, ...] = ()
    floor: Floor = Floor()
    priors: Priors = Priors()

    def __init__(self, /, **values: Any) -> None:
        values = as_meant(values)
        _check_keys(type(self), values, "spec")
        for key, part in (("priors", Priors), ("floor", Floor)):
            if isinstance(values.get(key), Mapping):
                _check_keys(part, values[key], "prior" if key == "priors" else "floor setting")
        try:
            super().__init__(**values)
        except ValidationError as error:
            lines = [f"  {'.'.join(map(str, e['loc'])) or 'spec'}: {e['msg']}"[:200] for e in error.errors()[:20]]
            raise SpecError("The spec is not usable:\n" + "\n".join(lines)) from None

    @field_validator("factors", mode="before")
    @classmethod
    def _factors_can_be_counted(cls, value: Any) -> Any:
        # One sentence, where pydantic would have one for each kind that the field may be.
        if value in ("auto", "many"):
            return value
        if isinstance(value, bool) or not (isinstance(value, int | np.integer) and 1 <= value <= 20):
            shown = reprlib.repr(value)
            raise ValueError(f"{shown} is no number of capabilities: a whole number from 1 to 20, or auto")
        return int(value)

    @field_validator("name", "title", mode="after")
    @classmethod
    def _can_be_stored(cls, text: str) -> str:
        if not storable(text):
            raise ValueError("it holds a character that no file does (NUL, or half of a pair)")
        return text

    @model_validator(mode="after")
    def _covariates_fit_together(self) -> Spec:
        known = set(self.covariates)
        if not known or len(known) != len(self.covariates):
            raise ValueError("covariates must name at least one covariate, each once")
        for name in self.base_covariates:
            if name not in SIZES and (name in NOT_COVARIATES or name.startswith("log10_") or name.strip() != name):
                raise ValueError(f"{suggest(name, SIZES, 'covariate')} Or name a column of numbers, dates or flags.")
        for name in known - set(self.base_covariates):
            if missing := [part for part in name.split(":") if part not in known]:
                raise ValueError(f"an interaction needs both of its covariates: add {' and '.join(missing)}")
        for name, _ in self.priors:
            if (of := split_name(name)[1]) is not None and of not in known:
                raise ValueError(f"priors: {suggest(of, known, 'covariate')} So {name} is the prior of nothing.")
        return self

    @model_validator(mode="after")
    def _compute_can_be_predicted(self) -> Spec:
        if self.compute_from and "log10_flops" not in self.covariates:
            raise ValueError("compute_from predicts undisclosed compute: it needs log10_flops among the covariates")
        if "log10_flops" in self.compute_from or len(set(self.compute_from)) != len(self.compute_from):
            raise ValueError("compute_from must name other columns than compute, each once")
        return self

    @model_validator(mode="after")
    def _terms_have_their_covariates(self) -> Spec:
        for name in self.rising_with:
            if name not in self.base_covariates:
                raise ValueError(f"rising_with: {suggest(name, self.base_covariates, 'covariate of this spec')}")
        if self.drift and DATE not in self.covariates:
            raise ValueError(f"drift is over dates: it needs {DATE} among the covariates")
        return self

    @property
    def base_covariates(self) -> tuple[str, ...]:
        """The measured covariates, without interactions."""
        return tuple(c for c in self.covariates if ":" not in c)

    @property
    def compute_alone(self) -> bool:
        """Whether compute is the one measure of size, and acts alone, so that capability has a compute equivalent.

        Other columns may stand beside it.

        Examples
        --------
        >>> Spec(covariates=["log10_flops", "released"]).compute_alone
        True
        """
        return [c for c in self.covariates if not SIZES.keys().isdisjoint(c.split(":"))] == ["log10_flops"]

    @property
    def shares_noise(self) -> bool:
        """Whether there are two kinds of noise, with priors of their total and of the items' share.

        Examples
        --------
        >>> Spec().shares_noise, Spec(priors={"specific_sd": "LogNormal(-2, 0.7)"}).shares_noise
        (True, False)
        """
        return self.noise_shares and self.uniqueness

    @property
    def slope_priors(self) -> tuple[Prior, ...]:
        """Priors of the slopes of the covariates, in their order.

        Examples
        --------
        >>> Spec(covariates=["log10_flops", "released"], priors={"slope[released]": "Normal(0, 1)"}).slope_priors
        (Normal(mu=0, sigma=2), Normal(mu=0, sigma=1))
        """
        return tuple(self.priors.of("slope", covariate) for covariate in self.covariates)

    def latent_prior(self, covariate: str) -> Prior | None:
        """Return the prior of unknown values of a covariate; None for a column for which the spec states none.

        Examples
        --------
        >>> spec = Spec(covariates=["log10_flops", "released"])
        >>> spec.latent_prior("log10_flops"), spec.latent_prior("released")
        (Normal(mu=0, sigma=1.5), None)
        """
        own = self.priors.of("latent_covariate", covariate)
        return own if covariate in SIZES or own is not self.priors.latent_covariate else None

    def factors_for(self, benchmarks: int, models: int) -> int:
        """Return the number of capabilities for these numbers of benchmarks and of models with a score.

        With ``factors="auto"`` it is the least of six, half the number of models, and the largest number that the
        covariances of the benchmarks identify beside a specific variance of each, ``(B - K)^2 >= B + K`` (Ledermann
        1937, Psychometrika 2:85). What supports six is in docs/model-notes.md.

        Examples
        --------
        >>> spec = Spec()
        >>> spec.factors_for(20, 75), spec.factors_for(8, 75), spec.factors_for(5, 75), spec.factors_for(20, 11)
        (6, 4, 2, 5)
        >>> Spec(factors=3).factors_for(20, 75)
        3
        """
        if self.factors == "auto":
            identified = int((2 * benchmarks + 1 - math.sqrt(8 * benchmarks + 1)) / 2)
            return max(1, min(MOST_FACTORS, identified, models // 2))
        if self.factors == "many":
            return max(1, min(_MOST_FACTORS_0_1, benchmarks - 2, models // 2))
        return self.factors

    def prior(self, name: str, factors: int) -> Prior:
        """Return the prior of a variable of the model with so many factors: sds of loadings by `loading_sds`.

        Examples
        --------
        >>> Spec(priors={"own_loading_sd": "HalfNormal(1)"}).prior("own_loading_sd", 4)
        HalfNormal(sigma=0.5)
        """
        prior: Prior = getattr(self.priors, name)
        each = self.loading_sds == "logit" and name in ("loading", "own_loading_sd", "common_loading_sd")
        return prior.scaled(factors**-0.5) if each else prior

    @property
    def rotation_invariant(self) -> bool:
        """Whether the posterior is unchanged when all factors are rotated together.

        It is when slopes, and loadings around the common ones, are zero-mean normals alike for all factors;
        then single loadings are not identified, and only rotation-invariant quantities may be judged for convergence.
        """
        needed = self.slope_priors if self.common_loading else (*self.slope_priors, self.priors.loading)
        return all(p.distribution == "Normal" and p.parameters["mu"] == 0 for p in needed)

    @property
    def unused_priors(self) -> tuple[str, ...]:
        """Names of the priors of terms that the spec switches off: changing them changes nothing.

        Examples
        --------
        >>> Spec(common_loading=True, family_benchmark=True, learned_ceilings=True).unused_priors[:2]
        ('loading', 'benchmark_slope_sd')
        """
        needs = {
            "family_sd": self.family_offsets,
            "loading": not self.common_loading,
            "own_loading_sd": self.common_loading,
            "common_loading_sd": self.common_loading,
            "benchmark_slope_sd": self.benchmark_slopes,
            "family_benchmark_sd": self.family_benchmark,
            "testlet_sd": self.testlets,
            **{prior: bool(getattr(self, switch)) for prior, switch in NEW_PRIORS.items()},
            "log_precision": not self.shares_noise,
            "specific_sd": self.uniqueness and not self.noise_shares,
            **dict.fromkeys(("noise_sd", "item_share"), self.shares_noise),
            "curve_shape": self.curve == "richards",
        }
        return tuple(name for name, used in needs.items() if not used)

    @property
    def identity(self) -> str:
        """SHA-256 of all that affects the posterior (not of name and title)."""
        content = self.model_dump(mode="json", exclude={"name", "title"})
        # Fields that version 0.1 had not are left out at its values, so that what it saved keeps its identity.
        for prior, switch in NEW_PRIORS.items():
            if not getattr(self, switch):
                del content["priors"][prior]
        for key, value in FORM_0_1.items():
            if getattr(self, key) == value:
                del content[key]
        content["factors"] = {"many": "auto", "auto": "identified"}.get(content["factors"], content["factors"])
        return stored_identity(json.dumps(content, sort_keys=True))

    def replace(self, **changes: Any) -> Spec:
        """Return a copy with some fields changed; `priors` and `floor` may name only what changes.

        A prior of the other form of the noise brings that form with it (`noise_shares`).

        Examples
        --------
        >>> Spec().replace(factors=2, priors={"family_sd": "HalfNormal(2)"}).priors.family_sd
        HalfNormal(sigma=2)
        """
        values = self.model_dump() | noise_form(changes.get("priors"))
        for key, change in changes.items():
            merge = key in ("priors", "floor") and isinstance(change, Mapping)
            values[key] = {**values[key], **change} if merge else change
        return Spec(**values)

    def to_yaml(self) -> str:
        """Write the spec as YAML, every prior spelled out.

        Examples
        --------
        >>> Spec(name="mine", factors=2).to_yaml().splitlines()[0]
        'name: mine'
        """
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=120)

    @classmethod
    def from_yaml(cls, text: str) -> Spec:
        """Read a spec from YAML text.

        Examples
        --------
        >>> Spec.from_yaml("{factors: 4, priors: {slope: 'Normal(0, 1)'}}").priors.slope
        Normal(mu=0, sigma=1)
        """
        if len(text) > _LONGEST:
            raise SpecError(f"The spec has {len(text)} characters; a spec has a few thousand.")
        try:
            values = read_yaml(text, lists_by_anchors=False)
        except ValueError as error:
            raise SpecError(f"The spec is not YAML: {error}") from None
        if not isinstance(values, dict):
            raise SpecError("A spec is a mapping such as 'factors: 4'; see models/default.yaml.")
        return cls(**{str(key): value for key, value in values.items()})

    @property
    def _factors(self) -> str:
        if isinstance(self.factors, str):
            return f"up to {MOST_FACTORS if self.factors == 'auto' else _MOST_FACTORS_0_1} factors"
        return f"{self.factors} factor{'s' * (self.factors != 1)}"

    def __repr__(self) -> str:
        return spec_text.line(self, self._factors)

    def _repr_html_(self) -> str:
        return spec_text.html(self)

    def __str__(self) -> str:
        return spec_text.page(self)


def _check_keys(part: type[BaseModel], values: Mapping[str, Any], what: str) -> None:
    for key in values:
        if key not in part.model_fields and not (part is Priors and split_name(str(key))[1]):
            raise SpecError(suggest(str(key), part.model_fields, what if what != "spec" else "key of a spec"))


def load_spec(name: str | Path | Spec = "default") -> Spec:
    """Load a spec that ships with the package by name, or any spec by the path of its YAML file.

    A `Spec` is returned as it is, so that functions take either.

    Raises
    ------
    SpecError
        When there is no such spec; the message lists those that ship.

    Examples
    --------
    >>> load_spec("one_factor").factors
    1
    """
    if isinstance(name, Spec):
        return name
    if not isinstance(name, str | Path):
        raise SpecError(f"{name!r} is no spec: give a Spec, the name of one, or the path of a .yaml file.")
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            raise SpecError(f"There is no spec file {str(name)!r}.")
    else:
        if str(name) not in list_specs():
            raise SpecError(suggest(str(name), list_specs(), "shipped spec") + " Or give the path of a .yaml file.")
        path = shipped("models") / f"{name}.yaml"
    try:
        return Spec.from_yaml(path.read_text(encoding="utf-8"))
    except (SpecError, UnicodeDecodeError, OSError) as error:
        raise SpecError(f"{path.name}: {error}") from None


def list_specs() -> list[str]:
    """Return the names of the specs that ship with the package.

    Examples
    --------
    >>> "default" in list_specs()
    True
    """
    return sorted(p.stem for p in shipped("models").glob("*.yaml"))
