"""The depthwise convolution against the mathematics, in guarded buffers."""

import numpy as np
import pytest
from engine_cases import check, conv_case, distance, numbers, run

from tinyconv.engine.blocks import tiled
from tinyconv.engine.blocks.depthwise import Depthwise
from tinyconv.engine.compiler import kernel
from tinyconv.engine.kernels.depthwise import (
    add_products_by_channel,
    add_products_by_channel_plain,
    sweep_by_channel,
    sweep_by_channel_plain,
)  # fmt: skip
from tinyconv.layers import DepthwiseConv2D


def depthwise_case(height, width, channels, multiplier, **settings):
    return conv_case(height, width, channels, channels * multiplier, groups=channels, **settings)


CASES = [
    depthwise_case(7, 9, 3, 1),
    depthwise_case(7, 9, 5, 3, padding="same"),
    depthwise_case(11, 10, 33, 1, size=(3, 2), strides=(2, 3), padding="same"),
    depthwise_case(1, 1, 2, 2, size=1),
    depthwise_case(8, 9, 20, 1, size=1, strides=(3, 2)),
    depthwise_case(12, 13, 16, 1, size=(2, 4), dilation=(2, 3), padding=((1, 4), (5, 0)), relu=True),
    depthwise_case(9, 14, 48, 1, size=5, padding="same", relu=True),
    depthwise_case(11, 10, 16, 2, pool=(3, 2, "same"), relu=True, padding="same"),
    depthwise_case(10, 9, 5, 1, pool=((2, 3), (2, 3), "valid"), pool_kind="min", scale=0.5, offset=0.2),
    depthwise_case(9, 8, 4, 5, pool=(2, 2, "same"), pool_kind="average", relu=True, scale=0.3, offset=0.1),
    depthwise_case(10, 8, 5, 1, pool=((2, 1), (3, 2), "valid"), pool_kind="average", relu=True, padding="same"),
]


@kernel("f4[:,:,::1], f4[::1], f4[:,:,:,::1], i8[::1], i8, i8")
def swept(a, weights, c, steps, first, rows):
    sweep_by_channel(a, weights, c, steps, first, rows)


@kernel("f4[:,:,::1], i8[::1], i8[::1], f4[::1], i8[::1], f4[::1]")
def products_added(a, steps, taps, dz, grid, dkernel):
    add_products_by_channel(a, steps, taps, dz, grid, dkernel)


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("case", CASES)
def test_the_mathematics(case, n):
    check(Depthwise, case, n=n)


@pytest.mark.parametrize("case", CASES[6:])
def test_in_bands_of_one_row(case, monkeypatch):
    monkeypatch.setattr(tiled, "BAND_BYTES", 1)
    check(Depthwise, case)


def test_the_layers_own_order_of_filters():
    case = depthwise_case(6, 7, 3, 2, padding="same")
    r = run(Depthwise, case)
    layer = DepthwiseConv2D(3, depth_multiplier=2, padding="same", dtype="float64")
    layer.build((None, 6, 7, 3))
    layer.params["kernel"][...] = r.kernel.reshape(3, 3, 3, 2)
    layer.params["bias"][...] = r.bias
    y, cache = layer.forward(r.x.astype("float64"))
    dx = layer.backward(r.dy.astype("float64"), cache)
    assert distance(r.out, y) < 1e-5
    assert distance(r.dx, dx) < 1e-5
    assert distance(r.dkernel.reshape(3, 3, 3, 2), layer.grads["kernel"]) < 1e-5


def test_two_slices_equal_one():
    one, two = run(Depthwise, CASES[7], n=5, threads=1), run(Depthwise, CASES[7], n=5, threads=2)
    for name in ("out", "winner", "dx"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    assert distance(two.dkernel, one.dkernel) < 1e-5
    assert distance(two.dbias, one.dbias) < 1e-5


def test_nan_stays_in_its_channel():
    case = CASES[1]
    x = run(Depthwise, case).x.copy()
    x[1, 3, 4, 2] = np.nan
    r = run(Depthwise, case, x=x)
    spoilt = np.isnan(r.out).any(axis=(0, 1, 2))  # (F,)
    np.testing.assert_array_equal(spoilt, np.arange(15) // 3 == 2)
    np.testing.assert_array_equal(np.isnan(r.dkernel).any(axis=(0, 1, 2)), spoilt)


@pytest.mark.parametrize("case", [CASES[1], CASES[2], CASES[6]])
def test_plain_twins(case):
    rng = np.random.default_rng(0)
    algorithm, r = Depthwise(case, 1), numbers(case, 1)
    algorithm.load(r.kernel, r.bias, True)
    own, steps = algorithm._scratch[0], algorithm._forward
    canvas = rng.normal(size=own["canvas"].shape).astype("float32")
    targets = [np.zeros((1, 1, 1, own["canvas"].size + 10**5), "float32") for _ in range(2)]
    for way, target in zip((swept, sweep_by_channel_plain), targets, strict=True):
        way(canvas, algorithm._weights, target, steps.numbers, 1, steps.rows - 1)
    i, j, f = np.ogrid[: steps.rows - 1, : steps.cells, : case.filters]
    cells = i * steps.c_row + j * steps.c_cell + f
    assert distance(targets[0].ravel()[cells], targets[1].ravel()[cells]) < 1e-5

    dz = rng.normal(size=own["dz"].shape).astype("float32")
    sums = [np.zeros_like(own["dkernel"]) for _ in range(2)]
    for way, total in zip((products_added, add_products_by_channel_plain), sums, strict=True):
        way(canvas, algorithm._products, algorithm._taps, dz, algorithm._grid, total.reshape(-1))
    assert distance(sums[0], sums[1]) < 1e-5
