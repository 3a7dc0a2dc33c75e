"""From what a user passes as data to batches of arrays.

Arrays are cut into batches here, generators and data sets are asked for theirs, and both are checked: nothing that is
empty, not a number, or of unequal lengths reaches the network.

A *pass* is once through all the data. An epoch is a pass, unless the user sets the number of its steps: then it may
end in the middle of one, and the next epoch goes on there. `Arrays` and `Stream` can say where they stand
(``get_state``) and go on from there in another process (``set_state``), so that a training that was cut off sees the
same batches as one that was not.
"""

import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import cycle, islice
from typing import Any, NamedTuple

import numpy as np

from tinyconv import config
from tinyconv._types import Array
from tinyconv.checks import first_index, positive, sentence
from tinyconv.interrupts import held
from tinyconv.preprocessing.background import in_background
from tinyconv.preprocessing.dataset import Shuffling


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
        steps: batches in an epoch, if that is not a pass.
        dtype: float type that x is wanted in; as it is, if None.
        anew: whether each epoch of so many steps begins a pass, instead of going on where the last one stopped.
    """

    def __init__(
        self,
        samples: Batch,
        batch_size: int,
        shuffle: bool = False,
        steps: int | None = None,
        dtype: Any = None,
        anew: bool = False,
    ) -> None:
        self.samples, self.shuffle = samples, shuffle
        self.batch_size = positive(batch_size, "batch_size", "batches")
        in_a_pass = -(-samples.size // self.batch_size)
        wanted = in_a_pass if steps is None else positive(steps, "steps", "batches")
        self.steps = min(wanted, in_a_pass) if anew else wanted
        self._endless = None if steps is None or anew else self._passes()
        self._began: Mapping[str, Any] | None = None  # the random stream, before it drew the order of this pass
        self._taken = 0  # batches of this pass
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
        return islice(self._once() if self._endless is None else self._endless, self.steps)

    def get_state(self) -> dict[str, Any]:
        """Where the next epoch begins, as plain numbers; together with `config.random_state`, that is all."""
        return {} if self._endless is None else {"began": self._began, "taken": self._taken}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on where `get_state` was called."""
        if self._endless is not None:
            self._endless = self._passes(**state)

    def close(self) -> None:
        """Nothing is held that others wait for."""

    def _passes(self, began: Mapping[str, Any] | None = None, taken: int = 0) -> Iterator[Batch]:
        """Pass after pass; the first one as it began, without the batches that were taken from it."""
        while True:
            random = config.stream("shuffling")
            if began is not None:  # its order was drawn before, so nothing is drawn from the stream of today
                random = np.random.Generator(np.random.PCG64())
                random.bit_generator.state = began
            self._began, self._taken = random.bit_generator.state if self.shuffle else None, taken
            for batch in self._once(random, taken):
                self._taken += 1
                yield batch
            began, taken = None, 0

    def _once(self, random: np.random.Generator | None = None, taken: int = 0) -> Iterator[Batch]:
        n, size = self.samples.size, self.batch_size
        order = self._order(random or config.stream("shuffling")) if self.shuffle else None
        for start in range(taken * size, n, size):
            yield self._take(slice(start, min(start + size, n)) if order is None else order[start : start + size])

    def _order(self, random: np.random.Generator) -> Array:
        """All samples' numbers in a random order: what ``permutation(n)`` of the stream returns, in used memory."""
        order = self._orders.free()
        order.fill(1)
        order[0] = 0
        np.cumsum(order, out=order)  # 0, 1, 2, ...
        random.shuffle(order)
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

    A generator goes on where the last epoch stopped. From everything else each epoch takes a whole pass: an iterator
    from ``epoch()`` where there is such a method, from ``iter()``, or the batches by their numbers. Those of an object
    whose attribute ``workers`` is above 1 are fetched in as many threads, ahead of their use. With ``steps``, training
    goes on in the middle of a pass, and from its end into the next one; all else begins a pass each time.

    Args:
        source: yields ``x``, ``(x, y)`` or ``(x, y, sample_weight)``, arrays of one batch each.
        names: of the model's inputs and outputs, for dictionaries.
        steps: batches in an epoch, if that is not a pass.
        need_labels: whether a batch without y is an error.
        finite: whether a NaN or infinity is an error.
        where: who takes the batches: "fit" for training.
        shuffle: whether each pass takes batches that have numbers in a new random order.

    Raises:
        ValueError: for a source that is known never to end, without steps.
    """

    def __init__(
        self,
        source: Any,
        names: tuple[list[str], list[str]],
        steps: int | None,
        need_labels: bool,
        finite: bool,
        where: str,
        shuffle: bool = False,
    ) -> None:
        self.source, self.names, self.where = source, names, where
        self.need_labels, self.finite = need_labels, finite
        self._given = None if steps is None else positive(steps, "steps", where)
        self.steps = _length(source) if steps is None else self._given
        self._is_generator = hasattr(source, "__next__") and not hasattr(source, "epoch")
        self._goes_on = self._is_generator or (where == "fit" and steps is not None)
        self._most = None if steps is None and hasattr(source, "epoch") else self.steps
        self._shuffling = Shuffling() if shuffle and _has_numbers(source) else None
        self._pass: Iterator[Any] | None = None  # the one that has begun
        self._began: dict[str, Any] = {}  # the source's state before
        self._taken = 0  # batches of this pass
        self._peeked: list[Any] = []  # its first batch, while nobody else has seen it
        if steps is None and (isinstance(source, cycle) or getattr(source, "is_endless", False)):
            name = {"fit": "steps_per_epoch", "validation_data": "validation_steps"}.get(where, "steps")
            raise ValueError(sentence(where, f"{name}=, a number of batches", "data that never end, and none"))

    @property
    def first(self) -> Batch:
        """The first batch, which is not lost to the next epoch.

        Raises:
            ValueError: if there is none.
        """
        if not self._peeked:
            self._peeked = [*islice(self._running(), 1)]
            if not self._peeked:
                raise ValueError(sentence(self.where, "at least one batch", "an iterator that is empty"))
        return self._checked(self._peeked[0])

    def __iter__(self) -> Iterator[Batch]:
        done = 0
        try:
            while done != self._most:
                batch = self._next()
                if batch is not _END:
                    done += 1
                    yield self._checked(batch)
                elif self._goes_on and not self._is_generator and self._taken:
                    self._leave()  # and into the next pass
                else:
                    break
        finally:
            if not self._goes_on:
                self._leave()
        if not done:
            way_out = "Pass a generator that goes on, or a data set that begins anew with each epoch."
            raise ValueError(sentence(self.where, "batches in every epoch", "a generator that has ended", way_out))
        if self._given and done < self._given:
            way_out = "Ask for fewer steps, or pass data that go on."
            expected, received = f"{self._given} batches, the number of steps", f"{done} before the data ended"
            warnings.warn(sentence(self.where, expected, received, way_out), UserWarning, stacklevel=2)
        if hasattr(self.source, "on_epoch_end") and not hasattr(self.source, "epoch"):
            self.source.on_epoch_end()

    def get_state(self) -> dict[str, Any]:
        """Where the next epoch begins, as plain numbers. A generator's place is its owner's business."""
        if self._is_generator:
            return {}
        return (self._state() if self._pass is None else self._began) | {"taken": self._taken}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on where `get_state` was called."""
        if self._is_generator:
            return
        self._leave()
        if state["source"] is not None:
            self.source.set_state(state["source"])
        if self._shuffling is not None:
            self._shuffling.set_state(state["order"])
        self._taken = state["taken"]

    def close(self) -> None:
        """Let go of a pass that has begun, and so of the threads that work on it."""
        self._leave()

    def _state(self) -> dict[str, Any]:
        order = None if self._shuffling is None else self._shuffling.get_state()
        return {"source": self.source.get_state() if hasattr(self.source, "get_state") else None, "order": order}

    def _next(self) -> Any:
        """The next batch of this pass, or _END."""
        batch = self._peeked.pop() if self._peeked else next(self._running(), _END)
        self._taken += batch is not _END
        return batch

    def _running(self) -> Iterator[Any]:
        """The pass that has begun; one begins here if none has, after the batches that were taken from it."""
        if self._pass is None:
            self._began = self._state()
            self._pass = self._begin(self._taken)
        return self._pass

    def _leave(self) -> None:
        """What comes next is a new pass."""
        with held():  # as the old one goes, it waits for its threads; Python would lose a Ctrl-C there
            self._pass, self._peeked, self._taken = None, [], 0

    def _begin(self, taken: int) -> Iterator[Any]:
        source = self.source
        if self._is_generator:
            return islice(source, None)  # to drop this does not close the user's generator
        if hasattr(source, "on_epoch_begin"):
            source.on_epoch_begin()
        if not _has_numbers(source):
            return islice(source.epoch() if hasattr(source, "epoch") else iter(source), taken, None)
        order: Any = range(len(source))
        if self._shuffling is not None:
            order = self._shuffling.random().permutation(len(source)).tolist()
        tasks, workers = (partial(source.__getitem__, i) for i in order[taken:]), getattr(source, "workers", 1)
        return in_background(tasks, workers) if workers > 1 else (task() for task in tasks)

    def _checked(self, batch: Any) -> Batch:
        parts = tuple(batch) if isinstance(batch, tuple) or self._is_list_of_parts(batch) else (batch,)
        if not 1 <= len(parts) <= 3:
            expected = "batches of x, (x, y) or (x, y, sample_weight)"
            raise ValueError(sentence(self.where, expected, f"a tuple of {len(parts)}"))
        if len(parts) == 1 and self.need_labels:
            received = "lists" if isinstance(batch, list) else "batches of x alone"
            raise ValueError(sentence(self.where, "batches of (x, y)", received, "Yield tuples: yield x, y."))
        return samples(*parts, names=self.names, where=self.where, finite=self.finite)

    def _is_list_of_parts(self, batch: Any) -> bool:
        """Whether a list stands for (x, y), as PyTorch's DataLoader means it, and not for several x or many samples."""
        if not isinstance(batch, list) or not 1 <= len(batch) <= 3 or len(self.names[0]) > 1:
            return False
        return self.need_labels or all(hasattr(part, "__array__") for part in batch)


#: What stands for a batch where there is none.
_END = object()


def _length(source: Any) -> int | None:
    """Batches in a pass, or None where nobody knows."""
    try:
        return len(source)
    except TypeError:
        return None


def _has_numbers(source: Any) -> bool:
    """Whether batches are asked for by number: of what knows no order of its own, or wants threads to fetch them."""
    ordered = hasattr(source, "epoch") or (hasattr(source, "__iter__") and getattr(source, "workers", 1) < 2)
    return not ordered and hasattr(source, "__getitem__")


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
