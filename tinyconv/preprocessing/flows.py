"""From an `ImageDataGenerator` to batches: its ``flow`` methods, as Keras has them, each of which makes an iterator.

flow(images, labels)        arrays                                  NumpyArrayIterator
flow_from_directory(...)    a folder of folders of images           DirectoryIterator
flow_from_dataframe(...)    a table with the names of the files     DataFrameIterator
"""

import warnings
from typing import Any

from tinyconv.checks import reject_unknown_arguments
from tinyconv.preprocessing.file_iterators import DataFrameIterator, DirectoryIterator
from tinyconv.preprocessing.iterators import NumpyArrayIterator

__all__ = ["Flows"]

#: Arguments that Keras took once, and what to do instead.
_GONE = {
    "has_ext": "Write the names of the files as they are on the disk.",
    "sort": "With shuffle=False the order is that of the table.",
    "drop_duplicates": "Call drop_duplicates of the table.",
}


class Flows:
    """The methods; what inherits them changes the images, and has ``data_format`` and ``dtype``."""

    data_format: str
    dtype: str

    def flow(
        self,
        x: Any,
        y: Any = None,
        batch_size: int = 32,
        shuffle: bool = True,
        sample_weight: Any = None,
        seed: int | None = None,
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        ignore_class_split: bool = False,
        subset: str | None = None,
        **kwargs: Any,
    ) -> NumpyArrayIterator:
        """Batches of images from an array; the arguments are those of `NumpyArrayIterator`."""
        reject_unknown_arguments(self.flow, kwargs)
        return NumpyArrayIterator(
            x,
            y,
            self,
            batch_size=batch_size,
            shuffle=shuffle,
            sample_weight=sample_weight,
            seed=seed,
            data_format=self.data_format,
            save_to_dir=save_to_dir,
            save_prefix=save_prefix,
            save_format=save_format,
            ignore_class_split=ignore_class_split,
            subset=subset,
            dtype=self.dtype,
        )

    def flow_from_directory(
        self,
        directory: Any,
        target_size: Any = (256, 256),
        color_mode: str = "rgb",
        classes: Any = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        follow_links: bool = False,
        subset: str | None = None,
        interpolation: str = "nearest",
        keep_aspect_ratio: bool = False,
        **kwargs: Any,
    ) -> DirectoryIterator:
        """Batches of images from a folder of folders, one for each class; see `DirectoryIterator`."""
        reject_unknown_arguments(self.flow_from_directory, kwargs)
        return DirectoryIterator(
            directory,
            self,
            target_size=target_size,
            color_mode=color_mode,
            classes=classes,
            class_mode=class_mode,
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
            data_format=self.data_format,
            save_to_dir=save_to_dir,
            save_prefix=save_prefix,
            save_format=save_format,
            follow_links=follow_links,
            subset=subset,
            interpolation=interpolation,
            keep_aspect_ratio=keep_aspect_ratio,
            dtype=self.dtype,
        )

    def flow_from_dataframe(
        self,
        dataframe: Any,
        directory: Any = None,
        x_col: str = "filename",
        y_col: Any = "class",
        weight_col: str | None = None,
        target_size: Any = (256, 256),
        color_mode: str = "rgb",
        classes: Any = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        interpolation: str = "nearest",
        validate_filenames: bool = True,
        **kwargs: Any,
    ) -> DataFrameIterator:
        """Batches of images from a table with a column of file names; see `DataFrameIterator`."""
        reject_unknown_arguments(self.flow_from_dataframe, kwargs, known=_GONE)
        for name in kwargs:
            warnings.warn(f"flow_from_dataframe: {name} is gone. {_GONE[name]}", DeprecationWarning, stacklevel=2)
        if class_mode == "other":
            text = "flow_from_dataframe: class_mode='other' is called 'raw' now."
            warnings.warn(text, DeprecationWarning, stacklevel=2)
            class_mode = "raw"
        return DataFrameIterator(
            dataframe,
            directory,
            self,
            x_col=x_col,
            y_col=y_col,
            weight_col=weight_col,
            target_size=target_size,
            color_mode=color_mode,
            classes=classes,
            class_mode=class_mode,
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
            data_format=self.data_format,
            save_to_dir=save_to_dir,
            save_prefix=save_prefix,
            save_format=save_format,
            subset=subset,
            interpolation=interpolation,
            validate_filenames=validate_filenames,
            dtype=self.dtype,
        )
