"""Small data sets on the disk, whole and damaged, for the tests of `tinyconv.datasets`."""

import gzip
import io
import struct
import tarfile
import zipfile

import numpy as np
from PIL import Image

SIZES = {"train": 5, "t10k": 3}
PIXELS = 28 * 28
HEADER = ",".join(["label", *(f"pixel{i + 1}" for i in range(PIXELS))])


def use_folders(monkeypatch, tmp_path):
    """Make ``tmp_path/own`` the data folder and ``tmp_path/cache`` the cache of this test; returns the former."""
    monkeypatch.setenv("TINYCONV_DATA", str(tmp_path / "own"))
    monkeypatch.setenv("TINYCONV_CACHE", str(tmp_path / "cache"))
    return tmp_path / "own"


def idx(array):
    """An array of bytes as the contents of an IDX file."""
    return struct.pack(f">{1 + array.ndim}I", 0x0800 + array.ndim, *array.shape) + array.tobytes()


def mnist_arrays():
    """Images (5, 28, 28) and labels (5,) for training, and 3 of each for testing."""
    rng = np.random.default_rng(0)
    return {
        part: (rng.integers(0, 256, (n, 28, 28), np.uint8), rng.integers(0, 10, n, np.uint8))
        for part, n in SIZES.items()
    }


def mnist_files():
    """The four files of a tiny MNIST: name -> contents, packed."""
    files = {}
    for part, (images, labels) in mnist_arrays().items():
        files[f"{part}-images-idx3-ubyte.gz"] = gzip.compress(idx(images))
        files[f"{part}-labels-idx1-ubyte.gz"] = gzip.compress(idx(labels))
    return files


def write(folder, files):
    """Write ``files`` (name -> bytes or text) into a folder, which is made first."""
    for name, contents in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents.encode("latin-1") if isinstance(contents, str) else contents)


def row(label, value=7, n=PIXELS):
    """One row of a table: a label and ``n`` pixels of the same value."""
    return ",".join([str(label), *[str(value)] * n])


def table(*rows, end="\n"):
    """A CSV file of these rows with its header."""
    return end.join([HEADER, *rows]) + end


def picture(width=6, height=4, colour=(200, 100, 50), kind="PNG", **settings):
    """The contents of an image file of one colour."""
    file = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(file, kind, **settings)
    return file.getvalue()


def bouquet(names=("tulips", "daisy")):
    """Five small images in each of these folders."""
    return {f"{name}/{i}.png": picture(colour=(100 + i, 0, 0)) for name in names for i in range(5)}


def zipped(files):
    """A zip file of these files (name -> bytes)."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, contents in files.items():
            archive.writestr(name, contents)
    return file.getvalue()


def tarred(files):
    """A packed tar file of these files (name -> bytes)."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, contents in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(contents)
            archive.addfile(entry, io.BytesIO(contents))
    return file.getvalue()
