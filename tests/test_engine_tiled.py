"""The tiled convolution against the mathematics, in guarded buffers."""

import numpy as np
import pytest
from engine_cases import check, conv_case, distance, go, numbers, run

from tinyconv.engine.blocks import tiled
from tinyconv.engine.blocks.tiled import Tiled
from tinyconv.engine.compiler import kernel
from tinyconv.engine.kernels.maps import EXTREME
from tinyconv.engine.kernels.tiled import NARROW, OF_ONE, WIDE, add_products, add_products_plain, sweep, sweep_plain
from tinyconv.engine.vector import LANES

CASES = [
    conv_case(7, 9, 3, 5),
    conv_case(9, 8, 4, 33, size=(3, 2), padding="same"),
    conv_case(8, 6, 1, 17, size=(4, 5), padding="same", relu=True),
    conv_case(12, 11, 5, 64, size=1),
    conv_case(29, 28, 2, 48, size=5, padding="same"),
    conv_case(1, 1, 1, 1, size=1),
    conv_case(2, 1, 3, 17, padding="same"),
    conv_case(5, 4, 2, 16, size=(5, 4)),
]

STRIDES = [
    conv_case(11, 13, 5, 20, size=(3, 5), strides=(2, 3), padding="same"),
    conv_case(12, 7, 6, 9, size=1, strides=(3, 2)),
    conv_case(10, 9, 35, 50, size=5, strides=3, padding=((5, 0), (1, 7))),
    conv_case(15, 8, 2, 40, size=(2, 3), strides=(1, 2), relu=True),
    conv_case(17, 16, 3, 18, size=(2, 1), strides=(3, 1)),
]

DILATIONS = [
    conv_case(11, 14, 3, 20, dilation=2, padding="same"),
    conv_case(12, 10, 6, 8, groups=2, size=(3, 2), dilation=(2, 3), padding=((3, 1), (0, 4))),
    conv_case(13, 14, 4, 33, size=(3, 2), dilation=(1, 4), relu=True),
]

GROUPS = [
    conv_case(11, 13, 6, 9, groups=3, padding="same"),
    conv_case(8, 9, 6, 9, groups=3, size=(2, 3), strides=(2, 1), relu=True),
    conv_case(7, 6, 34, 66, groups=2, padding="same"),
    conv_case(6, 9, 3, 3, groups=3, size=2),
]

POOLS = [
    conv_case(13, 11, 2, 37, pool=(3, 2, "same"), relu=True, padding="same"),
    conv_case(13, 11, 2, 37, pool=((2, 3), (2, 3), "valid"), relu=True, pool_kind="min"),
    conv_case(12, 11, 3, 5, pool=((3, 2), (1, 3), "same"), pool_kind="min"),
    conv_case(13, 11, 2, 7, pool=((2, 3), (3, 4), "valid"), relu=True, pool_kind="average", padding="same"),
    conv_case(13, 11, 20, 7, pool=(3, 2, "same"), relu=True, pool_kind="average", strides=(1, 2), padding="same"),
    conv_case(10, 9, 6, 9, groups=3, pool=(2, 2, "same"), pool_kind="average"),
]

SCALED = [
    conv_case(9, 7, 1, 20, padding="same", scale=1 / 255, offset=-0.5),
    conv_case(8, 9, 3, 6, padding=((2, 1), (0, 3)), scale=2.0, offset=1.0, relu=True, pool=(2, 2, "valid")),
]

ALL = CASES + STRIDES + DILATIONS + GROUPS + POOLS + SCALED


@kernel("f4[:,:,::1], f4[::1], f4[:,:,:,::1], i8[::1], i8, i8, i8")
def swept(a, weights, c, steps, first, rows, c_first):
    sweep(a, weights, c, steps, first, rows, c_first)


@kernel("f4[:,:,::1], i8[::1], i8[::1], f4[::1], i8[::1], f4[::1]")
def products_added(a, steps, taps, dz, grid, dkernel):
    add_products(a, steps, taps, dz, grid, dkernel)


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("case", ALL)
def test_the_mathematics(case, n):
    check(Tiled, case, n=n)


@pytest.mark.parametrize("case", CASES[4:5] + STRIDES[:1] + POOLS)
def test_in_bands_of_one_row(case, monkeypatch):
    monkeypatch.setattr(tiled, "BAND_BYTES", 1)
    monkeypatch.setattr(tiled, "PRODUCT_BYTES", 1)
    check(Tiled, case)


@pytest.mark.parametrize("case", [CASES[3], STRIDES[0], GROUPS[0], POOLS[0]])
def test_two_slices_equal_one(case):
    one, two = run(Tiled, case, n=5, threads=1), run(Tiled, case, n=5, threads=2)
    for name in ("out", "winner", "mask", "dx"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    assert distance(two.dkernel, one.dkernel) < 1e-5
    assert distance(two.dbias, one.dbias) < 1e-5


def test_strides_together_with_dilation():
    wide = conv_case(13, 14, 4, 33, size=(5, 5), strides=(3, 2))
    cells = (slice(None), slice(None, None, 2), slice(None, None, 4))  # of a 5x5 kernel that is 0 elsewhere
    kernel = np.zeros((1, 5, 5, 4, 33), "float32")
    kernel[cells] = np.random.default_rng(0).normal(size=(1, 3, 2, 4, 33))
    stuffed = run(Tiled, wide, kernel=kernel[0])
    dilated = conv_case(13, 14, 4, 33, size=(3, 2), strides=(3, 2), dilation=(2, 4))
    r = run(Tiled, dilated, kernel=kernel[cells][0], bias=stuffed.bias, x=stuffed.x, dy=stuffed.dy)
    for name in ("out", "dx", "dbias"):
        assert distance(getattr(r, name), getattr(stuffed, name)) < 1e-5
    assert distance(r.dkernel, stuffed.dkernel[None][cells][0]) < 1e-5


def test_a_thread_without_images_has_no_gradient():
    one, four = run(Tiled, CASES[1], n=2, threads=1), run(Tiled, CASES[1], n=2, threads=4)
    assert distance(four.dkernel, one.dkernel) < 1e-5
    assert distance(four.dbias, one.dbias) < 1e-5


@pytest.mark.parametrize("case", [CASES[1], GROUPS[0]])
def test_gradients_are_written_or_added(case):
    r = numbers(case, 2)
    algorithm = Tiled(case, 1)
    go(algorithm, r, 1)
    written = r.dkernel.copy(), r.dbias.copy()
    algorithm.gradients(r.dkernel, r.dbias, add=True)
    np.testing.assert_array_equal(r.dkernel, 2 * written[0])
    np.testing.assert_array_equal(r.dbias, 2 * written[1])


def test_without_bias_and_without_the_images_gradient():
    case = CASES[1]
    r, biased = numbers(case, 2), numbers(case, 2)
    algorithm = Tiled(case, 1)
    r.bias = None
    algorithm.load(r.kernel, None, True)
    algorithm.forward(0, 0, 2, r.x, r.out, r.winner, r.mask)
    algorithm.backward(0, 0, 2, r.x, r.dy, r.out, r.winner, r.mask, None)
    algorithm.gradients(r.dkernel, None, add=False)
    go(Tiled(case, 1), biased, 1)
    assert distance(r.out + biased.bias, biased.out) < 1e-6
    np.testing.assert_array_equal(r.dkernel, biased.dkernel)
    assert np.isnan(r.dx).all()


def test_prediction_needs_no_training():
    case = CASES[0]
    trained, r = run(Tiled, case), numbers(case, 3)
    algorithm = Tiled(case, 1)
    algorithm.load(r.kernel, r.bias, False)
    algorithm.forward(0, 0, 3, r.x, r.out, r.winner, r.mask)
    np.testing.assert_array_equal(r.out, trained.out)


@pytest.mark.parametrize("case", [CASES[1], STRIDES[0], GROUPS[0], POOLS[1]])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_stay_in_their_image_and_reach_it_whole(case, value):
    plain = run(Tiled, case, threads=1)
    x = plain.x.copy()
    x[1, 4, 3, 1] = value
    r = run(Tiled, case, threads=1, x=x)
    np.testing.assert_array_equal(r.out[[0, 2]], plain.out[[0, 2]])
    if case.kind != EXTREME or np.isnan(value):  # the smallest of a window may pass over an infinity
        assert not np.isfinite(r.out[1]).all()
    assert not np.isfinite(r.dkernel).all()
    first_group = case.filters // case.groups
    np.testing.assert_array_equal(r.out[1, ..., first_group:] == plain.out[1, ..., first_group:], case.groups > 1)


@pytest.mark.parametrize("case", [CASES[1], CASES[4], STRIDES[2], GROUPS[0], GROUPS[2], DILATIONS[1]])
def test_plain_twins(case):
    rng = np.random.default_rng(0)
    algorithm, r = Tiled(case, 1), numbers(case, 1)
    algorithm.load(r.kernel, r.bias, True)
    own, steps = algorithm._scratch[0], algorithm._forward
    canvas = rng.normal(size=own["canvas"].shape).astype("float32")
    targets = [np.zeros((1, 1, 1, own["canvas"].size + 10**5), "float32") for _ in range(2)]
    for way, target in zip((swept, sweep_plain), targets, strict=True):
        way(canvas, algorithm._weights, target, steps.numbers, 1, steps.rows - 1, 7)
    i, j, f = np.ogrid[: steps.rows - 1, : steps.cells, : case.filters]
    cells = 7 + i * steps.c_row + j * steps.c_cell + f
    assert distance(targets[0].ravel()[cells], targets[1].ravel()[cells]) < 1e-5

    dz = rng.normal(size=own["dz"].shape).astype("float32")
    sums = [np.zeros_like(own["dkernel"]) for _ in range(2)]
    for way, total in zip((products_added, add_products_plain), sums, strict=True):
        way(canvas, algorithm._products, algorithm._taps, dz, algorithm._grid, total.reshape(-1))
    filters = case.filters // case.groups
    assert distance(*(total[:, :, : steps.KI, :filters] for total in sums)) < 1e-5


def test_what_the_plan_says():
    algorithm = Tiled(conv_case(9, 8, 4, 33, size=(3, 2), padding="same"), 2)
    assert algorithm.multiply_adds == 9 * 8 * 3 * 2 * 4 * 33
    assert algorithm.scratch_bytes == 2 * Tiled(algorithm.case, 1).scratch_bytes > 0


@pytest.mark.parametrize(
    ("pool", "parts", "expected"),
    [
        (None, 4, (4, 4)),
        (None, 99, (14, 14)),
        (None, 0.1, (1, 1)),
        (((3, 2), (3, 1), "valid"), 7, (2, 8)),  # the two rows below the last window belong to the last band
        (((3, 2), (3, 1), "valid"), 99, (4, 14)),
        (((2, 1), (3, 1), "valid"), 7, (2, 8)),
        (((3, 2), (2, 2), "valid"), 1, (6, 14)),  # windows overlap: all at once
    ],
)
def test_bands_of_the_map_fit_into_the_cache(pool, parts, expected):
    row = int(tiled.BAND_BYTES / 4 / parts)  # floats, so that so many rows fit
    assert tiled.bands(conv_case(14, 9, 1, 1, size=1, pool=pool), row) == expected


def test_tiles_hang_over_as_little_as_can_be():
    tiling = Tiled(CASES[0], 1).tiling
    assert tiling(3, WIDE, 0, 2) == (0, WIDE)
    assert tiling(3, NARROW, 0, 3) == (0, NARROW)
    assert tiling(3, WIDE, 0, 1) == (0, OF_ONE)
    assert tiling(5, OF_ONE + 1, OF_ONE + 2, 1) == (OF_ONE + 2, OF_ONE)  # apart, each row would need two tiles
    assert tiling(5, OF_ONE, 2 * OF_ONE, 1) == (0, OF_ONE)
    assert tiling(1, OF_ONE + 1, OF_ONE + 1, 1) == (0, OF_ONE)


@pytest.mark.parametrize(
    ("n", "before", "k", "s", "size", "expected"),
    [
        (7, 1, 3, 1, 7, (1, 1)),
        (7, 0, 3, 1, 5, (2, 2)),
        (7, 2, 3, 1, 7, (0, 2)),
        (7, 0, 3, 1, 7, (2, 0)),
        (8, 0, 3, 2, 3, (1, 1)),
        (9, 0, 1, 3, 3, (0, 0)),
    ],
)
def test_zeros_around_the_gradient_of_the_map(n, before, k, s, size, expected):
    assert tiled.border(tiled.phases(n, before, k, s, 1), size) == expected


def test_products_read_what_fits_into_the_cache():
    algorithm = Tiled(conv_case(29, 28, 2, 48, size=5, padding="same"), 1)
    row = 28 * 2 * LANES + (28 + 4) * 2  # two vectors of the gradient, and the image
    assert algorithm._products[-1] == tiled.PRODUCT_BYTES // (4 * row) > 1
