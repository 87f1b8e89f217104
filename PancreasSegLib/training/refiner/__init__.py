"""Train the refiner: simulated readers correct the masks of patients that the networks behind them never saw."""
