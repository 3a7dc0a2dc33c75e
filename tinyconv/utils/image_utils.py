"""The functions for single images, where older programs import them from: ``keras.utils.image_utils``."""

from tinyconv.preprocessing.files import array_to_img, img_to_array, load_img, save_img
from tinyconv.preprocessing.resizing import smart_resize

__all__ = ["array_to_img", "img_to_array", "load_img", "save_img", "smart_resize"]
