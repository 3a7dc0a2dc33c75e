"""What is said about labels that do not fit the output or the loss."""

import math

import numpy as np
import pytest

from tinyconv.losses import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    Huber,
    MeanAbsoluteError,
    MeanSquaredError,
    SparseCategoricalCrossentropy,
)

SPARSE, ONE_HOT, BINARY = SparseCategoricalCrossentropy(), CategoricalCrossentropy(), BinaryCrossentropy()


@pytest.mark.parametrize(
    ("loss", "y", "output_shape", "message"),
    [
        (SPARSE, [0, 9, 10, 3], (None, 10), r"fit: expected labels 0 to 9 for 10 outputs. Received y\[2\]=10"),
        (SPARSE, [0, 9, 10, 3], (None, 10), "Give the last layer 11 units"),
        (SPARSE, [[0], [-1]], (None, 10), r"Received y\[1, 0\]=-1. Number the classes from 0"),
        (SPARSE, [1, 2, 3], (None, 3), r"Received y\[2\]=3. They start from 1: pass y - 1"),
        (SPARSE, [0.0, 1.5], (None, 3), r"expected labels as whole numbers. Received y\[1\]=1.5"),
        (SPARSE, [0.0, math.nan], (None, 3), r"whole numbers. Received y\[1\]=nan"),
        (SPARSE, [0.0, math.inf], (None, 3), r"labels 0 to 2 for 3 outputs. Received y\[1\]=inf"),
        (SPARSE, [0, 1], (None, 1), r"label 0 for 1 output. Received y\[1\]=1. .*binary_crossentropy"),
        (SPARSE, np.eye(3), (None, 3), r"3 columns, y.shape=\(3, 3\). .*categorical_crossentropy.*y.argmax\(-1\)"),
        (SPARSE, np.zeros((4, 2, 2)), (None, 3), r"shape \(N,\). Received y.shape=\(4, 2, 2\)"),
        (SPARSE, ["cat", "dog"], (None, 3), "labels as numbers. Received y of type <U3, the first .*'cat'.*np.unique"),
        (SPARSE, [[0, 1], [2, 5]], (None, 2, 3), r"labels 0 to 2 for 3 outputs. Received y\[1, 1\]=5"),
        (ONE_HOT, [0, 1, 2], (None, 3), "class numbers.*sparse_categorical_crossentropy.*to_categorical"),
        (ONE_HOT, [[0], [1], [2]], (None, 3), r"class numbers, y.shape=\(3, 1\)"),
        (ONE_HOT, np.eye(4), (None, 3), r"shape \(N, 3\). Received y.shape=\(4, 4\). Give the last layer 4 units"),
        (ONE_HOT, np.zeros((4, 2, 3, 1)), (None, 3), r"Received y.shape=\(4, 2, 3, 1\)"),
        (ONE_HOT, [[1], [0]], (None, 1), "at least 2 outputs.*activation='sigmoid'"),
        (ONE_HOT, ["cat", "dog"], (None, 2), "labels as numbers"),
        (BINARY, [0, 2, 1], (None, 1), r"labels from 0 to 1. Received y\[1\]=2"),
        (BINARY, np.eye(3), (None, 1), r"one target per output, shape \(N, 1\). Received y.shape=\(3, 3\)"),
        (BINARY, [0, 1], (None, 3), r"Received y.shape=\(2,\). If these are class numbers"),
        (MeanSquaredError(), np.zeros((4, 2)), (None, 3), r"shape \(N, 3\). Received y.shape=\(4, 2\)"),
        (Huber(), ["a"], (None, 1), "labels as numbers"),
        (MeanAbsoluteError(), np.zeros((4, 2)), (None, 2, 3), r"shape \(N, 2, 3\). Received y.shape=\(4, 2\)"),
    ],
)
def test_check_says_which_label_is_wrong_and_what_to_do(loss, y, output_shape, message):
    with pytest.raises(ValueError, match=f"^fit: .*{message.removeprefix('fit: ')}"):
        loss.check(np.asarray(y), output_shape, "fit")


def test_check_accepts_flat_labels_for_one_output():
    BINARY.check(np.array([0, 1, 1]), (None, 1), "fit")
    MeanSquaredError().check(np.array([[0.5], [1.5]]), (None, 1), "fit")
    SPARSE.check(np.array([[0], [2]]), (None, 3), "fit")


def test_unequal_lengths_are_refused_not_broadcast():
    with pytest.raises(ValueError, match=r"shape \(3, 2\). Received y.shape=\(2,\)"):
        MeanSquaredError()([1.0, 2.0], np.zeros((3, 2)))


def test_weights_that_do_not_fit():
    with pytest.raises(ValueError, match=r"sample_weight: expected shape \(2,\)"):
        MeanSquaredError()([1.0, 2.0], [[1.0], [2.0]], sample_weight=[1.0, 2.0, 3.0])
