"""Bad input. Each mistake gets a sentence that says where, what was expected, what came, and the way out;
and the network is as it was before."""

import numpy as np
import pytest
from tiny_networks import (
    CLASSES,
    IMAGE,
    DataSet,
    N,
    X,
    Y,
    compiled,
    convnet,
    forever,
    images,
    labels,
    refused,
    trained,
    two_headed,
    two_headed_data,
)

from tinyconv import Input, Model, Sequential
from tinyconv.callbacks import EarlyStopping
from tinyconv.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from tinyconv.losses import CategoricalCrossentropy, SparseCategoricalCrossentropy

every_method = pytest.mark.parametrize("method", ["fit", "evaluate", "train_on_batch", "test_on_batch"])
# Shapes of x

SHAPES = {
    "single image": (
        X[0],
        r"samples of shape \(7, 6, 2\).*shape \(7, 6, 2\).*A single image needs a batch axis, x\[None\]",
    ),
    "no channel axis": (
        X[..., 0],
        r"an array of shape \(11, 7, 6\).*Grey images need a channel axis, x\[\.\.\., None\]",
    ),
    "flat": (X.reshape(N, -1), r"an array of shape \(11, 84\).*Reshape or resize the data"),
    "other height": (X[:, :-1], r"an array of shape \(11, 6, 6, 2\).*Reshape or resize the data"),
    "other channels": (X[..., :1], r"an array of shape \(11, 7, 6, 1\).*Reshape or resize the data"),
    "five axes": (X[None], r"an array of shape \(1, 11, 7, 6, 2\)"),
}


@pytest.mark.parametrize(("x", "message"), SHAPES.values(), ids=SHAPES)
@every_method
def test_data_of_another_shape(method, x, message):
    model = trained()
    with refused(model, message):
        getattr(model, method)(x, labels(len(x)))


@pytest.mark.parametrize(("x", "message"), SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("method", ["predict", "predict_on_batch"])
def test_predict_of_another_shape(method, x, message):
    model = trained()
    with refused(model, message):
        getattr(model, method)(x)


@pytest.mark.parametrize(("want", "have", "kind"), [(1, 3, "grey"), (3, 1, "RGB"), (3, 4, "RGB")])
def test_colours_where_grey_is_wanted_and_the_other_way_round(want, have, kind):
    model = Sequential([Input((7, 6, want)), Flatten(), Dense(2)])
    with refused(model, f"Convert the images to {kind}, or build the model for them"):
        model.predict(np.ones((2, 7, 6, have)))


def test_shape_of_validation_data():
    model = trained()
    with refused(model, r"samples of shape \(7, 6, 2\).*an array of shape \(11, 7, 6\)"):
        model.fit(X, Y, validation_data=(X[..., 0], Y), verbose=0)


def test_a_network_that_waits_for_its_shape_meets_a_single_image():
    model = compiled(Sequential([Conv2D(4, 3), Flatten(), Dense(CLASSES, activation="softmax")]))
    with pytest.raises(
        ValueError, match=r"Conv2D 'conv2d': expected 4 axes.*a single image needs a batch axis, x\[None\]"
    ):
        model.predict(X[0], verbose=0)
    assert model.predict(X[:1], verbose=0).shape == (1, CLASSES)


def test_a_network_that_waits_for_its_shape_meets_images_too_small():
    model = compiled(Sequential([Conv2D(4, 5), Flatten(), Dense(CLASSES, activation="softmax")]))
    with pytest.raises(ValueError, match=r"an image of at least 5x5 pixels for its window.*4x4 pixels"):
        model.fit(np.ones((2, 4, 4, 1)), [0, 1], verbose=0)
    model.fit(X, Y, verbose=0)
    assert model.input_shape == (None, *IMAGE)


# Building networks that cannot be


@pytest.mark.parametrize("layer", [lambda: Conv2D(4, 8), lambda: MaxPooling2D((7, 8)), lambda: Conv2D(4, (3, 7))])
def test_window_larger_than_the_image(layer):
    model = Sequential([Input(IMAGE)])
    with pytest.raises(ValueError, match=r"for its window\. Received 7x6 pixels.*Use a smaller kernel.*padding='same'"):
        model.add(layer())
    assert model.layers == []


def test_too_many_pooling_layers():
    with pytest.raises(ValueError, match="MaxPooling2D 'max_pooling2d_2': expected an image of at least 2x2 pixels"):
        Sequential([Input(IMAGE), MaxPooling2D(), MaxPooling2D(), MaxPooling2D()])


def test_convolution_after_flatten():
    with pytest.raises(ValueError, match=r"Conv2D 'conv2d': expected 4 axes.*x\.shape=\(None, 84\)"):
        Sequential([Input(IMAGE), Flatten(), Conv2D(4, 3)])


@pytest.mark.parametrize(
    ("make", "nearest"),
    [
        (lambda: Conv2D(4, 3, kernel_inizializer="zeros"), "kernel_initializer"),
        (lambda: Conv2D(4, 3, activaton="relu"), "activation"),
        (lambda: Conv2D(4, 3, stride=2), "strides"),
        (lambda: Dense(4, kernel_regulariser="l2"), "kernel_regularizer"),
        (lambda: Dropout(rat=0.5, rate=0.2), "rate"),
        (lambda: MaxPooling2D(poolsize=2), "pool_size"),
    ],
)
def test_unknown_layer_argument(make, nearest):
    with pytest.raises(TypeError, match=f"expected arguments among .*{nearest}.*Did you mean '{nearest}'"):
        make()


@pytest.mark.parametrize("make", [lambda: Dense(3, activation="rellu"), lambda: Conv2D(3, 3, activation="rellu")])
def test_unknown_activation(make):
    with pytest.raises(ValueError, match=r"activation 'rellu': expected one of .*Did you mean 'relu'"):
        make()


def test_two_layers_of_one_name_in_a_row():
    model = Sequential([Input((4,)), Dense(3, name="same")])
    with pytest.raises(ValueError, match=r"layers with different names\. Received 'same' twice\. Rename one"):
        model.add(Dense(2, name="same"))
    assert model.output_shape == (None, 3)


def test_two_layers_of_one_name_in_a_graph():
    x = Input((4,))
    with pytest.raises(ValueError, match=r"layers with different names\. Received 'same' twice\. Rename one"):
        Model(x, Dense(2, name="same")(Dense(3, name="same")(x)))


def test_the_same_layer_added_twice():
    model, layer = Sequential([Input((4,))]), Dense(4)
    model.add(layer)
    with pytest.raises(ValueError, match="make a new layer instead of adding one twice"):
        model.add(layer)


@pytest.mark.parametrize("thing", [Flatten, "relu", 3, None], ids=str)
def test_adding_what_is_no_layer(thing):
    with pytest.raises(TypeError, match=r"expected a layer\. Received .*Write for example layers\.Flatten\(\)"):
        Sequential().add(thing)


def test_a_second_input():
    with pytest.raises(ValueError, match="expected one input layer, before all others"):
        Sequential([Dense(3), Input((4,))])


@pytest.mark.parametrize("shape", [28, (0, 5), "28"], ids=str)
def test_input_of_an_impossible_shape(shape):
    with pytest.raises(ValueError, match=r"expected shape as a tuple of positive numbers.*\(28, 28, 1\)"):
        Input(shape)


# Compiling


@pytest.mark.parametrize("method", ["fit", "evaluate", "train_on_batch", "test_on_batch", "loss_and_gradients"])
def test_compile_forgotten(method):
    model = convnet()
    with refused(model, f"a compiled model for {method}.*Call model.compile", RuntimeError):
        getattr(model, method)(X, Y)


def test_predict_needs_no_compile():
    assert convnet().predict(X, verbose=0).shape == (N, CLASSES)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimizer": "adm"}, "optimizer 'adm': expected one of .*Did you mean 'adam'"),
        ({"loss": "sparse_categorical_crosentropy"}, "Did you mean 'sparse_categorical_crossentropy'"),
        ({"metrics": ["acuracy"]}, "metric 'acuracy': expected one of .*Did you mean 'accuracy'"),
        ({"loss": None}, "expected a loss. Received loss=None. Give compile a loss="),
        ({"loss": ["mse", "mse"]}, "expected 1 entries in loss, one for each output. Received 2"),
        ({"loss": {"out": "mse"}}, r"loss by the names of outputs \['dense'\]. Received 'out'"),
        (
            {"loss_weights": ["accuracy"]},
            r"numbers as loss_weights, the third .*'accuracy'\. .* metrics=\[\"accuracy\"\]",
        ),
        ({"loss_weights": {"dense": "mae"}}, r"numbers as loss_weights, the third .*'mae'"),
        ({"loss_weights": "accuracy"}, r"numbers as loss_weights, the third .*'accuracy'"),
        ({"loss_weights": {"out": 2.0}}, r"loss_weights by the names of outputs \['dense'\]. Received 'out'"),
        ({"metrics": {"out": "acc"}}, r"metrics by the names of outputs \['dense'\]. Received 'out'"),
    ],
    ids=str,
)
def test_compile_with_a_wrong_name(settings, message):
    model = trained()
    before = model.optimizer
    with refused(model, message):
        model.compile(**{"optimizer": "sgd", "loss": "sparse_categorical_crossentropy", **settings})
    assert model.optimizer is before


def test_unknown_compile_argument():
    model = trained()
    with refused(model, r"compile: expected arguments among .*metric='accuracy'\. Did you mean 'metrics'", TypeError):
        model.compile("sgd", "mse", metric="accuracy")


def test_after_a_failed_compile_the_model_trains_on():
    model = trained()
    with pytest.raises(ValueError, match="optimizer 'adm'"):
        model.compile("adm", "mse")
    model.fit(X, Y, verbose=0)
    assert model.optimizer.iterations == 3


@pytest.mark.parametrize("activation", [None, "relu", "tanh"])
@pytest.mark.parametrize("loss", ["categorical_crossentropy", "sparse_categorical_crossentropy"])
def test_softmax_missing(activation, loss):
    model = convnet(activation=activation)
    way_out = r"Add activation='softmax', or use \w+Crossentropy\(from_logits=True\)"
    with refused(model, f"Dense 'dense': expected an output of probabilities for {loss}.*{way_out}"):
        model.compile("sgd", loss)


def test_sigmoid_missing():
    model = Sequential([Input((4,)), Dense(1)])
    with refused(model, "Add activation='sigmoid'"):
        model.compile("sgd", "binary_crossentropy")


def test_softmax_missing_in_a_network_that_waits_for_its_shape():
    model = compiled(Sequential([Flatten(), Dense(CLASSES)]))
    with pytest.raises(ValueError, match="expected an output of probabilities"):
        model.fit(X, Y, verbose=0)


def test_softmax_missing_before_a_layer_without_activation():
    model = compiled(Sequential([Input((4,)), Dense(CLASSES), Dropout(0.5)]))
    with pytest.raises(ValueError, match=r"do not look like probabilities.*Add activation='softmax'"):
        model.fit(10 * np.random.default_rng(0).normal(size=(N, 4)), Y, verbose=0)


@pytest.mark.parametrize("loss", [CategoricalCrossentropy, SparseCategoricalCrossentropy])
def test_softmax_and_from_logits_warns(loss):
    with pytest.warns(UserWarning, match="its softmax is left out of the loss, which has from_logits=True. Remove"):
        convnet().compile("sgd", loss(from_logits=True))


def test_sigmoid_and_from_logits_warns():
    from tinyconv.losses import BinaryCrossentropy

    with pytest.warns(UserWarning, match="its sigmoid is left out of the loss"):
        Sequential([Input((4,)), Dense(1, activation="sigmoid")]).compile("sgd", BinaryCrossentropy(from_logits=True))


# Several inputs and outputs

HEADS = {
    "one array": (lambda x, y: (x[0], y), r"2 arrays for x, one for each of \['left', 'right'\]. Received 1"),
    "three arrays": (lambda x, y: ([*x, x[0]], y), "2 arrays for x.*Received 3"),
    "labels for one": (lambda x, y: (x, [y[0]]), r"2 arrays for y, one for each of \['kind', 'size'\]. Received 1"),
    "a name missing": (lambda x, y: ({"left": x[0]}, y), r"x by the names \['left', 'right'\]. Received \['left'\]"),
    "a wrong name": (lambda x, y: (x, {"kind": y[0], "siz": y[1]}), r"y by the names .*Received \['kind', 'siz'\]"),
    "labels swapped": (lambda x, y: (x, y[::-1]), "one class number per place"),
    "inputs swapped": (lambda x, y: (x[::-1], y), r"samples of shape \(5,\)"),
}


@pytest.mark.parametrize(("change", "message"), HEADS.values(), ids=HEADS)
def test_several_inputs_and_outputs_mixed_up(change, message):
    model = compiled(two_headed(), loss=["sparse_categorical_crossentropy", "mse"])
    with refused(model, message):
        model.fit(*change(*two_headed_data()))


# Settings of fit

SETTINGS = {
    "batch_size 0": ({"batch_size": 0}, "batch_size as a whole number from 1. Received batch_size=0"),
    "batch_size negative": ({"batch_size": -1}, "batch_size as a whole number from 1"),
    "batch_size fraction": ({"batch_size": 2.5}, "batch_size as a whole number from 1. Received batch_size=2.5"),
    "batch_size True": ({"batch_size": True}, "batch_size as a whole number from 1"),
    "epochs 0": ({"epochs": 0}, "fit: expected epochs as a whole number from 1. Received epochs=0"),
    "epochs negative": ({"epochs": -3}, "epochs as a whole number from 1"),
    "epochs fraction": ({"epochs": 1.5}, "epochs as a whole number from 1. Received epochs=1.5"),
    "epochs text": ({"epochs": "ten"}, "epochs as a whole number from 1. Received epochs='ten'"),
    "steps 0": ({"steps_per_epoch": 0}, "steps as a whole number from 1"),
    "split negative": ({"validation_split": -0.1}, "a fraction that leaves samples on both sides.*-0.1 of 11 samples"),
    "split 1": ({"validation_split": 1.0}, "a fraction that leaves samples on both sides"),
    "split 20": (
        {"validation_split": 20},
        "a fraction that leaves samples on both sides. Received validation_split=20",
    ),
    "split of nothing": ({"validation_split": 0.95}, "a fraction that leaves samples on both sides"),
    "freq 0": ({"validation_freq": 0, "validation_data": (X, Y)}, "validation_freq as a whole number from 1"),
}


@pytest.mark.parametrize(("settings", "message"), SETTINGS.values(), ids=SETTINGS)
def test_settings_of_fit(settings, message):
    model = trained()
    with refused(model, message):
        model.fit(X, Y, verbose=0, **settings)


@pytest.mark.parametrize("callbacks", [[EarlyStopping], ["early"], [None]], ids=str)
def test_callbacks_that_are_none(callbacks):
    model = trained()
    with refused(model, "callbacks: expected instances of Callback.*with parentheses", TypeError):
        model.fit(X, Y, callbacks=callbacks, verbose=0)


@pytest.mark.parametrize(
    "beside", [{"y": Y}, {"sample_weight": np.ones(N)}, {"validation_split": 0.2}], ids=["y", "weights", "split"]
)
def test_what_goes_with_arrays_only(beside):
    model, [name] = trained(), beside
    with refused(model, f"fit: expected no {name}= beside a generator or data set"):
        model.fit(DataSet(), **beside, verbose=0)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ([X, Y, Y, Y], "batches of .x, y.. Received lists. Yield tuples: yield x, y"),
        (X, "batches of .x, y.. Received batches of x alone"),
        ((X,), "Received batches of x alone"),
        ((X, Y, Y, Y), "batches of x, .x, y. or .x, y, sample_weight.. Received a tuple of 4"),
        ((X, Y[:4]), "as many samples in each array"),
        ((X[..., 0], Y), "Grey images need a channel axis"),
        ((X, Y + 1), "labels 0 to 2"),
        ((X[:0], Y[:0]), "at least one sample"),
    ],
    ids=["list", "x", "x in a tuple", "four", "lengths", "shape", "labels", "empty"],
)
def test_generators_of_something_else(batch, message):
    model = trained()
    with refused(model, message):
        model.fit(forever([batch]), steps_per_epoch=2, verbose=0)


@pytest.mark.parametrize("change", [lambda x: x[..., 0], lambda x: x[:, :-1]], ids=["no channel axis", "other height"])
def test_predict_checks_every_batch_of_a_generator(change):
    model = trained()
    with refused(model, r"samples of shape \(7, 6, 2\)"):
        model.predict(iter([X, change(X)]), verbose=0)


def test_every_message_is_one_line():
    with pytest.raises(TypeError) as error:
        Model(X, X)
    assert "Received an array of shape (11, 7, 6, 2)" in str(error.value)
    assert "\n" not in str(error.value)


def test_images_are_not_changed_by_an_error():
    x = images()
    with pytest.raises(ValueError, match="labels 0 to 2"):
        trained().fit(x, Y + 1)
    np.testing.assert_array_equal(x, X)
