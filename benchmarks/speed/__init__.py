"""Benchmark of speed: ``python -m benchmarks.speed FOLDER``, see `benchmarks.speed.run`."""
