"""What the tests of saving and loading share."""

import errno
import io
import json
import zipfile

import h5py
import numpy as np
import pytest
from layer_cases import CASES
from tiny_networks import assert_same

from tinyconv import Input, Model, Sequential
from tinyconv.layers import Add, BatchNormalization, Concatenate, Dense, InputLayer
from tinyconv.models import load_model

HOLDS = [case for case in CASES if not isinstance(case.layer(), InputLayer)]


def full(*args, **kwargs):
    """What fails where the disk is full."""
    raise OSError(errno.ENOSPC, "No space left on device")


def outputs(model, x):
    """Predictions, always as a list."""
    y = model.predict(x, verbose=0)
    return y if isinstance(y, list) else [y]


def round_trip(model, path, **options):
    """The model, saved and loaded."""
    model.save(path)
    return load_model(path, **options)


def assert_twins(model, other, x):
    """Two models have the same description, weights and predictions."""
    assert [layer.get_config() for layer in model.sublayers()] == [layer.get_config() for layer in other.sublayers()]
    assert_same(model.get_weights(), other.get_weights())
    assert_same(outputs(model, x), outputs(other, x))


def with_models_inside():
    """A line and a graph inside a graph, both called twice; outputs straight from the graph inside."""
    line = Sequential([Input((4,)), Dense(4, activation="tanh"), BatchNormalization()], name="line")
    x = Input((4,))
    h = Dense(4)(x)
    graph = Model(x, [h, Dense(4, activation="relu")(h)], name="graph")
    a, b = Input((4,), name="a"), Input((4,), name="b")
    first, second = graph(Add()([line(a), line(b), a]))
    third, fourth = graph(second)
    return Model([a, b], [Dense(2)(Concatenate()([first, third, b])), fourth, first])


def two_vectors():
    """Inputs for `with_models_inside`."""
    return list(np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32))


def members(path):
    """The contents of a zip by name."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewrite(path, contents, compression=zipfile.ZIP_STORED):
    """A zip of these contents at a path."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in contents.items():
            archive.writestr(name, data)


def change_config(path, change):
    """Let a function change the configuration in a file."""
    contents = members(path)
    entry = json.loads(contents["config.json"])
    change(entry)
    rewrite(path, contents | {"config.json": json.dumps(entry)})


def change_weights(path, change):
    """Let a function change the HDF5 file in a file."""
    contents = members(path)
    buffer = io.BytesIO(contents["model.weights.h5"])
    with h5py.File(buffer, "r+") as h5:
        change(h5)
    rewrite(path, contents | {"model.weights.h5": buffer.getvalue()})


def linked(place, link):
    """A change of an HDF5 file: a link in the place of something."""

    def change(h5):
        del h5[place]
        h5[place] = link

    return change


def virtual(h5, place):
    """Put a dataset whose numbers lie in another file in the place of a (5, 3) array."""
    del h5[place]
    layout = h5py.VirtualLayout((5, 3), "f4")
    layout[:] = h5py.VirtualSource("elsewhere.h5", "x", (5, 3))
    h5.create_virtual_dataset(place, layout)


def refused(path, match, load=load_model):
    """Loading raises a ValueError that begins with the path."""
    with pytest.raises(ValueError, match=match) as error:
        load(path)
    assert str(error.value).startswith(f"{path}: expected ")
