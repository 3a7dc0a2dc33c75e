"""Copies and pickles of models and layers: the same network, with arrays of its own."""

import copy
import pickle

import numpy as np
import pytest
from tiny_networks import X, Y, assert_same, branched, compiled, convnet, differ, fit, two_headed

from tinyconv import Input, Model, Sequential, config, explain, initializers, losses
from tinyconv.layers import Add, BatchNormalization, Dense, Flatten, Layer
from tinyconv.models import clone_model

WAYS = {"copied": copy.copy, "copied deeply": copy.deepcopy, "pickled": lambda model: pickle.loads(pickle.dumps(model))}
every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


def learn_on(model):
    """History and weights after two more epochs."""
    config.set_random_seed(4)
    return [*map(np.array, fit(model, epochs=2).values()), *model.get_weights()]


@every_way
@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_a_copy_learns_on_as_the_model_does(way, engine):
    if engine == "numba":
        pytest.importorskip("numba")
    with config.engine(engine):
        model = compiled(convnet(BatchNormalization()), "adam", metrics=["accuracy"])
        fit(model)
        twin = way(model)
        assert (type(twin), twin.name) == (Sequential, model.name)
        assert_same(twin.get_weights(), model.get_weights())
        before = model.get_weights()
        learned = learn_on(twin)
        assert_same(model.get_weights(), before)  # the copy has arrays of its own
        assert differ(twin.get_weights(), before)
        assert_same(learned, learn_on(model))


@every_way
@pytest.mark.parametrize("make", [branched, two_headed])
def test_a_model_that_is_not_compiled_is_copied(way, make):
    model = make()
    twin = way(model)
    assert twin.optimizer is None
    assert_same(twin.get_weights(), model.get_weights())
    assert twin.get_config() == model.get_config()


@every_way
def test_a_line_without_input_shape_is_copied(way):
    waiting = [Sequential([Dense(3)]), Sequential(), Sequential([Input((4,))])]
    for twin, model in zip(map(way, waiting), waiting, strict=True):
        assert [layer.name for layer in twin.layers] == [layer.name for layer in model.layers]
        assert twin.name == model.name
    popped = Sequential([Input((4,)), Dense(3)])
    popped.predict(np.ones((2, 4)), verbose=0)
    popped.pop()
    assert way(popped).layers == []


def test_what_waits_for_its_shape_is_completed_apart():
    model = Sequential([Flatten(), Dense(3)])
    twin = copy.deepcopy(model)
    assert twin.predict(X, verbose=0).shape == (len(X), 3)
    assert model.predict(X[..., :1], verbose=0).shape == (len(X), 3)


class Centred(initializers.Zeros):
    """An initializer of a user's own."""


class Halved(losses.SparseCategoricalCrossentropy):
    """A loss of a user's own."""


class Doubled(Layer):
    """A layer of a user's own."""

    def compute_output_shape(self, input_shape):
        return input_shape

    def forward(self, x, training=False):
        return 2 * x, None

    def backward(self, dy, cache):
        return 2 * dy


class Line(Sequential):
    """A model of a user's own."""


@every_way
def test_classes_of_ones_own_need_not_be_named(way):
    inside = Sequential([Input((6,)), Doubled()])
    model = Line([Input((4,)), Dense(6, bias_initializer=Centred()), inside, Dense(3, activation="softmax")])
    model.compile("sgd", Halved())
    twin = way(model)
    assert (type(twin), type(twin.layers[1].layers[0])) == (Line, Doubled)
    assert type(twin.layers[0].bias_initializer) is Centred
    x = np.random.default_rng(0).random((5, 4))
    assert twin.evaluate(x, Y[:5], verbose=0) == model.evaluate(x, Y[:5], verbose=0)


def test_a_clone_keeps_initializers_of_ones_own():
    clone = clone_model(Sequential([Input((4,)), Dense(6, bias_initializer=Centred())]))
    assert type(clone.layers[0].bias_initializer) is Centred


def test_what_cannot_be_saved_cannot_be_copied():
    shared = Dense(4)
    both = [Sequential([Input((4,)), Dense(4), shared]), Sequential([Input((4,)), Flatten(), shared])]
    x = Input((4,))
    with pytest.raises(ValueError, match="layers that belong to one model inside"):
        copy.deepcopy(Model(x, Add()([inner(x) for inner in both])))


def deep_line(depth=400):
    """A network that is deeper than Python may call itself, with a few calls for each layer."""
    return Sequential([Input((5,)), *(Dense(5, activation="tanh") for _ in range(depth)), Dense(3)])


@every_way
def test_a_layer_is_copied_without_its_network(way):
    layer = deep_line().layers[-1]
    twin = way(layer)
    assert (twin.name, twin.calls, twin.input_spec) == (layer.name, [], layer.input_spec)
    assert_same(twin.get_weights(), layer.get_weights())
    assert len(layer.calls) == 1


def test_the_gradient_of_a_layer_in_a_deep_network_is_explained():
    layer = deep_line().layers[-1]
    assert explain.gradcheck(layer, np.ones((2, 5))).agree
