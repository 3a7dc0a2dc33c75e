"""An optimizer's step on the machine: its kernel, over stretches of the flat vectors, on several threads.

Clipping, weight decay, the learning rate and the counting of steps are the optimizer's own; what is replaced here is
its `update`, the formula. Where there is no kernel for it, the optimizer's own runs: that of a class which a user
wrote, also of a subclass of Adam, or that of weights in float64.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinyconv._types import Array
from tinyconv.engine.compiler import Kernel
from tinyconv.engine.kernels import optimizers as kernels
from tinyconv.engine.threads import Team
from tinyconv.optimizers import SGD, Adagrad, Adam, Optimizer, RMSprop
from tinyconv.optimizers.base import Segments

#: Threads share the vectors in pieces of this many numbers. A shorter piece is done sooner than a thread wakes up; and
#: as a multiple of what a line of the cache holds, it keeps two threads from writing into the same line.
PIECE = 2**17


class Formula(NamedTuple):
    """What replaces an `update`: the kernel, the slots it takes after weights and gradient, and the numbers after."""

    kernel: Kernel
    slots: tuple[str, ...]
    numbers: tuple[float, ...]


def update(optimizer: Optimizer, values: Array, grads: Array, segments: Segments, team: Team) -> None:
    """``optimizer.step(values, grads, segments)``, in one pass by a kernel where there is one."""
    if not _has_kernel(optimizer) or values.dtype != np.float32:
        optimizer.step(values, grads, segments)
        return

    def on_all_threads(w: Array, g: Array, rate: float) -> None:
        kernel, slots, numbers = _formula(optimizer, rate)
        vectors = [w, g, *(optimizer.slots[name] for name in slots)]

        def on_one_thread(_: int, start: int, stop: int) -> None:
            if start < stop:
                kernel(*(vector[start * PIECE : stop * PIECE] for vector in vectors), *numbers)

        team.run(on_one_thread, -(-w.size // PIECE))

    optimizer.step(values, grads, segments, on_all_threads)


def kernels_for(optimizer: Optimizer) -> list[Kernel]:
    """What must be compiled for `update` of this optimizer."""
    return [_formula(optimizer, 0.0).kernel] if _has_kernel(optimizer) else []


def _has_kernel(optimizer: Optimizer) -> bool:
    """Whether this is one of ours as far as its step goes: a subclass may have settings of its own, but no formula."""
    return type(optimizer).step is Optimizer.step and _method(optimizer) in _FORMULAS


def _formula(optimizer: Optimizer, rate: float) -> Formula:
    return _FORMULAS[_method(optimizer)](optimizer, rate)


def _method(optimizer: Optimizer) -> Any:
    return getattr(optimizer.update, "__func__", None)


def _sgd(it: SGD, rate: float) -> Formula:
    if not it.momentum:
        return Formula(kernels.sgd, (), (rate,))
    return Formula(kernels.sgd_nesterov if it.nesterov else kernels.sgd_momentum, ("momentum",), (rate, it.momentum))


def _rmsprop(it: RMSprop, rate: float) -> Formula:
    numbers = (rate, it.rho, 1 - it.rho, it.epsilon)
    if it.centered and it.momentum:
        slots = ("velocity", "average_gradient", "momentum")
        return Formula(kernels.rmsprop_centered_momentum, slots, (*numbers, it.momentum))
    if it.centered:
        return Formula(kernels.rmsprop_centered, ("velocity", "average_gradient"), numbers)
    if it.momentum:
        return Formula(kernels.rmsprop_momentum, ("velocity", "momentum"), (*numbers, it.momentum))
    return Formula(kernels.rmsprop, ("velocity",), numbers)


def _adam(it: Adam, rate: float) -> Formula:
    t = it.iterations + 1
    alpha = rate * math.sqrt(1 - it.beta_2**t) / (1 - it.beta_1**t)
    numbers = (alpha, 1 - it.beta_1, 1 - it.beta_2, it.epsilon)
    if it.amsgrad:
        return Formula(kernels.adam_amsgrad, ("momentum", "velocity", "velocity_hat"), numbers)
    return Formula(kernels.adam, ("momentum", "velocity"), numbers)


def _adagrad(it: Adagrad, rate: float) -> Formula:
    return Formula(kernels.adagrad, ("accumulator",), (rate, it.epsilon))


#: By the method that is replaced, not by the class: AdamW has Adam's, and so has a user's subclass that keeps it.
_FORMULAS: dict[Any, Callable[[Any, float], Formula]] = {
    SGD.update: _sgd,
    RMSprop.update: _rmsprop,
    Adam.update: _adam,
    Adagrad.update: _adagrad,
}
