"""Labels and tables of numbers on their way into a network."""

from typing import Any

import numpy as np

from tinyconv._types import Array
from tinyconv.checks import did_you_mean, first_index, positive, sentence

__all__ = ["LabelEncoder", "StandardScaler", "normalize", "to_categorical"]


def to_categorical(x: Any, num_classes: int | None = None) -> Array:
    """Class numbers -> one-hot rows.

    Args:
        x: whole numbers from 0, (N,) or (N, 1).
        num_classes: length of a row; the largest number plus 1 unless given.

    Returns:
        (N, num_classes) float64.

    Raises:
        ValueError: for labels that are not whole numbers from 0 to num_classes - 1; the first one is named.

    >>> to_categorical([0, 2, 1])
    array([[1., 0., 0.],
           [0., 0., 1.],
           [0., 1., 0.]])
    """
    labels = np.asarray(x)
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]  # (N,)
    if labels.dtype.kind not in "biuf":
        raise ValueError(sentence("to_categorical", "whole numbers from 0", f"labels of dtype {labels.dtype}"))
    classes = int(labels.max(initial=-1)) + 1 if num_classes is None else num_classes
    wrong = ~((labels >= 0) & (labels < classes) & (labels == np.floor(labels)))
    if wrong.any():
        index = first_index(wrong)
        way_out = "Number the classes from 0 without gaps, or give a larger num_classes."
        expected = f"whole numbers from 0 to {classes - 1}"
        raise ValueError(sentence("to_categorical", expected, f"{labels[index]} at index {index}", way_out))
    return np.eye(classes)[labels.astype(int)]  # (N, num_classes)


def normalize(x: Any, axis: int = -1, order: int = 2) -> Array:
    """Numbers divided by their norm along an axis: each row gets length 1; a row of zeros stays.

    >>> normalize([[3.0, 4.0], [0.0, 0.0]])
    array([[0.6, 0.8],
           [0. , 0. ]])

    Args:
        x: numbers.
        axis: along which the norm is taken.
        order: of the norm: 2 for the root of the sum of squares, 1 for the sum of the sizes.
    """
    x, order = np.asarray(x), positive(order, "order", "normalize")
    norm = np.linalg.norm(x, order, axis, keepdims=True)
    return x / np.where(norm == 0, 1, norm)


class LabelEncoder:
    """Names of classes <-> numbers from 0, in alphabetical order, as scikit-learn's.

    >>> encoder = LabelEncoder()
    >>> encoder.fit_transform(["tulip", "daisy", "rose", "daisy"])
    array([2, 0, 1, 0])
    >>> encoder.inverse_transform([0, 2]).tolist()
    ['daisy', 'tulip']

    Attributes:
        classes_: the names (K,), sorted; the place of each is its number.
    """

    classes_: Array

    def fit(self, y: Any) -> "LabelEncoder":
        """Learn the names in ``y`` (N,); they may be numbers, too."""
        labels = _labels(y)
        try:
            self.classes_ = np.unique(labels)
        except TypeError as error:  # None among names: what cannot be compared cannot be sorted
            raise ValueError(sentence("LabelEncoder", "labels of one kind, all there", str(error))) from error
        return self

    def transform(self, y: Any) -> Array:
        """Names (N,) -> numbers (N,). Raises ValueError for a name that `fit` has not seen."""
        number = {name: i for i, name in enumerate(_fitted(self, "classes_").tolist())}
        names = _labels(y).tolist()
        for i, name in enumerate(names):
            if name not in number:
                expected = f"labels that fit() has seen: {', '.join(map(repr, number))}"
                near = did_you_mean(str(name), map(str, number))
                raise ValueError(sentence("LabelEncoder", expected, f"{name!r} at index {i}", near))
        return np.array([number[name] for name in names], np.int64)

    def fit_transform(self, y: Any) -> Array:
        """Learn the names in ``y`` (N,), and give their numbers (N,)."""
        return self.fit(y).transform(y)

    def inverse_transform(self, y: Any) -> Array:
        """Numbers (N,) -> names (N,). Raises ValueError for a number that has no name."""
        classes = _fitted(self, "classes_")
        numbers = _labels(y)
        wrong = ~np.isin(numbers, np.arange(len(classes)))
        if wrong.any():
            (i,) = first_index(wrong)
            expected = f"whole numbers from 0 to {len(classes) - 1}"
            raise ValueError(sentence("LabelEncoder", expected, f"{numbers[i]} at index {i}"))
        return classes[numbers.astype(int)]


class StandardScaler:
    """Numbers -> numbers with mean 0 and standard deviation 1.

    Each column of a table is scaled by itself, as scikit-learn does it; a column that is constant becomes 0. With
    ``whole=True`` one mean and one deviation serve for everything, as is usual for the pixels of images:
    ``(x - x_train.mean()) / x_train.std()``. Training data are for `fit`; the test data are scaled by their numbers.

    >>> table = [[1.0, 10.0], [3.0, 30.0]]
    >>> StandardScaler().fit_transform(table)
    array([[-1., -1.],
           [ 1.,  1.]])
    >>> StandardScaler(whole=True).fit(table).mean_
    array(11.)

    Args:
        with_mean: subtract the mean.
        with_std: divide by the standard deviation.
        whole: one mean and deviation for data of any shape.

    Attributes:
        mean_: (C,), or () if ``whole``.
        var_: the mean square of the distance from it.
        scale_: its root, and 1 where the data are constant.
    """

    mean_: Array
    var_: Array
    scale_: Array

    def __init__(self, *, with_mean: bool = True, with_std: bool = True, whole: bool = False) -> None:
        self.with_mean, self.with_std, self.whole = with_mean, with_std, whole

    def fit(self, X: Any, y: Any = None) -> "StandardScaler":
        """Learn the mean and the deviation of ``X``: (N, C), or any shape if ``whole``. ``y`` is not looked at."""
        x = self._numbers(X)
        if not np.isfinite(x).all():
            i = first_index(~np.isfinite(x))
            raise ValueError(sentence("StandardScaler", "finite numbers", f"{x[i]} at index {i}"))
        if not x.size:
            raise ValueError(sentence("StandardScaler", "one or more rows", f"shape {x.shape}"))
        axis = None if self.whole else 0
        n = x.size if self.whole else len(x)
        self.mean_ = np.asarray(x.mean(axis, dtype=np.float64))  # (C,) or ()
        self.var_ = np.asarray(x.var(axis, dtype=np.float64))  # (C,) or ()
        rounding = np.finfo(np.float64).eps * n
        is_constant = self.var_ <= rounding * self.var_ + (rounding * self.mean_) ** 2
        self.scale_ = np.where(is_constant, 1.0, np.sqrt(self.var_))
        return self

    def transform(self, X: Any) -> Array:
        """``(X - mean_) / scale_``: float32 stays float32, all else becomes float64."""
        x = self._numbers(X).copy()
        mean, deviation = self._learned(x)
        x -= mean
        x /= deviation
        return x

    def fit_transform(self, X: Any, y: Any = None) -> Array:
        """`fit` and `transform` the same data."""
        return self.fit(X).transform(X)

    def inverse_transform(self, X: Any) -> Array:
        """Scaled data as they were: ``X * scale_ + mean_``."""
        x = self._numbers(X).copy()
        mean, deviation = self._learned(x)
        x *= deviation
        x += mean
        return x

    def _learned(self, x: Array) -> tuple[Array, Array]:
        """What to subtract from ``x``, and what to divide it by then."""
        mean, deviation = _fitted(self, "mean_"), _fitted(self, "scale_")
        if mean.ndim and x.shape[1] != len(mean):
            expected = f"{len(mean)} columns, as fit() has seen"
            raise ValueError(sentence("StandardScaler", expected, f"shape {x.shape}"))
        mean = mean if self.with_mean else np.zeros_like(mean)
        deviation = deviation if self.with_std else np.ones_like(deviation)
        return mean.astype(x.dtype), deviation.astype(x.dtype)

    def _numbers(self, X: Any) -> Array:
        x = np.asarray(X)
        if x.dtype.kind not in "biuf":
            raise ValueError(sentence("StandardScaler", "numbers", f"data of type {x.dtype}"))
        if not self.whole and x.ndim != 2:
            way_out = "For images, use StandardScaler(whole=True). For one column, x.reshape(-1, 1)."
            raise ValueError(sentence("StandardScaler", "a table (N, C)", f"shape {x.shape}", way_out))
        return x if x.dtype in (np.float32, np.float64) else x.astype(np.float64)


def _labels(y: Any) -> Array:
    """Labels as an array (N,)."""
    labels = np.asarray(y)
    labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if labels.ndim != 1:
        way_out = "One-hot rows become numbers with y.argmax(-1)." if labels.ndim == 2 else ""
        raise ValueError(sentence("LabelEncoder", "one label per sample, (N,)", f"shape {labels.shape}", way_out))
    if labels.dtype.kind == "f" and np.isnan(labels).any():
        (i,) = first_index(np.isnan(labels))
        raise ValueError(sentence("LabelEncoder", "a label for every sample", f"nan at index {i}"))
    return labels


def _fitted(learner: Any, name: str) -> Array:
    if not hasattr(learner, name):
        raise ValueError(sentence(type(learner).__name__, "fit() first", "nothing that it learned"))
    found: Array = getattr(learner, name)
    return found
