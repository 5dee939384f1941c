"""How long a fit samples unless told otherwise."""

CHAINS = 4
TUNE = 300

# Enough for R-hat of 1.007 and 900 effective draws on `base-llms`; at 1,200 one seed of three had not converged
# (docs/performance.md).
DRAWS = 1600

# The folds of the backtest have wider matrices, and a fold that did not converge spoils the comparison of methods.
BACKTEST_DRAWS = 4000

# A scan compares, and its specs are many: fewer draws than a fit that is reported from.
SCAN_DRAWS = 1300
# Draws in the page of a report: 2 MB for 8 benchmarks and 47 families.
REPORT_DRAWS = 400
