"""Networks: layers put together, trained, saved and loaded."""

from tinyconv.layers import Input
from tinyconv.models.loading import clone_model, load_model, model_from_json
from tinyconv.models.model import Model
from tinyconv.models.record import Record
from tinyconv.models.saving import save_model
from tinyconv.models.sequential import Sequential

__all__ = ["Input", "Model", "Record", "Sequential", "clone_model", "load_model", "model_from_json", "save_model"]
