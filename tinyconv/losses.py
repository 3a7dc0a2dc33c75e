"""How wrong a network is, as one number per sample, and the gradient that training follows.

Every loss has two methods, one under the other: `forward` returns the values and what the gradient will need, and
`backward` turns the weight of each value into the gradient by the predictions. y is (N, C) below; more axes may stand
between, such as (N, T, C) for T places per sample. Formulas are those of Keras 3, `keras/src/losses/losses.py`.
"""

import copy
import inspect
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from tinyconv import config, labels
from tinyconv._types import Array
from tinyconv.activations import sigmoid
from tinyconv.checks import sentence
from tinyconv.registry import Configurable, describe, find, table

__all__ = [
    "BinaryCrossentropy", "CategoricalCrossentropy", "Huber", "Loss", "MeanAbsoluteError", "MeanSquaredError",
    "SparseCategoricalCrossentropy", "binary_crossentropy", "categorical_crossentropy", "get", "huber",
    "mean_absolute_error", "mean_squared_error", "serialize", "sparse_categorical_crossentropy",
]  # fmt: skip


class Loss(Configurable):
    """Base of the losses. Subclasses write `forward`, `backward` and, where labels can be wrong, `check`."""

    #: The activation that this loss computes better itself, from the numbers before it.
    fuses_with: str | None = None
    from_logits: bool = False
    #: Whether labels are class numbers, one per place.
    sparse_labels: bool = False

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> float:
        """sum(values * sample_weight) / number of values: the mean over samples, if all weigh 1."""
        values, _ = self.forward(y_true, y_pred)
        weights = 1 if sample_weight is None else _weights(sample_weight, values)
        return float(np.sum(values * weights) / values.size)

    def forward(self, y_true: Any, y_pred: Any) -> tuple[Array, Any]:
        """(N, C) labels and predictions -> (N,) values in the float type of ``y_pred``, and the cache of `backward`."""
        raise NotImplementedError

    def backward(self, weights: Any, cache: Any) -> Array:
        """(N,) derivatives of the total by each value, or one for all -> (N, C) gradient by ``y_pred``."""
        raise NotImplementedError

    def check(self, y_true: Any, output_shape: Sequence[int | None], where: str) -> None:
        """ValueError, with the first bad index, if the labels do not fit an output of shape (N or None, C)."""
        labels.check_same_shape(y_true, output_shape, where)

    def as_logits(self) -> Self:
        """The same loss, on the numbers before its activation."""
        fused = copy.copy(self)
        fused.from_logits = True
        return fused

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name}

    def _pair(self, y_true: Any, y_pred: Any) -> tuple[Array, Array]:
        """Targets and predictions as arrays of one shape and float type."""
        p = labels.as_float(y_pred)
        self.check(y_true, p.shape, self.name)
        return labels.match_shape(y_true, p), p


class _Crossentropy(Loss):
    """What the cross-entropies share: their arguments."""

    def __init__(self, from_logits: bool, label_smoothing: float, name: str) -> None:
        super().__init__(name)
        if not 0 <= label_smoothing <= 1:
            received = f"label_smoothing={label_smoothing!r}"
            raise ValueError(sentence(type(self).__name__, "label_smoothing from 0 to 1", received))
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"from_logits": self.from_logits, "label_smoothing": self.label_smoothing}

    def _smooth(self, t: Array, choices: int) -> Array:
        """Every target gives up a part, which is divided among the choices."""
        s = self.label_smoothing
        return t * (1 - s) + s / choices if s else t


class CategoricalCrossentropy(_Crossentropy):
    """-sum_c t_c log p_c: how surprised the predicted probabilities p are by the target t, a one-hot row.

    From probabilities y: p = y / sum(y), held between 1e-7 and 1 - 1e-7 so that the logarithm stays finite.
    From logits z: p = softmax(z), without ever forming a number that overflows or a logarithm of 0; the gradient is
    p - t. A network that ends in a softmax is trained this way (see `as_logits`).

    Args:
        from_logits: whether predictions are the numbers before the softmax.
        label_smoothing: from 0 to 1; s takes t to t * (1 - s) + s / C, so that no class is ever quite certain.
        name: of the loss.

    Raises:
        ValueError: for labels that do not fit, and for predictions that are not probabilities.

    >>> loss = CategoricalCrossentropy()
    >>> round(loss([[0, 1, 0], [0, 0, 1]], [[0.05, 0.95, 0], [0.1, 0.8, 0.1]]), 4)     # -(ln 0.95 + ln 0.1) / 2
    1.1769
    """

    fuses_with = "softmax"

    def __init__(
        self, from_logits: bool = False, label_smoothing: float = 0.0, name: str = "categorical_crossentropy"
    ) -> None:
        super().__init__(from_logits, label_smoothing, name)

    def forward(self, y_true: Any, y_pred: Any) -> tuple[Array, Any]:
        t, y = self._pair(y_true, y_pred)  # both (N, C)
        t = self._smooth(t, t.shape[-1])
        if self.from_logits:
            log_p = _log_softmax(y)
            return _surprise(t, log_p), (t, log_p)  # (N,)
        p, q, total = _normalized(y, self.name)
        return _surprise(t, np.log(q)), (t, p, q, total)  # (N,)

    def backward(self, weights: Any, cache: Any) -> Array:
        if self.from_logits:
            t, log_p = cache
            dz = np.exp(log_p) * t.sum(axis=-1, keepdims=True) - t
            return _times(weights, dz)
        t, p, q, total = cache
        with np.errstate(invalid="ignore"):
            dp = np.where(p == q, -t / q, 0)  # no slope where p was held
            dy = (dp - (dp * p).sum(axis=-1, keepdims=True)) / total  # through p = y / sum(y)
        return _times(weights, dy)

    def check(self, y_true: Any, output_shape: Sequence[int | None], where: str) -> None:
        labels.check_one_hot(y_true, output_shape, where)


class SparseCategoricalCrossentropy(CategoricalCrossentropy):
    """-log p_c, where the label is the number c of the class: the categorical cross-entropy without one-hot rows.

    Labels have shape (N,) or (N, 1), whole numbers of any type.

    >>> round(SparseCategoricalCrossentropy()([1, 2], [[0.05, 0.95, 0], [0.1, 0.8, 0.1]]), 4)
    1.1769
    """

    sparse_labels = True

    def __init__(self, from_logits: bool = False, name: str = "sparse_categorical_crossentropy") -> None:
        super().__init__(from_logits, name=name)

    def check(self, y_true: Any, output_shape: Sequence[int | None], where: str) -> None:
        labels.check_classes(y_true, output_shape, where)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "from_logits": self.from_logits}

    def _pair(self, y_true: Any, y_pred: Any) -> tuple[Array, Array]:
        y = labels.as_float(y_pred)
        self.check(y_true, y.shape, self.name)
        numbers = labels.class_numbers(y_true, y.ndim - 1)  # (N,)
        return labels.one_hot(numbers, y.shape[-1], y.dtype), y  # (N, C)


class BinaryCrossentropy(_Crossentropy):
    """-(t log p + (1 - t) log(1 - p)), averaged over the last axis: every output answers its own yes-or-no question.

    From probabilities, p is held between 1e-7 and 1 - 1e-7. From logits z, p = sigmoid(z) and the gradient is p - t.

    Args:
        from_logits: whether predictions are the numbers before the sigmoid.
        label_smoothing: from 0 to 1; s takes t to t * (1 - s) + s / 2.
        name: of the loss.

    >>> round(BinaryCrossentropy()([[0, 1], [0, 0]], [[0.6, 0.4], [0.4, 0.6]]), 4)     # -(3 ln 0.4 + ln 0.6) / 4
    0.8149
    """

    fuses_with = "sigmoid"

    def __init__(
        self, from_logits: bool = False, label_smoothing: float = 0.0, name: str = "binary_crossentropy"
    ) -> None:
        super().__init__(from_logits, label_smoothing, name)

    def forward(self, y_true: Any, y_pred: Any) -> tuple[Array, Any]:
        t, y = self._pair(y_true, y_pred)  # both (N, C)
        t = self._smooth(t, 2)
        if self.from_logits:
            with np.errstate(invalid="ignore"):  # infinity - infinity is NaN, and stays NaN
                values = np.maximum(y, 0) - y * t + np.log1p(np.exp(-np.abs(y)))
            return values.mean(axis=-1), (t, y, y)  # (N,)
        labels.check_probabilities(y, self.name)
        q = np.clip(y, config.epsilon(), 1 - config.epsilon())
        return -(t * np.log(q) + (1 - t) * np.log1p(-q)).mean(axis=-1), (t, y, q)  # (N,)

    def backward(self, weights: Any, cache: Any) -> Array:
        t, y, q = cache
        if self.from_logits:
            return _times(weights, (sigmoid(y) - t) / t.shape[-1])
        dy = np.where(y == q, (q - t) / (q * (1 - q)), y - y)  # no slope where y was held; NaN stays NaN
        return _times(weights, dy / t.shape[-1])

    def check(self, y_true: Any, output_shape: Sequence[int | None], where: str) -> None:
        labels.check_same_shape(y_true, output_shape, where)
        labels.check_unit_interval(y_true, where)


class MeanSquaredError(Loss):
    """mean_c (y_c - t_c)**2: large errors count most.

    >>> MeanSquaredError()([[0.0, 1.0]], [[2.0, 4.0]])          # (4 + 9) / 2
    6.5
    """

    def __init__(self, name: str = "mean_squared_error") -> None:
        super().__init__(name)

    def forward(self, y_true: Any, y_pred: Any) -> tuple[Array, Any]:
        t, y = self._pair(y_true, y_pred)
        error = y - t  # (N, C)
        return np.square(error).mean(axis=-1), error  # (N,)

    def backward(self, weights: Any, cache: Any) -> Array:
        return _times(weights, cache * (2 / cache.shape[-1]))


class MeanAbsoluteError(Loss):
    """mean_c |y_c - t_c|: every error counts by its size. The gradient at 0 is 0.

    >>> MeanAbsoluteError()([[0.0, 1.0]], [[2.0, 4.0]])         # (2 + 3) / 2
    2.5
    """

    def __init__(self, name: str = "mean_absolute_error") -> None:
        super().__init__(name)

    def forward(self, y_true: Any, y_pred: Any) -> tuple[Array, Any]:
        t, y = self._pair(y_true, y_pred)
        error = y - t  # (N, C)
        return np.abs(error).mean(axis=-1), error  # (N,)

    def backward(self, weights: Any, cache: Any) -> Array:
        return _times(weights, np.sign(cache) / cache.shape[-1])


class Huber(Loss):
    """Half the square of errors up to delta, and a straight line beyond: outliers pull, but not too hard.

    value = e**2 / 2 where |e| <= delta, else delta * |e| - delta**2 / 2, averaged over the last axis.

    >>> Huber()([[0.0, 1.0]], [[0.5, 4.0]])                     # (0.125 + 2.5) / 2
    1.3125

    Raises:
        ValueError: unless delta is positive.
    """

    def __init__(self, delta: float = 1.0, name: str = "huber_loss") -> None:
        super().__init__(name)
        if not delta > 0:
            raise ValueError(sentence("Huber", "a positive delta", f"delta={delta!r}"))
        self.delta = delta

    def forward(self, y_true: Any, y_pred: Any) -> tuple[Array, Any]:
        t, y = self._pair(y_true, y_pred)
        error = y - t  # (N, C)
        size = np.abs(error)
        near = np.minimum(size, self.delta)  # delta * |e| - delta**2 / 2 = near**2 / 2 + delta * (|e| - near)
        return (near * near / 2 + self.delta * (size - near)).mean(axis=-1), error  # (N,)

    def backward(self, weights: Any, cache: Any) -> Array:
        return _times(weights, np.clip(cache, -self.delta, self.delta) / cache.shape[-1])

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"delta": self.delta}


def _log_softmax(z: Array) -> Array:
    """log(exp(z_c) / sum exp(z)): the largest z is subtracted first; it cancels, and no exponent overflows."""
    with np.errstate(invalid="ignore"):  # infinity - infinity is NaN, and stays NaN
        z = z - z.max(axis=-1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


def _surprise(t: Array, log_p: Array) -> Array:
    """-sum_c t_c log p_c, where 0 log 0 counts as 0: an impossible class may have probability 0."""
    terms = np.multiply(t, log_p, out=np.zeros_like(log_p), where=t != 0)
    return -terms.sum(axis=-1)


def _normalized(y: Array, where: str) -> tuple[Array, Array, Array]:
    """p = y / sum(y), p held away from 0 and 1, and the sum. A row of zeros has no probabilities: NaN."""
    labels.check_probabilities(y, where)
    total = y.sum(axis=-1, keepdims=True)  # (N, 1)
    with np.errstate(invalid="ignore"):
        p = y / total
    return p, np.clip(p, config.epsilon(), 1 - config.epsilon()), total


def _weights(weights: Any, values: Array) -> Array:
    """Weights as an array that multiplies ``values``: (N,) and (N, 1) for (N,), also (N,) for (N, T)."""
    w = np.asarray(weights, dtype=values.dtype)
    if w.ndim == values.ndim + 1 and w.shape[-1] == 1:
        w = w[..., 0]
    if w.shape != values.shape[: w.ndim]:
        raise ValueError(sentence("sample_weight", f"shape {values.shape}", f"sample_weight.shape={w.shape}"))
    return w.reshape(w.shape + (1,) * (values.ndim - w.ndim))


def _times(weights: Any, dy: Array) -> Array:
    """Weight of each value (N,), or one for all, times the gradient of the value (N, C); overwrites ``dy``."""
    dy *= np.asarray(weights, dtype=dy.dtype)[..., np.newaxis]
    return dy


def categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0
) -> Array:
    """The values of `CategoricalCrossentropy`, one per sample."""
    return CategoricalCrossentropy(from_logits, label_smoothing).forward(y_true, y_pred)[0]


def sparse_categorical_crossentropy(y_true: Any, y_pred: Any, from_logits: bool = False) -> Array:
    """The values of `SparseCategoricalCrossentropy`, one per sample."""
    return SparseCategoricalCrossentropy(from_logits).forward(y_true, y_pred)[0]


def binary_crossentropy(y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0) -> Array:
    """The values of `BinaryCrossentropy`, one per sample."""
    return BinaryCrossentropy(from_logits, label_smoothing).forward(y_true, y_pred)[0]


def mean_squared_error(y_true: Any, y_pred: Any) -> Array:
    """The values of `MeanSquaredError`, one per sample."""
    return MeanSquaredError().forward(y_true, y_pred)[0]


def mean_absolute_error(y_true: Any, y_pred: Any) -> Array:
    """The values of `MeanAbsoluteError`, one per sample."""
    return MeanAbsoluteError().forward(y_true, y_pred)[0]


def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> Array:
    """The values of `Huber`, one per sample."""
    return Huber(delta).forward(y_true, y_pred)[0]


_FUNCTIONS = (
    categorical_crossentropy, sparse_categorical_crossentropy, binary_crossentropy,
    mean_squared_error, mean_absolute_error, huber,
)  # fmt: skip

_NAMES = table(
    CategoricalCrossentropy, SparseCategoricalCrossentropy, BinaryCrossentropy,
    MeanSquaredError, MeanAbsoluteError, Huber,
    mse=MeanSquaredError, MSE=MeanSquaredError, mae=MeanAbsoluteError, MAE=MeanAbsoluteError,
    bce=BinaryCrossentropy, BCE=BinaryCrossentropy,
)  # fmt: skip


def get(identifier: Any) -> Loss:
    """The loss that a name, a configuration, a class, an instance or a function of this module stands for.

    >>> get("mse"), get(huber)
    (MeanSquaredError(name='mean_squared_error'), Huber(name='huber_loss', delta=1.0))

    Raises:
        ValueError: for an unknown name.
        TypeError: for anything else.
    """
    if inspect.isfunction(identifier):
        if identifier not in _FUNCTIONS:
            way_out = "A loss of your own is a subclass of tinyconv.losses.Loss with forward and backward."
            received = f"the function {identifier.__name__}"
            raise TypeError(sentence("loss", "one of tinyconv's losses", received, way_out))
        identifier = identifier.__name__
    loss: Loss = find("loss", identifier, Loss, _NAMES)
    return loss


def serialize(loss: Loss) -> dict[str, Any] | None:
    """``{"class_name": ..., "config": {...}}``, which `get` takes back."""
    return describe(loss)
