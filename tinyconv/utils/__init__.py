"""Small helpers under the names where Keras keeps them."""

from tinyconv.config import set_random_seed
from tinyconv.layers.base import reset_names as clear_session
from tinyconv.preprocessing.tables import to_categorical

__all__ = ["clear_session", "set_random_seed", "to_categorical"]
