"""Draw the README's table of training steps as docs/speed.png: nothing is measured, so that the two cannot differ.

python -m benchmarks.readme
"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.pictures import Bar, Panel, bars
from benchmarks.problems import PROBLEMS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROOT = Path(__file__).parents[1]


def panels(readme: str) -> list[Panel]:
    """A panel for each network in the table, a bar for each row: how many times as long as tinyconv it takes."""
    table = readme[readme.index("| training step, ms |") :].split("\n\n")[0]
    (_, *models), _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines())
    found = []
    for k, model in enumerate(models, start=1):
        ours = float(rows[0][k])
        made = [_bar(row[0], row[k], ours) for row in rows]
        found.append(Panel(f"{model} ({PROBLEMS[model].network})", made))
    return found


def _bar(title: str, cell: str, ours: float) -> Bar:
    """A cell such as "33.2 (5.46x)", or "5.7" for tinyconv."""
    milliseconds, *times = re.findall(r"[\d.]+", cell)
    length = float(times[0]) if times else float(milliseconds) / ours
    text = f"{times[0]}x" if times else "1"
    return Bar(title, length, f"{text}  ({milliseconds} ms)", not times)


def picture(readme: str) -> "Figure":
    """The table as bars, two panels in a row."""
    made = panels(readme)
    footer = "How many times as long as tinyconv's, and milliseconds; machine and versions are in README.md."
    return bars([made[:2], made[2:]], "Time of a training step, as a multiple of tinyconv's", footer, reference=1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the picture."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.readme", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--picture", type=Path, metavar="PATH", default=ROOT / "docs/speed.png", help="the file to write"
    )
    options = parser.parse_args(arguments)
    picture((ROOT / "README.md").read_text(encoding="utf-8")).savefig(options.picture, dpi=110)
    return 0


if __name__ == "__main__":
    sys.exit(main())
