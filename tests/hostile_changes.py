"""Real files made hostile: bits turned, parts cut out and put in, numbers and JSON values that no program wrote.

Every function takes what a program wrote, and a `random.Random` that decides what becomes of it.
"""

import bz2
import copy
import gzip
import io
import json
import lzma
import struct
import tarfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

#: Numbers at which programs err: around 0, and the ends of what 1, 2, 4 and 8 bytes hold.
NUMBERS = (0, 1, 2, 7, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**32)
LARGE = (2**40, 2**62, 2**63 - 1, 2**63, 2**64 - 1)

#: Names by which an archive may try to get out of its folder, and others that no program writes.
NAMES = (
    "../x", "../../../../tmp/x", "/tmp/x", "/etc/passwd", "a/../../x", "..", ".", "", "/", "a//b", "C:\\x", "..\\x",
    "con", "x" * 300, "a/" * 200 + "x", "\n", "\u202egnp.x", "état", "config.json", "0.npy", "state.json",
)  # fmt: skip

#: Values in the place of another in JSON. DEEP stands for lists in lists, which JSON's writer would not write.
DEEP = "\0deep\0"
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 3, 0.5, -0.0, 1e308, float("nan"), float("inf"), float("-inf"), 2**31 - 1, 2**31,
    2**63, -(2**63), 10**30, 10**400, "", "x", "relu", "zeros", "../../etc/passwd", "\ud800", "0", "x" * 10_000, [], {},
    [None], [[]], [0, 0], [1, 1], [-1, 3], [2**31, 2**31], [1, [2, [3]]], ["a", "b"], [1] * 2000, {"": {}},
    {"config": None},
    {"class_name": "Lambda", "config": {"function": ["4wEAAAA=", None, None], "name": "l"}},
    {"class_name": "function", "config": "eval"}, {"class_name": "__lambda__", "config": {"value": "print"}},
    {"module": "os", "class_name": "system", "config": {"command": "true"}, "registered_name": "system"},
    {"class_name": "Dense", "config": {"units": 3}},
    {"class_name": "Sequential", "config": {"layers": [], "name": "s"}},
    {"class_name": "Orthogonal", "config": {}}, {"class_name": "Constant", "config": {"value": [[1, 2], [3]]}},
    {"__array__": "0"}, {"__array__": "../0"}, {"__array__": {}}, DEEP,
)  # fmt: skip


def damaged(data: bytes, others: Sequence[bytes], r: Random) -> bytes:
    """Bytes that were changed without knowing what they mean, at one to six places."""
    for _ in range(r.choice((1, 1, 1, 2, 3, 6))):
        data = r.choice(_DAMAGES)(data, r.choice(others), r)
    return data


def _turn_bits(data: bytes, other: bytes, r: Random) -> bytes:
    out = bytearray(data)
    for _ in range(r.choice((1, 1, 2, 8))):
        if out:
            out[r.randrange(len(out))] ^= 1 << r.randrange(8)
    return bytes(out)


def _set_byte(data: bytes, other: bytes, r: Random) -> bytes:
    i = r.randrange(len(data) + 1)
    return data[:i] + bytes([r.choice((0, 1, 9, 10, 32, 34, 44, 127, 128, 254, 255, r.randrange(256)))]) + data[i + 1 :]


def _set_number(data: bytes, other: bytes, r: Random) -> bytes:
    size = r.choice((1, 2, 4, 4, 8))
    number = r.choice((*NUMBERS, *LARGE, -1, -2, len(data), len(data) + 1)) % 256**size
    i = r.randrange(len(data) + 1)
    return data[:i] + number.to_bytes(size, r.choice(("little", "big"))) + data[i + size :]


def _cut_off(data: bytes, other: bytes, r: Random) -> bytes:
    return data[: r.choice((r.randrange(len(data) + 1), max(len(data) - r.randrange(1, 40), 0), r.randrange(64)))]


def _cut_out(data: bytes, other: bytes, r: Random) -> bytes:
    i = r.randrange(len(data) + 1)
    return data[:i] + data[i + r.choice((1, 2, 4, 16, 100)) :]


def _put_in(data: bytes, other: bytes, r: Random) -> bytes:
    i, n = r.randrange(len(data) + 1), r.choice((1, 2, 4, 16, 100, 1000))
    return data[:i] + r.choice((bytes(n), b"\xff" * n, r.randbytes(n), data[i : i + n])) + data[i:]


def _splice(data: bytes, other: bytes, r: Random) -> bytes:
    i, j = r.randrange(len(data) + 1), r.randrange(len(other) + 1)
    return r.choice((data[:i] + other[j:], data[:i] + other[i:], data[:i] + other[j : j + 64] + data[i + 64 :]))


_DAMAGES: tuple[Callable[[bytes, bytes, Random], bytes], ...] = (
    _turn_bits, _turn_bits, _set_byte, _set_number, _set_number, _set_number, _cut_off, _cut_out, _put_in, _splice,
)  # fmt: skip


# Text


def changed_table(data: bytes, others: Sequence[bytes], r: Random) -> bytes:
    """Comma-separated cells, one to three of which are something else now; else bytes that are."""
    if r.random() < 0.4:
        return damaged(data, others, r)
    lines = [line.split(b",") for line in data.split(b"\n")]
    for _ in range(r.choice((1, 1, 2, 3))):
        line = r.choice(lines)
        i = r.randrange(len(line))
        match r.randrange(5):
            case 0:
                line.insert(i, line[i])
            case 1 if len(line) > 1:
                del line[i]
            case 2:
                lines.insert(r.randrange(len(lines)), list(line))
            case _:
                line[i] = r.choice(CELLS)
    return r.choice((b"\n", b"\n", b"\r\n", b"\r")).join(b",".join(line) for line in lines)


CELLS = (
    b"", b" ", b"-1", b"256", b"1e3", b"1.0", b"nan", b"inf", b"0x10", b"\xb2", b"\xff\xfe", b"9" * 5000, b"9" * 30,
    b"+1",
    b'"', b'"1"', b"'", b"#", b"label", b"1\x00", b"\xef\xbb\xbf1", b"\r", b"=cmd()", b"1_0", b" 7 ", b"\t",
    b"x" * 70_000, b"--1", b"1j", b"True",
)  # fmt: skip


# JSON


def changed_json(data: bytes, others: Sequence[bytes], r: Random) -> bytes:
    """JSON with one to four values, keys or parts in places where they do not belong; else with bytes changed."""
    if r.random() < 0.15:
        return damaged(data, others, r)
    value = [json.loads(data)]
    for _ in range(r.choice((1, 1, 1, 2, 4))):
        places = list(_places(value))
        holder, key = r.choice(places)
        match r.randrange(12):
            case 0 if isinstance(holder, dict):
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[r.choice(("x", "class_name", "config", "layers", "name", "units", "dtype"))] = holder.pop(key)
            case 2 if isinstance(holder, list) and holder is not value:
                holder.insert(r.randrange(len(holder) + 1), copy.deepcopy(holder[key]))
            case 3:
                other, there = r.choice(places)
                holder[key] = copy.deepcopy(other[there])
            case 4 if isinstance(holder[key], int | float):
                holder[key] = r.choice((-1, 1)) * r.choice((*NUMBERS, *LARGE, 0.5, 10**12))
            case _:
                holder[key] = copy.deepcopy(r.choice(VALUES))
    text = json.dumps(value[0]).replace(json.dumps(DEEP), "[" * (n := r.choice((60, 400, 5000))) + "]" * n)
    return text.encode()


def _places(value: Any) -> Any:
    """(list or dictionary, key) of everything inside."""
    for key, part in value.items() if isinstance(value, dict) else enumerate(value):
        yield value, key
        if isinstance(part, dict | list):
            yield from _places(part)


# Packed files

Change = Callable[[bytes, Sequence[bytes], Random], bytes]


def changed_gzip(inner: Change) -> Change:
    """A packed file whose contents are changed, or itself; or contents that unpack to far more."""

    def change(data: bytes, others: Sequence[bytes], r: Random) -> bytes:
        match r.randrange(20):
            case 0:
                beginning = gzip.decompress(data)[: r.choice((0, 16, 40))]
                return gzip.compress(beginning + bytes(r.choice((10**4, 5 * 10**7))), 9)
            case 1:
                return gzip.compress(b"") * r.choice((1, 20_000)) + data
            case 2:
                return gzip.compress(b"1," * r.choice((10**3, 2 * 10**7)), 9)
            case n if n < 11:
                return gzip.compress(inner(gzip.decompress(data), [gzip.decompress(o) for o in others], r), 1)
        return damaged(data, others, r)

    return change


#: Where sizes, places and methods stand in the headers of a zip: (bytes from the mark, bytes).
_ZIP_FIELDS = {
    b"PK\x03\x04": ((4, 2), (6, 2), (8, 2), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2)),
    b"PK\x01\x02": ((6, 2), (8, 2), (10, 2), (16, 4), (20, 4), (24, 4), (28, 2), (30, 2), (32, 2), (38, 4), (42, 4)),
    b"PK\x05\x06": ((4, 2), (8, 2), (10, 2), (12, 4), (16, 4), (20, 2)),
}


def changed_zip(inner: Mapping[str, Change]) -> Change:
    """A zip with changed contents (by the ending of their names), other names, lying headers or bytes changed."""

    def change(data: bytes, others: Sequence[bytes], r: Random) -> bytes:
        if r.random() < 0.3:
            return damaged(data, others, r)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [(info.filename, archive.read(info)) for info in archive.infolist()]
        method, attributes, lying = zipfile.ZIP_STORED, 0, False
        match r.randrange(10):
            case 0 | 1 | 2 | 3:
                i = r.randrange(len(members))
                name, content = members[i]
                ending = next((end for end in inner if name.endswith(end)), None)
                pool = [content for name, content in members if ending is None or name.endswith(ending)]
                members[i] = name, (damaged if ending is None else inner[ending])(content, pool, r)
            case 4:
                i = r.randrange(len(members))
                members[i] = r.choice(NAMES), members[i][1]
            case 5:
                members.append((r.choice((*NAMES, members[0][0])), r.choice(members)[1]))
            case 6:
                del members[r.randrange(len(members))]
            case 7:  # packed, by any method
                method = r.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
                attributes = r.choice((0, 0o120777 << 16))
            case 8:  # a bomb
                method, lying = r.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)), r.random() < 0.6
                i = r.randrange(len(members))
                members[i] = members[i][0], members[i][1] + bytes(r.choice((10**5, 4 * 10**7)))
        out = _zip(members, method, attributes)
        if lying:
            out = _with_field(out, r, fields=((18, 4), (22, 4)), mark=b"PK\x03\x04")
            out = _with_field(out, r, fields=((20, 4), (24, 4)), mark=b"PK\x01\x02")
        for _ in range(r.choice((0, 0, 1, 2))):
            mark = r.choice(list(_ZIP_FIELDS))
            out = _with_field(out, r, _ZIP_FIELDS[mark], mark)
        return out

    return change


def _zip(members: Sequence[tuple[str, bytes]], method: int, attributes: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.compress_type, info.external_attr = method, attributes or 0o600 << 16
            archive.NameToInfo.pop(name, None)  # two of the same name are wanted, without a warning
            archive.writestr(info, content)
    return file.getvalue()


def _with_field(data: bytes, r: Random, fields: Sequence[tuple[int, int]], mark: bytes) -> bytes:
    """Another number in one of the fields of one of the headers that begin with a mark."""
    found = [i for i in range(len(data)) if data.startswith(mark, i)] if len(data) < 10**5 else [data.rfind(mark)]
    if not found or found[0] < 0:
        return data
    start, size = r.choice(fields)
    i = r.choice(found) + start
    number = r.choice((*NUMBERS, *LARGE, -1, 8, 12, 14, 99, 1000, len(data), i)) % 256**size
    return data[:i] + number.to_bytes(size, "little") + data[i + size :]


_TAR_TYPES = (tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE)
_TAR_HEADERS: tuple[dict[str, str], ...] = (
    {},
    {"path": "../y"},
    {"size": "99999999999"},
    {"GNU.sparse.size": "9" * 12},
)


def changed_tar(data: bytes, others: Sequence[bytes], r: Random) -> bytes:
    """A packed tar with links, devices, other names and sizes, or bytes changed."""
    if r.random() < 0.3:
        return damaged(data, others, r)
    raw = gzip.decompress(data)
    if r.random() < 0.4:
        return gzip.compress(damaged(raw, [raw], r), 1)
    file = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(raw)) as old, tarfile.open(fileobj=file, mode="w") as new:
        entries = old.getmembers()
        chosen = r.choice(entries)
        for entry in entries:
            content = old.extractfile(entry)
            if entry is chosen:
                entry.name = r.choice((entry.name, *NAMES[:-1])) or "x"
                entry.type = r.choice(_TAR_TYPES)
                entry.linkname = r.choice(("/etc/passwd", "../../x", "flower_photos", ".", "x" * 200))
                entry.mode = r.choice((0o644, 0, 0o7777))
                entry.pax_headers = r.choice(_TAR_HEADERS)
            new.addfile(entry, content)
    packed = file.getvalue()
    if r.random() < 0.3:  # the size in a header, with its checksum put right
        header = bytearray(packed[:512])
        header[124:136] = r.choice((b"77777777777\0", b"00000000000\0", b"-0000000001\0", b"\xff" * 12))
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        packed = bytes(header) + packed[512:]
    return r.choice((gzip.compress, bz2.compress, lzma.compress))(packed)


def changed_npy(data: bytes, others: Sequence[bytes], r: Random) -> bytes:
    """An array of NumPy's format with another header, or bytes changed."""
    if r.random() < 0.4:
        return damaged(data, others, r)
    (size,) = struct.unpack("<H", data[8:10])
    header, rest = data[10 : 10 + size], data[10 + size :]
    header = header.strip()
    for _ in range(r.choice((1, 1, 2))):
        old = r.choice((b"'<f4'", b"False", b"(", b")", b"'shape'", b"}", b"'descr': ", b"3", b"5", b"'|u1'", b"'<i8'"))
        header = header.replace(old, r.choice(HEADERS))
    version = r.choice((b"\x01\x00", b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x09\x00"))
    length = struct.pack("<H" if version == b"\x01\x00" else "<I", len(header) % 65536)
    return data[:6] + version + length + header + rest


HEADERS = (
    b"'|O'", b"'<f8'", b"'|S9'", b"'<U9'", b"'|V2147483647'", b"'|V99999999999'", b"[('a', '<f4')]", b"[('a', '|O')]",
    b"('<f4', (9999, 9999))", b"'<M8[s]'", b"'f4'", b"'a5'", b"True", b"1", b"-1", b"99999999999", b"0L", b"3L", b"2.5",
    b"9223372036854775807", b"(" * 500, b"-" * 9000, b"[" * 300, b"{}", b"", b"None",
    b"__import__('os').system('true')", b"9" * 5000,
    b"1e999", b"'\\x00'", b"lambda: 0", b"0 if 1 else 2", b"*a", b"{**{}}",
)  # fmt: skip
