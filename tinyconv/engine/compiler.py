"""From Python functions to machine code, once per machine.

`kernel` marks what the engine calls, with the types of its arguments; `inner` marks what only kernels call. Nothing is
compiled until `prepare` is asked for the kernels of a network. Machine code is kept on disk in a folder whose name
carries a hash of all sources it is made from: Numba itself looks only at the file of the function it has compiled, and
would miss a change in what that function calls.
"""

import functools
import hashlib
import os
import stat
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numba

from tinyconv import config
from tinyconv.engine import vector

#: No Python objects inside, so other threads may run; division as in C, without a check.
_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": set(vector.FLOAT_FLAGS)}

#: The files of this folder that kernels are made from: what they may import of tinyconv.
SOURCES = ("compiler.py", "lanes.py", "vector.py", "kernels/*.py")

#: Seconds of compiling that pass in silence.
PATIENCE = 1.0

#: One compiles at a time, for Numba is told where to keep its code by a setting of the whole process.
_compiling = threading.RLock()


def inner(function: Callable[..., Any]) -> Any:
    """A function that kernels call; it becomes part of them."""
    return numba.njit(**_OPTIONS)(function)


def inlined(function: Callable[..., Any]) -> Any:
    """An `inner` function that is copied to where it is called: one that passes many vectors is slow if it is not."""
    return numba.njit(forceinline=True, **_OPTIONS)(function)


class Kernel:
    """A compiled function.

    Args:
        function: loops over arrays.
        signature: Numba's types of its arguments, such as ``"f4[:,::1], i8"``. Only these are taken: a kernel is
            compiled once, and an array of another type or layout is an error.
    """

    def __init__(self, function: Callable[..., Any], signature: str) -> None:
        functools.update_wrapper(self, function)
        self.name = function.__name__
        self._function, self._signature = function, signature
        self._compiled: Callable[..., Any] | None = None

    def __call__(self, *arguments: Any) -> Any:
        return (self._compiled or self.compile())(*arguments)

    @property
    def is_ready(self) -> bool:
        """Whether it has been compiled, or loaded, in this process."""
        return self._compiled is not None

    def compile(self) -> Callable[..., Any]:
        """The machine code: from disk where it is there, else compiled and, where that is possible, kept."""
        with _compiling:
            if self._compiled is None:
                self._compiled = self._load_or_make()
            return self._compiled

    def _load_or_make(self) -> Callable[..., Any]:
        where = folder()
        if where is not None:
            with suppress(Exception):
                return self._make(where)
            self._forget(where)  # a damaged file would be in the way of every process to come
            with suppress(Exception):
                return self._make(where)
        return self._make(None)  # the disk is full, say; or the kernel is wrong, and this raises the reason

    def _make(self, where: Path | None) -> Callable[..., Any]:
        if where is not None:
            _try_to_write(where)  # Numba would look for a place of its own, whose name carries no hash
        with _kept_in(where):
            jit = numba.njit(f"void({self._signature})", cache=where is not None, **_OPTIONS)
            made: Callable[..., Any] = jit(self._function)
            return made

    def _forget(self, where: Path) -> None:
        """Remove what is kept of this kernel."""
        file = Path(self._function.__code__.co_filename).stem
        for kept in where.glob(f"*/{file}.{self._function.__qualname__}-*"):
            with suppress(OSError):
                kept.unlink()


def kernel(signature: str) -> Callable[[Callable[..., Any]], Kernel]:
    """Decorator: a function that the engine calls with arguments of these types."""
    return lambda function: Kernel(function, signature)


def prepare(kernels: Iterable[Kernel]) -> None:
    """Compile what is not compiled yet. Where that takes more than a second, a progress line says so."""
    waiting = [one for one in dict.fromkeys(kernels) if not one.is_ready]
    if not waiting:
        return
    from tqdm import tqdm

    title = "tinyconv compiles for this processor, once"
    with tqdm(waiting, title, unit="kernel", delay=PATIENCE, file=sys.stderr) as bar:
        for one in bar:
            one.compile()


@functools.cache
def folder() -> Path | None:
    """Where machine code is kept: the first of the possible folders that can be written to, or None."""
    for base in (_users_folder, _temporary_folder):
        with suppress(OSError, RuntimeError):  # RuntimeError: there is no home
            path = base() / f"kernels-{_fingerprint()}"
            path.mkdir(parents=True, exist_ok=True)
            _try_to_write(path)
            return path
    return None


def _try_to_write(path: Path) -> None:
    """OSError unless files can be made in the folder."""
    with tempfile.TemporaryFile(dir=path):
        pass


def _users_folder() -> Path:
    return config.kernel_folder()


def _temporary_folder() -> Path:
    """A folder of the user's own among everybody's temporary ones; code from another's is not to be run.

    Raises:
        PermissionError: if another user made it first, or may write into it.
    """
    user = os.getuid() if hasattr(os, "getuid") else None
    path = Path(tempfile.gettempdir()) / f"tinyconv-{os.environ.get('USERNAME', 'user') if user is None else user}"
    path.mkdir(mode=0o700, exist_ok=True)
    status = path.lstat()
    others_write = stat.S_IMODE(status.st_mode) & (stat.S_IWGRP | stat.S_IWOTH)
    if user is not None and (status.st_uid != user or others_write or not stat.S_ISDIR(status.st_mode)):
        raise PermissionError(f"{path} is not this user's alone")
    return path


def _fingerprint() -> str:
    """Of everything that machine code depends on and Numba does not look at."""
    here = Path(__file__).parent
    digest = hashlib.sha256(f"{numba.__version__} {vector.LANES}".encode())
    for source in sorted(path for pattern in SOURCES for path in here.glob(pattern)):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def _kept_in(path: Path | None) -> Iterator[None]:
    """Numba keeps what is compiled meanwhile in this folder; only what is compiled meanwhile."""
    settings: Any = numba.config
    before = settings.CACHE_DIR
    settings.CACHE_DIR = str(path or "")
    try:
        yield
    finally:
        settings.CACHE_DIR = before
