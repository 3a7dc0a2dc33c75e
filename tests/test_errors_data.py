"""Bad data. Each mistake is named with its place, and the network is as it was before."""

import numpy as np
import pytest
from tiny_networks import (
    IMAGE,
    DataSet,
    N,
    X,
    Y,
    batches,
    compiled,
    convnet,
    one_hot,
    refused,
    trained,
    two_headed,
    two_headed_data,
)

from tinyconv import Input, Sequential, config
from tinyconv.layers import BatchNormalization, Dense, Flatten


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
