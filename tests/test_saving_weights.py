"""Weights alone, in .npz files."""

import io
import os

import numpy as np
import pytest
from saved_models import full, refused, rewrite, with_models_inside
from tiny_networks import assert_same, convnet

from tinyconv import Input, Sequential
from tinyconv.layers import BatchNormalization, Dense
from tinyconv.models.loading import load_weights
from tinyconv.models.saving import named_arrays, save_weights


@pytest.fixture
def path(tmp_path):
    """Where the model goes."""
    return tmp_path / "model.keras"


@pytest.fixture
def weights(tmp_path):
    """Where the weights go."""
    return tmp_path / "model.weights.npz"


def test_weights_come_back(weights):
    model, other = with_models_inside(), with_models_inside()
    model.save_weights(weights)
    for mine, theirs in zip(other.sublayers(), model.sublayers(), strict=True):
        mine.name = theirs.name
    other.load_weights(weights)
    assert_same(other.get_weights(), model.get_weights())


def test_weights_are_arrays_by_name(weights):
    model = Sequential([Input((5,)), Dense(3, name="d"), BatchNormalization(name="b")])
    save_weights(model, weights)
    with np.load(weights, allow_pickle=False) as arrays:
        assert list(arrays) == ["d/kernel", "d/bias", "b/gamma", "b/beta", "b/moving_mean", "b/moving_variance"]
        np.testing.assert_array_equal(arrays["d/kernel"], model.get_weights()[0])


def test_weights_that_numpy_saved_are_read(weights):
    model = Sequential([Input((5,)), Dense(3, name="d")])
    np.savez_compressed(weights, **{"d/kernel": np.ones((5, 3), "f4"), "d/bias": np.arange(3, dtype="f4")})
    load_weights(model, weights)
    assert_same(model.get_weights(), [np.ones((5, 3)), np.arange(3)])


def test_weights_of_models_inside_are_named_by_their_place():
    inner = Sequential([Input((5,)), Dense(3, name="d")], name="inner")
    model = Sequential([Input((5,)), inner])
    model.build()
    assert list(named_arrays(model)) == ["inner/d/kernel", "inner/d/bias"]


NPZ = {
    "another shape": ({"d/kernel": np.ones((3, 5), "f4")}, r"d/kernel: expected shape \(5, 3\) of float32"),
    "another type": ({"d/kernel": np.ones((5, 3))}, "Received shape .* of float64"),
    "objects": ({"d/kernel": np.array([[None] * 3] * 5)}, "Received shape .* of object"),
    "another layer": ({"e/kernel": np.ones((5, 3), "f4")}, r"not in the model: \['e/kernel'\]"),
}


@pytest.mark.parametrize(("arrays", "match"), NPZ.values(), ids=NPZ)
def test_weights_that_do_not_fit_change_nothing(weights, arrays, match):
    model = Sequential([Input((5,)), Dense(3, name="d")])
    before = model.get_weights()
    np.savez(weights, **({"d/bias": np.full(3, 7, "f4")} | arrays))
    refused(weights, match, model.load_weights)
    assert_same(model.get_weights(), before)


def test_weights_cut_off_change_nothing(weights):
    model = Sequential([Input((5,)), Dense(3, name="d")])
    before = model.get_weights()
    model.save_weights(weights)
    weights.write_bytes(weights.read_bytes()[:-40])
    refused(weights, "cut off or damaged", model.load_weights)
    assert_same(model.get_weights(), before)


def test_a_changed_bit_changes_nothing(weights):
    model = Sequential([Input((5,)), Dense(3, name="d")])
    model.save_weights(weights)
    before = model.get_weights()
    data = bytearray(weights.read_bytes())
    data[data.index(before[0].tobytes())] ^= 1
    weights.write_bytes(data)
    refused(weights, "Bad CRC-32", model.load_weights)
    assert_same(model.get_weights(), before)


def test_weights_of_a_terabyte_are_refused_before_they_are_read(weights):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (10**6, 10**6)})
    rewrite(weights, {"d/kernel.npy": header.getvalue(), "d/bias.npy": b""})
    refused(weights, r"shape \(1000000, 1000000\)", Sequential([Input((5,)), Dense(3, name="d")]).load_weights)


def test_weights_go_to_an_npz_file(path):
    with pytest.raises(ValueError, match=r"a file name ending in \.npz"):
        convnet().save_weights(path)


def test_a_failure_leaves_the_old_weights(weights, monkeypatch):
    weights.write_bytes(b"the old weights")
    model = convnet()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        model.save_weights(weights)
    assert [file.read_bytes() for file in weights.parent.iterdir()] == [b"the old weights"]
