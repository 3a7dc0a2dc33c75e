"""What all optimizers share: clip the gradient, shrink the weights, count the updates.

All weights of a model are one flat vector, their gradients another, and what an optimizer remembers from update to
update (its *slots*) are more vectors of the same length. So a subclass is one short formula on vectors, its `update`.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from tinyconv._types import Array
from tinyconv.checks import reject_unknown_arguments, sentence
from tinyconv.optimizers import schedules
from tinyconv.registry import Configurable

__all__ = ["Optimizer", "Segments", "WholeUpdate"]

#: The parts of the flat vectors that belong to each parameter: ("conv2d/kernel", slice(0, 72)).
Segments = Sequence[tuple[str, slice]]

#: An update of whole vectors, given weights, gradients and the learning rate.
WholeUpdate = Callable[[Array, Array, float], None]

#: An update goes over the vectors in blocks of this many numbers: a few of them stay in the processor's cache through
#: all operations of the formula, where whole vectors would be fetched from memory for each.
BLOCK = 2**15

#: Arguments of Keras 2 that people still write.
_FORMER = {"lr": "Did you mean 'learning_rate'?", "decay": "Give learning_rate a schedule, such as InverseTimeDecay."}


class Optimizer(Configurable):
    """Base of the optimizers. Subclasses write `update`, `slot_starts` and `get_config`.

    Args:
        learning_rate: size of the steps, a number or a schedule (see `tinyconv.optimizers.schedules`).
        weight_decay: before each update, weights lose this fraction of themselves, times the learning rate.
        clipnorm: each parameter's gradient is shortened to at most this length.
        global_clipnorm: the gradient of all parameters together is shortened to at most this length.
        clipvalue: each number of the gradient is held between -clipvalue and clipvalue.
        name: of the optimizer; the class's, in small letters, if None.

    Attributes:
        iterations: updates done so far.
        slots: what the optimizer remembers, by name. With ``iterations`` and the configuration, all it needs to resume.

    Raises:
        TypeError: for unknown arguments, and for a learning rate that is neither a number nor a schedule.
        ValueError: for numbers out of range, and for more than one of the three ways to clip.
    """

    #: Slots that a file holds in turns, parameter after parameter, as Keras lists them; others follow one by one.
    paired: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        learning_rate: Any,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        global_clipnorm: float | None = None,
        clipvalue: float | None = None,
        name: str | None = None,
        **unknown: Any,
    ) -> None:
        for former in _FORMER.keys() & unknown.keys():
            received = f"{former}={unknown[former]!r}"
            raise TypeError(sentence(type(self).__name__, "arguments of Keras 3", received, _FORMER[former]))
        reject_unknown_arguments(type(self), unknown)
        clips = {"clipnorm": clipnorm, "global_clipnorm": global_clipnorm, "clipvalue": clipvalue}
        self._check_clips({key: value for key, value in clips.items() if value is not None})
        self.name = name or type(self).__name__.lower()
        self.weight_decay = weight_decay
        self.clipnorm, self.global_clipnorm, self.clipvalue = clipnorm, global_clipnorm, clipvalue
        self.iterations = 0
        self.slots: dict[str, Array] = {}
        self.built = False
        self._size, self._scratch = 0, np.empty(0)
        self._undecayed: list[str] = []
        self._learning_rate = self._parse(learning_rate)

    @property
    def learning_rate(self) -> Any:
        """The number or the schedule. Callbacks may set a number, unless there is a schedule."""
        rate = self._learning_rate
        return _Rate(rate, self) if isinstance(rate, float) else rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        value = self._parse(value)
        if isinstance(self._learning_rate, schedules.LearningRateSchedule) and isinstance(value, float):
            way_out = "Compile with a number as learning_rate, or set another schedule."
            raise TypeError(sentence(type(self).__name__, "its schedule to set the learning rate", f"{value}", way_out))
        self._learning_rate = value

    @property
    def current_learning_rate(self) -> float:
        """The learning rate of the next update."""
        rate = self._learning_rate
        return float(rate(self.iterations) if isinstance(rate, schedules.LearningRateSchedule) else rate)

    def build(self, size: int, dtype: Any = np.float32) -> None:
        """Make the slots for ``size`` weights; nothing happens where they exist.

        Raises:
            ValueError: for an optimizer that was built for another number of weights.
        """
        if self.built and size != self._size:
            expected = f"the {self._size} weights that it was built for"
            raise ValueError(sentence(type(self).__name__, expected, f"{size}", "Make a new optimizer for this model."))
        if self.built:
            return
        self.slots = {name: np.full(size, start, dtype) for name, start in self.slot_starts().items()}
        self._scratch = np.empty(min(size, BLOCK), dtype)
        self._size = size
        self.built = True

    def get_state(self) -> dict[str, Any]:
        """What is remembered from update to update: ``"iterations"``, and a copy of each slot by its name."""
        return {"iterations": self.iterations, **{name: slot.copy() for name, slot in self.slots.items()}}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Remember what `get_state` returned: with the same settings, the next updates are the same bit for bit.

        Raises:
            ValueError: for other slots than this optimizer's, or slots of other sizes; nothing is changed then.
        """
        slots = {name: np.asarray(slot) for name, slot in state.items() if name != "iterations"}
        if slots:
            self._check_slots(slots)
            first = next(iter(slots.values()))
            self.build(first.size, first.dtype)
        for name, slot in self.slots.items():
            slot[...] = slots.get(name, self.slot_starts()[name])
        self.iterations = int(state["iterations"])

    def _check_slots(self, slots: Mapping[str, Array]) -> None:
        size = self._size if self.built else max(slot.size for slot in slots.values())
        starts = self.slot_starts()
        if slots.keys() != starts.keys() or any(slot.shape != (size,) for slot in slots.values()):
            expected = f"slots {', '.join(starts)} of {size} numbers each" if starts else "no slots"
            received = ", ".join(f"{name} of shape {slot.shape}" for name, slot in slots.items())
            raise ValueError(sentence(type(self).__name__, expected, received))

    def slot_starts(self) -> dict[str, float]:
        """Names of the slots, and the number that each is filled with at first."""
        return {}

    def step(
        self, values: Array, grads: Array, segments: Segments | None = None, update: WholeUpdate | None = None
    ) -> None:
        """One update of all weights, in place.

        Args:
            values: the weights, one axis.
            grads: their gradients, of the same length and type. Clipping changes them in place.
            segments: names and places of the parameters, for ``clipnorm`` and `exclude_from_weight_decay`; one
                parameter without a name, if None.
            update: does what `update` does, on the whole vectors and on ``self.slots``, given weights, gradients and
                learning rate; `update` block by block, if None.
        """
        self.build(values.size, values.dtype)
        segments = [("", slice(0, values.size))] if segments is None else segments
        rate = self.current_learning_rate
        self._clip(grads, segments)
        self._decay(values, segments, rate)
        (update or self._update_in_blocks)(values, grads, rate)
        self.iterations += 1

    def _update_in_blocks(self, values: Array, grads: Array, rate: float) -> None:
        for block in _blocks(values.size):
            slots = {name: slot[block] for name, slot in self.slots.items()}
            self.update(values[block], grads[block], rate, slots, self._scratch[: block.stop - block.start])

    def update(self, w: Array, g: Array, rate: float, slots: Mapping[str, Array], a: Array) -> None:
        """Change the weights ``w`` and the slots in place, by gradient ``g``; ``a`` is room for one result in between.

        All arrays are the same stretch of the flat vectors.
        """
        raise NotImplementedError

    def exclude_from_weight_decay(
        self, var_list: Sequence[str] | None = None, var_names: Sequence[str] | None = None
    ) -> None:
        """Name parameters that keep their size: ``var_names=["bias"]`` spares every bias.

        Args:
            var_list: whole names, such as "dense/bias".
            var_names: regular expressions, looked for anywhere in the name.
        """
        self._undecayed = [f"^{re.escape(name)}$" for name in var_list or ()] + list(var_names or ())

    def get_config(self) -> dict[str, Any]:
        rate = self._learning_rate
        shared = {
            "name": self.name,
            "learning_rate": rate if isinstance(rate, float) else schedules.serialize(rate),
            "weight_decay": self.weight_decay,
            "clipnorm": self.clipnorm,
            "global_clipnorm": self.global_clipnorm,
            "clipvalue": self.clipvalue,
        }
        return shared | ({"exclude_from_weight_decay": self._undecayed} if self._undecayed else {})

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        settings = dict(config)
        undecayed = settings.pop("exclude_from_weight_decay", ())
        optimizer = cls(**settings)
        optimizer.exclude_from_weight_decay(var_names=undecayed)
        return optimizer

    def _parse(self, rate: Any) -> Any:
        """A learning rate as a float or a schedule."""
        if isinstance(rate, (schedules.LearningRateSchedule, Mapping)):
            return schedules.get(rate)
        if isinstance(rate, bool) or not isinstance(rate, (int, float, np.number)):
            raise TypeError(sentence(type(self).__name__, "learning_rate as a number or a schedule", repr(rate)))
        if not rate >= 0:
            raise ValueError(sentence(type(self).__name__, "learning_rate from 0", f"learning_rate={rate!r}"))
        return float(rate)

    def _check_clips(self, clips: Mapping[str, float]) -> None:
        received = ", ".join(f"{name}={value!r}" for name, value in clips.items())
        if len(clips) > 1:
            raise ValueError(sentence(type(self).__name__, "only one way to clip", received))
        if any(not value > 0 for value in clips.values()):
            raise ValueError(sentence(type(self).__name__, "a positive number to clip at", received))

    def _check_fractions(self, *names: str) -> None:
        """ValueError for what is not from 0 to 1. An average may not be 1: it would never leave its start."""
        for name in names:
            value = getattr(self, name)
            if not 0 <= value <= 1 or (value == 1 and name != "momentum"):
                expected = f"{name} from 0 to 1" if name == "momentum" else f"{name} from 0 to below 1"
                raise ValueError(sentence(type(self).__name__, expected, f"{name}={value!r}"))

    def _clip(self, grads: Array, segments: Segments) -> None:
        if self.clipvalue is not None:
            np.clip(grads, -self.clipvalue, self.clipvalue, out=grads)
        if self.global_clipnorm is not None:
            _shorten(grads, self.global_clipnorm)
        if self.clipnorm is not None:
            for _, part in segments:
                _shorten(grads[part], self.clipnorm)

    def _decay(self, values: Array, segments: Segments, rate: float) -> None:
        """w -= w * weight_decay * rate, apart from the gradient (I. Loshchilov and F. Hutter, arXiv:1711.05101)."""
        if self.weight_decay is None:
            return
        for name, part in segments:
            if not any(re.search(pattern, name) for pattern in self._undecayed):
                values[part] *= 1 - self.weight_decay * rate


class _Rate(float):
    """A learning rate on which ``assign(0.1)`` and ``numpy()`` can be called, as on a variable of Keras."""

    def __new__(cls, value: float, optimizer: Optimizer) -> Self:
        rate = super().__new__(cls, value)
        rate._optimizer = optimizer
        return rate

    _optimizer: Optimizer

    def assign(self, value: Any) -> None:
        """Set the optimizer's learning rate. This number stays what it is."""
        self._optimizer.learning_rate = value

    def numpy(self) -> float:
        """The number."""
        return float(self)


def _blocks(size: int) -> Iterator[slice]:
    return (slice(start, min(start + BLOCK, size)) for start in range(0, size, BLOCK))


def _shorten(g: Array, limit: float) -> None:
    """Scale ``g`` in place to a length of at most ``limit``. An infinite length hides nothing: all becomes NaN."""
    length = math.sqrt(float(np.vdot(g, g)))
    if not length <= limit:
        g *= limit / length + (length - length)
