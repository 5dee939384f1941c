"""How good forecasts are: backtests against what came later, and comparisons of specs."""
