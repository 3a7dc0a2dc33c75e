"""Saving: what is written comes back, and a failure leaves the old file."""

import os
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from saved_models import HOLDS, assert_twins, full, outputs, round_trip, two_vectors, with_models_inside
from tiny_networks import assert_same, branched, compiled, convnet, images, labels, two_headed, two_headed_data

from tinyconv import Input, Model, Sequential, config, initializers, regularizers
from tinyconv.files import replacing
from tinyconv.layers import (
    Add,
    BatchNormalization,
    Concatenate,
    Conv2D,
    Dense,
    Flatten,
    GlobalAveragePooling2D,
    MinPooling2D,
)
from tinyconv.models import clone_model, load_model, model_from_json, save_model


@pytest.fixture
def path(tmp_path):
    """Where the model goes."""
    return tmp_path / "model.keras"


# What comes back


@pytest.mark.parametrize("case", HOLDS, ids=[case.id for case in HOLDS])
def test_every_layer_comes_back(case, path):
    layer = case.layer("float32")
    inputs = [Input(shape[1:]) for shape in case.shapes]
    model = Model(inputs, layer(inputs if case.takes_list else inputs[0]))
    assert_twins(model, round_trip(model, path), case.input(dtype="float32"))


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_initializer": initializers.VarianceScaling(0.5, "fan_out", "uniform", seed=3)},
        {"kernel_initializer": "he_normal", "bias_initializer": initializers.Constant(0.25)},
        {"kernel_regularizer": regularizers.L1L2(0.1, 0.2), "bias_regularizer": "l1"},
        {"trainable": False, "use_bias": False},
    ],
)
def test_every_setting_comes_back(options, path):
    model = Sequential([Input((5,)), Dense(3, **options)])
    assert_twins(model, round_trip(model, path), np.ones((2, 5)))


def test_a_line_comes_back_as_one(path):
    model = convnet()
    loaded = round_trip(model, path)
    assert type(loaded) is Sequential
    assert (loaded.name, len(loaded.layers)) == (model.name, len(model.layers))
    assert_twins(model, loaded, images())


def test_branches_come_back(path):
    model = branched()
    assert_twins(model, round_trip(model, path), images())


def test_several_inputs_and_outputs_come_back(path):
    model, (x, _) = two_headed(), two_headed_data()
    loaded = round_trip(model, path)
    assert loaded.output_names == ["kind", "size"]
    assert_twins(model, loaded, x)


def test_a_shared_layer_comes_back_as_one(path):
    x, shared = Input((4,)), Dense(4, name="shared")
    y = shared(x)
    model = Model(x, [Add()([shared(y), y]), shared(shared(y))])
    loaded = round_trip(model, path)
    assert [layer.name for layer in loaded.layers].count("shared") == 1
    assert_twins(model, loaded, np.ones((2, 4)))


def test_models_inside_come_back(path):
    model = with_models_inside()
    assert_twins(model, round_trip(model, path), two_vectors())


def test_models_inside_a_line_come_back(path):
    inner = Sequential([Input((7, 6, 2)), Conv2D(3, 2), MinPooling2D()])
    model = Sequential([Input((7, 6, 2)), inner, Flatten(), Dense(2)])
    assert_twins(model, round_trip(model, path), np.ones((2, 7, 6, 2)))


def test_a_model_inside_with_several_inputs_comes_back(path):
    a, b = Input((4,)), Input((3,))
    inner = Model([a, b], Concatenate()([Dense(2)(a), b]))
    c, d = Input((4,)), Input((3,))
    model = Model([c, d], Dense(2)(inner([c, d])))
    assert_twins(model, round_trip(model, path), [np.ones((2, 4)), np.ones((2, 3))])


def test_moving_averages_come_back(path):
    model = compiled(convnet(BatchNormalization()))
    model.fit(images(), labels(), verbose=0)
    assert_same(round_trip(model, path).get_weights(), model.get_weights())


def test_double_precision_comes_back(path, float64):
    model = Sequential([Input((5,)), Dense(3)])
    loaded = round_trip(model, path)
    assert loaded.get_weights()[0].dtype == np.float64
    assert_twins(model, loaded, np.ones((2, 5)))


def test_images_of_any_size_come_back(path):
    model = Sequential([Input((None, None, 2)), Conv2D(3, 2), GlobalAveragePooling2D()])
    loaded = round_trip(model, path)
    assert loaded.input_shape == (None, None, None, 2)
    assert_same(outputs(model, np.ones((2, 5, 4, 2))), outputs(loaded, np.ones((2, 5, 4, 2))))


def test_frozen_layers_stay_frozen(path):
    model = convnet(Dense(5, name="frozen", trainable=False))
    assert not round_trip(model, path).get_layer("frozen").trainable


def test_a_model_learns_on_after_loading(path):
    model = round_trip(compiled(), path)
    before = model.get_weights()
    model.fit(images(), labels(), verbose=0)
    assert (before[0] != model.get_weights()[0]).any()


def test_loading_leaves_the_random_numbers_alone(path):
    convnet().save(path)
    before = config.random_state()
    load_model(path)
    assert config.random_state() == before


def test_a_model_of_unknown_input_shape_cannot_be_saved(path):
    with pytest.raises(ValueError, match="expected a known input shape"):
        Sequential([Dense(3)]).save(path)
    assert not path.exists()


def test_files_are_named_by_strings_or_paths(path):
    convnet().save(str(path))
    assert isinstance(load_model(Path(path)), Sequential)


# Descriptions without weights


@pytest.mark.parametrize("make", [convnet, branched, with_models_inside])
def test_a_network_is_made_anew_from_its_json(make):
    model = make()
    other = model_from_json(model.to_json(indent=1))
    assert other.to_json() == model.to_json()
    assert other.optimizer is None
    assert [w.shape for w in other.get_weights()] == [w.shape for w in model.get_weights()]


@pytest.mark.parametrize("make", [convnet, branched])
def test_a_network_is_made_anew_from_its_settings(make):
    model = make()
    other = type(model).from_config(model.get_config())
    assert type(other) is type(model)
    assert other.get_config() == model.get_config()


def test_a_clone_has_weights_of_its_own():
    model = compiled()
    before = model.get_weights()
    clone = clone_model(model)
    assert [layer.name for layer in clone.layers] == [layer.name for layer in model.layers]
    assert (clone.get_weights()[0] != before[0]).any()
    clone.set_weights([np.zeros_like(w) for w in before])
    assert_same(model.get_weights(), before)
    assert clone.optimizer is None


def test_a_network_of_unknown_input_shape_has_no_description():
    with pytest.raises(ValueError, match="expected a known input shape"):
        Sequential([Dense(3)]).to_json()


@pytest.mark.parametrize(
    ("text", "match"), [("[]", "what model.to_json"), ('{"class_name": "Magic"}', "layer 'Magic'")]
)
def test_what_describes_no_network_is_refused(text, match):
    with pytest.raises(ValueError, match=match):
        model_from_json(text)


# Where to


def test_save_model_is_the_same_as_save(path):
    model = convnet()
    save_model(model, path)
    assert_twins(model, load_model(str(path)), images())


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"ending in \.keras, \.h5 or \.hdf5\. Received .*model\.pkl"):
        convnet().save(tmp_path / "model.pkl")


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=rf"the folder {tmp_path / 'no'} to exist"):
        convnet().save(tmp_path / "no" / "model.keras")


def test_a_folder_in_its_place_is_refused(path):
    path.mkdir()
    with pytest.raises(IsADirectoryError, match="expected a file name"):
        convnet().save(path)


def test_overwriting_can_be_refused(path):
    convnet().save(path)
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match="expected a new file"):
        convnet().save(path, overwrite=False)
    assert path.read_bytes() == before


def test_a_link_stays_a_link(tmp_path, path):
    link = tmp_path / "latest.keras"
    link.symlink_to(path)
    convnet().save(link)
    assert link.is_symlink()
    load_model(path)


def test_permissions_stay_as_they_were(path):
    convnet().save(path)
    path.chmod(0o640)
    convnet().save(path)
    assert path.stat().st_mode & 0o777 == 0o640


# In one step


FAILURES = {
    "arrays": (h5py.Group, "create_dataset"),
    "zip": (zipfile.ZipFile, "writestr"),
    "flush": (os, "fsync"),
    "replace": (os, "replace"),
}


@pytest.mark.parametrize("place", FAILURES)
@pytest.mark.parametrize("before", [b"the old model", None])
def test_a_failure_leaves_the_old_file_and_nothing_else(place, before, path, monkeypatch):
    if before:
        path.write_bytes(before)
    model = convnet()
    monkeypatch.setattr(*FAILURES[place], full)
    with pytest.raises(OSError, match=f"No space left on device: '{path}'"):
        model.save(path)
    monkeypatch.undo()
    assert [file.read_bytes() for file in path.parent.iterdir()] == ([before] if before else [])


def test_an_interruption_leaves_the_old_file_and_nothing_else(path):
    path.write_bytes(b"the old one")

    def interrupted():
        with replacing(path) as file:
            file.write(b"half of the new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [file.read_bytes() for file in path.parent.iterdir()] == [b"the old one"]
