"""One image turned, shifted, recoloured: hand-worked numbers, chance that a seed fixes, and settings that cannot be."""

import sys

import numpy as np
import pytest

from tinyconv import config, utils
from tinyconv.preprocessing import image, transforms

LAST = {"row_axis": 0, "col_axis": 1, "channel_axis": 2}


def picture(height=5, width=7, channels=3):
    """Numbers that are all different."""
    return np.arange(height * width * channels, dtype=np.float32).reshape(height, width, channels) ** 1.5


# What moves


def test_a_quarter_turn():
    x = picture(5, 5)
    np.testing.assert_allclose(image.apply_affine_transform(x, theta=90, **LAST), np.rot90(x), atol=1e-4)


def test_tx_is_sideways_and_ty_up_and_down_as_in_keras():
    x = picture()
    np.testing.assert_array_equal(image.apply_affine_transform(x, tx=2, **LAST)[:, :-2], x[:, 2:])
    np.testing.assert_array_equal(image.apply_affine_transform(x, ty=2, **LAST)[:-2], x[2:])


def test_zoom_about_the_centre():
    x = np.zeros((5, 5, 1))
    x[1:4, 1:4] = 1
    larger = image.apply_affine_transform(x, zx=0.5, zy=0.5, **LAST)
    np.testing.assert_array_equal(larger[..., 0], np.ones((5, 5)))


def test_a_shear_moves_each_row_in_proportion():
    x = picture(5, 5, 1)
    slant = image.apply_affine_transform(x, shear=45, **LAST, fill_mode="constant")
    assert slant[2, 2] == pytest.approx(x[2, 2])
    assert not np.allclose(slant[0], x[0])


def test_outside_is_what_fill_mode_says():
    x = np.array([[[1.0], [2.0], [3.0]]])
    expected = {"nearest": [3, 3, 3], "constant": [3, 9, 9], "reflect": [3, 3, 2], "wrap": [3, 2, 1]}
    for mode, numbers in expected.items():
        found = image.apply_affine_transform(x, tx=2, **LAST, fill_mode=mode, cval=9)
        assert found[0, :, 0].tolist() == numbers


def test_nothing_to_do_gives_the_image_back():
    x = picture()
    assert image.apply_affine_transform(x, **LAST) is x


@pytest.mark.parametrize("axes", [(1, 2, 0), (2, 1, 0), (1, 0, 2)])
def test_any_order_of_axes_is_the_same_picture(axes):
    x = picture()
    names = dict(zip(("row_axis", "col_axis", "channel_axis"), axes))
    other = image.apply_affine_transform(x.transpose(np.argsort(axes)), 20, 1, 2, 5, 0.8, 1.1, **names)
    expected = image.apply_affine_transform(x, 20, 1, 2, 5, 0.8, 1.1, **LAST)
    np.testing.assert_array_equal(other.transpose(axes), expected)


def test_whole_numbers_are_rounded_and_stay_in_their_type():
    x = np.array([[[0], [255], [0]]], np.uint8)
    moved = image.apply_affine_transform(x, tx=0.5, **LAST)
    assert moved.dtype == np.uint8
    assert moved[0, :, 0].tolist() == [128, 128, 0]
    assert image.apply_affine_transform(x > 0, tx=1, **LAST)[0, :, 0].tolist() == [True, False, False]


def test_an_image_of_one_pixel():
    assert image.apply_affine_transform(np.full((1, 1, 3), 4.0), theta=30, zx=2, **LAST).tolist() == [[[4, 4, 4]]]


def test_nan_is_not_hidden():
    x = picture()
    x[2, 3, 1] = np.nan
    assert np.isnan(image.apply_affine_transform(x, tx=0.5, **LAST)).any()
    assert np.isnan(image.apply_channel_shift(x, 3.0, 2)).all()
    assert np.isnan(image.apply_brightness_shift(x, 0.5, scale=False)[2, 3, 1])


def test_matrices_for_many_images_are_those_for_each():
    rng = np.random.default_rng(0)
    numbers = rng.uniform(0.5, 2, (6, 4))
    together = transforms.affine_matrices((5, 8), *numbers)
    assert together.shape == (4, 2, 3)
    for one, drawn in zip(together, numbers.T):
        np.testing.assert_array_equal(one, transforms.affine_matrices((5, 8), *drawn))


def test_splines_need_scipy(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(ImportError, match="pip install scipy"):
        image.apply_affine_transform(picture(), theta=3, **LAST, order=3)


# Colours


def test_a_channel_shift_stays_within_the_image():
    x = np.array([[[0.0, 50.0], [100.0, 20.0]]])
    assert image.apply_channel_shift(x, 30, 2).tolist() == [[[30, 80], [100, 50]]]
    assert image.apply_channel_shift(x, -30, 2).tolist() == [[[0, 20], [70, 0]]]


def test_brightness_in_whole_numbers():
    x = np.array([[[10.0], [101.0], [200.0]]])
    assert image.apply_brightness_shift(x, 0.5, scale=False).ravel().tolist() == [5, 50, 100]
    assert image.apply_brightness_shift(x, 2, scale=False).ravel().tolist() == [20, 202, 255]
    assert image.apply_brightness_shift(x, 1).ravel().tolist() == [0, 122, 255]


def test_brightness_on_another_scale_comes_back_to_it():
    x = np.linspace(-1, 1, 12).reshape(2, 2, 3)
    found = image.apply_brightness_shift(x, 0.5, scale=False)
    np.testing.assert_allclose(found, (x + 1) / 2 - 1, atol=0.02)


def test_opacity_has_no_brightness():
    x = np.full((2, 2, 4), 100.0)
    assert image.apply_brightness_shift(x, 0.5, scale=False)[0, 0].tolist() == [50, 50, 50, 100]


def test_an_image_of_one_colour():
    x = np.full((2, 2, 3), 300.0)
    assert np.isfinite(image.apply_brightness_shift(x, 0.5)).all()
    np.testing.assert_array_equal(image.apply_brightness_shift(x, 0.5, scale=False), x)


# Chance

RANDOM = {
    "random_rotation": (30,),
    "random_shift": (0.3, 0.2),
    "random_shear": (20,),
    "random_zoom": ((0.5, 1.5),),
}


@pytest.mark.parametrize("name", RANDOM)
def test_a_seed_fixes_chance(name):
    change = getattr(image, name)
    x = picture(8, 8)
    utils.set_random_seed(3)
    first, second = change(x, *RANDOM[name], **LAST), change(x, *RANDOM[name], **LAST)
    assert not np.array_equal(first, second)
    assert first.shape == x.shape
    utils.set_random_seed(3)
    np.testing.assert_array_equal(change(x, *RANDOM[name], **LAST), first)
    np.testing.assert_array_equal(change(x.transpose(2, 0, 1), *RANDOM[name]).transpose(1, 2, 0), second)


def test_random_colours():
    x = picture()
    utils.set_random_seed(1)
    changed = image.random_channel_shift(x, 20.0, 2)
    assert changed.min() >= x.min()
    assert changed.max() <= x.max()
    assert not np.array_equal(changed, x)
    darker = image.random_brightness(x, (0.1, 0.2))
    assert 0.08 * 255 < darker.max() < 0.21 * 255


def test_other_streams_stay_where_they_are():
    before = config.stream("shuffling").bit_generator.state
    image.random_rotation(picture(), 20, **LAST)
    assert config.stream("shuffling").bit_generator.state == before


# What cannot be


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: image.apply_affine_transform(np.ones((4, 4)), theta=1), ValueError, r"three axes.*\(4, 4\)"),
        (lambda: image.apply_affine_transform([[["a"]]], theta=1), ValueError, "array of numbers"),
        (lambda: image.apply_affine_transform(picture(), theta=1, channel_axis=1), ValueError, "channels first or"),
        (lambda: image.apply_affine_transform(picture(), row_axis=0), ValueError, "row_axis=0, col_axis=2"),
        (lambda: image.apply_affine_transform(picture(), theta=1, fill_mode="edge"), ValueError, "fill_mode 'edge'"),
        (lambda: image.apply_affine_transform(picture(), theta=1, order=6), ValueError, "from 0 to 5"),
        (lambda: image.random_zoom(picture(), 0.2), ValueError, "zoom_range as a pair"),
        (lambda: image.random_brightness(picture(), (1, 2, 3)), ValueError, "brightness_range as a pair"),
        (lambda: image.random_brightness(picture(), (1, np.nan)), ValueError, "brightness_range as a pair"),
        (lambda: image.apply_channel_shift(np.ones(4), 3), ValueError, "apply_channel_shift: expected one image"),
    ],
)
def test_errors(call, error, words):
    with pytest.raises(error, match=words):
        call()
