"""Learning rates that change with the number of updates done.

Large steps find the valley, small steps find its floor: so the learning rate usually starts high and falls. A schedule
is called with the number of updates done before the present one, 0 at first, and answers with the learning rate.
Formulas are those of Keras 3, `keras/src/optimizers/schedules/learning_rate_schedule.py`.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from tinyconv.checks import sentence
from tinyconv.registry import Configurable, describe, find, table

__all__ = [
    "CosineDecay",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LearningRateSchedule",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "get",
    "serialize",
]


class LearningRateSchedule(Configurable):
    """Base of the schedules. Subclasses write `__call__` and `get_config`."""

    def __call__(self, step: float) -> float:
        """The learning rate of the update that follows after ``step`` updates."""
        raise NotImplementedError


class ExponentialDecay(LearningRateSchedule):
    """initial_learning_rate * decay_rate ** (step / decay_steps).

    Args:
        initial_learning_rate: the learning rate of the first update.
        decay_steps: updates (not epochs) until it has been multiplied once by ``decay_rate``.
        decay_rate: the factor.
        staircase: round step / decay_steps down, so that the rate falls in stairs.
        name: of the schedule.

    Raises:
        ValueError: unless ``decay_steps`` is positive.

    >>> schedule = ExponentialDecay(0.1, decay_steps=100, decay_rate=0.5, staircase=True)
    >>> schedule(0), schedule(99), schedule(100), schedule(250)
    (0.1, 0.1, 0.05, 0.025)
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "ExponentialDecay",
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = _positive(decay_steps, self)
        self.decay_rate = decay_rate
        self.staircase = staircase
        self.name = name

    def __call__(self, step: float) -> float:
        return self.initial_learning_rate * self.decay_rate ** self._periods(step)

    def _periods(self, step: float) -> float:
        return float(step // self.decay_steps if self.staircase else step / self.decay_steps)

    def get_config(self) -> dict[str, Any]:
        return vars(self).copy()


class InverseTimeDecay(ExponentialDecay):
    """initial_learning_rate / (1 + decay_rate * step / decay_steps); arguments as in `ExponentialDecay`.

    >>> schedule = InverseTimeDecay(0.1, decay_steps=100, decay_rate=1.0)
    >>> schedule(0), schedule(100), schedule(300)
    (0.1, 0.05, 0.025)
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "InverseTimeDecay",
    ) -> None:
        super().__init__(initial_learning_rate, decay_steps, decay_rate, staircase, name)

    def __call__(self, step: float) -> float:
        return self.initial_learning_rate / (1 + self.decay_rate * self._periods(step))


class PiecewiseConstantDecay(LearningRateSchedule):
    """values[0] up to and including step boundaries[0], then values[1] up to boundaries[1], and so on.

    Raises:
        ValueError: unless there is one more value than boundaries, and boundaries increase.

    >>> schedule = PiecewiseConstantDecay([100, 200], [0.1, 0.05, 0.01])
    >>> schedule(100), schedule(101), schedule(201)
    (0.1, 0.05, 0.01)
    """

    def __init__(self, boundaries: Sequence[float], values: Sequence[float], name: str = "PiecewiseConstant") -> None:
        self.boundaries = list(boundaries)
        self.values = list(values)
        self.name = name
        if len(self.values) != len(self.boundaries) + 1:
            received = f"{len(self.boundaries)} boundaries and {len(self.values)} values"
            raise ValueError(sentence("PiecewiseConstantDecay", "one more value than boundaries", received))
        if self.boundaries != sorted(set(self.boundaries)):
            raise ValueError(sentence("PiecewiseConstantDecay", "increasing boundaries", f"{self.boundaries}"))

    def __call__(self, step: float) -> float:
        return self.values[bisect_left(self.boundaries, step)]

    def get_config(self) -> dict[str, Any]:
        return vars(self).copy()


class PolynomialDecay(LearningRateSchedule):
    """From initial_learning_rate to end_learning_rate in decay_steps updates, along (1 - step / decay_steps) ** power.

    Args:
        initial_learning_rate: the learning rate of the first update.
        decay_steps: updates until the end is reached.
        end_learning_rate: kept from there on.
        power: 1 falls along a line.
        cycle: do not stay at the end, but start again from the smallest multiple of ``decay_steps`` not yet passed.
        name: of the schedule.

    Raises:
        ValueError: unless ``decay_steps`` is positive.

    >>> schedule = PolynomialDecay(0.5, decay_steps=100, end_learning_rate=0.0)
    >>> schedule(0), schedule(50), schedule(100), schedule(1000)
    (0.5, 0.25, 0.0, 0.0)
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str = "PolynomialDecay",
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = _positive(decay_steps, self)
        self.end_learning_rate = end_learning_rate
        self.power = power
        self.cycle = cycle
        self.name = name

    def __call__(self, step: float) -> float:
        cycles = max(1, math.ceil(step / self.decay_steps)) if self.cycle else 1
        done = min(step / (cycles * self.decay_steps), 1.0)
        fall = self.initial_learning_rate - self.end_learning_rate
        return self.end_learning_rate + fall * (1 - done) ** self.power

    def get_config(self) -> dict[str, Any]:
        return vars(self).copy()


class CosineDecay(LearningRateSchedule):
    """Half a cosine wave down from the start to ``alpha`` times the start, after a warm-up along a line.

    Args:
        initial_learning_rate: the learning rate of the first update.
        decay_steps: updates from the top of the wave to its foot.
        alpha: the foot, as a fraction of the top.
        name: of the schedule.
        warmup_target: the top, reached from ``initial_learning_rate``; None means no warm-up.
        warmup_steps: updates of the warm-up, which come before ``decay_steps``.

    Raises:
        ValueError: unless ``decay_steps`` is positive.

    Source: I. Loshchilov and F. Hutter, SGDR, arXiv:1608.03983, eq. 5; warm-up: P. Goyal et al., arXiv:1706.02677.

    >>> schedule = CosineDecay(0.0, decay_steps=100, warmup_target=0.5, warmup_steps=10)
    >>> schedule(0), schedule(5), schedule(10), schedule(60), schedule(110)
    (0.0, 0.25, 0.5, 0.25, 0.0)
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: float = 0,
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = _positive(decay_steps, self)
        self.alpha = alpha
        self.name = name
        self.warmup_target = warmup_target
        self.warmup_steps = warmup_steps

    def __call__(self, step: float) -> float:
        if self.warmup_target is None:
            return self._wave(self.initial_learning_rate, step)
        if step < self.warmup_steps:
            rise = self.warmup_target - self.initial_learning_rate
            return self.initial_learning_rate + rise * step / self.warmup_steps
        return self._wave(self.warmup_target, step - self.warmup_steps)

    def _wave(self, top: float, step: float) -> float:
        wave = 0.5 * (1 + math.cos(math.pi * min(step / self.decay_steps, 1.0)))
        return top * ((1 - self.alpha) * wave + self.alpha)

    def get_config(self) -> dict[str, Any]:
        return vars(self).copy()


def _positive(decay_steps: float, owner: LearningRateSchedule) -> float:
    if decay_steps > 0:
        return decay_steps
    raise ValueError(sentence(type(owner).__name__, "decay_steps above 0", f"decay_steps={decay_steps!r}"))


_NAMES = table(ExponentialDecay, InverseTimeDecay, PiecewiseConstantDecay, PolynomialDecay, CosineDecay)


def get(identifier: Any) -> LearningRateSchedule:
    """The schedule that a configuration or an instance stands for.

    Raises:
        ValueError: for an unknown name.
        TypeError: for anything else.
    """
    schedule: LearningRateSchedule = find("learning rate schedule", identifier, LearningRateSchedule, _NAMES)
    return schedule


def serialize(schedule: LearningRateSchedule) -> dict[str, Any] | None:
    """``{"class_name": ..., "config": {...}}``, which `get` takes back."""
    return describe(schedule)
