"""From files on a disk to batches of arrays: images, folders of them, tables, and how they are split."""

from tinyconv.preprocessing import image
from tinyconv.preprocessing.folders import list_images
from tinyconv.preprocessing.image_dataset import image_dataset_from_directory
from tinyconv.preprocessing.parts import split_folders
from tinyconv.preprocessing.split import train_test_split
from tinyconv.preprocessing.tables import LabelEncoder, StandardScaler

__all__ = [
    "LabelEncoder",
    "StandardScaler",
    "image",
    "image_dataset_from_directory",
    "list_images",
    "split_folders",
    "train_test_split",
]
