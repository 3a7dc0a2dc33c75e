"""Folders of images, one folder per class: what is in them, and in which order.

The order is Keras's, because the order decides which files a seed picks: classes by name, within a class the folders
by their path, within a folder the files by name. Left out are files and folders whose names begin with a dot, which
Keras lists: copies that Jupyter and macOS put there, and no images of yours.
"""

import os
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tinyconv.checks import did_you_mean, sentence

__all__ = ["ENDINGS", "Folder", "Listing", "class_folders", "image_files", "list_images"]

Folder = Path | zipfile.Path
ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png")


@dataclass(frozen=True)
class Listing:
    """The images of a folder.

    Attributes:
        root: the folder of the class folders.
        files: path of each image below ``root``, with "/".
        labels: for each image the place of its class in ``class_names``; empty where nobody asked for labels.
        class_names: the folders, in the order of the labels.
    """

    root: Folder
    files: list[str]
    labels: list[int]
    class_names: list[str]

    @property
    def paths(self) -> list[Folder]:
        """Where each image lies."""
        return [self.root / file for file in self.files]

    @property
    def counts(self) -> dict[str, int]:
        """How many images each class has."""
        found = Counter(self.labels)
        return {name: found[label] for label, name in enumerate(self.class_names)}


def list_images(
    directory: str | os.PathLike[str] | zipfile.Path,
    *,
    class_names: Sequence[str] | None = None,
    endings: tuple[str, ...] = ENDINGS,
    follow_links: bool = False,
    labelled: bool = True,
) -> Listing:
    """The images in a folder, class after class, in Keras's order.

    Args:
        directory: the folder of the class folders; also inside a zip file.
        class_names: folders to take, in the order of the labels; all, in alphabetical order, unless given.
        endings: of the files that are images; case does not matter.
        follow_links: go into links to folders, too. A class folder may be a link in any case.
        labelled: False takes all images in and below ``directory``, whatever their folders.

    Raises:
        FileNotFoundError, NotADirectoryError: if ``directory`` is no folder.
        ValueError: if there are no class folders or no images, or ``class_names`` has a folder that is not there.

    A class without images is allowed, and gives a UserWarning.
    """
    root = directory if isinstance(directory, zipfile.Path) else Path(directory)
    _check_folder(root)
    names = _classes(root, class_names, endings) if labelled else []
    files, labels = [] if labelled else image_files(root, endings, follow_links), []
    for label, name in enumerate(names):
        found = image_files(root / name, endings, follow_links)
        files += [f"{name}/{file}" for file in found]
        labels += [label] * len(found)
    if not files:
        where = "in folders, one per class" if labelled else "in it or below"
        raise ValueError(sentence(f"folder {root}", f"images ({', '.join(endings)}) {where}", "none"))
    listing = Listing(root, files, labels, names)
    for name, count in listing.counts.items():
        if not count:
            warnings.warn(f"folder {root / name}: a class without images ({', '.join(endings)})", stacklevel=2)
    return listing


def class_folders(root: Folder) -> list[str]:
    """Names of the folders in ``root``, sorted; hidden ones are left out."""
    return sorted(entry.name for entry in _entries(root) if entry.is_dir())


def image_files(
    folder: Folder, endings: tuple[str, ...] = ENDINGS, follow_links: bool = False, nested: bool = True
) -> list[str]:
    """Paths below ``folder`` of its images, and of those in folders in it if ``nested``; sorted as Keras does."""
    ends = tuple(ending.lower() for ending in endings)
    found = []
    for below, names in sorted(_walk(folder, "", follow_links, nested, ())):
        found += [f"{below}/{name}".lstrip("/") for name in sorted(names) if name.lower().endswith(ends)]
    return found


def _walk(
    folder: Folder, below: str, follow_links: bool, nested: bool, above: tuple[str, ...]
) -> Iterator[tuple[str, list[str]]]:
    """Each folder with the files in it. ``above`` are the folders on the way here: a link back to one is a circle."""
    entries = _entries(folder)
    yield below, [entry.name for entry in entries if not entry.is_dir()]
    if not nested:
        return
    above = (*above, os.path.realpath(str(folder)))
    for entry in entries:
        inside = folder / entry.name
        is_link = isinstance(entry, os.DirEntry) and entry.is_symlink()
        if not entry.is_dir() or (is_link and (not follow_links or os.path.realpath(str(inside)) in above)):
            continue
        yield from _walk(inside, f"{below}/{entry.name}".lstrip("/"), follow_links, nested, above)


def _entries(folder: Folder) -> "list[os.DirEntry[str] | zipfile.Path]":
    """What lies in a folder, but for what is hidden: names that begin with a dot, and what macOS adds to zip files."""
    if isinstance(folder, Path):
        try:
            with os.scandir(folder) as found:
                entries: list[os.DirEntry[str] | zipfile.Path] = list(found)
        except PermissionError as error:
            expected = "a folder that this user may read"
            raise PermissionError(sentence(f"folder {folder}", expected, error.strerror or str(error))) from error
    else:
        entries = list(folder.iterdir())
    return [entry for entry in entries if not entry.name.startswith((".", "__MACOSX"))]


def _check_folder(root: Folder) -> None:
    if not root.exists():
        raise FileNotFoundError(sentence(f"folder {root}", "a folder that exists", "no folder of this name"))
    if not root.is_dir():
        raise NotADirectoryError(sentence(f"folder {root}", "a folder", "a file"))


def _classes(root: Folder, wanted: Sequence[str] | None, endings: tuple[str, ...]) -> list[str]:
    """The class folders to take, or an error for those that are not there."""
    found = class_folders(root)
    if not found:
        expected = f"images ({', '.join(endings)}) in folders, one per class"
        way_out = "Put the images of each class into a folder; or take them without labels (labelled=False)."
        raise ValueError(sentence(f"folder {root}", expected, "no folders", way_out))
    names = found if wanted is None else list(wanted)
    if not names or len(set(names)) < len(names):
        raise ValueError(sentence(f"folder {root}", "different class names, one or more", f"class_names={names}"))
    for name in names:
        if name not in found:
            expected = f"class_names among the folders {', '.join(map(repr, found))}"
            raise ValueError(sentence(f"folder {root}", expected, repr(name), did_you_mean(name, found)))
    return names
