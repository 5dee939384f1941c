"""Priors of the model by name, and the prior of the guessing floor."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from bayescale.errors import suggest
from bayescale.model.prior import Prior

SCALES = (
    "family_sd", "own_loading_sd", "common_loading_sd", "family_benchmark_sd", "benchmark_slope_sd", "testlet_sd",
    "drift_sd", "setting_sd",
)  # fmt: skip


_OWN = re.compile(r"(slope|latent_covariate)\[(.+)\]")


def split_name(name: str) -> tuple[str, str | None]:
    """Split the name of a prior into that of all covariates, and of the one covariate that it is of, or None.

    Examples
    --------
    >>> split_name("slope[released]"), split_name("slope")
    (('slope', 'released'), ('slope', None))
    """
    own = _OWN.fullmatch(name)
    return (own[1], own[2]) if own else (name, None)


class Frozen(BaseModel):
    """Base of the parts of a spec: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _prior(default: str, description: str) -> Any:
    return Field(default=Prior.parse(default), description=description)


class Priors(Frozen):
    """Priors of the model by name; `models/default.yaml` says what each one means.

    The defaults are those of the shipped `default` spec, so that ``Spec(priors={"slope": ...})`` replaces one of them.
    One covariate has priors of its own as ``slope[released]`` and ``latent_covariate[released]``.
    """

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, Prior] = Field(init=False)

    slope: Prior = _prior("Normal(0, 2)", "capability gained per unit of a covariate, in residual sds")
    family_sd: Prior = _prior("HalfNormal(3)", "sd between families of their compute efficiency")
    loading: Prior = _prior("Normal(0, 1)", "how strongly a benchmark answers to a capability")
    own_loading_sd: Prior = _prior(
        "HalfNormal(0.5)", "sd of a benchmark's own loadings around the common ones, all factors together"
    )
    common_loading_sd: Prior = _prior("HalfNormal(0.5)", "sd of the common loadings, all factors together")
    difficulty: Prior = _prior("Normal(0, 1.5)", "logit by which a benchmark is hard for a typical model")
    benchmark_slope_sd: Prior = _prior("LogNormal(-1.5, 0.5)", "sd of a benchmark's own response to the covariates")
    family_benchmark_sd: Prior = _prior("HalfNormal(0.3)", "sd of family-by-benchmark effects")
    testlet_sd: Prior = _prior("HalfNormal(0.5)", "sd of what variants of one benchmark share")
    setting_sd: Prior = _prior("HalfNormal(0.5)", "sd of what a setting adds to the headline one of its benchmark")
    curve_shape: Prior = _prior("Exponential(4)", "how scores rise: 1 as a sigmoid, towards 0 as Gompertz' curve")
    log_precision: Prior = _prior("Normal(6, 0.5)", "scatter of scores: log of the items that one is worth")
    specific_sd: Prior = _prior("LogNormal(-1.6, 0.7)", "sd of a benchmark's own noise, on the logit (uniqueness)")
    noise_sd: Prior = _prior("LogNormal(-1.6, 0.7)", "sd of all noise of a benchmark, on the logit half-way up")
    item_share: Prior = _prior(
        "Beta(1, 1)", "share of that variance which its items have in common; the rest is its own"
    )
    ceiling_gap: Prior = _prior("Exponential(30)", "how far ceilings are below the stated ones, as by wrong labels")
    latent_covariate: Prior = _prior("Normal(0, 1.5)", "unknown covariates: decades around the mean of the known")

    drift_sd: Prior = _prior("HalfNormal(2)", "sd of what a year adds to capability beside the slope over dates")
    compute_slope: Prior = _prior("Normal(0, 1)", "decades of undisclosed compute per unit of what predicts it")
    compute_sd: Prior = _prior("HalfNormal(0.7)", "sd of compute around its prediction, in decades")
    maker_compute_sd: Prior = _prior("HalfNormal(0.5)", "sd between makers of their compute, in decades")

    def of(self, name: str, covariate: str) -> Prior:
        """Return the prior ``slope`` or ``latent_covariate`` of one covariate: its own, or that of all.

        Examples
        --------
        >>> Priors(**{"slope[released]": "Normal(0, 1)"}).of("slope", "released")
        Normal(mu=0, sigma=1)
        """
        own: Prior = getattr(self, f"{name}[{covariate}]", getattr(self, name))
        return own

    @model_validator(mode="after")
    def _scales_and_shapes_are_positive(self) -> Priors:
        for name in (
            *SCALES,
            "specific_sd",
            "noise_sd",
            "curve_shape",
            "ceiling_gap",
            "compute_sd",
            "maker_compute_sd",
        ):
            prior: Prior = getattr(self, name)
            if not prior.positive:
                what = "a standard deviation" if name.endswith("_sd") else "a positive number"
                raise ValueError(f"{name} is {what}; {prior} also allows values below zero")
        return self

    @model_validator(mode="after")
    def _shares_lie_between_0_and_1(self) -> Priors:
        for name, prior in self:
            if prior.share != (name == "item_share"):
                what = "is no share, of values" if prior.share else "is a share; its prior is a Beta, of values"
                raise ValueError(f"{name} {what} between 0 and 1; got {prior}")
        return self

    @field_validator("difficulty", mode="after")
    @classmethod
    def _difficulty_takes_both_signs(cls, prior: Prior) -> Prior:
        if prior.positive:
            raise ValueError(f"difficulty is a logit of either sign; {prior} allows positive values only")
        return prior

    @model_validator(mode="after")
    def _priors_of_covariates_can_be_used(self) -> Priors:
        for name, prior in self:
            kind, covariate = split_name(name)
            if covariate is None and name not in type(self).model_fields:
                raise ValueError(suggest(name, type(self).model_fields, "prior"))
            if kind == "latent_covariate" and prior.distribution != "Normal":
                raise ValueError(f"{name} must be a Normal: it is combined with measurement error on compute")
            if covariate is not None and kind == "slope" and (prior.positive or self.slope.positive):
                raise ValueError(f"{name}: a slope of its own prior takes both signs, as capabilities have none")
        return self


class Floor(Frozen):
    """Guessing floor: the score of a model without any capability, learned from data or fixed at the chance level.

    Parameters
    ----------
    learned : bool
        Whether each benchmark's floor is a parameter with a Beta prior around the chance level. Fixed floors made
        extrapolations too shallow (docs/model-notes.md).
    concentration : float
        Prior weight, in guessed items, of a chance level above zero.
    open_mean, open_concentration : float
        Mean and weight of the prior where the chance level is zero (open-ended tasks).
    """

    learned: bool = True
    concentration: float = Field(default=100, gt=0, allow_inf_nan=False)
    open_mean: float = Field(default=0.015, gt=0, lt=1)
    open_concentration: float = Field(default=60, gt=0, allow_inf_nan=False)

    def shapes(self, chance_level: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the shapes of the Beta prior of the floors of benchmarks with these chance levels.

        Examples
        --------
        >>> Floor().shapes(np.array([0.25]))
        (array([25.]), array([75.]))
        """
        open_ended = chance_level <= 0
        mean = np.where(open_ended, self.open_mean, chance_level)
        weight = np.where(open_ended, self.open_concentration, self.concentration)
        return mean * weight, (1 - mean) * weight
