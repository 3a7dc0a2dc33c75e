"""Networks: layers put together, trained, saved and loaded."""

from tinyconv.layers import Input
from tinyconv.models.model import Model
from tinyconv.models.sequential import Sequential

__all__ = ["Input", "Model", "Sequential"]
