"""Note 001: flowers at 299x299 pixels."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from tinyconv.notes import printed
from tinyconv.notes.findings.base import Findings, Slip
from tinyconv.notes.laying import lay_flowers
from tinyconv.notes.running import Run
from tinyconv.preprocessing import train_test_split


def lay(folder: Path, quick: bool) -> None:
    """The flowers in a folder of the note's name."""
    lay_flowers(folder, "tiny_FR", 12 if quick else None)


def numbers(run: Run) -> Iterator[tuple[str, str, str]]:
    """The evaluation on the test images."""
    loss, accuracy = printed.EVALUATED["note001"]
    yield "test loss", f"{loss:.4f}", f"{run.names['test_loss']:.4f}"
    yield "test accuracy", f"{accuracy:.4f}", f"{run.names['test_accuracy']:.4f}"


def examine(run: Run) -> Iterator[Slip]:
    """The note's slips, each with its number."""
    x, y, model = run.names["X_test_std"], run.names["y_test"], run.names["model_CNN"]
    left = len(x) % 32 or 32
    last = model.evaluate(x[-left:], y[-left:], verbose=0)[0]
    yield Slip(
        f"The progress line of evaluate says loss {printed.PROGRESS_LINE}, evaluate returns"
        f" {printed.EVALUATED['note001'][0]:.4f}: in that TensorFlow the line shows no mean. The last {left} images"
        " alone:",
        f"{last:.4f}",
        f"mean of all: {run.names['test_loss']:.4f}",
    )
    fit = run.fits[0]
    validated = len(run.names["X_train"]) - int(len(run.names["X_train"]) * 0.9)
    yield Slip(
        f"The curve is drawn by {validated} validation images; one of them is {1 / validated:.1%}.",
        f"validation: {_with_error(fit.last(), validated)}",
        f"test: {_with_error(run.names['test_accuracy'], len(y))}",
    )
    yield Slip(
        "glob.glob gives files in the order of the disk, so that random_state=42 does not pick the same images twice"
        " on two machines.",
        f"test images that sorted(glob.glob(...)) picks as well: {_in_common(run.names['imgFiles'])} of {len(y)}",
        "sorted(glob.glob(...))",
    )
    pixels = x[0].size * (len(x) + len(run.names["X_train"]))
    yield Slip(
        "np.array(X_i) / 255.0 keeps each pixel in 8 bytes, and the list, both parts and both scaled parts as well.",
        f"float64: {8 * pixels * 3 / 1e9:.2f} GB",
        f"float32, the list deleted: {4 * pixels * 2 / 1e9:.2f} GB",
    )


def _with_error(accuracy: float, images: int) -> str:
    """An accuracy with the standard error that so few images leave."""
    return f"{accuracy:.2f} ± {np.sqrt(accuracy * (1 - accuracy) / images):.2f}"


def _in_common(files: Sequence[str]) -> int:
    """How many test images two orders of the same files share."""
    parts = [train_test_split(list(order), test_size=0.2, random_state=42)[1] for order in (files, sorted(files))]
    return len(set(parts[0]) & set(parts[1]))


FINDINGS = Findings(
    "001",
    "flowers at 299x299 pixels",
    "500 images of TensorFlow's flower_photos, 100 of a class as in the note, but not the same ones, and of at most"
    " 200 pixels, which are enlarged",
    "six minutes, and 7.5 GB of memory,",
    lay,
    {"Training": "note001"},
    examine,
    numbers,
    reseeded=lambda seed: {"set_seed(42)": f"set_seed({seed})"},
    quick={"299, 299": "59, 59"},
)
