"""tinyconv: convolutional networks whose every number can be followed by hand.

The mathematics is in `tinyconv.layers`: each layer's forward with its backward under it, in NumPy. Names and defaults
are Keras's, so that a Keras program runs when its imports say tinyconv; also ``import tinyconv as tf`` has a
``tf.keras``.
"""

import sys as _sys

from tinyconv import (
    activations,
    backend,
    callbacks,
    config,
    data,
    datasets,
    export,
    gradcheck,
    initializers,
    interop,
    layers,
    losses,
    metrics,
    models,
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

__version__ = "0.1.0"

keras = _sys.modules[__name__]

__all__ = [
    "Input",
    "Model",
    "Sequential",
    "__version__",
    "activations",
    "backend",
    "callbacks",
    "config",
    "data",
    "datasets",
    "export",
    "gradcheck",
    "initializers",
    "interop",
    "keras",
    "layers",
    "losses",
    "metrics",
    "models",
    "optimizers",
    "plots",
    "preprocessing",
    "random",
    "regularizers",
    "saving",
    "utils",
]
