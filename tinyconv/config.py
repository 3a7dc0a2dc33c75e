"""Every global setting of tinyconv, here and nowhere else.

The float type, the random streams, the folders where data are looked for and kept, the number of threads, and the
memory that a convolution may spend on its columns.
"""

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tinyconv.checks import lookup, sentence

FLOATS = {"float32": np.float32, "float64": np.float64}
_floatx = "float32"
_threads = 1
_columns_budget = 64 * 2**20
_seed: int | None = None
_streams: dict[str, np.random.Generator] = {}

#: One random stream per purpose, so that turning on one kind of randomness does not change another.
STREAMS = ("weights", "shuffling", "dropout", "augmentation")


def floatx() -> str:
    """Name of the float type that new layers compute in: ``'float32'`` unless changed."""
    return _floatx


def set_floatx(name: str) -> None:
    """Set the float type of layers built from now on.

    Args:
        name: ``'float32'``, or ``'float64'`` for gradient checks.

    Raises:
        ValueError: for any other name.
    """
    global _floatx
    lookup("float type", name, FLOATS)
    _floatx = name


def epsilon() -> float:
    """The small number of Keras, 1e-7, that keeps logarithms and divisions finite."""
    return 1e-7


def set_random_seed(seed: int | None) -> None:
    """Start every random stream anew: the same seed gives the same weights, order and dropout masks.

    Args:
        seed: any whole number from 0; ``None`` takes fresh entropy from the operating system.

    Raises:
        ValueError: for a negative or fractional seed.
    """
    global _seed
    if seed is not None and (seed != int(seed) or seed < 0):
        raise ValueError(sentence("set_random_seed", "a whole number from 0", f"seed={seed!r}"))
    _seed = seed
    root = np.random.SeedSequence(seed)
    for name, child in zip(STREAMS, root.spawn(len(STREAMS)), strict=True):
        _streams[name] = np.random.Generator(np.random.PCG64(child))


def random_seed() -> int | None:
    """The seed given last to `set_random_seed`, or None."""
    return _seed


def stream(purpose: str) -> np.random.Generator:
    """The random stream for one purpose: weights, shuffling, dropout or augmentation."""
    if not _streams:
        set_random_seed(None)
    generator: np.random.Generator = lookup("random stream", purpose, _streams)
    return generator


def random_state() -> dict[str, Any]:
    """Where every stream stands, as plain numbers that `set_random_state` takes back."""
    return {name: stream(name).bit_generator.state for name in STREAMS}


def set_random_state(state: dict[str, Any]) -> None:
    """Put every stream back to where `random_state` saw it."""
    for name in STREAMS:
        stream(name).bit_generator.state = state[name]


def threads() -> int:
    """Threads that share the matrix products of training and prediction: 1 unless set.

    More rarely help here: the products of a small network are short, and while NumPy does the rest, the waiting
    threads of a BLAS take processor time from whatever else runs. Networks with very large Dense layers gain.
    """
    return _threads


def set_threads(n: int) -> None:
    """Set the number of threads that share the matrix products of training and prediction.

    Raises:
        ValueError: for less than 1.
    """
    global _threads
    if not hasattr(n, "__index__") or n < 1:
        raise ValueError(sentence("set_threads", "a whole number of threads from 1", f"n={n!r}"))
    _threads = int(n)


@contextmanager
def limited_threads() -> Iterator[None]:
    """Matrix products use at most `threads` threads while this lasts, in the whole process."""
    with _thread_pools().limit(limits=_threads, user_api="blas"):
        yield


@functools.cache
def _thread_pools() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def columns_budget() -> int:
    """Bytes that a convolution may spend at once on its im2col columns (64 MiB unless set)."""
    return _columns_budget


def set_columns_budget(size: int) -> None:
    """Set the bytes that a convolution may spend at once on its columns; one output row of one image is the least."""
    global _columns_budget
    if size < 1:
        raise ValueError(sentence("set_columns_budget", "a positive number of bytes", f"size={size!r}"))
    _columns_budget = size


def data_folder() -> Path | None:
    """Folder of data sets that are already there, one folder each: ``TINYCONV_DATA``, or None where it is unset."""
    if os.environ.get("TINYCONV_DATA"):
        return Path(os.environ["TINYCONV_DATA"]).expanduser()
    return None


def cache_folder() -> Path:
    """Folder where downloads and drawn data are kept; it need not exist yet.

    The first that applies: ``TINYCONV_CACHE``; ``data/downloads`` of the checkout one stands in, so that a clone keeps
    its data to itself (git ignores that folder); ``tinyconv`` in the user's cache folder.
    """
    if os.environ.get("TINYCONV_CACHE"):
        return Path(os.environ["TINYCONV_CACHE"]).expanduser()
    data = Path.cwd() / "data"
    if _is_ours(data / "README.md"):
        return data / "downloads"
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tinyconv"


def _is_ours(readme: Path) -> bool:
    # Many projects have a data/README.md; only the title tells that the project is tinyconv.
    try:
        with readme.open(encoding="utf-8") as file:
            return file.readline().strip() == "# Data sets of tinyconv"
    except (OSError, UnicodeDecodeError):
        return False
