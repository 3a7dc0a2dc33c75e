"""Networks: layers put together, trained, saved and loaded."""

from tinyconv.layers import Input
from tinyconv.models.loading import load_model
from tinyconv.models.model import Model
from tinyconv.models.saving import save_model
from tinyconv.models.sequential import Sequential

__all__ = ["Input", "Model", "Sequential", "load_model", "save_model"]
