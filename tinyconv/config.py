"""Every global setting of tinyconv, here and nowhere else.

The float type, the random streams, what runs a network and on how many threads, the folders where data and compiled
kernels are looked for and kept, and the memory that a convolution may spend on its columns.
"""

import functools
import importlib.util
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tinyconv.checks import lookup, sentence

FLOATS = {"float32": np.float32, "float64": np.float64}

#: What can run a network, and in a word how.
ENGINES = {"numba": "compiled kernels, a few layers at a time", "numpy": "the layers as they are written"}

_floatx = "float32"
_engine: str | None = None
_told_without_numba = False
_threads: int | None = None
_winograd = True
_columns_budget = 64 * 2**20
_doctor: bool | str | None = None
_seed = 0
_streams: dict[str, np.random.Generator] = {}

#: One random stream per purpose, so that turning on one kind of randomness does not change another.
STREAMS = ("weights", "shuffling", "dropout", "augmentation")


def floatx() -> str:
    """Name of the float type that new layers compute in: ``'float32'`` unless changed."""
    return _floatx


def image_data_format() -> str:
    """``"channels_last"``: images are (N, H, W, C), always."""
    return "channels_last"


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
        seed: any whole number from 0; ``None`` draws one from fresh entropy of the operating system, which
            `random_seed` tells, so that the run can be repeated all the same.

    The same seed, number of threads (`set_threads`), engine and machine give the same bits in every run: weights,
    history and predictions, with augmentation, generators and background loading too. Another number of threads, engine
    or machine adds in another order: the results differ by rounding, which a long training magnifies.

    Raises:
        ValueError: for a negative or fractional seed.
    """
    global _seed
    if seed is not None and (seed != int(seed) or seed < 0):
        raise ValueError(sentence("set_random_seed", "a whole number from 0", f"seed={seed!r}"))
    _seed = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else int(seed)
    root = np.random.SeedSequence(_seed)
    for name, child in zip(STREAMS, root.spawn(len(STREAMS)), strict=True):
        _streams[name] = np.random.Generator(np.random.PCG64(child))


def random_seed() -> int:
    """The seed that the random streams began with: given to `set_random_seed`, or drawn where none was."""
    if not _streams:
        set_random_seed(None)
    return _seed


def stream(purpose: str) -> np.random.Generator:
    """The random stream for one purpose: weights, shuffling, dropout or augmentation."""
    if not _streams:
        set_random_seed(None)
    generator: np.random.Generator = lookup("random stream", purpose, _streams)
    return generator


def random_state() -> dict[str, Any]:
    """Where every stream stands, and the seed, as plain numbers that `set_random_state` takes back."""
    return {name: stream(name).bit_generator.state for name in STREAMS} | {"seed": random_seed()}


def set_random_state(state: dict[str, Any]) -> None:
    """Put every stream back to where `random_state` saw it."""
    global _seed
    for name in STREAMS:
        stream(name).bit_generator.state = state[name]
    _seed = int(state["seed"])


def engine_name() -> str:
    """What runs networks: ``'numba'``, the compiled kernels, or ``'numpy'``, the layers as they are written.

    The first that applies: `set_engine`; the environment variable ``TINYCONV_ENGINE``; ``'numba'`` where Numba is
    installed; ``'numpy'``.

    Raises:
        ValueError: for another name in ``TINYCONV_ENGINE``.
        RuntimeError: if that variable asks for Numba and it is not installed.
    """
    if _engine is not None:
        return _engine
    asked = os.environ.get("TINYCONV_ENGINE")
    if asked:
        lookup("TINYCONV_ENGINE", asked, ENGINES)
        _require_numba("TINYCONV_ENGINE", asked)
        return asked
    return "numba" if _has_numba() else "numpy"


def set_engine(name: str | None) -> None:
    """Choose what runs networks from now on.

    Args:
        name: ``'numba'`` or ``'numpy'``; None goes back to what `engine_name` says of its own accord.

    Raises:
        ValueError: for any other name.
        RuntimeError: for ``'numba'`` where Numba is not installed.
    """
    global _engine
    if name is not None:
        lookup("engine", name, ENGINES)
        _require_numba("set_engine", name)
    _engine = name


@contextmanager
def engine(name: str) -> Iterator[None]:
    """`set_engine` for as long as the block lasts.

    >>> with engine("numpy"):
    ...     engine_name()
    'numpy'
    """
    before = _engine
    set_engine(name)
    try:
        yield
    finally:
        set_engine(before)


def tell_once_without_numba() -> None:
    """Say once, on standard error, that networks run slowly for want of Numba; nothing where that was asked for."""
    global _told_without_numba
    if _told_without_numba or _engine or os.environ.get("TINYCONV_ENGINE") or _has_numba():
        return
    _told_without_numba = True
    print("tinyconv: Numba is not installed, so networks run on NumPy, several times slower.", file=sys.stderr)


def _require_numba(where: str, name: str) -> None:
    if name == "numba" and not _has_numba():
        way_out = "Install it with pip install numba, or choose 'numpy'."
        raise RuntimeError(sentence(where, "Numba to be installed", f"{name!r}, and no Numba is found", way_out))


@functools.cache
def _has_numba() -> bool:
    return importlib.util.find_spec("numba") is not None


def winograd() -> bool:
    """Whether 3x3 convolutions may be computed by Winograd's method: faster, and a little less exact. True unless set.

    It multiplies four times less, and its rounding errors are about twice those of the plain sum.
    """
    return _winograd


def set_winograd(allowed: bool) -> None:
    """Allow or forbid Winograd's method, for networks whose plan is made from now on."""
    global _winograd
    _winograd = bool(allowed)


def threads() -> int:
    """Threads that share the work on a batch: as many as this process may use processor cores, unless set."""
    return _threads or _usable_cores()


def set_threads(n: int | None) -> None:
    """Set the number of threads that share the work on a batch.

    Args:
        n: any number from 1; None goes back to the number of cores. On the engine "numpy" it is the number of threads
            that share a matrix product, which is 1 unless set. More rarely help there: the products of a small network
            are short, and while NumPy does the rest, the waiting threads of a BLAS take processor time from whatever
            else runs. Networks with very large Dense layers gain.

    Every run with the same number, seed and machine gives the same bits. Another number adds the same terms in another
    order: the results differ by rounding, which a long training magnifies.

    Raises:
        ValueError: for less than 1.
    """
    global _threads
    if n is not None and (isinstance(n, bool) or not hasattr(n, "__index__") or n < 1):
        raise ValueError(sentence("set_threads", "a whole number of threads from 1", f"n={n!r}"))
    _threads = None if n is None else int(n)


def step_threads() -> int:
    """Threads that share one step of a network: `threads`, but on the engine "numpy" 1 unless set."""
    return threads() if engine_name() == "numba" else _threads or 1


def _usable_cores() -> int:
    # Fewer than there are, where a container or taskset holds the process to some of them.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _BlasLimit:
    """Holds the BLAS of the whole process to some threads for as long as anybody wants it.

    The first of several callers at once sets the limit, and the last one to leave puts back what was before.
    """

    def __init__(self) -> None:
        self._callers, self._guard = 0, threading.Lock()

    def enter(self, limit: int) -> None:
        with self._guard:
            if not self._callers:
                self._limit = _thread_pools().limit(limits=limit, user_api="blas")
                _let_go()
            self._callers += 1

    def leave(self) -> None:
        with self._guard:
            self._callers -= 1
            if not self._callers:
                self._limit.restore_original_limits()
                _let_go()


def _let_go() -> None:
    """Newer versions of threadpoolctl let only the thread that set a limit change it, until that thread lets go."""
    for library in _thread_pools().lib_controllers:
        if hasattr(library, "clear_controlling_thread"):
            library.clear_controlling_thread()


_blas_limit = _BlasLimit()


@contextmanager
def limited_threads() -> Iterator[None]:
    """While this lasts, matrix products use one thread in the whole process, or as many as `set_threads` said.

    One in any case on the engine "numba", which cuts the products into parts itself: the idle threads of a BLAS would
    take the processor from those that work.
    """
    _blas_limit.enter(1 if engine_name() == "numba" else step_threads())
    try:
        yield
    finally:
        _blas_limit.leave()


@functools.cache
def _thread_pools() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@contextmanager
def silent_floats() -> Iterator[None]:
    """While this lasts, NumPy says nothing of NaN and infinity: they show in the result.

    Decorates functions too. NumPy's own `errstate` does not suit those that call themselves, before NumPy 2.
    """
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        yield


#: What the doctor may be told, and the variable's words for it.
DOCTOR = {"0": False, "1": True, "error": "error"}


def doctor() -> bool | str:
    """Whether `fit` warns of what often goes wrong: True, False, or ``"error"`` (see `tinyconv.doctor`).

    The first that applies: `set_doctor`; the environment variable ``TINYCONV_DOCTOR``, 0, 1 or error; True.

    Raises:
        ValueError: for another word in ``TINYCONV_DOCTOR``.
    """
    if _doctor is not None:
        return _doctor
    found: bool | str = lookup("TINYCONV_DOCTOR", os.environ.get("TINYCONV_DOCTOR") or "1", DOCTOR)
    return found


def set_doctor(wanted: bool | str | None) -> None:
    """Whether `fit` warns of what often goes wrong, where it is not told otherwise.

    Args:
        wanted: True, False, or ``"error"`` to make the warnings errors; None goes back to what `doctor` says of its
            own accord.

    Raises:
        ValueError: for anything else.
    """
    global _doctor
    if wanted is not None and wanted not in DOCTOR.values():
        raise ValueError(sentence("set_doctor", "True, False, 'error' or None", repr(wanted)))
    _doctor = wanted


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


def kernel_folder() -> Path:
    """Folder where compiled kernels are kept: ``TINYCONV_CACHE``, or ``tinyconv`` in the user's cache folder."""
    base = os.environ.get("TINYCONV_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "tinyconv"
    return Path(base).expanduser()


def _is_ours(readme: Path) -> bool:
    # Many projects have a data/README.md; only the title tells that the project is tinyconv.
    try:
        with readme.open(encoding="utf-8") as file:
            return file.readline().strip() == "# Data sets of tinyconv"
    except (OSError, UnicodeDecodeError):
        return False
