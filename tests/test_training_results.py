"""What training reports, whether the methods agree with each other, and softmax and cross-entropy as one."""

import numpy as np
import pytest
from tiny_networks import (
    CLASSES,
    N,
    Unchanging,
    X,
    Y,
    assert_same,
    compiled,
    convnet,
    fit,
    labels,
    one_hot,
    surprises,
    two_headed,
    two_headed_data,
)

from tinyconv import Input, Model, Sequential, config
from tinyconv.layers import (
    Activation,
    BatchNormalization,
    Dense,
    Dropout,
)
from tinyconv.losses import SparseCategoricalCrossentropy

# What is reported


def test_loss_of_an_epoch_is_the_mean_over_samples():
    model = compiled()
    expected = surprises(model).mean()
    history = fit(model, batch_size=4, callbacks=[Unchanging()])  # batches of 4, 4 and 3
    np.testing.assert_allclose(history["loss"], [expected], rtol=1e-5)


def test_numbers_of_evaluate_have_names():
    model, (x, y) = two_headed(), two_headed_data()
    assert model.metrics_names == []
    model.compile("sgd", ["sparse_categorical_crossentropy", "mse"], metrics={"kind": ["accuracy"], "size": ["mae"]})
    found = model.evaluate(x, y, verbose=0)
    assert dict(zip(model.metrics_names, found, strict=True)) == model.evaluate(x, y, verbose=0, return_dict=True)
    assert model.metrics_names == ["loss", "kind_loss", "size_loss", "kind_accuracy", "size_mae"]


def test_loss_holds_the_regularizers():
    model = compiled(convnet(Dense(8, kernel_regularizer="l2", bias_regularizer="l1")))
    penalty = 0.01 * np.square(model.get_weights()[2]).sum()
    expected = surprises(model).mean() + penalty
    np.testing.assert_allclose(model.evaluate(X, Y, verbose=0), expected, rtol=1e-5)


def test_regularizers_of_frozen_layers_do_not_count():
    model = convnet(Dense(8, kernel_regularizer="l2", trainable=False))
    np.testing.assert_allclose(compiled(model).evaluate(X, Y, verbose=0), surprises(model).mean(), rtol=1e-5)


def test_regularizers_count_once_however_many_outputs():
    x = Input((4,))
    h = Dense(5, kernel_regularizer="l2", name="h")(x)
    model = compiled(Model(x, [Dense(2, name="a")(h), Dense(2, name="b")(h)]), loss="mse", loss_weights=[3.0, 0.5])
    data, target = np.ones((5, 4)), np.zeros((5, 2))
    found = model.test_on_batch(data, [target, target], return_dict=True)
    penalty = 0.01 * np.square(model.get_layer("h").params["kernel"]).sum()
    np.testing.assert_allclose(found["loss"], 3 * found["a_loss"] + 0.5 * found["b_loss"] + penalty, rtol=1e-5)


def test_accuracy_is_the_share_of_right_classes():
    model = compiled(metrics=["accuracy"])
    right = (model.predict(X, verbose=0).argmax(1) == Y).mean()
    np.testing.assert_allclose(model.evaluate(X, Y, verbose=0)[1], right)


def test_history_names_loss_metrics_and_validation():
    model = compiled(metrics=["accuracy", "sparse_top_k_categorical_accuracy"])
    history = fit(model, validation_data=(X, Y), epochs=2)
    known = ["loss", "accuracy", "sparse_top_k_categorical_accuracy"]
    assert list(history) == known + [f"val_{name}" for name in known]


@pytest.mark.parametrize("word", ["accuracy", "acc", "sparse_categorical_accuracy"])
def test_a_metric_keeps_the_name_it_was_given(word):
    assert list(fit(compiled(metrics=[word]))) == ["loss", word]


def test_history_holds_plain_numbers():
    history = fit(compiled(metrics=["accuracy"]), epochs=2)
    assert {type(value) for values in history.values() for value in values} == {float}


def test_fit_keeps_its_history_on_the_model():
    model = compiled()
    assert model.fit(X, Y, verbose=0) is model.history


def test_history_knows_how_it_was_trained():
    history = compiled().fit(X, Y, epochs=2, batch_size=4, verbose=0)
    assert (history.epoch, history.params) == ([0, 1], {"verbose": 0, "epochs": 2, "steps": 3})


def test_initial_epoch_counts_on():
    history = compiled().fit(X, Y, epochs=5, initial_epoch=3, verbose=0)
    assert history.epoch == [3, 4]


def test_training_in_two_parts_equals_training_at_once():
    def weights(*parts):
        config.set_random_seed(5)
        model, first = compiled(convnet(Dropout(0.3)), "adam"), 0
        for last in parts:
            fit(model, epochs=last, initial_epoch=first, batch_size=4)
            first = last
        return model.get_weights()

    assert_same(weights(2, 5), weights(5))


def test_names_of_several_outputs():
    x, y = two_headed_data()
    model = two_headed()
    model.compile("sgd", ["sparse_categorical_crossentropy", "mse"], metrics={"kind": ["accuracy"], "size": "mae"})
    assert list(fit(model, x, y)) == ["loss", "kind_loss", "size_loss", "kind_accuracy", "size_mae"]


@pytest.mark.parametrize("factors", [[0.25, 2.0], {"kind": 0.25, "size": 2.0}, {"kind": 0.0, "size": 0.0}], ids=str)
def test_loss_weights(factors):
    x, y = two_headed_data()
    model = compiled(two_headed(), loss=["sparse_categorical_crossentropy", "mse"], loss_weights=factors)
    kind, size = model.predict(x, verbose=0)
    losses = -np.log(kind[np.arange(N), y[0]]).mean(), np.square(size - y[1]).mean()
    a, b = factors.values() if isinstance(factors, dict) else factors
    expected = [a * losses[0] + b * losses[1], *losses]  # single losses are reported without their factor
    np.testing.assert_allclose(model.evaluate(x, y, verbose=0), expected, rtol=1e-5)


def test_an_output_without_a_loss_is_not_trained():
    x, y = two_headed_data()
    model = compiled(two_headed(), loss={"kind": "sparse_categorical_crossentropy"})
    before = model.get_layer("size").get_weights()
    fit(model, x, y)
    assert_same(model.get_layer("size").get_weights(), before)


# The methods agree


def test_evaluate_equals_test_on_batch():
    model = compiled(convnet(BatchNormalization(), Dropout(0.5)), metrics=["accuracy"])
    fit(model)
    np.testing.assert_allclose(model.evaluate(X, Y, batch_size=4, verbose=0), model.test_on_batch(X, Y), rtol=1e-5)


def test_predict_equals_predict_on_batch():
    model = convnet(Dropout(0.5))
    np.testing.assert_allclose(model.predict(X, batch_size=4, verbose=0), model.predict_on_batch(X), rtol=1e-5)


def test_predict_equals_calling():
    model = convnet(Dropout(0.5))
    np.testing.assert_array_equal(model.predict(X, verbose=0), model(X))


def test_train_on_batch_returns_the_loss_before_the_step():
    model = compiled(metrics=["accuracy"])
    expected = model.test_on_batch(X, Y)
    np.testing.assert_allclose(model.train_on_batch(X, Y), expected, rtol=1e-6)


def test_train_on_batch_equals_fit_on_one_batch():
    model, other = compiled(optimizer="adam"), compiled(optimizer="adam")
    other.set_weights(model.get_weights())
    model.train_on_batch(X, Y)
    fit(other, batch_size=N, shuffle=False)
    assert_same(model.get_weights(), other.get_weights())


@pytest.mark.parametrize("method", ["train_on_batch", "test_on_batch", "evaluate"])
def test_results_by_name(method):
    found = getattr(compiled(metrics=["accuracy"]), method)(X, Y, return_dict=True)
    assert list(found) == ["loss", "accuracy"]


@pytest.mark.parametrize("method", ["train_on_batch", "test_on_batch", "evaluate"])
def test_without_metrics_the_result_is_a_number(method):
    assert isinstance(getattr(compiled(), method)(X, Y), float)


@pytest.mark.parametrize("method", ["evaluate", "predict", "test_on_batch", "predict_on_batch"])
def test_only_training_changes_weights(method):
    model = compiled(convnet(BatchNormalization(), Dropout(0.5)))
    before = model.get_weights()
    getattr(model, method)(*([X] if "predict" in method else [X, Y]))
    assert_same(model.get_weights(), before)


def test_loss_and_gradients_leaves_the_parameters():
    model = compiled()
    before = model.get_weights()
    loss, [dx] = model.loss_and_gradients(X, Y)
    assert_same(model.get_weights(), before)
    assert dx.shape == X.shape
    np.testing.assert_allclose(loss, model.evaluate(X, Y, verbose=0), rtol=1e-6)


def test_predict_of_several_outputs_is_a_list():
    x, _ = two_headed_data()
    assert [a.shape for a in two_headed().predict(x, batch_size=4, verbose=0)] == [(N, CLASSES), (N, 2)]


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float64, np.float16, bool])
def test_every_number_type_is_taken(dtype):
    x = (X * 2).astype(dtype)
    assert convnet().predict(x, verbose=0).dtype == np.float32


@pytest.mark.parametrize("shape", [(N,), (N, 1)], ids=str)
@pytest.mark.parametrize("dtype", [np.int32, np.uint8, np.float32])
def test_class_numbers_of_every_type_and_shape(dtype, shape):
    expected = compiled().evaluate(X, Y, verbose=0)
    config.set_random_seed(0)
    np.testing.assert_allclose(compiled().evaluate(X, Y.astype(dtype).reshape(shape), verbose=0), expected, rtol=1e-6)


# Softmax and cross-entropy together


def linear(activation="softmax", loss="sparse_categorical_crossentropy", scale=1.0):
    """One dense layer whose weights are ``scale`` times the identity: its logits are scale * x."""
    model = compiled(Sequential([Input((CLASSES,)), Dense(CLASSES, activation=activation, name="d")]), loss=loss)
    model.set_weights([np.eye(CLASSES) * scale, np.zeros(CLASSES)])
    return model


def softmax(z):
    """(N, C) -> (N, C)."""
    p = np.exp(z - z.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True)


@pytest.mark.parametrize("loss", ["sparse_categorical_crossentropy", "categorical_crossentropy"])
@pytest.mark.parametrize("layer", ["dense", "layer of its own"])
def test_gradient_of_softmax_and_crossentropy_is_p_minus_t(float64, loss, layer):
    x, y = np.random.default_rng(0).normal(size=(5, CLASSES)), labels(5)
    model = linear("softmax" if layer == "dense" else None, "mse")
    if layer != "dense":
        model.add(Activation("softmax"))
    compiled(model, loss=loss)
    _, [dx] = model.loss_and_gradients(x, y if loss.startswith("sparse") else one_hot(y))
    np.testing.assert_allclose(dx, (softmax(x) - np.eye(CLASSES)[y]) / 5, rtol=1e-6, atol=1e-9)


def test_gradient_of_sigmoid_and_binary_crossentropy_is_p_minus_t(float64):
    x = np.random.default_rng(0).normal(size=(5, CLASSES))
    _, [dx] = linear("sigmoid", "binary_crossentropy").loss_and_gradients(x, one_hot(labels(5)))
    expected = (1 / (1 + np.exp(-x)) - np.eye(CLASSES)[labels(5)]) / (5 * CLASSES)
    np.testing.assert_allclose(dx, expected, rtol=1e-6, atol=1e-9)


def test_huge_logits_give_the_true_loss():
    x = np.array([[1.0, 0.0, 0.5]])
    np.testing.assert_allclose(linear(scale=1e4).evaluate(x, [1], verbose=0), 1e4, rtol=1e-6)


def test_huge_logits_give_the_true_gradient():
    x = np.array([[1.0, 0.0, 0.5]])
    _, [dx] = linear(scale=1e4).loss_and_gradients(x, [1])
    np.testing.assert_allclose(dx / 1e4, [[1, -1, 0]], atol=1e-6)


def test_huge_logits_train_to_finite_weights():
    model = linear(scale=1e4)
    history = fit(model, np.random.default_rng(0).normal(size=(N, CLASSES)), Y, epochs=3)
    assert np.isfinite([*history["loss"], *model.get_weights()[0].ravel()]).all()


def test_metrics_see_probabilities_though_the_loss_sees_logits():
    x = np.random.default_rng(0).normal(size=(5, CLASSES))
    model = linear()
    model.compile("sgd", "categorical_crossentropy", metrics=["mae"])
    found = model.evaluate(x, one_hot(labels(5)), verbose=0)[1]
    np.testing.assert_allclose(found, np.abs(softmax(x) - one_hot(labels(5))).mean(), rtol=1e-5)


def test_from_logits_equals_softmax():
    x = np.random.default_rng(0).normal(size=(5, CLASSES))
    logits = linear(None, SparseCategoricalCrossentropy(from_logits=True)).evaluate(x, labels(5), verbose=0)
    np.testing.assert_allclose(logits, linear().evaluate(x, labels(5), verbose=0), rtol=1e-6)


def test_training_leaves_the_softmax_in_the_network():
    model = compiled()
    fit(model)
    np.testing.assert_allclose(model.predict(X, verbose=0).sum(1), 1, rtol=1e-6)


def test_a_softmax_that_another_layer_reads_stays_where_it_is():
    x = Input((5,))
    p = Dense(3, activation="softmax", name="p")(x)
    model = Model(x, [p, Dense(2, name="q")(p)])
    model.compile("sgd", ["sparse_categorical_crossentropy", "mse"])
    data = np.random.default_rng(0).normal(size=(4, 5))
    probabilities, q = model.predict(data, verbose=0)
    y, target = np.array([0, 2, 1, 1]), np.ones((4, 2))
    expected = -np.log(probabilities[np.arange(4), y]).mean() + np.square(q - target).mean()
    np.testing.assert_allclose(model.test_on_batch(data, [y, target])[0], expected, rtol=1e-5)


def test_loss_of_one_of_several_outputs_is_a_mean_over_samples():
    x = Input((5,))
    model = Model(x, [Dense(2, name="a")(x), Dense(2, name="b")(x)])
    model.compile("sgd", "mse")
    data = np.random.default_rng(0).normal(size=(5, 5))
    y = [np.arange(10.0).reshape(5, 2) ** 2, np.zeros((5, 2))]  # the last sample, alone in its batch, is far off
    a = model.predict(data, verbose=0)[0]
    found = model.evaluate(data, y, batch_size=4, verbose=0, return_dict=True)["a_loss"]
    np.testing.assert_allclose(found, np.square(a - y[0]).mean(), rtol=1e-5)
