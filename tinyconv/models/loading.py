"""Reading a model from a file that may be damaged, or made to do harm.

Nothing in a file is run: it holds JSON and arrays, no pickle. Objects are made of tinyconv's own classes and those the
caller names. Before an array is read, its place, shape and float type must be what the network asks for, and the file
must be large enough to hold it, so that no header can claim memory that the file does not fill.
"""

import contextlib
import json
import math
import os
import shutil
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tinyconv import config
from tinyconv._types import Array
from tinyconv.archives import DAMAGES, array_header, check_zip, read_array
from tinyconv.checks import sentence
from tinyconv.layers import Layer
from tinyconv.models import hdf5, legacy, weights
from tinyconv.models.optimizer_state import State
from tinyconv.models.saving import CONFIG, METADATA, WEIGHTS, named_arrays
from tinyconv.models.serialization import Reader
from tinyconv.models.weights import Place, places_of, stored_layers
from tinyconv.registry import Configurable

__all__ = ["clone_model", "load_model", "load_weights", "model_from_json"]

#: Bytes of JSON that are read at most.
LARGEST_CONFIG = 2**24
#: A model in memory up to this size is read from the zip without a file in between.
IN_MEMORY = 2**26

HDF5, ZIP = b"\x89HDF\r\n\x1a\n", b"PK\x03\x04"
#: What other files begin with.
_SIGNATURES = {
    HDF5: "an HDF5 file",
    HDF5[:4]: "an HDF5 file that is damaged",
    b"\x80": "a pickle, which tinyconv does not read",
    b"\x89PNG": "a PNG image",
    ZIP: "a zip that is cut off or damaged",
}

#: What contents raise that are not those of a model.
_MISFITS = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, OSError, RuntimeError)
#: What JSON, text and zip files raise that are not whole.
_DAMAGES = (json.JSONDecodeError, UnicodeError, zipfile.BadZipFile, zlib.error, EOFError)

#: A check of a file's weights: (array, dataset) for each array, and what it holds of the optimizer's memory.
Pairs = list[tuple[Place, Any]]


def load_model(
    filepath: str | os.PathLike[str],
    custom_objects: Mapping[str, type] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
) -> Any:
    """The model of a ``.keras`` file by tinyconv or Keras 3, or of an ``.h5`` file by any of them or Keras 2.

    Args:
        filepath: the file.
        custom_objects: classes by name, for layers, losses and so on that are not tinyconv's own.
        compile: whether to compile it as it was. Its optimizer then remembers what the file holds, so that training
            goes on where it stopped; what does not fit the network is left out, with a warning.
        safe_mode: taken for Keras's sake: code in a file is never run.

    Returns:
        A `Sequential` or `Model`, ready to predict; ready to evaluate and learn if it was compiled.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: for a damaged file or one of another kind, an unknown class, and weights that do not fit the
            network. The message begins with the path.
    """
    path, reader = Path(filepath), Reader(custom_objects)
    if _start(path).startswith(HDF5):
        return _load_hdf5(path, reader, compile)
    return _load_zip(path, reader, compile)


def _load_zip(path: Path, reader: Reader, compile: bool) -> Any:
    with _zip(path) as archive:
        _check_members(archive, path)
        entry = _read_json(archive, path)
        with _explained(path, "the description of a network"):
            model = _network(reader, entry, archive.getinfo(WEIGHTS).file_size)
        with _explained(path, "weights that fit the network"), _unpacked(archive) as h5:
            _read(weights.check_weights(h5, model), model)
            _compile(path, model, reader, entry.get("compile_config") if compile else None)
            _restore(path, h5, model, is_legacy=False)
    return model


def _load_hdf5(path: Path, reader: Reader, compile: bool) -> Any:
    with _explained(path, "a whole HDF5 file"), path.open("rb") as file, hdf5.opened(file) as h5:
        with _explained(path, "the description of a network"):
            model = _network(reader, legacy.read_model_config(h5), path.stat().st_size)
            settings = legacy.read_training_config(h5) if compile else None
        with _explained(path, "weights that fit the network"):
            _read(legacy.check_legacy_weights(h5, model), model)
        _compile(path, model, reader, settings)
        _restore(path, h5, model, is_legacy=True)
    return model


def _network(reader: Reader, entry: Mapping[str, Any], stored: int) -> Any:
    """The network of a description, not built yet, in a file of so many bytes."""
    model = reader.read("layer", entry)
    model._require_graph()
    _check_sizes(model, stored)
    return model


def model_from_json(json_string: str, custom_objects: Mapping[str, type] | None = None) -> Any:
    """The network that a model's `to_json` described, with new weights, not compiled.

    Raises:
        ValueError: for an unknown class, and for what is no description of a network.
    """
    with _explained("model_from_json", "what model.to_json() returned"):
        entry = json.loads(json_string)
        if not isinstance(entry, dict):
            raise ValueError(f"{type(entry).__name__} {json_string[:40]!r}")
        return Reader(custom_objects).read("layer", entry)


def clone_model(model: Any) -> Any:
    """A network with the same layers and names but new weights, not compiled."""
    return Reader(_classes(model)).read("layer", json.loads(model.to_json()))


def pack(model: Any) -> tuple[bytes, dict[str, type]]:
    """A model as the contents of a file, and the classes that reading it needs besides tinyconv's."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return path.read_bytes(), _classes(model)


def unpack(contents: bytes, classes: Mapping[str, type]) -> Any:
    """The model that `pack` was given."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        path.write_bytes(contents)
        return load_model(path, classes)


def _classes(model: Any) -> dict[str, type]:
    """The classes by name that a model consists of and that are not tinyconv's."""
    found: dict[str, type] = {}
    waiting = [model, *(layer for _, layer in stored_layers(model)), model.optimizer, model._settings]
    while waiting:
        thing = waiting.pop()
        if isinstance(thing, Mapping):
            waiting += thing.values()
        elif isinstance(thing, list | tuple):
            waiting += thing
        elif isinstance(thing, Layer | Configurable):
            found[type(thing).__name__] = type(thing)
            waiting += [part for part in vars(thing).values() if isinstance(part, Configurable)]
    return {name: cls for name, cls in found.items() if not cls.__module__.startswith("tinyconv.")}


def load_weights(
    model: Any, filepath: str | os.PathLike[str], skip_mismatch: bool = False, by_name: bool = False
) -> None:
    """Overwrite the weights of a network with those of a file.

    Arrays in ``.weights.h5``, ``.keras`` and ``.h5`` belong to layers by their order, in ``.npz`` to their names. What
    the file holds of an optimizer's memory is taken over where the model's own optimizer has learned already, as in
    Keras; use `load_model` to go on with a training.

    Args:
        model: a network whose input's shape is known.
        filepath: ``.weights.h5`` or ``.keras`` by tinyconv or Keras 3, ``.h5`` by any of them or Keras 2, or ``.npz``.
        skip_mismatch: whether to leave layers as they are that the file has no arrays for, with a warning.
        by_name: whether to find layers by their names, and leave out those that the file does not name; only for the
            older ``.h5``.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged, or something is missing or does not fit. Nothing is changed then.
    """
    path = Path(filepath)
    model._require_graph()
    start = _start(path)
    if start.startswith(HDF5):
        with _explained(path, "the weights of this model"), path.open("rb") as file, hdf5.opened(file) as h5:
            _take_over(path, model, h5, skip_mismatch, by_name)
        return
    if by_name:
        way_out = "Without by_name, layers are found by their order."
        raise ValueError(sentence(str(path), "an .h5 file of the older format for by_name=True", "another", way_out))
    with _zip(path) as archive, _explained(path, "the weights of this model"):
        if WEIGHTS not in archive.namelist():
            _take_over_npz(model, archive, skip_mismatch)
            return
        _check_members(archive, path)
        with _unpacked(archive) as h5:
            _take_over(path, model, h5, skip_mismatch, by_name)


def _take_over(path: Path, model: Any, h5: Any, skip: bool, by_name: bool) -> None:
    """Weights, and the optimizer's memory, from an HDF5 file of either layout: read all, then change all."""
    is_legacy = legacy.holds_legacy_weights(h5)
    if is_legacy:
        pairs = legacy.check_legacy_weights(h5, model, by_name, skip)
    elif by_name:
        raise ValueError(sentence("by_name", "the older format of .h5", "a file by Keras 3, which has no names in it"))
    else:
        pairs = weights.check_weights(h5, model, by_place=True, skip=skip)
    arrays = [(place, dataset[()]) for place, dataset in pairs]
    has_learned = model.optimizer is not None and model.optimizer.iterations
    state = _memory(path, h5, model, is_legacy) if has_learned else None
    _build_quietly(model)
    for place, array in arrays:
        place.array[...] = array
    if state is not None:
        state.restore(model.optimizer)


def _take_over_npz(model: Any, archive: zipfile.ZipFile, skip: bool) -> None:
    _build_quietly(model)
    mine = named_arrays(model)
    stored = {name.removesuffix(".npy") for name in archive.namelist()}
    if stored != mine.keys() and not skip:
        received = f"missing: {sorted(mine.keys() - stored)}, not in the model: {sorted(stored - mine.keys())}"
        raise ValueError(sentence(model.title, "an array for each parameter", received))
    new: dict[str, Array] = {}
    for layer in dict.fromkeys(name.rpartition("/")[0] for name in mine):
        arrays = {name: array for name, array in mine.items() if name.rpartition("/")[0] == layer}
        try:
            new |= {name: _read_npy(archive, name, array) for name, array in arrays.items()}
        except (ValueError, LookupError) as error:
            if not skip:
                raise
            warnings.warn(f"{layer!r} keeps its weights: {error}", stacklevel=4)
    for name, array in new.items():
        mine[name][...] = array


# What all formats share


def _start(path: Path) -> bytes:
    """How a file begins."""
    if not path.exists():
        raise FileNotFoundError(sentence(str(path), "a saved model", "no file of this name"))
    with path.open("rb") as file:
        return file.read(len(HDF5))


@contextlib.contextmanager
def _explained(path: Path | str, expected: str, way_out: str = "") -> Iterator[None]:
    """Errors on damaged or hostile contents, as one ValueError that begins with the path, or with who reads."""
    try:
        yield
    except (*_MISFITS, *_DAMAGES) as error:
        if str(error).startswith(f"{path}: "):
            raise
        if isinstance(error, ValueError) and not isinstance(error, _DAMAGES):
            received = str(error)
        else:
            received = f"what looks like a damaged file ({type(error).__name__}: {error})"
        raise ValueError(sentence(str(path), expected, received, way_out)) from error


def _check_sizes(model: Any, stored: int) -> None:
    """ValueError if the layers ask for more than the file holds."""
    places = [(place, np.dtype(layer.dtype)) for layer in model.sublayers() for place in places_of(layer)]
    needed = sum(math.prod(place.shape) * dtype.itemsize for place, dtype in places)
    if needed > stored:
        raise ValueError(f"layers that need {needed:,} bytes of weights, and {stored:,} bytes of them")


def _read(pairs: Pairs, model: Any) -> None:
    """Read the arrays of a new network."""
    _build_quietly(model)
    for place, dataset in pairs:
        place.array[...] = dataset[()]


def _build_quietly(model: Any) -> None:
    """Make the parameters; the random numbers they begin with are not missed elsewhere."""
    state = config.random_state()
    try:
        model.build()
    finally:
        config.set_random_state(state)


def _compile(path: Path, model: Any, reader: Reader, settings: Mapping[str, Any] | None) -> None:
    if not settings:
        return
    kinds = {"optimizer": "optimizer", "loss": "loss", "loss_weights": "loss", "metrics": "metric"}
    with _explained(path, "settings to compile with", "Pass custom_objects, or compile=False."):
        if settings.get("weighted_metrics"):
            raise ValueError(f"weighted_metrics={settings['weighted_metrics']}, which tinyconv does not have")
        model.compile(**{key: reader.read_settings(kind, settings.get(key)) for key, kind in kinds.items()})


def _restore(path: Path, h5: Any, model: Any, is_legacy: bool) -> None:
    """Let the optimizer of a new network, if it is compiled, remember what the file holds."""
    state = None if model.optimizer is None else _memory(path, h5, model, is_legacy)
    if state is not None:
        state.restore(model.optimizer)


def _memory(path: Path, h5: Any, model: Any, is_legacy: bool) -> State | None:
    """What a file holds of the memory of a network's optimizer; None, with a warning, if it does not fit."""
    try:
        return legacy.read_legacy_optimizer(h5, model) if is_legacy else weights.read_optimizer(h5, model)
    except _MISFITS as error:
        message = f"{path}: the optimizer starts anew, for the memory of it in the file does not fit. {error}"
        warnings.warn(message, stacklevel=4)
        return None


# The zip


@contextlib.contextmanager
def _zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """The zip at a path, or an error that says what is there instead."""
    start = _start(path)
    kind = next((kind for sign, kind in _SIGNATURES.items() if start.startswith(sign)), "another kind of file")
    try:
        archive = zipfile.ZipFile(path)
    except DAMAGES as error:
        received = kind if start else "an empty file"
        raise ValueError(sentence(str(path), "a file as tinyconv and Keras write it", received)) from error
    with archive:
        with _explained(path, "files of credible size in it"):
            check_zip(archive)
        yield archive


def _check_members(archive: zipfile.ZipFile, path: Path) -> None:
    names = sorted(archive.namelist())
    if names != sorted([CONFIG, METADATA, WEIGHTS]):
        received = ", ".join(map(repr, names[:10])) or "nothing"
        raise ValueError(sentence(str(path), f"exactly {CONFIG}, {METADATA} and {WEIGHTS} in it", received))


def _read_json(archive: zipfile.ZipFile, path: Path) -> dict[str, Any]:
    with _explained(path, f"JSON in its {CONFIG}"):
        if archive.getinfo(CONFIG).file_size > LARGEST_CONFIG:
            raise ValueError(f"{archive.getinfo(CONFIG).file_size:,} bytes")
        entry = json.loads(archive.read(CONFIG))
        if not isinstance(entry, dict):
            raise ValueError(f"{type(entry).__name__}, not an object")
        return entry


@contextlib.contextmanager
def _unpacked(archive: zipfile.ZipFile) -> Iterator[Any]:
    """The HDF5 file in the zip, as a file to read in any order; its checksum has been compared."""
    with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as copy:
        with archive.open(WEIGHTS) as member:
            shutil.copyfileobj(member, copy, 2**20)
        copy.seek(0)
        with hdf5.opened(copy) as h5:
            yield h5


# .npz


def _read_npy(archive: zipfile.ZipFile, name: str, like: Array) -> Array:
    """The array of this name, which has the shape and type of another."""
    with archive.open(f"{name}.npy") as file:
        hdf5.check_array(name, like.shape, like.dtype, *array_header(file))
    return read_array(archive, name)
