"""Penalties on large weights, added to the loss.

A network with large weights can bend its output around every single training example. A penalty makes it prefer small
weights, unless the data are worth more: L2 shrinks all of them, L1 drives the useless ones to exactly zero.
"""

import math
from typing import Any

import numpy as np

from tinyconv._types import Array
from tinyconv.checks import sentence
from tinyconv.registry import Configurable, describe, find, table

__all__ = ["L1", "L1L2", "L2", "Regularizer", "get", "l1", "l1_l2", "l2", "serialize"]


class Regularizer(Configurable):
    """A penalty on a parameter ``w``, with its gradient. Subclasses write both."""

    def __call__(self, w: Array) -> float:
        """The penalty, one number."""
        raise NotImplementedError

    def gradient(self, w: Array) -> Array:
        """Derivative of the penalty with respect to every value of ``w``."""
        raise NotImplementedError


class L1L2(Regularizer):
    """penalty = l1 * sum(|w|) + l2 * sum(w**2); gradient = l1 * sign(w) + 2 * l2 * w.

    There is no 1/2 before the square, as in Keras. At w = 0, where |w| has a corner, the gradient is 0.

    >>> L1L2(l1=0.5, l2=0.25)(np.array([1.0, -2.0]))        # 0.5 * 3 + 0.25 * 5
    2.75

    Raises:
        ValueError: for a factor that is negative or not finite.
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1 = self._factor("l1", l1)
        self.l2 = self._factor("l2", l2)

    def __call__(self, w: Array) -> float:
        absolute = self.l1 * float(np.abs(w).sum()) if self.l1 else 0.0
        squares = self.l2 * float(np.vdot(w, w)) if self.l2 else 0.0
        return absolute + squares

    def gradient(self, w: Array) -> Array:
        dw = (2 * self.l2) * w
        if self.l1:
            dw += self.l1 * np.sign(w)
        return dw

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1, "l2": self.l2}

    def _factor(self, name: str, value: Any) -> float:
        if isinstance(value, (int, float, np.number)) and math.isfinite(value) and value >= 0:
            return float(value)
        raise ValueError(sentence(type(self).__name__, f"{name} as a number from 0", f"{name}={value!r}"))


class L1(L1L2):
    """penalty = l1 * sum(|w|): drives weights that do not help to exactly zero."""

    def __init__(self, l1: float = 0.01) -> None:
        super().__init__(l1=l1)

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1}


class L2(L1L2):
    """penalty = l2 * sum(w**2): makes all weights smaller, large ones most.

    >>> L2(0.5).gradient(np.array([1.0, -2.0]))
    array([ 1., -2.])
    """

    def __init__(self, l2: float = 0.01) -> None:
        super().__init__(l2=l2)

    def get_config(self) -> dict[str, Any]:
        return {"l2": self.l2}


#: Keras's other names of the classes: ``kernel_regularizer=l2(1e-4)``.
l1, l2, l1_l2 = L1, L2, L1L2

_NAMES = table(L1, L2, L1L2, l1_l2=L1L2)


def get(identifier: Any) -> Regularizer | None:
    """The regularizer that a name, a configuration, a class or an instance stands for; None stays None.

    >>> get("l2"), get("l1_l2")
    (L2(l2=0.01), L1L2(l1=0.01, l2=0.01))

    Raises:
        ValueError: for an unknown name.
        TypeError: for anything else.
    """
    if identifier in ("l1_l2", "l1l2"):  # the class starts from 0 and 0, but its name alone should mean something
        return L1L2(l1=0.01, l2=0.01)
    return None if identifier is None else find("regularizer", identifier, Regularizer, _NAMES)


def serialize(regularizer: Regularizer | None) -> dict[str, Any] | None:
    """``{"class_name": ..., "config": {...}}``, which `get` takes back."""
    return describe(regularizer)
