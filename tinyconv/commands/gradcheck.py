"""``tinyconv gradcheck``: every layer's backward, and a whole network's, against difference quotients in float64."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinyconv import gradcheck, layers
from tinyconv._types import Array
from tinyconv.models import Sequential

IMAGES = (2, 5, 6, 3)  # N, H, W, C
VECTORS = (3, 4)

#: Every layer with options that show most of it; all sizes differ. Layers without an entry are called without options.
OPTIONS: dict[type, dict[str, Any]] = {
    layers.Activation: {"activation": "gelu"},
    layers.BatchNormalization: {},
    layers.CenterCrop: {"height": 3, "width": 4},
    layers.Conv2D: {"filters": 4, "kernel_size": (3, 2), "strides": (2, 1), "padding": "same", "activation": "tanh"},
    layers.Dense: {"units": 5, "activation": "softmax"},
    layers.DepthwiseConv2D: {"kernel_size": (3, 2), "depth_multiplier": 2},
    layers.Dropout: {"rate": 0.4},
    layers.InputLayer: {"shape": IMAGES[1:]},
    layers.RandomBrightness: {"factor": 0.3, "value_range": (-2, 2)},
    layers.RandomContrast: {"factor": 0.3, "value_range": (-2, 2)},
    layers.RandomCrop: {"height": 3, "width": 4},
    layers.RandomRotation: {"factor": 0.1},
    layers.RandomTranslation: {"height_factor": 0.3, "width_factor": 0.2, "fill_mode": "constant"},
    layers.RandomZoom: {"height_factor": 0.3, "fill_mode": "wrap"},
    layers.Reshape: {"target_shape": (6, -1)},
    layers.Rescaling: {"scale": 1 / 255, "offset": -0.5},
    layers.Resizing: {"height": 4, "width": 7, "crop_to_aspect_ratio": True},
    layers.SpatialDropout2D: {"rate": 0.4},
}
_ABSTRACT = (layers.Layer,)
_OF_SEVERAL = (layers.Add, layers.Concatenate)
_OF_VECTORS = (layers.Dense,)


def check_all(report: Callable[[str], None] = print) -> bool:
    """Check everything, hand the report of each check to ``report``, and return whether all gradients agree."""
    verdicts = []
    for check in (*_layer_checks(), _check_network):
        try:
            found = check()
        except gradcheck.GradientError as error:
            found = error.report
        report(str(found))
        verdicts.append(found.ok)
    report(f"\n{sum(verdicts)} of {len(verdicts)} checks passed.")
    return all(verdicts)


def layer_types() -> list[type]:
    """Every class of `tinyconv.layers`, each once; second names are left out."""
    found = dict.fromkeys(getattr(layers, name) for name in layers.__all__)
    return [cls for cls in found if isinstance(cls, type) and cls not in _ABSTRACT]


def _layer_checks() -> Iterator[Callable[[], gradcheck.Report]]:
    for cls in layer_types():
        layer = cls(**OPTIONS.get(cls, {}), dtype="float64")
        x: Any = _distinct(VECTORS if cls in _OF_VECTORS else IMAGES)
        if cls in _OF_SEVERAL:
            x = [x, x[::-1] + 1]
        yield lambda layer=layer, x=x: gradcheck.check_layer(layer, x)  # type: ignore[misc]


def _check_network() -> gradcheck.Report:
    """A small network with most of what the notes' networks have, loss and regularizer included."""
    model = Sequential(
        [
            layers.Input((7, 6, 2), dtype="float64"),
            layers.Conv2D(4, 3, activation="relu", kernel_regularizer="l2", dtype="float64"),
            layers.BatchNormalization(dtype="float64"),
            layers.MaxPooling2D(padding="same", dtype="float64"),
            layers.Dropout(0.25, dtype="float64"),
            layers.Flatten(dtype="float64"),
            layers.Dense(3, activation="softmax", dtype="float64"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    return gradcheck.check_model(model, _distinct((5, 7, 6, 2)), np.arange(5) % 3)


def _distinct(shape: tuple[int, ...]) -> Array:
    """Numbers between -2 and 2, all different and none 0, in random order: no ties in windows, no kinks at 0."""
    size = int(np.prod(shape))
    places = np.random.default_rng(0).permutation(size)
    return (4 * (places + 0.5) / size - 2).reshape(shape)
