"""Texts that hang on a group of an HDF5 file, read byte by byte.

HDF5 believes the length that a file gives for a text: it takes 4 GB, and ten seconds, before it finds that the text has
three letters. So texts are read here, where a length is compared with what there is.

    header      of a group or array: messages, each a type, a size and contents. One of type 12 is an attribute, one of
                type 16 tells where there are further messages
    attribute   its name, the type of its values, how many there are, and the values. A text of any length lies
                elsewhere, and the value tells where: (length, address of a heap, number in it)
    heap        "GCOL", its size, then texts, each with its number and size

Source: HDF5 File Format Specification, sections III.E (global heap), IV.A.1 (headers) and IV.A.2.m (attributes).
"""

import math
import os
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

__all__ = ["LARGEST_TEXT", "Texts"]

#: Bytes of an attribute that are read at most.
LARGEST_TEXT = 2**24
_ATTRIBUTE, _FURTHER = 12, 16
_FIXED, _VARIABLE = 3, 9  # classes of types: text of one length, and a list or text of any


class _Attribute(NamedTuple):
    """An attribute as its message describes it."""

    datatype: bytes
    values: int
    data: bytes


class Texts:
    """The texts in an HDF5 file, which is open for reading.

    Headers and heaps are kept, for many texts may share them.
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        self._left = 4 * int(file.seek(0, os.SEEK_END)) + 2**16  # no part of a file need be read more often
        self._attributes: dict[int, dict[bytes, _Attribute]] = {}
        self._heaps: dict[int, dict[int, bytes]] = {}

    def of(self, address: int, name: str) -> list[bytes]:
        """The texts of the attribute of this name of the group whose header is at an address.

        Raises:
            ValueError: if there is none, it is no text, or it is larger than the file makes credible.
        """
        if address not in self._attributes:
            parts = [_parts(contents) for kind, contents in self._messages(address) if kind == _ATTRIBUTE]
            self._attributes[address] = dict(reversed(parts))  # the first of a name is the one that counts
        if name.encode() not in self._attributes[address]:
            raise ValueError(f"no attribute {name!r} in the usual place")
        datatype, count, data = self._attributes[address][name.encode()]
        if count == 0:  # of any type: an empty list has none
            return []
        kind, size = datatype[0] & 15, int.from_bytes(datatype[4:8], "little")
        if kind != _FIXED and not (kind == _VARIABLE and size == 16 and datatype[1] & 15 == 1):
            raise ValueError(f"something other than text as attribute {name!r}")
        if count * size > min(LARGEST_TEXT, len(data)):
            raise ValueError(f"an attribute {name!r} of {count * size:,} bytes")
        if kind == _FIXED:
            return [data[i : i + size].rstrip(b"\0") for i in range(0, count * size, size)] if size else [b""]
        places = [struct.unpack_from("<IQI", data, i) for i in range(0, count * size, size)]
        total = sum(length for length, _, _ in places)
        if total > LARGEST_TEXT:
            raise ValueError(f"an attribute {name!r} of {total:,} bytes")
        return [self._in_heap(*place) if place[0] else b"" for place in places]

    def _messages(self, address: int) -> Iterator[tuple[int, bytes]]:
        """(type, contents) of the messages of a header, which is of either of HDF5's two forms."""
        start = self._read(address, 16)
        is_new = start[:4] == b"OHDR"
        if is_new:
            flags = start[5]
            place = address + 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
            width, numbers = 1 << (flags & 3), "<BHB2x" if flags & 4 else "<BHB"
            pieces = [(place + width, int.from_bytes(self._read(place, width), "little"))]
        else:
            pieces, numbers = [(address + 16, int.from_bytes(start[8:12], "little"))], "<HHB3x"
        for done, (where, length) in enumerate(pieces):  # which grows meanwhile
            piece = self._read(where, length)
            if is_new and done:
                piece = piece[4:-4]  # without "OCHK" and the checksum
            place = 0
            while place + struct.calcsize(numbers) <= len(piece):
                kind, size, _ = struct.unpack_from(numbers, piece, place)
                place += struct.calcsize(numbers)
                contents = piece[place : place + size]
                place += size
                if kind == _FURTHER and len(contents) >= 16:
                    pieces.append(struct.unpack_from("<QQ", contents))
                yield kind, contents

    def _in_heap(self, length: int, address: int, number: int) -> bytes:
        """The text of this number, which must be as long as the file says at the other place."""
        if address not in self._heaps:
            self._heaps[address] = dict(self._in_whole_heap(address))
        text = self._heaps[address].get(number, b"")
        if len(text) != length:
            raise ValueError(f"a text of {length:,} bytes, of which the file holds {len(text):,}")
        return text.partition(b"\0")[0]

    def _in_whole_heap(self, address: int) -> Iterator[tuple[int, bytes]]:
        start = self._read(address, 16)
        if start[:4] != b"GCOL":
            raise ValueError("a text that is not where the file says")
        heap = self._read(address, int.from_bytes(start[8:16], "little"))
        place = 16
        while place + 16 <= len(heap):
            number, size = struct.unpack_from("<H6xQ", heap, place)
            if number == 0:  # what follows is free
                return
            place += 16
            yield number, heap[place : place + size]
            place += -(-size // 8) * 8

    def _read(self, address: int, size: int) -> bytes:
        self._left -= size + 8  # and a piece of nothing takes its time, too
        if self._left < 0 or address > 2**62:
            raise ValueError("parts that are larger than the file")
        self._file.seek(address)
        found: bytes = self._file.read(size)
        if len(found) != size:
            raise ValueError("a file that is cut short")
        return found


def _parts(message: bytes) -> tuple[bytes, _Attribute]:
    """(name, the rest) of an attribute."""
    if len(message) < 9 or message[0] not in (1, 2, 3) or (message[0] > 1 and message[1] & 3):
        raise ValueError("an attribute of an unusual form")
    place = 8 + (message[0] == 3)
    found = []
    for size in struct.unpack_from("<HHH", message, 2):
        found.append(message[place : place + size])
        place += -(-size // 8) * 8 if message[0] == 1 else size
    name, datatype, space = found
    if len(datatype) < 8 or len(space) < 4 or space[0] not in (1, 2):
        raise ValueError("an attribute of an unusual form")
    start, axes = (8 if space[0] == 1 else 4), space[1]
    lengths = [int.from_bytes(space[i : i + 8], "little") for i in range(start, start + 8 * axes, 8)]
    is_empty = space[0] == 2 and space[3] == 2
    return name.rstrip(b"\0"), _Attribute(datatype, 0 if is_empty else math.prod(lengths), message[place:])
