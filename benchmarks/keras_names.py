"""What the notes use under the name ``tf``, from Keras 3: ``from benchmarks import keras_names as tf``."""

from types import SimpleNamespace

import keras

random = SimpleNamespace(set_seed=keras.utils.set_random_seed)
__version__ = keras.__version__

__all__ = ["__version__", "keras", "random"]
