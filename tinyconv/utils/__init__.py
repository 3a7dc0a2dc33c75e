"""Small helpers under the names where Keras keeps them."""

from tinyconv.config import set_random_seed
from tinyconv.layers.base import reset_names as clear_session
from tinyconv.preprocessing.dataset import PyDataset
from tinyconv.preprocessing.dataset import PyDataset as Sequence
from tinyconv.preprocessing.files import array_to_img, img_to_array, load_img, save_img
from tinyconv.preprocessing.image_dataset import image_dataset_from_directory
from tinyconv.preprocessing.tables import normalize, to_categorical
from tinyconv.registry import custom_object_scope, get_custom_objects, register_keras_serializable
from tinyconv.registry import custom_object_scope as CustomObjectScope

__all__ = [
    "CustomObjectScope",
    "PyDataset",
    "Sequence",
    "array_to_img",
    "clear_session",
    "custom_object_scope",
    "get_custom_objects",
    "image_dataset_from_directory",
    "img_to_array",
    "load_img",
    "normalize",
    "register_keras_serializable",
    "save_img",
    "set_random_seed",
    "to_categorical",
]
