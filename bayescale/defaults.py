"""How long a fit samples unless told otherwise."""

CHAINS = 4
TUNE = 300

# `base-llms`, five seeds: R-hat 1.004 to 1.011 from 1,400 draws.
DRAWS = 2000

# The folds of the backtest have wider matrices, and a fold that did not converge spoils the comparison of methods.
BACKTEST_DRAWS = 3000

# A scan compares, and its specs are many: half the draws of a fit that is reported from.
SCAN_DRAWS = 1000
# Draws in the page of a report: 2 MB for 8 benchmarks and 47 families.
REPORT_DRAWS = 400
