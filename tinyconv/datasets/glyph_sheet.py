"""Picture files of glyphs: a sheet to look at, and single images to try a trained network on.

    python -m tinyconv.datasets.glyph_sheet --sheet data/glyphs_sample.png --singles data/glyphs

made the files of that name in the repository.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tinyconv._types import Array
from tinyconv.datasets import glyphs
from tinyconv.datasets._fonts import TEST_FAMILIES

__all__ = ["main", "samples", "sheet"]


def samples(rows: int = 6, characters: str = "digits", seed: int = 1) -> Array:
    """Test images in a grid (rows, classes, 28, 28), uint8: a column for each class."""
    names = glyphs.class_names(characters)
    rng = np.random.default_rng(seed)
    images, labels = glyphs.draw("".join(names), rows * len(names), TEST_FAMILIES, rng)  # (rows*classes, 28, 28)
    by_class = images[np.argsort(labels, kind="stable")]  # (classes*rows, 28, 28)
    return by_class.reshape(len(names), rows, *images.shape[1:]).swapaxes(0, 1)  # (rows, classes, 28, 28)


def sheet(images: Array, gap: int = 2) -> Array:
    """A grid of images (rows, columns, H, W) as one image, with dark grey lines of ``gap`` pixels around each.

    >>> sheet(np.ones((2, 3, 28, 28), np.uint8)).shape
    (62, 92)
    """
    rows, columns, height, width = images.shape
    page = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap), 64, np.uint8)
    for (row, column), _ in np.ndenumerate(images[..., 0, 0]):
        top, left = row * (height + gap) + gap, column * (width + gap) + gap
        page[top : top + height, left : left + width] = images[row, column]
    return page


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line that the head of this module shows."""
    from PIL import Image

    parser = argparse.ArgumentParser(prog="python -m tinyconv.datasets.glyph_sheet", description="Draw digits.")
    parser.add_argument("--sheet", type=Path, help="write 6 x 10 digits in test fonts to this PNG file")
    parser.add_argument("--singles", type=Path, help="write 0.png to 9.png, 28x28 pixels each, to this folder")
    options = parser.parse_args(arguments)
    images = samples()
    if options.sheet:
        Image.fromarray(sheet(images)).save(options.sheet)
    if options.singles:
        options.singles.mkdir(parents=True, exist_ok=True)
        for name, image in zip(glyphs.class_names(), images[0], strict=True):
            Image.fromarray(image).save(options.singles / f"{name}.png")


if __name__ == "__main__":
    main()
