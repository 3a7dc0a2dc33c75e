"""Writing and reading models, where Keras 3 keeps the two functions too: ``keras.saving.load_model``."""

from tinyconv.models.loading import load_model
from tinyconv.models.saving import save_model

__all__ = ["load_model", "save_model"]
