"""tinyconv: convolutional networks whose every number can be followed by hand.

The mathematics is in `tinyconv.layers`: each layer's forward with its backward under it, in NumPy. Names and defaults
are Keras's.
"""

from tinyconv import (
    activations,
    callbacks,
    config,
    datasets,
    gradcheck,
    initializers,
    layers,
    losses,
    metrics,
    models,
    optimizers,
    plots,
    regularizers,
    utils,
)
from tinyconv.layers import Input
from tinyconv.models import Model, Sequential

__version__ = "0.1.0"

__all__ = [
    "Input",
    "Model",
    "Sequential",
    "__version__",
    "activations",
    "callbacks",
    "config",
    "datasets",
    "gradcheck",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "optimizers",
    "plots",
    "regularizers",
    "utils",
]
