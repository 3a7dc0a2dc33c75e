"""What is measured at one output of a network: its loss and its metrics.

Where a loss and the activation before it belong together (cross-entropy after softmax), the head takes the output
before the activation: the two gradients multiply to prediction minus truth, and no exponent can overflow.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinyconv import activations, losses, metrics
from tinyconv._types import Array, Shape
from tinyconv.checks import sentence
from tinyconv.doctor import LabelsWarning
from tinyconv.layers.graph import SymbolicTensor


class Head:
    """The loss and metrics of one output.

    Args:
        tensor: the output.
        loss: how wrong it is, or None for an output that is not trained.
        weight: factor of its loss in the total.
        metric_names: what else to measure, as the user named it.
        may_cut: whether the activation before the loss may be computed here.

    Attributes:
        works_on_logits: whether the network should deliver this output before its activation.
    """

    def __init__(
        self,
        tensor: SymbolicTensor,
        loss: losses.Loss | None,
        weight: float,
        metric_names: Sequence[Any],
        may_cut: bool,
    ) -> None:
        self.tensor, self.weight, self.metric_names = tensor, weight, list(metric_names)
        self.name = tensor.node.layer.name
        self.activation = getattr(tensor.node.layer, "activation", None)
        fuses = loss is not None and loss.fuses_with is not None and self.activation == activations.get(loss.fuses_with)
        if loss is not None:
            self._check_fit(loss, fuses)
        self.works_on_logits = fuses and may_cut
        self.user_loss = loss
        self.loss = loss.as_logits() if loss is not None and self.works_on_logits else loss
        self.mean_loss = metrics.Mean(name=f"{self.name}_loss")
        self.metrics: list[metrics.Metric] = []
        for word in self.metric_names:
            metrics.get(word, loss, tensor.shape)  # an unknown name is an error now, not at the first data

    def check_labels(self, y: Array, weights: Array | None, where: str) -> None:
        """ValueError where labels or weights do not fit; then settle which metric a word such as "accuracy" means."""
        if self.user_loss is not None:
            self.user_loss.check(y, self.tensor.shape, where)
            _fit_weights(weights, (len(y), *self.tensor.shape[1:-1]), where)
        if not self.metrics:
            shape = self.tensor.shape
            self.metrics = [metrics.get(m, self.user_loss, shape, (None, *y.shape[1:])) for m in self.metric_names]

    def measure(self, y: Array, output: Array, weights: Array | None, learn: bool) -> tuple[float, Array | None]:
        """(weighted loss of a batch, its gradient by the output); metrics take note."""
        loss, gradient = 0.0, None
        if not self.works_on_logits:
            output = output.copy()  # losses and metrics may be the user's and keep it; the next batch overwrites it
        if self.loss is not None:
            values, cache = self.loss.forward(y, output)
            shares = _fit_weights(weights, values.shape, "fit").astype(values.dtype) / max(values.size, 1)
            loss = float((values * shares).sum())
            self.mean_loss.update_state(loss, len(output))  # Keras reports it without the factor
            loss *= self.weight
            shares = np.broadcast_to(shares * self.weight, values.shape).astype(values.dtype)
            gradient = self.loss.backward(shares, cache) if learn else None
        if self.metrics:
            prediction = self.prediction(output)
            for metric in self.metrics:
                metric.update_state(y, prediction)
        return loss, gradient

    def prediction(self, output: Array) -> Array:
        """What the network's user sees, from what the network delivers here."""
        return self.activation(output) if self.works_on_logits and self.activation else output

    def _check_fit(self, loss: losses.Loss, fuses: bool) -> None:
        """Probabilities for a loss that expects them, logits for one that expects those."""
        layer, wanted = self.tensor.node.layer, loss.fuses_with
        if wanted is None or self.activation is None:
            return
        if loss.from_logits and fuses:
            message = f"{layer.title}: its {wanted} is left out of the loss, which has from_logits=True. "
            message += f"Remove the {wanted} or set from_logits=False."
            warnings.warn(f"{LabelsWarning.name}: {message}", LabelsWarning, stacklevel=6)
        if not loss.from_logits and self.activation.name not in ("softmax", "sigmoid"):
            expected = f"an output of probabilities for {loss.name}"
            way_out = f"Add activation={wanted!r}, or use {type(loss).__name__}(from_logits=True)."
            raise ValueError(sentence(layer.title, expected, f"activation={self.activation.name!r}", way_out))


def _fit_weights(weights: Array | None, shape: Shape, where: str) -> Array:
    """Sample weights in a form that multiplies losses of this shape: (N,) and (N, 1) for (N,), also (N,) for (N, T).

    Raises:
        ValueError: for another shape.
    """
    if weights is None:
        return np.ones((1,) * len(shape))
    if weights.ndim == len(shape) + 1 and weights.shape[-1] == 1:
        weights = weights[..., 0]
    if weights.ndim > len(shape) or any(n not in (m, None) for m, n in zip(weights.shape, shape, strict=False)):
        expected = f"sample_weight of shape {shape}, one for each loss"
        raise ValueError(sentence(where, expected, f"sample_weight.shape={weights.shape}"))
    return weights.reshape(weights.shape + (1,) * (len(shape) - weights.ndim))


def by_output(role: str, given: Any, names: list[str], where: str) -> list[Any]:
    """What a user gave for each output: one thing for all, a list in their order, or a dictionary by name.

    Raises:
        ValueError: for an unknown name or another number.
    """
    if isinstance(given, Mapping) and not ("class_name" in given and "config" in given):
        unknown = [name for name in given if name not in names]
        if unknown:
            raise ValueError(sentence(where, f"{role} by the names of outputs {names}", f"{unknown[0]!r}"))
        return [given.get(name) for name in names]
    if isinstance(given, list | tuple):
        if len(given) != len(names):
            raise ValueError(sentence(where, f"{len(names)} entries in {role}, one for each output", f"{len(given)}"))
        return list(given)
    return [given] * len(names)


def metrics_by_output(given: Any, names: list[str], where: str) -> list[list[Any]]:
    """Metrics for each output: a flat list serves every output, nested lists and dictionaries single ones."""
    several = len(names) > 1
    nested = isinstance(given, Mapping) or (
        several and isinstance(given, list | tuple) and any(m is None or isinstance(m, list | tuple) for m in given)
    )
    found = by_output("metrics", given, names, where) if nested else [given] * len(names)
    if not nested and several and isinstance(given, list | tuple) and len(given) == len(names):
        found = list(given)  # Keras: as many metrics as outputs are one for each
    return [[] if m is None else list(m) if isinstance(m, list | tuple) else [m] for m in found]
