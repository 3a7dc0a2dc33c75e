"""Glyphs: digits and letters that tinyconv draws itself, so that there is always something to learn from, offline too.

    12,000 training and 2,000 test images unless you ask for others, 28x28 grey, ink light on dark as in MNIST.

Every image is a character in some font, drawn with a thin or a thick pen, then turned, slanted, scaled, shifted,
dented, and sprinkled with noise, all at random from a seed. The test images use font families that the training images
never use: what a network gets right there, it has understood about the shape of a character and not about a font.
They are drawn once (a few seconds) and kept in the cache.

Licence: the fonts may be used freely (DejaVu, STIX, Computer Modern, Aileron); the images are tinyconv's.
"""

import os
import tempfile
from pathlib import Path

import numpy as np

from tinyconv._types import Array
from tinyconv.checks import lookup, sentence
from tinyconv.datasets import _fonts, _warp
from tinyconv.datasets._fetch import cache
from tinyconv.datasets._npz import read_npz
from tinyconv.datasets._split import Part, Split

__all__ = ["CHARACTERS", "CLASS_NAMES", "class_names", "draw", "load_data"]

_DIGITS, _LETTERS = "0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#: What ``load_data(characters=...)`` takes, and the classes it stands for.
CHARACTERS = {"digits": _DIGITS, "letters": _LETTERS, "all": _DIGITS + _LETTERS}
CLASS_NAMES = tuple(_DIGITS)

VERSION = 1  # of the drawing; raised whenever the same settings give other images
SIZE = 28
#: How far each property of an image may stray. Pixels are those of the 28x28 image.
TURN, SLANT, SCALE, SHIFT = 8.0, 0.1, (0.85, 1.15), 1.0  # degrees, columns per row, factor, pixels
PUSH = 0.4  # standard deviation of the elastic displacement, in pixels
INK = (0.7, 1.0)  # brightness of the strokes
NOISE = 0.06  # largest standard deviation of the noise, where the brightest ink is 1
_KEYS = ("x_train", "y_train", "x_test", "y_test")
_SLAB = 1000  # images distorted at once: about 50 MB of intermediate arrays


def load_data(characters: str = "digits", train_size: int = 12_000, test_size: int = 2_000, seed: int = 0) -> Split:
    """Drawn characters, each class equally often.

    Args:
        characters: ``'digits'`` (10 classes), ``'letters'`` (26, upper case) or ``'all'`` (36).
        train_size: number of training images.
        test_size: number of test images, in fonts that the training images do not use.
        seed: the same seed gives the same images.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: images (N, 28, 28), uint8 from 0 (paper) to 255 (ink); labels (N,),
        uint8, the places in `class_names`.

    Raises:
        ValueError: for other ``characters``, or a size or seed below 0.
    """
    classes = class_names(characters)
    for name, value in (("train_size", train_size), ("test_size", test_size), ("seed", seed)):
        if not hasattr(value, "__index__") or value < 0:
            raise ValueError(sentence("glyphs.load_data", f"{name} as a whole number from 0", f"{name}={value!r}"))
    path = cache("glyphs") / _filename(characters, train_size, test_size, seed)
    kept = _read(path, train_size, test_size)
    if kept is not None:
        return kept
    train_rng, test_rng = (np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(2))
    train = draw("".join(classes), train_size, _fonts.TRAINING_FAMILIES, train_rng)
    test = draw("".join(classes), test_size, _fonts.TEST_FAMILIES, test_rng)
    _keep(path, train, test)
    return train, test


def class_names(characters: str = "digits") -> tuple[str, ...]:
    """The character of each label.

    >>> class_names("letters")[:3]
    ('A', 'B', 'C')
    """
    return tuple(lookup("glyphs.load_data: characters", characters, CHARACTERS))


def draw(characters: str, n: int, families: dict[str, tuple[str, ...]], rng: np.random.Generator) -> Part:
    """Draw ``n`` images of these characters in these fonts.

    Returns:
        images (n, 28, 28) and labels (n,), both uint8; every character occurs n / len(characters) times, rounded up or
        down, in random order.
    """
    sources, share = _fonts.templates(families, characters)  # (K, FACES, 56, 56), (FACES,)
    labels = rng.permutation(np.arange(n) % len(characters))  # (N,)
    which = labels * len(share) + rng.choice(len(share), n, p=share)  # (N,) places in the flattened sources
    flat = sources.reshape(-1, *sources.shape[2:])  # (K*FACES, 56, 56)
    images = np.empty((n, SIZE, SIZE), np.uint8)
    for start in range(0, n, _SLAB):
        images[start : start + _SLAB] = _distorted(flat, which[start : start + _SLAB], rng)
    return images, labels.astype(np.uint8)


def _distorted(sources: Array, which: Array, rng: np.random.Generator) -> Array:
    """(N,) places in the sources -> (N, 28, 28) uint8 images of them."""
    n = len(which)
    matrices = _warp.random_matrices(n, rng, TURN, SLANT, SCALE)  # (N, 2, 2)
    shifts = rng.uniform(-SHIFT, SHIFT, (n, 2))
    pushes = _warp.random_pushes(n, SIZE, rng, PUSH)  # (N, 2, 28, 28)
    clean = _warp.sample(sources, which, matrices, shifts, pushes)  # (N, 28, 28)
    ink = rng.uniform(*INK, (n, 1, 1))
    noise = rng.uniform(0, NOISE, (n, 1, 1)) * rng.standard_normal(clean.shape)
    return np.rint(255 * np.clip(ink * clean + noise, 0, 1)).astype(np.uint8)


def _filename(characters: str, train_size: int, test_size: int, seed: int) -> str:
    return f"{characters}-{train_size}-{test_size}-seed{seed}-v{VERSION}-{_fonts.fingerprint()}.npz"


def _read(path: Path, train_size: int, test_size: int) -> Split | None:
    """What the cache holds; None for no file, or a damaged one, which is then drawn anew."""
    try:
        x_train, y_train, x_test, y_test = read_npz(path, _KEYS)
    except (OSError, ValueError):
        return None
    shapes = [array.shape for array in (x_train, y_train, x_test, y_test)]
    if shapes != [(train_size, SIZE, SIZE), (train_size,), (test_size, SIZE, SIZE), (test_size,)]:
        return None
    return (x_train, y_train), (x_test, y_test)


def _keep(path: Path, train: Part, test: Part) -> None:
    """Write the images elsewhere first and then move them to the cache; where that fails they are drawn again."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
            part = Path(scratch) / path.name
            np.savez(part, x_train=train[0], y_train=train[1], x_test=test[0], y_test=test[1])
            os.replace(part, path)
    except OSError:
        pass
