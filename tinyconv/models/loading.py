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
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tinyconv import config
from tinyconv._types import Array
from tinyconv.checks import sentence
from tinyconv.layers import Layer
from tinyconv.models.saving import CONFIG, METADATA, WEIGHTS, named_arrays, stored_layers
from tinyconv.models.serialization import Reader

__all__ = ["load_model", "load_weights"]

#: Bytes of JSON that are read at most.
LARGEST_CONFIG = 2**26
#: A zip member may unpack to this many times its packed size.
LARGEST_RATIO = 100
#: A model in memory up to this size is read from the zip without a file in between.
IN_MEMORY = 2**26

#: What other files begin with.
_SIGNATURES = {
    b"\x89HDF": "an HDF5 file; legacy .h5 models cannot be read yet",
    b"\x80": "a pickle, which tinyconv does not read",
    b"\x89PNG": "a PNG image",
    b"PK\x03\x04": "a zip that is cut off or damaged",
    b"": "an empty file",
}


def load_model(
    filepath: str | os.PathLike[str], custom_objects: Mapping[str, type] | None = None, compile: bool = True
) -> Any:
    """The model of a ``.keras`` file, by tinyconv or by Keras 3.

    Args:
        filepath: the file.
        custom_objects: classes by name, for layers, losses and so on that are not tinyconv's own.
        compile: whether to compile it as it was. Its optimizer starts anew: what it remembered is not in the file yet.

    Returns:
        A `Sequential` or `Model`, ready to predict; ready to evaluate and learn if it was compiled.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: for a damaged file or one of another kind, an unknown class, and weights that do not fit the
            network. The message begins with the path.
    """
    path = Path(filepath)
    with _opened(path) as archive:
        _check_members(archive, path)
        entry = _read_json(archive, path)
        with _explained(path, "the description of a network"):
            reader = Reader(custom_objects)
            model = reader.read("layer", entry)
            model._require_graph()
            _check_sizes(model, archive.getinfo(WEIGHTS).file_size)
        with _explained(path, "weights that fit the network"), _unpacked(archive, WEIGHTS) as file:
            _read_weights(model, file)
    if compile and entry.get("compile_config"):
        with _explained(path, "settings to compile with", "Pass custom_objects, or compile=False."):
            _compile(model, entry["compile_config"], reader)
    return model


def load_weights(model: Any, filepath: str | os.PathLike[str]) -> None:
    """Overwrite the weights of a model with those of an ``.npz`` file that `save_weights` wrote.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if names, shapes or float types differ, or the file is damaged. Nothing is changed then.
    """
    path = Path(filepath)
    model._require_graph()
    model.build()
    mine = named_arrays(model)
    with _opened(path) as archive, _explained(path, "the weights of this model"):
        stored = {name.removesuffix(".npy") for name in archive.namelist()}
        if stored != mine.keys():
            received = f"missing: {sorted(mine.keys() - stored)}, not in the model: {sorted(stored - mine.keys())}"
            raise ValueError(sentence(model.title, "an array for each parameter", received))
        for name, array in mine.items():
            with archive.open(f"{name}.npy") as file:
                _check_array(name, array.shape, array.dtype, *_npy_header(file))
        new = {name: _read_npy(archive, f"{name}.npy") for name in mine}
    for name, array in mine.items():
        array[...] = new[name]


# The zip


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """The zip at a path, or an error that says what is there instead."""
    if not path.exists():
        raise FileNotFoundError(sentence(str(path), "a saved model", "no file of this name"))
    with path.open("rb") as file:
        start = file.read(4)
    kind = next((kind for sign, kind in _SIGNATURES.items() if sign and start.startswith(sign)), "another kind of file")
    kind = kind if start else _SIGNATURES[b""]
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise ValueError(sentence(str(path), "a zip file as tinyconv and Keras write it", kind)) from error
    with archive:
        yield archive


@contextlib.contextmanager
def _explained(path: Path, expected: str, way_out: str = "") -> Iterator[None]:
    """Errors on damaged or hostile contents, as one ValueError that begins with the path."""
    try:
        yield
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, OSError, RuntimeError) as error:
        received = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        raise ValueError(sentence(str(path), expected, received.rstrip("."), way_out)) from error
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ValueError(sentence(str(path), expected, f"a damaged file: {error}")) from error


def _check_members(archive: zipfile.ZipFile, path: Path) -> None:
    names = sorted(archive.namelist())
    if names != sorted([CONFIG, METADATA, WEIGHTS]):
        received = ", ".join(map(repr, names[:10])) or "nothing"
        raise ValueError(sentence(str(path), f"exactly {CONFIG}, {METADATA} and {WEIGHTS} in it", received))
    for member in archive.infolist():
        if member.file_size > LARGEST_RATIO * member.compress_size:
            received = f"{member.filename} of {member.file_size:,} bytes, packed into {member.compress_size:,}"
            raise ValueError(sentence(str(path), "files of credible size in it", received))


def _read_json(archive: zipfile.ZipFile, path: Path) -> dict[str, Any]:
    with _explained(path, f"JSON in its {CONFIG}"):
        if archive.getinfo(CONFIG).file_size > LARGEST_CONFIG:
            raise ValueError(f"{archive.getinfo(CONFIG).file_size:,} bytes")
        entry = json.loads(archive.read(CONFIG))
        if not isinstance(entry, dict):
            raise ValueError(f"{type(entry).__name__}, not an object")
        return entry


@contextlib.contextmanager
def _unpacked(archive: zipfile.ZipFile, name: str) -> Iterator[BinaryIO]:
    """A member of the zip as a file to read in any order; its checksum has been compared."""
    with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as copy, archive.open(name) as member:
        shutil.copyfileobj(member, copy, 2**20)
        copy.seek(0)
        yield copy  # type: ignore[misc]


# The weights


def _shapes(layer: Layer) -> list[tuple[int, ...]]:
    spec = layer.input_spec
    return [*layer.weight_shapes(spec).values(), *layer.state_shapes(spec).values()]


def _check_sizes(model: Any, stored: int) -> None:
    """ValueError if the layers ask for more than the file holds."""
    arrays = [(shape, np.dtype(layer.dtype).itemsize) for layer in model.sublayers() for shape in _shapes(layer)]
    needed = sum(math.prod(shape) * item for shape, item in arrays)
    if needed > stored:
        raise ValueError(f"layers that need {needed:,} bytes of weights, in a file that holds {stored:,}")


def _read_weights(model: Any, file: BinaryIO) -> None:
    import h5py

    with h5py.File(file, "r") as h5:
        holders = [(group, layer) for group, layer in stored_layers(model) if not hasattr(layer, "layers")]
        found = {layer: _datasets(h5, group, layer) for group, layer in holders}
        _build_quietly(model)
        for layer, datasets in found.items():
            for array, dataset in zip(layer.weights, datasets, strict=True):
                array[...] = dataset[()]


def _datasets(h5: Any, group: str, layer: Layer) -> list[Any]:
    """The datasets of a layer, checked but not read."""
    shapes = _shapes(layer)
    if not shapes:
        return []
    store = _inside(h5, f"{group}/vars")
    if len(store) != len(shapes):
        raise ValueError(sentence(layer.title, f"{len(shapes)} arrays at {group}", f"{len(store)}"))
    name = store.attrs.get("name", layer.name)
    if name != layer.name:
        raise ValueError(sentence(layer.title, f"its arrays at {group}", f"those of {name!r}"))
    datasets = [_inside(store, str(i)) for i in range(len(shapes))]
    for i, (dataset, shape) in enumerate(zip(datasets, shapes, strict=True)):
        _check_dataset(f"{group}/vars/{i}", dataset, shape, np.dtype(layer.dtype))
    return datasets


def _inside(parent: Any, path: str) -> Any:
    """What lies at a path, each step of which must lead to a place in this file."""
    import h5py

    for name in path.split("/"):
        link = parent.get(name, getlink=True) if isinstance(parent, h5py.Group) else None
        if link is None:
            raise ValueError(f"nothing at {path}")
        if not isinstance(link, h5py.HardLink):
            raise ValueError(f"a {type(link).__name__} at {path}, which may lead out of the file")
        parent = parent[name]
    return parent


def _check_dataset(name: str, dataset: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    import h5py

    if not isinstance(dataset, h5py.Dataset) or dataset.external or dataset.is_virtual:
        raise ValueError(f"something other than an array in this file at {name}")
    _check_array(name, shape, dtype, dataset.shape, dataset.dtype)
    if dataset.id.get_storage_size() != dataset.nbytes:
        raise ValueError(f"an array at {name} that takes {dataset.nbytes:,} bytes, of which the file holds "
                         f"{dataset.id.get_storage_size():,}")  # fmt: skip


def _check_array(name: str, shape: Any, dtype: np.dtype[Any], has_shape: Any, has_dtype: Any) -> None:
    if tuple(has_shape) != tuple(shape) or has_dtype != dtype:
        received = f"shape {tuple(has_shape)} of {has_dtype}"
        raise ValueError(sentence(name, f"shape {tuple(shape)} of {dtype}", received))


def _build_quietly(model: Any) -> None:
    """Make the parameters; the random numbers they begin with are not missed elsewhere."""
    state = config.random_state()
    try:
        model.build()
    finally:
        config.set_random_state(state)


def _compile(model: Any, settings: Mapping[str, Any], reader: Reader) -> None:
    kinds = {"optimizer": "optimizer", "loss": "loss", "loss_weights": "loss", "metrics": "metric"}
    model.compile(**{key: reader.read_settings(kind, settings.get(key)) for key, kind in kinds.items()})


# .npz


def _npy_header(file: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type that an array of NumPy's own format claims; nothing is read yet."""
    version = np.lib.format.read_magic(file)
    headers: dict[tuple[int, int], Callable[..., Any]] = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    shape, _, dtype = headers[version](file)
    return shape, dtype


def _read_npy(archive: zipfile.ZipFile, name: str) -> Array:
    with archive.open(name) as file:
        array: Array = np.lib.format.read_array(file, allow_pickle=False)
        return array
