"""Copying images into and out of a padded canvas: every pixel where it belongs, and nothing else touched."""

import numpy as np
import pytest
from engine_cases import guarded, intact

from tinyconv.engine.kernels.images import clear, copy_back, copy_back_plain, copy_padded, copy_padded_plain

SCALE, OFFSET = np.float32(0.5), np.float32(-3)

# (H, W, C), the canvas, and where in it the image begins
CASES = [
    ((5, 4, 3), (7, 6, 3), 1, 1),  # the same channels: rows
    ((5, 4, 3), (8, 9, 16), 2, 1),  # more channels: pixels
    ((6, 7, 32), (9, 8, 32), 2, 0),
    ((6, 7, 13), (9, 8, 16), 0, 1),
    ((4, 3, 33), (6, 6, 48), 1, 2),
    ((1, 1, 1), (3, 3, 1), 1, 1),
    ((5, 9, 1), (5, 9, 1), 0, 0),
    ((9, 8, 16), (6, 6, 16), 1, 1),  # the canvas ends before the image does
    ((9, 8, 5), (6, 6, 8), 1, 1),
    ((9, 3, 5), (6, 2, 8), 0, 2),  # no column of the image lies on it
    ((9, 3, 5), (6, 2, 5), 0, 3),
]


def images(shape, n=3):
    """A batch of images, guarded."""
    return guarded(np.random.default_rng(0).normal(size=(n, *shape)))


@pytest.mark.parametrize(("shape", "size", "top", "left"), CASES)
def test_an_image_is_copied_to_its_place_and_scaled(shape, size, top, left):
    x, canvas, expected = images(shape), guarded(np.zeros(size)), np.zeros(size, "float32")
    copy_padded(x, 1, SCALE, OFFSET, canvas, top, left)
    copy_padded_plain(x, 1, SCALE, OFFSET, expected, top, left)
    np.testing.assert_array_equal(canvas, expected)
    assert intact(canvas)


@pytest.mark.parametrize(("shape", "size", "top", "left"), CASES)
def test_an_image_comes_back_and_is_zero_where_the_canvas_ends(shape, size, top, left):
    canvas, dx = images(size, 1)[0], guarded(np.full((3, *shape), 9.0))
    expected = dx.copy()
    copy_back(canvas, dx, 2, SCALE, top, left)
    copy_back_plain(canvas, expected, 2, SCALE, top, left)
    np.testing.assert_array_equal(dx, expected)
    assert intact(dx)


def test_the_plain_twin_pads():
    x = np.arange(12, dtype="float32").reshape(1, 2, 3, 2)
    canvas = np.zeros((4, 5, 2), "float32")
    copy_padded_plain(x, 0, 1, 0, canvas, 1, 1)
    np.testing.assert_array_equal(canvas, np.pad(x[0], ((1, 1), (1, 1), (0, 0))))


def test_nan_and_infinity_are_copied():
    x, canvas = images((2, 3, 5)), np.zeros((2, 3, 16), "float32")
    x[0, 1, 2, 3], x[0, 0, 0, 0] = np.nan, -np.inf
    copy_padded(x, 0, SCALE, OFFSET, canvas, 0, 0)
    assert np.isnan(canvas[1, 2, 3])
    assert canvas[0, 0, 0] == -np.inf
    assert np.isfinite(canvas).sum() == canvas.size - 2


@pytest.mark.parametrize("size", [1, 8, 15, 16, 37])
def test_clear_sets_every_number_to_zero_and_no_other(size):
    a = guarded(np.ones(size))
    clear(a)
    np.testing.assert_array_equal(a, np.zeros(size))
    assert intact(a)
