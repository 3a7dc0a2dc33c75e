"""The numbers that a network's weights start from.

If the first weights are too large, the signal explodes from layer to layer; if they are too small, it dies; and if they
are all equal, every filter learns the same thing. So most of these draw random numbers whose spread depends on how many
inputs a unit adds up (its *fan-in*) and how many units it feeds (its *fan-out*).
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.random import Generator

from tinyconv import config
from tinyconv._types import Array
from tinyconv.checks import lookup, sentence
from tinyconv.registry import Configurable, describe, find, table

__all__ = [
    "Constant", "GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "Identity", "IdentityInitializer",
    "Initializer", "LecunNormal", "LecunUniform", "Ones", "Orthogonal", "OrthogonalInitializer", "RandomNormal",
    "RandomUniform", "TruncatedNormal", "VarianceScaling", "Zeros", "compute_fans", "constant", "get", "glorot_normal",
    "glorot_uniform", "he_normal", "he_uniform", "identity", "lecun_normal", "lecun_uniform", "ones", "orthogonal",
    "random_normal", "random_uniform", "serialize", "truncated_normal", "variance_scaling", "zeros",
]  # fmt: skip

Dims = tuple[int, ...]
DType = np.dtype[Any]

#: Standard deviation of a standard normal distribution that is cut off at two sigma.
TRUNCATED_STDDEV = 0.87962566103423978


class Initializer(Configurable):
    """Makes the first values of a parameter. Subclasses write `draw`."""

    seed: int | None = None

    def __call__(self, shape: Sequence[int], dtype: Any = None, rng: Generator | None = None) -> Array:
        """An array of first values.

        Args:
            shape: of the parameter, such as (KH, KW, C, F) or (in, out).
            dtype: float type, ``config.floatx()`` if None.
            rng: where random numbers come from. If None: a generator started at ``seed``, so that every call gives
                the same values, as in Keras; without a seed, the stream "weights" of `tinyconv.config`.
        """
        return self.draw(tuple(shape), np.dtype(dtype or config.floatx()), rng or self._own_generator())

    def draw(self, shape: Dims, dtype: DType, rng: Generator) -> Array:
        """An array of this shape and type, with randomness from ``rng`` only."""
        raise NotImplementedError

    def _own_generator(self) -> Generator:
        return config.stream("weights") if self.seed is None else np.random.default_rng(self.seed)


class Constant(Initializer):
    """The same value everywhere (or an array that broadcasts to the shape).

    >>> Constant(2.0)((2, 3))
    array([[2., 2., 2.],
           [2., 2., 2.]], dtype=float32)
    """

    def __init__(self, value: Any = 0.0) -> None:
        self.value = value

    def draw(self, shape: Dims, dtype: DType, rng: Generator) -> Array:
        return np.full(shape, self.value, dtype)

    def get_config(self) -> dict[str, Any]:
        return {"value": np.asarray(self.value).tolist()}


class Zeros(Initializer):
    """Zero everywhere: the usual start of a bias."""

    def draw(self, shape: Dims, dtype: DType, rng: Generator) -> Array:
        return np.zeros(shape, dtype)


class Ones(Initializer):
    """One everywhere: the usual start of batch normalization's scale."""

    def draw(self, shape: Dims, dtype: DType, rng: Generator) -> Array:
        return np.ones(shape, dtype)


class Identity(Initializer):
    """The identity matrix times ``gain``, for parameters with two axes.

    Raises:
        ValueError: when called for a shape of another rank.
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def draw(self, shape: Dims, dtype: DType, rng: Generator) -> Array:
        if len(shape) != 2:
            raise ValueError(sentence("Identity", "a shape of two axes", f"shape={shape}"))
        matrix = np.eye(*shape, dtype=dtype)
        matrix *= self.gain
        return matrix

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain}


class RandomUniform(Initializer):
    """Every value between ``minval`` and ``maxval`` equally likely.

    >>> RandomUniform(-1.0, 1.0, seed=7)((2, 3)).shape
    (2, 3)
    """

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None) -> None:
        self.minval = minval
        self.maxval = maxval
        self.seed = _seed(seed, self)

    def draw(self, shape: Dims, dtype: DType, rng: Generator) -> Array:
        return _uniform(shape, self.minval, self.maxval, dtype, rng)

    def get_config(self) -> dict[str, Any]:
        return {"minval": self.minval, "maxval": self.maxval, "seed": self.seed}


class RandomNormal(Initializer):
    """The bell curve around ``mean`` with standard deviation ``stddev``."""

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        self.mean = mean
        self.stddev = stddev
        self.seed = _seed(seed, self)

    def draw(self, shape: Dims, dtype: DType, rng: Generator) -> Array:
        return _normal(shape, self.mean, self.stddev, dtype, rng)

    def get_config(self) -> dict[str, Any]:
        return {"mean": self.mean, "stddev": self.stddev, "seed": self.seed}


class TruncatedNormal(RandomNormal):
    """The bell curve without its tails: a value further than two ``stddev`` from ``mean`` is drawn again.

    What is left spreads a little less: its standard deviation is 0.8796 times ``stddev``.
    """

    def draw(self, shape: Dims, dtype: DType, rng: Generator) -> Array:
        return _truncated_normal(shape, self.mean, self.stddev, dtype, rng)


class VarianceScaling(Initializer):
    """Random values with variance scale / n, where n counts the inputs or outputs of a unit.

    A unit that adds up n inputs of variance 1, each times a weight of variance 1/n, has variance 1 again: so a signal
    keeps its size through many layers. The initializers below are this one with settings that have names.

    Args:
        scale: factor of the variance, positive. 2 makes up for a ReLU, which silences half of the inputs.
        mode: what n is: ``'fan_in'``, ``'fan_out'``, or their mean ``'fan_avg'``.
        distribution: ``'truncated_normal'`` (also ``'normal'``), ``'untruncated_normal'`` or ``'uniform'``.
        seed: a whole number makes every call give the same values.

    Raises:
        ValueError: for a scale that is not positive, or an unknown mode or distribution.

    Source: K. He et al., Delving deep into rectifiers, arXiv:1502.01852, section 2.2.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
    ) -> None:
        if not scale > 0:
            raise ValueError(sentence(type(self).__name__, "a positive scale", f"scale={scale!r}"))
        self.scale = scale
        self.mode = mode
        self.distribution = "truncated_normal" if distribution.lower() == "normal" else distribution.lower()
        lookup("mode", self.mode, _MODES)
        lookup("distribution", self.distribution, _DISTRIBUTIONS)
        self.seed = _seed(seed, self)

    def draw(self, shape: Dims, dtype: DType, rng: Generator) -> Array:
        n = _MODES[self.mode](*compute_fans(shape))
        stddev = math.sqrt(self.scale / max(1.0, n))
        return _DISTRIBUTIONS[self.distribution](shape, stddev, dtype, rng)

    def get_config(self) -> dict[str, Any]:
        settings = {"scale": self.scale, "mode": self.mode, "distribution": self.distribution}
        return settings | {"seed": self.seed}


class _Named(VarianceScaling):
    """Variance scaling with its first three arguments fixed by the class."""

    settings: tuple[float, str, str]

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(*self.settings, seed)

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed}


class GlorotUniform(_Named):
    """Uniform between -limit and limit, limit = sqrt(6 / (fan_in + fan_out)): the default of Conv2D and Dense.

    >>> kernel = GlorotUniform(seed=1)((3, 5, 2, 4))        # fan_in 3*5*2 = 30, fan_out 3*5*4 = 60
    >>> bool(abs(kernel).max() <= (6 / 90) ** 0.5)
    True

    Source: X. Glorot and Y. Bengio, Understanding the difficulty of training deep feedforward networks, 2010, eq. 16.
    """

    settings = (1.0, "fan_avg", "uniform")


class GlorotNormal(_Named):
    """Truncated normal of variance 2 / (fan_in + fan_out)."""

    settings = (1.0, "fan_avg", "truncated_normal")


class HeUniform(_Named):
    """Uniform between -limit and limit, limit = sqrt(6 / fan_in): made for layers followed by a ReLU."""

    settings = (2.0, "fan_in", "uniform")


class HeNormal(_Named):
    """Truncated normal of variance 2 / fan_in: made for layers followed by a ReLU.

    Source: K. He et al., Delving deep into rectifiers, arXiv:1502.01852, eq. 10.
    """

    settings = (2.0, "fan_in", "truncated_normal")


class LecunUniform(_Named):
    """Uniform between -limit and limit, limit = sqrt(3 / fan_in)."""

    settings = (1.0, "fan_in", "uniform")


class LecunNormal(_Named):
    """Truncated normal of variance 1 / fan_in: made for layers followed by a SELU.

    Source: Y. LeCun et al., Efficient BackProp, 1998, section 4.6.
    """

    settings = (1.0, "fan_in", "truncated_normal")


class Orthogonal(Initializer):
    """Columns at right angles to each other and of length ``gain`` (rows, where there are more columns than rows).

    All axes but the last are counted as rows. Directions are neither stretched nor lost on the way through.

    Raises:
        ValueError: when called for a shape with fewer than two axes.

    Source: A. Saxe et al., Exact solutions to the nonlinear dynamics of learning, arXiv:1312.6120.
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        self.gain = gain
        self.seed = _seed(seed, self)

    def draw(self, shape: Dims, dtype: DType, rng: Generator) -> Array:
        if len(shape) < 2:
            raise ValueError(sentence("Orthogonal", "a shape of at least two axes", f"shape={shape}"))
        rows, columns = math.prod(shape[:-1]), shape[-1]
        tall = rng.standard_normal((max(rows, columns), min(rows, columns)), dtype=dtype)
        q, r = np.linalg.qr(tall)
        # QR leaves the sign of each column to the library; the diagonal of R makes the result uniformly distributed.
        q *= self.gain * np.sign(np.diag(r))
        return np.ascontiguousarray(q if rows >= columns else q.T).reshape(shape)

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain, "seed": self.seed}


def compute_fans(shape: Sequence[int]) -> tuple[int, int]:
    """(fan_in, fan_out) of a parameter: how many numbers a unit adds up, and how many units a number goes to.

    >>> compute_fans((300, 10)), compute_fans((3, 5, 2, 4)), compute_fans((7,))
    ((300, 10), (30, 60), (7, 7))
    """
    if len(shape) < 2:
        return math.prod(shape), math.prod(shape)
    cells = math.prod(shape[:-2])  # KH*KW of a kernel (KH, KW, C, F); 1 for a matrix (in, out)
    return cells * shape[-2], cells * shape[-1]


def _seed(seed: Any, owner: Initializer) -> int | None:
    if seed is None or (hasattr(seed, "__index__") and not isinstance(seed, bool) and seed >= 0):
        return None if seed is None else int(seed)
    raise ValueError(sentence(type(owner).__name__, "seed as a whole number from 0, or None", f"seed={seed!r}"))


def _uniform(shape: Dims, low: float, high: float, dtype: DType, rng: Generator) -> Array:
    values = rng.random(shape, dtype=dtype)
    values *= high - low
    values += low
    return values


def _normal(shape: Dims, mean: float, stddev: float, dtype: DType, rng: Generator) -> Array:
    values = rng.standard_normal(shape, dtype=dtype)
    values *= stddev
    values += mean
    return values


def _truncated_normal(shape: Dims, mean: float, stddev: float, dtype: DType, rng: Generator) -> Array:
    values = rng.standard_normal(math.prod(shape), dtype=dtype)
    outside = np.flatnonzero(np.abs(values) > 2)
    while outside.size:  # each round keeps 95 of 100
        values[outside] = rng.standard_normal(outside.size, dtype=dtype)
        outside = outside[np.abs(values[outside]) > 2]
    values *= stddev
    values += mean
    return values.reshape(shape)


#: n of variance scaling, from (fan_in, fan_out).
_MODES = {
    "fan_in": lambda fan_in, fan_out: fan_in,
    "fan_out": lambda fan_in, fan_out: fan_out,
    "fan_avg": lambda fan_in, fan_out: (fan_in + fan_out) / 2,
}

#: Values of mean 0 and standard deviation s. A uniform distribution reaches sqrt(3) times its standard deviation.
_DISTRIBUTIONS = {
    "uniform": lambda shape, s, dtype, rng: _uniform(shape, -math.sqrt(3) * s, math.sqrt(3) * s, dtype, rng),
    "untruncated_normal": lambda shape, s, dtype, rng: _normal(shape, 0, s, dtype, rng),
    "truncated_normal": lambda shape, s, dtype, rng: _truncated_normal(shape, 0, s / TRUNCATED_STDDEV, dtype, rng),
}

#: Keras's other names of the classes: ``kernel_initializer=he_normal(seed=1)``.
constant, zeros, ones, identity, orthogonal = Constant, Zeros, Ones, Identity, Orthogonal
random_uniform, random_normal, truncated_normal = RandomUniform, RandomNormal, TruncatedNormal
glorot_uniform, glorot_normal, he_uniform, he_normal = GlorotUniform, GlorotNormal, HeUniform, HeNormal
lecun_uniform, lecun_normal, variance_scaling = LecunUniform, LecunNormal, VarianceScaling
OrthogonalInitializer, IdentityInitializer = Orthogonal, Identity

_NAMES = table(
    Constant, Zeros, Ones, Identity, RandomUniform, RandomNormal, TruncatedNormal, VarianceScaling, Orthogonal,
    GlorotUniform, GlorotNormal, HeUniform, HeNormal, LecunUniform, LecunNormal,
    zero=Zeros, one=Ones, uniform=RandomUniform, normal=RandomNormal,
    OrthogonalInitializer=Orthogonal, IdentityInitializer=Identity,
)  # fmt: skip


def get(identifier: Any) -> Initializer | None:
    """The initializer that a name, a configuration, a class or an instance stands for; None stays None.

    >>> get("he_normal"), get({"class_name": "Constant", "config": {"value": 0.5}})
    (HeNormal(seed=None), Constant(value=0.5))

    Raises:
        ValueError: for an unknown name.
        TypeError: for anything else.
    """
    return None if identifier is None else find("initializer", identifier, Initializer, _NAMES)


def serialize(initializer: Initializer | None) -> dict[str, Any] | None:
    """``{"class_name": ..., "config": {...}}``, which `get` takes back."""
    return describe(initializer)
