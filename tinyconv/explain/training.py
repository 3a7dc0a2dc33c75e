"""What only training does, in numbers small enough to follow: batch normalisation, dropout, the loss, a step of Adam,
and the check of a gradient by a difference quotient."""

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyconv import activations, losses
from tinyconv import gradcheck as checks
from tinyconv._types import Array
from tinyconv.checks import sentence
from tinyconv.explain import inputs
from tinyconv.explain.views import Grid, Lines, Part, Trace, kept
from tinyconv.explain.wording import bracketed, capital, count, listed, number, total
from tinyconv.layers import BatchNormalization, Dropout
from tinyconv.layers.base import Layer
from tinyconv.optimizers import Adam

#: Numbers that are written out one by one.
_WRITTEN = 8
_MOST = 256


def _few(values: Any, name: str, where: str) -> Array:
    array = inputs.numbers(values, name, where)
    if array.size > _MOST:
        expected = f"at most {_MOST} numbers, so that they can be followed"
        raise ValueError(sentence(where, expected, f"{array.size}", "Take a part of them."))
    return array


def _table(array: Array) -> Array:
    """Any array as rows and columns: the last axis across."""
    return array.reshape(-1, array.shape[-1]) if array.ndim > 1 else array[None]


# Batch normalisation


@dataclass(frozen=True, eq=False, repr=False)
class Normalization(Trace):
    """Batch normalisation of one batch.

    Attributes:
        x: the batch (N, C).
        mean, variance: of each channel of the batch (C,).
        x_hat, y: normalised, and scaled and moved (N, C).
        gamma, beta, epsilon, momentum: of the layer.
        moving: moving mean and variance before and after this step, each (2, C).
        predicted: what the same batch becomes in prediction, by the moving averages (N, C).
    """

    x: Array
    mean: Array
    variance: Array
    x_hat: Array
    y: Array
    gamma: Array
    beta: Array
    epsilon: float
    momentum: float
    moving: tuple[Array, Array]
    predicted: Array

    @property
    def title(self) -> str:
        return f"Batch normalisation of {count(len(self.x), 'number')} in {count(self.x.shape[1], 'channel')}"

    @property
    def alt(self) -> str:
        n = capital(count(len(self.x), "number"))
        return f"{n} in each channel are moved to mean 0 and variance 1, then scaled by gamma and moved by beta."

    def parts(self) -> list[Part]:
        names = [f"channel {c}" for c in range(self.x.shape[1])]
        found: list[Part] = [
            Grid("Batch, a row for each number, a column for each channel", self.x, {}, "→", columns=names),
            Grid("Normalised, x_hat", self.x_hat, {}, "→", columns=names),
            Grid("Output, gamma × x_hat + beta", self.y, columns=names),
        ]
        for c, name in enumerate(names[:4]):
            found.append(Lines(tuple(f"{capital(name)}: {line}" for line in self._lines(c))))
        found.append(
            "In prediction a single image has no batch to compare with: the moving averages take the place of mean and "
            "variance. gamma and beta are learned; the moving averages are kept, not learned."
        )
        found.append(Grid("The same batch in prediction, by the moving averages", self.predicted, columns=names))
        return found

    def _lines(self, c: int) -> list[str]:
        x, n, m, v = self.x[:, c], len(self.x), self.mean[c], self.variance[c]
        some, more = x[:_WRITTEN], " + ..." if n > _WRITTEN else ""
        squares = " + ".join(f"({number(value)} - {bracketed(m)})^2" for value in some)
        root = np.sqrt(v + self.epsilon)
        (mean0, variance0), (mean1, variance1) = self.moving[0][:, c], self.moving[1][:, c]
        keep, new = number(self.momentum), number(1 - self.momentum)
        return [
            f"mean = ({total(some)}{more}) / {n} = {number(m)}",
            f"variance = ({squares}{more}) / {n} = {number(v)}, divided by the count",
            f"x_hat = (x - mean) / sqrt(variance + epsilon), so the first is ({number(x[0])} - {bracketed(m)}) / "
            f"sqrt({number(v)} + {number(self.epsilon)}) = {number(x[0] - m)} / {number(root)} = "
            f"{number(self.x_hat[0, c])}",
            f"y = gamma × x_hat + beta, so the first is {number(self.gamma[c])} × {bracketed(self.x_hat[0, c])} + "
            f"{bracketed(self.beta[c])} = {number(self.y[0, c])}",
            f"moving mean = {keep} × {bracketed(mean0)} + {new} × {bracketed(m)} = {number(mean1)}",
            f"moving variance = {keep} × {bracketed(variance0)} + {new} × {bracketed(v)} = {number(variance1)}",
        ]


def batchnorm(
    x: Any, gamma: Any = None, beta: Any = None, *, epsilon: float = 1e-3, momentum: float = 0.99
) -> Normalization:
    """Batch normalisation with mean, variance and every step written out, in training and in prediction.

    Args:
        x: the numbers of one channel, or (N, ..., C).
        gamma, beta: one number for each channel; 1 and 0 where left out.
        epsilon, momentum: as `tinyconv.layers.BatchNormalization`.

    >>> batchnorm([1, 3]).mean.tolist()
    [2.0]
    """
    where = "explain.batchnorm"
    given = _few(x, "x", where)
    batch = given.reshape(-1, 1 if given.ndim == 1 else given.shape[-1])  # (N, C)
    layer = BatchNormalization(epsilon=epsilon, momentum=momentum, dtype="float64", name=where)
    layer.build(batch.shape)
    for name, value in (("gamma", gamma), ("beta", beta)):
        if value is not None:
            layer.params[name][...] = _channels(value, name, batch.shape[1], where)
    before = np.stack(list(layer.state.values()))  # (2, C)
    y, (x_hat, _, _) = layer.forward(batch, training=True)
    return Normalization(
        x=kept(batch),
        mean=kept(batch.mean(axis=0)),
        variance=kept(batch.var(axis=0)),
        x_hat=kept(x_hat),
        y=kept(y),
        gamma=kept(layer.params["gamma"]),
        beta=kept(layer.params["beta"]),
        epsilon=epsilon,
        momentum=momentum,
        moving=(kept(before), kept(np.stack(list(layer.state.values())))),
        predicted=kept(layer.forward(batch)[0]),
    )


def _channels(value: Any, name: str, c: int, where: str) -> Array:
    found = inputs.numbers(value, name, where).ravel()
    if found.size not in (1, c):
        raise ValueError(sentence(where, f"{name} as one number for each of {count(c, 'channel')}", f"{found.size}"))
    return found


# Dropout


@dataclass(frozen=True, eq=False, repr=False)
class Dropping(Trace):
    """Dropout of some numbers.

    Attributes:
        x: the numbers.
        rate: the fraction that is dropped on average.
        scale: 0 where a number is dropped, else 1 / (1 - rate).
        y: what training sees.
        predicted: what prediction sees.
    """

    x: Array
    rate: float
    scale: Array
    y: Array
    predicted: Array

    @property
    def title(self) -> str:
        return f"Dropout of {count(self.x.size, 'number')}, rate {number(self.rate)}"

    @property
    def alt(self) -> str:
        dropped = int((self.scale == 0).sum())
        rest = f"; the others are multiplied by {number(1 / (1 - self.rate))}" if self.rate < 1 else ""
        return f"{dropped} of {count(self.x.size, 'number')} become 0{rest}."

    def parts(self) -> list[Part]:
        factor = f"1 / (1 - {number(self.rate)}) = {number(1 / (1 - self.rate))}" if self.rate < 1 else "nothing"
        return [
            f"In training each number is dropped with probability {number(self.rate)}; those that stay are multiplied "
            f"by {factor}, so that on average the sum stays what it was.",
            Grid("Numbers", _table(self.x), sign="×"),
            Grid("Factor", _table(self.scale), sign="="),
            Grid("Training sees", _table(self.y)),
            f"Sum before: {number(self.x.sum())}. Sum after: {number(self.y.sum())}. On average they are equal.",
            "On the way back the gradient is multiplied by the same factors: a dropped number gets none.",
            Grid("Prediction sees: nothing is dropped", _table(self.predicted)),
        ]


def dropout(x: Any, rate: float = 0.5, seed: int = 0) -> Dropping:
    """Dropout in training and in prediction, as `tinyconv.layers.Dropout` does it.

    >>> sorted(set(dropout([1, 1, 1, 1, 1, 1], rate=0.5).y.tolist()))
    [0.0, 2.0]
    """
    where = "explain.dropout"
    numbers = _few(x, "x", where)
    layer = Dropout(rate, seed=seed, dtype="float64", name=where)
    y, scale = layer.forward(numbers, training=True)
    used = np.ones_like(numbers) if scale is None else scale
    return Dropping(kept(numbers), layer.rate, kept(used), kept(y), kept(layer.forward(numbers)[0]))


# Softmax and cross-entropy


@dataclass(frozen=True, eq=False, repr=False)
class Crossentropy(Trace):
    """Softmax and cross-entropy of one sample.

    Attributes:
        logits: what the last layer gave (C,).
        label: number of the true class.
        probabilities: softmax of the logits (C,).
        loss: -ln of the true class's probability.
        dlogits: gradient of the loss by the logits (C,).
    """

    logits: Array
    label: int
    probabilities: Array
    loss: float
    dlogits: Array

    @property
    def title(self) -> str:
        return f"Softmax and cross-entropy: {count(self.logits.size, 'class')}, the true one is {self.label}"

    @property
    def alt(self) -> str:
        p = number(self.probabilities[self.label], 4)
        return f"The true class gets probability {p}, so the loss is -ln {p} = {number(self.loss, 4)}."

    def parts(self) -> list[Part]:
        z, p, t = self.logits, self.probabilities, np.eye(self.logits.size)[self.label]
        shifted = z - z.max()
        rows = np.stack([z, shifted, np.exp(shifted), p, t, self.dlogits])  # (6, C)
        names = ["logit z", "z - max", "exp", "probability p", "target t", "gradient p - t"]
        classes = [str(c) for c in range(z.size)]
        e = np.exp(shifted)
        return [
            Grid("From logits to gradient, a column for each class", rows, rows=names, columns=classes),
            Lines(
                (
                    f"The largest logit, {number(z.max())}, is taken from all: it cancels, and no exponent overflows.",
                    f"Sum of the exponentials: {total(e)} = {number(e.sum())}.",
                    f"p of class {self.label} = {number(e[self.label])} / {number(e.sum())} = {number(p[self.label])}.",
                    f"Loss = -ln {number(p[self.label])} = {number(self.loss)}. "
                    f"Guessing all alike would cost ln {z.size} = {number(np.log(z.size))}.",
                    "Gradient by the logits = p - t: every wrong class is pushed down by its probability, the true one "
                    f"up by what it lacks, {number(1 - p[self.label])}. Together they add up to 0.",
                )
            ),
        ]


def softmax_cross_entropy(logits: Any, label: int) -> Crossentropy:
    """Probabilities, loss and gradient of one sample, from what the last layer gives before its softmax.

    >>> softmax_cross_entropy([0, 0], 1).dlogits.tolist()
    [0.5, -0.5]
    """
    where = "explain.softmax_cross_entropy"
    z = _few(logits, "logits", where).ravel()
    c = inputs.place(label, z.size, "label", where)
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    values, cache = loss.forward([c], z[None])
    dz = loss.backward(np.ones(1), cache)
    return Crossentropy(kept(z), c, kept(activations.softmax(z)), float(values[0]), kept(dz[0]))


# Adam


@dataclass(frozen=True, eq=False, repr=False)
class AdamStep(Trace):
    """One update of some weights by Adam.

    Attributes:
        weights, gradient: before the update.
        before, after: mean and mean square of the gradient so far, (2, n) each, before and after.
        updated: the weights after.
        update: number of this update, from 1.
        rate, beta_1, beta_2, epsilon: of the optimizer.
    """

    weights: Array
    gradient: Array
    before: Array
    after: Array
    updated: Array
    update: int
    rate: float
    beta_1: float
    beta_2: float
    epsilon: float

    @property
    def title(self) -> str:
        return f"Adam, update {self.update}, learning rate {number(self.rate)}"

    @property
    def alt(self) -> str:
        steps = self.updated - self.weights
        return f"The weights move by {listed(number(s, 4) for s in steps[:4])}{' ...' if steps.size > 4 else ''}."

    def parts(self) -> list[Part]:
        m, v = self.after
        rows = np.stack([self.weights, self.gradient, m, v, self.updated - self.weights, self.updated])
        names = ["weight w", "gradient g", "mean m", "mean square v", "step", "new weight"]
        columns = [str(i) for i in range(self.weights.size)]
        return [
            Grid("One update, a column for each weight", rows, rows=names, columns=columns, digits=6),
            "The first weight, in full:",
            Lines(tuple(self._lines())),
            "In the first update m / sqrt(v) is 1 or -1 after the correction: every weight moves by about the learning "
            "rate, however large its gradient is.",
        ]

    def _lines(self) -> list[str]:
        w, g, (m0, v0), (m, v) = self.weights[0], self.gradient[0], self.before[:, 0], self.after[:, 0]
        t, b1, b2 = self.update, number(self.beta_1), number(self.beta_2)
        alpha = self.rate * np.sqrt(1 - self.beta_2**t) / (1 - self.beta_1**t)
        return [
            f"m = {bracketed(m0)} + (1 - {b1}) × ({number(g)} - {bracketed(m0)}) = {number(m)}",
            f"v = {number(v0)} + (1 - {b2}) × ({bracketed(g)}^2 - {number(v0)}) = {number(v)}",
            f"rate, corrected for the start from 0 = {number(self.rate)} × sqrt(1 - {b2}^{t}) / (1 - {b1}^{t}) "
            f"= {number(alpha)}",
            f"step = -{number(alpha)} × {bracketed(m)} / (sqrt({number(v)}) + {number(self.epsilon)}) "
            f"= {number(self.updated[0] - w)}",
            f"w = {number(w)} + {bracketed(self.updated[0] - w)} = {number(self.updated[0], 9)}",
        ]


def adam_step(
    w: Any, g: Any, m: Any = 0.0, v: Any = 0.0, update: int = 1, *, learning_rate: float = 0.001, **settings: Any
) -> AdamStep:
    """One update by Adam, written out.

    Args:
        w, g: weights and their gradients, one number or several.
        m, v: mean and mean square of the gradients so far; 0 before the first update.
        update: its number, from 1.
        learning_rate, **settings: as `tinyconv.optimizers.Adam`.

    >>> round(float(adam_step(1.0, 0.5).updated[0]), 6)
    0.999
    """
    where = "explain.adam_step"
    weights, gradient = _few(w, "w", where).ravel(), _few(g, "g", where).ravel()
    if gradient.shape != weights.shape:
        raise ValueError(sentence(where, f"{count(weights.size, 'gradient')}, one for each weight", f"{gradient.size}"))
    t = inputs.place(update - 1, 10**9, "update - 1", where)
    slots = [np.broadcast_to(inputs.numbers(s, "m and v", where), weights.shape).copy() for s in (m, v)]
    optimizer = Adam(learning_rate, **settings)
    optimizer.set_state({"iterations": t, "momentum": slots[0], "velocity": slots[1]})
    updated = weights.copy()
    optimizer.step(updated, gradient.copy())
    after = np.stack([optimizer.slots["momentum"], optimizer.slots["velocity"]])
    return AdamStep(
        kept(weights), kept(gradient), kept(np.stack(slots)), kept(after), kept(updated), t + 1,
        optimizer.current_learning_rate, optimizer.beta_1, optimizer.beta_2, optimizer.epsilon,
    )  # fmt: skip


# Gradient check


@dataclass(frozen=True, eq=False, repr=False)
class Quotient(Trace):
    """One entry of a gradient against its difference quotient.

    Attributes:
        layer: what was checked.
        name, index: the entry: ``"kernel"`` and (0, 1, 0, 0).
        value: the number there.
        analytic: what `backward` says.
        step: by how much it is raised and lowered.
        here, above, below: the loss with the number as it is, raised, lowered.
        others: (step, quotient) for other steps.
    """

    layer: str
    name: str
    index: tuple[int, ...]
    value: float
    analytic: float
    step: float
    here: float
    above: float
    below: float
    others: tuple[tuple[float, float], ...]

    @property
    def numeric(self) -> float:
        """The central difference quotient."""
        return (self.above - self.below) / (2 * self.step)

    @property
    def slopes(self) -> tuple[float, float]:
        """The slopes to the left and to the right."""
        return (self.here - self.below) / self.step, (self.above - self.here) / self.step

    @property
    def on_a_kink(self) -> bool:
        """Whether the slopes differ by more than rounding and bending can make them."""
        left, right = self.slopes
        return abs(right - left) > 1e-2 * max(abs(left), abs(right), 1e-12) + 1e-6

    @property
    def agree(self) -> bool:
        """Whether `backward` and the quotient give the same number."""
        return abs(self.numeric - self.analytic) <= 1e-5 * max(abs(self.numeric), abs(self.analytic), 1.0)

    @property
    def verdict(self) -> str:
        """What the comparison means."""
        if self.on_a_kink:
            left, right = (number(s) for s in self.slopes)
            return (
                f"The slope is {left} to the left and {right} to the right: the number lies on a kink, a tie in a "
                "pooling window or a ReLU at 0. There is no derivative; backward's choice is a convention."
            )
        return "They agree." if self.agree else "They DIFFER: backward is wrong here, or the loss is."

    @property
    def entry(self) -> str:
        """The entry as Python would write it."""
        return f"{self.name}[{', '.join(map(str, self.index))}]"

    @property
    def title(self) -> str:
        return f"Gradient check of {self.layer} at {self.entry}"

    @property
    def alt(self) -> str:
        says = f"Backward says {number(self.analytic)}, the difference quotient {number(self.numeric)}"
        return f"{says}: {'a kink' if self.on_a_kink else 'they agree' if self.agree else 'they DIFFER'}."

    def parts(self) -> list[Part]:
        h = number(self.step)
        table = np.array([[step, q, abs(q - self.analytic)] for step, q in self.others])
        return [
            "The loss is the sum of all outputs, each times its dY. Raise one number by h, lower it by h, and compare.",
            Lines(
                (
                    f"{self.entry} = {number(self.value, 9)}, h = {h}.",
                    f"Loss with {number(self.value)} + {h}: {self.above:.12g}",
                    f"Loss with {number(self.value)} - {h}: {self.below:.12g}",
                    f"Quotient = ({self.above:.12g} - {self.below:.12g}) / (2 × {h}) = {self.numeric:.9g}",
                    f"Backward says {self.analytic:.9g}.",
                )
            ),
            self.verdict,
            Grid("Other steps: too large, and the loss bends; too small, and rounding wins", table,
                 columns=["step h", "quotient", "difference"], rows=[""] * len(table)),
        ]  # fmt: skip


def gradcheck(
    layer: Layer, x: Any, name: str | None = None, index: Any = None, dy: Any = None, step: float = checks.STEP
) -> Quotient:
    """The difference quotient of one entry of a gradient, written out, beside what `backward` says.

    Args:
        layer: any layer with one input.
        x: its input; for an image layer, one image or a batch.
        name: ``"x"``, or one of the layer's parameters; the kernel, or else x, where left out.
        index: of the entry; where left out, of the largest gradient.
        dy: weights of the outputs in the loss; 1 where left out.
        step: h.

    Raises:
        ValueError: for an unknown name or index, or a step that is not above 0.

    `tinyconv.gradcheck.check_layer` checks every entry.

    >>> from tinyconv.layers import Flatten
    >>> gradcheck(Flatten(), [[[1.0, 2.0]]]).agree
    True
    """
    where = "explain.gradcheck"
    if not isinstance(layer, Layer) or layer.takes_list:
        raise ValueError(sentence(where, "a layer with one input", repr(layer)))
    if not step > 0:
        raise ValueError(sentence(where, "a step above 0", f"step={step!r}"))
    array = inputs.numbers(x, "x", where)
    if layer.ndim == 4 and array.ndim < 4:
        array = inputs.image(array, where, None)[None]  # (1, H, W, C)
    twin = _twin(layer, array.shape)
    y, cache = twin.forward(array)
    weights = np.ones(y.shape) if dy is None else np.broadcast_to(inputs.numbers(dy, "dy", where), y.shape)
    dx = twin.backward(weights, cache)
    arrays = {"x": (array, dx), **{k: (twin.params[k], twin.grads[k]) for k in twin.params}}
    name = name or ("kernel" if "kernel" in arrays else "x")
    if name not in arrays:
        raise ValueError(sentence(where, f"name as one of {', '.join(arrays)}", f"name={name!r}"))
    values, gradient = arrays[name]
    cell = _index(index, gradient, where)

    def loss(shift: float) -> float:
        kept_value = values[cell]
        values[cell] = kept_value + shift
        found = float((twin.forward(array)[0] * weights).sum())
        values[cell] = kept_value
        return found

    others = tuple((h, (loss(h) - loss(-h)) / (2 * h)) for h in (1.0, 1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12))
    value, analytic = float(values[cell]), float(gradient[cell])
    return Quotient(layer.title, name, cell, value, analytic, step, loss(0), loss(step), loss(-step), others)


def _twin(layer: Layer, shape: tuple[int, ...]) -> Layer:
    """A copy in float64, with gradients of 0."""
    if not layer.built:
        layer.build(shape)
    twin: Layer = copy.deepcopy(layer)
    twin.dtype = "float64"
    twin.params = {k: v.astype(np.float64) for k, v in layer.params.items()}
    twin.grads = {k: np.zeros(v.shape) for k, v in layer.params.items()}
    twin.state = {k: v.astype(np.float64) for k, v in layer.state.items()}
    return twin


def _index(index: Any, gradient: Array, where: str) -> tuple[int, ...]:
    if index is None:
        return tuple(int(i) for i in np.unravel_index(int(np.abs(gradient).argmax()), gradient.shape))
    cell = tuple(index) if isinstance(index, tuple | list) else (index,)
    if len(cell) != gradient.ndim:
        raise ValueError(sentence(where, f"an index of {count(gradient.ndim, 'number')}", f"index={index!r}"))
    return tuple(inputs.place(i, n, "index", where) for i, n in zip(cell, gradient.shape, strict=True))
