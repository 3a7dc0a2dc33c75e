"""Dividing samples: files as Keras does it, arrays as scikit-learn does it."""

import numpy as np
import pytest
from data_files import bouquet, write
from oracle import load_keras

from tinyconv import config
from tinyconv.datasets._images import load_folders
from tinyconv.preprocessing import train_test_split
from tinyconv.preprocessing.split import shuffle_and_split, shuffled

# Files


def test_split_takes_the_last_of_the_shuffled_files():
    train, test = shuffle_and_split(list(range(11)), test_split=0.2, seed=3)
    order = np.arange(11)
    np.random.RandomState(3).shuffle(order)
    assert train + test == order.tolist()
    assert len(test) == 2


def test_the_order_is_the_same_for_everything_of_one_length():
    assert [*"abcdefg"].index(shuffled("abcdefg", 5)[0]) == shuffled(range(7), 5)[0]


def test_split_of_nothing_keeps_everything():
    train, test = shuffle_and_split(list(range(5)), test_split=0.0, seed=3)
    assert (len(train), test) == (5, [])


@pytest.mark.parametrize("fraction", [-0.1, 1, 1.5])
def test_fraction_out_of_range(fraction):
    with pytest.raises(ValueError, match=f"test_split from 0 to below 1. Received test_split={fraction}"):
        shuffle_and_split([1, 2], fraction, seed=0)


@pytest.mark.oracle
def test_split_is_that_of_keras(tmp_path):
    load_keras()
    from keras.src.utils import dataset_utils

    write(tmp_path, bouquet(("b", "a", "c")))
    paths, labels, names = dataset_utils.index_directory(
        str(tmp_path), labels="inferred", formats=(".png",), shuffle=True, seed=1337, verbose=False
    )
    _, theirs = dataset_utils.get_training_or_validation_split(paths, labels, 0.2, "validation")
    (_, _), (_, ours) = load_folders(tmp_path, ["a", "b", "c"], (4, 6), test_split=0.2, seed=1337)
    assert names == ["a", "b", "c"]
    assert ours.tolist() == list(theirs)


# Arrays


def test_rows_stay_together():
    x, y, names = np.arange(30).reshape(10, 3), np.arange(10), [str(i) for i in range(10)]
    x_train, x_test, y_train, y_test, names_train, names_test = train_test_split(x, y, names, random_state=0)
    assert (len(x_train), len(x_test)) == (7, 3)
    for part, numbers, words in ((x_train, y_train, names_train), (x_test, y_test, names_test)):
        np.testing.assert_array_equal(part[:, 0], 3 * numbers)
        assert words == [str(i) for i in numbers]
    assert sorted([*y_train, *y_test]) == list(range(10))


def test_the_parts_of_a_list_are_lists():
    assert train_test_split([["a"], ["b"], ["c"]], test_size=1, shuffle=False) == [[["a"], ["b"]], [["c"]]]


def test_a_table_keeps_its_kind():
    class Table:
        """What pandas has, as far as it matters here."""

        shape = (4,)
        iloc = np.array([10, 11, 12, 13])

        def __len__(self):
            return 4

    train, test = train_test_split(Table(), test_size=1, shuffle=False)
    assert (train.tolist(), test.tolist()) == ([10, 11, 12], [13])


def test_without_shuffling_the_last_are_for_testing():
    assert train_test_split(range(5), test_size=0.3, shuffle=False) == [[0, 1, 2], [3, 4]]


def test_the_parts_are_copies():
    x = np.zeros((4, 2))
    for part in train_test_split(x, shuffle=False):
        part += 1
    assert not x.any()


def test_classes_are_divided_alike():
    y = np.repeat([0, 1, 2], [50, 30, 20])
    train, test = train_test_split(y, test_size=0.2, stratify=y, random_state=1)
    assert np.bincount(train).tolist() == [40, 24, 16]
    assert np.bincount(test).tolist() == [10, 6, 4]


def test_without_a_seed_the_stream_for_shuffling_decides():
    def split(seed):
        config.set_random_seed(seed)
        return train_test_split(np.arange(50))[1].tolist(), train_test_split(np.arange(50))[1].tolist()

    state = config.random_state()
    try:
        first, second = split(1)
        assert first != second
        assert split(1) == (first, second) != split(2)
    finally:
        config.set_random_state(state)


@pytest.mark.parametrize(
    ("arrays", "settings", "message"),
    [
        ([], {}, "one or more arrays of the same length. Received none"),
        ([[1, 2], [1, 2, 3]], {}, "one or more arrays of the same length. Received lengths 2, 3"),
        (
            [range(4)],
            {"test_size": 4},
            r"test_size as a fraction between 0 and 1, or a whole number from 1 to 3, for 4",
        ),
        ([range(4)], {"test_size": 1.0}, "Received test_size=1.0"),
        ([range(4)], {"test_size": True}, "Received test_size=True"),
        ([range(4)], {"train_size": -0.5}, "train_size as a fraction .* Received train_size=-0.5"),
        ([range(4)], {"test_size": "a"}, "Received test_size='a'"),
        ([range(9)], {"train_size": 0.7, "test_size": 0.4}, "together at most 1. Received 0.7 and 0.4"),
        ([range(9)], {"train_size": 7, "test_size": 0.4}, "together at most 9. Received 7 and 0.4"),
        ([range(1)], {}, "at least one sample for training. Received 1 samples, test_size=0.25"),
        ([range(4)], {"shuffle": False, "stratify": [0, 0, 1, 1]}, "shuffle=True with stratify"),
        ([range(4)], {"stratify": [0, 0, 1]}, "stratify with 4 labels. Received 3"),
        ([range(4)], {"stratify": [0, 0, 0, 1]}, "two or more samples of each class. Received one of class 1"),
        ([range(8)], {"stratify": [0, 1, 2, 3] * 2}, "each class in both parts. Received 4 classes, 6 samples for tr"),
    ],
)
def test_what_cannot_be_divided(arrays, settings, message):
    with pytest.raises(ValueError, match=f"^train_test_split: expected .*{message}"):
        train_test_split(*arrays, **settings)


def test_what_has_no_length():
    with pytest.raises(TypeError, match=r"arrays or lists. Received 5"):
        train_test_split([1, 2], 5)


@pytest.mark.oracle
@pytest.mark.parametrize("seed", [0, 42, 2**32 - 1])
@pytest.mark.parametrize(
    "sizes",
    [
        {},
        {"test_size": 0.2},
        {"test_size": 7},
        {"train_size": 0.61},
        {"train_size": 20},
        {"test_size": 0.33, "train_size": 0.4},
        {"test_size": 10, "train_size": 0.5},
        {"test_size": np.float64(0.1)},
    ],
    ids=str,
)
def test_arrays_are_divided_as_by_scikit_learn(seed, sizes):
    theirs = pytest.importorskip("sklearn.model_selection").train_test_split
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((53, 2, 3)), rng.choice(["rose", "daisy", "tulip"], 53, p=[0.2, 0.3, 0.5])
    rows = np.stack([rng.permutation(np.arange(53) % 2), np.arange(53) % 2], 1)  # four classes, as rows
    for settings in ({}, {"stratify": y}, {"stratify": y.tolist()}, {"stratify": rows}, {"shuffle": False}):
        expected = theirs(x, y, range(53), random_state=seed, **sizes, **settings)
        found = train_test_split(x, y, range(53), random_state=seed, **sizes, **settings)
        assert len(found) == 6
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.oracle
def test_a_generator_goes_on_as_in_scikit_learn():
    theirs = pytest.importorskip("sklearn.model_selection").train_test_split
    one, other = np.random.RandomState(7), np.random.RandomState(7)
    for _ in range(2):
        np.testing.assert_array_equal(
            train_test_split(np.arange(20), random_state=one)[1], theirs(np.arange(20), random_state=other)[1]
        )
