"""tinyconv: convolutional networks whose every number can be followed by hand.

The mathematics is in `tinyconv.layers`: each layer's forward with its backward under it, in NumPy. Names and defaults
are Keras's, so that a Keras program runs when its imports say tinyconv; also ``import tinyconv as tf`` has a
``tf.keras``.
"""

import sys as _sys

from numpy import float32, int32, newaxis, uint8

from tinyconv import (
    activations,
    backend,
    callbacks,
    config,
    data,
    datasets,
    doctor,
    explain,
    export,
    gradcheck,
    initializers,
    interop,
    layers,
    losses,
    metrics,
    models,
    ops,
    optimizers,
    plots,
    preprocessing,
    random,
    regularizers,
    saving,
    utils,
)
from tinyconv.layers import Input
from tinyconv.models import Model, Sequential
from tinyconv.ops import argmax, cast, convert_to_tensor, expand_dims, one_hot, squeeze

__version__ = "0.1.0"

keras = _sys.modules[__name__]
nn = ops

__all__ = [
    "Input",
    "Model",
    "Sequential",
    "__version__",
    "activations",
    "argmax",
    "backend",
    "callbacks",
    "cast",
    "config",
    "convert_to_tensor",
    "data",
    "datasets",
    "doctor",
    "expand_dims",
    "explain",
    "export",
    "float32",
    "gradcheck",
    "initializers",
    "int32",
    "interop",
    "keras",
    "layers",
    "losses",
    "metrics",
    "models",
    "newaxis",
    "nn",
    "one_hot",
    "ops",
    "optimizers",
    "plots",
    "preprocessing",
    "random",
    "regularizers",
    "saving",
    "squeeze",
    "uint8",
    "utils",
]
