"""Writing and reading models, and the classes of one's own in them, where Keras 3 has it: ``keras.saving``."""

from tinyconv.models.loading import load_model
from tinyconv.models.saving import save_model
from tinyconv.registry import custom_object_scope, get_custom_objects, register_keras_serializable
from tinyconv.registry import custom_object_scope as CustomObjectScope

__all__ = [
    "CustomObjectScope",
    "custom_object_scope",
    "get_custom_objects",
    "load_model",
    "register_keras_serializable",
    "save_model",
]
