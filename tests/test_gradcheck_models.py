"""The gradient check on whole networks: it leaves them as they were, and takes losses and regularizers into account."""

import numpy as np
import pytest
from layer_helpers import VECTORS, WrongBias, normal
from tiny_networks import (
    CLASSES,
    IMAGE,
    assert_same,
    branched,
    compiled,
    convnet,
    images,
    labels,
    two_headed,
    two_headed_data,
)

from tinyconv import Input, Model, Sequential, config, gradcheck
from tinyconv.gradcheck import GradientError, check_layer, check_model
from tinyconv.layers import (
    Activation,
    BatchNormalization,
    Dense,
    Dropout,
    Flatten,
)

# It leaves everything as it was


def everything():
    """A compiled network of all kinds of layers that keep something, after a step of training."""
    hidden = [BatchNormalization(), Dropout(0.4), Dense(6, activation="tanh"), Dropout(0.3, seed=7)]
    model = compiled(convnet(*hidden), "adam")
    model.train_on_batch(images(), labels())
    return model


def kept(model):
    """All that a check might disturb."""
    arrays = [
        a for layer in model.sublayers() for kind in (layer.params, layer.grads, layer.state) for a in kind.values()
    ]
    own = [layer.rng.bit_generator.state["state"] for layer in model.sublayers() if hasattr(layer, "rng")]
    dtypes = [layer.dtype for layer in model.sublayers()]
    return [a.copy() for a in arrays], (own, config.random_state(), dtypes), arrays


def check_as_layer(model):
    check_layer(model, images(3), samples=10)


def check_as_model(model):
    check_model(model, images(3), labels(3), samples=10)


@pytest.mark.parametrize("check", [check_as_layer, check_as_model])
def test_a_check_changes_no_array(check):
    model = everything()
    values, _, arrays = kept(model)
    check(model)
    now = kept(model)[2]
    assert_same(now, values)
    assert all(a is b for a, b in zip(now, arrays, strict=True))


@pytest.mark.parametrize("check", [check_as_layer, check_as_model])
def test_a_check_changes_no_random_stream(check):
    model = everything()
    chance = kept(model)[1]
    check(model)
    assert kept(model)[1] == chance


def test_a_failed_check_changes_nothing_either():
    model = compiled(Sequential([Input((5,)), Dropout(0.2), BatchNormalization(), WrongBias(6), Dense(2)]), loss="mse")
    model.train_on_batch(normal(4, 5), np.ones((4, 2)))
    values, chance, _ = kept(model)
    with pytest.raises(GradientError):
        check_model(model, normal(4, 5), np.ones((4, 2)))
    assert_same(kept(model)[2], values)
    assert kept(model)[1] == chance


def test_a_check_leaves_x_alone():
    x = normal(*VECTORS)
    check_layer(Dense(3), x)
    np.testing.assert_array_equal(x, normal(*VECTORS))


def test_a_check_does_not_disturb_training():
    def weights(check):
        config.set_random_seed(5)
        model = compiled(convnet(Dropout(0.4), BatchNormalization()), "adam")
        for _ in range(2):
            model.train_on_batch(images(), labels())
            if check:
                check_model(model, images(3), labels(3), samples=5)
        return model.get_weights()

    assert_same(weights(True), weights(False))


def test_a_check_counts_no_step():
    model = everything()
    check_as_model(model)
    assert model.optimizer.iterations == 1


def test_a_new_layer_is_built_by_the_check():
    layer = Dense(3)
    check_layer(layer, normal(*VECTORS))
    assert {name: a.dtype.name for name, a in layer.params.items()} == {"kernel": "float32", "bias": "float32"}


# Whole networks


def test_a_network_with_regularizers_batch_normalization_and_dropout():
    hidden = [BatchNormalization(), Dropout(0.4), Dense(6, activation="tanh", kernel_regularizer="l2")]
    report = check_model(compiled(convnet(*hidden)), images(4), labels(4), samples=20)
    assert report.worst < 1e-6
    assert len(report.tensors) == 2 + 2 + 2 + 2 + 1


def test_regularizers_are_part_of_the_check():
    class Blind(Dense):
        def regularized(self):
            return iter([("kernel", Off())])

    class Off:
        def __call__(self, w):
            return float((w**2).sum())

        def gradient(self, w):
            return w  # lacks the 2

    model = compiled(Sequential([Input((5,)), Blind(3)]), loss="mse")
    with pytest.raises(GradientError, match="! blind/kernel"):
        check_model(model, normal(*VECTORS), np.ones((4, 3)))


def test_a_network_with_branches():
    assert check_model(compiled(branched()), images(3), labels(3), samples=20).ok


@pytest.mark.parametrize("training", [True, False])
def test_a_network_with_two_outputs(training):
    x, y = two_headed_data(4)
    model = compiled(two_headed(), loss=["sparse_categorical_crossentropy", "mse"], loss_weights=[2.0, 0.5])
    report = check_model(model, x, y, training=training)
    assert [t.name for t in report.tensors if t.name.startswith("x")] == ["x[0]", "x[1]"]


def test_an_input_that_no_loss_depends_on_has_gradient_zero():
    a, b = Input((3,)), Input((4,))
    model = compiled(Model([a, b], [Dense(2, name="p")(a), Dense(2, name="q")(b)]), loss={"p": "mse"})
    report = check_model(model, [normal(5, 3), normal(5, 4)], [np.ones((5, 2))] * 2)
    assert {t.name: t.error for t in report.tensors}["x[1]"] == 0


@pytest.mark.parametrize("loss", ["categorical_crossentropy", "mse", "mae", "huber", "binary_crossentropy"])
def test_every_loss(loss):
    model = compiled(Sequential([Input((5,)), Dense(CLASSES, activation="softmax")]), loss=loss)
    assert check_model(model, normal(*VECTORS), np.eye(CLASSES)[labels(4)]).ok


def test_a_frozen_regularized_layer():
    model = compiled(convnet(Dense(6, activation="tanh", kernel_regularizer="l2", trainable=False)))
    assert check_model(model, images(3), labels(3), samples=20).ok


def test_a_network_that_waits_for_its_shape():
    model = compiled(Sequential([Flatten(), Dense(CLASSES, activation="softmax")]))
    assert check_model(model, images(3), labels(3)).ok
    assert model.predict(images(), verbose=0).dtype == np.float32


def test_a_network_without_parameters():
    model = compiled(Sequential([Input(IMAGE), Activation("tanh"), Flatten()]), loss="mse")
    assert check_model(model, images(2), np.ones((2, 84))).ok


def test_a_network_that_is_not_compiled():
    with pytest.raises(RuntimeError, match="expected a compiled model"):
        check_model(convnet(), images(3), labels(3))


def test_the_step_and_the_tolerance_are_public():
    assert (gradcheck.STEP, gradcheck.TOLERANCE) == (1e-5, 1e-6)
