"""Warps against loops, against scipy, and against themselves backwards."""

import numpy as np
import pytest
from naive_warp import naive_warp
from oracle import array, load_keras

from tinyconv import warp as w
from tinyconv.warp import FILL_MODES, INTERPOLATIONS, warp, warp_gradient

SIZES = [((7, 6), (5, 8)), ((1, 5), (3, 4)), ((2, 1), (2, 2)), ((1, 1), (3, 2)), ((4, 9), (4, 9))]

every_mode = pytest.mark.parametrize("fill_mode", FILL_MODES)
every_interpolation = pytest.mark.parametrize("interpolation", INTERPOLATIONS)
every_size = pytest.mark.parametrize(("size", "out"), SIZES, ids=str)


def images(n, size, channels=2, seed=0):
    return np.random.default_rng(seed).normal(size=(n, *size, channels))


def matrices(n, seed=0, reach=6):
    """Any matrices; every other one of whole and half numbers, so that points lie on cells and just between two."""
    found = np.random.default_rng(seed).normal(size=(n, 2, 3)) * [1, 1, reach]
    found[::2] = np.round(2 * found[::2]) / 2
    return found


# Values


@every_mode
@every_interpolation
@every_size
def test_equals_the_loops(fill_mode, interpolation, size, out):
    x, m = images(6, size), matrices(6)
    if interpolation == "nearest":
        m = m + 1e-3 * np.random.default_rng(1).random(m.shape)  # ties are scipy's own affair
    found = warp(x, m, size=out, fill_mode=fill_mode, fill_value=1.7, interpolation=interpolation)
    np.testing.assert_allclose(found, naive_warp(x, m, out, fill_mode, 1.7, interpolation), atol=1e-9)


@pytest.mark.oracle
@every_mode
@every_interpolation
@every_size
def test_equals_scipy(fill_mode, interpolation, size, out):
    ndimage = pytest.importorskip("scipy.ndimage", reason="needs the extra 'oracle'")
    x, m = images(30, size, 1), matrices(30)
    order = int(interpolation == "bilinear")
    wanted = [
        ndimage.affine_transform(a[..., 0], b[:, :2], b[:, 2], out, order=order, mode=fill_mode, cval=1.7)
        for a, b in zip(x, m)
    ]
    found = warp(x, m, size=out, fill_mode=fill_mode, fill_value=1.7, interpolation=interpolation)
    np.testing.assert_allclose(found[..., 0], wanted, atol=1e-12)


@every_interpolation
def test_the_identity_changes_nothing(interpolation):
    x = images(3, (5, 4))
    np.testing.assert_array_equal(warp(x, w.affine(), interpolation=interpolation), x)


@every_mode
def test_one_matrix_serves_all_images(fill_mode):
    x, m = images(3, (5, 4)), matrices(1)[0]
    np.testing.assert_array_equal(warp(x, m, fill_mode=fill_mode), warp(x, np.stack([m] * 3), fill_mode=fill_mode))


@pytest.mark.parametrize(
    ("fill_mode", "wanted"),
    [
        ("constant", "k k k a b c k k k"),
        ("grid-constant", "k k k a b c k k k"),
        ("nearest", "a a a a b c c c c"),
        ("reflect", "c b a a b c c b a"),
        ("wrap", "b c b a b c b a b"),
        ("grid-wrap", "a b c a b c a b c"),
    ],
)
def test_what_lies_beyond(fill_mode, wanted):
    row = np.array([ord(letter) for letter in "abc"], float).reshape(1, 1, 3, 1)
    found = warp(row, w.shift(0, 3), size=(1, 9), fill_mode=fill_mode, fill_value=ord("k"))
    assert " ".join(map(chr, found.astype(int).ravel())) == wanted


@pytest.mark.parametrize(("dtype", "result"), [("uint8", "float32"), ("float32", "float32"), ("float64", "float64")])
def test_float_types(dtype, result):
    x = np.arange(24).reshape(1, 4, 6, 1).astype(dtype)
    assert warp(x, w.rotation(10)).dtype == result


@every_mode
@pytest.mark.parametrize("fill_value", [np.inf, np.nan, 0.1])
def test_far_beyond_is_the_fill_value_and_nothing_else(fill_mode, fill_value):
    y = warp(images(1, (3, 4)), w.shift(50, 50.5), fill_mode=fill_mode, fill_value=fill_value)
    is_fill = np.isnan(y) if np.isnan(fill_value) else y == fill_value
    assert is_fill.all() == ("constant" in fill_mode)


def test_nan_and_infinity_stay_with_their_neighbours():
    x = images(2, (6, 7), 1)
    x[0, 2, 3], x[1, 4, 4] = np.nan, np.inf
    y = warp(x, w.shift(0.5, 0.25))
    places = np.argwhere(~np.isfinite(y[..., 0])).tolist()
    assert places == [[0, 2, 3], [0, 2, 4], [0, 3, 3], [0, 3, 4], [1, 4, 4], [1, 4, 5], [1, 5, 4], [1, 5, 5]]


def test_far_points_are_computed():
    x = images(1, (5, 4))
    for fill_mode in FILL_MODES:
        assert np.isfinite(warp(x, w.affine(1e9, -1e9, 1e9, 1e9, -1e9, 1e9), fill_mode=fill_mode)).all()


def test_many_images_are_done_in_parts(monkeypatch):
    x, m = images(7, (5, 4)), matrices(7)
    whole, back = warp(x, m), warp_gradient(x, m, (5, 4))
    monkeypatch.setattr(w, "_SLAB", 45)
    np.testing.assert_array_equal(warp(x, m), whole)
    np.testing.assert_array_equal(warp_gradient(x, m, (5, 4)), back)


def test_no_images():
    assert warp(np.zeros((0, 4, 5, 3)), w.affine(), size=(2, 7)).shape == (0, 2, 7, 3)
    assert warp_gradient(np.zeros((0, 2, 7, 3)), w.affine(), (4, 5)).shape == (0, 4, 5, 3)


# The gradient


@every_mode
@every_interpolation
@every_size
def test_the_gradient_is_the_adjoint(fill_mode, interpolation, size, out):
    x, m, dy = images(4, size), matrices(4, reach=2), images(4, out, seed=2)
    settings = {"fill_mode": fill_mode, "interpolation": interpolation}
    y = warp(x, m, size=out, **settings)  # linear in x where fill_value is 0
    dx = warp_gradient(dy, m, size, **settings)
    np.testing.assert_allclose((dy * y).sum(axis=(1, 2, 3)), (dx * x).sum(axis=(1, 2, 3)), atol=1e-10)


def test_the_gradient_keeps_its_float_type():
    assert warp_gradient(np.ones((1, 3, 4, 2), np.float32), w.affine(), (3, 4)).dtype == np.float32


# Matrices


def points(matrix, *cells):
    """Where the matrix looks for these cells."""
    return [tuple(matrix @ (row, column, 1)) for row, column in cells]


def picture():
    """1 in the upper right of a 3x3 image, 2 in the lower left."""
    x = np.zeros((1, 3, 3, 1))
    x[0, 0, 2], x[0, 2, 0] = 1, 2
    return x


def seen(matrix, x=None, **settings):
    return warp(picture() if x is None else x, matrix, **settings)[0, :, :, 0]


def test_a_quarter_turn_is_counter_clockwise():
    found = seen(w.about_centre(w.rotation(90), (3, 3)), interpolation="nearest")
    np.testing.assert_array_equal(found, np.rot90(picture()[0, :, :, 0]))


def test_shift_moves_down_and_right():
    found = seen(w.shift(1, -1), fill_mode="constant", fill_value=9)
    np.testing.assert_array_equal(found, [[9, 9, 9], [0, 1, 9], [0, 0, 9]])


def test_shear():
    assert points(w.shear(rows=0.5), (2, 4)) == [(4, 4)]
    assert points(w.shear(columns=0.5), (2, 4)) == [(2, 5)]


def test_zoom_above_one_shrinks():
    assert points(w.about_centre(w.zoom(2, 1), (5, 5)), (2, 2), (3, 3)) == [(2, 2), (4, 3)]


@pytest.mark.parametrize(("rows", "columns"), [(False, False), (True, False), (False, True), (True, True)])
@every_interpolation
def test_flip(rows, columns, interpolation):
    x = images(1, (4, 7))
    wanted = x[:, :: -1 if rows else 1, :: -1 if columns else 1]
    np.testing.assert_array_equal(warp(x, w.flip((4, 7), rows, columns), interpolation=interpolation), wanted)


def test_matrices_of_arrays():
    angles = np.array([0.0, 30.0, -90.0])
    several = w.about_centre(w.product(w.rotation(angles), w.zoom(1.5, 2)), (6, 7))
    one_by_one = [w.about_centre(w.product(w.rotation(angle), w.zoom(1.5, 2)), (6, 7)) for angle in angles]
    np.testing.assert_allclose(several, one_by_one)
    assert w.affine(np.zeros((4, 2)), 1).shape == (4, 2, 2, 3)


def test_a_product_looks_through_the_last_matrix_first():
    a, b, c = matrices(3, seed=4)
    square = [np.vstack([m, [0, 0, 1]]) for m in (a, b, c)]
    np.testing.assert_allclose(w.product(a, b, c), (square[0] @ square[1] @ square[2])[:2], atol=1e-12)


@pytest.mark.oracle
@pytest.mark.parametrize(("size", "out"), [((7, 6), (14, 12)), ((7, 6), (5, 3)), ((5, 9), (6, 1)), ((3, 2), (8, 7))])
@every_interpolation
def test_resize_equals_keras(size, out, interpolation):
    keras = load_keras()
    x = images(2, size).astype("float32")
    wanted = keras.ops.image.resize(x, out, interpolation=interpolation, antialias=False)
    found = warp(x, w.resize(size, out), size=out, interpolation=interpolation)
    np.testing.assert_allclose(found, array(wanted), atol=1e-5)


# Errors


@pytest.mark.parametrize(
    ("message", "settings"),
    [
        ("fill_mode 'reflected'.*Did you mean 'reflect'", {"fill_mode": "reflected"}),
        ("interpolation 'linear'.*Did you mean 'bilinear'", {"interpolation": "linear"}),
        (r"images of shape \(N, H, W, C\).*\(4, 5, 3\)", {"images": np.zeros((4, 5, 3))}),
        ("at least one pixel", {"images": np.zeros((2, 0, 5, 3))}),
        (r"matrices of shape \(2, 3\) or \(2, 2, 3\).*\(3, 2, 3\)", {"matrices": np.zeros((3, 2, 3))}),
        ("numbers up to 1e\\+09", {"matrices": np.full((2, 3), np.nan)}),
        ("numbers up to 1e\\+09", {"matrices": np.full((2, 3), 1e10)}),
    ],
)
def test_errors(message, settings):
    arguments = {"images": np.zeros((2, 4, 5, 3)), "matrices": w.affine()} | settings
    with pytest.raises(ValueError, match=message):
        warp(**arguments)
