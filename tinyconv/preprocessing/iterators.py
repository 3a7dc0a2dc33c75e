"""Batches of images from an array, a folder or a table, read and changed by chance as they are needed.

    draw      which images come next, and how each one is changed        in order, by the seed
    read      the files, or the rows of the array                        \\
    change    as drawn: one warp for the batch, colours, standardising    > anywhere, at any time
    label     by the folder or the column                                /

Only drawing depends on what came before. `Iterator.epoch` draws for the next batches and has other threads do the rest,
while the caller is busy with this one; `next` and `[i]` do it on the spot. All give what Keras's iterators give for the
same seed: each batch has a source of random numbers of its own, whose seed is the iterator's plus the batches so far.
"""

import threading
import warnings
from collections import deque
from collections.abc import Callable
from collections.abc import Iterator as Walk
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinyconv import config
from tinyconv._types import Array
from tinyconv.checks import channels_last, positive, sentence
from tinyconv.preprocessing.background import in_background
from tinyconv.preprocessing.files import save_img

__all__ = ["ImageIterator", "Iterator", "NumpyArrayIterator"]


class _Place(NamedTuple):
    """Where an iterator stands: batches of this pass and of all, and the order of this pass."""

    batch_index: int
    total_batches_seen: int
    index_array: Array | None


class Iterator:
    """Numbers of samples in batches, pass after pass without an end.

    Args:
        n: number of samples.
        batch_size: samples in a batch; the last one of a pass may be smaller.
        shuffle: whether each pass has an order of its own.
        seed: a whole number from 0; drawn from the stream for augmentation unless given.

    Attributes:
        batch_index: batches of this pass that `next` has given.
        total_batches_seen: batches that were given at all.
        index_array: the order of this pass; None before the first.
    """

    white_list_formats = ("png", "jpg", "jpeg", "bmp", "ppm", "tif", "tiff")
    #: Whether the same sample looks different in each pass.
    augments = False
    #: Threads that may work on batches ahead of time; None for as many as the engine uses.
    _workers: int | None = None

    def __init__(self, n: int, batch_size: int, shuffle: bool, seed: int | None) -> None:
        name = type(self).__name__
        if n < 1:
            raise ValueError(sentence(name, "at least one image", f"{n}"))
        if seed is not None:
            positive(seed, "seed", name, least=0)
        self.n, self.batch_size = n, positive(batch_size, "batch_size", name)
        self.shuffle, self.seed = shuffle, seed
        self._base = int(config.stream("augmentation").integers(2**31)) if seed is None else int(seed)
        self._random: np.random.RandomState | None = None  # of the last batch
        self.lock = threading.Lock()
        self.batch_index, self.total_batches_seen = 0, 0
        self.index_array: Array | None = None

    def __len__(self) -> int:
        return -(-self.n // self.batch_size)

    def __iter__(self) -> "Iterator":
        return self

    def __next__(self) -> Any:
        with self.lock:
            task, place = self._draw(self._place)
            self._go_to(place)
        return task()

    def next(self) -> Any:
        """The next batch, as programs for older versions of Keras ask for it."""
        return next(self)

    def __getitem__(self, idx: int) -> Any:
        n = len(self)
        if not -n <= idx < n:
            raise IndexError(sentence(f"{type(self).__name__}[{idx}]", f"a number from 0 to {n - 1}", f"{idx}"))
        with self.lock:
            random = self._begin(self.total_batches_seen)
            if self.index_array is None:
                self.index_array = self._order(random)
            self.total_batches_seen += 1
            task = self._task(self._numbers(self.index_array, idx % n), random)
        return task()

    def epoch(self) -> Walk[Any]:
        """The batches of one pass, from its beginning: those that `next` gives, made ahead of time in other threads.

        Ended early, or looked at from outside, the iterator stands behind the last batch that was handed out.
        """
        self.reset()
        ahead: deque[_Place] = deque()

        def tasks() -> Walk[Callable[[], Any]]:
            place = self._place
            for _ in range(len(self)):
                task, place = self._draw(place)
                ahead.append(place)
                yield task

        with closing(in_background(tasks(), self._workers)) as batches:
            for batch in batches:
                self._go_to(ahead.popleft())
                yield batch

    def reset(self) -> None:
        """The next batch begins a new pass."""
        self.batch_index = 0

    def on_epoch_end(self) -> None:
        """A new order, for those who take batches by number."""
        self.index_array = self._order(self._random or self._begin(self.total_batches_seen))

    def get_state(self) -> dict[str, Any]:
        """Where the iterator stands, as plain numbers."""
        order = None if self.index_array is None else self.index_array.tolist()
        return {"seed": self._base, "batches": [self.batch_index, self.total_batches_seen], "order": order}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on where `get_state` was called.

        Raises:
            ValueError: if that was with another number of samples.
        """
        order = state["order"] if state["order"] is None else np.array(state["order"], np.intp)
        if order is not None and len(order) != self.n:
            received = f"one of {len(order)}"
            raise ValueError(sentence(type(self).__name__, f"the state of a pass over {self.n} images", received))
        self._base, self._random = state["seed"], None
        self._go_to(_Place(state["batches"][0], state["batches"][1], order))

    @property
    def _place(self) -> _Place:
        return _Place(self.batch_index, self.total_batches_seen, self.index_array)

    def _go_to(self, place: _Place) -> None:
        self.batch_index, self.total_batches_seen, self.index_array = place

    def _draw(self, place: _Place) -> tuple[Callable[[], Any], _Place]:
        """What is to be done for the batch that comes next, and where the iterator stands then."""
        at, seen, known = place
        random = self._begin(seen)
        order = self._order(random) if at == 0 or known is None else known
        task = self._task(self._numbers(order, at), random)
        return task, _Place((at + 1) % len(self), seen + 1, order)

    def _begin(self, seen: int) -> np.random.RandomState:
        self._random = np.random.RandomState((self._base + seen) % 2**32)
        return self._random

    def _order(self, random: np.random.RandomState) -> Array:
        return random.permutation(self.n) if self.shuffle else np.arange(self.n)

    def _numbers(self, order: Array, i: int) -> Array:
        return order[i * self.batch_size : (i + 1) * self.batch_size]

    def _task(self, which: Array, random: np.random.RandomState) -> Callable[[], Any]:
        """Draw all random numbers for a batch, and return a function that makes the batch: to be written by each kind.

        Args:
            which: numbers of the samples.
            random: where the numbers come from.
        """
        raise NotImplementedError


class ImageIterator(Iterator):
    """Images by number, changed as an `ImageDataGenerator` says, and written to files if one wants to look at them.

    Args:
        n: number of images.
        image_shape: (H, W, C).
        image_data_generator: changes the images; None leaves them.
        order: batch_size, shuffle and seed, as in `Iterator`.
        save: save_to_dir, save_prefix and save_format; a folder or None, and how the files in it are named.
        dtype: float type of the batches.
    """

    #: Random numbers in the names of those files are below this.
    most = 10**7

    def __init__(
        self,
        n: int,
        image_shape: tuple[int, ...],
        image_data_generator: Any,
        order: tuple[int, bool, int | None],
        save: tuple[Any, str, str],
        dtype: Any,
    ) -> None:
        super().__init__(n, *order)
        self.image_shape, self.image_data_generator = image_shape, image_data_generator
        self.save_to_dir, self.save_prefix, self.save_format = save
        self.dtype = np.dtype(dtype or config.floatx()).name
        self.augments = bool(getattr(image_data_generator, "augments", False))
        if getattr(image_data_generator, "preprocessing_function", None):
            self._workers = 1  # it is the user's own, and sees the images one after another, in their order
        if self.save_to_dir and not Path(self.save_to_dir).is_dir():
            received, way_out = "no folder of this name", "Make it first."
            raise FileNotFoundError(sentence(f"save_to_dir {self.save_to_dir}", "a folder", received, way_out))

    def _task(self, which: Array, random: np.random.RandomState) -> Callable[[], Any]:
        generator = self.image_data_generator
        chosen = [generator.get_random_transform(self.image_shape, random) for _ in which] if generator else []
        names = [f"{self.save_prefix}_{j}_{random.randint(self.most)}" for j in which] if self.save_to_dir else []

        def task() -> Any:
            images = self._read(which)  # (N, H, W, C)
            if generator:
                images = generator.prepared(images, chosen)
            images = images.astype(self.dtype, copy=False)
            for image, name in zip(images, names):
                save_img(Path(self.save_to_dir, f"{name}.{self.save_format}"), image)
            return self._with_labels(images, which)

        return task

    def _read(self, which: Array) -> Array:
        """The images (N, H, W, C) as they are, bytes or floats."""
        raise NotImplementedError

    def _with_labels(self, images: Array, which: Array) -> Any:
        """The batch as it is handed out."""
        raise NotImplementedError


class NumpyArrayIterator(ImageIterator):
    """Batches from an array of images.

    Args:
        x: images (N, H, W, C), or a pair of them and another array or list of arrays of as many samples, which stand
            beside the images in every batch.
        y: labels, any array of N; None for batches of images alone.
        image_data_generator: changes the images.
        batch_size, shuffle, seed: as in `Iterator`.
        sample_weight: a number for each sample.
        data_format: only ``'channels_last'``.
        save_to_dir, save_prefix, save_format: a folder where every image that is handed out is written to, under a name
            of the prefix, the image's number and a random one; and the ending, which is the format.
        subset: ``'validation'`` for the first samples, as many as the generator's validation_split says; ``'training'``
            for the others. Each with its own sample weights, where Keras mixes them up.
        ignore_class_split: whether the two subsets may have different labels.
        dtype: float type of the images.

    Raises:
        ValueError: for other shapes, unequal lengths, or subsets of different labels.
        FileNotFoundError: if there is no folder ``save_to_dir``.
    """

    most = 10**4

    def __init__(
        self,
        x: Any,
        y: Any,
        image_data_generator: Any,
        batch_size: int = 32,
        shuffle: bool = False,
        sample_weight: Any = None,
        seed: int | None = None,
        data_format: str | None = None,
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        ignore_class_split: bool = False,
        dtype: Any = None,
    ) -> None:
        self.data_format = channels_last(data_format, "flow")
        images, beside = _images_and_more(x)
        labels = None if y is None else np.asarray(y)
        weights = None if sample_weight is None else np.asarray(sample_weight)
        _check_lengths({"x": images, "x[1]": beside, "y": labels, "sample_weight": weights})
        part = slice(None)
        if subset is not None:
            part = part_of(len(images), split_of(subset, image_data_generator, "flow"))
            if labels is not None and not ignore_class_split:
                _check_same_labels(labels, int(image_data_generator.validation_split * len(images)))
        self.x, self.x_misc = images[part], [array[part] for array in beside]
        self.y = None if labels is None else labels[part]
        self.sample_weight = None if weights is None else weights[part]
        order, save = (batch_size, shuffle, seed), (save_to_dir, save_prefix, save_format)
        super().__init__(len(self.x), self.x.shape[1:], image_data_generator, order, save, dtype)

    def _read(self, which: Array) -> Array:
        images = self.x[which]
        return images if images.dtype == np.uint8 else images.astype(self.dtype, copy=False)

    def _with_labels(self, images: Array, which: Array) -> Any:
        x = [images, *(array[which] for array in self.x_misc)] if self.x_misc else images
        if self.y is None:
            return x
        weights = () if self.sample_weight is None else (self.sample_weight[which],)
        return (x, self.y[which], *weights)


def split_of(subset: str, generator: Any, where: str) -> tuple[float, float]:
    """The part of the data that a subset is: fractions where it begins and ends."""
    fraction = getattr(generator, "validation_split", 0)
    parts = {"validation": (0.0, fraction), "training": (fraction, 1.0)}
    if subset not in parts:
        raise ValueError(sentence(where, "subset='training' or 'validation'", f"subset={subset!r}"))
    if subset == "validation" and not fraction:
        way_out = "For example ImageDataGenerator(validation_split=0.2)."
        expected, received = "a generator with a validation_split", f"subset={subset!r} of one without"
        raise ValueError(sentence(where, expected, received, way_out))
    return parts[subset]


def part_of(n: int, split: tuple[float, float] | None) -> slice:
    """Which of n samples belong to a part of the data, None for all."""
    return slice(None) if split is None else slice(int(split[0] * n), int(split[1] * n))


def _images_and_more(x: Any) -> tuple[Array, list[Array]]:
    """The images (N, H, W, C), and what stands beside them."""
    beside: list[Array] = []
    if isinstance(x, list | tuple):
        if len(x) != 2:
            way_out = "Put single images together: np.stack(images)."
            expected = "x as one array (N, H, W, C), or a pair of it and other arrays"
            raise ValueError(sentence("flow", expected, f"a {type(x).__name__} of {len(x)}", way_out))
        x, more = x
        beside = [np.asarray(array) for array in (more if isinstance(more, list) else [more])]
    images = np.asarray(x)
    if images.dtype.kind not in "biuf" or images.ndim != 4:
        received = f"x.shape={images.shape}, dtype {images.dtype}"
        way_out = "Grey images need an axis of one channel: x[..., None]." if images.ndim == 3 else ""
        raise ValueError(sentence("flow", "images as numbers of shape (N, H, W, C)", received, way_out))
    if images.shape[3] not in (1, 3, 4):
        text = sentence("flow", "1, 3 or 4 channels on the last axis", f"x.shape={images.shape}")
        warnings.warn(text, UserWarning, stacklevel=4)
    return images, beside


def _check_lengths(arrays: dict[str, Any]) -> None:
    lengths = {}
    for name, array in arrays.items():
        for one in array if isinstance(array, list) else [array]:
            if one is not None:
                lengths[name] = len(one) if one.ndim else 0
                if lengths[name] != lengths["x"]:
                    received = ", ".join(f"{n} in {name}" for name, n in lengths.items())
                    raise ValueError(sentence("flow", "as many samples in each array", received))


def _check_same_labels(y: Array, at: int) -> None:
    """ValueError if the first ``at`` labels and the others are not of the same kinds."""
    if not np.array_equal(np.unique(y[:at]), np.unique(y[at:])):
        received = f"other labels in the first {at} samples than in the last {len(y) - at}"
        way_out = "Shuffle the data before, or pass ignore_class_split=True."
        raise ValueError(sentence("flow", "the same classes in both subsets", received, way_out))
