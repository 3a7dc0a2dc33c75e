"""Data that are walked again and again, element by element; an element is most often a batch ``(x, y)``.

    data = image_dataset_from_directory(...)            another Dataset each time, nothing is read yet
    data = data.map(lambda x, y: (x / 255, y)).cache()
    for x, y in data: ...                               one pass: elements are made while they are walked
    for x, y in data: ...                               the next pass

The names are those of ``tf.data.Dataset``. Elements are arrays, or tuples and dictionaries of them.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from itertools import chain, islice, repeat, takewhile
from typing import Any

import numpy as np

from tinyconv import config
from tinyconv.checks import positive, sentence
from tinyconv.preprocessing.background import in_background
from tinyconv.tensor import Tensor, tensor

__all__ = ["AUTOTUNE", "INFINITE_CARDINALITY", "UNKNOWN_CARDINALITY", "Dataset", "PyDataset"]

#: As a number of threads or elements: whatever suits.
AUTOTUNE = -1
INFINITE_CARDINALITY = -1
UNKNOWN_CARDINALITY = -2

_END = object()


class Dataset:
    """Something to walk again and again; see the head of this file.

    Args:
        begin: starts a pass and returns its elements.
        length: number of elements, `math.inf`, or None where that is not known.
        stateful: the parts that change from pass to pass, each with ``get_state`` and ``set_state``.
        class_names: what the labels mean, where they are known.

    Attributes:
        class_names: kept by all that is made from this data set.
        file_paths: of the images, in the order before shuffling; only where they were read from files.
    """

    file_paths: list[str]

    def __init__(
        self,
        begin: Callable[[], Iterator[Any]],
        length: float | None = None,
        stateful: "list[Shuffling | Cache] | None" = None,
        class_names: list[str] | None = None,
    ) -> None:
        self._begin, self._length, self._stateful = begin, length, stateful or []
        self.class_names = class_names

    @staticmethod
    def from_tensor_slices(tensors: Any) -> "Dataset":
        """The samples of arrays: the first axis is walked, of all of them together."""
        tensors = _each(np.asarray, tensors)
        lengths = {len(a) for a in _leaves(tensors)}
        if len(lengths) != 1:
            raise ValueError(sentence("from_tensor_slices", "arrays of one length", f"{sorted(lengths)}"))
        [n] = lengths
        return Dataset(lambda: map(partial(_sample, tensors), range(n)), n)

    @staticmethod
    def zip(*datasets: Any) -> "Dataset":
        """Tuples of one element of each data set, as long as the shortest lasts. They may be passed as one tuple."""
        parts = datasets[0] if isinstance(datasets[0], tuple) else datasets
        stateful = [one for part in parts for one in part._stateful]
        return Dataset(lambda: zip(*parts, strict=False), _length(min, parts), stateful)

    # Walking

    def epoch(self) -> Iterator[Any]:
        """The elements of one pass."""
        return self._begin()

    __iter__ = epoch

    def as_numpy_iterator(self) -> Iterator[Any]:
        """One pass, as plain arrays."""
        return (_each(np.asarray, element) for element in self)

    def __len__(self) -> int:
        if self.is_endless or self._length is None:
            kind = "endless" if self.is_endless else "of unknown length"
            raise TypeError(sentence("len(Dataset)", "a data set that knows its length", f"one that is {kind}"))
        return int(self._length)

    def __bool__(self) -> bool:
        return True

    def cardinality(self) -> Tensor:
        """Number of elements; -1 for infinitely many, -2 where that is not known before they were walked."""
        if self._length is None:
            return tensor(UNKNOWN_CARDINALITY)
        return tensor(INFINITE_CARDINALITY if self.is_endless else int(self._length))

    @property
    def is_endless(self) -> bool:
        """Whether a pass never ends."""
        return self._length == math.inf

    def __repr__(self) -> str:
        names = "" if self.class_names is None else f", class_names={self.class_names}"
        return f"<Dataset of {'unknown length' if self._length is None else f'{self._length} elements'}{names}>"

    # Making another one

    def take(self, count: int) -> "Dataset":
        """The first so many elements; all for -1."""
        return self if count == -1 else self._with(lambda walk: islice(walk, count), lambda n: min(n, count))

    def skip(self, count: int) -> "Dataset":
        """Without the first so many elements."""
        return self._with(lambda walk: islice(walk, count, None), lambda n: max(n - count, 0))

    def repeat(self, count: int | None = None) -> "Dataset":
        """So many passes as one; infinitely many unless given."""
        times = None if count in (None, -1) else count

        def walk() -> Iterator[Any]:
            for _ in repeat(None) if times is None else range(times):
                element = _END
                for element in self:
                    yield element
                if element is _END:  # the passes to come would be as empty, for ever
                    return

        length = self._length
        if length:
            length *= math.inf if times is None else times
        return Dataset(walk, length, self._stateful, self.class_names)

    def map(
        self, function: Callable[..., Any], num_parallel_calls: int | None = None, deterministic: bool = True
    ) -> "Dataset":
        """What a function makes of each element.

        Args:
            function: takes an element; the parts of a tuple as so many arguments.
            num_parallel_calls: threads that call it, ahead of time. `AUTOTUNE` is one, so that random numbers are
                drawn in the same order in every run. Unless given, the thread that walks the elements calls it.
            deterministic: the order always stays.
        """

        def call(element: Any) -> Any:
            return _each(tensor, function(*element) if isinstance(element, tuple) else function(element))

        if num_parallel_calls is None:
            return self._with(lambda walk: map(call, walk))
        workers = 1 if num_parallel_calls == AUTOTUNE else positive(num_parallel_calls, "num_parallel_calls", "map")
        return self._with(lambda walk: in_background((partial(call, element) for element in walk), workers))

    def filter(self, predicate: Callable[..., Any]) -> "Dataset":
        """The elements that a function says True to."""

        def chosen(element: Any) -> bool:
            return bool(predicate(*element) if isinstance(element, tuple) else predicate(element))

        return self._with(lambda walk: filter(chosen, walk), _unknown)

    def concatenate(self, dataset: "Dataset") -> "Dataset":
        """The elements of this data set, and then those of another one."""
        stateful = [*self._stateful, *dataset._stateful]
        return Dataset(lambda: chain(self, dataset), _length(sum, [self, dataset]), stateful, self.class_names)

    def shuffle(self, buffer_size: int, seed: int | None = None, reshuffle_each_iteration: bool = True) -> "Dataset":
        """Another order, a new one in each pass.

        Of the next ``buffer_size`` elements one is taken at random, again and again; so a small buffer mixes little.

        Args:
            buffer_size: elements that are held in memory.
            seed: decides the orders of all passes. Unless given it is drawn here, from the stream for shuffling.
            reshuffle_each_iteration: False for the same order in each pass.
        """
        size = positive(buffer_size, "buffer_size", "shuffle")
        shuffling = Shuffling(seed, reshuffle_each_iteration)

        def walk() -> Iterator[Any]:
            random = shuffling.random()
            held: list[Any] = []
            for element in self:
                if len(held) < size:
                    held.append(element)
                    continue
                i = int(random.integers(size))
                yield held[i]
                held[i] = element
            yield from (held[i] for i in random.permutation(len(held)))

        return Dataset(walk, self._length, [*self._stateful, shuffling], self.class_names)

    def batch(self, batch_size: int, drop_remainder: bool = False) -> "Dataset":
        """So many elements as one, with a new first axis; the last may have fewer, unless dropped."""
        size = positive(batch_size, "batch_size", "batch")

        def stacked(walk: Iterator[Any]) -> Iterator[Any]:
            while elements := [*islice(walk, size)]:
                if len(elements) == size or not drop_remainder:
                    yield _each(lambda *parts: tensor(np.stack(parts)), *elements)

        def batches(n: float) -> float:
            return n if n == math.inf else n // size if drop_remainder else -(-n // size)

        return self._with(stacked, batches)

    def unbatch(self) -> "Dataset":
        """The samples of each batch, one by one."""

        def samples(batch: Any) -> Iterator[Any]:
            return map(partial(_sample, batch), range(len(_leaves(batch)[0])))

        return self._with(lambda walk: chain.from_iterable(map(samples, walk)), _unknown)

    def cache(self, filename: str = "") -> "Dataset":
        """The same elements in each pass, kept in memory from the first whole one on. They cannot be written to."""
        if filename:
            raise ValueError(sentence("cache", "no file name", f"{filename!r}", "Elements are kept in memory only."))
        kept = Cache(self)
        return Dataset(kept.walk, self._length, [kept], self.class_names)

    def prefetch(self, buffer_size: int) -> "Dataset":
        """The same elements, so many of which are made in another thread before they are asked for."""
        ahead = 2 if buffer_size == AUTOTUNE else buffer_size
        if ahead == 0:
            return self

        def walk(source: Iterator[Any]) -> Iterator[Any]:
            # Closed here and now: Python would lose a Ctrl-C that comes while it drops what it no longer needs.
            with closing(in_background(repeat(partial(next, source, _END)), 1, ahead)) as elements:
                yield from takewhile(lambda element: element is not _END, elements)

        return self._with(walk)

    def _with(
        self, change: Callable[[Iterator[Any]], Iterator[Any]], length: Callable[[float], float | None] = lambda n: n
    ) -> "Dataset":
        """This data set, its passes changed."""
        n = None if self._length is None else length(self._length)
        return Dataset(lambda: change(iter(self)), n, self._stateful, self.class_names)

    # Going on in another process

    def get_state(self) -> dict[str, Any]:
        """What the order of the passes to come depends on, as plain numbers."""
        return {"parts": [part.get_state() for part in self._stateful]}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on where `get_state` was called."""
        for part, its_state in zip(self._stateful, state["parts"], strict=True):
            part.set_state(its_state)


class Shuffling:
    """The random numbers of one pass after another: they depend on a seed and the number of the pass alone.

    Args:
        seed: drawn from the stream for shuffling unless given.
        each_pass: False for the same numbers in each pass.
    """

    def __init__(self, seed: int | None = None, each_pass: bool = True) -> None:
        self.seed = int(config.stream("shuffling").integers(2**31)) if seed is None else int(seed)
        self.each_pass, self.passes = each_pass, 0

    def random(self) -> np.random.Generator:
        """The random numbers of the next pass."""
        self.passes += self.each_pass
        return np.random.default_rng([self.seed, self.passes])

    def get_state(self) -> dict[str, Any]:
        """Seed and number of passes begun."""
        return {"seed": self.seed, "passes": self.passes}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on where `get_state` was called."""
        self.seed, self.passes = state["seed"], state["passes"]


class Cache:
    """The elements of a data set's first whole pass.

    Its state is that of the data set before this pass, so that another process can fill a cache with the same.
    """

    def __init__(self, source: Dataset) -> None:
        self.source = source
        self._elements: list[Any] | None = None
        self._began: dict[str, Any] = {}

    def walk(self) -> Iterator[Any]:
        """One pass."""
        if self._elements is not None:
            yield from self._elements
            return
        began, elements = self.source.get_state(), []
        for element in self.source:
            elements.append(_each(_locked, element))
            yield elements[-1]
        self._began, self._elements = began, elements

    def get_state(self) -> dict[str, Any]:
        """The data set's state, before the cache was filled if it is."""
        return self.source.get_state() if self._elements is None else self._began

    def set_state(self, state: dict[str, Any]) -> None:
        """Forget all elements, and go on where `get_state` was called."""
        self._elements = None
        self.source.set_state(state)


class PyDataset:
    """Batches by their numbers: what to inherit from. Write ``__len__`` and ``__getitem__``, as for Keras.

    Args:
        workers: threads that fetch batches ahead of their use, if more than 1.
        use_multiprocessing, max_queue_size: taken for Keras's sake, and without effect.
    """

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10) -> None:
        self.workers = workers
        self.use_multiprocessing, self.max_queue_size = use_multiprocessing, max_queue_size

    def __len__(self) -> int:
        raise NotImplementedError

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError

    def on_epoch_begin(self) -> None:
        """Called before each pass."""

    def on_epoch_end(self) -> None:
        """Called after each epoch."""


def _locked(array: Any) -> Tensor:
    """The array, no longer to be written to."""
    locked = tensor(array)
    locked.flags.writeable = False
    return locked


def _each(function: Callable[..., Any], *elements: Any) -> Any:
    """A function of the arrays at the same place in each of the elements."""
    first = elements[0]
    if isinstance(first, tuple):
        return tuple(_each(function, *parts) for parts in zip(*elements, strict=True))
    if isinstance(first, Mapping):
        return {key: _each(function, *(element[key] for element in elements)) for key in first}
    return function(*elements)


def _sample(batch: Any, i: int) -> Any:
    """Sample i of a batch."""
    return _each(lambda a: tensor(a[i]), batch)


def _length(together: Callable[[list[float]], float], parts: Sequence[Dataset]) -> float | None:
    """The number of elements of several data sets together, unless that of one is not known."""
    known = [part._length for part in parts if part._length is not None]
    return together(known) if len(known) == len(parts) else None


def _unknown(n: float) -> float | None:
    """The number of elements where each may become more or fewer."""
    return n if n in (0, math.inf) else None


def _leaves(element: Any) -> list[Any]:
    """All arrays of an element."""
    found: list[Any] = []
    _each(found.append, element)
    return found
