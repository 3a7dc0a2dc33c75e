"""Batch normalisation, dropout, loss, Adam, gradient checks and receptive fields, as `tinyconv.explain` tells them."""

import numpy as np
import pytest

from tinyconv import Model, Sequential, explain, gradcheck, layers, losses, optimizers
from tinyconv.models.formulas import layer_formulas


def numbers(*shape):
    return np.random.default_rng(2).normal(size=shape)


def test_batchnorm_is_the_layers(float64):
    x = numbers(5, 3)
    layer = layers.BatchNormalization()
    trace = explain.batchnorm(x)
    np.testing.assert_array_equal(trace.y, layer(x, training=True))
    np.testing.assert_array_equal(trace.moving[1], np.stack(list(layer.state.values())))
    np.testing.assert_array_equal(trace.predicted, layer(x))


def test_batchnorm_of_images_goes_by_channel():
    assert explain.batchnorm(numbers(2, 3, 3, 2)).mean.shape == (2,)


def test_batchnorm_with_settings_that_do_not_fit():
    with pytest.raises(ValueError, match="gamma as one number for each of 3 channels"):
        explain.batchnorm(numbers(5, 3), gamma=[1, 2])


def test_dropout_is_the_layers(float64):
    x = numbers(4, 5)
    trace = explain.dropout(x, 0.4, seed=3)
    np.testing.assert_array_equal(trace.y, layers.Dropout(0.4, seed=3)(x, training=True))
    np.testing.assert_array_equal(trace.predicted, x)
    np.testing.assert_allclose(trace.x * trace.scale, trace.y)


@pytest.mark.parametrize("rate", [0, 1])
def test_dropout_of_all_or_nothing(rate):
    trace = explain.dropout([1, 2], rate)
    assert trace.y.tolist() == ([1, 2] if rate == 0 else [0, 0])
    assert trace.text()


def test_too_many_numbers_to_follow():
    with pytest.raises(ValueError, match="at most 256 numbers"):
        explain.dropout(np.ones(257))


def test_cross_entropy_is_the_loss():
    z = numbers(5)
    trace = explain.softmax_cross_entropy(z, 3)
    assert trace.loss == pytest.approx(losses.SparseCategoricalCrossentropy(from_logits=True)([3], z[None]))
    np.testing.assert_allclose(trace.dlogits, trace.probabilities - np.eye(5)[3], atol=1e-15)


def test_a_large_logit_overflows_nothing():
    assert explain.softmax_cross_entropy([1000, 0], 1).loss == 1000


def test_a_class_that_is_not_there():
    with pytest.raises(ValueError, match="label from 0 to 1"):
        explain.softmax_cross_entropy([1, 2], 2)


def test_adam_is_the_optimizer():
    w, optimizer = numbers(4), optimizers.Adam(0.01)
    m = v = np.zeros(4)
    for update in (1, 2, 3):
        g = numbers(4) * update
        trace = explain.adam_step(w, g, m, v, update, learning_rate=0.01)
        optimizer.step(w, g.copy())
        np.testing.assert_allclose(trace.updated, w, rtol=1e-15)
        m, v = trace.after


def test_one_gradient_for_each_weight():
    with pytest.raises(ValueError, match="2 gradients, one for each weight"):
        explain.adam_step([1, 2], [1])


# Gradient checks


def test_the_quotient_agrees_with_backward():
    trace = explain.gradcheck(layers.Conv2D(2, 3, padding="same", activation="tanh"), numbers(5, 4, 3), dy=0.7)
    assert trace.agree
    assert trace.numeric == pytest.approx(trace.analytic, rel=1e-8)
    assert "They agree." in trace.text()


class Wrong(layers.Dense):
    """A layer with a mistake in its backward."""

    def backward(self, dy, cache):
        return 1.1 * super().backward(dy, cache)


def test_a_wrong_backward_is_found():
    trace = explain.gradcheck(Wrong(3), numbers(2, 4), name="x")
    assert not trace.agree
    assert "They DIFFER" in trace.text()
    with pytest.raises(gradcheck.GradientError):
        gradcheck.check_layer(Wrong(3), numbers(2, 4))


def test_a_tie_is_a_kink():
    trace = explain.gradcheck(layers.MaxPooling2D(), [[1, 3], [3, 0]], name="x", index=(0, 0, 1, 0))
    assert trace.on_a_kink
    assert (trace.analytic, trace.numeric) == (1, pytest.approx(0.5))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "kernle"}, "name as one of x, kernel, bias"),
        ({"index": (0, 0)}, "an index of 4 numbers"),
        ({"index": (3, 0, 0, 0)}, "index from 0 to 2"),
        ({"step": 0}, "a step above 0"),
    ],
)
def test_what_cannot_be_checked(arguments, message):
    with pytest.raises(ValueError, match=message):
        explain.gradcheck(layers.Conv2D(2, 3), numbers(5, 5), **arguments)


def test_a_check_leaves_the_layer_alone():
    layer = layers.Conv2D(2, 3)
    layer(numbers(1, 5, 5, 1))
    before = layer.get_weights()
    explain.gradcheck(layer, numbers(5, 5))
    assert all(np.array_equal(a, b) for a, b in zip(before, layer.get_weights(), strict=True))
    assert layer.dtype == "float32"


# Receptive fields


def chain():
    return [
        layers.Conv2D(3, 5, padding="same"),
        layers.AveragePooling2D(),
        layers.Conv2D(2, 3, strides=2),
        layers.AveragePooling2D(2, padding="same"),
    ]


def test_fields_are_those_of_the_summary():
    model = Sequential([layers.Input((21, 17, 1)), *chain()])
    trace = explain.receptive_field(model)
    assert trace.size == layer_formulas(model)[model.layers[-1]].field.size


@pytest.mark.parametrize("cell", [(0, 0), (1, 1), (0, 1)])
def test_the_pixels_in_the_field_are_those_that_count(cell, float64):
    """The gradient of one output by the pixels is 0 outside of its field, and not inside."""
    model = Sequential([layers.Input((21, 17, 1)), *chain()])
    model.build()
    y, cache = model.forward(numbers(1, 21, 17, 1))
    dy = np.zeros(y.shape)
    dy[(0, *cell)] = 1
    rows, columns = np.nonzero(model.backward(dy, cache)[0, ..., 0])
    found = explain.receptive_field(model).pixels(*cell)
    assert [range(rows.min(), rows.max() + 1), range(columns.min(), columns.max() + 1)] == list(found)


def test_fields_that_are_not_there():
    with pytest.raises(ValueError, match="a layer with a window"):
        explain.receptive_field([layers.Flatten()])
    with pytest.raises(ValueError, match="Give size="):
        explain.receptive_field(chain()).pixels(0, 0)
    x = layers.Input((4, 4, 1))
    branches = layers.Add()([layers.Conv2D(1, 1)(x), x])
    with pytest.raises(ValueError, match="without branches"):
        explain.receptive_field(Model(x, branches))
