"""The names that Keras keeps in `preprocessing.image`, today and in its older versions."""

from tinyconv.preprocessing.file_iterators import DataFrameIterator, DirectoryIterator
from tinyconv.preprocessing.files import array_to_img, img_to_array, load_img, save_img
from tinyconv.preprocessing.generator import ImageDataGenerator
from tinyconv.preprocessing.iterators import Iterator, NumpyArrayIterator
from tinyconv.preprocessing.resizing import smart_resize
from tinyconv.preprocessing.transforms import (
    apply_affine_transform,
    apply_brightness_shift,
    apply_channel_shift,
    random_brightness,
    random_channel_shift,
    random_rotation,
    random_shear,
    random_shift,
    random_zoom,
)

__all__ = [
    "DataFrameIterator",
    "DirectoryIterator",
    "ImageDataGenerator",
    "Iterator",
    "NumpyArrayIterator",
    "apply_affine_transform",
    "apply_brightness_shift",
    "apply_channel_shift",
    "array_to_img",
    "img_to_array",
    "load_img",
    "random_brightness",
    "random_channel_shift",
    "random_rotation",
    "random_shear",
    "random_shift",
    "random_zoom",
    "save_img",
    "smart_resize",
]
