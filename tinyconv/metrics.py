"""Numbers that tell a person how good a network is, summed up batch by batch.

A metric is fed with `update_state` as batches pass, asked with `result`, and cleared with `reset_state` before the next
epoch. Training never follows a metric (an accuracy has no slope to follow): it follows the loss. Rules are those of
Keras 3, `keras/src/metrics/`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinyconv import labels
from tinyconv._types import Array
from tinyconv.checks import first_index, sentence
from tinyconv.registry import Configurable, describe, find, snake_case, table

__all__ = [
    "Accuracy", "BinaryAccuracy", "CategoricalAccuracy", "Mean", "MeanAbsoluteError", "MeanSquaredError", "Metric",
    "MetricOfPairs", "SparseCategoricalAccuracy", "SparseTopKCategoricalAccuracy", "TopKCategoricalAccuracy",
    "confusion_matrix", "get", "serialize",
]  # fmt: skip


class Metric(Configurable):
    """Base of the metrics. ``name`` is what the history calls it; the snake_case of the class, if None."""

    def __init__(self, name: str | None = None) -> None:
        self.name = name or snake_case(type(self).__name__)
        self.reset_state()

    def __call__(self, *args: Any, **kwargs: Any) -> float:
        """`update_state` with one more batch, then `result`."""
        self.update_state(*args, **kwargs)
        return self.result()

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Take in one more batch: ``(y_true, y_pred, sample_weight=None)``, for most metrics."""
        raise NotImplementedError

    def result(self) -> float:
        """The metric over all batches since the last `reset_state`."""
        raise NotImplementedError

    def reset_state(self) -> None:
        """Forget every batch."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name}


class _RunningMean(Metric):
    """A sum of values and the sum of their weights; 0 before the first value."""

    def result(self) -> float:
        return self.total / self.count if self.count else 0.0

    def reset_state(self) -> None:
        self.total = 0.0
        self.count = 0.0

    def _add(self, values: Any, sample_weight: Any) -> None:
        """One number, or (N,), or (N, T) of which each sample counts by its mean."""
        values = np.asarray(values, dtype=np.float64)
        weights = np.ones(values.shape[:1]) if sample_weight is None else _fit_weights(sample_weight, values)
        values = values.mean(axis=tuple(range(weights.ndim, values.ndim)))  # the shape of the weights
        samples = len(values) if values.ndim else 1
        self.total += samples * float(np.mean(values * weights))
        self.count += samples * float(np.mean(weights))


class Mean(_RunningMean):
    """The mean of values, each counted ``sample_weight`` times.

    >>> mean = Mean()
    >>> mean.update_state([1, 3])
    >>> mean.update_state([5], sample_weight=[2])
    >>> mean.result()                                       # (1 + 3 + 2 * 5) / 4
    3.5
    """

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Take in values: one number, or (N,), or (N, T) of which each sample counts by its mean."""
        self._add(values, sample_weight)


class MetricOfPairs(_RunningMean):
    """The mean over samples of a score of labels and predictions. Subclasses write `score`."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in (N,) or (N, C) labels, (N, C) predictions and the weights (N,) of the samples."""
        self._add(self.score(y_true, labels.as_float(y_pred)), sample_weight)

    def score(self, y_true: Any, y_pred: Array) -> Array:
        """(N,) or (N, C) labels and (N, C) predictions -> (N,) scores, or more axes that are averaged."""
        raise NotImplementedError


class Accuracy(MetricOfPairs):
    """The fraction of predictions that equal their label, number for number.

    >>> Accuracy()([1, 2, 3, 4], [0, 2, 3, 4])
    0.75
    """

    def score(self, y_true: Any, y_pred: Array) -> Array:
        return labels.match_shape(y_true, y_pred) == y_pred


class BinaryAccuracy(MetricOfPairs):
    """The fraction of outputs on the right side of ``threshold``, for labels 0 and 1.

    >>> BinaryAccuracy()([[1], [1], [0], [0]], [[0.98], [1.0], [0.0], [0.6]])
    0.75
    """

    def __init__(self, name: str | None = None, threshold: float = 0.5) -> None:
        super().__init__(name)
        self.threshold = threshold

    def score(self, y_true: Any, y_pred: Array) -> Array:
        return labels.match_shape(y_true, y_pred) == (y_pred > self.threshold)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"threshold": self.threshold}


class CategoricalAccuracy(MetricOfPairs):
    """The fraction of samples whose largest output is the class of their one-hot row.

    >>> CategoricalAccuracy()([[0, 0, 1], [0, 1, 0]], [[0.1, 0.9, 0.8], [0.05, 0.95, 0]])
    0.5
    """

    def score(self, y_true: Any, y_pred: Array) -> Array:
        return labels.match_shape(y_true, y_pred).argmax(axis=-1) == y_pred.argmax(axis=-1)


class SparseCategoricalAccuracy(MetricOfPairs):
    """The fraction of samples whose largest output is the class that their label numbers.

    >>> SparseCategoricalAccuracy()([2, 1], [[0.1, 0.9, 0.8], [0.05, 0.95, 0]])
    0.5
    """

    def score(self, y_true: Any, y_pred: Array) -> Array:
        return _classes(y_true, y_pred) == y_pred.argmax(axis=-1)


class TopKCategoricalAccuracy(MetricOfPairs):
    """The fraction of samples whose class, in a one-hot row, is among the ``k`` largest outputs. Ties count as in.

    >>> TopKCategoricalAccuracy(k=2)([[0, 0, 1], [0, 0, 1]], [[0.1, 0.9, 0.8], [0.05, 0.95, 0]])
    0.5
    """

    def __init__(self, k: int = 5, name: str | None = None) -> None:
        super().__init__(name)
        if k < 1:
            raise ValueError(sentence(type(self).__name__, "k from 1", f"k={k!r}"))
        self.k = k

    def score(self, y_true: Any, y_pred: Array) -> Array:
        return _in_top_k(labels.match_shape(y_true, y_pred).argmax(axis=-1), y_pred, self.k)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"k": self.k}


class SparseTopKCategoricalAccuracy(TopKCategoricalAccuracy):
    """The fraction of samples whose class, given as a number, is among the ``k`` largest outputs. Ties count as in.

    >>> SparseTopKCategoricalAccuracy(k=2)([2, 2], [[0.1, 0.9, 0.8], [0.05, 0.95, 0]])
    0.5
    """

    def score(self, y_true: Any, y_pred: Array) -> Array:
        return _in_top_k(_classes(y_true, y_pred), y_pred, self.k)


class MeanSquaredError(MetricOfPairs):
    """The mean of (y_pred - y_true)**2."""

    def score(self, y_true: Any, y_pred: Array) -> Array:
        return np.square(y_pred - labels.match_shape(y_true, y_pred))


class MeanAbsoluteError(MetricOfPairs):
    """The mean of |y_pred - y_true|."""

    def score(self, y_true: Any, y_pred: Array) -> Array:
        return np.abs(y_pred - labels.match_shape(y_true, y_pred))


def confusion_matrix(y_true: Any, y_pred: Any, num_classes: int | None = None) -> Array:
    """How often each true class (row) was predicted as each class (column).

    Args:
        y_true: class numbers (N,) or (N, 1), or one-hot rows (N, C).
        y_pred: the same, or probabilities (N, C), or (N, 1) probabilities of class 1.
        num_classes: rows and columns of the matrix; as many as occur, if None.

    Returns:
        Whole numbers of shape (num_classes, num_classes).

    Raises:
        ValueError: for NaN, unequal lengths, and classes out of range.

    >>> confusion_matrix([0, 1, 2, 2], [[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.0, 0.2, 0.8], [0.1, 0.8, 0.1]])
    array([[1, 0, 0],
           [0, 1, 0],
           [0, 1, 1]])
    """
    rows, columns = _to_classes(y_true, "y_true"), _to_classes(y_pred, "y_pred")  # (N,) each
    if len(rows) != len(columns) or not len(rows):
        received = f"{len(rows)} labels and {len(columns)} predictions"
        raise ValueError(sentence("confusion_matrix", "one prediction per label", received))
    widths = [np.shape(y)[-1] for y in (y_true, y_pred) if np.ndim(y) > 1]
    classes = num_classes or max(int(rows.max()) + 1, int(columns.max()) + 1, *widths)
    labels.check_classes(rows, (None, classes), "confusion_matrix, y_true")
    labels.check_classes(columns, (None, classes), "confusion_matrix, y_pred")
    counts = np.bincount(classes * rows + columns, minlength=classes * classes)
    return counts.reshape(classes, classes)


def _to_classes(y: Any, name: str) -> Array:
    """Class numbers, one-hot rows or probabilities -> (N,) class numbers."""
    y = labels.check_numbers(y, f"confusion_matrix, {name}")
    if np.isnan(y).any():
        raise ValueError(sentence("confusion_matrix", "numbers", f"NaN at {name}{list(first_index(np.isnan(y)))}"))
    if y.ndim > 1 and y.shape[-1] > 1:
        return y.argmax(axis=-1).ravel()
    y = y.ravel()
    return (y if (y == np.floor(y)).all() else y > 0.5).astype(np.intp)


def _classes(y_true: Any, y_pred: Array) -> Array:
    """(N,) or (N, 1) labels -> (N,) class numbers, one for each row of ``y_pred``."""
    numbers = labels.class_numbers(y_true, y_pred.ndim - 1)
    if numbers.shape == y_pred.shape[:-1]:
        return numbers
    expected = f"one class number per row of y_pred, shape {y_pred.shape[:-1]}"
    raise ValueError(sentence("y_true", expected, f"y_true.shape={numbers.shape}"))


def _in_top_k(numbers: Array, y_pred: Array, k: int) -> Array:
    """Whether fewer than k outputs are larger than that of the class. NaN counts as larger."""
    own = np.take_along_axis(y_pred, numbers[..., np.newaxis], axis=-1)  # (N, 1)
    return (~(y_pred <= own)).sum(axis=-1) < k


def _fit_weights(sample_weight: Any, values: Array) -> Array:
    """Weights as an array whose axes are the first axes of ``values``."""
    weights = np.asarray(sample_weight, dtype=np.float64)
    if weights.ndim == values.ndim + 1 and weights.shape[-1] == 1:
        weights = weights[..., 0]
    if weights.shape == values.shape[: weights.ndim]:
        return weights
    received = f"sample_weight.shape={weights.shape}"
    raise ValueError(sentence("sample_weight", f"one weight per value, shape {values.shape}", received))


_NAMES = table(
    Mean, Accuracy, BinaryAccuracy, CategoricalAccuracy, SparseCategoricalAccuracy, TopKCategoricalAccuracy,
    SparseTopKCategoricalAccuracy, MeanSquaredError, MeanAbsoluteError,
    mse=MeanSquaredError, MSE=MeanSquaredError, mae=MeanAbsoluteError, MAE=MeanAbsoluteError, acc=Accuracy,
)  # fmt: skip


def get(
    identifier: Any,
    loss: Any = None,
    output_shape: Sequence[int | None] | None = None,
    label_shape: Sequence[int | None] | None = None,
) -> Metric:
    """The metric that a name, a configuration, a class or an instance stands for.

    ``"accuracy"`` and ``"acc"`` depend on the shapes, as in Keras's ``trainers/compile_utils.py``: one output is a
    yes or no (`BinaryAccuracy`), labels with fewer axes than the output or a last axis of 1 are class numbers
    (`SparseCategoricalAccuracy`), all else is one-hot (`CategoricalAccuracy`).

    Args:
        identifier: what the user wrote; a metric named by a string keeps that string as its name.
        loss: the loss of the output, asked whether labels are class numbers where ``label_shape`` is not known.
        output_shape: (N or None, C), needed for "accuracy" only.
        label_shape: (N or None,) or longer.

    >>> get("acc", output_shape=(None, 10), label_shape=(None,))
    SparseCategoricalAccuracy(name='acc')

    Raises:
        ValueError: for an unknown name.
        TypeError: for anything else.
    """
    if isinstance(identifier, str) and identifier.lower() in ("accuracy", "acc") and output_shape is not None:
        return _accuracy(loss, output_shape, label_shape)(name=identifier)
    metric: Metric = find("metric", identifier, Metric, _NAMES)
    if isinstance(identifier, str):
        metric.name = identifier
    return metric


def _accuracy(
    loss: Any, output_shape: Sequence[int | None], label_shape: Sequence[int | None] | None
) -> type[MetricOfPairs]:
    """The class behind "accuracy", for labels and an output of these shapes."""
    if output_shape[-1] == 1:
        return BinaryAccuracy
    sparse = getattr(loss, "sparse_labels", False)
    if label_shape is not None:
        sparse = len(label_shape) < len(output_shape) or label_shape[-1] == 1
    return SparseCategoricalAccuracy if sparse else CategoricalAccuracy


def serialize(metric: Metric) -> dict[str, Any] | None:
    """``{"class_name": ..., "config": {...}}``, which `get` takes back."""
    return describe(metric)
