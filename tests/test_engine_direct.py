"""Direct convolution with the pooling in registers, against the mathematics."""

import numpy as np
import pytest

pytest.importorskip("numba")

import engine_cases
from engine_cases import conv_case

from tinyconv.engine.blocks.direct import Direct
from tinyconv.engine.kernels import direct
from tinyconv.engine.kernels.maps import CLOSED
from tinyconv.engine.vector import LANES

VALID, SAME = (2, 2, "valid"), (2, 2, "same")

#: Between them: one, two and three vectors of filters, whole and in part; odd maps; windows that hang over; each
#: number of windows that the last odd vector may leave over.
CASES = {
    "first layer of a network": conv_case(9, 8, 1, 2 * LANES, pool=VALID, relu=True),
    "odd map, same": conv_case(9, 7, 3, LANES, padding="same", pool=SAME, relu=True, scale=1 / 255, offset=-0.5),
    "odd map, valid": conv_case(9, 7, 3, 3 * LANES, padding="same", pool=VALID),
    "min": conv_case(8, 9, 2, LANES + 3, pool=SAME, pool_kind="min", relu=True),
    "min without relu": conv_case(5, 6, 3, 2 * LANES + 1, pool=VALID, pool_kind="min"),
    "5x2 window": conv_case(9, 12, 2, 5, size=(5, 2), padding="same", pool=SAME, relu=True),
    "1x1 window": conv_case(5, 3, 7, 4, size=1, pool=SAME, relu=True),
    "1x4 window, 8 channels": conv_case(4, 8, 8, 2 * LANES - 1, size=(1, 4), pool=VALID, relu=True),
    "explicit padding": conv_case(6, 5, 3, 6, padding=((0, 2), (4, 1)), pool=SAME, relu=True),
    "padding wider than the window": conv_case(3, 2, 1, 3, size=2, padding=((5, 0), (3, 4)), pool=SAME, relu=True),
    "one window": conv_case(4, 4, 1, 1, pool=VALID, relu=True),
    "map of one cell": conv_case(3, 3, 2, 3, pool=SAME, relu=True),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_equals_mathematics(case):
    engine_cases.check(Direct, case, n=3, threads=2)


def test_batch_of_one_and_a_thread_without_images():
    engine_cases.check(Direct, CASES["odd map, same"], n=1, threads=2)


@pytest.mark.parametrize("name", ["min", "odd map, valid"])
def test_kernels_equal_their_plain_twins(name):
    case, n = CASES[name], 2
    r = engine_cases.run(Direct, case, n, threads=1)
    way = Direct(case, 1)
    way.load(r.kernel, r.bias, True)
    scratch, taps = way._threads[0], way._taps
    out, winner = np.empty(r.out.shape), np.empty_like(r.winner)
    image = r.x, 0, n, case.scale, case.offset, scratch.canvas, way._top, way._left, taps
    direct.direct_forward_plain(*image, way._weights, way._bias, case.relu, case.sign, *case.map_size, out, winner)
    np.testing.assert_allclose(r.out, out, atol=1e-5)
    np.testing.assert_array_equal(r.winner, winner)
    dkernel, dbias = np.zeros(way._weights.shape), np.zeros(way._bias.shape)
    direct.direct_backward_plain(*image, *case.map_size, r.dy, winner, dkernel, dbias)
    np.testing.assert_allclose(r.dkernel.reshape(len(taps), -1), dkernel[:, : case.filters], atol=1e-4)
    np.testing.assert_allclose(r.dbias, dbias[: case.filters], atol=1e-4)


def test_two_slices_equal_one():
    case = CASES["odd map, same"]
    one, two = (engine_cases.run(Direct, case, n=4, threads=threads) for threads in (1, 2))
    np.testing.assert_array_equal(one.out, two.out)
    np.testing.assert_array_equal(one.winner, two.winner)
    np.testing.assert_array_equal(one.dx, two.dx)
    np.testing.assert_allclose(one.dkernel, two.dkernel, atol=1e-5)
    np.testing.assert_allclose(one.dbias, two.dbias, atol=1e-5)


def test_without_dx_the_sums_are_the_same():
    case = CASES["first layer of a network"]
    r = engine_cases.run(Direct, case, n=2, threads=1)
    way = Direct(case, 1)
    way.load(r.kernel, r.bias, True)
    way.backward(0, 0, 2, r.x, r.dy, r.out, r.winner, r.mask, None)
    found = np.empty_like(r.dkernel)
    way.gradients(found, None, add=False)
    np.testing.assert_array_equal(found, r.dkernel)


def test_gradients_are_added_where_asked():
    case = CASES["one window"]
    r = engine_cases.run(Direct, case, n=2, threads=1)
    way = Direct(case, 1)
    engine_cases.go(way, r, 1)
    dkernel, dbias = np.ones_like(r.dkernel), np.ones_like(r.dbias)
    way.gradients(dkernel, dbias, add=True)
    np.testing.assert_allclose(dkernel, r.dkernel + 1)
    np.testing.assert_allclose(dbias, r.dbias + 1)


def test_without_bias():
    case = CASES["map of one cell"]
    r = engine_cases.numbers(case, 2)
    way = Direct(case, 1)
    way.load(r.kernel, r.bias, False)
    way.load(r.kernel, None, False)  # nothing is left of the bias before
    way.forward(0, 0, 2, r.x, r.out, r.winner, r.mask)
    z = np.einsum("nhwc,hwcf->nf", r.x, r.kernel)
    np.testing.assert_allclose(r.out[:, 0, 0], np.maximum(z, 0), atol=1e-5)


def forward(case, x, weight=1.0):
    """(out, winner) of images, with the same number in every entry of the kernel and no bias."""
    way = Direct(case, 1)
    way.load(np.full((*case.window.size, case.channels, case.filters), weight, "float32"), None, False)
    r = engine_cases.numbers(case, len(x))
    way.forward(0, 0, len(x), engine_cases.guarded(x), r.out, r.winner, r.mask)
    return r.out, r.winner


@pytest.mark.parametrize("pool_kind", ["max", "min"])
def test_ties_go_to_the_first_cell(pool_kind):
    case = conv_case(5, 5, 1, 3, size=1, pool=SAME, pool_kind=pool_kind)
    out, winner = forward(case, np.full((1, 5, 5, 1), 7))
    assert (winner == 0).all()
    assert (out == 7).all()


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize(("row", "column"), [(0, 0), (1, 0), (2, 3), (4, 4)])
def test_nan_is_the_winner_of_its_window(relu, row, column):
    case = conv_case(5, 5, 1, LANES + 1, size=1, pool=SAME, relu=relu)
    x = np.random.default_rng(0).random((1, 5, 5, 1)) + 1
    x[0, row, column] = np.nan
    out, winner = forward(case, x)
    hit = np.isnan(out)
    assert hit[0, row // 2, column // 2].all()
    assert hit.sum() == LANES + 1
    assert (winner[hit] == (CLOSED if relu else 2 * (row % 2) + column % 2)).all()
    assert (winner[~hit] != CLOSED).all()


@np.errstate(invalid="ignore")
@pytest.mark.parametrize("weight", [1.0, -1.0])
def test_padding_does_not_beat_minus_infinity(weight):
    case = conv_case(3, 3, 1, 2, size=1, pool=SAME, pool_kind="max" if weight > 0 else "min")
    out, winner = forward(case, np.full((1, 3, 3, 1), -np.inf), weight)
    assert (out == -weight * np.inf).all()
    assert (winner == 0).all()


def test_zero_and_less_is_closed():
    case = conv_case(2, 2, 1, 2, size=1, pool=VALID, relu=True)
    out, winner = forward(case, np.array([[-1, 0], [-2, -3]]).reshape(1, 2, 2, 1))
    assert (out == 0).all()
    assert (winner == CLOSED).all()


def test_scratch_is_counted():
    case = conv_case(4, 4, 1, LANES, pool=VALID)
    one, three = (Direct(case, threads).scratch_bytes for threads in (1, 3))
    weights = 4 * (9 + 1) * LANES
    assert (three - one) == 2 * (one - weights)
    assert Direct(case, 1).multiply_adds == 4 * 9 * LANES


def test_room_for_the_gradient_of_the_image_is_made_when_it_is_wanted():
    case = CASES["odd map, valid"]  # 9x7 pixels, with one row and column of padding before
    r, way = engine_cases.numbers(case, 1), Direct(case, 1)
    before = way.scratch_bytes
    engine_cases.go(way, r, 1)
    columns = -(-7 // direct.PIXELS) * direct.PIXELS
    assert way.scratch_bytes - before == 4 * ((9 + 1 + 2) * (columns + 1 + 2) * 3 * LANES + 9 * columns * LANES)
