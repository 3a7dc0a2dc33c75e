"""Bias, ReLU and dropout, number by number, against their plain twins."""

import numpy as np
import pytest

pytest.importorskip("numba")

from engine_cases import guarded, intact

from tinyconv.engine.kernels.elementwise import (
    add_bias,
    add_bias_plain,
    dense_back,
    dense_back_plain,
    dropout,
    dropout_plain,
)
from tinyconv.engine.vector import LANES
from tinyconv.layers import Dropout

#: (N, O), and the rows to work on: less than a vector, a whole one, several and a bit; all rows, some, one, none.
SIZES = [((1, 1), 0, 1), ((3, 5), 1, 3), ((4, LANES), 0, 4), ((5, 2 * LANES + 3), 2, 4), ((2, 3 * LANES - 1), 1, 1)]


def normal(*shape, seed=0):
    """Random numbers, with some that are special."""
    a = np.random.default_rng(seed).normal(size=shape).astype("float32")
    a.flat[:: max(7, a.size // 5)] = np.nan
    a.flat[3::11] = np.inf
    a.flat[4::13] = 0
    return a


@pytest.mark.parametrize("relu", [0, 1])
@pytest.mark.parametrize(("shape", "start", "stop"), SIZES)
def test_add_bias(shape, start, stop, relu):
    y, bias = guarded(normal(*shape)), normal(shape[1], seed=1)
    wanted = y.copy()
    add_bias(y, guarded(bias), relu, start, stop)
    add_bias_plain(wanted, bias, relu, start, stop)
    np.testing.assert_array_equal(y, wanted)
    assert intact(y)


@pytest.mark.parametrize("relu", [0, 1])
@pytest.mark.parametrize(("shape", "start", "stop"), SIZES)
def test_dense_back(shape, start, stop, relu):
    dy, y = guarded(normal(*shape)), guarded(normal(*shape, seed=2))
    dz, dbias = guarded(np.full(shape, 9.0)), guarded(np.full(shape[1], 9.0))
    wanted_dz, wanted_dbias = dz.copy(), dbias.copy()
    dense_back(dy, y, relu, dz, dbias, start, stop)
    dense_back_plain(dy, y, relu, wanted_dz, wanted_dbias, start, stop)
    np.testing.assert_array_equal(dz, wanted_dz)
    np.testing.assert_allclose(dbias, wanted_dbias, rtol=1e-6)
    assert intact(dz)
    assert intact(dbias)


def test_the_gradient_at_zero_is_zero():
    dz, dbias = np.empty((1, 3), "float32"), np.empty(3, "float32")
    dense_back(np.ones((1, 3), "float32"), np.array([[0, -1, 2]], "float32"), 1, dz, dbias, 0, 1)
    np.testing.assert_array_equal(dz, [[0, 0, 1]])
    np.testing.assert_array_equal(dbias, [0, 0, 1])


@np.errstate(invalid="ignore")
@pytest.mark.parametrize("rate", [0.0, 0.2, 1.0])
@pytest.mark.parametrize(("shape", "start", "stop"), SIZES)
def test_dropout(shape, start, stop, rate):
    x, draws = guarded(normal(*shape)), np.random.default_rng(1).random(shape, dtype="float32")
    if rate < 1:
        draws[:, 1 % shape[1]] = np.float32(rate)  # just kept
    out = guarded(np.full(shape, 9.0))
    wanted = out.copy()
    dropout(x, guarded(draws), rate, out, start, stop)
    dropout_plain(x, draws, rate, wanted, start, stop)
    np.testing.assert_allclose(out, wanted, rtol=1e-6)
    assert intact(out)


def test_dropout_equals_the_layer():
    x = np.random.default_rng(0).normal(size=(4, 37)).astype("float32")
    out, draws = np.empty_like(x), np.random.default_rng(5).random(x.shape, dtype="float32")
    dropout(x, draws, 0.3, out, 0, 4)
    y, scale = Dropout(0.3, seed=5).forward(x, training=True)
    np.testing.assert_allclose(out, y, rtol=1e-6)
    dropout(x, draws, 0.3, out, 0, 4)  # backward is the same
    np.testing.assert_allclose(out, x * scale, rtol=1e-6)
