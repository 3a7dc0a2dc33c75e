"""Convolution: what holds whatever the numbers are."""

import numpy as np
import pytest
from layer_helpers import normal, ready, run

from tinyconv import layers
from tinyconv.layers import Conv2D, Dense, DepthwiseConv2D


def same_weights(layer, other):
    """`layer` with the arrays of `other`."""
    layer.set_weights(other.get_weights())
    return layer


def test_convolution_is_linear_in_the_image():
    a, b = normal(2, 7, 6, 4, seed=1), normal(2, 7, 6, 4, seed=2)
    layer = ready(Conv2D(5, (3, 2), strides=(2, 1), padding="same", use_bias=False), a)
    comp = layer.forward(3 * a - 0.5 * b)[0]
    np.testing.assert_allclose(comp, 3 * layer.forward(a)[0] - 0.5 * layer.forward(b)[0], rtol=1e-10, atol=1e-12)


def test_convolution_is_linear_in_the_kernel():
    x = normal(2, 7, 6, 4)
    one, two, both = (ready(Conv2D(5, (3, 2), use_bias=False), x, seed=seed) for seed in (1, 2, 3))
    both.params["kernel"][...] = 3 * one.params["kernel"] - 0.5 * two.params["kernel"]
    ref = 3 * one.forward(x)[0] - 0.5 * two.forward(x)[0]
    np.testing.assert_allclose(both.forward(x)[0], ref, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    "options", [{}, {"strides": (3, 2), "padding": "same"}, {"dilation_rate": (2, 3)}, {"groups": 2}]
)
def test_backward_is_the_adjoint_of_forward(options):
    x = normal(2, 7, 6, 4)
    y, dy, dx = run(ready(Conv2D(6, (3, 2), use_bias=False, **options), x), x)
    np.testing.assert_allclose((x * dx).sum(), (y * dy).sum(), rtol=1e-10)


def test_one_by_one_convolution_is_dense():
    x = normal(2, 7, 6, 4)
    convolution = ready(Conv2D(5, 1), x)
    dense = ready(Dense(5), x)
    dense.set_weights([w.reshape(shape) for w, shape in zip(convolution.get_weights(), [(4, 5), (5,)])])
    np.testing.assert_allclose(convolution.forward(x)[0], dense.forward(x)[0], rtol=1e-12, atol=1e-12)


def test_one_by_one_convolution_has_the_gradients_of_dense():
    x = normal(2, 7, 6, 4)
    convolution = ready(Conv2D(5, 1), x)
    dense = ready(Dense(5), x)
    dense.set_weights([w.reshape(shape) for w, shape in zip(convolution.get_weights(), [(4, 5), (5,)])])
    _, _, comp = run(convolution, x)
    _, _, ref = run(dense, x)
    np.testing.assert_allclose(comp, ref, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(convolution.grads["kernel"][0, 0], dense.grads["kernel"], rtol=1e-12, atol=1e-12)


def test_convolution_as_large_as_the_image_is_dense_on_the_flat_image():
    x = normal(2, 7, 6, 4)
    convolution = ready(Conv2D(5, (7, 6)), x)
    dense = ready(Dense(5), x.reshape(2, -1))
    dense.set_weights([w.reshape(shape) for w, shape in zip(convolution.get_weights(), [(168, 5), (5,)])])
    ref = dense.forward(layers.Flatten().forward(x)[0])[0]
    np.testing.assert_allclose(convolution.forward(x)[0][:, 0, 0], ref, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kernel_size", [(1, 1), (2, 3), (3, 4), (9, 8)])
def test_same_with_stride_1_keeps_the_size(kernel_size):
    assert Conv2D(5, kernel_size, padding="same").compute_output_shape((None, 7, 6, 4)) == (None, 7, 6, 5)


def test_a_stride_skips_places():
    x = normal(2, 7, 6, 4)
    every = ready(Conv2D(5, (3, 2)), x)
    some = same_weights(ready(Conv2D(5, (3, 2), strides=(2, 3)), x), every)
    np.testing.assert_allclose(some.forward(x)[0], every.forward(x)[0][:, ::2, ::3], rtol=1e-12, atol=1e-12)


def test_dilation_is_a_kernel_with_holes():
    x = normal(2, 7, 6, 4)
    dilated, holed = ready(Conv2D(5, (3, 2), dilation_rate=(2, 3)), x), ready(Conv2D(5, (5, 4)), x)
    holed.params["kernel"][...] = 0
    holed.params["kernel"][::2, ::3] = dilated.params["kernel"]
    holed.params["bias"][...] = dilated.params["bias"]
    np.testing.assert_allclose(dilated.forward(x)[0], holed.forward(x)[0], rtol=1e-12, atol=1e-12)


def test_explicit_padding_is_zero_padding_first():
    x, padding = normal(2, 7, 6, 4), ((2, 0), (1, 3))
    padded = layers.ZeroPadding2D(padding).forward(x)[0]
    comp = ready(Conv2D(5, (3, 2), padding=padding), x)
    ref = same_weights(ready(Conv2D(5, (3, 2)), padded), comp)
    np.testing.assert_allclose(comp.forward(x)[0], ref.forward(padded)[0], rtol=1e-12, atol=1e-12)


def test_same_padding_is_explicit_padding_with_more_at_the_end():
    x = normal(2, 7, 6, 4)  # rows: 7 -> 4 places of 4 with stride 2 want 10 pixels; columns: 6 -> 2 places of 4 want 7
    same = ready(Conv2D(5, (4, 4), strides=(2, 3), padding="same"), x)
    explicit = same_weights(ready(Conv2D(5, (4, 4), strides=(2, 3), padding=((1, 2), (0, 1))), x), same)
    np.testing.assert_allclose(same.forward(x)[0], explicit.forward(x)[0], rtol=1e-12, atol=1e-12)


def test_groups_are_convolutions_side_by_side():
    x = normal(2, 7, 6, 4)
    grouped = ready(Conv2D(6, (3, 2), groups=2), x)
    halves = []
    for channels, filters in ((slice(0, 2), slice(0, 3)), (slice(2, 4), slice(3, 6))):
        half = ready(Conv2D(3, (3, 2)), x[..., channels])
        half.set_weights([grouped.params["kernel"][..., filters], grouped.params["bias"][filters]])
        halves.append(half.forward(x[..., channels])[0])
    np.testing.assert_allclose(grouped.forward(x)[0], np.concatenate(halves, axis=-1), rtol=1e-12, atol=1e-12)


def test_depthwise_is_one_group_for_each_channel():
    x = normal(2, 7, 6, 4)
    depthwise, grouped = ready(DepthwiseConv2D((3, 2), depth_multiplier=3), x), ready(Conv2D(12, (3, 2), groups=4), x)
    grouped.set_weights([depthwise.params["kernel"].reshape(3, 2, 1, 12), depthwise.params["bias"]])
    np.testing.assert_allclose(depthwise.forward(x)[0], grouped.forward(x)[0], rtol=1e-12, atol=1e-12)


def test_a_moved_image_gives_a_moved_map():
    x = normal(2, 9, 8, 4)
    layer = ready(Conv2D(5, (3, 2)), x)
    ref = layer.forward(x)[0][:, 2:, 1:]
    np.testing.assert_allclose(layer.forward(x[:, 2:, 1:])[0], ref, rtol=1e-12, atol=1e-12)


def test_a_single_pixel_writes_out_the_kernel_turned():
    x = np.zeros((1, 5, 3, 1))
    x[0, 2, 1, 0] = 1
    layer = ready(Conv2D(4, (3, 2), use_bias=False), x)
    np.testing.assert_allclose(layer.forward(x)[0][0], layer.params["kernel"][::-1, ::-1, 0], rtol=1e-12)


@pytest.mark.parametrize("activation", ["relu", "tanh", "softmax"])
def test_activation_argument_is_an_activation_layer_after(activation):
    x = normal(2, 7, 6, 4)
    fused, plain = ready(Conv2D(5, (3, 2), activation=activation), x), ready(Conv2D(5, (3, 2)), x)
    ref = layers.Activation(activation).forward(plain.forward(x)[0])[0]
    np.testing.assert_allclose(fused.forward(x)[0], ref, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_an_infinite_pixel_reaches_its_windows_only(value):
    x = np.ones((1, 7, 6, 1))
    x[0, 0, 0, 0] = value
    layer = Conv2D(5, (3, 2), kernel_initializer="ones", dtype="float64")
    layer.build(x.shape)
    y, _ = layer.forward(x)
    assert (y[0, 0, 0] == value).all()
    assert np.isfinite(y[0, 1:]).all()
