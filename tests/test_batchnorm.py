"""Batch normalization against its definition, and what its moving averages do."""

import naive
import numpy as np
import pytest
from layer_helpers import normal, ready, run

from tinyconv.layers import BatchNormalization, Input

SHAPES = [(3, 4, 2, 5), (7, 3), (2, 4, 3)]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
EPSILONS = pytest.mark.parametrize("epsilon", [1e-3, 0.1])


def batchnorm(shape, **options):
    """(layer, x): x with a different mean and spread in each channel, moving averages that are not 0 and 1."""
    x = normal(*shape) * np.linspace(0.5, 3, shape[-1]) + np.linspace(-2, 1, shape[-1])
    layer = ready(BatchNormalization(**options), x)
    layer.state["moving_mean"][...] = np.linspace(-1, 1, shape[-1])
    layer.state["moving_variance"][...] = np.linspace(0.5, 2, shape[-1])
    return layer, x


@every_shape
@EPSILONS
def test_training_forward_equals_naive(shape, epsilon):
    layer, x = batchnorm(shape, epsilon=epsilon)
    ref = naive.normalize(x, *naive.channel_statistics(x), layer.params["gamma"], layer.params["beta"], epsilon)
    np.testing.assert_allclose(layer.forward(x, training=True)[0], ref, rtol=1e-10, atol=1e-12)


@every_shape
@EPSILONS
def test_inference_forward_equals_naive(shape, epsilon):
    layer, x = batchnorm(shape, epsilon=epsilon)
    ref = naive.normalize(x, *layer.state.values(), layer.params["gamma"], layer.params["beta"], epsilon)
    np.testing.assert_allclose(layer.forward(x)[0], ref, rtol=1e-10, atol=1e-12)


@every_shape
@EPSILONS
def test_training_backward_equals_naive(shape, epsilon):
    layer, x = batchnorm(shape, epsilon=epsilon)
    _, dy, dx = run(layer, x, training=True)
    ref_dx, ref_dgamma, ref_dbeta = naive.batchnorm_train_backward(dy, x, layer.params["gamma"], epsilon)
    np.testing.assert_allclose(dx, ref_dx, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(layer.grads["gamma"], ref_dgamma, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(layer.grads["beta"], ref_dbeta, rtol=1e-9, atol=1e-12)


@every_shape
def test_inference_backward_equals_naive(shape):
    layer, x = batchnorm(shape)
    _, dy, dx = run(layer, x)
    ref = naive.batchnorm_infer_backward(dy, x, *layer.state.values(), layer.params["gamma"])
    np.testing.assert_allclose(dx, ref[0], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(layer.grads["gamma"], ref[1], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(layer.grads["beta"], ref[2], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("learned", [{"center": False}, {"scale": False}, {"center": False, "scale": False}], ids=str)
def test_without_center_or_scale_equals_naive(learned):
    layer, x = batchnorm((3, 4, 2, 5), **learned)
    gamma, beta = layer.params.get("gamma", np.ones(5)), layer.params.get("beta", np.zeros(5))
    ref = naive.normalize(x, *naive.channel_statistics(x), gamma, beta)
    np.testing.assert_allclose(layer.forward(x, training=True)[0], ref, rtol=1e-10, atol=1e-12)


def test_output_has_mean_beta_and_standard_deviation_gamma():
    layer, x = batchnorm((40, 4, 2, 5), epsilon=1e-12)
    y, _ = layer.forward(x, training=True)
    np.testing.assert_allclose(y.mean(axis=(0, 1, 2)), layer.params["beta"], atol=1e-10)
    np.testing.assert_allclose(y.std(axis=(0, 1, 2)), np.abs(layer.params["gamma"]), rtol=1e-6)


def test_input_gradient_does_not_shift_the_batch():
    layer, x = batchnorm((3, 4, 2, 5))
    _, _, dx = run(layer, x, training=True)
    np.testing.assert_allclose(dx.sum(axis=(0, 1, 2)), np.zeros(5), atol=1e-10)


# Moving averages


@every_shape
@pytest.mark.parametrize("momentum", [0.99, 0.7])
def test_moving_averages_over_three_steps_equal_naive(shape, momentum):
    layer, _ = batchnorm(shape, momentum=momentum)
    mean, variance = (array.copy() for array in layer.state.values())
    for step in range(3):
        x = normal(*shape, seed=step) * 2 + step
        layer.forward(x, training=True)
        batch_mean, batch_variance = naive.channel_statistics(x)
        mean = naive.moving(mean, batch_mean, momentum)
        variance = naive.moving(variance, batch_variance, momentum)
    np.testing.assert_allclose(layer.state["moving_mean"], mean, rtol=1e-10)
    np.testing.assert_allclose(layer.state["moving_variance"], variance, rtol=1e-10)


def test_moving_variance_is_the_population_variance():
    layer = ready(BatchNormalization(momentum=0.0), np.zeros((2, 1)))
    layer.forward(np.array([[1.0], [3.0]]), training=True)
    assert layer.state["moving_variance"].tolist() == [1.0]  # ((1-2)^2 + (3-2)^2) / 2


def test_unbiased_moving_variance_divides_by_one_less():
    layer = ready(BatchNormalization(momentum=0.0, unbiased_moving_variance=True), np.zeros((2, 1)))
    layer.forward(np.array([[1.0], [3.0]]), training=True)
    assert layer.state["moving_variance"].tolist() == [2.0]  # ((1-2)^2 + (3-2)^2) / 1


def test_unbiased_moving_variance_does_not_change_the_output():
    one, x = batchnorm((3, 4, 2, 5))
    two, _ = batchnorm((3, 4, 2, 5), unbiased_moving_variance=True)
    np.testing.assert_array_equal(one.forward(x, training=True)[0], two.forward(x, training=True)[0])


def test_first_step_of_the_moving_mean_by_hand():
    layer = ready(BatchNormalization(), np.zeros((2, 1)))
    layer.forward(np.array([[1.0], [3.0]]), training=True)
    np.testing.assert_allclose(layer.state["moving_mean"], [0.02], rtol=1e-12)  # 0 * 0.99 + 2 * 0.01


def test_moving_averages_start_at_0_and_1():
    layer = BatchNormalization()
    layer.build((None, 7, 6, 4))
    assert [array.tolist() for array in layer.state.values()] == [[0] * 4, [1] * 4]


def test_a_large_mean_does_not_spoil_the_variance_in_float32():
    x = (normal(64, 5) + 10_000).astype(np.float32)
    layer = ready(BatchNormalization(momentum=0.0), x)
    layer.forward(x, training=True)
    np.testing.assert_allclose(layer.state["moving_variance"], x.astype(np.float64).var(axis=0), rtol=1e-3)


# Freezing


def test_a_frozen_layer_uses_the_moving_averages_while_training():
    layer, x = batchnorm((3, 4, 2, 5), trainable=False)
    np.testing.assert_array_equal(layer.forward(x, training=True)[0], layer.forward(x, training=False)[0])


def test_a_frozen_layer_leaves_the_moving_averages_alone():
    layer, x = batchnorm((3, 4, 2, 5), trainable=False)
    before = [array.copy() for array in layer.state.values()]
    layer.forward(x, training=True)
    np.testing.assert_array_equal(list(layer.state.values()), before)


def test_freezing_between_forward_and_backward_changes_nothing():
    layer, x = batchnorm((3, 4, 2, 5))
    y, cache = layer.forward(x, training=True)
    ref = layer.backward(np.ones_like(y) + x, cache)
    layer.trainable = False
    np.testing.assert_array_equal(layer.backward(np.ones_like(y) + x, cache), ref)


# Weights and errors


def test_keras_order_of_weights():
    layer, _ = batchnorm((3, 4, 2, 5))
    assert [*layer.params, *layer.state] == ["gamma", "beta", "moving_mean", "moving_variance"]


def test_four_numbers_a_channel_two_of_them_learned():
    layer = BatchNormalization(input_shape=(28, 28, 75))  # note 003: 300 parameters, 150 of them not trainable
    layer.build((None, 28, 28, 75))
    assert (layer.count_params(), sum(w.size for w in layer.params.values())) == (300, 150)


@pytest.mark.parametrize("axis", [1, 2, 0, -2])
def test_only_the_last_axis_holds_channels(axis):
    with pytest.raises(ValueError, match=rf"BatchNormalization 'b': expected axis=-1 or 3.*Received axis={axis}"):
        BatchNormalization(axis=axis, name="b")(Input((7, 6, 4)))


def test_the_last_axis_may_be_named_by_its_number():
    assert BatchNormalization(axis=3)(Input((7, 6, 4))).shape == (None, 7, 6, 4)


def test_only_one_axis_holds_channels():
    with pytest.raises(ValueError, match=r"BatchNormalization 'b': expected axis as one whole number.*axis=\[3\]"):
        BatchNormalization(axis=[3], name="b")


@pytest.mark.parametrize("options", [{"momentum": -0.1}, {"momentum": 1.1}, {"epsilon": -1e-3}, {"momentum": np.nan}])
def test_settings_out_of_range(options):
    with pytest.raises(ValueError, match=r"expected momentum between 0 and 1 and epsilon from 0.*Received"):
        BatchNormalization(**options)


def test_other_channels_than_it_was_built_for():
    layer = BatchNormalization(name="b")
    layer(np.zeros((2, 7, 6, 4)))
    with pytest.raises(
        ValueError, match=r"BatchNormalization 'b': expected 4 channels.*Received x.shape=\(2, 7, 6, 5\)"
    ):
        layer(np.zeros((2, 7, 6, 5)))


def test_unknown_argument_suggests_the_nearest():
    with pytest.raises(TypeError, match=r"Received momemtum=0.9.*Did you mean 'momentum'\?"):
        BatchNormalization(momemtum=0.9)
