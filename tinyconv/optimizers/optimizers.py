"""How the weights follow the gradient downhill: the optimizers, one formula each.

In every `update`, w are weights, g their gradients, rate is the learning rate, and the slots hold what is remembered
from update to update. All work is done in place; a is room for one result in between. Formulas are those of Keras 3,
`keras/src/optimizers/`.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tinyconv._types import Array
from tinyconv.optimizers.base import Optimizer
from tinyconv.registry import describe, find, table

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "RMSprop", "get", "serialize"]


class SGD(Optimizer):
    """Stochastic gradient descent: a step against the gradient; with momentum, like a ball that keeps rolling.

    Args:
        learning_rate: as in `Optimizer`, like all arguments not listed.
        momentum: fraction of its speed that the ball keeps, 0 to 1.
        nesterov: take the gradient's step after the roll, not before it.

    >>> w = np.array([1.0, 2.0])
    >>> SGD(learning_rate=0.5).step(w, np.array([1.0, -1.0]))
    >>> w
    array([0.5, 2.5])
    """

    def __init__(self, learning_rate: Any = 0.01, momentum: float = 0.0, nesterov: bool = False, **shared: Any) -> None:
        super().__init__(learning_rate, **shared)
        self.momentum = momentum
        self.nesterov = nesterov
        self._check_fractions("momentum")

    def slot_starts(self) -> dict[str, float]:
        return {"momentum": 0.0} if self.momentum else {}

    def update(self, w: Array, g: Array, rate: float, slots: Mapping[str, Array], a: Array) -> None:
        """m = momentum * m - rate * g; w += m; with nesterov, w += momentum * m - rate * g."""
        np.multiply(g, rate, out=a)
        if not self.momentum:
            w -= a
            return
        m = slots["momentum"]
        m *= self.momentum
        m -= a
        if self.nesterov:
            w -= a
            w += np.multiply(m, self.momentum, out=a)
        else:
            w += m

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"momentum": self.momentum, "nesterov": self.nesterov}


class RMSprop(Optimizer):
    """Each weight's step is divided by the recent size of its gradient, so that all weights move at like speed.

    Args:
        learning_rate: as in `Optimizer`, like all arguments not listed.
        rho: how slowly the recent size forgets, 0 to 1.
        momentum: fraction of its speed that a weight keeps.
        epsilon: added under the root, so that nothing is divided by 0.
        centered: divide by the standard deviation of the gradient, not by its size.

    Source: G. Hinton, Neural networks for machine learning, lecture 6e, 2012.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **shared: Any,
    ) -> None:
        super().__init__(learning_rate, **shared)
        self.rho = rho
        self.momentum = momentum
        self.epsilon = epsilon
        self.centered = centered
        self._check_fractions("rho", "momentum")

    def slot_starts(self) -> dict[str, float]:
        wanted = {"velocity": True, "momentum": self.momentum > 0, "average_gradient": self.centered}
        return {name: 0.0 for name, is_wanted in wanted.items() if is_wanted}

    def update(self, w: Array, g: Array, rate: float, slots: Mapping[str, Array], a: Array) -> None:
        """v = rho * v + (1 - rho) * g**2; w -= rate * g / sqrt(v + epsilon).

        Centered: with u = rho * u + (1 - rho) * g, sqrt(v - u**2 + epsilon).
        With momentum: m = momentum * m + the step; w -= m.
        """
        v = slots["velocity"]
        v *= self.rho
        np.multiply(g, g, out=a)
        a *= 1 - self.rho
        v += a
        np.add(self._center(v, g, slots, a) if self.centered else v, self.epsilon, out=a)
        np.divide(g, np.sqrt(a, out=a), out=a)
        a *= rate
        if self.momentum:
            m = slots["momentum"]
            m *= self.momentum
            m += a
            a = m
        w -= a

    def _center(self, v: Array, g: Array, slots: Mapping[str, Array], a: Array) -> Array:
        """u = rho * u + (1 - rho) * g; the variance v - u**2, in ``a``."""
        u = slots["average_gradient"]
        u *= self.rho
        u += np.multiply(g, 1 - self.rho, out=a)
        np.multiply(u, u, out=a)
        return np.subtract(v, a, out=a)

    def get_config(self) -> dict[str, Any]:
        own = {"rho": self.rho, "momentum": self.momentum, "epsilon": self.epsilon, "centered": self.centered}
        return super().get_config() | own


class Adam(Optimizer):
    """Momentum, divided by the recent size of the gradient, both corrected for having started from 0.

    Args:
        learning_rate: as in `Optimizer`, like all arguments not listed.
        beta_1: how slowly the mean of the gradient forgets, 0 to 1.
        beta_2: how slowly the mean of its square forgets, 0 to 1.
        epsilon: added to the root, so that nothing is divided by 0.
        amsgrad: divide by the largest size so far (S. Reddi et al., arXiv:1904.09237).

    Source: D. Kingma and J. Ba, arXiv:1412.6980, in the form before section 2.1, where epsilon stands outside the
    correction ("epsilon hat"), as in Keras; Algorithm 1 and PyTorch have it inside.
    """

    paired = ("momentum", "velocity")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **shared: Any,
    ) -> None:
        super().__init__(learning_rate, **shared)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.amsgrad = amsgrad
        self._check_fractions("beta_1", "beta_2")

    def slot_starts(self) -> dict[str, float]:
        return {"momentum": 0.0, "velocity": 0.0} | ({"velocity_hat": 0.0} if self.amsgrad else {})

    def update(self, w: Array, g: Array, rate: float, slots: Mapping[str, Array], a: Array) -> None:
        """m += (g - m) * (1 - beta_1); v += (g**2 - v) * (1 - beta_2); w -= alpha * m / (sqrt(v) + epsilon),

        where alpha = rate * sqrt(1 - beta_2**t) / (1 - beta_1**t) at update t, from 1. amsgrad: v_hat = max(v_hat, v).
        """
        m, v = slots["momentum"], slots["velocity"]
        t = self.iterations + 1
        alpha = rate * math.sqrt(1 - self.beta_2**t) / (1 - self.beta_1**t)
        np.subtract(g, m, out=a)
        a *= 1 - self.beta_1
        m += a
        np.multiply(g, g, out=a)
        a -= v
        a *= 1 - self.beta_2
        v += a
        if self.amsgrad:
            v = np.maximum(slots["velocity_hat"], v, out=slots["velocity_hat"])
        np.sqrt(v, out=a)
        a += self.epsilon
        np.divide(m, a, out=a)
        a *= alpha
        w -= a

    def get_config(self) -> dict[str, Any]:
        own = {"beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon, "amsgrad": self.amsgrad}
        return super().get_config() | own


class AdamW(Adam):
    """Adam with weight decay: weights shrink by themselves, not through the gradient that Adam divides.

    Source: I. Loshchilov and F. Hutter, Decoupled weight decay regularization, arXiv:1711.05101.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **shared: Any,
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay=weight_decay, **shared)


class Adagrad(Optimizer):
    """Each weight's step is divided by the size of all its gradients so far: often-moved weights slow down.

    Args:
        learning_rate: as in `Optimizer`, like all arguments not listed.
        initial_accumulator_value: where the sum of squares starts.
        epsilon: added under the root, so that nothing is divided by 0.

    Source: J. Duchi et al., Adaptive subgradient methods, JMLR 12, 2011.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **shared: Any,
    ) -> None:
        super().__init__(learning_rate, **shared)
        self.initial_accumulator_value = initial_accumulator_value
        self.epsilon = epsilon

    def slot_starts(self) -> dict[str, float]:
        return {"accumulator": self.initial_accumulator_value}

    def update(self, w: Array, g: Array, rate: float, slots: Mapping[str, Array], a: Array) -> None:
        """s += g**2; w -= rate * g / sqrt(s + epsilon)."""
        s = slots["accumulator"]
        s += np.multiply(g, g, out=a)
        np.sqrt(np.add(s, self.epsilon, out=a), out=a)
        np.divide(g, a, out=a)
        a *= rate
        w -= a

    def get_config(self) -> dict[str, Any]:
        own = {"initial_accumulator_value": self.initial_accumulator_value, "epsilon": self.epsilon}
        return super().get_config() | own


_NAMES = {name.lower(): cls for name, cls in table(SGD, RMSprop, Adam, AdamW, Adagrad).items()}


def get(identifier: Any) -> Optimizer:
    """The optimizer that a name (in any case), a configuration, a class or an instance stands for.

    >>> get("sgd").momentum
    0.0

    Raises:
        ValueError: for an unknown name.
        TypeError: for anything else.
    """
    if isinstance(identifier, str):
        identifier = {"class_name": identifier}
    if isinstance(identifier, Mapping):
        identifier = {**identifier, "class_name": str(identifier.get("class_name")).lower()}
    optimizer: Optimizer = find("optimizer", identifier, Optimizer, _NAMES)
    return optimizer


def serialize(optimizer: Optimizer) -> dict[str, Any] | None:
    """``{"class_name": ..., "config": {...}}``, which `get` takes back."""
    return describe(optimizer)
