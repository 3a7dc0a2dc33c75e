"""One table of layers: every row runs through the whole contract in `test_layer_contract.py`.

A new layer joins with one row. All sizes of a row differ (batch, height, width, channels, filters, kernel, strides), so
that a swap of any two axes shows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyconv import layers


@dataclass(frozen=True)
class Case:
    """One layer with one set of options.

    Attributes:
        id: name of the row.
        cls: the layer's class.
        make: the constructor, to be called with further keyword arguments such as ``dtype``.
        shape: shape of the input with the batch axis; a list of shapes for a layer that takes a list.
        varies: what makes training differ from inference: "" for nothing, "chance", or "batch" where the numbers of
            one sample depend on the others.
    """

    id: str
    cls: type
    make: Callable[..., Any]
    shape: Any
    varies: str = ""

    def layer(self, dtype: str = "float64", **options: Any) -> Any:
        """A built layer, with every parameter and state away from its first value, so that zeros hide nothing."""
        layer = self.make(dtype=dtype, **options)
        layer.build(self.unknown_batch())
        rng = np.random.default_rng(5)
        for array in [*layer.params.values(), *layer.state.values()]:
            array[...] = rng.uniform(0.3, 1.2, array.shape)  # positive, because some of them are variances
        for array in layer.params.values():
            array *= rng.choice([-1, 1], array.shape)
        return layer

    def input(self, seed: int = 0, dtype: str = "float64") -> Any:
        """An input without ties, and away from 0, where activations have kinks."""
        arrays = [distinct(shape, seed + i, dtype) for i, shape in enumerate(self.shapes)]
        return arrays if self.takes_list else arrays[0]

    @property
    def takes_list(self) -> bool:
        """Whether the layer takes a list of arrays."""
        return isinstance(self.shape, list)

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """The input's shapes, always as a list."""
        return self.shape if self.takes_list else [self.shape]

    def unknown_batch(self) -> Any:
        """The input's shape with None for the batch axis."""
        shapes = [(None, *shape[1:]) for shape in self.shapes]
        return shapes if self.takes_list else shapes[0]


def distinct(shape: tuple[int, ...], seed: int = 0, dtype: str = "float64") -> np.ndarray:
    """Numbers between -2 and 2, all different, evenly spaced and in random order."""
    size = int(np.prod(shape))
    places = np.random.default_rng(seed).permutation(size)
    return (4 * (places + 0.5) / size - 2).astype(dtype).reshape(shape)


IMAGES = (3, 7, 6, 4)  # N, H, W, C
VECTORS = (4, 5)


def case(id: str, cls: type, *args: Any, shape: Any = IMAGES, varies: str = "", **options: Any) -> Case:
    """A row from the class and its arguments."""
    return Case(id, cls, lambda **more: cls(*args, **options, **more), shape, varies)


CASES = [
    case("conv", layers.Conv2D, 5, (3, 2)),
    case("conv-no-bias", layers.Conv2D, 5, (3, 2), use_bias=False),
    case("conv-strides", layers.Conv2D, 5, (3, 2), strides=(2, 3)),
    case("conv-same", layers.Conv2D, 5, (3, 2), padding="same"),
    case("conv-same-strides", layers.Conv2D, 5, (2, 3), strides=(3, 2), padding="same"),
    case("conv-padding", layers.Conv2D, 5, (3, 2), padding=((2, 0), (1, 3))),
    case("conv-dilation", layers.Conv2D, 5, (3, 2), dilation_rate=(2, 3)),
    case("conv-dilation-same", layers.Conv2D, 5, (3, 2), dilation_rate=(2, 3), padding="same"),
    case("conv-groups", layers.Conv2D, 6, (3, 2), groups=2),
    case("conv-groups-strides-same", layers.Conv2D, 8, (3, 5), groups=4, strides=(1, 2), padding="same"),
    case("conv-activation", layers.Conv2D, 5, (3, 2), activation="tanh"),
    case("conv-relu", layers.Conv2D, 5, (3, 2), activation="relu"),
    case("conv-softmax", layers.Conv2D, 5, (3, 2), activation="softmax"),
    case("conv-1x1", layers.Conv2D, 5, 1),
    case("conv-whole-image", layers.Conv2D, 5, (7, 6)),
    case("depthwise", layers.DepthwiseConv2D, (3, 2)),
    case("depthwise-multiplier", layers.DepthwiseConv2D, (3, 2), depth_multiplier=5),
    case("depthwise-strides-same", layers.DepthwiseConv2D, (2, 3), (3, 2), padding="same", depth_multiplier=2),
    case("depthwise-dilation", layers.DepthwiseConv2D, (3, 2), dilation_rate=(2, 3), activation="sigmoid"),
    case("depthwise-no-bias", layers.DepthwiseConv2D, (3, 2), use_bias=False),
    case("max", layers.MaxPooling2D),
    case("max-overlap", layers.MaxPooling2D, (3, 2), strides=(2, 1)),
    case("max-same", layers.MaxPooling2D, (3, 4), strides=(2, 5), padding="same"),
    case("max-gaps", layers.MaxPooling2D, (2, 1), strides=(3, 2)),
    case("min", layers.MinPooling2D),
    case("min-overlap", layers.MinPooling2D, (3, 2), strides=(2, 1)),
    case("min-same", layers.MinPooling2D, (3, 4), strides=(2, 5), padding="same"),
    case("average", layers.AveragePooling2D),
    case("average-overlap", layers.AveragePooling2D, (3, 2), strides=(2, 1)),
    case("average-same", layers.AveragePooling2D, (3, 4), strides=(2, 5), padding="same"),
    case("global-max", layers.GlobalMaxPooling2D),
    case("global-max-keepdims", layers.GlobalMaxPooling2D, keepdims=True),
    case("global-min", layers.GlobalMinPooling2D),
    case("global-min-keepdims", layers.GlobalMinPooling2D, keepdims=True),
    case("global-average", layers.GlobalAveragePooling2D),
    case("global-average-keepdims", layers.GlobalAveragePooling2D, keepdims=True),
    case("zero-padding", layers.ZeroPadding2D, 2),
    case("zero-padding-pair", layers.ZeroPadding2D, (1, 2)),
    case("zero-padding-sides", layers.ZeroPadding2D, ((1, 0), (2, 3))),
    case("flatten", layers.Flatten),
    case("flatten-vectors", layers.Flatten, shape=VECTORS),
    case("reshape", layers.Reshape, (14, 12)),
    case("reshape-infer", layers.Reshape, (2, -1, 3)),
    case("dense", layers.Dense, 3, shape=VECTORS),
    case("dense-no-bias", layers.Dense, 3, use_bias=False, shape=VECTORS),
    case("dense-activation", layers.Dense, 3, activation="softmax", shape=VECTORS),
    case("dense-on-images", layers.Dense, 5, activation="elu"),
    case("activation-gelu", layers.Activation, "gelu"),
    case("activation-selu", layers.Activation, "selu"),
    case("activation-sigmoid", layers.Activation, "sigmoid"),
    case("activation-tanh", layers.Activation, "tanh"),
    case("activation-linear", layers.Activation, "linear"),
    case("activation-softmax", layers.Activation, "softmax"),
    case("relu", layers.ReLU),
    case("relu-all-options", layers.ReLU, max_value=1.503, negative_slope=0.25, threshold=0.507),
    case("leaky-relu", layers.LeakyReLU),
    case("leaky-relu-slope", layers.LeakyReLU, negative_slope=0.125),
    case("elu", layers.ELU),
    case("elu-alpha", layers.ELU, alpha=0.7),
    case("softmax", layers.Softmax),
    case("softmax-rows", layers.Softmax, axis=1),
    case("dropout", layers.Dropout, 0.4, varies="chance"),
    case("dropout-none", layers.Dropout, 0.0),
    case("spatial-dropout", layers.SpatialDropout2D, 0.4, varies="chance"),
    case("batchnorm", layers.BatchNormalization, varies="batch"),
    case("batchnorm-options", layers.BatchNormalization, momentum=0.7, epsilon=0.01, varies="batch"),
    case("batchnorm-bare", layers.BatchNormalization, center=False, scale=False, varies="batch"),
    case("batchnorm-no-scale", layers.BatchNormalization, scale=False, varies="batch"),
    case("batchnorm-no-center", layers.BatchNormalization, center=False, varies="batch"),
    case("batchnorm-vectors", layers.BatchNormalization, shape=VECTORS, varies="batch"),
    case("rescaling", layers.Rescaling, 1 / 255),
    case("rescaling-offset", layers.Rescaling, 2 / 255, offset=-1.0),
    case("random-flip", layers.RandomFlip, varies="chance"),
    case("random-flip-vertical", layers.RandomFlip, "vertical", varies="chance"),
    case("random-rotation", layers.RandomRotation, 0.1, varies="chance"),
    case("random-rotation-wrap-nearest", layers.RandomRotation, (0.1, 0.2), "wrap", "nearest", varies="chance"),
    case("random-translation", layers.RandomTranslation, 0.3, (-0.2, 0.4), varies="chance"),
    case("random-translation-fill", layers.RandomTranslation, 0.2, 0.4, "constant", fill_value=0.7, varies="chance"),
    case("random-zoom", layers.RandomZoom, 0.3, varies="chance"),
    case("random-zoom-both", layers.RandomZoom, (0.1, 0.3), (-0.3, 0.1), "nearest", varies="chance"),
    case("random-contrast", layers.RandomContrast, 0.4, (-3, 3), varies="chance"),
    case("random-contrast-cut", layers.RandomContrast, (0.2, 0.5), (-1.503, 1.207), varies="chance"),
    case("random-brightness", layers.RandomBrightness, 0.3, (-1.503, 1.207), varies="chance"),
    case("resizing", layers.Resizing, 9, 4),
    case("resizing-nearest", layers.Resizing, 9, 11, "nearest"),
    case("resizing-crop", layers.Resizing, 5, 4, crop_to_aspect_ratio=True),
    case("resizing-pad", layers.Resizing, 8, 3, pad_to_aspect_ratio=True, fill_value=0.3),
    case("center-crop", layers.CenterCrop, 6, 5),
    case("center-crop-larger", layers.CenterCrop, 8, 7),
    case("random-crop", layers.RandomCrop, 4, 3, varies="chance"),
    case("random-crop-larger", layers.RandomCrop, 8, 7),
    case("add", layers.Add, shape=[IMAGES, IMAGES]),
    case("add-three", layers.Add, shape=[VECTORS, VECTORS, VECTORS]),
    case("concatenate", layers.Concatenate, shape=[(3, 7, 6, 4), (3, 7, 6, 2), (3, 7, 6, 5)]),
    case("concatenate-rows", layers.Concatenate, axis=1, shape=[(3, 7, 6, 4), (3, 2, 6, 4)]),
    Case("input", layers.InputLayer, lambda **more: layers.InputLayer(IMAGES[1:], **more), IMAGES),
]
