"""What is timed: networks of the course notes, each with a batch of random images, weights and labels.

Whoever competes gets the same numbers, so that all must compute the same loss from them.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from tinyconv import config, layers
from tinyconv._types import Array
from tinyconv.models import Model
from tinyconv.notes.networks import NETWORKS, Program, Size, network


@dataclass(frozen=True)
class Problem:
    """A network and the size of its batch.

    Attributes:
        network: its name in `NETWORKS`.
        batch_size: N, images in a batch.
        input_shape: (H, W, C) of the images; None for the note's.
    """

    network: str
    batch_size: int
    input_shape: Size | None = None

    @property
    def program(self) -> Program:
        """How the note trains the network."""
        return NETWORKS[self.network]

    def model(self) -> Model:
        """The network, not compiled; its parameters are not made yet."""
        return network(self.network, self.input_shape)

    def weights(self) -> list[Array]:
        """Weights in the order of `Model.get_weights`, the same at each call.

        Biases and statistics start as zeros and ones; here they do not, since those would not show whether they
        were handed over.
        """
        config.set_random_seed(0)
        rng = np.random.default_rng(1)
        return [w + 0.1 * rng.random(w.shape, w.dtype) if w.ndim == 1 else w for w in self.model().get_weights()]

    def batch(self) -> tuple[Array, Array]:
        """Images (N, H, W, C) from 0 to 1, or to 255 if the network rescales them, and class numbers (N,)."""
        rng = np.random.default_rng(2)
        model = self.model()
        x = rng.random((self.batch_size, *model.input_shape[1:]), dtype=np.float32)  # (N, H, W, C)
        rescales = any(isinstance(layer, layers.Rescaling) for layer in model.layers)
        return x * np.float32(255 if rescales else 1), rng.integers(0, model.output_shape[-1], self.batch_size)


#: M5 needs 8 GB for each competitor, and all of them are in memory at once: name few of them.
PROBLEMS = {
    "M1": Problem("note004", 128),
    "M2": Problem("note003", 32),
    "M3": Problem("note002", 128),
    "M4": Problem("note000", 32),
    "M5": Problem("note001", 8),
}


def write(problem: Problem, folder: Path) -> None:
    """Put a problem with its numbers into files, for other processes."""
    (folder / "problem.json").write_text(json.dumps(asdict(problem)), encoding="utf-8")
    np.savez(folder / "weights.npz", *problem.weights())
    np.savez(folder / "batch.npz", *problem.batch())


def read(folder: Path) -> tuple[Problem, list[Array], list[Array]]:
    """Problem, weights, and batch (x, y), as `write` put them there."""
    found = json.loads((folder / "problem.json").read_text(encoding="utf-8"))
    found["input_shape"] = found["input_shape"] and tuple(found["input_shape"])
    return Problem(**found), _arrays(folder / "weights.npz"), _arrays(folder / "batch.npz")


def _arrays(path: Path) -> list[Array]:
    with np.load(path) as file:
        return [file[name] for name in file.files]
