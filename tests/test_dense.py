"""The dense layer against its definition, and its errors."""

import naive
import numpy as np
import pytest
from layer_helpers import normal, ready, run

from tinyconv import layers
from tinyconv.layers import Dense

SHAPES = [(4, 5), (2, 4, 5), (2, 3, 4, 5)]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


@every_shape
@pytest.mark.parametrize("use_bias", [True, False])
def test_forward_equals_naive(shape, use_bias):
    x = normal(*shape)
    layer = ready(Dense(3, use_bias=use_bias), x)
    ref = naive.dense(x, layer.params["kernel"], layer.params.get("bias"))
    np.testing.assert_allclose(layer.forward(x)[0], ref, rtol=1e-12, atol=1e-12)


@every_shape
def test_backward_equals_naive(shape):
    x = normal(*shape)
    layer = ready(Dense(3), x)
    _, dy, dx = run(layer, x)
    ref_dx, ref_dkernel, ref_dbias = naive.dense_backward(dy, x, layer.params["kernel"])
    np.testing.assert_allclose(dx, ref_dx, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(layer.grads["kernel"], ref_dkernel, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(layer.grads["bias"], ref_dbias, rtol=1e-12, atol=1e-12)


def test_numbers_by_hand():
    layer = ready(Dense(2), np.zeros((1, 3)))
    layer.set_weights([np.array([[1.0, 4], [2, 5], [3, 6]]), np.array([10.0, 20])])
    np.testing.assert_array_equal(layer.forward(np.array([[1.0, 0, -1]]))[0], [[1 - 3 + 10, 4 - 6 + 20]])


def test_kernel_gradient_by_hand():
    layer = ready(Dense(2), np.zeros((1, 3)))
    _, cache = layer.forward(np.array([[1.0, 0, -1], [2, 1, 0]]))
    layer.backward(np.array([[1.0, 2], [3, 4]]), cache)
    np.testing.assert_array_equal(layer.grads["kernel"], [[1 + 6, 2 + 8], [3, 4], [-1, -2]])


def test_a_last_axis_of_many_rows_is_many_dense_layers():
    x = normal(2, 3, 4, 5)
    layer = ready(Dense(6), x)
    ref = layer.forward(x.reshape(24, 5))[0].reshape(2, 3, 4, 6)
    np.testing.assert_allclose(layer.forward(x)[0], ref, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("activation", ["relu", "gelu", "softmax"])
def test_activation_argument_is_an_activation_layer_after(activation):
    x = normal(4, 5)
    fused, plain = ready(Dense(3, activation=activation), x), ready(Dense(3), x)
    ref = layers.Activation(activation).forward(plain.forward(x)[0])[0]
    np.testing.assert_allclose(fused.forward(x)[0], ref, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("features", "units", "parameters"),
    [(350_464, 1000, 350_465_000), (9_216, 128, 1_179_776), (400, 512, 205_312), (2_304, 64, 147_520), (64, 10, 650)],
)
def test_parameter_counts_of_the_notes(features, units, parameters):
    assert Dense(units, input_shape=(features,)).count_params() == parameters


def test_counting_builds_nothing():
    layer = Dense(1000, input_shape=(350_464,))  # note 001: 1.4 GB
    layer.count_params()
    assert not layer.params


@pytest.mark.parametrize("units", [0, -3, 2.5, "many", None])
def test_units_must_be_a_positive_whole_number(units):
    with pytest.raises(ValueError, match=r"Dense 'd': expected units.*Received units="):
        Dense(units, name="d")


def test_one_axis_is_refused():
    with pytest.raises(ValueError, match=r"Dense 'd': expected 2 or more axes.*Received x.shape=\(5,\).*x\[None\]"):
        Dense(3, name="d")(np.zeros(5))


def test_other_features_than_it_was_built_for():
    layer = Dense(3, name="d")
    layer(np.zeros((4, 5)))
    with pytest.raises(ValueError, match=r"Dense 'd': expected 5 features.*Received x.shape=\(4, 6\)"):
        layer(np.zeros((4, 6)))


def test_unknown_argument_suggests_the_nearest():
    with pytest.raises(TypeError, match=r"Dense: .*Received unit=3.*Did you mean 'units'\?"):
        Dense(3, unit=3)


def test_unknown_features_cannot_be_built():
    with pytest.raises(ValueError, match=r"last axis is known.*Received shape=\(None, None\)"):
        Dense(3).build((None, None))
