"""What every layer inherits: names, weights, parameters as views, configuration."""

import numpy as np
import pytest
from layer_helpers import normal

from tinyconv import Sequential, config, layers
from tinyconv.layers import BatchNormalization, Conv2D, Dense, Input, Layer
from tinyconv.layers.base import reset_names


class Double(Layer):
    """A learner's own layer without parameters."""

    def compute_output_shape(self, input_shape):
        return input_shape

    def forward(self, x, training=False):
        return 2 * x, None

    def backward(self, dy, cache):
        return 2 * dy


@pytest.mark.parametrize(
    ("cls", "arguments", "name"),
    [
        (layers.Conv2D, (5, 3), "conv2d"),
        (layers.MaxPool2D, (), "max_pooling2d"),
        (layers.GlobalAvgPool2D, (), "global_average_pooling2d"),
        (layers.BatchNormalization, (), "batch_normalization"),
        (layers.ReLU, (), "re_lu"),
        (layers.LeakyReLU, (), "leaky_re_lu"),
        (layers.ELU, (), "elu"),
        (layers.DepthwiseConv2D, (3,), "depthwise_conv2d"),
    ],
)
def test_names_are_those_of_keras(cls, arguments, name):
    reset_names()
    assert [cls(*arguments).name for _ in range(3)] == [name, f"{name}_1", f"{name}_2"]


def test_a_given_name_is_kept_and_not_counted():
    reset_names()
    assert [Dense(3, name="top").name, Dense(3).name] == ["top", "dense"]


def test_a_layer_of_ones_own_needs_three_methods():
    np.testing.assert_array_equal(Double()(np.ones((2, 3))), 2 * np.ones((2, 3)))


def test_a_layer_of_ones_own_joins_a_network():
    assert Double()(Input((7, 6, 4))).shape == (None, 7, 6, 4)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_calling_converts_to_the_float_type_of_the_layer(dtype):
    assert Dense(3, dtype=dtype)(np.ones((2, 5), np.int64)).dtype == dtype


def test_floatx_is_the_float_type_of_new_layers():
    config.set_floatx("float64")
    try:
        assert Dense(3)(np.ones((2, 5))).dtype == np.float64
    finally:
        config.set_floatx("float32")


def test_a_layer_is_built_by_its_first_call():
    layer = Dense(3)
    layer(np.ones((2, 5)))
    assert {name: array.shape for name, array in layer.params.items()} == {"kernel": (5, 3), "bias": (3,)}


def test_a_second_call_does_not_build_anew():
    layer, x = Dense(3), np.ones((2, 5))
    np.testing.assert_array_equal(layer(x), layer(x))


def test_gradients_start_at_zero():
    layer = Dense(3)
    layer.build((None, 5))
    assert all((gradient == 0).all() for gradient in layer.grads.values())


def test_weights_that_learn_and_those_that_do_not():
    model = Sequential([Input((6, 6, 2)), Conv2D(3, 2), BatchNormalization(), Conv2D(4, 2, trainable=False)])
    kernel, bias, gamma, beta, mean, variance, frozen, frozen_bias = model.weights
    assert all(a is b for a, b in zip(model.trainable_weights, [kernel, bias, gamma, beta], strict=True))
    rest = [mean, variance, frozen, frozen_bias]
    assert all(a is b for a, b in zip(model.non_trainable_variables, rest, strict=True))
    assert [w.shape for w in model.layers[1].trainable_variables] == [(3,), (3,)]
    model.trainable = False
    assert model.trainable_weights == []


def test_input_and_output_of_a_layer_in_a_network():
    model = Sequential([Input((6, 6, 2)), Conv2D(3, 2), Conv2D(4, 2)])
    assert model.layers[0].input is model.input
    assert model.layers[1].input is model.layers[0].output
    entrance = model.input.node.layer
    assert entrance.input is entrance.output
    a, b = Input((3,)), Input((3,))
    joined = layers.Add()
    joined([a, b])
    assert joined.input == [a, b]
    with pytest.raises(ValueError, match=r"one call on a symbolic tensor\. Received 0 calls"):
        _ = Dense(3).input


def test_a_layer_written_for_keras_is_told_what_it_lacks():
    class Doubling(Layer):
        def call(self, x):
            return 2 * x

    with pytest.raises(NotImplementedError, match=r"compute_output_shape.*Instead of call, .* forward and backward"):
        Doubling()(Input((3,)))


def test_get_weights_returns_copies():
    layer = Dense(3)
    layer.build((None, 5))
    before = layer.params["kernel"].copy()
    layer.get_weights()[0][...] = 9
    np.testing.assert_array_equal(layer.params["kernel"], before)


def test_set_weights_writes_into_the_same_arrays():
    layer = Dense(3)
    layer.build((None, 5))
    kernel, new = layer.params["kernel"], normal(5, 3)
    layer.set_weights([new, np.zeros(3)])
    assert layer.params["kernel"] is kernel
    np.testing.assert_allclose(kernel, new, rtol=1e-6)


def test_weights_are_parameters_then_state():
    layer = BatchNormalization()
    layer.build((None, 4))
    assert [w.tolist() for w in layer.get_weights()] == [[1] * 4, [0] * 4, [0] * 4, [1] * 4]


def test_set_weights_names_both_lists_of_shapes():
    layer = Dense(3, name="d")
    layer.build((None, 5))
    message = r"Dense 'd': expected weights of shapes \[\(5, 3\), \(3,\)\].*Received \[\(3, 5\), \(3,\)\]"
    with pytest.raises(ValueError, match=message):
        layer.set_weights([np.zeros((3, 5)), np.zeros(3)])


def test_parameters_may_lie_in_a_vector_of_the_caller():
    layer, vector = Dense(3), np.full(18, np.nan, np.float32)
    layer.allocate((None, 5), {"kernel": vector[:15].reshape(5, 3), "bias": vector[15:]})
    assert np.isfinite(vector).all()
    vector[...] = 1
    np.testing.assert_array_equal(layer(np.ones((1, 5))), [[6, 6, 6]])


def test_the_same_seed_gives_the_same_weights():
    kernels = []
    for _ in range(2):
        config.set_random_seed(21)
        layer = Conv2D(5, (3, 2))
        layer.build((None, 7, 6, 4))
        kernels.append(layer.params["kernel"])
    np.testing.assert_array_equal(*kernels)


def test_count_params_of_an_unknown_input():
    with pytest.raises(ValueError, match=r"Dense 'd': expected a layer whose input shape is known.*input_shape="):
        Dense(3, name="d").count_params()


def test_input_shape_makes_the_parameters_countable():
    assert Conv2D(32, 3, input_shape=(28, 28, 1)).count_params() == 320


def test_regularized_names_the_parameters_with_a_penalty():
    layer = Dense(3, kernel_regularizer="l2")
    layer.build((None, 5))
    assert [(name, type(regularizer).__name__) for name, regularizer in layer.regularized()] == [("kernel", "L2")]


def test_config_keeps_initializers_and_regularizers():
    layer = Conv2D(5, 3, kernel_initializer="he_normal", kernel_regularizer="l1")
    copy = Conv2D.from_config(layer.get_config())
    names = (type(copy.kernel_initializer).__name__, type(copy.kernel_regularizer).__name__)
    assert names == ("HeNormal", "L1")


def test_unknown_argument_without_a_near_name_lists_what_there_is():
    with pytest.raises(TypeError, match=r"Dense: expected arguments among .*units.*Received qqq=1\.$"):
        Dense(3, qqq=1)
