"""The line gate of ``make check``: every line of the product was run by a test.

Coverage's own threshold mixes lines with branches once branches are measured; this reads its JSON report and looks at
lines alone. The branches of core and stages have their own gate in the Makefile.
"""

import json
import sys
from pathlib import Path


def missing_lines(report: dict) -> dict[str, list[int]]:
    """Return, for each file that has some, the lines that no test ran."""
    return {name: data["missing_lines"] for name, data in report["files"].items() if data["missing_lines"]}


def main(path: str) -> int:
    """Print the lines that were not run, and answer 1 if there are any."""
    missing = missing_lines(json.loads(Path(path).read_text(encoding="utf-8")))
    for name, lines in sorted(missing.items()):
        print(f"{name}: not run by any test: {', '.join(map(str, lines))}")
    print("Every line is run by a test." if not missing else f"{sum(map(len, missing.values()))} lines are not run.")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
