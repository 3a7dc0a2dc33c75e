"""Folders of images as batches, for training on more images than fit into memory.

Files are read while the network works on the batches before. A batch is an empty array whose parts are filled by as
many threads as there are:

    batch 7   [ image 0 ... 15 | image 16 ... 31 | ... ]      each part: read, decode, resize, write into the batch
                  thread 1          thread 2
"""

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from tinyconv import config
from tinyconv._types import Array
from tinyconv.checks import channels_last, lookup, positive, sentence
from tinyconv.geometry import pair
from tinyconv.preprocessing.background import in_background
from tinyconv.preprocessing.dataset import Dataset, Shuffling
from tinyconv.preprocessing.files import eight_bits, load_img
from tinyconv.preprocessing.folders import list_images
from tinyconv.preprocessing.resizing import resize, smart_resize
from tinyconv.preprocessing.split import shuffled
from tinyconv.tensor import tensor

__all__ = ["image_dataset_from_directory"]

_CHANNELS = {"grayscale": 1, "rgb": 3, "rgba": 4}
_PIECE = 16  # images that a thread fetches at a time
_AHEAD = 2  # batches


def image_dataset_from_directory(
    directory: str | os.PathLike[str],
    labels: str | Sequence[int] | None = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    color_mode: str = "rgb",
    batch_size: int | None = 32,
    image_size: int | tuple[int, int] = (256, 256),
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    interpolation: str = "bilinear",
    follow_links: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    data_format: str | None = None,
    verbose: bool = True,
) -> Any:
    """The images in a folder, one folder per class, as a `Dataset` of batches.

    Files, their order and what a seed makes of it, the split and the resizing are Keras's. Different are

    - the orders of training: each pass takes all files in a new order, which depends on the seed and the number of the
      pass, where Keras mixes within eight batches. Files for validation stay in their order; Keras mixes them, too;
    - the pixels of a JPEG, by 1 or 2 on average: TensorFlow decodes them the fast way, Pillow the exact one.

    Files are read again in each pass, which costs about as much as training a small network. Where the images fit into
    memory, ``.cache()`` keeps them.

    Args:
        directory: the folder of the class folders.
        labels: "inferred" from the folders, a list of whole numbers, one for each file below ``directory`` in
            alphabetical order, or None for images alone.
        label_mode: "int", (N,) int32; "categorical", (N, classes) float32; "binary", (N, 1) float32; None for images
            alone.
        class_names: folders to take, in the order of the labels; all, in alphabetical order, unless given.
        color_mode: "rgb", "rgba" or "grayscale". See `tinyconv.preprocessing.files` for what becomes of odd files.
        batch_size: images in a batch; None for single images.
        image_size: (height, width) that every image is resized to.
        shuffle: False for files in alphabetical order.
        seed: of the order; drawn from the stream for shuffling unless given.
        validation_split: fraction of the shuffled files, from their end, that is for validation.
        subset: "training", "validation", or "both" for a list of the two.
        interpolation: "bilinear", "nearest", "bicubic", "lanczos3" or "lanczos5", computed as by ``tf.image.resize``.
        follow_links: go into links to folders, too.
        crop_to_aspect_ratio: cut off what does not fit instead of distorting.
        pad_to_aspect_ratio: fill up with zeros instead of distorting.
        data_format: "channels_last", if given.
        verbose: whether to print how many files there are.

    Returns:
        A `Dataset` of ``(images, labels)``, images float32 from 0 to 255, or of images alone. It has ``class_names``
        and ``file_paths``.

    Raises:
        ValueError: for arguments that do not go together, or a folder without images; while it is walked, for a file
            that cannot be read as an image. The message gives its path.
    """
    where = "image_dataset_from_directory"
    channels_last(data_format, where)
    lookup("color_mode", color_mode, _CHANNELS)
    lookup("interpolation", interpolation, dict.fromkeys(("bilinear", "nearest", "bicubic", "lanczos3", "lanczos5")))
    _check_split(validation_split, subset, shuffle, seed, where)
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueError(sentence(where, "crop_to_aspect_ratio or pad_to_aspect_ratio", "both"))
    size = pair(image_size, "image_size", where)
    batch_size = None if batch_size is None else positive(batch_size, "batch_size", where)
    labels = None if label_mode is None else labels
    paths, numbers, names = _index(directory, labels, class_names, follow_links, where)
    encoded = None if numbers is None else _encoded(numbers, label_mode, names, where)
    if verbose:
        print(f"Found {len(paths)} files" + ("." if numbers is None else f" belonging to {len(names)} classes."))
    seed = int(config.stream("shuffling").integers(10**6)) if seed is None else seed
    order = shuffled(range(len(paths)), seed) if shuffle else list(range(len(paths)))
    fit_into = smart_resize if crop_to_aspect_ratio else padded if pad_to_aspect_ratio else resize
    read = partial(_read, color_mode=color_mode, change=partial(fit_into, size=size, interpolation=interpolation))
    shape = (*size, _CHANNELS[color_mode])

    def made(chosen: list[int], reshuffle: bool) -> Dataset:
        files = [paths[i] for i in chosen]
        own = None if encoded is None else encoded[chosen]
        shuffling = Shuffling(seed) if reshuffle else None
        walk = partial(_walk, files, own, read, shape, batch_size or 32, shuffling)
        stateful: list[Any] = [] if shuffling is None else [shuffling]
        data = Dataset(walk, -(-len(files) // (batch_size or 32)), stateful, None if numbers is None else names)
        if batch_size is None:
            data = Dataset(data.unbatch().epoch, len(files), stateful, data.class_names)
        data.file_paths = files
        return data

    if validation_split is None:
        return made(order, shuffle)
    held_out = int(validation_split * len(order))
    parts = {"training": order[: len(order) - held_out], "validation": order[len(order) - held_out :]}
    wanted = [name for name in parts if subset in (name, "both")]
    for name in wanted:
        if not parts[name]:
            received = f"validation_split={validation_split} of {len(order)} files"
            raise ValueError(sentence(where, f"at least one image for {name}", received))
        if verbose:
            print(f"Using {len(parts[name])} files for {name}.")
    found = [made(parts[name], shuffle and name == "training") for name in wanted]
    return found if subset == "both" else found[0]


def _check_split(fraction: float | None, subset: str | None, shuffle: bool, seed: int | None, where: str) -> None:
    if subset is not None:
        lookup("subset", subset, dict.fromkeys(("training", "validation", "both")))
    if (fraction is None) != (subset is None):
        received = f"validation_split={fraction} and subset={subset!r}"
        raise ValueError(sentence(where, "validation_split and subset together", received))
    if fraction is not None and not 0 < fraction < 1:
        raise ValueError(sentence(where, "validation_split between 0 and 1", f"validation_split={fraction}"))
    if fraction is not None and shuffle and seed is None:
        way_out = "Without one, the two parts would have images in common. For example seed=1."
        raise ValueError(sentence(where, "a seed for the split", "seed=None", way_out))


def _index(
    directory: str | os.PathLike[str],
    labels: str | Sequence[int] | None,
    class_names: Sequence[str] | None,
    follow_links: bool,
    where: str,
) -> tuple[list[str], Array | None, list[str]]:
    """(path of each file, its label, names of the classes) in alphabetical order."""
    if isinstance(labels, str) and labels != "inferred":
        raise ValueError(sentence(where, "labels='inferred', a list of numbers, or None", f"labels={labels!r}"))
    if class_names is not None and labels != "inferred":
        raise ValueError(sentence(where, "class_names with labels='inferred' only", f"labels={labels!r:.40}"))
    found = list_images(directory, class_names=class_names, follow_links=follow_links, labelled=isinstance(labels, str))
    paths = [os.path.join(directory, file) for file in found.files]
    if isinstance(labels, str):
        return paths, np.array(found.labels, np.int32), found.class_names
    if labels is None:
        return paths, None, []
    if len(labels) != len(paths):
        raise ValueError(sentence(where, f"a label for each of the {len(paths)} files", f"{len(labels)} labels"))
    return paths, np.array(labels, np.int32), [str(label) for label in sorted(set(labels))]


def _encoded(numbers: Array, mode: str | None, names: list[str], where: str) -> Array:
    """Class numbers (N,) as the labels of a mode."""
    lookup("label_mode", str(mode), dict.fromkeys(("int", "categorical", "binary")))
    if mode == "int":
        return numbers  # (N,)
    if mode == "categorical":
        return (numbers[:, None] == np.arange(len(names))).astype(np.float32)  # (N, classes)
    if len(names) != 2:
        raise ValueError(sentence(where, "two classes for label_mode='binary'", f"{len(names)}: {names}"))
    return numbers.astype(np.float32)[:, None]  # (N, 1)


def _walk(
    files: list[str],
    labels: Array | None,
    read: Callable[[str], Array],
    shape: tuple[int, int, int],
    batch_size: int,
    shuffling: Shuffling | None,
) -> Iterator[Any]:
    """One pass."""
    n = len(files)
    order = np.arange(n) if shuffling is None else shuffling.random().permutation(n)

    def pieces() -> Iterator[Callable[[], Any]]:
        for start in range(0, n, batch_size):
            chosen = order[start : start + batch_size]
            images = np.empty((len(chosen), *shape), np.float32)  # (N, H, W, C)
            for first in range(0, len(chosen), _PIECE):
                part = slice(first, first + _PIECE)
                batch = (images, chosen) if part.stop >= len(chosen) else None
                yield partial(fill, images[part], chosen[part], batch)

    def fill(images: Array, chosen: Array, batch: Any) -> Any:
        """Read a part of a batch; then the whole batch, if this was the last part of it."""
        for image, i in zip(images, chosen, strict=True):
            image[...] = read(files[i])
        return batch

    for batch in in_background(pieces(), ahead=_AHEAD * -(-batch_size // _PIECE)):
        if batch is not None:
            images, chosen = batch
            yield tensor(images) if labels is None else (tensor(images), tensor(labels[chosen]))


def _read(path: str, color_mode: str, change: Callable[[Array], Array]) -> Array:
    """An image file as (height, width, channels), 0 to 255."""
    pixels = np.asarray(eight_bits(load_img(path, color_mode)))  # (H, W) or (H, W, C)
    return change(pixels[..., None] if pixels.ndim == 2 else pixels)


def padded(image: Array, size: tuple[int, int], interpolation: str) -> Array:
    """The whole image (H, W, C) in the middle of a black one of this size, as large as fits."""
    ratio = max(np.float32(n) / np.float32(wanted) for n, wanted in zip(image.shape, size, strict=False))
    exact = [np.float32(n) / ratio for n in image.shape[:2]]  # height and width with a fraction
    height, width = (int(n) for n in exact)
    top, left = (int((wanted - n) / 2) for wanted, n in zip(size, exact, strict=True))
    result = np.zeros((*size, image.shape[2]), np.float32)  # (height, width, C)
    result[top : top + height, left : left + width] = resize(image, (height, width), interpolation)
    return result
