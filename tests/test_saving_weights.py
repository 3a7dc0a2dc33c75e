"""Weights alone, in .npz and .weights.h5 files."""

import io
import os

import h5py
import numpy as np
import pytest
from saved_models import full, linked, refused, rewrite, with_models_inside
from tiny_networks import assert_same, convnet

from tinyconv import Input, Model, Sequential
from tinyconv.layers import Add, BatchNormalization, Dense, Flatten
from tinyconv.models.loading import load_weights
from tinyconv.models.saving import named_arrays, save_weights


@pytest.fixture
def weights(tmp_path):
    """Where the weights go."""
    return tmp_path / "model.weights.npz"


@pytest.fixture
def h5(tmp_path):
    """Where they go in Keras 3's layout."""
    return tmp_path / "model.weights.h5"


both_formats = pytest.mark.parametrize("name", ["model.weights.npz", "model.weights.h5"])


@both_formats
def test_weights_come_back(name, tmp_path):
    model, other = with_models_inside(), with_models_inside()
    model.save_weights(tmp_path / name)
    for mine, theirs in zip(other.sublayers(), model.sublayers(), strict=True):
        mine.name = theirs.name
    other.load_weights(tmp_path / name)
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


@both_formats
def test_weights_cut_off_change_nothing(name, tmp_path):
    model, path = Sequential([Input((5,)), Dense(3, name="d")]), tmp_path / name
    before = model.get_weights()
    model.save_weights(path)
    path.write_bytes(path.read_bytes()[:-40])
    refused(path, "cut off or damaged|truncated file", model.load_weights)
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


@pytest.mark.parametrize("name", ["model.keras", "model.h5", "model"])
def test_another_ending_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r"a file name ending in \.weights\.h5 or \.npz"):
        convnet().save_weights(tmp_path / name)


@both_formats
def test_a_failure_leaves_the_old_weights(name, tmp_path, monkeypatch):
    weights = tmp_path / name
    weights.write_bytes(b"the old weights")
    model = convnet()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        model.save_weights(weights)
    assert [file.read_bytes() for file in weights.parent.iterdir()] == [b"the old weights"]


# Keras 3's layout


def changed(path, change):
    """Let a function change the HDF5 file at a path."""
    with h5py.File(path, "r+") as h5:
        change(h5)


def test_arrays_lie_by_class_and_number(h5):
    Sequential([Input((5,)), Dense(3, name="a"), BatchNormalization(), Dense(2, name="b")]).save_weights(h5)
    with h5py.File(h5) as file:
        assert list(file["layers"]) == ["batch_normalization", "dense", "dense_1"]
        assert [file[f"layers/dense_1/vars/{i}"].shape for i in (0, 1)] == [(3, 2), (2,)]
        assert file["layers/dense_1/vars"].attrs["name"] == "b"
        assert "optimizer" not in file


def test_other_names_of_layers_do_not_matter(h5):
    model, other = (Sequential([Input((5,)), Dense(3, name=name)]) for name in "ab")
    model.save_weights(h5)
    other.load_weights(h5)
    assert_same(other.get_weights(), model.get_weights())


def test_the_weights_of_a_whole_model_are_read(tmp_path):
    model, other = (Sequential([Input((5,)), Dense(3, name=name)]) for name in "ab")
    model.save(tmp_path / "model.keras")
    other.load_weights(tmp_path / "model.keras")
    assert_same(other.get_weights(), model.get_weights())


def test_nan_and_infinity_come_back(h5):
    model = Sequential([Input((5,)), Dense(3)])
    model.set_weights([np.full((5, 3), np.nan), np.array([np.inf, -np.inf, 0])])
    before = model.get_weights()
    model.save_weights(h5)
    model.set_weights([np.ones((5, 3)), np.ones(3)])
    model.load_weights(h5)
    assert_same(model.get_weights(), before)


@pytest.mark.parametrize("name", ["model.weights.h5", "model.keras", "model.h5", "model.weights.npz"])
def test_layers_that_do_not_fit_can_be_skipped(name, tmp_path):
    path = tmp_path / name
    model = Sequential([Input((5,)), Dense(3, name="a"), Dense(2, name="b")])
    other = Sequential([Input((5,)), Dense(3, name="a"), Dense(4, name="b")])
    (model.save_weights if "weights" in name else model.save)(path)
    before = other.get_weights()
    refused(path, r"expected shape \(3, 4\) of float32\. Received shape \(3, 2\)", other.load_weights)
    assert_same(other.get_weights(), before)
    with pytest.warns(UserWarning, match=r"'b' keeps its weights: .*\(3, 4\)"):
        other.load_weights(path, skip_mismatch=True)
    assert_same(other.get_weights(), [*model.get_weights()[:2], *before[2:]])


@pytest.mark.parametrize("name", ["model.weights.h5", "model.keras", "model.weights.npz"])
def test_only_the_older_format_finds_layers_by_name(name, tmp_path):
    path = tmp_path / name
    model = Sequential([Input((5,)), Dense(3)])
    (model.save_weights if "weights" in name else model.save)(path)
    refused(path, "by_name", lambda file: model.load_weights(file, by_name=True))


BIAS = "layers/dense/vars/1"

H5 = {
    "a wrong shape": (lambda h5: replaced(h5, data=np.ones(2, "f4")), r"expected shape \(3,\) of float32"),
    "a terabyte": (lambda h5: replaced(h5, shape=(10**12,), dtype="f4", chunks=True), r"shape \(1000000000000,\)"),
    "packed numbers": (lambda h5: replaced(h5, data=np.ones(3, "f4"), compression="gzip"), "a packed one"),
    "a missing array": (lambda h5: h5.__delitem__(BIAS), "expected 2 arrays at layers/dense"),
    "an external link": (linked(BIAS, h5py.ExternalLink("/etc/passwd", "/x")), r"a link at 1 \(ExternalLink\)"),
    "a loop of links": (linked("layers", h5py.SoftLink("/layers")), r"a link at layers/dense/vars \(SoftLink\)"),
    "nothing": (lambda h5: h5.clear(), "nothing at layers/dense/vars"),
}


def replaced(h5, **dataset):
    """Another dataset in the bias's place."""
    del h5[BIAS]
    return h5.create_dataset(BIAS, **dataset)


@pytest.mark.parametrize(("change", "match"), H5.values(), ids=H5)
def test_bad_arrays_change_nothing(h5, change, match):
    model = Sequential([Input((5,)), Dense(3)])
    model.save_weights(h5)
    before = model.get_weights()
    changed(h5, change)
    refused(h5, match, model.load_weights)
    assert_same(model.get_weights(), before)


def test_a_layer_in_two_models_inside_needs_an_npz_file(h5, weights):
    shared = Dense(4)
    both = [Sequential([Input((4,)), Dense(4), shared]), Sequential([Input((4,)), Flatten(), shared])]
    x = Input((4,))
    model = Model(x, Add()([inner(x) for inner in both]))
    with pytest.raises(ValueError, match=r"layers that belong to one model inside.*to an \.npz file"):
        model.save_weights(h5)
    model.save_weights(weights)
    model.load_weights(weights)
