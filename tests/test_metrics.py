"""Metrics: running means over batches, which accuracy "accuracy" is, and the confusion matrix."""

import numpy as np
import pytest
from oracle import array, assert_arguments_of_keras, load_keras

from tinyconv import metrics
from tinyconv.losses import CategoricalCrossentropy, SparseCategoricalCrossentropy
from tinyconv.metrics import (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    Mean,
    MeanAbsoluteError,
    MeanSquaredError,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
)

N, T, C = 7, 2, 4
PAIRS = [
    Accuracy(),
    BinaryAccuracy(),
    BinaryAccuracy(threshold=0.3),
    CategoricalAccuracy(),
    SparseCategoricalAccuracy(),
    TopKCategoricalAccuracy(k=2),
    SparseTopKCategoricalAccuracy(k=2),
    MeanSquaredError(),
    MeanAbsoluteError(),
]
each = pytest.mark.parametrize("metric", PAIRS, ids=repr)


def fresh(metric):
    return type(metric).from_config(metric.get_config())


def batch(metric, shape=(N, C), seed=0):
    """Labels and predictions that fit the metric."""
    rng = np.random.default_rng(seed)
    y_pred = rng.uniform(size=shape).astype("float32")
    if "Sparse" in type(metric).__name__:
        return rng.integers(shape[-1], size=shape[:-1]), y_pred
    if "Categorical" in type(metric).__name__:
        return np.eye(shape[-1], dtype="float32")[rng.integers(shape[-1], size=shape[:-1])], y_pred
    if isinstance(metric, Accuracy):
        return rng.integers(3, size=shape).astype("float32"), rng.integers(3, size=shape).astype("float32")
    return rng.integers(2, size=shape).astype("float32"), y_pred


# ---- values by hand


def test_mean_counts_values_by_their_weight():
    mean = Mean()
    mean.update_state([1.0, 3.0])
    mean.update_state([5.0, 9.0], sample_weight=[2.0, 0.0])
    assert mean.result() == (1 + 3 + 2 * 5) / 4


def test_mean_of_one_number_with_the_size_of_its_batch():
    mean = Mean()
    mean.update_state(0.5, sample_weight=32)
    mean.update_state(1.0, sample_weight=8)
    assert mean.result() == (0.5 * 32 + 1.0 * 8) / 40


def test_mean_before_the_first_value_is_zero():
    assert Mean().result() == 0.0


def test_binary_accuracy_by_hand():
    assert BinaryAccuracy()([1, 1, 0, 0], [[0.98], [0.5], [0.0], [0.6]]) == 0.5
    assert BinaryAccuracy(threshold=0.3)([1, 1, 0, 0], [[0.98], [0.5], [0.0], [0.6]]) == 0.75


def test_categorical_accuracy_by_hand():
    y_pred = [[0.1, 0.9, 0.8], [0.05, 0.95, 0], [0.5, 0.2, 0.3]]
    assert CategoricalAccuracy()(np.eye(3)[[2, 1, 0]], y_pred) == 2 / 3
    assert SparseCategoricalAccuracy()([2, 1, 0], y_pred) == 2 / 3
    assert SparseCategoricalAccuracy()([[2.0], [1.0], [0.0]], y_pred) == 2 / 3


def test_weights_of_samples():
    metric = SparseCategoricalAccuracy()
    assert metric([2, 1], [[0.1, 0.9, 0.8], [0.05, 0.95, 0]], sample_weight=[0.7, 0.3]) == pytest.approx(0.3)


def test_top_k_counts_ties_as_in_and_nan_as_out():
    y_pred = [[0.2, 0.5, 0.2, 0.1], [0.2, np.nan, 0.5, 0.1]]
    assert SparseTopKCategoricalAccuracy(k=2)([2, 0], y_pred) == 0.5
    assert SparseTopKCategoricalAccuracy(k=3)([2, 1], y_pred) == 0.5


def test_errors_by_hand():
    assert MeanSquaredError()([[0.0, 1.0]], [[2.0, 4.0]]) == 6.5
    assert MeanAbsoluteError()([[0.0, 1.0]], [[2.0, 4.0]]) == 2.5


@pytest.mark.parametrize("metric", [MeanSquaredError(), MeanAbsoluteError()], ids=repr)
def test_nan_is_not_hidden(metric):
    assert np.isnan(fresh(metric)([[1.0]], [[np.nan]]))


# ---- state


@each
def test_batches_add_up_to_the_whole(metric):
    y_true, y_pred = batch(metric)
    whole, parts = fresh(metric), fresh(metric)
    whole.update_state(y_true, y_pred)
    parts.update_state(y_true[:2], y_pred[:2])
    parts.update_state(y_true[2:], y_pred[2:])
    assert parts.result() == pytest.approx(whole.result())


@each
def test_reset_forgets(metric):
    y_true, y_pred = batch(metric)
    again = fresh(metric)
    again.update_state(*batch(metric, seed=1))
    again.reset_state()
    assert again(y_true, y_pred) == fresh(metric)(y_true, y_pred)


@each
def test_whole_weights_count_like_repeated_samples(metric):
    y_true, y_pred = batch(metric)
    weights = np.array([0, 1, 2, 0, 3, 1, 1])
    repeated = fresh(metric)(np.repeat(y_true, weights, axis=0), np.repeat(y_pred, weights, axis=0))
    assert fresh(metric)(y_true, y_pred, weights) == pytest.approx(repeated)


@each
def test_result_is_a_plain_float(metric):
    assert type(fresh(metric)(*batch(metric))) is float


# ---- names


@pytest.mark.parametrize(
    ("output_shape", "label_shape", "cls"),
    [
        ((None, 1), (None,), BinaryAccuracy),
        ((None, 1), (None, 1), BinaryAccuracy),
        ((None, 10), (None,), SparseCategoricalAccuracy),
        ((None, 10), (None, 1), SparseCategoricalAccuracy),
        ((None, 10), (None, 10), CategoricalAccuracy),
        ((None, 6, 10), (None, 6), SparseCategoricalAccuracy),
        ((None, 6, 10), (None, 6, 10), CategoricalAccuracy),
    ],
)
@pytest.mark.parametrize("name", ["accuracy", "acc"])
def test_accuracy_goes_by_the_shapes_and_keeps_its_name(name, output_shape, label_shape, cls):
    metric = metrics.get(name, None, output_shape, label_shape)
    assert (type(metric), metric.name) == (cls, name)


@pytest.mark.parametrize(
    ("loss", "cls"),
    [
        (SparseCategoricalCrossentropy(), SparseCategoricalAccuracy),
        (CategoricalCrossentropy(), CategoricalAccuracy),
    ],
)
def test_accuracy_goes_by_the_loss_where_labels_are_not_known(loss, cls):
    assert type(metrics.get("accuracy", loss, (None, 10))) is cls


@pytest.mark.parametrize(
    ("identifier", "cls", "name"),
    [
        ("mse", MeanSquaredError, "mse"),
        ("MAE", MeanAbsoluteError, "MAE"),
        ("sparse_categorical_accuracy", SparseCategoricalAccuracy, "sparse_categorical_accuracy"),
        ("TopKCategoricalAccuracy", TopKCategoricalAccuracy, "TopKCategoricalAccuracy"),
        (TopKCategoricalAccuracy(k=3), TopKCategoricalAccuracy, "top_k_categorical_accuracy"),
        (BinaryAccuracy, BinaryAccuracy, "binary_accuracy"),
        (Mean(name="loss"), Mean, "loss"),
        (Accuracy, Accuracy, "accuracy"),
    ],
)
def test_names(identifier, cls, name):
    metric = metrics.get(identifier)
    assert (type(metric), metric.name) == (cls, name)


@each
def test_a_configuration_rebuilds_the_metric(metric):
    assert repr(metrics.get(metrics.serialize(metric))) == repr(metric)


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'accuracy'"):
        metrics.get("accurracy")


def test_other_things_are_refused():
    with pytest.raises(TypeError, match="metric: expected a name, a configuration or a Metric"):
        metrics.get(3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: TopKCategoricalAccuracy(k=0), "TopKCategoricalAccuracy: expected k from 1"),
        (lambda: CategoricalAccuracy()([0, 1], np.eye(2)), r"y_true: expected the shape of y_pred, \(2, 2\)"),
        (
            lambda: SparseCategoricalAccuracy()(np.eye(2), np.eye(2)),
            r"one class number per row of y_pred, shape \(2,\)",
        ),
        (lambda: MeanSquaredError()([1.0], [[1.0], [2.0]]), r"Received y_true.shape=\(1,\)"),
        (lambda: Mean()([1.0, 2.0], [1.0, 2.0, 3.0]), r"one weight per value, shape \(2,\)"),
        (lambda: metrics.confusion_matrix([0, 1], [0]), "2 labels and 1 predictions"),
        (lambda: metrics.confusion_matrix([], []), "one prediction per label"),
        (lambda: metrics.confusion_matrix([0, 5], [0, 1], 3), r"y_true: expected labels 0 to 2 .*Received y\[1\]=5"),
        (lambda: metrics.confusion_matrix([0, 1], [0, -1]), r"y_pred: expected labels 0 to 1 .*Received y\[1\]=-1"),
        (lambda: metrics.confusion_matrix([0], [[0.1, np.nan]]), r"NaN at y_pred\[0, 1\]"),
        (lambda: metrics.confusion_matrix(["a"], [0]), "y_true: expected labels as numbers"),
    ],
)
def test_messages(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# ---- confusion matrix

TRUE, PREDICTED = np.array([0, 1, 2, 2, 0, 2]), np.array([0, 2, 2, 1, 0, 2])
MATRIX = [[2, 0, 0], [0, 0, 1], [0, 1, 2]]


@pytest.mark.parametrize("y_true", [TRUE, TRUE[:, np.newaxis], np.eye(3)[TRUE], TRUE.astype("float32")])
@pytest.mark.parametrize("y_pred", [PREDICTED, 0.1 + 0.7 * np.eye(3)[PREDICTED]])
def test_confusion_matrix_has_true_classes_as_rows(y_true, y_pred):
    np.testing.assert_array_equal(metrics.confusion_matrix(y_true, y_pred), MATRIX)


def test_confusion_matrix_with_classes_that_do_not_occur():
    matrix = metrics.confusion_matrix([0, 1], [1, 1], num_classes=4)
    assert matrix.shape == (4, 4)
    assert (matrix[0, 1], matrix[1, 1], matrix.sum()) == (1, 1, 2)


def test_confusion_matrix_of_one_sigmoid_output():
    np.testing.assert_array_equal(metrics.confusion_matrix([0, 1, 1], [[0.2], [0.9], [0.4]]), [[1, 0], [1, 1]])


# ---- Keras


@pytest.mark.oracle
@each
@pytest.mark.parametrize("shape", [(N, C), (N, T, C)])
@pytest.mark.parametrize("weighted", [False, True])
def test_result_agrees_with_keras_over_two_batches(metric, shape, weighted):
    keras = load_keras()
    theirs = getattr(keras.metrics, type(metric).__name__)(**metric.get_config())
    ours = fresh(metric)
    for seed in (2, 3):
        y_true, y_pred = batch(metric, shape, seed)
        weights = np.random.default_rng(seed).uniform(size=shape[0]).astype("float32") if weighted else None
        theirs.update_state(y_true, y_pred, sample_weight=weights)
        ours.update_state(y_true, y_pred, sample_weight=weights)
    np.testing.assert_allclose(ours.result(), array(theirs.result()), rtol=1e-5)


@pytest.mark.oracle
@pytest.mark.parametrize(
    "shapes", [((), ()), ((5,), ()), ((5,), (5,)), ((5, 3), (5,)), ((5, 3), (5, 3)), ((5,), (5, 1))]
)
def test_mean_agrees_with_keras_for_every_shape_of_weights(shapes):
    theirs, ours, rng = load_keras().metrics.Mean(), Mean(), np.random.default_rng(6)
    for _ in range(2):
        values, weights = (rng.uniform(size=shape).astype("float32") for shape in shapes)
        theirs.update_state(values, weights)
        ours.update_state(values, weights)
    np.testing.assert_allclose(ours.result(), array(theirs.result()), rtol=1e-5)


@pytest.mark.oracle
@pytest.mark.parametrize("cls", sorted({type(metric) for metric in PAIRS} | {Mean}, key=str))
def test_arguments_and_names_are_those_of_keras(cls):
    theirs = getattr(load_keras().metrics, cls.__name__)
    assert_arguments_of_keras(cls, theirs, but=("name",))
    assert cls().name == theirs().name


@pytest.mark.oracle
def test_arrangement_of_the_confusion_matrix_agrees_with_keras():
    load_keras()
    from keras.src.metrics.metrics_utils import confusion_matrix

    np.testing.assert_array_equal(
        metrics.confusion_matrix(TRUE, PREDICTED), array(confusion_matrix(TRUE, PREDICTED, 3))
    )
