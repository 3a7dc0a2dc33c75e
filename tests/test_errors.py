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
    batches,
    compiled,
    convnet,
    forever,
    images,
    labels,
    one_hot,
    refused,
    two_headed,
    two_headed_data,
)

from tinyconv import Input, Model, Sequential, config
from tinyconv.callbacks import EarlyStopping
from tinyconv.layers import BatchNormalization, Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from tinyconv.losses import CategoricalCrossentropy, SparseCategoricalCrossentropy


def trained(*hidden, optimizer="adam", **settings):
    """A network after two steps, so that an error has something to spoil."""
    model = compiled(convnet(BatchNormalization(), *hidden), optimizer, **settings)
    model.fit(X, Y, epochs=2, verbose=0)
    return model


def line():
    """A regression of one number by another, trained."""
    model = compiled(Sequential([Input((1,)), Dense(1)]), loss="mse")
    model.fit(np.ones((4, 1)), np.ones(4), verbose=0)
    return model


def with_cell(array, index, value):
    """A copy of the array with one other value."""
    array = np.array(array, np.float32)
    array[index] = value
    return array


every_method = pytest.mark.parametrize("method", ["fit", "evaluate", "train_on_batch", "test_on_batch"])
learning = pytest.mark.parametrize("method", ["fit", "train_on_batch"])

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


# Labels

LABELS = {
    "from 1": (1 + np.arange(N) % 3, r"labels 0 to 2 for 3 outputs.*y\[2\]=3\. They start from 1: pass y - 1"),
    "too large": (with_cell(Y, 4, 9).astype(int), r"labels 0 to 2.*y\[4\]=9\. Give the last layer 10 units"),
    "negative": (with_cell(Y, 5, -1).astype(int), r"labels 0 to 2.*y\[5\]=-1"),
    "fractions": (with_cell(Y, 6, 0.5), r"labels as whole numbers.*y\[6\]=0\.5\. Number the classes from 0"),
    "one-hot": (
        one_hot(Y),
        r"one class number per place.*3 columns, y\.shape=\(11, 3\).*loss='categorical_crossentropy'",
    ),
    "names": (np.array(["cat", "dog"] * 6)[:N], r"y as numbers\. Received strings .*Convert labels to whole numbers"),
    "objects": (np.array([0, None] * 6, object)[:N], r"y as numbers\. Received objects \(dtype object\)"),
    "places": (np.zeros((N, 7, 6), int), r"one class number per place.*y\.shape=\(11, 7, 6\)"),
}


@pytest.mark.parametrize(("y", "message"), LABELS.values(), ids=LABELS)
@every_method
def test_labels_that_do_not_fit_a_sparse_loss(method, y, message):
    model = trained()
    with refused(model, message):
        getattr(model, method)(X, y)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (
            Y,
            r"one-hot labels of shape \(N, 3\).*class numbers.*Use loss='sparse_categorical_crossentropy', or to_categ",
        ),
        (Y[:, None], r"class numbers, y\.shape=\(11, 1\).*Use loss='sparse_categorical_crossentropy'"),
        (np.eye(4)[Y], r"y\.shape=\(11, 4\)\. Give the last layer 4 units, or encode with to_categorical\(labels, 3\)"),
        (np.array(["a"] * N), "y as numbers. Received strings"),
    ],
    ids=["numbers", "column", "wrong count", "strings"],
)
@every_method
def test_labels_that_do_not_fit_a_categorical_loss(method, y, message):
    model = trained()
    model.compile("sgd", "categorical_crossentropy")
    with refused(model, message):
        getattr(model, method)(X, y)


def test_class_numbers_in_a_column_are_taken():
    assert np.isfinite(trained().evaluate(X, Y[:, None], verbose=0))


def test_one_output_for_many_classes():
    model = Sequential([Input(IMAGE), Flatten(), Dense(1, activation="softmax")])
    with refused(compiled(model), r"label 0 for 1 output.*For two classes on one output use activation='sigmoid'"):
        model.fit(X, Y % 2, verbose=0)


def test_class_numbers_under_a_binary_loss():
    model = Sequential([Input(IMAGE), Flatten(), Dense(1, activation="sigmoid")])
    with refused(compiled(model, loss="binary_crossentropy"), r"labels from 0 to 1.*=2.*sparse_categorical"):
        model.fit(X, np.arange(N) % 3, verbose=0)


def test_class_numbers_under_a_squared_error():
    model = convnet()
    with refused(compiled(model, loss="mse"), r"one target per output, shape \(N, 3\).*If these are class numbers"):
        model.fit(X, Y, verbose=0)


def test_labels_that_do_not_fit_in_the_validation_part():
    model = trained()
    with refused(model, r"validation_data: expected labels 0 to 2.*y\[10\]=7"):
        model.fit(X, Y, validation_data=(X, with_cell(Y, 10, 7)), verbose=0)


def test_labels_that_do_not_fit_at_the_very_end():
    model = trained()
    with refused(model, r"y\[10\]=3"):
        model.fit(X, with_cell(Y, 10, 3), batch_size=1, shuffle=False, verbose=0)


# Lengths


@every_method
def test_more_images_than_labels(method):
    model = trained()
    with refused(model, f"{method}: expected as many samples in each array. Received 11 in x, 10 in y"):
        getattr(model, method)(X, Y[:-1])


def test_inputs_of_two_lengths():
    x, y = two_headed_data()
    model = compiled(two_headed(), loss=["sparse_categorical_crossentropy", "mse"])
    with refused(model, r"as many samples in each array. Received 11 in x\[0\], 10 in x\[1\], 11 in y\[0\]"):
        model.fit([x[0], x[1][:-1]], y)


def test_weights_of_another_length():
    model = trained()
    with refused(model, "Received 11 in x, 11 in y, 4 in sample_weight"):
        model.fit(X, Y, sample_weight=np.ones(4))


@pytest.mark.parametrize("shape", [(N, 2), (N, 3, 1)], ids=str)
@every_method
def test_weights_of_another_shape(method, shape):
    model = trained()
    with refused(model, rf"{method}: expected sample_weight of shape \(11,\), one for each loss"):
        getattr(model, method)(X, Y, sample_weight=np.ones(shape))


def test_weights_in_a_column_are_taken():
    model, weights = trained(), np.arange(float(N))
    column = model.evaluate(X, Y, sample_weight=weights[:, None], verbose=0)
    np.testing.assert_allclose(column, model.evaluate(X, Y, sample_weight=weights, verbose=0))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (with_cell(np.ones(N), 3, np.nan), r"finite numbers in sample_weight. Received nan at index \(3,\)"),
        (["heavy"] * N, "sample_weight as numbers. Received strings"),
        (2.0, "sample_weight with a batch axis. Received a single number, 2.0"),
    ],
    ids=["nan", "strings", "number"],
)
def test_weights_that_are_none(weights, message):
    model = trained()
    with refused(model, message):
        model.fit(X, Y, sample_weight=weights)


@pytest.mark.parametrize("weights", [[1.0, 2.0], {"cat": 2.0}, 3], ids=str)
def test_class_weights_without_class_numbers(weights):
    model = trained()
    with refused(model, "class_weight as a dictionary from class numbers to weights.*For example", TypeError):
        model.fit(X, Y, class_weight=weights)


def test_class_weights_of_two_outputs():
    x, y = two_headed_data()
    model = compiled(two_headed(), loss=["sparse_categorical_crossentropy", "mse"])
    with refused(model, "one output, for class_weight. Received 2. Use sample_weight"):
        model.fit(x, y, class_weight={0: 2.0})


# Nothing there


@every_method
def test_no_samples(method):
    model = trained()
    with refused(model, rf"{method}: expected at least one sample. Received x.shape=\(0, 7, 6, 2\), y.shape=\(0,\)"):
        getattr(model, method)(X[:0], Y[:0])


@pytest.mark.parametrize("method", ["predict", "predict_on_batch"])
@pytest.mark.parametrize("x", [X[:0], []], ids=["array", "list"])
def test_predict_of_no_samples(method, x):
    model = trained()
    with refused(model, "predict: expected at least one sample"):
        getattr(model, method)(x)


def test_empty_data_set():
    model = trained()
    with refused(model, "fit: expected at least one batch"):
        model.fit(DataSet([]))


@every_method
def test_no_labels(method):
    model = trained()
    with refused(model, f"{method}: expected labels y beside the array x. Received y=None"):
        getattr(model, method)(X)


def test_validation_data_without_labels():
    model = trained()
    with refused(model, "expected validation_data as .x, y. or .x, y, sample_weight.. Received 1 entries"):
        model.fit(X, Y, validation_data=(X,))


# Not finite


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf], ids=str)
@learning
def test_x_that_is_not_finite(method, value):
    model = trained()
    index = r"\(3, 5, 1, 0\)"
    with refused(model, rf"{method}: expected finite numbers in x. Received {value} at index {index}. Look at x\[3, 5"):
        getattr(model, method)(with_cell(X, (3, 5, 1, 0), value), Y)


@learning
def test_y_that_is_not_finite(method):
    model = trained()
    model.compile("sgd", "categorical_crossentropy")
    with refused(model, rf"{method}: expected finite numbers in y. Received nan at index \(7, 2\)"):
        getattr(model, method)(X, with_cell(one_hot(Y), (7, 2), np.nan))


def test_the_first_of_several_is_named():
    x = with_cell(with_cell(X, (9, 0, 0, 0), np.nan), (4, 6, 5, 1), np.inf)
    model = trained()
    with refused(model, r"inf at index \(4, 6, 5, 1\)"):
        model.fit(x, Y)


def test_nan_far_behind():
    model = line()
    with refused(model, r"nan at index \(3000000, 0\)"):
        model.fit(with_cell(np.zeros((3_000_001, 1)), (-1, 0), np.nan), np.zeros(3_000_001))


def test_nan_in_one_of_two_inputs():
    (left, right), y = two_headed_data()
    model = compiled(two_headed(), loss=["sparse_categorical_crossentropy", "mse"])
    with refused(model, r"finite numbers in x\[1\]. Received nan at index \(2, 3\)"):
        model.fit([left, with_cell(right, (2, 3), np.nan)], y)


def test_nan_in_validation_data():
    model = trained()
    with refused(model, "validation_data: expected finite numbers in x"):
        model.fit(X, Y, validation_data=(with_cell(X, 0, np.nan), Y))


def test_nan_in_a_later_batch_of_a_generator():
    model, bad = trained(), batches()
    bad[2] = (with_cell(bad[2][0], (1, 2, 3, 0), np.nan), bad[2][1])
    good = compiled(convnet(BatchNormalization()), "adam")
    good.set_weights(model.get_weights())
    model.compile("adam", "sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match=r"fit: expected finite numbers in x. Received nan at index \(1, 2, 3, 0\)"):
        model.fit(iter(bad), verbose=0)
    good.fit(iter(bad[:2]), verbose=0)
    for a, b in zip(model.get_weights(), good.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_predict_lets_nan_through_to_its_own_sample():
    found = trained().predict(with_cell(X, (3, 0, 0, 0), np.nan), verbose=0)
    assert np.isnan(found[3]).all()
    assert np.isfinite(np.delete(found, 3, axis=0)).all()


def test_evaluate_lets_nan_through():
    assert np.isnan(trained().evaluate(with_cell(X, (3, 0, 0, 0), np.nan), Y, verbose=0))


def test_training_that_diverges_shows_it():
    model = line()
    model.optimizer.learning_rate = 1e30
    history = model.fit(np.ones((4, 1)), np.zeros(4), epochs=4, verbose=0)
    assert not np.isfinite(history.history["loss"][-1])


# Not numbers

THINGS = {
    "strings": (np.full(X.shape, "a"), r"x as numbers. Received strings \(dtype <U1\). Convert the data to numbers"),
    "bytes": (np.full(X.shape, b"a"), "x as numbers. Received bytes"),
    "objects": (X.astype(object), "x as numbers. Received objects"),
    "complex numbers": (X + 1j, "x as numbers. Received complex numbers"),
    "dates": (np.full(X.shape, "2020-01-01", "datetime64[D]"), "x as numbers. Received no numbers"),
    "a path": ("images/train", "x as numbers. Received strings"),
    "images of two sizes": (
        [np.zeros(IMAGE), np.zeros((5, 5, 2))],
        "x as one array. Received rows of different lengths",
    ),
    "a number": (3.0, "x with a batch axis. Received a single number, 3.0"),
    "nothing": (None, "x"),
}


@pytest.mark.parametrize(("x", "message"), THINGS.values(), ids=THINGS)
@pytest.mark.parametrize("method", ["fit", "evaluate", "predict", "train_on_batch"])
def test_x_that_is_no_array_of_numbers(method, x, message):
    model = trained()
    with refused(model, message):
        getattr(model, method)(x, **({} if method == "predict" else {"y": Y}))


def test_a_list_of_images_is_an_array():
    model = trained()
    np.testing.assert_array_equal(model.predict(list(X), verbose=0), model.predict(X, verbose=0))


def test_nested_lists_are_arrays():
    model = trained()
    np.testing.assert_allclose(model.predict(X.tolist(), verbose=0), model.predict(X, verbose=0))


def test_labels_may_be_a_list():
    model = trained()
    assert model.evaluate(X, Y.tolist(), verbose=0) == model.evaluate(X, Y, verbose=0)


class Frame:
    """A table as pandas has: it knows how to become an array, and iterates over something else."""

    def __init__(self, values):
        self.values = values
        self.shape = values.shape

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype)

    def __iter__(self):
        return iter(["names", "of", "columns"])

    def __len__(self):
        return len(self.values)


@every_method
def test_tables_are_arrays(method):
    def result(x, y):
        config.set_random_seed(3)
        model = trained()
        found = getattr(model, method)(x, y)
        return getattr(found, "history", found), float(model.get_weights()[0].sum())

    assert result(Frame(X), Frame(Y)) == result(X, Y)


def test_a_table_of_names_is_refused():
    model = trained()
    with refused(model, "y as numbers. Received objects"):
        model.fit(Frame(X), Frame(np.array(["a", "b"] * 6, object)[:N]))


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
        ([X, Y], "batches of .x, y.. Received lists. Yield tuples: yield x, y"),
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
