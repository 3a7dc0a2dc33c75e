"""`explain.network`: at every layer the terms make the number that the network stored, and the path ends at a pixel."""

import numpy as np
import pytest

from tinyconv import Model, Sequential, config, explain, layers


def numbers(*shape):
    return np.random.default_rng(7).normal(size=shape).astype(np.float32)


def classifier():
    model = Sequential([layers.Input((12, 10, 1))])
    model.add(layers.Rescaling(0.5, offset=-0.1))
    model.add(layers.ZeroPadding2D(((1, 0), (0, 2))))
    model.add(layers.Conv2D(6, 3, activation="relu"))
    model.add(layers.BatchNormalization())
    model.add(layers.MaxPooling2D())
    model.add(layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2))
    model.add(layers.AveragePooling2D(2, padding="same"))
    model.add(layers.LeakyReLU())
    model.add(layers.Dropout(0.5))
    model.add(layers.Flatten())
    model.add(layers.Dense(9, activation="tanh"))
    model.add(layers.Dense(4, activation="softmax"))
    model.build()
    for layer in model.layers:  # no parameter as it starts
        layer.set_weights([w + 0.1 + 0.3 * np.abs(numbers(*w.shape)) for w in layer.get_weights()])
    return model


def branches():
    x = layers.Input((8, 8, 3))
    a = layers.Conv2D(4, 3, padding="same")(x)
    b = layers.SpatialDropout2D(0.5)(layers.Conv2D(4, 1)(x))
    y = layers.Concatenate()([layers.Add()([a, b]), x])
    pooled = layers.Concatenate()([layers.GlobalAveragePooling2D()(y), layers.GlobalMaxPooling2D()(y)])
    small = layers.GlobalMinPooling2D(keepdims=True)(y)
    joined = layers.Concatenate()([pooled, layers.Reshape((7,))(small)])
    return Model(x, layers.Activation("softmax")(layers.Dense(3)(joined)))


NETWORKS = {"classifier": (classifier, (12, 10, 1)), "branches": (branches, (8, 8, 3))}


@pytest.fixture(params=NETWORKS)
def network(request):
    make, shape = NETWORKS[request.param]
    return make(), numbers(*shape)


def test_the_path_leads_from_the_output_to_a_pixel(network):
    model, x = network
    trace = explain.network(model, x)
    value, index = trace.pixel
    assert value == x[index]
    assert trace.steps[0].layer == model.layers[-1].name
    assert trace.steps[0].stored == trace.output.max()


def test_the_sum_is_what_the_network_stored(network):
    trace = explain.network(*network)
    for step in trace.steps:
        assert step.agree
        assert step.arithmetic.value == pytest.approx(step.stored, rel=1e-4, abs=1e-5)
    assert "DIFFERENT" not in trace.text()


def test_any_cell_of_any_layer(network):
    trace = explain.network(*network)
    for name, activation in trace.activations.items():
        for index in np.argwhere(np.ones(activation.shape))[:: max(activation.size // 7, 1)]:
            step = trace.at(name, *index)
            assert step.stored == activation[tuple(index)]
            assert step.agree, step.text()


def test_each_step_begins_where_the_last_one_pointed():
    trace = explain.network(classifier(), numbers(12, 10))
    for above, below in zip(trace.steps, trace.steps[1:]):
        assert below.index == above.arithmetic.follow[1]


def test_the_output_is_what_the_model_predicts(network):
    model, x = network
    with config.engine("numpy"):
        predicted = model.predict(x[None], verbose=0)
    np.testing.assert_allclose(explain.network(model, x).output, predicted[0], rtol=1e-6)


def test_another_output_can_be_chosen_and_named():
    trace = explain.network(classifier(), numbers(12, 10, 1), output=2, classes=["ant", "bee", "cat", "dog"])
    assert trace.steps[0].index == (2,)
    assert "why cat gets" in trace.title


def test_a_wrong_sum_is_said():
    trace = explain.network(classifier(), numbers(12, 10))
    model = classifier()
    dense = model.layers[-1]
    forward = dense.forward

    def wrong(x, training=False):
        y, cache = forward(x, training)
        return y * 1.01, cache

    dense.forward = wrong
    assert trace.steps[0].agree
    assert not explain.network(model, numbers(12, 10)).steps[0].agree


def test_what_made_the_difference_is_followed(network):
    model, x = network
    trace = explain.network(model, x, output=1, against=2)
    contrast = trace.contrast
    difference = contrast.sums[0] - contrast.sums[1]
    one, other = contrast.layer.params["bias"][[1, 2]]
    assert contrast.terms.sum() + one - other == pytest.approx(difference, rel=1e-6)
    assert np.log(trace.output[1] / trace.output[2]) == pytest.approx(difference, rel=1e-4)
    dense = [step.layer for step in trace.steps].index(contrast.layer.name)
    assert trace.steps[dense + 1].index == (contrast.terms.argmax(),)
    assert contrast.sentences[0] in trace.text(width=500)


def test_the_difference_needs_a_dense_layer_at_the_end():
    model = Sequential([layers.Input((8, 8, 1)), layers.Conv2D(2, 3), layers.GlobalAveragePooling2D()])
    with pytest.raises(ValueError, match="ends in a dense layer, for against"):
        explain.network(model, numbers(8, 8), against=0)


class Twice(layers.Layer):
    """A layer that nobody has heard of."""

    def forward(self, x, training=False):
        return 2 * x, None

    def compute_output_shape(self, input_shape):
        return input_shape


def test_a_path_ends_at_an_unknown_layer():
    model = Sequential([layers.Input((3,)), Twice(), layers.Dense(2)])
    trace = explain.network(model, [1, 2, 3])
    assert trace.pixel is None
    assert "not written out here: the path ends" in trace.text()


def test_random_layers_hand_on_in_prediction():
    model = Sequential([layers.Input((4, 4, 1)), layers.RandomFlip(), layers.Flatten(), layers.Dense(2)])
    assert explain.network(model, numbers(4, 4)).pixel is not None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": numbers(2, 12, 10, 1)}, r"one sample.*Choose one, such as x\[0\]"),
        ({"x": numbers(12, 11)}, "samples of shape"),
        ({"x": "a b"}, "x as rows of numbers"),
        ({"output": 4}, "output from 0 to 3"),
        ({"classes": ["a"]}, "4 names, one for each output"),
        ({"against": 4}, "against from 0 to 3"),
        ({"output": 2, "against": 2}, "against as another output.*2 for both"),
        ({"model": layers.Dense(2)}, "a model with one input and one output"),
    ],
)
def test_what_cannot_be_explained(arguments, message):
    with pytest.raises(ValueError, match=message):
        explain.network(**{"model": classifier(), "x": numbers(12, 10), **arguments})


def test_cells_that_are_not_there():
    trace = explain.network(classifier(), numbers(12, 10))
    with pytest.raises(ValueError, match="Did you mean 'dense'"):
        trace.at("dens", 0)
    with pytest.raises(ValueError, match="3 numbers, a place in"):
        trace.at("conv2d", 0)
    with pytest.raises(ValueError, match="index from 0 to"):
        trace.at("conv2d", 0, 0, 6)
