"""Dividing a folder of images into folders for training, validation and testing.

photos/daisy/1.jpg 2.jpg ...            photos_split/train/daisy/1.jpg ...
photos/tulip/7.jpg 8.jpg ...   ---->    photos_split/train/tulip/8.jpg ...
                                        photos_split/validation/daisy/2.jpg ...
                                        photos_split/test/tulip/7.jpg ...
"""

import filecmp
import os
import shutil
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from tinyconv.checks import sentence
from tinyconv.files import UNFINISHED, naming, unfinished
from tinyconv.preprocessing.folders import ENDINGS, Listing, list_images
from tinyconv.preprocessing.split import shuffled

__all__ = ["split_folders"]

_LINKS: dict[str, Callable[[str, Path], None]] = {"hard": os.link, "symbolic": os.symlink}


def split_folders(
    source: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    ratio: Sequence[float] = (0.8, 0.1, 0.1),
    *,
    seed: int = 1337,
    names: Sequence[str] = ("train", "validation", "test"),
    link: str | None = None,
    class_names: Sequence[str] | None = None,
    endings: tuple[str, ...] = ENDINGS,
) -> dict[str, Listing]:
    """Divide a folder of class folders into parts: ``destination/train/daisy/...`` and so on.

    Each class is shuffled by the seed and divided by itself, so that every part has its share of every class. Numbers
    of images are rounded down, and what is left goes to the parts that lost most by that. A part with ratio 0 is not
    made. ``source`` stays as it is.

    Nothing is ever overwritten: if a part has files that this split would not put there, nothing is done at all. What
    the same split has put there before stays, and the rest is added; so one that was stopped midway can be run again.
    A file appears under its name only when it is whole.

    Args:
        source: the folder of the class folders.
        destination: where the parts are made; it may hold other things.
        ratio: a fraction for each part; together 1.
        seed: of the shuffling.
        names: of the parts.
        link: None copies the images. "hard" and "symbolic" make links to them, which take no space.
        class_names: the class folders to take; all unless given.
        endings: of the files that are images; all others are left out.

    Returns:
        For the name of each part, what is in it.

    Raises:
        FileNotFoundError: if ``source`` is missing.
        FileExistsError: if a part has other files.
        ValueError: for a ratio that is not 1 in all, or a destination inside ``source``.
        OSError: if a file cannot be copied or linked.

    Prints a line per part. A part that gets no image of some class gives a UserWarning.
    """
    fractions = _fractions(ratio, names)
    if link is not None and link not in _LINKS:
        raise ValueError(sentence("split_folders", "link=None, 'hard' or 'symbolic'", f"link={link!r}"))
    source, destination = Path(source), Path(destination)
    listing = list_images(source, class_names=class_names, endings=endings)
    _check_apart(source, destination, fractions)
    parts = _divided(listing, destination, fractions, seed)
    origins = {destination / name / file: source / file for name, part in parts.items() for file in part.files}
    done = _check_files(destination, fractions, origins, link)
    for name in parts:
        for class_name in listing.class_names:
            (destination / name / class_name).mkdir(parents=True, exist_ok=True)
    for target, origin in origins.items():
        if target not in done:
            target.parent.mkdir(parents=True, exist_ok=True)
            _place(origin, target, link)
    _report(listing, parts, done)
    return parts


def _fractions(ratio: Sequence[float], names: Sequence[str]) -> dict[str, float]:
    """The fraction of each part by its name; together exactly 1, and not only nearly, as 0.7 + 0.2 + 0.1 is."""
    if len(ratio) != len(names) or len(set(names)) < len(names) or any(not n or Path(n).name != n for n in names):
        expected = "as many numbers in ratio as names, which are different names of folders"
        raise ValueError(sentence("split_folders", expected, f"ratio={tuple(ratio)}, names={tuple(names)}"))
    if min(ratio, default=0) < 0 or not abs(sum(ratio) - 1) < 1e-6:
        expected = "fractions from 0 to 1, together 1, as ratio"
        raise ValueError(sentence("split_folders", expected, f"{tuple(ratio)}, together {sum(ratio):g}"))
    return {name: fraction / sum(ratio) for name, fraction in zip(names, ratio, strict=True)}


def _divided(listing: Listing, destination: Path, fractions: dict[str, float], seed: int) -> dict[str, Listing]:
    """What each part gets, in the order of the listing."""
    taken: dict[str, list[int]] = {name: [] for name, fraction in fractions.items() if fraction > 0}
    members: list[list[int]] = [[] for _ in listing.class_names]
    for place, label in enumerate(listing.labels):
        members[label].append(place)
    for in_class in members:
        places, start = shuffled(in_class, seed), 0
        for name, count in _counts(len(places), fractions).items():
            if name in taken:
                taken[name] += sorted(places[start : start + count])
                start += count
    return {
        name: Listing(
            destination / name,
            [listing.files[i] for i in places],
            [listing.labels[i] for i in places],
            listing.class_names,
        )
        for name, places in taken.items()
    }


def _counts(n: int, fractions: dict[str, float]) -> dict[str, int]:
    """``n`` things divided: rounded down, and what is left to those who lost most.

    >>> _counts(7, {"train": 0.8, "validation": 0.1, "test": 0.1})
    {'train': 5, 'validation': 1, 'test': 1}
    """
    counts = {name: int(n * fraction + 1e-9) for name, fraction in fractions.items()}
    most_lost = sorted(counts, key=lambda name: counts[name] - n * fractions[name])
    for name in most_lost[: n - sum(counts.values())]:
        counts[name] += 1
    return counts


def _check_apart(source: Path, destination: Path, names: Iterable[str]) -> None:
    """ValueError where the parts would lie among the class folders, or the class folders in a part."""
    inside, outside = destination.resolve(), source.resolve()
    if inside.is_relative_to(outside):
        way_out = f"Name another folder, such as {source}_split: the parts would look like classes."
        raise ValueError(sentence("split_folders", f"a destination outside {source}", str(destination), way_out))
    for name in names:
        if outside.is_relative_to(inside / name):
            received = f"{source}, which is in {destination / name}"
            raise ValueError(sentence("split_folders", "a source that lies in none of the parts", received))


def _check_files(destination: Path, names: Iterable[str], origins: dict[Path, Path], link: str | None) -> set[Path]:
    """The files that are in place already; FileExistsError if there are others."""
    done, foreign = set(), []
    for name in names:
        root = destination / name
        if root.is_symlink() or root.is_file():
            foreign.append(root)
        for folder, folders, files in os.walk(root):
            foreign += [path for path in (Path(folder, inside) for inside in folders) if path.is_symlink()]
            for path in (Path(folder, file) for file in files):
                if path in origins and _is_in_place(origins[path], path, link):
                    done.add(path)
                elif not (path.name.startswith(".") and path.suffix == UNFINISHED):
                    foreign.append(path)
    if foreign:
        expected = "no files in the parts but those of the same split"
        received = f"{min(foreign)}" + (f" and {len(foreign) - 1} more" if len(foreign) > 1 else "")
        way_out = "Name another destination, or remove the parts yourself. Nothing was changed."
        raise FileExistsError(sentence(f"split_folders to {destination}", expected, received, way_out))
    return done


def _is_in_place(origin: Path, path: Path, link: str | None) -> bool:
    if link is not None:
        return path.exists() and path.samefile(origin) and path.is_symlink() == (link == "symbolic")
    return not path.is_symlink() and not path.samefile(origin) and filecmp.cmp(origin, path, shallow=False)


def _place(origin: Path, target: Path, link: str | None) -> None:
    """Copy or link one file. A copy is made under another name and renamed when it is whole."""
    if link is not None:
        try:
            _LINKS[link](os.path.realpath(origin), target)
        except OSError as error:
            expected, received = f"a folder where {link} links can be made", str(error)
            raise OSError(sentence(f"file {target}", expected, received, "Use link=None, which copies.")) from error
        return
    with origin.open("rb") as source, unfinished(target) as temporary:
        with naming(target), temporary.open("wb") as copy:
            shutil.copyfileobj(source, copy, 2**20)
        if os.path.lexists(target):
            raise FileExistsError(sentence(f"file {target}", "no file of this name", "one that appeared meanwhile"))


def _report(listing: Listing, parts: dict[str, Listing], done: set[Path]) -> None:
    for name, part in parts.items():
        before = sum(path in done for path in part.paths)
        remark = f", {before} of them already there" if before else ""
        print(f"{name}: {len(part.files)} images of {len(part.class_names)} classes in {part.root}{remark}")
    there = [name for name, count in listing.counts.items() if count]
    missing = [f"{cls} in {name}" for name, part in parts.items() for cls in there if not part.counts[cls]]
    if missing:
        warnings.warn(f"split_folders: too few images to divide, none of {', '.join(missing)}", stacklevel=3)
