"""Layers that only move or scale numbers: Flatten, Reshape, ZeroPadding2D, Rescaling, InputLayer."""

import naive
import numpy as np
import pytest
from layer_helpers import normal, run

from tinyconv.layers import Flatten, Input, InputLayer, Rescaling, Reshape, ZeroPadding2D

PADDINGS = [
    (2, ((2, 2), (2, 2))),
    ((1, 3), ((1, 1), (3, 3))),
    (((1, 0), (2, 4)), ((1, 0), (2, 4))),
    (0, ((0, 0), (0, 0))),
]


# Flatten


def test_note_000_flatten():
    y, _ = Flatten().forward(np.array([[7.0, 5], [5, 8]])[None, :, :, None])
    np.testing.assert_array_equal(y, [[7, 5, 5, 8]])


def test_flatten_equals_naive():
    x = normal(2, 7, 6, 4)
    np.testing.assert_array_equal(Flatten().forward(x)[0], naive.flatten(x))


def test_flatten_gives_the_gradient_back_in_the_old_shape():
    _, dy, dx = run(Flatten(), normal(2, 7, 6, 4))
    np.testing.assert_array_equal(naive.flatten(dx), dy)


@pytest.mark.parametrize(
    ("shape", "size"),
    [((74, 74, 64), 350_464), ((12, 12, 64), 9_216), ((4, 4, 25), 400), ((22, 22, 32), 15_488), ((6, 6, 64), 2_304)],
)
def test_flatten_sizes_of_the_notes(shape, size):
    assert Flatten().compute_output_shape((None, *shape)) == (None, size)


def test_flatten_of_an_unknown_size_is_unknown():
    assert Flatten().compute_output_shape((None, None, 6, 4)) == (None, None)


def test_flatten_of_one_number_a_sample():
    assert Flatten()(np.zeros(3)).shape == (3, 1)


def test_flatten_refuses_channels_first():
    with pytest.raises(ValueError, match=r"channels_last.*Received data_format='channels_first'"):
        Flatten(data_format="channels_first")


# Reshape


def test_reshape_keeps_the_order():
    x = normal(2, 7, 6, 4)
    np.testing.assert_array_equal(Reshape((14, 12)).forward(x)[0].reshape(2, -1), naive.flatten(x))


def test_reshape_is_undone_by_the_old_shape():
    x = normal(2, 7, 6, 4)
    np.testing.assert_array_equal(Reshape((7, 6, 4)).forward(Reshape((14, 12)).forward(x)[0])[0], x)


def test_reshape_works_out_one_axis():
    assert Reshape((2, -1, 3)).compute_output_shape((None, 7, 6, 4)) == (None, 2, 28, 3)


def test_reshape_of_images_of_any_size_leaves_the_axis_open():
    assert Reshape((2, -1, 3)).compute_output_shape((None, None, 6, 4)) == (None, 2, None, 3)


@pytest.mark.parametrize("target", [(5, 5), (-1, 5), (168, 2)])
def test_reshape_to_another_size(target):
    with pytest.raises(
        ValueError, match=r"Reshape 'r': expected numbers that fill \(.*Received 168, of shape \(7, 6, 4\)"
    ):
        Reshape(target, name="r")(np.zeros((2, 7, 6, 4)))


@pytest.mark.parametrize("target", [(-1, -1), (0, 3), (-2, 3), (2.5, 84), -1])
def test_reshape_to_an_impossible_shape(target):
    with pytest.raises(
        ValueError, match=r"Reshape 'r': expected target_shape of positive numbers.*Received target_shape="
    ):
        Reshape(target, name="r")


# ZeroPadding2D


@pytest.mark.parametrize(("padding", "sides"), PADDINGS)
def test_zero_padding_equals_naive(padding, sides):
    x = normal(2, 7, 6, 4)
    np.testing.assert_array_equal(ZeroPadding2D(padding).forward(x)[0], naive.zero_pad(x, sides))


@pytest.mark.parametrize(("padding", "sides"), PADDINGS)
def test_zero_padding_gradient_equals_naive(padding, sides):
    x = normal(2, 7, 6, 4)
    _, dy, dx = run(ZeroPadding2D(padding), x)
    np.testing.assert_array_equal(dx, naive.zero_pad_backward(dy, sides, x.shape))


def test_zero_padding_pads_one_pixel_unless_told():
    assert ZeroPadding2D().compute_output_shape((None, 7, 6, 4)) == (None, 9, 8, 4)


def test_zero_padding_of_an_unknown_size_is_unknown():
    assert ZeroPadding2D((1, 2)).compute_output_shape((None, None, 6, 4)) == (None, None, 10, 4)


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_zero_padding_wants_pixels(padding):
    with pytest.raises(
        ValueError, match=rf"ZeroPadding2D 'z': expected padding in pixels.*Received padding='{padding}'"
    ):
        ZeroPadding2D(padding, name="z")


@pytest.mark.parametrize("padding", [-1, (1, 2, 3), 1.5, "all"])
def test_zero_padding_refuses(padding):
    with pytest.raises(ValueError, match=r"ZeroPadding2D 'z': expected padding.*Received padding="):
        ZeroPadding2D(padding, name="z")


# Rescaling


def test_rescaling_by_hand():
    y, _ = Rescaling(2.0, offset=-1.0).forward(np.array([[0.0, 0.5, 1.0]]))
    np.testing.assert_array_equal(y, [[-1, 0, 1]])


def test_rescaling_scales_the_gradient():
    _, dy, dx = run(Rescaling(3.0, offset=5.0), normal(2, 7))
    np.testing.assert_allclose(dx, 3 * dy, rtol=1e-12)


def test_rescaling_of_whole_number_pixels_gives_floats():
    y = Rescaling(1 / 255)(np.array([[[[0], [51], [255]]]], np.uint8))
    np.testing.assert_allclose(y.ravel(), [0, 0.2, 1], rtol=1e-6)
    assert y.dtype == np.float32


# Input


def test_input_has_an_unknown_batch():
    assert Input((28, 28, 1)).shape == (None, 28, 28, 1)


def test_input_layer_passes_everything_on():
    x = normal(2, 7, 6, 4)
    _, dy, dx = run(InputLayer((7, 6, 4)), x)
    np.testing.assert_array_equal(dx, dy)


@pytest.mark.parametrize("shape", [None, 28, (28, 0), (-1, 3), "28x28", (2.5, 3)])
def test_input_shape_must_be_positive_numbers(shape):
    with pytest.raises(ValueError, match=r"expected shape as a tuple of positive numbers.*Received shape="):
        Input(shape)
