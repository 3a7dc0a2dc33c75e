"""Packed files and the arrays in them, read so that one made to do harm can do none.

A packed file may unpack to a thousand times its size, by some methods to far more. So what it says of itself is
compared with its size first, and more than that is never unpacked. Of an array, the header must be as NumPy writes it
for numbers or text, and the file must hold as many bytes as it claims.
"""

import gzip
import io
import math
import os
import re
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from tinyconv._types import Array

__all__ = ["DAMAGES", "LARGEST_RATIO", "Unpacked", "array_header", "check_member", "check_zip", "read_array"]

#: A packed file may unpack to this many times its size, and to `SPARE` bytes in any case.
LARGEST_RATIO, SPARE = 100, 2**20
#: What the readers of packed files and of JSON raise where one is not whole, or not what it seems to be.
DAMAGES = (ValueError, LookupError, EOFError, OSError, RuntimeError, OverflowError, zipfile.BadZipFile, zlib.error)

#: Method of packing by its number in a zip. Others unpack to any size at once.
_METHODS = {zipfile.ZIP_STORED: "stored", zipfile.ZIP_DEFLATED: "deflated"}
_HEADER = re.compile(
    r"\s*{\s*'descr':\s*'(?P<dtype>[<>|=]?[biufcSUVmMO]\d{0,10}(\[\w{1,9}\])?)',\s*'fortran_order':\s*(True|False),"
    r"\s*'shape':\s*\((?P<shape>[\d, ]*)\),?\s*}\s*"
)


def check_zip(archive: zipfile.ZipFile) -> None:
    """ValueError unless all members are packed in the usual way, and unpack to a size that the file makes credible."""
    for member in archive.infolist():
        check_member(member)
    file: Any = archive.fp
    total, size = sum(member.file_size for member in archive.infolist()), file.seek(0, os.SEEK_END)
    if total > LARGEST_RATIO * size + SPARE:  # members may share their bytes
        raise ValueError(f"{total:,} bytes, packed into {size:,}")


def check_member(member: zipfile.ZipInfo) -> None:
    """ValueError unless a member is packed in the usual way, into a size that is credible."""
    if member.compress_type not in _METHODS:
        raise ValueError(f"{member.filename!r:.60}, packed by method {member.compress_type}, not stored or deflated")
    if member.file_size > LARGEST_RATIO * member.compress_size + SPARE:
        raise ValueError(f"{member.filename!r:.60} of {member.file_size:,} bytes, packed into {member.compress_size:,}")


def read_array(archive: zipfile.ZipFile, name: str) -> Array:
    """The array of this name, of numbers or text.

    Raises:
        KeyError: if there is none.
        ValueError: if it holds Python objects, or less than it claims.
    """
    member = archive.getinfo(f"{name}.npy")
    with archive.open(member) as file:
        shape, dtype = array_header(file)
    claimed = math.prod(shape) * dtype.itemsize
    if claimed > member.file_size:
        raise ValueError(f"an array {name!r:.60} that takes {claimed:,} bytes, of which there are {member.file_size:,}")
    with archive.open(member) as file:
        array: Array = np.lib.format.read_array(file, allow_pickle=False)
        return array


def array_header(file: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type that an array of NumPy's own format claims, as plain text; nothing else is read.

    NumPy's own function would understand any expression there, at any depth, and warn of some.

    Raises:
        ValueError: for a type with parts, and for what is no header.
    """
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"an array in version {version} of NumPy's format")
    size = int.from_bytes(file.read(2 * version[0]), "little")
    header = file.read(min(size, 1000)).decode("latin-1")
    match = _HEADER.fullmatch(header)
    if match is None or len(header) != size:
        raise ValueError(f"an array with a header as NumPy does not write it: {header.strip()!r:.100}")
    try:
        dtype = np.dtype(match["dtype"])
    except (TypeError, OverflowError) as error:
        raise ValueError(f"an array of {match['dtype']!r}, which is no type") from error
    return tuple(int(length) for length in re.findall(r"\d+", match["shape"])), dtype


class Unpacked(io.RawIOBase):
    """What a gzip file holds, unpacked piece by piece.

    Raises:
        BadGzipFile: when it has become more than such a file may hold.
    """

    def __init__(self, path: Path) -> None:
        self._size, self._held = path.stat().st_size, 0
        self._file = gzip.open(path)  # noqa: SIM115 - closed in close

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._file.read(len(buffer))
        self._held += len(piece)
        if self._held > LARGEST_RATIO * self._size + SPARE:
            raise gzip.BadGzipFile(f"more than {self._held - len(piece):,} bytes, packed into {self._size:,}")
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        if hasattr(self, "_file"):  # not where there is no such file
            self._file.close()
        super().close()
