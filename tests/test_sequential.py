"""Layers in a row: five ways to the same network, and taking it apart again."""

import numpy as np
import pytest
from tiny_networks import (
    CLASSES,
    IMAGE,
    N,
    assert_same,
    compiled,
    convnet,
    images,
    labels,
    one_hot,
)

from tinyconv import Input, Sequential, config
from tinyconv.layers import (
    Conv2D,
    Dense,
    Flatten,
    InputLayer,
    ReLU,
    Rescaling,
)


def names(model):
    """Names of the model's layers."""
    return [layer.name for layer in model.layers]


# Sequential: ways to the same network


def with_input():
    return Sequential([Input(IMAGE), Conv2D(4, 3), Flatten(), Dense(CLASSES)])


def with_input_layer():
    return Sequential([InputLayer(IMAGE), Conv2D(4, 3), Flatten(), Dense(CLASSES)])


def with_input_shape():
    return Sequential([Conv2D(4, 3, input_shape=IMAGE), Flatten(), Dense(CLASSES)])


def with_add():
    model = Sequential()
    for layer in (Input(IMAGE), Conv2D(4, 3), Flatten(), Dense(CLASSES)):
        model.add(layer)
    return model


def deferred():
    return Sequential([Conv2D(4, 3), Flatten(), Dense(CLASSES)])


def built():
    model = deferred()
    model.build((None, *IMAGE))
    return model


WAYS = [with_input, with_input_layer, with_input_shape, with_add, built]


@pytest.mark.parametrize("way", WAYS)
def test_sequential_knows_its_shapes(way):
    model = way()
    assert (model.input_shape, model.output_shape) == ((None, *IMAGE), (None, CLASSES))


@pytest.mark.parametrize("way", WAYS)
def test_sequential_counts_its_parameters(way):
    assert way().count_params() == (3 * 3 * 2 * 4 + 4) + (5 * 4 * 4 * CLASSES + CLASSES)


@pytest.mark.parametrize("way", [*WAYS, deferred])
def test_sequential_lists_layers_without_the_input(way):
    assert names(way()) == ["conv2d", "flatten", "dense"]


def test_deferred_network_is_completed_by_the_first_array():
    model = deferred()
    assert model(images()).shape == (N, CLASSES)
    assert model.input_shape == (None, *IMAGE)


@pytest.mark.parametrize("method", ["fit", "evaluate", "train_on_batch", "test_on_batch"])
def test_deferred_network_is_completed_by_the_first_data(method):
    model = compiled(deferred(), loss="mse")
    getattr(model, method)(images(), one_hot(labels()))
    assert model.output_shape == (None, CLASSES)


def test_deferred_network_is_completed_by_predict():
    model = deferred()
    assert model.predict(images(), verbose=0).shape == (N, CLASSES)
    assert model.built


def test_deferred_network_computes_its_output_shape_and_stays_open():
    model = deferred()
    assert model.compute_output_shape((None, *IMAGE)) == (None, CLASSES)
    assert not model.built


@pytest.mark.parametrize("wrong", [(9,), (7, 6), (2, 2, 2)], ids=str)
def test_data_that_do_not_fit_leave_a_deferred_network_open(wrong):
    model = Sequential([Rescaling(0.5), Conv2D(4, 3), Flatten(), Dense(CLASSES)])
    with pytest.raises(ValueError, match="Conv2D 'conv2d'"):
        model.predict(np.ones((N, *wrong)), verbose=0)
    assert model.predict(images(), verbose=0).shape == (N, CLASSES)


def test_deferred_network_does_not_count():
    with pytest.raises(ValueError, match=r"expected a known input shape.*input_shape="):
        deferred().count_params()


def test_empty_network_says_so():
    with pytest.raises(ValueError, match=r"at least one layer.*model\.add"):
        Sequential().count_params()


def test_pop_takes_the_last_layer_off():
    model = with_input()
    last = model.pop()
    assert (last.name, model.output_shape) == ("dense", (None, 5 * 4 * 4))


def test_pop_and_add_again():
    model = with_input()
    model.add(model.pop())
    model.add(Dense(5))
    assert model.predict(images(), verbose=0).shape == (N, 5)


def test_pop_keeps_the_weights_of_the_others():
    model = with_input()
    before = model.get_weights()
    model.pop()
    assert_same(model.get_weights(), before[:2])


def test_popped_network_trains_after_compiling_again():
    model = compiled(convnet(Dense(8)))
    model.fit(images(), labels(), verbose=0)
    model.pop()
    compiled(model, loss="mse")
    model.fit(images(), np.ones((N, 8)), verbose=0)
    assert model.output_shape == (None, 8)


def test_pop_of_everything_leaves_an_empty_network():
    model = Sequential([Dense(3, input_shape=(4,))])
    model.pop()
    with pytest.raises(ValueError, match="at least one layer"):
        model.predict(np.ones((2, 4)), verbose=0)


def test_pop_of_nothing():
    with pytest.raises(ValueError, match=r"expected at least one layer.*model\.add"):
        Sequential().pop()


def test_added_layer_extends_a_trained_network():
    model = compiled()
    model.fit(images(), labels(), verbose=0)
    model.add(Dense(5))
    assert model.predict(images(), verbose=0).shape == (N, 5)


def test_layers_of_a_trained_network_begin_another():
    model = compiled()
    model.fit(images(), labels(), verbose=0)
    other = Sequential([*model.layers[:-1], Dense(5)])
    assert_same(other.get_weights()[:2], model.get_weights()[:2])


def test_a_network_whose_layers_joined_another_can_still_grow():
    model = with_input()
    Sequential([*model.layers[:-1], Dense(5)])
    model.add(ReLU())
    assert model.predict(images(), verbose=0).shape == (N, CLASSES)


def test_sequential_of_a_generator_of_layers():
    assert Sequential(Dense(n, input_shape=(4,)) for n in (2,)).output_shape == (None, 2)


# A network that waits for its input's shape, and data that do not fit


@pytest.mark.parametrize(
    ("y", "settings"),
    [
        (labels() + 9, {}),
        (labels(), {"validation_data": (images(), labels() + 9)}),
        (labels(), {"class_weight": "balanced"}),
    ],
    ids=["labels", "validation labels", "class weights"],
)
def test_data_that_are_refused_leave_the_network_waiting(y, settings):
    def waiting():
        return compiled(Sequential([Flatten(), Dense(CLASSES, activation="softmax")]))

    model = waiting()
    with pytest.raises((TypeError, ValueError)):
        model.fit(images(), y, verbose=0, **settings)
    config.set_random_seed(5)
    model.fit(images()[:, :3], labels(), verbose=0, shuffle=False)
    other = waiting()
    config.set_random_seed(5)
    other.fit(images()[:, :3], labels(), verbose=0, shuffle=False)
    assert_same(model.get_weights(), other.get_weights())


def test_a_loss_that_does_not_fit_leaves_the_network_waiting():
    model = compiled(Sequential([Flatten(), Dense(CLASSES, activation="relu")]))
    with pytest.raises(ValueError, match="probabilities"):
        model.evaluate(images(), labels(), verbose=0)
    with pytest.raises(ValueError, match="a known input shape"):
        model.summary()
