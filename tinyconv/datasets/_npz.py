"""Archives of arrays (``.npz``), read without ever running what a file contains."""

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tinyconv._types import Array


def read_npz(path: Path, keys: Sequence[str]) -> list[Array]:
    """The arrays of these names.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is damaged, lacks one of the arrays, or holds Python objects.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return [arrays[key] for key in keys]
    except FileNotFoundError:
        raise
    except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
