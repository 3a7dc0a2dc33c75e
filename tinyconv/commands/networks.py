"""What `train` and `predict` must do alike: hand images to a network, and read its outputs.

A network that was trained on pixels from 0 to 1 sees nothing sensible in pixels from 0 to 255. So the decision is made
here, once: a network with a layer `Rescaling` takes 0 to 255, any other 0 to 1.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinyconv import activations, layers
from tinyconv._types import Array
from tinyconv.checks import sentence
from tinyconv.models import Model

#: The file beside a model that tells what its outputs mean.
FILENAME = "classes.json"


@dataclass(frozen=True)
class Meaning:
    """What a network learned to tell apart.

    Attributes:
        classes: name of each output.
        dark_ground: whether the images it learned from are light on dark, as MNIST's; None if nobody knows.
    """

    classes: tuple[str, ...]
    dark_ground: bool | None = None

    def write(self, folder: Path) -> None:
        """Put it into a folder, as JSON."""
        text = json.dumps(asdict(self), ensure_ascii=False, indent=1)
        (folder / FILENAME).write_text(f"{text}\n", encoding="utf-8")

    @classmethod
    def beside(cls, model_path: Path, outputs: int) -> "Meaning":
        """What lies beside a model; without such a file, the classes are called by their numbers.

        Raises:
            ValueError: if the file is damaged, or names another number of classes than the network has.
        """
        path = model_path.parent / FILENAME
        if not path.exists():
            return cls(tuple(str(i) for i in range(outputs)))
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            found = cls(tuple(map(str, content["classes"])), content.get("dark_ground"))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            received = f"{type(error).__name__}: {error}"
            raise ValueError(sentence(f"{path}", 'JSON with a list "classes"', received)) from error
        if len(found.classes) != outputs:
            expected = f"{outputs} classes, as many as {model_path.name} has outputs"
            raise ValueError(sentence(f"{path}", expected, f"{len(found.classes)}", "Remove or correct it."))
        return found


def image_shape(model: Model) -> tuple[int | None, int | None, int]:
    """(H, W, C) of the one image that a network takes; H and W may be None.

    Raises:
        ValueError: for a network that takes something else.
    """
    shape = model.input_shape
    if isinstance(shape, list) or len(shape) != 4 or shape[3] not in (1, 3):
        expected = "a network that takes one grey or RGB image"
        raise ValueError(sentence(model.title, expected, f"one that takes {shape}"))
    height, width, channels = shape[1:]
    return height, width, channels


def fed(images: Array, model: Model) -> Array:
    """(N, H, W) or (N, H, W, C) uint8 -> (N, H, W, C) float32, in the range that the network takes."""
    batch = images[..., None] if images.ndim == 3 else images  # (N, H, W, C)
    rescales = any(isinstance(layer, layers.Rescaling) for layer in model.sublayers())
    return batch.astype(np.float32) / np.float32(1 if rescales else 255)


def probabilities(model: Model, x: Array) -> Array:
    """(N, H, W, C) -> (N, K): the network's outputs as probabilities of the K classes, also where it ends in logits."""
    outputs: Array = model.predict(x, verbose=0)
    if outputs.shape[-1] == 1:  # one number for two classes
        second = outputs if _ends_in(model, "sigmoid") else activations.get("sigmoid")(outputs)
        return np.concatenate([1 - second, second], axis=-1)  # (N, 2)
    return outputs if _ends_in(model, "softmax") else np.asarray(activations.get("softmax")(outputs))


def _ends_in(model: Model, name: str) -> bool:
    last: Any = model.layers[-1]
    return isinstance(last, layers.Softmax) or getattr(getattr(last, "activation", None), "name", "") == name


def is_dark_ground(images: Array) -> bool:
    """Whether grey images (N, H, W) or (N, H, W, 1) have an all but black border, as those of MNIST."""
    grey = images[..., 0] if images.ndim == 4 and images.shape[-1] == 1 else images
    return grey.ndim == 3 and border_brightness(grey) < 32


def border_brightness(images: Array) -> float:
    """Median of the outermost pixels of images (N, H, W)."""
    edges: Sequence[Array] = (images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1])
    return float(np.median(np.concatenate([edge.ravel() for edge in edges])))
