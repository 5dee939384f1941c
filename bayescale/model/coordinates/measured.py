"""Effects of how scores were measured as tensors, and what several measurements tell of the logit of their cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytensor.tensor as pt

from bayescale.model.coordinates.pilot import observed_share
from bayescale.model.curve import Curve, Noise
from bayescale.model.kernels.working_response import observed_response
from bayescale.model.measurements import Measurements

if TYPE_CHECKING:
    from bayescale.model.coordinates.parameterization import PlainCoordinates
    from bayescale.model.data import ModelData


def pick(values: Any, places: np.ndarray) -> Any:
    """Return entries of a vector, or of a matrix laid out row by row, in the shape of their places."""
    return values.ravel()[places.ravel()].reshape(places.shape)


class MeasurementEffects(NamedTuple):
    """What is added to the logits of scores in their headline settings.

    `single` (model, benchmark) are effects of the settings of cells with one measurement, `repeated` (slot, benchmark)
    those of the measurements of the other cells, with the noise that each cell has; None where there are none.
    """

    data: Measurements
    single: Any
    repeated: Any

    def observe_repeated(self, at: PlainCoordinates, logit: Any, curve: Curve, noise: Noise) -> None:
        """Make the observed scores of cells with several measurements, whose logits are (model, benchmark)."""
        if (rows := self.data.repeated) is not None:
            own = pick(logit, rows.place) + self.repeated
            shared = Noise(noise.precision, np.zeros(len(self.data.headline)))  # a variable of the cell, in `repeated`
            at.scores("repeated_score", own, curve, shared, rows.cells, dims=None)

    def response(self, weight: Any, logit: Any, data: ModelData, curve: Curve, noise: Noise) -> tuple[Any, Any]:
        """Return weights and working logits (model, benchmark) in the headline setting, from those of single scores.

        Of a cell with several measurements it is their mean, weighted by precision, each less its effects.
        """
        logit = logit - self.single
        if (rows := self.data.repeated) is None:
            return weight, logit
        share = observed_share(data, rows.observed_score)
        own, at = observed_response(rows.observed_score, share, rows.observed, curve, noise.precision, data.items)

        def summed(values: Any) -> Any:
            empty = pt.zeros(self.data.single.size)
            return empty[rows.place.ravel()].inc(values.ravel()).reshape(self.data.single.shape)

        total, several = summed(own), self.data.single == 0
        mean = summed(own * (at - self.repeated)) / pt.switch(several, total, 1.0)
        return weight * self.data.single + total, pt.switch(several, mean, logit)
