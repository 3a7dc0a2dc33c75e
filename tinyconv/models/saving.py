"""Writing a model to a file, in one step: until the new file is whole, the old one stays.

A ``.keras`` file is a zip of three files, laid out as Keras 3 does:

    metadata.json       who wrote it, and when
    config.json         the network (see `serialization.py`)
    model.weights.h5    layers/<class>/vars/0, 1, ...: the arrays of each layer, learned parameters first; a second
                        layer of the same class is <class>_1, and a model inside has layers of its own
"""

import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from tinyconv._types import Array
from tinyconv.checks import sentence
from tinyconv.files import replacing
from tinyconv.layers import Layer
from tinyconv.models.serialization import describe_model, describe_settings
from tinyconv.registry import snake_case

__all__ = ["named_arrays", "save_model", "save_weights", "stored_layers"]

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
#: The version of Keras whose layout this is.
LAYOUT = "3.15.1"


def save_model(model: Any, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
    """Write architecture, weights and the settings of `compile` to a ``.keras`` file.

    What the optimizer remembers is not written yet.

    Args:
        model: a network whose input's shape is known.
        filepath: where to; must end in ``.keras``.
        overwrite: False refuses to replace a file.

    Raises:
        ValueError: for another ending, a layer whose settings JSON cannot hold, or one that two models inside share.
        FileNotFoundError: if the folder does not exist.
        FileExistsError: if there is a file and overwrite is False.
    """
    path = _destination(filepath, ".keras", overwrite)
    model._require_graph()
    _check_shared(model)
    config = _json(_describe_compiled(model), model.title)
    metadata = {"keras_version": LAYOUT, "date_saved": f"{datetime.now():%Y-%m-%d@%H:%M:%S}", "saved_by": "tinyconv"}
    model.build()
    with (
        tempfile.TemporaryFile(dir=path.parent) as weights,
        replacing(path) as file,
        zipfile.ZipFile(file, "w") as archive,
    ):
        _write_weights(model, weights)
        archive.writestr(METADATA, json.dumps(metadata))
        archive.writestr(CONFIG, config)
        with archive.open(WEIGHTS, "w", force_zip64=True) as member:
            weights.seek(0)
            shutil.copyfileobj(weights, member, 2**20)


def save_weights(model: Any, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
    """Write the weights alone to an ``.npz`` file: an array for each ``layer/parameter``.

    Raises:
        ValueError: for another ending.
        FileNotFoundError: if the folder does not exist.
        FileExistsError: if there is a file and overwrite is False.
    """
    path = _destination(filepath, ".npz", overwrite)
    model._require_graph()
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


def stored_layers(model: Any, path: str = "") -> Iterator[tuple[str, Layer]]:
    """(group in the HDF5 file, layer) for each layer of a model, models inside and their layers included."""
    used: dict[str, int] = {}
    for layer in model.layers:
        inside = hasattr(layer, "layers")
        name = ("sequential" if hasattr(layer, "add") else "functional") if inside else snake_case(type(layer).__name__)
        used[name] = used.get(name, -1) + 1
        group = f"{path}layers/{name}_{used[name]}" if used[name] else f"{path}layers/{name}"
        yield group, layer
        if inside:
            yield from stored_layers(layer, f"{group}/")


def _destination(filepath: str | os.PathLike[str], ending: str, overwrite: bool) -> Path:
    path = Path(filepath)
    if path.suffix != ending:
        raise ValueError(sentence("save", f"a file name ending in {ending}", f"filepath={str(path)!r}"))
    if not path.parent.is_dir():
        raise FileNotFoundError(sentence("save", f"the folder {path.parent} to exist", "none", "Make it first."))
    if path.is_dir():
        raise IsADirectoryError(sentence("save", "a file name", f"the folder {path}"))
    if path.exists() and not overwrite:
        raise FileExistsError(sentence("save", "a new file", f"{path}, which exists", "Pass overwrite=True."))
    return path


def _check_shared(model: Any) -> None:
    inside = [layer for _, layer in stored_layers(model)]
    twice = next((layer for layer in inside if inside.count(layer) > 1), None)
    if twice is not None:
        way_out = "Share a model of this layer instead, or use save_weights."
        raise ValueError(
            sentence(model.title, "layers that belong to one model inside", f"{twice.title} in two", way_out)
        )


def _describe_compiled(model: Any) -> dict[str, Any]:
    """The model, with what `compile` was told."""
    entry = describe_model(model)
    if model.optimizer is not None:
        settings = {"optimizer": model.optimizer, **(model._settings or {})}
        entry["compile_config"] = {key: describe_settings(value) for key, value in settings.items()}
    return entry


def _json(entry: dict[str, Any], where: str) -> str:
    try:
        return json.dumps(entry)
    except TypeError as error:
        way_out = "Let its get_config return numbers, strings, lists and dictionaries."
        raise ValueError(sentence(where, "settings that JSON can hold", str(error), way_out)) from error


def _write_weights(model: Any, file: Any) -> None:
    try:
        _write_hdf5(model, file)
    except (RuntimeError, SystemError) as error:  # h5py's words for a full disk differ from version to version
        raise OSError(sentence("save", "room for the weights on the disk", str(error))) from error


def _write_hdf5(model: Any, file: Any) -> None:
    import h5py

    with h5py.File(file, "w") as h5:
        h5.create_group("vars").attrs["name"] = model.name
        for group, layer in stored_layers(model):
            store = h5.require_group(group).create_group("vars")
            store.attrs["name"] = layer.name
            own = [] if hasattr(layer, "layers") else layer.weights
            for i, array in enumerate(own):
                store.create_dataset(str(i), data=array)
