"""How long a fit samples unless told otherwise.

The default spec then has an R-hat of 1.005 to 1.007 on the tasks of the backtest, and of 1.006 to 1.012 on `base-llms`.
"""

CHAINS = 4
TUNE = 300
DRAWS = 2000

# A scan compares, and its specs are many: half the draws of a fit that is reported from.
SCAN_DRAWS = 1000
