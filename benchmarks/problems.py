"""What is timed: a network, and a batch of random images, weights and labels for it.

Whoever competes gets the same numbers, so that all must compute the same loss from them. The networks are those of the
course notes, and lines of layers put together for a measurement.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tinyconv import config, layers, losses, optimizers
from tinyconv._types import Array
from tinyconv.models import Model, Sequential
from tinyconv.notes.networks import NETWORKS, Program

#: Layers in order, each as the name of its class and its settings.
Line = Sequence[tuple[str, Mapping[str, Any]]]


class WeightedSum(losses.Loss):
    """sum(y * t): next to nothing beside a layer, and its gradient, t, does not depend on what the layer puts out."""

    def __init__(self) -> None:
        super().__init__("weighted_sum")

    def forward(self, y_true: Any, y_pred: Any) -> tuple[Array, Any]:
        t, y = self._pair(y_true, y_pred)
        rows, columns = t.reshape(len(t), 1, -1), y.reshape(len(y), -1, 1)  # (N, 1, D), (N, D, 1)
        return (rows @ columns)[:, 0, 0], t  # (N,)

    def backward(self, weights: Any, cache: Any) -> Array:
        return cache * weights.reshape(-1, *[1] * (cache.ndim - 1))  # (N, ...)


def line(input_shape: tuple[int, ...], layers_: Line) -> Sequential:
    """The layers, one after the other."""
    return Sequential([layers.Input(input_shape), *[getattr(layers, kind)(**settings) for kind, settings in layers_]])


#: Networks by name, and how they are trained. A single layer learns so little that its work stays the same.
PROGRAMS = NETWORKS | {
    "layers": Program(line, WeightedSum(), lambda: optimizers.SGD(1e-15)),
    "classifier": Program(line, losses.SparseCategoricalCrossentropy(from_logits=True)),
}


@dataclass(frozen=True)
class Problem:
    """A network and the data it learns from.

    Attributes:
        network: its name in `PROGRAMS`.
        batch_size: N, images in a batch.
        input_shape: shape of an image, (H, W, C); None for the note's.
        steps: batches in an epoch.
        settings: what else the program takes to build the network.
    """

    network: str
    batch_size: int
    input_shape: tuple[int, ...] | None = None
    steps: int = 1
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def program(self) -> Program:
        """How the network is trained."""
        return PROGRAMS[self.network]

    @property
    def title(self) -> str:
        """The network's name, or its layers, and the batch."""
        kinds = [kind for kind, _ in self.settings.get("layers_", [])]
        return f"{' + '.join(kinds) or self.network}, batch {self.batch_size}"

    def model(self) -> Model:
        """The network, not compiled; its parameters are not made yet."""
        shape = {} if self.input_shape is None else {"input_shape": self.input_shape}
        return self.program.build(**shape, **self.settings)

    def weights(self) -> list[Array]:
        """Weights in the order of `Model.get_weights`, the same at each call.

        Biases and statistics start as zeros and ones; here they do not, since those would not show whether they
        were handed over.
        """
        config.set_random_seed(0)
        rng = np.random.default_rng(1)
        return [w + 0.1 * rng.random(w.shape, w.dtype) if w.ndim == 1 else w for w in self.model().get_weights()]

    def data(self) -> tuple[Array, Array]:
        """Images of an epoch and their labels.

        Images (steps * N, H, W, C) are from 0 to 1, or to 255 if the network rescales them. Labels are class numbers
        (steps * N,); for single layers, the gradient by their output, between 0.5 and 1.5.
        """
        rng = np.random.default_rng(2)
        model, n = self.model(), self.batch_size * self.steps
        x = rng.random((n, *model.input_shape[1:]), dtype=np.float32)  # (steps * N, H, W, C)
        if any(isinstance(layer, layers.Rescaling) for layer in model.layers):
            x *= 255
        if isinstance(self.program.loss, WeightedSum):
            return x, 0.5 + rng.random((n, *model.output_shape[1:]), dtype=np.float32)
        return x, rng.integers(0, model.output_shape[-1], n)


PROBLEMS = {
    "M1": Problem("note004", 128),
    "M2": Problem("note003", 32),
    "M3": Problem("note002", 128),
    "M4": Problem("note000", 32),
    "M5": Problem("note001", 8),
}


def write(problem: Problem, folder: Path) -> None:
    """Put a problem with its numbers into files, for other processes."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "problem.json").write_text(json.dumps(asdict(problem)), encoding="utf-8")
    np.savez(folder / "weights.npz", *problem.weights())
    np.savez(folder / "data.npz", *problem.data())


def read(folder: Path) -> tuple[Problem, list[Array], list[Array]]:
    """Problem, weights, and data (x, y), as `write` put them there."""
    found = json.loads((folder / "problem.json").read_text(encoding="utf-8"))
    found["input_shape"] = found["input_shape"] and tuple(found["input_shape"])
    return Problem(**found), load_arrays(folder / "weights.npz"), load_arrays(folder / "data.npz")


def load_arrays(path: Path) -> list[Array]:
    """The arrays of a file, in order."""
    with np.load(path) as file:
        return [file[name] for name in file.files]
