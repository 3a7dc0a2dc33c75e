"""Convolution against its definition as nested loops, against hand-worked numbers."""

import naive
import note001
import numpy as np
import pytest
from layer_helpers import normal, ready, run

from tinyconv.initializers import GlorotUniform
from tinyconv.layers import Conv2D, DepthwiseConv2D, MaxPooling2D

# filters, kernel_size and further options; x is (2, 7, 6, C)
CONVOLUTIONS = [
    (4, 5, (3, 2), {}),
    (4, 5, (2, 3), {"strides": (3, 1)}),
    (4, 5, (3, 2), {"strides": (1, 4), "use_bias": False}),
    (4, 5, (3, 2), {"padding": "same"}),
    (4, 5, (4, 5), {"padding": "same"}),
    (4, 5, (3, 4), {"padding": "same", "strides": (2, 3)}),
    (4, 5, (1, 2), {"padding": "same", "strides": (4, 3)}),
    (4, 5, (3, 2), {"padding": ((2, 0), (1, 3))}),
    (4, 5, (3, 2), {"padding": ((0, 1), (4, 0)), "strides": (2, 3)}),
    (4, 5, (3, 2), {"dilation_rate": (2, 3)}),
    (4, 5, (3, 2), {"dilation_rate": (3, 2), "padding": "same"}),
    (4, 6, (3, 2), {"groups": 2}),
    (6, 3, (2, 3), {"groups": 3, "strides": (2, 1), "padding": "same"}),
    (4, 8, (2, 3), {"groups": 4, "dilation_rate": (2, 1)}),
    (1, 5, (7, 6), {}),
    (4, 1, (1, 1), {}),
]

DEPTHWISES = [
    (4, (3, 2), {}),
    (4, (3, 2), {"depth_multiplier": 5}),
    (3, (2, 3), {"depth_multiplier": 2, "strides": (2, 3), "padding": "same"}),
    (4, (3, 2), {"depth_multiplier": 3, "dilation_rate": (2, 3), "use_bias": False}),
    (5, (3, 2), {"padding": ((1, 0), (2, 3)), "strides": (3, 1)}),
    (1, (3, 4), {"depth_multiplier": 2}),
]


def naive_options(options):
    """The same options by the names that `naive` uses."""
    names = {"strides": "strides", "padding": "padding", "dilation_rate": "dilation", "groups": "groups"}
    return {names[name]: value for name, value in options.items() if name in names}


def convolution(channels, filters, kernel_size, options):
    """(layer, x) of one row of the table."""
    x = normal(2, 7, 6, channels)
    return ready(Conv2D(filters, kernel_size, **options), x), x


def depthwise(channels, kernel_size, options):
    """(layer, x) of one row of the table."""
    x = normal(2, 7, 6, channels)
    return ready(DepthwiseConv2D(kernel_size, **options), x), x


# Against the definition


@pytest.mark.parametrize(("channels", "filters", "kernel_size", "options"), CONVOLUTIONS)
def test_forward_equals_naive(channels, filters, kernel_size, options):
    layer, x = convolution(channels, filters, kernel_size, options)
    ref = naive.conv2d(x, layer.params["kernel"], layer.params.get("bias"), **naive_options(options))
    comp, _ = layer.forward(x)
    np.testing.assert_allclose(comp, ref, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("channels", "filters", "kernel_size", "options"), CONVOLUTIONS)
def test_backward_equals_naive(channels, filters, kernel_size, options):
    layer, x = convolution(channels, filters, kernel_size, options)
    _, dy, dx = run(layer, x)
    ref_dx, ref_dkernel, ref_dbias = naive.conv2d_backward(dy, x, layer.params["kernel"], **naive_options(options))
    np.testing.assert_allclose(dx, ref_dx, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(layer.grads["kernel"], ref_dkernel, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(layer.grads.get("bias", ref_dbias), ref_dbias, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("channels", "kernel_size", "options"), DEPTHWISES)
def test_depthwise_forward_equals_naive(channels, kernel_size, options):
    layer, x = depthwise(channels, kernel_size, options)
    ref = naive.depthwise_conv2d(x, layer.params["kernel"], layer.params.get("bias"), **naive_options(options))
    comp, _ = layer.forward(x)
    np.testing.assert_allclose(comp, ref, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("channels", "kernel_size", "options"), DEPTHWISES)
def test_depthwise_backward_equals_naive(channels, kernel_size, options):
    layer, x = depthwise(channels, kernel_size, options)
    _, dy, dx = run(layer, x)
    kernel = layer.params["kernel"]
    ref_dx, ref_dkernel, ref_dbias = naive.depthwise_conv2d_backward(dy, x, kernel, **naive_options(options))
    np.testing.assert_allclose(dx, ref_dx, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(layer.grads["kernel"], ref_dkernel, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(layer.grads.get("bias", ref_dbias), ref_dbias, rtol=1e-10, atol=1e-12)


# The numbers of the notes


def note_convolution(kernel, **options):
    """A convolution with one given 3x3 kernel and no bias, in float64."""
    layer = Conv2D(1, 3, use_bias=False, dtype="float64", **options)
    layer.build((None, 6, 6, 1))
    layer.params["kernel"][...] = note001.kernel(kernel)
    return layer


@pytest.mark.parametrize("name", ["A", "B"])
def test_note_001_maps(name):
    y, _ = note_convolution(note001.KERNEL).forward(note001.image(name))
    np.testing.assert_array_equal(y[0, :, :, 0], note001.MAPS[name])


@pytest.mark.parametrize("name", ["A", "B"])
def test_note_001_kernel_gradient(name):
    layer = note_convolution(note001.KERNEL)
    y, cache = layer.forward(note001.image(name))
    layer.backward(np.ones_like(y), cache)
    np.testing.assert_array_equal(layer.grads["kernel"][:, :, 0, 0], note001.DKERNEL[name])


@pytest.mark.parametrize("name", ["A", "B"])
def test_note_001_kernel_gradient_through_max_pooling(name):
    convolution, pooling = note_convolution(note001.KERNEL), MaxPooling2D()
    y, cache = convolution.forward(note001.image(name))
    p, pool_cache = pooling.forward(y)
    convolution.backward(pooling.backward(np.ones_like(p), pool_cache), cache)
    np.testing.assert_array_equal(convolution.grads["kernel"][:, :, 0, 0], note001.DKERNEL_MAX_POOLED[name])


def test_note_001_stride_2_with_one_pixel_on_every_side():
    y, _ = note_convolution(note001.KERNEL, strides=2, padding=1).forward(note001.image("A"))
    np.testing.assert_array_equal(y[0, :, :, 0], note001.STRIDE_2_PADDING_1)


def test_note_001_stride_2_same_pads_bottom_and_right():
    y, _ = note_convolution(note001.KERNEL, strides=2, padding="same").forward(note001.image("A"))
    np.testing.assert_array_equal(y[0, :, :, 0], note001.STRIDE_2_SAME)


def test_the_kernel_is_not_turned():
    y, _ = note_convolution(note001.SOBEL).forward(note001.image("A"))
    np.testing.assert_array_equal(y[0, :, :, 0], note001.SOBEL_MAP_A)


def test_the_kernel_is_not_turned_on_the_way_back_either():
    layer = note_convolution(note001.SOBEL)
    y, cache = layer.forward(note001.image("A"))
    dx = layer.backward(np.ones_like(y), cache)
    np.testing.assert_array_equal(dx[0, :, :, 0], note001.SOBEL_DX)


NOTE_SHAPES = [
    # input, filters, options, output, parameters
    ((299, 299, 3), 32, {"kernel_size": 5, "padding": "same"}, (299, 299, 32), 2_432),  # note 001
    ((149, 149, 32), 64, {"kernel_size": 3, "padding": "same"}, (149, 149, 64), 18_496),
    ((100, 100, 3), 16, {"kernel_size": 3, "padding": "same"}, (100, 100, 16), 448),  # note 002
    ((28, 28, 1), 75, {"kernel_size": 3, "padding": "same"}, (28, 28, 75), 750),  # note 003
    ((14, 14, 75), 50, {"kernel_size": 3, "padding": "same"}, (14, 14, 50), 33_800),
    ((28, 28, 1), 32, {"kernel_size": 3, "padding": "same", "strides": 2}, (14, 14, 32), 320),
    ((14, 14, 32), 32, {"kernel_size": 3, "padding": "same", "strides": 2}, (7, 7, 32), 9_248),
    ((7, 7, 32), 32, {"kernel_size": 3, "padding": "same", "strides": 2}, (4, 4, 32), 9_248),
    ((28, 28, 1), 32, {"kernel_size": 3}, (26, 26, 32), 320),  # note 004
    ((13, 13, 32), 64, {"kernel_size": 3}, (11, 11, 64), 18_496),
]


@pytest.mark.parametrize(("image", "filters", "options", "output", "parameters"), NOTE_SHAPES)
def test_shapes_of_the_notes(image, filters, options, output, parameters):
    assert Conv2D(filters, **options).compute_output_shape((None, *image)) == (None, *output)


@pytest.mark.parametrize(("image", "filters", "options", "output", "parameters"), NOTE_SHAPES)
def test_parameter_counts_of_the_notes(image, filters, options, output, parameters):
    assert Conv2D(filters, input_shape=image, **options).count_params() == parameters


# First values


def test_a_seeded_initializer_gives_the_same_kernel_twice():
    one, two = (Conv2D(5, (3, 2), kernel_initializer=GlorotUniform(seed=7)) for _ in range(2))
    one.build((None, 7, 6, 4))
    two.build((None, 7, 6, 4))
    np.testing.assert_array_equal(one.params["kernel"], two.params["kernel"])


def test_kernels_of_two_layers_differ():
    one, two = Conv2D(5, (3, 2)), Conv2D(5, (3, 2))
    one.build((None, 7, 6, 4))
    two.build((None, 7, 6, 4))
    assert not np.array_equal(one.params["kernel"], two.params["kernel"])


def test_kernels_start_within_the_glorot_limit():
    layer = Conv2D(50, (3, 2))
    layer.build((None, 7, 6, 40))
    limit = np.sqrt(6 / (3 * 2 * 40 + 3 * 2 * 50))
    assert 0.95 * limit < np.abs(layer.params["kernel"]).max() <= limit


def test_bias_starts_at_zero():
    layer = Conv2D(5, (3, 2))
    layer.build((None, 7, 6, 4))
    np.testing.assert_array_equal(layer.params["bias"], np.zeros(5))
