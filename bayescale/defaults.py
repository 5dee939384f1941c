"""How long a fit samples unless told otherwise: on the shipped data the default spec then converges (benchmarks/)."""

CHAINS = 4
TUNE = 400
DRAWS = 1200
