"""The products of a Dense layer in register tiles, on odd sizes, and with nothing written outside."""

import numba
import numpy as np
import pytest

from tinyconv.engine.kernels.dense import (
    STRIP,
    dense_dkernel,
    dense_dkernel_plain,
    dense_dx,
    dense_dx_plain,
    dense_forward,
    dense_forward_plain,
    turned,
)
from tinyconv.engine.vector import LANES

#: (N, I, O): fewer rows than a tile, odd inputs, one and three vectors of outputs, more than a strip of inputs.
SIZES = [(1, 1, LANES), (3, 7, 2 * LANES), (9, 37, 3 * LANES), (17, STRIP + 5, LANES), (2, 2 * STRIP, 5 * LANES)]


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def fenced(shape):
    """(array of NaN with a fence before and after it, the fence)."""
    size, margin = int(np.prod(shape)), 64
    whole = np.full(size + 2 * margin, np.nan, np.float32)
    return whole[margin : margin + size].reshape(shape), (whole[:margin], whole[-margin:])


def assert_untouched(fence):
    assert all(np.isnan(part).all() for part in fence)


def assert_close(found, want):
    np.testing.assert_allclose(found, want, rtol=0, atol=2e-6 * np.abs(want).max())


@pytest.mark.parametrize(("n", "i", "o"), SIZES)
def test_forward(n, i, o):
    x, w = random(n, i), random(i, o, seed=1)
    z, fence = fenced((n, o))
    dense_forward(x, w, z, 0, n, 0, o)
    assert_close(z, dense_forward_plain(x.astype("f8"), w))
    assert_untouched(fence)


def test_forward_by_rows_and_by_columns():
    x, w = random(11, 20), random(20, 4 * LANES, seed=1)
    whole, rows, columns = (np.empty((11, 4 * LANES), np.float32) for _ in range(3))
    dense_forward(x, w, whole, 0, 11, 0, 4 * LANES)
    for first, size in ((0, 4), (4, 7)):
        dense_forward(x, w, rows, first, size, 0, 4 * LANES)
    for first, size in ((0, LANES), (LANES, 3 * LANES)):
        dense_forward(x, w, columns, 0, 11, first, size)
    assert_close(rows, whole)
    assert_close(columns, whole)


@pytest.mark.parametrize("add", [False, True])
@pytest.mark.parametrize(("n", "i", "o"), SIZES)
def test_dkernel(n, i, o, add):
    x, dz = random(n, i), random(n, o, seed=1)
    dw, fence = fenced((i, o))
    if add:
        dw[...] = 3
    middle = i // 2
    dense_dkernel(x, dz, dw, o, add, 0, middle)
    dense_dkernel(x, dz, dw, o, add, middle, i)
    assert_close(dw, dense_dkernel_plain(x.astype("f8"), dz) + 3 * add)
    assert_untouched(fence)


@pytest.mark.parametrize(("n", "i", "o"), SIZES)
def test_dx(n, i, o):
    w, dz = random(i, o), random(n, o, seed=1)
    room = -(-n // LANES) * LANES
    into, strip = np.zeros((o, room), np.float32), np.zeros((16, room), np.float32)
    dx, fence = fenced((n, i))
    for start, stop in ((0, i - i % 16), (i - i % 16, i)):
        dense_dx(w, turned(dz, into), dx, strip, start, stop)
    assert_close(dx, dense_dx_plain(w.astype("f8"), dz))
    assert_untouched(fence)


def test_nan_shows():
    x, w = random(3, 5), random(5, LANES, seed=1)
    x[1, 2] = np.nan
    z = np.zeros((3, LANES), np.float32)
    dense_forward(x, w, z, 0, 3, 0, LANES)
    assert np.isnan(z[1]).all()
    assert np.isfinite(z[[0, 2]]).all()


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")
def test_other_types_are_refused():
    with pytest.raises(TypeError, match="No matching definition"):
        dense_forward(np.zeros((2, 3)), np.zeros((3, LANES)), np.zeros((2, LANES)), 0, 2, 0, LANES)
