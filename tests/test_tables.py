"""Labels as numbers, and numbers on a common scale."""

import numpy as np
import pytest

from tinyconv import utils
from tinyconv.preprocessing import LabelEncoder, StandardScaler

FLOWERS = ["tulip", "daisy", "rose", "daisy"]

# Labels


def test_names_become_numbers_and_names_again():
    encoder = LabelEncoder()
    numbers = encoder.fit_transform(FLOWERS)
    assert (numbers.tolist(), numbers.dtype) == ([2, 0, 1, 0], np.int64)
    assert str(encoder.classes_) == "['daisy' 'rose' 'tulip']"
    assert encoder.inverse_transform(numbers).tolist() == FLOWERS
    assert encoder.transform(np.array([["rose"], ["daisy"]])).tolist() == [1, 0]


@pytest.mark.parametrize("labels", [[10, -3, 10], [2.5, 1.0], [True, False], np.array(["b", "a"], object)])
def test_labels_of_other_types(labels):
    encoder = LabelEncoder().fit(labels)
    assert encoder.classes_.tolist() == sorted(set(labels))
    assert encoder.inverse_transform(encoder.transform(labels)).tolist() == list(labels)


def test_no_labels():
    encoder = LabelEncoder().fit(FLOWERS)
    assert len(encoder.transform([])) == len(encoder.inverse_transform([])) == 0


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["daisy", "rosé"], r"labels that fit\(\) has seen: 'daisy', 'rose', 'tulip'. Received 'rosé' at index 1. Did"),
        (["roses are red"], "Received 'roses are red' at index 0"),  # not cut to the length of the names that are known
        ([3], "Received 3 at index 0"),
    ],
)
def test_labels_that_are_new(labels, message):
    with pytest.raises(ValueError, match=f"^LabelEncoder: expected .*{message}"):
        LabelEncoder().fit(FLOWERS).transform(labels)


@pytest.mark.parametrize(
    ("numbers", "received"), [([0, 3], "3 at index 1"), ([0, -1], "-1 at"), ([0.5], "0.5 at"), (["rose"], "rose at")]
)
def test_numbers_without_a_name(numbers, received):
    with pytest.raises(ValueError, match=f"^LabelEncoder: expected whole numbers from 0 to 2. Received {received}"):
        LabelEncoder().fit(FLOWERS).inverse_transform(numbers)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.eye(3), r"one label per sample, \(N,\). Received shape \(3, 3\). One-hot rows become numbers"),
        ("daisy", r"one label per sample"),
        ([1.0, np.nan], "a label for every sample. Received nan at index 1"),
        (np.array(["a", None], object), "labels of one kind, all there"),
    ],
)
def test_labels_that_cannot_be_learned(labels, message):
    with pytest.raises(ValueError, match=message):
        LabelEncoder().fit(labels)


@pytest.mark.parametrize("use", [lambda: LabelEncoder().transform(["a"]), lambda: StandardScaler().transform([[1.0]])])
def test_fit_comes_first(use):
    with pytest.raises(ValueError, match=r"expected fit\(\) first"):
        use()


@pytest.mark.oracle
@pytest.mark.parametrize("labels", [FLOWERS, [5, 3, 5, -1], ["B", "a", "Z", "ä", "10", "9"]])
def test_label_encoder_is_that_of_scikit_learn(labels):
    theirs, ours = pytest.importorskip("sklearn.preprocessing").LabelEncoder(), LabelEncoder()
    expected, found = theirs.fit_transform(labels), ours.fit_transform(labels)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(ours.classes_, theirs.classes_)
    np.testing.assert_array_equal(ours.inverse_transform([0, 1]), theirs.inverse_transform([0, 1]))


# Numbers


def test_each_column_by_itself():
    x = np.array([[1.0, 10.0, 5.0], [3.0, 50.0, 5.0]])
    scaler = StandardScaler()
    np.testing.assert_array_equal(scaler.fit_transform(x), [[-1, -1, 0], [1, 1, 0]])
    np.testing.assert_array_equal(scaler.mean_, [2, 30, 5])
    np.testing.assert_array_equal(scaler.var_, [1, 400, 0])
    np.testing.assert_array_equal(scaler.scale_, [1, 20, 1])
    np.testing.assert_array_equal(scaler.transform([[2, 70, 6]]), [[0, 2, 1]])
    np.testing.assert_allclose(scaler.inverse_transform(scaler.transform(x)), x)
    np.testing.assert_array_equal(x[0], [1, 10, 5])


def test_pixels_on_one_scale_as_in_the_notes():
    rng = np.random.default_rng(0)
    train, test = rng.uniform(0, 1, (7, 5, 6, 3)), rng.uniform(0, 1, (2, 5, 6, 3))
    scaler = StandardScaler(whole=True).fit(train)
    np.testing.assert_allclose(scaler.transform(test), (test - train.mean()) / train.std())
    np.testing.assert_allclose(scaler.inverse_transform(scaler.transform(test)), test)


def test_only_one_of_the_two():
    x = np.array([[1.0], [5.0]])
    np.testing.assert_array_equal(StandardScaler(with_mean=False).fit_transform(x), [[0.5], [2.5]])
    np.testing.assert_array_equal(StandardScaler(with_std=False).fit_transform(x), [[-2], [2]])
    np.testing.assert_array_equal(StandardScaler(with_std=False).fit(x).inverse_transform([[-2.0]]), [[1]])


def test_float32_stays_and_is_summed_in_float64():
    x = np.full((1000, 1), 1e6, np.float32)
    x[::2] += 1
    scaled = StandardScaler(whole=True).fit_transform(x)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled[:2, 0], [1, -1])
    assert StandardScaler().fit_transform(np.array([[1], [2]], np.uint8)).dtype == np.float64


def test_nan_in_test_data_shows():
    assert np.isnan(StandardScaler().fit([[1.0], [2.0]]).transform([[np.nan]])).all()


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([1.0, 2.0], r"a table \(N, C\). Received shape \(2,\). For images, .*whole=True.*x.reshape\(-1, 1\)"),
        (np.zeros((2, 3, 3, 1)), r"a table \(N, C\). Received shape \(2, 3, 3, 1\)"),
        ([[1.0, 2.0], [3.0, np.inf]], r"finite numbers. Received inf at index \(1, 1\)"),
        ([["a"]], "numbers. Received data of type <U1"),
        (np.zeros((0, 3)), r"one or more rows. Received shape \(0, 3\)"),
    ],
)
def test_tables_that_cannot_be_scaled(x, message):
    with pytest.raises(ValueError, match=f"^StandardScaler: expected {message}"):
        StandardScaler().fit(x)


def test_another_number_of_columns():
    with pytest.raises(ValueError, match=r"2 columns, as fit\(\) has seen. Received shape \(1, 3\)"):
        StandardScaler().fit(np.eye(2)).transform([[1, 2, 3]])


@pytest.mark.oracle
@pytest.mark.parametrize("settings", [{}, {"with_mean": False}, {"with_std": False}])
def test_scaler_is_that_of_scikit_learn(settings):
    x = np.random.default_rng(0).standard_normal((40, 6)) * [1, 1e-9, 1e6, 1, 0, 1] + [0, 1, 1e8, 1e15, 0.1, 3]
    theirs, ours = pytest.importorskip("sklearn.preprocessing").StandardScaler(**settings), StandardScaler(**settings)
    np.testing.assert_allclose(ours.fit_transform(x), theirs.fit_transform(x), rtol=1e-6)
    np.testing.assert_allclose(ours.mean_, theirs.mean_)
    if theirs.with_std:
        np.testing.assert_allclose(ours.scale_, theirs.scale_, rtol=1e-6)
    np.testing.assert_allclose(ours.inverse_transform(x), theirs.inverse_transform(x))


# Norms


def test_rows_of_length_1():
    x = np.array([[3.0, 4.0], [0.0, 0.0], [-5.0, 12.0]])
    np.testing.assert_allclose(utils.normalize(x), [[0.6, 0.8], [0, 0], [-5 / 13, 12 / 13]])
    np.testing.assert_allclose(utils.normalize(x, axis=0, order=1)[:, 1], [0.25, 0, 0.75])


@pytest.mark.parametrize("order", [0, 1.5, "2"])
def test_order_of_a_norm(order):
    with pytest.raises(ValueError, match="normalize: expected order as a whole number from 1"):
        utils.normalize(np.eye(2), order=order)
