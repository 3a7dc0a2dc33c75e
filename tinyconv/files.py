"""Writing files: to a place that makes sense, and in one step: until the new file is whole, the old one stays."""

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from tinyconv.checks import sentence

__all__ = ["destination", "naming", "replacing"]


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
    real = Path(os.path.realpath(path))  # a link stays a link
    temporary = real.with_name(f".{real.name}.{secrets.token_hex(4)}.part")
    with naming(path):
        try:
            with temporary.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            if real.exists():
                shutil.copymode(real, temporary)
            os.replace(temporary, real)
        finally:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Errors of the disk, such as a full one, say which file they are about."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise OSError(f"{os.fspath(path)}: {error}") from error
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error
