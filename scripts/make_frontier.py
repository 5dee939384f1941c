"""Make data/frontier from an export of Epoch AI's Benchmarking Hub; the same as `bayescale data update`.

Usage: python scripts/make_frontier.py EXPORT_DIR -o data/frontier
"""

from __future__ import annotations

import argparse
from pathlib import Path

from bayescale.evals.importers.hub_tables import read_hub


def main() -> None:
    """Read the export, write the tables and print what was left out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("export", type=Path, help="folder with one CSV file per benchmark")
    parser.add_argument("-o", "--out", type=Path, default=Path("data/frontier"))
    args = parser.parse_args()
    tables = read_hub(args.export)
    tables.write(args.out)
    print("\n".join(tables.account))


if __name__ == "__main__":
    main()
