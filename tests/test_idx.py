"""MNIST and Fashion-MNIST from files: the IDX format, Keras's archive, and what is said of damaged ones."""

import gzip
import io
import re
import struct

import numpy as np
import pytest
from data_files import SIZES, idx, mnist_arrays, mnist_files, use_folders, write

from tinyconv.datasets import fashion_mnist, mnist
from tinyconv.datasets._idx import read_idx


@pytest.fixture
def own(monkeypatch, tmp_path):
    return use_folders(monkeypatch, tmp_path)


@pytest.fixture
def labels(tmp_path):
    """Writes bytes to a file and returns its path."""

    def written(contents, name="labels"):
        write(tmp_path, {name: contents})
        return tmp_path / name

    return written


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def np_file():
    file = io.BytesIO()
    np.save(file, np.zeros(3, np.uint8))
    return file.getvalue()


def mnist_npz(**changed):
    (x_train, y_train), (x_test, y_test) = mnist_arrays().values()
    return npz(**({"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test} | changed))


def assert_mnist(split):
    for (images, labels), (x, y) in zip(split, mnist_arrays().values(), strict=True):
        np.testing.assert_array_equal(images, x)
        np.testing.assert_array_equal(labels, y)


@pytest.mark.parametrize("data", [mnist, fashion_mnist], ids=["mnist", "fashion_mnist"])
def test_packed_files_are_read(own, data):
    write(own / data.__name__.rpartition(".")[2], mnist_files())
    assert_mnist(data.load_data())


def test_unpacked_files_are_read(own):
    write(own / "mnist", {name.removesuffix(".gz"): gzip.decompress(raw) for name, raw in mnist_files().items()})
    assert_mnist(mnist.load_data())


def test_files_may_lie_in_two_places(own, tmp_path):
    for i, (name, raw) in enumerate(mnist_files().items()):
        write((own if i % 2 else tmp_path / "cache" / "datasets") / "mnist", {name: raw})
    assert_mnist(mnist.load_data())


def test_images_can_be_written_to(own):
    write(own / "mnist", mnist_files())
    (images, labels), _ = mnist.load_data()
    assert images.flags.writeable
    assert labels.flags.writeable


def test_keras_archive_is_read(own):
    write(own / "mnist", {"mnist.npz": mnist_npz()})
    assert_mnist(mnist.load_data())


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (b"no archive", "Received "),
        (np_file(), "Received BadZipFile"),
        (mnist_npz()[:2000], "Received BadZipFile"),
        (npz(x_train=np.zeros((2, 28, 28), np.uint8)), "Received KeyError"),
        (mnist_npz(y_test=np.array([{}, 1, 2], object)), "Received ValueError: Object arrays cannot be loaded"),
        (mnist_npz(y_test=np.zeros(4, np.uint8)), r"Received uint8 images \(3, 28, 28\) with labels \(4,\)"),
        (mnist_npz(x_test=np.zeros((3, 28, 28))), r"Received float64 images \(3, 28, 28\) with labels \(3,\)"),
    ],
    ids=["no zip", "one array", "cut short", "array missing", "pickle inside", "counts differ", "no bytes"],
)
def test_damaged_archive_is_named(own, contents, message):
    write(own / "mnist", {"mnist.npz": contents})
    with pytest.raises(ValueError, match=f"^archive {re.escape(str(own))}.*mnist.npz: expected.*{message}"):
        mnist.load_data()


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (b"", "expected a header of 8 bytes. Received 0 bytes"),
        (idx(np.zeros(3, np.uint8))[:6], "expected a header of 8 bytes. Received 6 bytes"),
        (struct.pack(">2I", 0x0802, 0), r"expected magic number 0x00000801 \(1 axes of bytes\). Received 0x00000802"),
        (struct.pack("<2I", 0x0801, 0), "Received 0x01080000"),
        (struct.pack(">2I", 0x0D01, 0), "Received 0x00000d01"),
        (idx(np.zeros(9, np.uint8))[:-2], r"expected 17 bytes, as the header's shape \(9,\) says. Received 15 bytes"),
        (idx(np.zeros(9, np.uint8)) + b"\0", "expected 17 bytes.* Received 18 bytes"),
        (struct.pack(">2I", 0x0801, 2**32 - 1), "expected 4,294,967,303 bytes"),
    ],
    ids=["empty", "half a header", "axes", "byte order", "floats", "cut short", "too long", "wrong count"],
)
def test_damaged_file_is_named(labels, contents, message):
    path = labels(contents)
    with pytest.raises(ValueError, match=f"^IDX file {re.escape(str(path))}: .*{message}.*Delete it"):
        read_idx(path)


def test_size_that_overflows_is_found(labels):
    path = labels(struct.pack(">4I", 0x0803, 2**31, 2**31, 4))
    with pytest.raises(ValueError, match=r"entries of shape \(28, 28\). Received \(2147483648, 4\)"):
        read_idx(path, (28, 28))


def test_other_image_size_is_found(labels):
    path = labels(idx(np.zeros((2, 28, 27), np.uint8)))
    with pytest.raises(ValueError, match=r"expected entries of shape \(28, 28\). Received \(28, 27\)"):
        read_idx(path, (28, 28))


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        (lambda raw: raw[:-9], "EOFError"),
        (lambda raw: b"no gzip", "BadGzipFile"),
        (lambda raw: raw[:-8] + b"12345678", ""),
    ],
    ids=["cut short", "not packed", "checksum"],
)
def test_damaged_gzip_is_named(labels, damage, error):
    path = labels(damage(gzip.compress(idx(np.arange(9, dtype=np.uint8)))), "labels.gz")
    with pytest.raises(ValueError, match=f"^IDX file {re.escape(str(path))}: expected a whole gzip.*Received {error}"):
        read_idx(path)


def test_every_image_needs_a_label(own):
    files = mnist_files() | {"t10k-labels-idx1-ubyte.gz": gzip.compress(idx(np.zeros(4, np.uint8)))}
    write(own / "mnist", files)
    with pytest.raises(ValueError, match=f"t10k-labels.*expected {SIZES['t10k']} labels.*Received 4 labels"):
        mnist.load_data()


def test_label_above_nine_is_found(own):
    files = mnist_files() | {"t10k-labels-idx1-ubyte.gz": gzip.compress(idx(np.array([0, 10, 11], np.uint8)))}
    write(own / "mnist", files)
    with pytest.raises(ValueError, match=r"t10k-labels.*labels from 0 to 9. Received label 10 at index 1"):
        mnist.load_data()
