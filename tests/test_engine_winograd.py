"""Winograd's convolution against the layers in float64: outputs, winners and gradients, on all kinds of sizes."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from engine_cases import check, conv_case, distance, go, intact, mathematics, numbers, run

from tinyconv import layers
from tinyconv.engine.blocks import winograd
from tinyconv.engine.blocks.winograd import Winograd
from tinyconv.engine.kernels.maps import CLOSED
from tinyconv.engine.kernels.winograd import ROWS_OF_ONE, SQUARE, matrices, winograd_plain

#: ((H, W), C, F, padding, relu, pool, kind)
CASES = [
    # 2x2 pooling, in registers
    ((1, 1), 8, 5, "same", True, (2, 2, "same"), "max"),
    ((2, 3), 13, 16, "same", True, (2, 2, "valid"), "max"),
    ((2, 3), 16, 24, "same", False, (2, 2, "same"), "min"),
    ((5, 4), 33, 40, "same", True, (2, 2, "same"), "max"),
    ((5, 4), 1, 1, "same", False, (2, 2, "valid"), "max"),
    ((13, 11), 13, 24, "valid", True, (2, 2, "valid"), "min"),
    ((13, 12), 8, 16, "valid", False, (2, 2, "same"), "max"),
    ((9, 10), 16, 5, ((2, 0), (1, 3)), True, (2, 2, "same"), "max"),
    ((3, 7), 5, 70, "same", False, (2, 2, "same"), "max"),  # several pairs of vectors; an odd row of two tiles
    ((1, 4), 2, 24, "same", True, (2, 2, "same"), "max"),  # the last window is one of the upper ones
    ((17, 22), 33, 40, "valid", True, (2, 2, "same"), "max"),
    ((19, 25), 24, 33, "same", True, (2, 2, "valid"), "min"),
    # without pooling, from tiles to the output
    ((1, 1), 1, 1, "same", False, None, "max"),
    ((3, 3), 13, 5, "valid", True, None, "max"),
    ((7, 9), 16, 40, "same", True, None, "max"),
    ((6, 10), 3, 7, "same", True, None, "max"),
    ((12, 5), 33, 24, ((0, 2), (3, 1)), False, None, "max"),
    # all others, over a map in memory
    ((5, 4), 8, 16, "same", True, (2, 2, "same"), "average"),
    ((9, 11), 16, 1, "valid", False, ((3, 2), (2, 3), "same"), "average"),
    ((10, 9), 13, 24, "same", True, ((3, 2), (2, 1), "valid"), "max"),
    ((11, 8), 5, 33, "valid", False, ((2, 1), (3, 2), "valid"), "min"),
]


def case_of(size, channels, filters, padding, relu, pool, kind, **settings):
    """A row of the table as a `ConvCase`."""
    return conv_case(
        *size, channels, filters, padding=padding, relu=relu, pool=pool, pool_kind=kind if pool else "max", **settings
    )


POOLED = case_of((13, 10), 13, 24, "same", True, (2, 2, "same"), "max")
STORED = case_of((7, 9), 16, 40, "valid", False, None, "max")
GATHERED = case_of((9, 8), 13, 24, "same", True, ((3, 2), (2, 1), "same"), "max")
ALL = pytest.mark.parametrize("case", [POOLED, STORED, GATHERED], ids=["pooled", "stored", "gathered"])


@pytest.mark.parametrize("row", CASES, ids=str)
@pytest.mark.parametrize(("n", "threads"), [(1, 1), (5, 2)])
def test_outputs_and_gradients_are_those_of_the_layers(row, n, threads):
    check(Winograd, case_of(*row), n, threads, tolerance=1e-5)


@ALL
@pytest.mark.parametrize("group", [1, 12, 24])
def test_a_group_of_tiles_may_end_anywhere_in_an_image(case, group, monkeypatch):
    monkeypatch.setattr(winograd, "_group", lambda c, f: group)
    check(Winograd, case, n=4, tolerance=1e-5)


@ALL
def test_the_image_is_scaled_before_it_is_padded(case):
    check(Winograd, case_of((6, 9), 5, 16, "same", True, case.pool and (2, 2, "same"), "min", scale=0.25, offset=-2.0))


def test_the_algorithm_in_numpy_is_the_convolution():
    rng = np.random.default_rng(0)
    conv = layers.Conv2D(5, 3, use_bias=False, dtype="float64")
    image = rng.normal(size=(10, 14, 3))
    conv.build((None, 10, 14, 3))
    weights = conv.params["kernel"][...] = rng.normal(size=(3, 3, 3, 5))
    np.testing.assert_allclose(winograd_plain(image, weights), conv.forward(image[None])[0][0], rtol=0, atol=1e-12)


def test_the_matrices_are_exact_in_float32_but_for_the_weights():
    a, b, _ = matrices()
    for matrix in (a, b):
        np.testing.assert_array_equal(matrix, matrix.astype("float32"))


def test_rounding_stays_below_a_few_millionths_of_the_largest_number():
    case = case_of((23, 21), 64, 48, "valid", False, None, "max")
    rng = np.random.default_rng(0)
    r = run(Winograd, case, n=4, x=np.maximum(rng.normal(size=(4, 23, 21, 64)), 0))
    errors = [distance(*pair) for pair in zip((r.out, r.dx, r.dkernel, r.dbias), mathematics(case, r), strict=True)]
    assert max(errors) < 4e-6
    z = layers.Conv2D(48, 3, dtype="float32")
    z.build((None, 23, 21, 64))
    z.params["kernel"][...], z.params["bias"][...] = r.kernel, r.bias
    assert errors[0] < 8 * distance(z.forward(r.x)[0], mathematics(case, r)[0])  # plain products in float32


# Numbers that are no numbers


@pytest.mark.parametrize("strange", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", [CASES[6], CASES[13], CASES[15]], ids=str)
def test_nan_and_infinity_in_an_image_are_not_hidden(row, strange):
    case = case_of(*row)
    x = numbers(case, 3).x.copy()
    x[1, 2, 1, 0] = strange
    r = run(Winograd, case, x=x)
    with np.errstate(invalid="ignore"):
        out, _, dkernel, _ = mathematics(case, r)
    assert not np.isfinite(r.out[~np.isfinite(out)]).any()
    assert not np.isfinite(r.dkernel[~np.isfinite(dkernel)]).any()
    for n in (0, 2):  # the other images know nothing of it
        assert distance(r.out[n], out[n]) < 1e-5


@ALL
def test_nan_in_the_weights_is_in_all_of_its_filter_and_in_no_other(case):
    algorithm, r = Winograd(case, 1), numbers(case, 3)
    r.kernel[1, 2, 0, 3] = np.nan
    go(algorithm, r, 1)
    assert np.isnan(r.out[..., 3]).all()
    assert np.isfinite(np.delete(r.out, 3, axis=3)).all()


@ALL
def test_nan_in_a_gradient_reaches_weights_bias_and_image(case):
    dy = numbers(case, 3).dy.copy()
    r = run(Winograd, case, dy=dy)
    n, i, j, f = next(zip(*np.nonzero((r.out > 0) & (np.arange(case.filters) == 4)), strict=True))
    dy[n, i, j, f] = np.nan
    r = run(Winograd, case, dy=dy)
    assert np.isnan(r.dkernel[..., f]).all()
    assert np.isnan(r.dbias[f])
    assert np.isfinite(np.delete(r.dbias, f)).all()
    assert np.isnan(r.dx[n]).any()
    assert np.isfinite(np.delete(r.dx, n, axis=0)).all()


# Decisions


@pytest.mark.parametrize("kind", ["max", "min"])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_ties_go_to_the_first_cell(kind, padding):
    case = case_of((7, 9), 3, 5, "same", False, (2, 2, padding), kind)
    r = run(Winograd, case, x=np.zeros((3, 7, 9, 3)))
    np.testing.assert_array_equal(r.winner, np.zeros_like(r.winner))
    np.testing.assert_array_equal(r.out, np.broadcast_to(r.bias, r.out.shape))


def test_relu_lets_no_gradient_through_where_the_output_is_zero():
    case = case_of((7, 9), 3, 5, "same", True, (2, 2, "same"), "max")
    algorithm, r = Winograd(case, 1), numbers(case, 3)
    r.x[...], r.bias[...] = 0, [0, 1, -1, 0, 2]
    go(algorithm, r, 1)
    np.testing.assert_array_equal(r.winner == CLOSED, np.broadcast_to(r.bias <= 0, r.winner.shape))
    np.testing.assert_array_equal(r.dbias == 0, r.bias <= 0)


# The interface


@ALL
def test_any_number_of_threads_gives_the_same(case):
    one, two, many = (run(Winograd, case, n=3, threads=threads) for threads in (1, 2, 5))
    for other in (two, many):  # with five threads, two have nothing to do
        for name in ("out", "winner", "dx", "dkernel", "dbias"):
            assert distance(getattr(other, name), getattr(one, name)) < 1e-6


@ALL
def test_gradients_are_written_or_added(case):
    algorithm, r = Winograd(case, 2), numbers(case, 3)
    go(algorithm, r, 2)
    dkernel, dbias = np.full_like(r.dkernel, 5), np.full_like(r.dbias, 7)
    algorithm.gradients(dkernel, dbias, add=True)
    np.testing.assert_allclose(dkernel, r.dkernel + 5, rtol=0, atol=1e-5)
    np.testing.assert_allclose(dbias, r.dbias + 7, rtol=0, atol=1e-5)
    algorithm.gradients(dkernel, None, add=False)
    np.testing.assert_array_equal(dkernel, r.dkernel)


@ALL
def test_without_bias_and_without_dx(case):
    algorithm, r = Winograd(case, 1), numbers(case, 3)
    go(algorithm, r, 1)
    dkernel = r.dkernel.copy()
    algorithm.backward(0, 0, 3, r.x, r.dy, r.out, r.winner, r.mask, None)
    algorithm.gradients(r.dkernel, None, add=False)
    np.testing.assert_array_equal(r.dkernel, dkernel)
    assert intact(r.x)
    r.bias[...] = 0
    go(algorithm, r, 1)
    out = r.out.copy()
    algorithm.load(r.kernel, None, training=False)
    algorithm.forward(0, 0, 3, r.x, r.out, r.winner, r.mask)
    np.testing.assert_array_equal(r.out, out)


def test_what_is_only_rounding_is_zero():
    case, rng = case_of((8, 8), 5, 7, "same", False, None, "max"), np.random.default_rng(0)
    kernel = rng.normal(size=(3, 3, 5, 7))
    x = np.broadcast_to(rng.normal(size=5), (1, 8, 8, 5))
    r = run(Winograd, case, n=1, x=x, kernel=kernel - kernel.mean(axis=(0, 1)), bias=np.zeros(7))
    np.testing.assert_array_equal(r.out[:, 1:-1, 1:-1], 0)
    assert np.abs(r.out[:, [0, -1]]).min() > 1e-3


def test_what_the_plan_shows():
    one = Winograd(POOLED, 1)
    assert one.title == "winograd"
    assert one.multiply_adds == 36 * 4 * 3 * 13 * 24  # points, tiles for 14x10 cells, channels, filters
    assert [kernel.name for kernel in one.kernels] == ["winograd_forward_pooled", "winograd_backward_pooled"]
    assert [kernel.name for kernel in Winograd(GATHERED, 1).kernels] == ["winograd_forward", "winograd_backward"]
    stored = [kernel.name for kernel in Winograd(STORED, 1).kernels]
    assert stored == ["winograd_forward_stored", "winograd_backward_stored"]
    sizes = [Winograd(POOLED, threads).scratch_bytes for threads in (1, 2, 3)]
    assert sizes[2] - sizes[1] == sizes[1] - sizes[0] > 0


@pytest.mark.parametrize(("c", "f"), [(16, 16), (48, 32), (512, 256)])
def test_tiles_at_a_time_fill_half_a_megabyte_or_as_much_as_the_weights(c, f):
    tile, room = 4 * SQUARE * (c + f), max(2**19, 4 * SQUARE * c * f)  # bytes of V and M for one tile, and for all
    group = winograd._group(c, f)
    assert group % ROWS_OF_ONE == 0
    assert room <= group * tile < room + ROWS_OF_ONE * tile


@pytest.mark.parametrize(("group", "rows"), [(1, ROWS_OF_ONE), (ROWS_OF_ONE, ROWS_OF_ONE), (13, 2 * ROWS_OF_ONE)])
def test_planes_lie_an_odd_number_of_cache_lines_apart(group, rows):
    planes, floats = winograd._planes(group, 32), rows * 32
    assert planes.shape == (SQUARE, floats + 16)  # which is even in lines, and then one more
    assert winograd._planes(group, 16).shape == (SQUARE, rows * 16 + 16 * (rows % 2 == 0))


@pytest.mark.parametrize("lanes", ["8", "16"])
def test_as_plain_python_no_load_or_store_leaves_its_array(lanes):
    script = (
        "from test_engine_winograd import *\n"
        "winograd._group = lambda c, f: 2\n"
        "check(Winograd, case_of((5, 6), 3, 5, 'same', True, (2, 2, 'same'), 'min'), n=1, threads=1)\n"
        "check(Winograd, case_of((3, 5), 9, 18, 'same', True, (2, 2, 'valid'), 'average'), n=1, threads=1)\n"
        "check(Winograd, case_of((5, 3), 9, 18, 'same', True, None, 'max'), n=1, threads=1)\n"
    )
    paths = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1])])
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "TINYCONV_LANES": lanes, "PYTHONPATH": paths}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
