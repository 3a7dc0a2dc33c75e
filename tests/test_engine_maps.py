"""Maps on their way out of a convolution and back, against ReLU and the pooling layers."""

import numpy as np
import pytest
from engine_cases import POOLINGS, guarded, intact

from tinyconv.activations import relu as relu_of_layers
from tinyconv.engine.blocks.case import pool_numbers, whole_vectors
from tinyconv.engine.compiler import kernel
from tinyconv.engine.kernels.maps import (
    AVERAGE,
    CLOSED,
    EXTREME,
    STORED,
    expand_map,
    expand_map_plain,
    finish_map,
    finish_map_plain,
    rows_above,
    rows_below,
)
from tinyconv.geometry import Window

N = 2
#: Cells of scratch between two rows of the map, and numbers before the first one.
GAP, START = 2, 3

POOLS = {
    "none": (None, None),
    "max 2x2": ("max", Window((2, 2), (2, 2), "valid")),
    "max 3x3 by 2, same": ("max", Window((3, 3), (2, 2), "same")),
    "min 2x3, same": ("min", Window((2, 3), (2, 3), "same")),
    "min 3x2 by (1, 3)": ("min", Window((3, 2), (1, 3), "valid")),
    "average 2x2, same": ("average", Window((2, 2), (2, 2), "same")),
    "average 3x4 by (2, 1)": ("average", Window((3, 4), (2, 1), "valid")),
    "average 1x2 by 3": ("average", Window((1, 2), (3, 3), "valid")),
}


@kernel(
    "f4[::1], i8, i8, i8, i8, i8, f4[::1], i8, f4, i8[::1], i8, f4[:,:,:,::1], u1[:,:,:,::1], u1[:,:,:,::1]",
)
def finish(z, z0, z_row, pixel, oh, ow, bias, relu, sign, pool, n, out, winner, mask):
    finish_map(z, z0, z_row, pixel, oh, ow, bias, relu, sign, pool, n, out, winner, mask)


@kernel(
    "f4[:,:,:,::1], f4[:,:,:,::1], u1[:,:,:,::1], u1[:,:,:,::1], i8, i8, i8[::1], f4[::1], i8, i8, i8, i8, i8, f4[::1]",
)
def expand(dy, out, winner, mask, n, relu, pool, dz, z0, z_row, pixel, oh, ow, db):
    expand_map(dy, out, winner, mask, n, relu, pool, dz, z0, z_row, pixel, oh, ow, db)


class Case:
    """Maps (N, OH, OW, F), a pooling and a gradient, and what the kernels or their plain twins make of them."""

    def __init__(self, y, pool, relu, seed=5):
        rng = np.random.default_rng(seed)
        self.y, self.relu = y.astype("float32"), relu
        self.kind, self.window = POOLS[pool]
        self.oh, self.ow, self.f = y.shape[1:]
        self.bias = rng.integers(-2, 3, self.f).astype("float32")
        kinds = {None: STORED, "average": AVERAGE}
        numbers = pool_numbers(kinds.get(self.kind, EXTREME), self.window or Window((1, 1)), (self.oh, self.ow))
        size = self.window.output_size(self.oh, self.ow) if self.window else (self.oh, self.ow)
        self.pool, self.sign = numbers, -1.0 if self.kind == "min" else 1.0
        shape = (N, *size, self.f)
        self.dy = guarded(rng.normal(size=shape))
        self.out, self.winner = guarded(np.zeros(shape)), guarded(np.full(shape, 9), "uint8")
        self.mask = guarded(np.full(y.shape, 9), "uint8")
        self.dz, self.db = np.zeros(y.shape, "float32"), np.zeros(self.f, "float32")

    def compiled(self):
        pixel = whole_vectors(self.f)
        z_row = (self.ow + GAP) * pixel
        bias, db = np.zeros(pixel, "float32"), np.zeros(pixel, "float32")
        bias[: self.f] = self.bias
        for n in range(N):
            room = np.full(START + self.oh * z_row, np.nan, "float32")
            cells = room[START:].reshape(self.oh, self.ow + GAP, pixel)[:, : self.ow]  # (OH, OW, pixel)
            cells[..., : self.f] = self.y[n] - self.bias
            place = (START, z_row, pixel, self.oh, self.ow)
            finish(room, *place, bias, self.relu, self.sign, self.pool, n, self.out, self.winner, self.mask)
            room[...] = np.nan
            expand(self.dy, self.out, self.winner, self.mask, n, self.relu, self.pool, room, *place, db)
            self.dz[n] = cells[..., : self.f]
            assert not cells[..., self.f :].any(), "channels after the last one are 0"
            assert np.isnan(room[:START]).all()
            assert np.isnan(room[START:].reshape(self.oh, -1, pixel)[:, self.ow :]).all()
        self.db[:] = db[: self.f]
        assert all(intact(array) for array in (self.dy, self.out, self.winner, self.mask))
        return self

    def plain(self):
        for n in range(N):
            z = self.y[n] - self.bias
            finish_map_plain(z, self.bias, self.relu, self.sign, self.pool, self.out[n], self.winner[n], self.mask[n])
            self.db += expand_map_plain(
                self.dy[n], self.out[n], self.winner[n], self.mask[n], self.relu, self.pool, self.dz[n]
            )
        return self

    def layers(self):
        """(out, dz), as the layers compute them one after the other."""
        activated = relu_of_layers(self.y) if self.relu else self.y
        out, dactivated = activated, self.dy
        if self.window is not None:
            layer = POOLINGS[self.kind](self.window.size, self.window.strides, self.window.padding)
            out, cache = layer.forward(activated)
            dactivated = layer.backward(self.dy, cache)
        return out, relu_of_layers.backward(dactivated, self.y, activated) if self.relu else dactivated


def small_numbers(oh, ow, f, seed=1):
    """Whole numbers that often tie."""
    return np.random.default_rng(seed).integers(-3, 4, (N, oh, ow, f)).astype("float32")


def agree(case, way):
    out, dz = case.layers()
    getattr(case, way)()
    np.testing.assert_allclose(case.out, out, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(case.dz, dz, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(case.db, dz.sum(axis=(0, 1, 2)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("way", ["compiled", "plain"])
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("size", [(7, 9, 5), (6, 5, 16), (5, 8, 19)])
def test_values_ties_and_gradients(size, pool, relu, way):
    agree(Case(small_numbers(*size), pool, relu), way)


@pytest.mark.parametrize("way", ["compiled", "plain"])
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("pool", [name for name in POOLS if "average" not in name])
def test_nan_and_infinity(pool, relu, way):
    y, rng = small_numbers(9, 7, 18), np.random.default_rng(2)
    for value in (np.nan, np.inf, -np.inf):
        y[rng.random(y.shape) < 0.06] = value
    agree(Case(y, pool, relu), way)


@pytest.mark.parametrize("way", ["compiled", "plain"])
def test_an_average_with_nan_is_nan(way):
    y = small_numbers(4, 4, 3)
    y[0, 1, 1, 2] = np.nan
    case = getattr(Case(y, "average 2x2, same", True), way)()
    assert np.isnan(case.out[0, 0, 0, 2])
    assert np.isnan(case.out).sum() == 1


@pytest.mark.parametrize("way", ["compiled", "plain"])
@pytest.mark.parametrize(("oh", "ow"), [(6, 7), (7, 6)])
@pytest.mark.parametrize(("pool", "worst"), [("max 3x3 by 2, same", -np.inf), ("min 2x3, same", np.inf)])
def test_padding_never_wins(pool, worst, oh, ow, way):
    case = Case(np.full((N, oh, ow, 4), worst), pool, relu=False)
    agree(case, way)
    assert np.all(case.out == worst)
    _, _, KW, SH, SW, top, left = case.pool
    for (_, i, j, _), place in np.ndenumerate(case.winner):
        assert 0 <= i * SH - top + place // KW < oh
        assert 0 <= j * SW - left + place % KW < ow


@pytest.mark.parametrize("way", ["compiled", "plain"])
def test_closed_where_nothing_is_positive(way):
    y = np.array([[-1, -2, 0, -1, 3, np.nan], [-3, -1, -1, 0, 2, 5]]).reshape(1, 2, 6, 1).repeat(N, axis=0)
    case = getattr(Case(y, "max 2x2", relu=True), way)()
    np.testing.assert_array_equal(case.winner[0, 0, :, 0], [CLOSED, CLOSED, CLOSED])
    np.testing.assert_array_equal(case.out[0, 0, :, 0], [0, 0, np.nan])
    assert not case.dz.any()


@pytest.mark.parametrize("way", ["compiled", "plain"])
def test_every_cell_of_the_mask_is_written(way):
    case = getattr(Case(small_numbers(5, 7, 18), "average 1x2 by 3", relu=True), way)()
    np.testing.assert_array_equal(case.mask, case.y > 0)


@pytest.mark.parametrize(
    ("kh", "sh", "first", "last", "rows"),
    [(5, 3, 0, 2, (0, 7)), (5, 3, 2, 3, (5, 10)), (2, 3, 1, 2, (2, 5)), (5, 3, 3, 4, (8, 12))],
)
def test_rows_of_the_map_that_a_band_of_windows_needs(kh, sh, first, last, rows):
    above, below = (getattr(one, "py_func", one) for one in (rows_above, rows_below))
    pool = np.array([EXTREME, kh, 4, sh, 7, 1, 9])  # one row of padding above
    assert (above(pool, first), below(pool, last, 4, 12)) == rows
    pool[0] = AVERAGE  # the last band has the rows that are in no window too
    assert below(pool, last, 4, 12) == (rows[1] if last < 4 else 12)
    assert below(pool, last, last, 12) == 12
