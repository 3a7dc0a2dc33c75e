"""Writing files: to a place that makes sense, and in one step: until the new file is whole, the old one stays."""

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, BinaryIO

from tinyconv.checks import sentence

try:
    import fcntl
except ImportError:  # no system of the POSIX family
    fcntl = None  # type: ignore[assignment]

__all__ = ["UNFINISHED", "destination", "naming", "replacing", "unfinished"]

#: The ending of a file that is being written; its name begins with a dot.
UNFINISHED = ".part"


def destination(path: str | os.PathLike[str], endings: Sequence[str], where: str, overwrite: bool = True) -> Path:
    """Where to write a file whose name must have one of these endings.

    Raises:
        ValueError: for another ending.
        FileNotFoundError: if the folder does not exist.
        FileExistsError: if there is a file and overwrite is False.
        IsADirectoryError: if it is a folder.
    """
    found = Path(path)
    if not found.name.endswith(tuple(endings)):
        expected = f"a file name ending in {' or '.join(filter(None, [', '.join(endings[:-1]), endings[-1]]))}"
        raise ValueError(sentence(where, expected, f"{str(found)!r}"))
    if not found.parent.is_dir():
        raise FileNotFoundError(sentence(where, f"the folder {found.parent} to exist", "none", "Make it first."))
    if found.is_dir():
        raise IsADirectoryError(sentence(where, "a file name", f"the folder {found}"))
    if found.exists() and not overwrite:
        raise FileExistsError(sentence(where, "a new file", f"{found}, which exists", "Pass overwrite=True."))
    return found


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A new file in the same folder that takes the place of ``path`` once all is written, and else disappears."""
    with unfinished(path) as temporary, naming(path), temporary.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def unfinished(path: Path) -> Iterator[Path]:
    """Where to write a new file, in the same folder; it takes the place of ``path`` when the block is done.

    It is called ``.name.1.part`` meanwhile. A process that is killed leaves it behind; who writes to ``path`` next
    takes it over. One that works on it still holds a lock, and others take the next number.
    """
    real = Path(os.path.realpath(path))  # a link stays a link
    with naming(path):
        temporary, lock = _reserved(real)
    with lock:
        try:
            yield temporary
            with naming(path):
                if real.exists():
                    shutil.copymode(real, temporary)
                os.replace(temporary, real)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def _reserved(real: Path) -> tuple[Path, contextlib.AbstractContextManager[Any]]:
    """A file beside ``real`` that nobody else writes to while the second result is open: new, or left behind."""
    number = 0
    while True:
        number += 1
        temporary = real.with_name(f".{real.name}.{number}{UNFINISHED}")
        try:
            temporary.open("xb").close()
            is_new = True
        except FileExistsError:
            is_new = False
        with contextlib.suppress(BlockingIOError, FileNotFoundError, PermissionError):  # it is another's
            lock = _locked(temporary)
            if lock is not None or is_new:
                return temporary, lock or contextlib.nullcontext()


def _locked(path: Path) -> IO[bytes] | None:
    """The file, open, and locked until it is closed; None where files cannot be locked.

    Raises:
        BlockingIOError: if somebody else has locked it.
        FileNotFoundError: if somebody else has renamed it meanwhile.
    """
    if fcntl is None:
        return None
    with contextlib.ExitStack() as unless_it_succeeds:
        file = unless_it_succeeds.enter_context(path.open("r+b"))
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:  # a disk that knows no locks
            return None
        if not os.path.samestat(os.fstat(file.fileno()), path.stat()):
            raise FileNotFoundError(path)
        unless_it_succeeds.pop_all()
        return file


@contextlib.contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Errors of the disk, such as a full one, say which file they are about."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise OSError(f"{os.fspath(path)}: {error}") from error
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error
