"""Is this backward right? The analytic gradient against a difference quotient, cell by cell.

Raise one number by h and lower it by h: the loss changes by nearly 2h times its derivative. Comparing that quotient
with what `backward` says finds every wrong formula. The check runs in float64, holds dropout's mask still, and leaves
out cells on a kink (a ReLU at 0, a tie in a pooling window), where there is no derivative to compare with.
Source: A. Karpathy, CS231n notes, neural networks part 3.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyconv import config
from tinyconv._types import Array

STEP = 1e-5
TOLERANCE = 1e-6


@dataclass(frozen=True)
class TensorReport:
    """What the check found for one array.

    Attributes:
        name: which array: a parameter, or the input.
        shape: its shape.
        error: largest difference of the two gradients, relative to the larger of their largest entries.
        index, analytic, numeric: the worst cell and its two numbers.
        checked: cells compared.
        skipped: cells left out because they lie on a kink.
    """

    name: str
    shape: tuple[int, ...]
    error: float
    index: tuple[int, ...]
    analytic: float
    numeric: float
    checked: int
    skipped: int


@dataclass(frozen=True)
class Report:
    """The check of a layer or model, one line per array when printed."""

    title: str
    tensors: tuple[TensorReport, ...]
    tolerance: float

    @property
    def worst(self) -> float:
        """Largest relative error of all arrays."""
        return max((t.error for t in self.tensors), default=0.0)

    @property
    def ok(self) -> bool:
        """Whether every array is within the tolerance, and at least one cell could be compared."""
        return self.worst <= self.tolerance and any(t.checked for t in self.tensors)

    def __str__(self) -> str:
        compared = any(t.checked for t in self.tensors)
        verdict = "gradients agree" if self.ok else "WRONG GRADIENT" if compared else "every cell lies on a kink"
        lines = [f"{self.title}: {verdict} (tolerance {self.tolerance:g}, relative)"]
        for t in self.tensors:
            mark = " " if t.error <= self.tolerance else "!"
            counts = f"{t.checked} cells" + (f", {t.skipped} on a kink skipped" if t.skipped else "")
            worst = f"worst {list(t.index)}: backward {t.analytic:.9g}, quotient {t.numeric:.9g}"
            lines.append(f"{mark} {t.name:<28} {t.shape!s:<18} error {t.error:.1e}  {worst}  ({counts})")
        return "\n".join(lines)


class GradientError(AssertionError):
    """A backward disagrees with the difference quotient; ``report`` says where."""

    def __init__(self, report: Report) -> None:
        super().__init__(f"\n{report}")
        self.report = report


def check_layer(
    layer: Any, x: Any, *, training: bool = True, samples: int | None = None, tolerance: float = TOLERANCE
) -> Report:
    """Compare a layer's `backward` with difference quotients, for every parameter and the input.

    The loss is a random weighting of the outputs, so that no gradient is zero by accident. That `backward` adds to the
    gradients, and does not overwrite them, is checked too.

    Args:
        layer: any `tinyconv.layers.Layer`; built if it is not.
        x: an input, or a list for a layer with several.
        training: how to run the layer.
        samples: at most this many cells of each array, chosen at random; None for all.
        tolerance: largest relative error that passes.

    Raises:
        GradientError: if a gradient is wrong; the worst cell is named with both numbers.

    >>> from tinyconv.layers import Dense
    >>> x = np.random.default_rng(0).normal(size=(3, 4))
    >>> check_layer(Dense(2, activation="tanh"), x).ok
    True
    """
    inputs, argument = _inputs(x)
    if not layer.built:
        layer.build([a.shape for a in inputs] if isinstance(x, list) else argument.shape)
    layers = list(layer.sublayers())
    with _float64(layers), _held_random(layers) as rewind:
        y, cache = layer.forward(argument, training)
        dy = np.random.default_rng(0).normal(size=y.shape)
        grads = [gradient for inner in layers for gradient in inner.grads.values()]
        for gradient in grads:
            gradient.fill(1)  # a backward that overwrites, where it should add, shows
        dx = layer.backward(dy, cache)
        for gradient in grads:
            gradient -= 1

        def loss() -> float:
            rewind()
            return float((layer.forward(argument, training)[0] * dy).sum())

        gradients = _gradients(layers, inputs, dx if isinstance(dx, list) else [dx])
        return _compare(layer.title, loss, gradients, samples, tolerance)


def check_model(
    model: Any, x: Any, y: Any, *, training: bool = True, samples: int | None = 100, tolerance: float = TOLERANCE
) -> Report:
    """Compare a compiled model's whole backward pass, loss and regularizers included, with difference quotients.

    Args:
        model: a compiled `tinyconv.Model` or `Sequential`.
        x, y: a few samples and their labels.
        training: whether dropout and batch normalisation act as in training.
        samples: at most this many cells of each array, chosen at random; None for all.
        tolerance: largest relative error that passes.

    Raises:
        GradientError: if a gradient is wrong; the worst cell is named with both numbers.
        RuntimeError: if the model is not compiled.
    """
    inputs, argument = _inputs(x)
    model.build([a.shape for a in inputs] if isinstance(x, list) else argument.shape)
    layers = list(model.sublayers())
    with _float64(layers), _held_random(layers) as rewind:
        _, dinputs = model.loss_and_gradients(argument, y, training=training)

        def loss() -> float:
            rewind()
            return float(model.loss_and_gradients(argument, y, training=training)[0])

        gradients = _gradients(layers, inputs, dinputs)
        return _compare(model.title, loss, gradients, samples, tolerance)


def _inputs(x: Any) -> tuple[list[Array], Any]:
    """The inputs as a list of float64 arrays, and as the layer takes them: one array, or the list."""
    arrays = [np.array(part, np.float64) for part in (x if isinstance(x, list) else [x])]
    return arrays, arrays if isinstance(x, list) else arrays[0]


def _gradients(layers: list[Any], inputs: list[Array], dinputs: list[Array]) -> list[tuple[str, Array, Array]]:
    """(name, the array to nudge, its analytic gradient) for every parameter and input."""
    found = [(f"{m.name}/{k}", m.params[k], m.grads[k].copy()) for m in layers for k in m.params]
    names = ["x"] if len(inputs) == 1 else [f"x[{i}]" for i in range(len(inputs))]
    return found + list(zip(names, inputs, dinputs, strict=True))


def _compare(
    title: str,
    loss: Callable[[], float],
    gradients: Iterable[tuple[str, Array, Array]],
    samples: int | None,
    tolerance: float,
) -> Report:
    tensors = tuple(_check_tensor(name, array, d, loss, samples) for name, array, d in gradients)
    report = Report(title, tensors, tolerance)
    if not report.ok:
        raise GradientError(report)
    return report


def _check_tensor(
    name: str, array: Array, analytic: Array, loss: Callable[[], float], samples: int | None
) -> TensorReport:
    cells = np.arange(array.size)
    if samples is not None and samples < array.size:
        cells = np.sort(np.random.default_rng(0).choice(cells, samples, replace=False))
    numeric = np.array([_quotient(array, int(cell), loss) for cell in cells])  # (cells,), NaN on a kink
    smooth = np.isfinite(numeric)
    if not smooth.any():
        return TensorReport(name, array.shape, 0.0, (), 0.0, 0.0, 0, cells.size)
    mine, theirs = analytic.ravel()[cells[smooth]], numeric[smooth]
    differences = np.abs(mine - theirs)
    differences[np.isnan(mine)] = np.inf
    scale = max(np.nanmax(np.abs(mine), initial=0), np.abs(theirs).max(), _NOISE * abs(loss()), _NOISE)
    worst = int(differences.argmax())
    index = tuple(int(i) for i in np.unravel_index(cells[smooth][worst], array.shape))
    error, a, n = (float(v) for v in (differences[worst] / scale, mine[worst], theirs[worst]))
    return TensorReport(name, array.shape, error, index, a, n, int(smooth.sum()), int((~smooth).sum()))


#: What a difference quotient can resolve, relative to the loss: two roundings of the loss over 2h, with room.
_NOISE = 1e-4


def _quotient(array: Array, cell: int, loss: Callable[[], float]) -> float:
    """Central difference quotient by one cell; NaN if the loss has a kink there.

    Of a smooth function, the slopes to the right and to the left differ in proportion to the step. Where halving the
    step, and halving it again, does not halve their difference each time, there is a kink between them.
    """

    def slopes(h: float) -> tuple[float, float]:
        value = array.flat[cell]
        here = loss()
        array.flat[cell] = value + h
        above = loss()
        array.flat[cell] = value - h
        below = loss()
        array.flat[cell] = value
        return (above - here) / h, (here - below) / h

    right, left = slopes(STEP)
    jump = abs(right - left)
    if jump > max(1e-6 * max(abs(right), abs(left)), 1e-8 * max(abs(loss()), 1)):  # more than rounding
        for closer in (STEP / 2, STEP / 4):
            last, jump = jump, abs(float(np.subtract(*slopes(closer))))
            if not 0.4 < jump / last < 0.6:
                return np.nan
    return (right + left) / 2


@contextmanager
def _float64(layers: list[Any]) -> Iterator[None]:
    """The layers with float64 copies of their arrays and gradients at zero; everything is put back afterwards."""
    kept = [(layer, layer.dtype, layer.params, layer.grads, layer.state) for layer in layers]
    try:
        for layer, _, params, _, state in kept:
            layer.dtype = "float64"
            layer.params = {k: v.astype(np.float64) for k, v in params.items()}
            layer.grads = {k: np.zeros(v.shape) for k, v in params.items()}
            layer.state = {k: v.astype(np.float64) for k, v in state.items()}
        yield
    finally:
        for layer, dtype, params, grads, state in kept:
            layer.dtype, layer.params, layer.grads, layer.state = dtype, params, grads, state


@contextmanager
def _held_random(layers: list[Any]) -> Iterator[Callable[[], None]]:
    """Yields a function that puts every random stream back to where it is now, so that masks repeat."""
    own = [layer.rng.bit_generator for layer in layers if hasattr(layer, "rng")]
    states = [generator.state for generator in own]
    start = config.random_state()

    def rewind() -> None:
        config.set_random_state(start)
        for generator, state in zip(own, states, strict=True):
            generator.state = state

    try:
        yield rewind
    finally:
        rewind()
