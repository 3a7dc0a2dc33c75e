"""Where the files of a data set are: in your data folder, in the cache, or at an address on the network.

A download is tried at one address after the other until a file with the right hash has arrived. Pooch writes it under
a temporary name and renames it only then, so nothing half-written ever stands at the final place.
"""

from collections.abc import Sequence
from pathlib import Path

from tinyconv import config
from tinyconv.checks import sentence

#: Seconds to wait for a connection, and between two pieces of a file.
TIMEOUT = (10, 30)
NO_DOWNLOAD = "tinyconv.datasets.glyphs needs no download."


def cache(name: str) -> Path:
    """Folder for what is downloaded or drawn of the data set ``name``."""
    return config.cache_folder() / "datasets" / name


def places(name: str) -> list[Path]:
    """The folders where the data set ``name`` may lie: your own first, then the cache."""
    own = config.data_folder()
    return [cache(name)] if own is None else [own / name, cache(name)]


def find(name: str, *filenames: str) -> Path | None:
    """The first of these files or folders that exists in one of the places, or None."""
    candidates = (folder / filename for folder in places(name) for filename in filenames)
    return next((path for path in candidates if path.exists()), None)


def missing(name: str, files: str, way_out: str) -> FileNotFoundError:
    """The error for files that only the user can put there: which, and where."""
    folders = " or ".join(str(folder) for folder in places(name))
    return FileNotFoundError(
        sentence(f"datasets.{name}", files, f"nothing of that in {folders}", f"{way_out} {NO_DOWNLOAD}")
    )


def fetch(name: str, filename: str, sha256: str, mirrors: Sequence[str]) -> Path:
    """Path of one file of a data set, unpacked or not; downloaded if it lies nowhere yet.

    Args:
        name: the data set, which is the name of its folder.
        filename: the file, as the mirrors call it; ``name.gz`` is also found as ``name``.
        sha256: its hash, checked after a download.
        mirrors: addresses of folders that hold it, each ending in ``/``, tried in this order.

    Raises:
        FileNotFoundError: if no mirror delivers the file; the message says what each of them answered.
        OSError: if the cache folder cannot be written.
    """
    found = find(name, filename, filename.removesuffix(".gz"))
    return found or _download(name, filename, sha256, mirrors)


def _download(name: str, filename: str, sha256: str, mirrors: Sequence[str]) -> Path:
    from requests import RequestException

    reasons = []
    for mirror in mirrors:
        try:
            return _retrieve(mirror + filename, sha256, cache(name))
        except (RequestException, ValueError) as error:  # pooch reports a wrong hash as a ValueError
            reasons.append(f"{mirror}: {_reason(error)}")
        except OSError as error:
            raise OSError(
                sentence(f"datasets.{name}", "a cache folder that can be written", str(error), "Set TINYCONV_CACHE.")
            ) from error
    tried = f"nothing of that in {' or '.join(map(str, places(name)))}, and from the network {'; '.join(reasons)}"
    way_out = f"Put the file into one of these folders, or go online; {NO_DOWNLOAD}"
    raise FileNotFoundError(sentence(f"datasets.{name}", filename, tried, way_out))


def _retrieve(address: str, sha256: str, folder: Path) -> Path:
    import pooch
    from tqdm import tqdm

    filename = address.rpartition("/")[2]
    # total=1 until pooch knows the size: a bar without a total has no truth value, and pooch asks for it.
    with tqdm(total=1, desc=filename, unit="B", unit_scale=True, disable=None) as bar:
        loader = pooch.HTTPDownloader(progressbar=bar, chunk_size=2**16, timeout=TIMEOUT)
        return Path(pooch.retrieve(address, sha256, fname=filename, path=folder, downloader=loader))


def _reason(error: Exception) -> str:
    from requests import exceptions

    if isinstance(error, exceptions.HTTPError) and error.response is not None:
        return f"{error.response.status_code} {error.response.reason}"
    reasons: tuple[tuple[type[Exception], str], ...] = (
        (exceptions.Timeout, "no answer in time"),
        (exceptions.ChunkedEncodingError, "connection cut"),
        (exceptions.ConnectionError, "no connection"),
        (exceptions.RequestException, type(error).__name__),
        (ValueError, "wrong hash"),
    )
    return next(text for kind, text in reasons if isinstance(error, kind))
