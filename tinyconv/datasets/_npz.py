"""Archives of arrays (``.npz``), read without ever running what a file contains."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

from tinyconv._types import Array
from tinyconv.archives import DAMAGES, check_zip, read_array


def read_npz(path: Path, keys: Sequence[str]) -> list[Array]:
    """The arrays of these names.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is damaged, lacks one of the arrays, holds Python objects, or claims what it does not hold.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            check_zip(archive)
            return [read_array(archive, key) for key in keys]
    except FileNotFoundError:
        raise
    except DAMAGES as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
