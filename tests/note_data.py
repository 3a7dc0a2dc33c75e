"""Very little data for each note's program, under the names that it looks for; no data set is needed."""

import numpy as np
from PIL import Image

from tinyconv.notes.running import DATA

FLOWERS = ("daisy", "dandelion", "rose", "sunflower", "tulip")


def lay(note, folder):
    """What the program of this note needs beside it."""
    LAY[note](folder)


def images(folder, classes, each, size, kind="jpg"):
    """So many images of random colours for each class."""
    rng = np.random.default_rng(0)
    for name in classes:
        (folder / name).mkdir(parents=True)
        for i in range(each):
            pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i}.{kind}")


def note000(folder):
    images(folder / "flowers", FLOWERS, 5, (20, 30))
    images(folder, ["images"], 1, (20, 30))
    (folder / "images/0.jpg").rename(folder / "images/test1.jpg")
    (folder / "models").mkdir()


def note001(folder):
    images(folder / "tiny_FR", FLOWERS, 4, (20, 30))


def note002(folder):
    images(folder / "Dataset", "0123456789", 3, (100, 100), "JPG")


def note003(folder):
    mnist(folder)
    rng = np.random.default_rng(0)
    for part, rows in (("train", 48), ("valid", 24)):
        names = ",".join(["label", *(f"pixel{i + 1}" for i in range(784))])
        table = np.column_stack([np.arange(rows) % 24, rng.integers(0, 256, (rows, 784))])
        np.savetxt(folder / f"sign_mnist_{part}.csv", table, "%d", ",", header=names, comments="")


def mnist(folder):
    rng = np.random.default_rng(0)
    (folder / DATA / "mnist").mkdir(parents=True)
    x, y = rng.integers(0, 256, (90, 28, 28), np.uint8), rng.integers(0, 10, 90, np.uint8)
    np.savez(folder / DATA / "mnist/mnist.npz", x_train=x[:60], y_train=y[:60], x_test=x[60:], y_test=y[60:])


LAY = {"000": note000, "001": note001, "002": note002, "003": note003, "004": mnist}
