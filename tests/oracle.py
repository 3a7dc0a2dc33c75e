"""Real Keras, for the tests that are marked "oracle"."""

import inspect
import os
import warnings
from typing import Any

import numpy as np
import pytest


def load_keras() -> Any:
    """The module, on its PyTorch backend unless the environment says otherwise; skips the test where it is missing."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    return pytest.importorskip("keras", reason="needs the extra 'oracle'")


def array(tensor: Any) -> np.ndarray:
    """A Keras tensor or variable as an array."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Keras's own call of np.array on a PyTorch tensor
        return np.array(load_keras().ops.convert_to_numpy(tensor))


def arguments(cls: type) -> dict[str, Any]:
    """Names and defaults of a constructor's arguments, in order."""
    parameters = inspect.signature(cls).parameters.values()
    return {p.name: p.default for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}


def assert_arguments_of_keras(ours: type, theirs: type, but: tuple[str, ...] = ()) -> None:
    """Every argument of ours is one of Keras's, in its order and with its default."""
    mine = {name: default for name, default in arguments(ours).items() if name not in but}
    known = arguments(theirs)
    assert list(mine) == [name for name in known if name in mine]
    assert mine == {name: known[name] for name in mine}
