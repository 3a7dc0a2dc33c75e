"""IDX, the file format of MNIST: a number that says what follows, the sizes, then the bytes.

All numbers of the header are big-endian and four bytes long. The first is 0x0800 plus the count of axes (0x08 stands
for uint8); then follows the length of each axis, then the cells in row-major order.
Source: Y. LeCun, C. Cortes, C. Burges, http://yann.lecun.com/exdb/mnist/.
"""

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tinyconv._types import Array
from tinyconv.archives import Unpacked
from tinyconv.checks import sentence
from tinyconv.datasets._fetch import fetch
from tinyconv.datasets._split import Part, Split, check_labels

_UINT8 = 0x0800


def load_idx(name: str, files: Mapping[str, str], mirrors: Sequence[str]) -> Split:
    """The four files of MNIST or Fashion-MNIST as arrays; ``files`` gives the hash of each name."""
    paths = {file: fetch(name, file, sha256, mirrors) for file, sha256 in files.items()}
    return _part(paths, "train"), _part(paths, "t10k")


def _part(paths: Mapping[str, Path], prefix: str) -> Part:
    label_path = paths[f"{prefix}-labels-idx1-ubyte.gz"]
    images = read_idx(paths[f"{prefix}-images-idx3-ubyte.gz"], (28, 28))  # (N, 28, 28)
    labels = read_idx(label_path)  # (N,)
    if len(images) != len(labels):
        raise _wrong(label_path, f"{len(images)} labels, one for each image", f"{len(labels)} labels")
    check_labels(labels, 10, str(label_path))
    return images, labels


def read_idx(path: Path, cell: tuple[int, ...] = ()) -> Array:
    """Read an IDX file of bytes, packed (``.gz``) or not.

    Args:
        path: the file.
        cell: the shape of one entry: ``(28, 28)`` for images, ``()`` for labels.

    Returns:
        uint8 array of shape ``(N, *cell)``.

    Raises:
        ValueError: for a damaged gzip file, another magic number, another shape, or bytes missing or left over. The
            message names the file.
    """
    raw = _unpacked(path)
    axes = 1 + len(cell)
    start = 4 * (1 + axes)
    if len(raw) < start:
        raise _wrong(path, f"a header of {start} bytes", f"{len(raw)} bytes")
    magic, *shape = np.frombuffer(raw, ">u4", 1 + axes).tolist()
    if magic != _UINT8 + axes:
        raise _wrong(path, f"magic number {_UINT8 + axes:#010x} ({axes} axes of bytes)", f"{magic:#010x}")
    if tuple(shape[1:]) != cell:
        raise _wrong(path, f"entries of shape {cell}", f"{tuple(shape[1:])}")
    expected = start + int(np.prod(shape, dtype=object))
    if len(raw) != expected:
        raise _wrong(path, f"{expected:,} bytes, as the header's shape {tuple(shape)} says", f"{len(raw):,} bytes")
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape).copy()  # a copy can be written to


def _unpacked(path: Path) -> bytes:
    if path.suffix != ".gz":
        return path.read_bytes()
    try:
        with Unpacked(path) as file:
            return file.readall()
    except FileNotFoundError:
        raise
    except (OSError, EOFError, zlib.error) as error:
        raise _wrong(path, "a whole gzip file", f"{type(error).__name__}: {error}") from error


def _wrong(path: Path, expected: str, received: str) -> ValueError:
    return ValueError(sentence(f"IDX file {path}", expected, received, "Delete it and fetch it again."))
