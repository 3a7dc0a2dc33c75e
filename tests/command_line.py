"""What the tests of the command line share: calling it as a function, and a cache for its glyphs."""

import contextlib
import io
import re
from dataclasses import dataclass

import pytest

from tinyconv import cli

PROGRESS = re.compile(r"\r?tinyconv compiles[^\r\n]*(?:\r *(?=\r|\n|$))?\n?")


@dataclass
class Run:
    """What came of a call of the command line; ``err`` is without the progress of compiling, which comes and goes."""

    code: int
    out: str
    err: str


def run(*arguments):
    """Call the command line; argparse's way out counts as an exit code too."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = cli.main([str(argument) for argument in arguments])
        except SystemExit as exit_:
            code = exit_.code
    return Run(code, out.getvalue(), PROGRESS.sub("", err.getvalue()))


def cache_fixture():
    """A fixture that lets glyphs be drawn once for a file of tests."""

    @pytest.fixture(scope="module", autouse=True)
    def cache(tmp_path_factory):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TINYCONV_CACHE", str(tmp_path_factory.mktemp("cache")))
            yield

    return cache
