"""Every test begins with the same global state, and leaves it as it was."""

import signal
from pathlib import Path

import numpy as np
import pytest

from tinyconv import config
from tinyconv.layers.base import reset_names

#: What `tinyconv.config` holds that a test may change for its own time only. Not what the getters return: a setting
#: that follows the machine or the environment is to do so again after the test.
SETTINGS = ("_floatx", "_engine", "_threads", "_winograd", "_columns_budget", "_doctor")


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in what a shell runs in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)

#: Texts that tests compare with, letter by letter.
GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser):
    """``pytest --overwrite-golden`` writes the texts that are compared, for a person to read in the diff."""
    parser.addoption("--overwrite-golden", action="store_true", help="write the files of tests/golden anew")


@pytest.fixture
def golden(request):
    """``golden(name, text)``: the text is that of tests/golden/<name>.txt."""

    def check(name, text):
        path = GOLDEN / f"{name}.txt"
        if request.config.getoption("--overwrite-golden"):
            path.write_text(f"{text}\n", encoding="utf-8")
        assert f"{text}\n" == path.read_text(encoding="utf-8")

    return check


def settings():
    """Every global setting by name."""
    return {name: getattr(config, name) for name in SETTINGS} | {"NumPy's error handling": np.geterr()}


def put_back(before):
    """Set every global setting to what it was."""
    for name in SETTINGS:
        setattr(config, name, before[name])
    np.seterr(**before["NumPy's error handling"])


@pytest.fixture(autouse=True)
def global_state():
    """Layer names and random streams start anew; a test that leaves a global setting changed fails.

    The doctor is away: most networks here are far too small to learn anything, and it would say so.
    """
    reset_names()
    config.set_random_seed(0)
    settled = settings()
    config.set_doctor(False)
    before = settings()
    yield
    after = settings()
    put_back(settled)
    leaked = [f"{name}: {before[name]} is now {after[name]}" for name in before if before[name] != after[name]]
    if leaked:
        pytest.fail("the test left global settings changed: " + "; ".join(leaked))


@pytest.fixture
def doctor():
    """The doctor is there, as for users."""
    config.set_doctor(None)
    yield
    config.set_doctor(False)


@pytest.fixture
def float64():
    """New layers compute in float64."""
    before = config.floatx()
    config.set_floatx("float64")
    yield
    config.set_floatx(before)
