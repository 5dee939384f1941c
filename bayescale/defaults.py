"""How long a fit samples unless told otherwise."""

CHAINS = 4
TUNE = 300

# `base-llms`, six seeds: R-hat 1.005 to 1.007 and 942 to 1,186 effective draws, in half a minute of sampling. At 1,000
# draws R-hat is 1.006 to 1.008, at 800 one seed of the six had not converged.
DRAWS = 1200

# The folds of the backtest have wider matrices, and a fold that did not converge spoils the comparison of methods.
BACKTEST_DRAWS = 3000

# A scan compares, and its specs are many: half the draws of a fit that is reported from.
SCAN_DRAWS = 1000
# Draws in the page of a report: 2 MB for 8 benchmarks and 47 families.
REPORT_DRAWS = 400
