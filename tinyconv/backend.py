"""What is left of ``keras.backend`` in programs of today: the float type, and a new beginning."""

from tinyconv.config import epsilon, floatx, set_floatx
from tinyconv.layers.base import reset_names as clear_session

__all__ = ["clear_session", "epsilon", "floatx", "set_floatx"]
