"""All parameters of a network are one vector, also while another network trains some of them."""

import numpy as np
import pytest
from tiny_networks import (
    IMAGE,
    N,
    assert_same,
    compiled,
    convnet,
    differ,
    images,
    labels,
    refused,
)

from tinyconv import Input, Model
from tinyconv.layers import (
    BatchNormalization,
    Dense,
    Flatten,
)


def vector_of(model):
    """The one vector that all parameters of a trained model are views of."""
    [vector] = {id(a.base): a.base for m in model.sublayers() for a in m.params.values()}.values()
    return vector


# One vector for all parameters


def trained(*hidden, optimizer="adam"):
    """A network after one step."""
    model = compiled(convnet(*hidden), optimizer)
    model.train_on_batch(images(), labels())
    return model


def test_parameters_are_stretches_of_one_vector():
    model = trained()
    vector = vector_of(model)
    assert (vector.ndim, vector.size) == (1, model.count_params())


def test_the_vector_holds_the_parameters_in_order():
    model = trained()
    np.testing.assert_array_equal(vector_of(model), np.concatenate([w.ravel() for w in model.get_weights()]))


def test_gradients_are_stretches_of_one_vector():
    model = trained()
    [vector] = {id(g.base): g.base for m in model.sublayers() for g in m.grads.values()}.values()
    assert vector.shape == vector_of(model).shape


def test_changing_the_vector_changes_the_layers():
    model = trained()
    vector_of(model)[:] = 0
    assert not model.get_layer("conv2d").params["kernel"].any()


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "adagrad"])
def test_optimizer_slots_are_as_long_as_the_parameters(optimizer):
    model = trained(optimizer=optimizer)
    assert {slot.shape for slot in model.optimizer.slots.values()} == {vector_of(model).shape}


def test_slots_leave_out_frozen_parameters():
    model = convnet(BatchNormalization())
    model.get_layer("conv2d").trainable = False
    compiled(model, "adam").train_on_batch(images(), labels())
    frozen = sum(a.size for a in model.get_layer("conv2d").params.values())
    state = sum(a.size for a in model.get_layer("batch_normalization").state.values())
    assert {s.size for s in model.optimizer.slots.values()} == {model.count_params() - frozen - state}


def test_moving_into_the_vector_keeps_the_weights():
    model = convnet(BatchNormalization())
    before = model.get_weights()
    compiled(model, "adam").optimizer.learning_rate = 0.0
    model.train_on_batch(images(), labels())
    assert_same(model.get_weights()[:4], before[:4])


def test_weights_stay_in_the_vector_until_another_model_trains_them():
    model, other = siblings()
    model.train_on_batch(images(), labels())
    memory = model._learner.memory
    assert memory.is_current()
    other.train_on_batch(images(), np.zeros((len(images()), 2)))
    assert not memory.is_current()


# Two models that share layers


def siblings():
    """(model, other): their convolution is the same layer."""
    model = convnet()
    x = Input(IMAGE)
    other = Model(x, Dense(2)(Flatten()(model.get_layer("conv2d")(x))))
    return compiled(model), compiled(other, loss="mse")


def test_models_that_share_layers_train_in_turn():
    model, other = siblings()
    for _ in range(3):
        model.train_on_batch(images(), labels())
        assert_same(other.get_weights()[:2], model.get_weights()[:2])
        before = model.get_weights()
        other.train_on_batch(images(), np.ones((N, 2)))
        assert_same(other.get_weights()[:2], model.get_weights()[:2])
        assert_same(before[2:], model.get_weights()[2:])
        assert differ(before[:2], model.get_weights()[:2])


def test_training_in_turn_equals_plain_gradient_descent():
    model, other = siblings()
    layer = model.get_layer("conv2d")
    model.train_on_batch(images(), labels())
    other.train_on_batch(images(), np.ones((N, 2)))
    before = layer.params["kernel"].copy()
    model.loss_and_gradients(images(), labels())
    gradient = layer.grads["kernel"].copy()
    model.train_on_batch(images(), labels())
    np.testing.assert_allclose(layer.params["kernel"], before - np.float32(0.01) * gradient, rtol=1e-6, atol=1e-8)


def test_predictions_agree_after_the_sibling_has_trained():
    model, other = siblings()
    model.train_on_batch(images(), labels())
    other.train_on_batch(images(), np.ones((N, 2)))
    by_hand = model.layers[0](images())
    for layer in model.layers[1:]:
        by_hand = layer(by_hand)
    np.testing.assert_allclose(model.predict(images(), verbose=0), by_hand, rtol=1e-6)


def test_compiling_twice_keeps_the_weights():
    model = trained()
    before = model.get_weights()
    compiled(model, "sgd")
    assert_same(model.get_weights(), before)


def test_an_optimizer_belongs_to_one_number_of_weights():
    model = trained()
    other = compiled(convnet(Dense(8)), model.optimizer)
    with refused(other, "weights that it was built for.*Make a new optimizer"):
        other.train_on_batch(images(), labels())
