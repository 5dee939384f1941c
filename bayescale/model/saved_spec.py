"""What specs mean that were saved before fields came that they do not have."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from bayescale.model.priors import Priors

# What a spec that version 0.1 saved has in place of the fields that came later.
FORM_0_1: Mapping[str, Any] = MappingProxyType(
    {
        **dict.fromkeys(
            ("repeated_measurements", "uniqueness", "noise_shares", "rising", "learned_ceilings", "drift"), False
        ),
        "loading_sds": "factor",
        **dict.fromkeys(("rising_with", "compute_from"), ()),
        "family_column": "family",
    }
)
# Priors that it had not, by the field that switches their term on.
NEW_PRIORS = {
    "specific_sd": "uniqueness",
    **dict.fromkeys(("noise_sd", "item_share"), "noise_shares"),
    "ceiling_gap": "learned_ceilings",
    "drift_sd": "drift",
    "setting_sd": "repeated_measurements",
    **dict.fromkeys(("compute_slope", "compute_sd", "maker_compute_sd"), "compute_from"),
}
_PRIORS_0_1 = frozenset(Priors.model_fields) - set(NEW_PRIORS)
# Priors of each kind of noise, and of all noise and the items' share of it.
_EACH_NOISE, _SHARED_NOISE = frozenset({"log_precision", "specific_sd"}), frozenset({"noise_sd", "item_share"})


def as_meant(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a spec with those of the fields that came after it was written.

    Examples
    --------
    >>> as_meant({"priors": {"log_precision": "Normal(5, 1)"}})["noise_shares"]
    False
    """
    priors = values.get("priors")
    if isinstance(priors, Mapping) and set(priors) == _PRIORS_0_1:
        # Version 0.1 saved every prior, and had no others.
        many = values.get("factors", "auto") == "auto"
        return {**FORM_0_1, **values, **({"factors": "many"} if many else {})}
    return {**noise_form(priors), **values}


def noise_form(priors: Any) -> dict[str, bool]:
    """Return the form of the noise that the names of stated priors imply: nothing where they are of both, or of none.

    Examples
    --------
    >>> noise_form({"specific_sd": "HalfNormal(1)"}), noise_form({"item_share": "Beta(2, 2)"}), noise_form({})
    ({'noise_shares': False}, {'noise_shares': True}, {})
    """
    named: set[Any] = set()
    if isinstance(priors, Priors | Mapping):
        named = set(priors.model_fields_set if isinstance(priors, Priors) else priors)
    each, shares = not named.isdisjoint(_EACH_NOISE), not named.isdisjoint(_SHARED_NOISE)
    return {} if each == shares else {"noise_shares": shares}
