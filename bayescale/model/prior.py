"""`Prior`: a distribution as a frozen value, written ``Normal(mu=0, sigma=1)``; the model makes a variable of it."""

from __future__ import annotations

import ast
import math
import reprlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from bayescale.errors import SpecError, suggest

if TYPE_CHECKING:
    import numpy as np

# Distributions that may stand as a prior, with their parameters by PyMC's names. Those marked positive have support
# on (0, inf) and may be the prior of a scale.
REAL: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "Normal": ("mu", "sigma"),
        "StudentT": ("nu", "mu", "sigma"),
        "Laplace": ("mu", "b"),
        "Cauchy": ("alpha", "beta"),
        "SkewNormal": ("mu", "sigma", "alpha"),
    }
)
POSITIVE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "HalfNormal": ("sigma",),
        "HalfStudentT": ("nu", "sigma"),
        "HalfCauchy": ("beta",),
        "Exponential": ("lam",),
        "Gamma": ("alpha", "beta"),
        "InverseGamma": ("alpha", "beta"),
        "LogNormal": ("mu", "sigma"),
    }
)
# Distributions on (0, 1), which may be the prior of a share.
SHARE: Mapping[str, tuple[str, ...]] = MappingProxyType({"Beta": ("alpha", "beta")})
_KNOWN: Mapping[str, tuple[str, ...]] = MappingProxyType({**REAL, **POSITIVE, **SHARE})
# Parameters that may be any real number; all others are scales, rates or shapes and must be positive.
LOCATIONS = {("Normal", "mu"), ("StudentT", "mu"), ("Laplace", "mu"), ("Cauchy", "alpha"), ("LogNormal", "mu")} | {
    ("SkewNormal", "mu"),
    ("SkewNormal", "alpha"),
}
# Parameters that grow with the unit of the value, and rates, which fall; the other ones have no unit.
_IN_UNITS = frozenset({"mu", "sigma", "b"})
_WITH_UNITS = {"Cauchy": ("alpha", "beta"), "HalfCauchy": ("beta",), "InverseGamma": ("beta",)}
_RATES = {"Exponential": "lam", "Gamma": "beta"}


_LONGEST = 200  # characters of a prior


def _digits(value: float) -> str:
    """Return the shortest text that reads back to the same number; whole numbers without a point."""
    return repr(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


class Prior:
    """Distribution by name with fixed numbers for its parameters.

    Parameters
    ----------
    distribution : str
        One of PyMC's names, see `REAL`, `POSITIVE` and `SHARE` in this module.
    **parameters : float
        Every parameter of the distribution, by PyMC's names.

    Raises
    ------
    SpecError
        For an unknown distribution, a missing or unknown parameter, or a value out of range.

    Examples
    --------
    >>> prior = Prior.parse("HalfNormal(sigma=1)")
    >>> prior
    HalfNormal(sigma=1)
    >>> prior.positive
    True
    """

    __slots__ = ("distribution", "parameters")
    distribution: str
    parameters: Mapping[str, float]

    def __init__(self, distribution: str, /, **parameters: float) -> None:
        if distribution not in _KNOWN:
            raise SpecError(suggest(distribution, _KNOWN, "prior distribution"))
        expected = _KNOWN[distribution]
        if set(parameters) != set(expected):
            raise SpecError(
                f"{distribution} takes {', '.join(expected)}; got {', '.join(parameters) or 'nothing'}. "
                f"Write for example {distribution}({', '.join(f'{p}=1' for p in expected)})."
            )
        try:
            values = {name: float(parameters[name]) for name in expected}
        except (TypeError, ValueError, OverflowError):
            raise SpecError(f"{distribution} takes numbers, got {reprlib.repr(dict(parameters))}.") from None
        for name, value in values.items():
            if not abs(value) < float("inf"):
                raise SpecError(f"{distribution}: {name}={value} is not a finite number.")
            if (distribution, name) not in LOCATIONS and value <= 0:
                raise SpecError(f"{distribution}: {name}={value:g} must be positive.")
        object.__setattr__(self, "distribution", distribution)
        object.__setattr__(self, "parameters", MappingProxyType(values))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a Prior does not change; make a new one")

    @classmethod
    def parse(cls, text: str) -> Prior:
        """Read ``Distribution(name=number, ...)``; parameters may also stand in order, without names.

        Examples
        --------
        >>> Prior.parse("Normal(0, 2)") == Prior("Normal", mu=0, sigma=2)
        True
        """
        try:
            if len(text) > _LONGEST:  # deep expressions end the process
                raise ValueError
            call = ast.parse(text.strip(), mode="eval").body
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
                raise ValueError
            positional = [float(ast.literal_eval(a)) for a in call.args]
            pairs = [(k.arg, float(ast.literal_eval(k.value))) for k in call.keywords]
            if any(name is None for name, _ in pairs):
                raise ValueError
        except (SyntaxError, ValueError, TypeError, OverflowError):
            raise SpecError(
                f"{text[:100]!r} is not a prior. Write a distribution and its numbers, such as Normal(mu=0, sigma=1)."
            ) from None
        names = _KNOWN.get(call.func.id, ())
        given = [*names[: len(positional)], *(str(name) for name, _ in pairs)]
        if names and (len(positional) > len(names) or len(set(given)) < len(given)):
            raise SpecError(f"{text!r} gives a parameter twice or too many: {call.func.id} takes {', '.join(names)}.")
        return cls(call.func.id, **dict(zip(given, [*positional, *(v for _, v in pairs)], strict=False)))

    @property
    def positive(self) -> bool:
        """Whether the support is the positive half line."""
        return self.distribution in POSITIVE

    @property
    def share(self) -> bool:
        """Whether the support is what lies between 0 and 1.

        Examples
        --------
        >>> Prior.parse("Beta(1, 1)").share
        True
        """
        return self.distribution in SHARE

    @property
    def location_and_scale(self) -> tuple[float, float]:
        """Mean and sd of a normal distribution that is much like this one, of those with support on both sides.

        Examples
        --------
        >>> Prior.parse("StudentT(nu=3, mu=1, sigma=2)").location_and_scale
        (1.0, 2.0)
        """
        parameters = [value for name, value in self.parameters.items() if name not in ("nu", "alpha")]
        if self.distribution == "Cauchy":
            return self.parameters["alpha"], self.parameters["beta"]
        location, scale = parameters
        return location, scale

    def scaled(self, unit: float) -> Prior:
        """Return the distribution of `unit` times a value of this one, which is no share: those have no unit.

        Examples
        --------
        >>> Prior.parse("HalfNormal(1)").scaled(0.5), Prior.parse("Exponential(4)").scaled(0.5)
        (HalfNormal(sigma=0.5), Exponential(lam=8))
        """
        values = dict(self.parameters)
        if self.distribution == "LogNormal":
            values["mu"] += math.log(unit)
        elif rate := _RATES.get(self.distribution):
            values[rate] /= unit
        else:
            for name in _WITH_UNITS.get(self.distribution, _IN_UNITS & set(values)):
                values[name] *= unit
        return Prior(self.distribution, **values)

    def log_density(self, value: Any) -> Any:
        """Return the log density of a tensor of values.

        Examples
        --------
        >>> float(Prior.parse("Exponential(2)").log_density(0.0).eval().round(3))
        0.693
        """
        import pymc as pm

        return pm.logp(getattr(pm, self.distribution).dist(**self.parameters), value)

    def log_densities(self, values: Any) -> Any:
        """Return the log density of numbers, without compiling, which takes longer than all that anyone asks for.

        Examples
        --------
        >>> Prior.parse("Exponential(2)").log_densities([0.0, 0.0]).round(3).tolist()
        [0.693, 0.693]
        """
        from pytensor.compile.mode import Mode

        return self.log_density(values).eval(mode=Mode("py", None))

    def variable(self, name: str, **kwargs: Any) -> Any:
        """Make the PyMC variable of this prior inside the model context on top of the stack.

        Examples
        --------
        >>> import pymc as pm
        >>> with pm.Model(coords={"benchmark": ["MMLU", "GSM8K"]}) as model:
        ...     difficulty = Prior.parse("Normal(0, 1.5)").variable("difficulty", dims="benchmark")
        >>> model.named_vars_to_dims["difficulty"]
        ('benchmark',)
        """
        import pymc as pm

        return getattr(pm, self.distribution)(name, **self.parameters, **kwargs)

    @property
    def symmetric(self) -> bool:
        """Whether the density is symmetric about zero.

        Examples
        --------
        >>> Prior.parse("Normal(0, 2)").symmetric, Prior.parse("Normal(1, 2)").symmetric
        (True, False)
        """
        centre = self.parameters.get("alpha" if self.distribution == "Cauchy" else "mu")
        return self.distribution in REAL and centre == 0 and self.parameters.get("alpha", 0.0) == 0

    def draw(self, size: int | tuple[int, ...], *, random_seed: int | None = None) -> np.ndarray:
        """Draw `size` values; an array records no seed, so give one to repeat it.

        Examples
        --------
        >>> bool(Prior.parse("HalfNormal(1)").draw(3, random_seed=0).min() > 0)
        True
        """
        import pymc as pm
        from pytensor.compile.mode import Mode

        variable = getattr(pm, self.distribution).dist(**self.parameters, shape=size)
        # Uncompiled: compiling takes longer than all the draws that anyone asks for.
        return pm.draw(variable, random_seed=random_seed, mode=Mode("py", None))

    def drawer(self, size: int | tuple[int, ...]) -> Callable[[np.random.Generator], np.ndarray]:
        """Return a function that draws `size` values with a generator: what thousands of draws prepare once.

        Examples
        --------
        >>> import numpy as np
        >>> draw = Prior.parse("HalfNormal(1)").drawer(3)
        >>> draw(np.random.default_rng(0)).shape
        (3,)
        """
        import numpy as np
        import pymc as pm
        import pytensor
        from pytensor.compile.mode import Mode

        source = pytensor.shared(np.random.default_rng())
        variable = getattr(pm, self.distribution).dist(**self.parameters, shape=size, rng=source)
        function = pytensor.function([], variable, mode=Mode("py", None))

        def draw(rng: np.random.Generator) -> np.ndarray:
            source.set_value(rng, borrow=True)
            return function()

        return draw

    def __repr__(self) -> str:
        return f"{self.distribution}({', '.join(f'{k}={_digits(v)}' for k, v in self.parameters.items())})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Prior) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))

    def __reduce__(self) -> Any:
        return (Prior.parse, (repr(self),))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def validate(value: Any) -> Prior:
            return value if isinstance(value, Prior) else cls.parse(value if isinstance(value, str) else repr(value))

        return core_schema.no_info_plain_validator_function(
            validate, serialization=core_schema.plain_serializer_function_ser_schema(repr)
        )
