"""Every test begins with the same global state, and leaves it as it was."""

import numpy as np
import pytest

from tinyconv import config
from tinyconv.layers.base import reset_names


def settings():
    """The global settings that a test may change for its own time only."""
    return {
        "floatx": config.floatx(),
        "columns_budget": config.columns_budget(),
        "threads": config.threads(),
        "NumPy's error handling": np.geterr(),
    }


def put_back(before):
    """Set every global setting to what it was."""
    config.set_floatx(before["floatx"])
    config.set_columns_budget(before["columns_budget"])
    config.set_threads(before["threads"])
    np.seterr(**before["NumPy's error handling"])


@pytest.fixture(autouse=True)
def global_state():
    """Layer names and random streams start anew; a test that leaves a global setting changed fails."""
    reset_names()
    config.set_random_seed(0)
    before = settings()
    yield
    after = settings()
    put_back(before)
    leaked = [f"{name}: {before[name]} is now {after[name]}" for name in before if before[name] != after[name]]
    if leaked:
        pytest.fail("the test left global settings changed: " + "; ".join(leaked))


@pytest.fixture
def float64():
    """New layers compute in float64."""
    before = config.floatx()
    config.set_floatx("float64")
    yield
    config.set_floatx(before)
