"""Lays the data of a note beside its program, under the names that the program looks for.

Each function takes the folder to fill and how much of the data to lay there: of images in folders so many a class, of
arrays so many samples; None is all. Whatever is missing is an error that says what to get and where to put it.
"""

from pathlib import Path

import numpy as np

from tinyconv._types import Array
from tinyconv.datasets import flowers, mnist, sign_digits, sign_mnist
from tinyconv.notes.running import DATA
from tinyconv.preprocessing.folders import Folder, list_images


def lay_images(root: Folder, target: Path, most: int | None = None) -> list[Path]:
    """The images of each class folder, at most so many of a class; returns where they are now."""
    listing, taken, laid = list_images(root), dict[int, int](), []
    for name, label in zip(listing.files, listing.labels, strict=True):
        taken[label] = taken.get(label, 0) + 1
        if most is None or taken[label] <= most:
            laid.append(target / name)
            laid[-1].parent.mkdir(parents=True, exist_ok=True)
            laid[-1].write_bytes((root / name).read_bytes())
    return laid


def lay_flowers(folder: Path, name: str, most: int | None = None) -> list[Path]:
    """Photographs of flowers in class folders below ``name``."""
    return lay_images(flowers.folder(), folder / name, most)


def lay_sign_digits(folder: Path, most: int | None = None) -> None:
    """The folder ``Dataset`` of hands that show digits."""
    with sign_digits.folder() as root:
        lay_images(root, folder / "Dataset", most)


def lay_mnist(folder: Path, most: int | None = None) -> None:
    """MNIST where `mnist.load_data` finds it while the program runs; of the test images a sixth as many."""
    (x_train, y_train), (x_test, y_test) = mnist.load_data()
    train, test = slice(most), slice(most and most // 6)
    place = folder / DATA / "mnist"
    place.mkdir(parents=True)
    parts = (x_train[train], y_train[train], x_test[test], y_test[test])
    np.savez(place / "mnist.npz", x_train=parts[0], y_train=parts[1], x_test=parts[2], y_test=parts[3])


def lay_sign_mnist(folder: Path, most: int | None = None) -> None:
    """The two tables of the course, with labels from 0 to 23; for validation a quarter as many rows."""
    train, test = sign_mnist.load_data()
    _write_table(folder / "sign_mnist_train.csv", *train, most)
    _write_table(folder / "sign_mnist_valid.csv", *test, most and most // 4)


def _write_table(path: Path, images: Array, labels: Array, most: int | None) -> None:
    pixels = images.reshape(len(images), -1)[:most]  # (N, 784)
    rows = np.column_stack([labels[:most], pixels])  # (N, 785)
    with path.open("w", encoding="utf-8") as file:
        file.write(",".join(["label", *(f"pixel{i + 1}" for i in range(pixels.shape[1]))]) + "\n")
        file.writelines(",".join(map(str, row)) + "\n" for row in rows.tolist())
