"""Which lines of tinyconv do the tests run?

    python -m tests.line_coverage                all tests but those of `LEFT_OUT`
    python -m tests.line_coverage --json PATH    the figures in a file too

Two runs of pytest are put together. In the first, kernels are compiled anew, so what writes machine code runs; what is
compiled itself is not seen. In the second, with NUMBA_DISABLE_JIT=1, the same kernels run as plain Python. Processes
that tests start are followed. What is counted, and how much is enough, stands in setup.cfg.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.mutation import PLAIN_TESTS

ROOT = Path(__file__).parent.parent

#: They run in a browser, in kernels of notebooks, in copies of the checkout; or they measure memory, which is watched.
LEFT_OUT = ("page_browser", "notebooks", "mutation", "hostile", "kills", "load")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tests, and print the lines that none of them reaches."""
    parser = argparse.ArgumentParser(prog="python -m tests.line_coverage", description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures here")
    options = parser.parse_args(arguments)
    begin = time.time()
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"COVERAGE_FILE": f"{folder}/data", "TINYCONV_CACHE": f"{folder}/kernels"}
        left_out = [f"--ignore=tests/test_{name}.py" for name in LEFT_OUT]
        plain = [file for file in PLAIN_TESTS if (ROOT / file).exists()]
        failed = _coverage(environment, "run", "-m", "pytest", "-p", "no:cacheprovider", *left_out)
        failed |= _coverage(
            environment | {"NUMBA_DISABLE_JIT": "1"}, "run", "-m", "pytest", "-p", "no:cacheprovider", *plain
        )
        _coverage(environment, "combine", "--quiet")
        for broken in Path(folder).glob("data.*"):  # of processes that tests have killed
            broken.unlink()
        too_little = _coverage(environment, "report")
        _coverage(environment, "json", "--quiet", "-o", f"{folder}/report.json")
        totals = json.loads(Path(folder, "report.json").read_text(encoding="utf-8"))["totals"]
    lines, reached, seconds = totals["num_statements"], totals["covered_lines"], time.time() - begin
    figures = {"lines": lines, "reached": reached, "share": round(reached / lines, 4), "seconds": round(seconds)}
    if options.json is not None:
        options.json.write_text(json.dumps(figures), encoding="utf-8")
    print(f"{reached} of {lines} lines are reached ({100 * reached / lines:.1f} %); {seconds:.0f} seconds")
    return int(bool(failed or too_little))


def _coverage(environment: dict[str, str], *arguments: str) -> int:
    return subprocess.run([sys.executable, "-m", "coverage", *arguments], cwd=ROOT, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
