"""Regularizers: penalties on large weights, with their gradients."""

import numpy as np
import pytest
from oracle import array, load_keras

from tinyconv import regularizers

W = np.array([[1.0, -2.0, 0.5], [3.0, -0.25, 4.0]])
CASES = [
    (regularizers.L1(0.1), 0.1 * 10.75),
    (regularizers.L2(0.1), 0.1 * (1 + 4 + 0.25 + 9 + 0.0625 + 16)),
    (regularizers.L1L2(0.1, 0.2), 0.1 * 10.75 + 0.2 * 30.3125),
]


@pytest.mark.parametrize(("regularizer", "expected"), CASES, ids=repr)
def test_penalty_by_hand(regularizer, expected):
    np.testing.assert_allclose(regularizer(W), expected)


@pytest.mark.parametrize("regularizer", [case[0] for case in CASES], ids=repr)
def test_gradient_against_central_differences(regularizer):
    numeric = np.zeros_like(W)
    for index in np.ndindex(W.shape):
        shift = np.zeros_like(W)
        shift[index] = 1e-6
        numeric[index] = (regularizer(W + shift) - regularizer(W - shift)) / 2e-6
    np.testing.assert_allclose(regularizer.gradient(W), numeric, rtol=1e-7)


@pytest.mark.parametrize("regularizer", [case[0] for case in CASES], ids=repr)
def test_gradient_keeps_the_float_type(regularizer):
    assert regularizer.gradient(W.astype("float32")).dtype == "float32"


def test_l1_has_no_gradient_at_zero():
    np.testing.assert_array_equal(regularizers.L1(0.1).gradient(np.zeros(3)), np.zeros(3))


@pytest.mark.parametrize("regularizer", [case[0] for case in CASES], ids=repr)
def test_nan_is_not_hidden(regularizer):
    w = np.array([1.0, np.nan])
    assert np.isnan(regularizer(w))
    assert np.isnan(regularizer.gradient(w)[1])


@pytest.mark.parametrize("regularizer", [case[0] for case in CASES], ids=repr)
def test_a_configuration_rebuilds_the_regularizer(regularizer):
    again = regularizers.get(regularizers.serialize(regularizer))
    assert repr(again) == repr(regularizer)


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("l1", {"l1": 0.01}),
        ("L2", {"l2": 0.01}),
        ("l1_l2", {"l1": 0.01, "l2": 0.01}),
        (regularizers.L1L2, {"l1": 0.0, "l2": 0.0}),
    ],
)
def test_names(name, config):
    assert regularizers.get(name).get_config() == config


def test_none_stays_none():
    assert regularizers.get(None) is None


def test_unknown_name():
    with pytest.raises(ValueError, match="regularizer 'l3': expected one of"):
        regularizers.get("l3")


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf"), "0.1"])
def test_factor_must_be_a_number_from_zero(value):
    with pytest.raises(ValueError, match="L2: expected l2 as a number from 0"):
        regularizers.L2(value)


@pytest.mark.oracle
@pytest.mark.parametrize("regularizer", [case[0] for case in CASES], ids=repr)
def test_penalty_agrees_with_keras(regularizer):
    keras = load_keras()
    theirs = getattr(keras.regularizers, type(regularizer).__name__)(**regularizer.get_config())
    x = keras.ops.convert_to_tensor(W, dtype="float32")
    np.testing.assert_allclose(regularizer(W), array(theirs(x)), rtol=1e-6)
