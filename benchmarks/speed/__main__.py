"""``python -m benchmarks.speed FOLDER``."""

from benchmarks.speed.run import main

main()
