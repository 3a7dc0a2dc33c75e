"""Writing a model to a file, in one step: until the new file is whole, the old one stays.

A ``.keras`` file is a zip of three files, laid out as Keras 3 does:

    metadata.json       who wrote it, and when
    config.json         the network (see `serialization.py`)
    model.weights.h5    its arrays and those of its optimizer (see `weights.py`)

``.h5`` is the older format (see `legacy.py`), ``.weights.h5`` the third of these files alone, and ``.npz`` a zip of
arrays that NumPy opens.
"""

import contextlib
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tinyconv._types import Array
from tinyconv.checks import sentence
from tinyconv.files import destination, replacing
from tinyconv.models.legacy import put_legacy
from tinyconv.models.serialization import describe_compiled
from tinyconv.models.weights import put_weights, stored_layers

__all__ = ["named_arrays", "save_model", "save_weights"]

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
#: Endings of whole models and of weights alone.
MODELS, WEIGHTS_ALONE = (".keras", ".h5", ".hdf5"), (".weights.h5", ".npz")
#: The version of Keras whose layout this is.
LAYOUT = "3.15.1"


def save_model(
    model: Any, filepath: str | os.PathLike[str], overwrite: bool = True, include_optimizer: bool = True
) -> None:
    """Write architecture, weights, the settings of `compile`, and what the optimizer remembers.

    Args:
        model: a network whose input's shape is known.
        filepath: where to: ``.keras``; or ``.h5`` or ``.hdf5`` for the older format.
        overwrite: False refuses to replace a file.
        include_optimizer: False leaves out what the optimizer remembers, which Adam makes two thirds of the file.
            Training then goes on with the same settings, and a memory as at its beginning.

    Raises:
        ValueError: for another ending, a layer whose settings JSON cannot hold, or one that two models inside share.
        FileNotFoundError: if the folder does not exist.
        FileExistsError: if there is a file and overwrite is False.
    """
    path = destination(filepath, MODELS, "save", overwrite)
    model._require_graph()
    _check_shared(model)
    entry = describe_compiled(model)
    config = _json(entry, model.title)
    model.build()
    if path.suffix == ".keras":
        _write_zip(path, config, lambda h5: put_weights(h5, model, include_optimizer))
    else:
        _write_hdf5(path, lambda h5: put_legacy(h5, model, entry, include_optimizer, LAYOUT))


def save_weights(model: Any, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
    """Write the weights without the architecture.

    Args:
        model: a network whose input's shape is known.
        filepath: where to: ``.weights.h5``, as Keras does, with what the optimizer remembers; or ``.npz``, an array for
            each ``layer/parameter``.
        overwrite: False refuses to replace a file.

    Raises:
        ValueError: for another ending; for a layer that two models inside share, which only ``.npz`` can hold.
        FileNotFoundError: if the folder does not exist.
        FileExistsError: if there is a file and overwrite is False.
    """
    path = destination(filepath, WEIGHTS_ALONE, "save_weights", overwrite)
    model._require_graph()
    if path.suffix == ".h5":
        _check_shared(model)
        model.build()
        _write_hdf5(path, lambda h5: put_weights(h5, model))
        return
    model.build()
    with replacing(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, array in named_arrays(model).items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def named_arrays(model: Any, prefix: str = "") -> dict[str, Array]:
    """Every array of a model by ``layer/parameter``, or ``model/layer/parameter`` inside another. Not copies."""
    arrays: dict[str, Array] = {}
    for layer in model.layers:
        if hasattr(layer, "layers"):
            arrays |= named_arrays(layer, f"{prefix}{layer.name}/")
        else:
            arrays |= {f"{prefix}{layer.name}/{key}": a for key, a in (layer.params | layer.state).items()}
    return arrays


def _check_shared(model: Any) -> None:
    inside = [layer for _, layer in stored_layers(model)]
    twice = next((layer for layer in inside if inside.count(layer) > 1), None)
    if twice is not None:
        way_out = "Share a model of this layer instead, or save the weights to an .npz file."
        expected = "layers that belong to one model inside"
        raise ValueError(sentence(model.title, expected, f"{twice.title} in two", way_out))


def _json(entry: dict[str, Any], where: str) -> str:
    try:
        return json.dumps(entry)
    except TypeError as error:
        way_out = "Let its get_config return numbers, strings, lists and dictionaries."
        raise ValueError(sentence(where, "settings that JSON can hold", str(error), way_out)) from error


def _write_zip(path: Path, config: str, put: Callable[[Any], None]) -> None:
    metadata = {"keras_version": LAYOUT, "date_saved": f"{datetime.now():%Y-%m-%d@%H:%M:%S}", "saved_by": "tinyconv"}
    with replacing(path) as file, _hdf5(path.parent, put) as weights, zipfile.ZipFile(file, "w") as archive:
        archive.writestr(METADATA, json.dumps(metadata))
        archive.writestr(CONFIG, config)
        with archive.open(WEIGHTS, "w", force_zip64=True) as member:
            shutil.copyfileobj(weights, member, 2**20)


def _write_hdf5(path: Path, put: Callable[[Any], None]) -> None:
    with replacing(path) as file, _hdf5(path.parent, put) as whole:
        shutil.copyfileobj(whole, file, 2**20)


@contextlib.contextmanager
def _hdf5(folder: Path, put: Callable[[Any], None]) -> Iterator[BinaryIO]:
    """A file without a name, there for as long as it is open, with the HDF5 that a function puts into it."""
    import h5py

    with tempfile.TemporaryFile(dir=folder) as file:
        try:
            with h5py.File(file, "w") as h5:
                put(h5)
        except (RuntimeError, SystemError) as error:  # h5py's words for a full disk differ from version to version
            raise OSError(sentence("save", "room for the weights on the disk", str(error))) from error
        file.seek(0)
        yield file
