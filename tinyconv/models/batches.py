"""From what a user passes as data to batches of arrays.

Arrays are cut into batches here, generators and data sets are asked for theirs, and both are checked: nothing that is
empty, not a number, or of unequal lengths reaches the network.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, count, islice
from typing import Any, NamedTuple

import numpy as np

from tinyconv import config
from tinyconv._types import Array
from tinyconv.checks import first_index, positive, sentence


class Batch(NamedTuple):
    """Some samples: arrays by input, labels by output, and the weight of each sample by output."""

    x: list[Array]
    y: list[Array]
    weights: list[Array | None]

    @property
    def size(self) -> int:
        """Number of samples."""
        return len(self.x[0])

    def take(self, which: Any) -> "Batch":
        """The samples that an index, slice or permutation chooses."""
        weights = [None if w is None else w[which] for w in self.weights]
        return Batch([a[which] for a in self.x], [a[which] for a in self.y], weights)

    def split(self, fraction: float) -> tuple["Batch", "Batch"]:
        """(the first samples, the last ``fraction`` of them), each at least one.

        Raises:
            ValueError: if one side would be empty.
        """
        at = int(self.size * (1 - fraction))
        if not 0 < fraction < 1 or not 0 < at < self.size:
            received = f"validation_split={fraction} of {self.size} samples"
            raise ValueError(sentence("fit", "a fraction that leaves samples on both sides", received))
        return self.take(slice(0, at)), self.take(slice(at, None))

    def weighted(self, class_weight: Mapping[int, float] | None) -> "Batch":
        """The same samples, each weight multiplied by that of the sample's class.

        Raises:
            TypeError: if class_weight is no dictionary with class numbers as keys.
            ValueError: if there are several outputs, whose classes would be meant.
        """
        if class_weight is None:
            return self
        if not isinstance(class_weight, Mapping) or not all(isinstance(c, int | np.integer) for c in class_weight):
            expected = "class_weight as a dictionary from class numbers to weights"
            way_out = "For example {0: 1.0, 1: 2.5}."
            raise TypeError(sentence("fit", expected, f"class_weight={class_weight!r}", way_out))
        if len(self.y) != 1:
            raise ValueError(sentence("fit", "one output, for class_weight", f"{len(self.y)}", "Use sample_weight."))
        y = self.y[0]
        classes = y.argmax(-1) if y.ndim > 1 and y.shape[-1] > 1 else y.reshape(self.size)
        factors = np.array([class_weight.get(int(c), 1.0) for c in classes])
        own = self.weights[0]
        return self._replace(weights=[factors if own is None else factors * own])


class Arrays:
    """Arrays, cut into batches.

    Samples that do not lie side by side, or are of another type than wanted, are copied together into memory that is
    used again for later batches, unless somebody has kept the batch.

    Args:
        samples: all of them.
        batch_size: samples in a batch; the last one may be smaller.
        shuffle: whether each pass takes them in a new random order.
        steps: batches in a pass of a fixed length, which goes on where the last one stopped; None for all there are.
        dtype: float type that x is wanted in; as it is, if None.
    """

    def __init__(
        self,
        samples: Batch,
        batch_size: int,
        shuffle: bool = False,
        steps: int | None = None,
        dtype: Any = None,
    ) -> None:
        self.samples, self.shuffle = samples, shuffle
        self.batch_size = positive(batch_size, "batch_size", "batches")
        self._endless = None if steps is None else chain.from_iterable(self._once() for _ in count())
        self.steps = -(-samples.size // self.batch_size) if steps is None else positive(steps, "steps", "batches")
        most = min(samples.size, self.batch_size)
        self._x = [_Gatherer(a, most, a.dtype if dtype is None else np.dtype(dtype)) for a in samples.x]
        self._y = [_Gatherer(a, most, a.dtype) for a in samples.y]
        self._weights = [None if w is None else _Gatherer(w, most, w.dtype) for w in samples.weights]
        self._orders = _Room((samples.size,), np.dtype(np.int64))

    @property
    def first(self) -> Batch:
        """All samples: shapes and labels can be checked before training starts."""
        return self.samples

    def __iter__(self) -> Iterator[Batch]:
        return self._once() if self._endless is None else islice(self._endless, self.steps)

    def _once(self) -> Iterator[Batch]:
        n, size = self.samples.size, self.batch_size
        order = self._order() if self.shuffle else None
        for start in range(0, n, size):
            yield self._take(slice(start, min(start + size, n)) if order is None else order[start : start + size])

    def _order(self) -> Array:
        """All samples' numbers in a random order: what ``permutation(n)`` of the stream returns, in used memory."""
        order = self._orders.free()
        order.fill(1)
        order[0] = 0
        np.cumsum(order, out=order)  # 0, 1, 2, ...
        config.stream("shuffling").shuffle(order)
        return order

    def _take(self, which: Any) -> Batch:
        weights = [None if gatherer is None else gatherer.take(which) for gatherer in self._weights]
        return Batch([gatherer.take(which) for gatherer in self._x], [g.take(which) for g in self._y], weights)


#: Bytes that are copied at once where that needs room for a copy in between.
_PIECE = 2**17


class _Gatherer:
    """Copies chosen samples of an array together.

    Args:
        source: all samples.
        most: how many are chosen at most.
        dtype: of the copies.
    """

    def __init__(self, source: Array, most: int, dtype: np.dtype[Any]) -> None:
        self.source, self.dtype = source, dtype
        self._room = _Room((most, *source.shape[1:]), dtype)
        self._is_ready = source.dtype == dtype and source.flags.c_contiguous
        self._rows = max(_PIECE // max(source[:1].nbytes, 1), 1)

    @config.silent_floats()
    def take(self, which: Any) -> Array:
        """The samples of a slice, in place where they are of the wanted type; those of an index array as a copy."""
        if isinstance(which, slice):
            part = self.source[which]
            return part if part.dtype == self.dtype else self._copy(part)
        taken = self._room.free()[: len(which)]
        if self._is_ready:
            return np.take(self.source, which, 0, taken, mode="clip")  # the other modes copy twice, all else too
        for start in range(0, len(which), self._rows):
            some = which[start : start + self._rows]
            taken[start : start + len(some)] = self.source[some if len(some) > 1 else some[0]]
        return taken

    def _copy(self, part: Array) -> Array:
        copied = self._room.free()[: len(part)]
        copied[...] = part
        return copied


class _Room:
    """Arrays of one shape to write into. One that anybody still holds, or a view of it, is left to them."""

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._shape, self._dtype = shape, dtype
        self._arrays: list[Array] = []

    def free(self) -> Array:
        """An array that nobody else holds; what is in it does not matter."""
        for i in range(len(self._arrays)):
            if sys.getrefcount(self._arrays[i]) <= _HELD_BY_A_LIST:
                return self._arrays[i]
        new = [np.empty(self._shape, self._dtype) for _ in range(1 if self._arrays else 2)]
        self._arrays = [*new, *self._arrays[:2]]  # two take turns, for a loop still holds the last batch
        return self._arrays[0]


def _held_by_a_list() -> int:
    alone = [np.empty(1)]
    return sys.getrefcount(alone[0])


#: Python's count of an array's holders where a list is the only one.
_HELD_BY_A_LIST = _held_by_a_list()


class Stream:
    """Batches from a generator, a data set, or an object with ``__len__`` and ``__getitem__``.

    A generator goes on where the last pass stopped; everything else starts anew with each pass.

    Args:
        source: yields ``x``, ``(x, y)`` or ``(x, y, sample_weight)``, arrays of one batch each.
        names: of the model's inputs and outputs, for dictionaries.
        steps: batches in a pass; None for all there are.
        need_labels: whether a batch without y is an error.
        finite: whether a NaN or infinity is an error.
    """

    def __init__(
        self,
        source: Any,
        names: tuple[list[str], list[str]],
        steps: int | None,
        need_labels: bool,
        finite: bool,
        where: str,
    ) -> None:
        self.source, self.names, self.where = source, names, where
        self.need_labels, self.finite = need_labels, finite
        self.steps = len(source) if steps is None and hasattr(source, "__len__") else steps
        self._running = source if hasattr(source, "__next__") else None  # a generator, to be walked once
        self._peeked: list[Any] = []

    @property
    def first(self) -> Batch:
        """The first batch, which is not lost to the next pass.

        Raises:
            ValueError: if there is none.
        """
        if not self._peeked:
            batches = self._begin()
            found = next(batches, None)
            if found is None:
                raise ValueError(sentence(self.where, "at least one batch", "an iterator that is empty"))
            self._peeked.append(found)
            self._rest = batches
        return self._checked(self._peeked[0])

    def __iter__(self) -> Iterator[Batch]:
        ended = True
        for batch in islice(self._resume(), self.steps):
            ended = False
            yield self._checked(batch)
        if ended:
            way_out = "Pass a generator that goes on, or a data set that begins anew with each epoch."
            raise ValueError(sentence(self.where, "batches in every epoch", "a generator that has ended", way_out))
        if hasattr(self.source, "on_epoch_end"):
            self.source.on_epoch_end()

    def _begin(self) -> Iterator[Any]:
        if self._running is not None:
            return self._running
        if hasattr(self.source, "__iter__"):
            return iter(self.source)
        return (self.source[i] for i in range(len(self.source)))

    def _resume(self) -> Iterator[Any]:
        # Not written with `yield from`: when such a function is dropped, it closes the user's generator with itself.
        return chain([self._peeked.pop()], self._rest) if self._peeked else self._begin()

    def _checked(self, batch: Any) -> Batch:
        parts = batch if isinstance(batch, tuple) else (batch,)
        if not 1 <= len(parts) <= 3:
            expected = "batches of x, (x, y) or (x, y, sample_weight)"
            raise ValueError(sentence(self.where, expected, f"a tuple of {len(parts)}"))
        if len(parts) == 1 and self.need_labels:
            received = "lists" if isinstance(batch, list) else "batches of x alone"
            raise ValueError(sentence(self.where, "batches of (x, y)", received, "Yield tuples: yield x, y."))
        return samples(*parts, names=self.names, where=self.where, finite=self.finite)


def is_stream(x: Any, where: str = "", **beside: Any) -> bool:
    """True for a generator or data set, False for arrays and lists or dictionaries of them.

    Raises:
        ValueError: if one of the arguments ``beside`` it, which go with arrays only, is given with a generator.
    """
    if isinstance(x, np.ndarray | list | tuple | Mapping | str | bytes) or hasattr(x, "__array__"):
        return False
    if not isinstance(x, Iterable) and not (hasattr(x, "__getitem__") and hasattr(x, "__len__")):
        return False
    extra = next((name for name, value in beside.items() if value is not None), None)
    if extra is not None:
        way_out = "Use validation_data=." if extra == "validation_split" else "Let it yield (x, y, sample_weight)."
        raise ValueError(sentence(where, f"no {extra}= beside a generator or data set", f"{extra}= and x=", way_out))
    return True


def samples(
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    names: tuple[list[str], list[str]],
    where: str,
    finite: bool = False,
) -> Batch:
    """Whatever a user calls x, y and sample_weight as one `Batch`, checked.

    Args:
        x, y: an array, a list or a dictionary of arrays where the model has several inputs or outputs.
        sample_weight: one weight per sample, or a list of such arrays by output.
        names: of the model's inputs and outputs.
        where: who is asking, for errors.
        finite: whether a NaN or infinity in x or y is an error.

    Raises:
        ValueError: for no samples, unequal lengths, strings, objects, or, if asked for, NaN and infinity.
    """
    inputs = _by_name("x", x, names[0], where)
    labels = [] if y is None else _by_name("y", y, names[1], where)
    weights = _weights(sample_weight, names[1], where)
    known = [*_named("x", inputs), *_named("y", labels)]
    known += [("sample_weight", w) for w in weights if w is not None]
    _check_lengths(known, where)
    if finite:
        for role, array in known:
            _check_finite(role, array, where)
    return Batch(inputs, labels, weights)


def _weights(given: Any, outputs: list[str], where: str) -> list[Array | None]:
    """Sample weights by output: none, one array for all, or one for each."""
    if given is None:
        return [None] * len(outputs)
    if isinstance(given, list | tuple | Mapping) and len(outputs) > 1:
        return [*_by_name("sample_weight", given, outputs, where)]
    return [_array("sample_weight", given, where)] * len(outputs)


def _named(role: str, group: list[Array]) -> list[tuple[str, Array]]:
    return [(f"{role}[{i}]" if len(group) > 1 else role, array) for i, array in enumerate(group)]


def _by_name(role: str, given: Any, names: list[str], where: str) -> list[Array]:
    """The arrays in the order of the model's inputs or outputs."""
    if isinstance(given, Mapping):
        missing = [name for name in names if name not in given]
        if missing:
            raise ValueError(sentence(where, f"{role} by the names {names}", f"{sorted(given)}"))
        given = [given[name] for name in names]
    elif len(names) == 1:
        given = [given]
    if not isinstance(given, list | tuple) or len(given) != len(names):
        count = len(given) if isinstance(given, list | tuple) else 1
        raise ValueError(sentence(where, f"{len(names)} arrays for {role}, one for each of {names}", f"{count}"))
    return [_array(role, part, where) for part in given]


def _array(role: str, given: Any, where: str) -> Array:
    try:
        array = np.asarray(given)
    except ValueError as error:
        raise ValueError(sentence(where, f"{role} as one array", "rows of different lengths")) from error
    if array.dtype.kind not in "biuf":
        kinds = {"U": "strings", "S": "bytes", "O": "objects", "c": "complex numbers"}
        kind = kinds.get(array.dtype.kind, "no numbers")
        way_out = "Convert labels to whole numbers from 0." if role == "y" else "Convert the data to numbers."
        raise ValueError(sentence(where, f"{role} as numbers", f"{kind} (dtype {array.dtype})", way_out))
    if array.ndim == 0:
        raise ValueError(sentence(where, f"{role} with a batch axis", f"a single number, {given!r}"))
    return array


def _check_lengths(arrays: list[tuple[str, Array]], where: str) -> None:
    lengths = {role: len(array) for role, array in arrays}
    if len(set(lengths.values())) > 1:
        received = ", ".join(f"{n} in {role}" for role, n in lengths.items())
        raise ValueError(sentence(where, "as many samples in each array", received))
    if 0 in lengths.values():
        shapes = ", ".join(f"{role}.shape={array.shape}" for role, array in arrays)
        raise ValueError(sentence(where, "at least one sample", shapes))


def _check_finite(role: str, array: Array, where: str) -> None:
    """ValueError that names the first cell that is NaN or infinite; in pieces that stay in the processor's cache."""
    if array.dtype.kind != "f":
        return
    rows = max(2**16 // max(array[:1].size, 1), 1)
    for start in range(0, len(array), rows):
        finite = np.isfinite(array[start : start + rows])
        if not finite.all():
            first, *rest = first_index(~finite)
            index = (start + first, *rest)
            way_out = f"Look at {role}[{', '.join(map(str, index))}] and clean the data."
            raise ValueError(sentence(where, f"finite numbers in {role}", f"{array[index]} at index {index}", way_out))
