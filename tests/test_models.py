"""Networks as objects: graphs of layers, models inside models, names, weights, counts and feature maps."""

import tracemalloc

import numpy as np
import pytest
from tiny_networks import (
    CLASSES,
    IMAGE,
    N,
    assert_same,
    branched,
    compiled,
    convnet,
    images,
    labels,
    one_hot,
    refused,
    two_headed,
    two_headed_data,
)

from tinyconv import Input, Model, Sequential, gradcheck
from tinyconv.layers import (
    Add,
    BatchNormalization,
    Concatenate,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    MaxPooling2D,
    Rescaling,
)


def names(model):
    """Names of the model's layers."""
    return [layer.name for layer in model.layers]


def note_001():
    """The network of course note 001, 299x299 pixels."""
    x = input_ = Input(shape=(299, 299, 3))
    x = MaxPooling2D(pool_size=2)(Conv2D(filters=32, kernel_size=5, padding="same", activation="relu")(x))
    x = MaxPooling2D(pool_size=2)(Conv2D(filters=64, kernel_size=3, padding="same", activation="relu")(x))
    x = Dense(units=1000, activation="relu")(Flatten()(x))
    x = Dense(units=100, activation="relu")(x)
    return Model(inputs=[input_], outputs=[Dense(units=5, activation="softmax")(x)])


def with_input():
    return Sequential([Input(IMAGE), Conv2D(4, 3), Flatten(), Dense(CLASSES)])


# Functional


def test_branches_add_up():
    x = Input((3,))
    double, triple = Rescaling(2.0), Rescaling(3.0)
    model = Model(x, Add()([double(x), triple(x)]))
    np.testing.assert_array_equal(model.predict(np.ones((2, 3)), verbose=0), np.full((2, 3), 5.0))


def test_branches_have_right_gradients():
    assert gradcheck.check_model(compiled(branched()), images(3), labels(3), samples=20).ok


def shared():
    """One dense layer at two places of a network."""
    x = Input((4,))
    layer = Dense(4, activation="tanh", name="twice")
    return Model(x, Dense(2)(layer(layer(x))))


def test_a_shared_layer_is_counted_once():
    assert shared().count_params() == (4 * 4 + 4) + (4 * 2 + 2)


def test_a_shared_layer_computes_twice():
    model = shared()
    [kernel, bias, *last] = model.get_weights()
    x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    h = np.tanh(np.tanh(x @ kernel + bias) @ kernel + bias)
    np.testing.assert_allclose(model.predict(x, verbose=0), h @ last[0] + last[1], rtol=1e-5)


def test_gradient_of_a_shared_layer_is_right():
    x, y = np.random.default_rng(0).normal(size=(5, 4)), np.ones((5, 2))
    report = gradcheck.check_model(compiled(shared(), loss="mse"), x, y)
    assert {tensor.name for tensor in report.tensors} >= {"twice/kernel", "twice/bias"}


def test_gradient_of_a_shared_layer_is_the_sum_of_both_uses(float64):
    model = compiled(shared(), loss="mse")
    x, y = np.random.default_rng(0).normal(size=(5, 4)), np.ones((5, 2))
    model.loss_and_gradients(x, y)
    total = model.get_layer("twice").grads["kernel"].copy()
    inside = Input((4,))
    first, second = Dense(4, activation="tanh"), Dense(4, activation="tanh")
    apart = compiled(Model(inside, Dense(2)(second(first(inside)))), loss="mse")
    apart.set_weights([*model.get_weights()[:2], *model.get_weights()])
    apart.loss_and_gradients(x, y)
    np.testing.assert_allclose(total, first.grads["kernel"] + second.grads["kernel"], rtol=1e-12)


def test_several_inputs_and_outputs_as_lists():
    model, (x, _) = two_headed(), two_headed_data()
    assert [y.shape for y in model.predict(x, verbose=0)] == [(N, CLASSES), (N, 2)]


def test_several_inputs_by_name_in_any_order():
    model, (x, _) = two_headed(), two_headed_data()
    by_name = {"right": x[1], "left": x[0]}
    assert_same(model.predict(by_name, verbose=0), model.predict(x, verbose=0))


def test_outputs_by_name_train_as_in_order():
    x, y = two_headed_data()
    model = compiled(two_headed(), loss={"size": "mse", "kind": "sparse_categorical_crossentropy"})
    other = compiled(two_headed(), loss=["sparse_categorical_crossentropy", "mse"])
    other.set_weights(model.get_weights())
    model.fit(x, {"size": y[1], "kind": y[0]}, shuffle=False, verbose=0)
    other.fit(x, y, shuffle=False, verbose=0)
    assert_same(model.get_weights(), other.get_weights())


def test_several_outputs_have_right_gradients():
    x, y = two_headed_data(4)
    model = compiled(two_headed(), loss=["sparse_categorical_crossentropy", "huber"], loss_weights=[0.3, 2.0])
    assert gradcheck.check_model(model, x, y, samples=20).ok


def test_an_output_may_be_the_input_of_another():
    x = Input((4,))
    first = Dense(3, activation="softmax", name="a")(x)
    model = compiled(Model(x, [first, Dense(2, name="b")(first)]), loss=["sparse_categorical_crossentropy", "mse"])
    data = np.random.default_rng(0).normal(size=(5, 4))
    assert gradcheck.check_model(model, data, [labels(5), np.ones((5, 2))]).ok


def test_outputs_that_need_other_inputs_are_refused():
    a, b = Input((3,), name="a"), Input((3,), name="b")
    with pytest.raises(ValueError, match=r"outputs that depend on exactly the given inputs.*inputs missing: \['b'\]"):
        Model(a, Add()([a, b]))


def test_unused_inputs_are_refused():
    a, b = Input((3,)), Input((3,))
    with pytest.raises(ValueError, match="unused inputs"):
        Model([a, b], Dense(2)(a))


def test_arrays_are_no_symbolic_inputs():
    message = r"symbolic tensors. Received an array of shape \(2, 3\). Begin with tinyconv\.Input"
    with pytest.raises(TypeError, match=message):
        Model(np.ones((2, 3)), np.ones((2, 3)))


def test_model_without_inputs_says_how_to_make_layers():
    with pytest.raises(TypeError, match=r"inputs= and outputs=.*subclasses of tinyconv\.layers\.Layer"):
        Model()


# Models inside models


def test_nested_model_computes_as_its_layers():
    inner = convnet()
    x = Input(IMAGE)
    outer = Model(x, Dense(2)(inner(x)))
    kernel, bias = outer.get_weights()[-2:]
    expected = inner.predict(images(), verbose=0) @ kernel + bias
    np.testing.assert_allclose(outer.predict(images(), verbose=0), expected, rtol=1e-5)


def test_nested_models_have_right_gradients():
    x = Input(IMAGE)
    inner = Sequential([Input(IMAGE), Conv2D(4, 3, activation="tanh"), BatchNormalization(), Flatten()])
    model = compiled(Model(x, Dense(2)(inner(x))), loss="mse")
    report = gradcheck.check_model(model, images(3), np.ones((3, 2)), samples=20)
    assert "conv2d/kernel" in {tensor.name for tensor in report.tensors}


def test_sequential_inside_sequential():
    model = compiled(Sequential([Input(IMAGE), Sequential([Conv2D(4, 3), Flatten()]), Dense(CLASSES)]), loss="mse")
    model.fit(images(), one_hot(labels()), verbose=0)
    assert model.output_shape == (None, CLASSES)


def test_nested_model_with_two_inputs_and_outputs_has_right_gradients():
    left, right = Input((5,)), Input((4,))
    kind, size = two_headed()([left, right])
    model = compiled(Model([left, right], Concatenate()([size, kind])), loss="mse")
    x, _ = two_headed_data(4)
    assert gradcheck.check_model(model, x, np.ones((4, 2 + CLASSES)), samples=20).ok


def test_nested_parameters_are_counted_once():
    inner = Sequential([Input((4,)), Dense(4)])
    x = Input((4,))
    assert Model(x, inner(inner(x))).count_params() == inner.count_params() == 20


def test_freezing_a_model_freezes_what_is_inside():
    inner = Sequential([Input((4,)), Dense(4)])
    outer = Sequential([Input((4,)), inner, Dense(2)])
    outer.trainable = False
    assert not any(layer.trainable for layer in outer.sublayers())


# Asking


def test_get_layer_by_name():
    model = with_input()
    assert model.get_layer("flatten") is model.layers[1]


@pytest.mark.parametrize("index", [0, 2, -1])
def test_get_layer_by_index(index):
    model = with_input()
    assert model.get_layer(index=index) is model.layers[index]


def test_get_layer_suggests_the_nearest_name():
    with pytest.raises(ValueError, match=r"expected the name of a layer: conv2d, flatten, dense.*mean 'conv2d'"):
        with_input().get_layer("conv_2d")


def test_get_layer_beyond_the_last():
    with pytest.raises(ValueError, match=r"expected index below 3.*index=3"):
        with_input().get_layer(index=3)


def test_set_weights_takes_what_get_weights_gave():
    model, other = convnet(BatchNormalization()), convnet(BatchNormalization())
    other.set_weights(model.get_weights())
    np.testing.assert_array_equal(other.predict(images(), verbose=0), model.predict(images(), verbose=0))


def test_get_weights_gives_copies():
    model = convnet()
    before = model.get_weights()
    for array in model.get_weights():
        array += 1
    assert_same(model.get_weights(), before)


def test_weights_are_in_keras_order():
    model = Sequential([Input((5,)), Dense(4, use_bias=False), BatchNormalization(), Dense(3)])
    model.get_layer("batch_normalization").build((None, 4))
    model.get_layer("batch_normalization").state["moving_mean"] += 7
    assert [w.shape for w in model.get_weights()] == [(5, 4), (4,), (4,), (4,), (4,), (4, 3), (3,)]
    assert [w[0] for w in model.get_weights()[1:5]] == [1, 0, 7, 1]  # gamma, beta, mean, variance


@pytest.mark.parametrize("change", [lambda w: w[:-1], lambda w: [w[0].T, *w[1:]], lambda w: [*w, w[0]]])
def test_weights_of_other_shapes_are_refused(change):
    model = convnet()
    with refused(model, "expected weights of shapes"):
        model.set_weights(change(model.get_weights()))


def test_weights_set_after_training_are_the_ones_that_train_on():
    model = compiled()
    model.fit(images(), labels(), verbose=0)
    weights = [np.zeros_like(w) for w in model.get_weights()]
    model.set_weights(weights)
    np.testing.assert_allclose(model.predict(images(), verbose=0), 1 / CLASSES, rtol=1e-6)


def test_note_001_is_counted_without_being_built():
    tracemalloc.start()
    try:
        assert note_001().count_params() == 350_586_533
        assert tracemalloc.get_traced_memory()[1] < 5e6
    finally:
        tracemalloc.stop()


def test_count_params_draws_no_weights():
    model = convnet()
    model.count_params()
    assert not any(layer.built for layer in model.layers)


# Names


def test_layers_are_numbered_as_keras_does():
    model = Sequential([Input(IMAGE), Conv2D(4, 3), Conv2D(4, 3), MaxPooling2D(), BatchNormalization(), Flatten()])
    assert names(model) == ["conv2d", "conv2d_1", "max_pooling2d", "batch_normalization", "flatten"]


def test_numbers_go_on_in_the_next_model():
    with_input()
    assert names(with_input()) == ["conv2d_1", "flatten_1", "dense_1"]


def test_models_are_numbered_by_kind():
    x = Input((3,))
    made = [Sequential(), Sequential(), Model(x, Dense(2)(x)), Model(x, Dense(2)(x))]
    assert [m.name for m in made] == ["sequential", "sequential_1", "functional", "functional_1"]


def test_input_layers_are_layers_of_a_functional_model():
    x = Input(IMAGE)
    assert names(Model(x, Flatten()(x))) == ["input_layer", "flatten"]


def test_layers_are_in_keras_order():
    x = Input(IMAGE, name="in")
    a = Conv2D(4, 3, name="a")(x)
    b = Conv2D(4, 3, name="b2")(Dropout(0.5, name="b1")(x))
    model = Model(x, Add(name="sum")([a, b]))
    assert names(model) == ["in", "b1", "a", "b2", "sum"]


@pytest.mark.parametrize("method", [repr, str])
def test_repr_names_the_model(method):
    assert method(Sequential([Dense(3)], name="net")) == "<Sequential name='net', layers=1>"


# Feature maps: a model of the layers of another


def features(model, name="conv2d"):
    """The model from the same input to the output of one layer."""
    return Model(model.input, model.get_layer(name).output)


def test_feature_model_computes_the_output_of_the_layer():
    model = convnet()
    expected = model.get_layer("conv2d")(images())
    np.testing.assert_array_equal(features(model).predict(images(), verbose=0), expected)


def test_feature_model_shares_the_layers():
    model = convnet()
    assert features(model).get_layer("conv2d") is model.get_layer("conv2d")


def test_feature_model_follows_while_the_first_model_trains():
    model = compiled()
    maps = features(model)
    for _ in range(2):
        model.fit(images(), labels(), verbose=0)
        expected = model.get_layer("conv2d")(images())
        np.testing.assert_array_equal(maps.predict(images(), verbose=0), expected)


def test_feature_models_of_every_layer_at_once():
    model = convnet()
    maps = Model(model.input, [layer.output for layer in model.layers])
    assert [y.shape[1:] for y in maps.predict(images(), verbose=0)] == [m.output.shape[1:] for m in model.layers]


def test_output_of_a_shared_layer_has_no_single_meaning():
    with pytest.raises(ValueError, match=r"expected one call on a symbolic tensor.*2 calls"):
        features(shared(), "twice")
