"""How fast is it, and where does the time go? ``python -m benchmarks.speed FOLDER``, see `benchmarks.speed.run`."""
