"""HDF5 files, read so that one made to do harm can do none.

HDF5 can point to other files, pack a terabyte into a few bytes and claim arrays that are not there. So every step of a
path must be a place in the same file, and an array is read only if it has the shape and type asked for, is not packed,
and the file holds all of its numbers.
"""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinyconv.checks import sentence
from tinyconv.models.attributes import Texts

__all__ = ["check_array", "check_dataset", "has", "inside", "opened", "put_texts", "text", "texts"]

#: HDF5 keeps at most 64 KiB for an attribute that is an array. Keras cuts longer lists into parts of this size.
LONGEST_LIST = 64512

#: The texts of the files that are open, by the number that HDF5 gives each.
_texts: dict[int, Texts] = {}


@contextmanager
def opened(file: Any) -> Iterator[Any]:
    """The HDF5 file in an open file."""
    import h5py

    with h5py.File(file, "r") as h5:
        properties = h5.id.get_create_plist()
        if properties.get_sizes() != (8, 8) or properties.get_userblock():
            raise ValueError("an HDF5 file of an unusual form")
        number = h5py.h5o.get_info(h5.id).fileno
        _texts[number] = Texts(file)
        try:
            yield h5
        finally:
            del _texts[number]


def has(parent: Any, name: str) -> bool:
    """Whether a group has something of this name. Nothing is opened."""
    return parent.get(name, getlink=True) is not None


def inside(parent: Any, path: str) -> Any:
    """What lies at a path, each step of which must lead to a place in this file.

    Raises:
        ValueError: where there is nothing, or a link.
    """
    import h5py

    for name in path.split("/"):
        link = parent.get(name, getlink=True) if name and isinstance(parent, h5py.Group) else None
        if link is None:
            raise ValueError(f"nothing at {path}")
        if not isinstance(link, h5py.HardLink):
            raise ValueError(f"a link at {path} ({type(link).__name__}), which may lead out of the file")
        parent = parent[name]
    return parent


# Arrays


def check_dataset(name: str, dataset: Any, shape: Sequence[int], dtype: Any) -> None:
    """ValueError unless this is an array of that shape and type, and all its numbers are in this file, unpacked."""
    import h5py

    if not isinstance(dataset, h5py.Dataset) or dataset.external or dataset.is_virtual:
        raise ValueError(f"something other than an array in this file at {name}")
    check_array(name, shape, dtype, dataset.shape, dataset.dtype)
    if dataset.id.get_create_plist().get_nfilters():
        raise ValueError(sentence(name, "an array as Keras stores it", "a packed one", "Unpack it with h5repack."))
    if dataset.id.get_storage_size() != dataset.nbytes:
        raise ValueError(f"an array at {name} that takes {dataset.nbytes:,} bytes, of which the file holds "
                         f"{dataset.id.get_storage_size():,}")  # fmt: skip


def check_array(name: str, shape: Sequence[int], dtype: Any, has_shape: Any, has_dtype: Any) -> None:
    """ValueError unless shape and type are those asked for."""
    if has_shape is None or tuple(has_shape) != tuple(shape) or has_dtype != dtype:
        received = f"shape {has_shape and tuple(has_shape)} of {has_dtype}"
        raise ValueError(sentence(name, f"shape {tuple(shape)} of {np.dtype(dtype)}", received))


# Texts that hang on a group


def text(group: Any, name: str) -> str:
    """The text of this name.

    Raises:
        ValueError: if there is none, or something else.
    """
    if name not in group.attrs:
        raise ValueError(f"no attribute {name!r}")
    found = _attribute(group, name)
    if len(found) != 1:
        raise ValueError(f"something other than text as attribute {name!r}")
    return found[0]


def texts(group: Any, name: str) -> list[str]:
    """The list of texts of this name, which may be cut into ``name0``, ``name1``, ...; empty where there is none."""
    parts = itertools.takewhile(lambda part: part in group.attrs, (f"{name}{i}" for i in itertools.count()))
    return [one for part in ([name] if name in group.attrs else parts) for one in _attribute(group, part)]


def put_texts(group: Any, name: str, values: Sequence[str]) -> None:
    """Hang a list of texts on a group, in several parts where it is long."""
    data = np.array([value.encode() for value in values])
    parts = -(-len(data) // max(LONGEST_LIST // data.itemsize, 1))
    if parts < 2:
        group.attrs[name] = data
    for i, part in enumerate(np.array_split(data, parts) if parts > 1 else ()):
        group.attrs[f"{name}{i}"] = part


def _attribute(group: Any, name: str) -> list[str]:
    """The texts of an attribute, which are not read by HDF5: see `attributes.py`."""
    import h5py

    place = h5py.h5o.get_info(group.id)
    return [one.decode() for one in _texts[place.fileno].of(place.addr, name)]
