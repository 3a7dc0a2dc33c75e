"""Which samples are for training and which for testing: as Keras divides files, and as scikit-learn divides arrays."""

import math
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from tinyconv import config
from tinyconv._types import Array
from tinyconv.checks import sentence

__all__ = ["shuffle_and_split", "shuffled", "train_test_split"]

_T = TypeVar("_T")


def shuffled(items: Sequence[_T], seed: int) -> list[_T]:
    """The items in the order of a seed, which is the same as Keras's and for everything of this length.

    RandomState is old, and meant here: it is what Keras shuffles with.

    >>> shuffled("abcdef", seed=1337), shuffled(range(6), seed=1337)
    (['d', 'c', 'b', 'a', 'e', 'f'], [3, 2, 1, 0, 4, 5])
    """
    order = np.arange(len(items))
    np.random.RandomState(seed).shuffle(order)
    return [items[i] for i in order.tolist()]


def shuffle_and_split(files: Sequence[_T], test_split: float, seed: int) -> tuple[list[_T], list[_T]]:
    """Shuffle, and take the last ``int(test_split * n)`` for testing.

    That is how Keras's ``image_dataset_from_directory`` splits: with the same sorted list, fraction and seed both give
    the same files.

    >>> shuffle_and_split("abcdef", test_split=0.4, seed=1337)
    (['d', 'c', 'b', 'a'], ['e', 'f'])

    Raises:
        ValueError: for a ``test_split`` below 0, or of 1 and more.
    """
    if not 0 <= test_split < 1:
        raise ValueError(sentence("load_data", "test_split from 0 to below 1", f"test_split={test_split!r}"))
    n_train = len(files) - int(test_split * len(files))
    order = shuffled(files, seed)
    return order[:n_train], order[n_train:]


def train_test_split(
    *arrays: Any,
    test_size: float | None = None,
    train_size: float | None = None,
    random_state: int | np.random.RandomState | None = None,
    shuffle: bool = True,
    stratify: Any = None,
) -> list[Any]:
    """Divide arrays of the same length into a training and a test part, with scikit-learn's results for every seed.

    Args:
        *arrays: arrays, lists or tables; lists give lists.
        test_size: fraction between 0 and 1 (rounded up), or number of samples; the rest, or a quarter, unless given.
        train_size: likewise (rounded down); the rest unless given.
        random_state: seed of the shuffling; unless given, one drawn from the stream "shuffling" of
            `set_random_seed`.
        shuffle: False takes the first samples for training and the last for testing.
        stratify: labels; each class is divided in the same proportion. At least two samples of each are needed.

    Returns:
        Two parts for each array: ``x_train, x_test, y_train, y_test = train_test_split(x, y)``.

    Raises:
        ValueError: for arrays of different lengths, sizes that do not fit them, and classes that cannot be divided.

    >>> train_test_split(list("abcdef"), range(6), test_size=2, random_state=42)
    [['f', 'c', 'e', 'd'], ['a', 'b'], [5, 2, 4, 3], [0, 1]]
    """
    lengths = [_length(array) for array in arrays]
    if len(set(lengths)) != 1:
        received = f"lengths {', '.join(map(str, lengths))}" if arrays else "none"
        raise ValueError(sentence("train_test_split", "one or more arrays of the same length", received))
    n = lengths[0]
    n_train, n_test = _sizes(n, train_size, test_size)
    if not shuffle:
        if stratify is not None:
            raise ValueError(sentence("train_test_split", "shuffle=True with stratify", "shuffle=False"))
        train, test = np.arange(n_train), np.arange(n_train, n_train + n_test)
    else:
        rng = _generator(random_state)
        if stratify is None:
            order = rng.permutation(n)
            train, test = order[n_test : n_test + n_train], order[:n_test]
        else:
            train, test = _stratified(_class_numbers(stratify, n), n_train, n_test, rng)
    return [_take(array, part) for array in arrays for part in (train, test)]


def _generator(random_state: int | np.random.RandomState | None) -> np.random.RandomState:
    if isinstance(random_state, np.random.RandomState):
        return random_state
    return np.random.RandomState(config.stream("shuffling").integers(2**32) if random_state is None else random_state)


def _length(array: Any) -> int:
    if np.ndim(array) == 0 and not hasattr(array, "__len__"):
        raise TypeError(sentence("train_test_split", "arrays or lists", f"{array!r}"))
    return len(array)


def _take(array: Any, places: Array) -> Any:
    """The samples at these places, in the kind of thing that they came in: a table, an array or a list."""
    if hasattr(array, "iloc"):
        return array.iloc[places]
    if hasattr(array, "shape"):
        return array[places]
    return [array[i] for i in places.tolist()]


def _sizes(n: int, train_size: float | None, test_size: float | None) -> tuple[int, int]:
    """How many samples for training and for testing."""
    if train_size is None and test_size is None:
        test_size = 0.25
    n_test = n - _count(train_size, "train_size", n) if test_size is None else _count(test_size, "test_size", n)
    n_train = n - n_test if train_size is None else _count(train_size, "train_size", n)
    fractions = isinstance(train_size, float) and isinstance(test_size, float) and train_size + test_size > 1
    if n_train + n_test > n or fractions:
        expected = f"train_size and test_size that are together at most {1 if fractions else n}"
        raise ValueError(sentence("train_test_split", expected, f"{train_size} and {test_size}"))
    if n_train == 0:
        expected, received = "at least one sample for training", f"{n} samples, test_size={test_size}"
        raise ValueError(sentence("train_test_split", expected, received))
    return n_train, n_test


def _count(size: Any, name: str, n: int) -> int:
    """Samples in a part: a fraction is rounded up for testing and down for training."""
    if isinstance(size, float | np.floating) and 0 < size < 1:
        return math.ceil(size * n) if name == "test_size" else math.floor(size * n)
    if hasattr(size, "__index__") and not isinstance(size, bool) and 0 < size < n:
        return int(size)
    expected = f"{name} as a fraction between 0 and 1, or a whole number from 1 to {n - 1}, for {n} samples"
    raise ValueError(sentence("train_test_split", expected, f"{name}={size!r}"))


def _class_numbers(labels: Any, n: int) -> Array:
    """Labels (N,), or rows (N, K) each of which is a class, as numbers from 0 in the order of the labels."""
    y = np.asarray(labels)
    if len(y) != n:
        raise ValueError(sentence("train_test_split", f"stratify with {n} labels", f"{len(y)}"))
    if y.ndim == 2:
        y = np.array([" ".join(row.astype(str)) for row in y])  # (N,)
    classes, numbers, counts = np.unique(y, return_inverse=True, return_counts=True)
    if counts.min() < 2:
        alone = ", ".join(map(str, classes[counts < 2][:5].tolist()))
        raise ValueError(sentence("train_test_split", "two or more samples of each class", f"one of class {alone}"))
    return numbers


def _stratified(classes: Array, n_train: int, n_test: int, rng: np.random.RandomState) -> tuple[Array, Array]:
    """Places for training and testing, with as many of each class as its share; in scikit-learn's order of drawing."""
    counts = np.bincount(classes)  # (K,)
    if min(n_train, n_test) < len(counts):
        received = f"{len(counts)} classes, {n_train} samples for training and {n_test} for testing"
        raise ValueError(sentence("train_test_split", "a sample of each class in both parts", received))
    for_training = _shares(counts, n_train, rng)
    for_testing = _shares(counts - for_training, n_test, rng)
    train: list[int] = []
    test: list[int] = []
    for k, (a, b) in enumerate(zip(for_training, for_testing, strict=True)):
        places = np.flatnonzero(classes == k)[rng.permutation(counts[k])]
        train += places[:a].tolist()
        test += places[a : a + b].tolist()
    return rng.permutation(train), rng.permutation(test)


def _shares(counts: Array, n: int, rng: np.random.RandomState) -> Array:
    """``n`` samples shared out among classes by their size: rounded down, and what is left to the largest remainders.

    Chance decides between equal remainders.
    """
    exact = counts / counts.sum() * n
    shares = np.floor(exact)
    remainder = exact - shares
    for value in np.unique(remainder)[::-1]:
        left = int(n - shares.sum())
        if left <= 0:
            break
        (equal,) = np.where(remainder == value)
        shares[rng.choice(equal, size=min(len(equal), left), replace=False)] += 1
    return shares.astype(int)
