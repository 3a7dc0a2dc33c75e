"""The small helpers of `tinyconv.utils`."""

import numpy as np
import pytest
from oracle import load_keras

import tinyconv
from tinyconv import utils
from tinyconv.layers import Dense


def test_one_hot_rows():
    rows = utils.to_categorical(np.array([2, 0, 1, 2]), 4)
    np.testing.assert_array_equal(rows, [[0, 0, 1, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]])


def test_one_hot_is_float64_as_in_keras():
    assert utils.to_categorical([0, 1]).dtype == np.float64


def test_one_hot_has_as_many_columns_as_the_largest_label_needs():
    assert utils.to_categorical([3, 0, 1]).shape == (3, 4)


def test_labels_in_a_column():
    np.testing.assert_array_equal(utils.to_categorical([[1], [0]]), [[0, 1], [1, 0]])


@pytest.mark.parametrize(
    ("labels", "received"),
    [
        ([0, 1, 3], r"3 at index \(2,\)"),
        ([0, -1, 1], r"-1 at index \(1,\)"),
        ([0.5, 1], r"0\.5 at index \(0,\)"),
        ([np.nan, 1], r"nan at index \(0,\)"),
    ],
)
def test_labels_that_are_no_class(labels, received):
    with pytest.raises(ValueError, match=rf"to_categorical: expected whole numbers from 0 to 2\. Received {received}"):
        utils.to_categorical(labels, 3)


def test_labels_that_are_no_numbers():
    with pytest.raises(ValueError, match=r"to_categorical: expected whole numbers from 0\. Received labels of dtype"):
        utils.to_categorical(["cat", "dog"])


def test_clear_session_counts_names_anew():
    Dense(2)
    utils.clear_session()
    assert [Dense(2).name, Dense(2).name] == ["dense", "dense_1"]


@pytest.mark.oracle
@pytest.mark.parametrize("module", ["initializers", "regularizers", "saving", "utils", "layers", "losses", "metrics"])
def test_other_names_of_one_thing_are_those_of_keras(module):
    ours, theirs = vars(getattr(tinyconv, module)), vars(getattr(load_keras(), module))
    names = [name for name in theirs if not name.startswith("_")]
    twice = [(a, b) for a in names for b in names if a in ours and theirs[a] is theirs[b]]
    assert [(a, b) for a, b in twice if ours.get(b) is not ours[a]] == []
