"""What is left of ``keras.backend`` in programs of today: the float type, and a new beginning."""

from tinyconv.config import epsilon, floatx, image_data_format, set_floatx
from tinyconv.layers.base import reset_names as clear_session

__all__ = ["clear_session", "epsilon", "floatx", "image_data_format", "set_floatx"]
