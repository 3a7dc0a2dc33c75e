"""The pooling kernels against the pooling layers."""

import numpy as np
import pytest
from engine_cases import POOLINGS, guarded, intact

from tinyconv.engine.blocks.case import pool_numbers
from tinyconv.engine.kernels.maps import AVERAGE, EXTREME
from tinyconv.engine.kernels.pooling import pool_backward, pool_backward_plain, pool_forward, pool_forward_plain

WAYS = {"compiled": (pool_forward, pool_backward), "plain": (pool_forward_plain, pool_backward_plain)}
WINDOWS = [((2, 2), (2, 2), "valid"), ((3, 3), (2, 2), "same"), ((2, 3), (3, 1), "same"), ((5, 4), (1, 2), "valid")]
SIZES = [(3, 11, 9, 5), (1, 7, 8, 16), (2, 6, 5, 19), (4, 5, 4, 1)]


def run(kind, setting, x, way, slices=((0, None),)):
    """((out, dx) of the kernel, (out, dx) of the layer)."""
    layer = POOLINGS[kind](*setting)
    wanted, cache = layer.forward(x)
    dy = np.random.default_rng(3).normal(size=wanted.shape).astype("float32")
    pool = pool_numbers(AVERAGE if kind == "average" else EXTREME, layer.window, x.shape[1:3])
    x, out, dx, dy = guarded(x), guarded(np.zeros_like(wanted)), guarded(np.zeros_like(x)), guarded(dy)
    winner = guarded(np.zeros((1, 1, 1, 1) if kind == "average" else out.shape), "uint8")
    forward, backward = WAYS[way]
    for start, stop in slices:
        stop = len(x) if stop is None else stop
        forward(x, start, stop, -1.0 if kind == "min" else 1.0, pool, out, winner)
        backward(dy, start, stop, winner, pool, dx)
    assert all(intact(array) for array in (x, out, dx, dy, winner))
    return (out, dx), (wanted, layer.backward(np.asarray(dy), cache))


def agree(found, wanted):
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("setting", WINDOWS)
@pytest.mark.parametrize("kind", POOLINGS)
def test_values_and_gradients_with_ties(kind, setting, shape, way):
    x = np.random.default_rng(1).integers(-3, 4, shape).astype("float32")
    agree(*run(kind, setting, x, way))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("setting", WINDOWS)
@pytest.mark.parametrize("kind", ["max", "min"])
def test_nan_and_infinity(kind, setting, way):
    rng = np.random.default_rng(2)
    x = rng.integers(-3, 4, (2, 9, 7, 18)).astype("float32")
    for value in (np.nan, np.inf, -np.inf):
        x[rng.random(x.shape) < 0.08] = value
    agree(*run(kind, setting, x, way))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("kind", "worst"), [("max", -np.inf), ("min", np.inf)])
def test_a_real_cell_wins_over_padding(kind, worst, way):
    found, wanted = run(kind, ((3, 3), (2, 2), "same"), np.full((1, 6, 7, 3), worst, "float32"), way)
    agree(found, wanted)
    assert np.count_nonzero(found[1]) > 0


@pytest.mark.parametrize("kind", POOLINGS)
def test_slices_give_the_same_numbers(kind):
    x = np.random.default_rng(4).normal(size=(5, 6, 7, 18)).astype("float32")
    setting = ((3, 3), (2, 2), "same")
    whole, _ = run(kind, setting, x, "compiled")
    parts, _ = run(kind, setting, x, "compiled", slices=((0, 2), (2, 2), (2, 5)))
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_largest_window():
    x = np.random.default_rng(6).normal(size=(1, 15, 17, 2)).astype("float32")
    x[0, 13, 16], x[0, 14, 15] = 9, 8
    agree(*run("max", ((14, 17), (1, 1), "valid"), x, "compiled"))
    agree(*run("max", ((2, 127), (1, 1), "same"), x, "compiled"))
