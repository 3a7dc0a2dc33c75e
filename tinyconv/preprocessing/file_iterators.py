"""Batches of images from files, which a folder or a table lists; each is read when its turn comes.

The folder tells the classes by the names of the folders in it, the table by a column.
"""

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from tinyconv._types import Array
from tinyconv.checks import channels_last, did_you_mean, lookup, sentence
from tinyconv.geometry import pair
from tinyconv.preprocessing.files import load_img
from tinyconv.preprocessing.folders import list_images
from tinyconv.preprocessing.iterators import ImageIterator, part_of, split_of

__all__ = ["DataFrameIterator", "DirectoryIterator"]

#: Channels of an image file, by color_mode.
CHANNELS = {"rgb": 3, "rgba": 4, "grayscale": 1}

#: What stands beside a batch of images from files, by class_mode.
CLASS_MODES = {
    "categorical": "one-hot rows (N, classes)",
    "binary": "numbers 0 and 1 (N,)",
    "sparse": "class numbers (N,)",
    "input": "the images themselves",
    "multi_output": "a list of arrays, one for each column",
    "raw": "the column as it is",
    None: "nothing",
}
#: Those that need to know no classes.
WITHOUT_CLASSES = ("input", "multi_output", "raw", None)


class _FileIterator(ImageIterator):
    """Batches from image files: what those of a folder and those of a table have in common.

    Attributes:
        filenames, filepaths: of all images; as they are listed, and where they lie.
        samples: how many there are.
        class_indices: numbers of the classes by name.
        classes: each image's class number, or list of them.
        sample_weight: a number for each image, or None.
    """

    allowed_class_modes: tuple[str | None, ...] = tuple(CLASS_MODES)
    filenames: list[str]
    filepaths: list[Any]
    class_indices: dict[str, int]
    classes: Any = None
    targets: Any = None
    sample_weight: Array | None = None

    def __init__(
        self,
        image_data_generator: Any,
        image: tuple[Any, str, str, bool],
        class_mode: str | None,
        data_format: str | None,
        order: tuple[int, bool, int | None],
        save: tuple[Any, str, str],
        dtype: Any,
    ) -> None:
        target_size, self.color_mode, self.interpolation, self.keep_aspect_ratio = image
        lookup("color_mode", self.color_mode, CHANNELS)
        self.target_size = pair(target_size, "target_size", type(self).__name__)
        self.data_format = channels_last(data_format, type(self).__name__)
        self.class_mode, self.samples = class_mode, len(self.filenames)
        image_shape = (*self.target_size, CHANNELS[self.color_mode])
        super().__init__(self.samples, image_shape, image_data_generator, order, save, dtype)

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.class_indices)

    @property
    def labels(self) -> Any:
        """What the labels of a batch are taken from: class numbers, or columns."""
        return self.targets if self.class_mode in ("multi_output", "raw") else self.classes

    def _read(self, which: Array) -> Array:
        how = self.color_mode, self.target_size, self.interpolation, self.keep_aspect_ratio
        images = np.stack([np.asarray(load_img(self.filepaths[j], *how)) for j in which])  # (N, H, W, C) or (N, H, W)
        return images.reshape(len(which), *self.image_shape)  # (N, H, W, C)

    def _with_labels(self, images: Array, which: Array) -> Any:
        y = self._labels(images, which)
        if y is None:
            return images
        return (images, y) if self.sample_weight is None else (images, y, self.sample_weight[which])

    def _labels(self, images: Array, which: Array) -> Any:
        if self.class_mode == "input":
            return images.copy()
        if self.class_mode == "multi_output":
            return [column[which] for column in self.targets]
        if self.class_mode == "raw":
            return self.targets[which]
        if self.class_mode is None:
            return None
        if self.class_mode != "categorical":
            return np.array([self.classes[j] for j in which], self.dtype)  # (N,)
        y = np.zeros((len(which), self.num_classes), self.dtype)  # (N, classes)
        for row, j in zip(y, which, strict=True):
            row[self.classes[j]] = 1
        return y


class DirectoryIterator(_FileIterator):
    """Batches from a folder of folders of images, one for each class.

    Args:
        directory: the folder.
        image_data_generator: changes the images.
        target_size: (H, W) that all images are resized to.
        color_mode: ``'rgb'``, ``'rgba'`` or ``'grayscale'``.
        classes: names of the folders in the order of the labels; all folders, sorted by name, unless given.
        class_mode: what the labels of a batch are: ``'categorical'`` one-hot rows, ``'binary'`` and ``'sparse'`` class
            numbers, ``'input'`` the images themselves, None no labels.
        batch_size, shuffle, seed: as in `Iterator`.
        data_format, save_to_dir, save_prefix, save_format, dtype: as in `NumpyArrayIterator`.
        follow_links: whether links to folders are followed.
        subset: ``'validation'`` for the first images of each folder, as many as the generator's validation_split says;
            ``'training'`` for the others.
        interpolation: how images are resized: ``'nearest'``, ``'bilinear'``, ``'bicubic'``, ``'lanczos'``, ``'box'`` or
            ``'hamming'``.
        keep_aspect_ratio: cut off what does not fit ``target_size`` instead of squeezing it.

    Raises:
        FileNotFoundError: if there is no folder ``directory`` or ``save_to_dir``.
        ValueError: if there are no images, ``classes`` names a folder that is not there, or for unknown settings. A
            file that cannot be read is an error when its turn comes; the message gives its path.
    """

    allowed_class_modes = ("categorical", "binary", "sparse", "input", None)

    def __init__(
        self,
        directory: Any,
        image_data_generator: Any,
        target_size: Any = (256, 256),
        color_mode: str = "rgb",
        classes: Any = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        data_format: str | None = None,
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        follow_links: bool = False,
        subset: str | None = None,
        interpolation: str = "nearest",
        keep_aspect_ratio: bool = False,
        dtype: Any = None,
    ) -> None:
        _check_class_mode(class_mode, self.allowed_class_modes, "flow_from_directory")
        self.directory, self.subset = directory, subset
        self.split = None if subset is None else split_of(subset, image_data_generator, "flow_from_directory")
        endings = tuple(f".{ending}" for ending in self.white_list_formats)
        names = None if classes is None or len(classes) == 0 else list(classes)
        listing = list_images(directory, class_names=names, endings=endings, follow_links=follow_links)
        self.class_indices = {name: i for i, name in enumerate(listing.class_names)}
        labels = np.array(listing.labels, np.int32)
        counts = np.bincount(labels, minlength=self.num_classes)
        taken = np.concatenate([np.flatnonzero(labels == i)[part_of(n, self.split)] for i, n in enumerate(counts)])
        self.classes = labels[taken]
        self.filenames = [listing.files[i] for i in taken]
        paths = listing.paths
        self.filepaths = [str(paths[i]) if isinstance(paths[i], Path) else paths[i] for i in taken]
        print(f"Found {len(taken)} images belonging to {self.num_classes} classes.")
        if class_mode == "binary" and self.num_classes > 2:
            text = f"flow_from_directory: class_mode='binary' for {self.num_classes} classes. "
            warnings.warn(f"{text}Their labels are 0 to {self.num_classes - 1}.", UserWarning, stacklevel=3)
        image = target_size, color_mode, interpolation, keep_aspect_ratio
        order, save = (batch_size, shuffle, seed), (save_to_dir, save_prefix, save_format)
        super().__init__(image_data_generator, image, class_mode, data_format, order, save, dtype)


class DataFrameIterator(_FileIterator):
    """Batches from image files whose names stand in a table.

    Args:
        dataframe: a table whose columns are looked up by name, as a DataFrame of pandas or a dictionary of lists.
        directory: the folder that the files are in; None if the names say it.
        image_data_generator: changes the images.
        x_col: the column of file names.
        y_col: the column of labels, or a list of columns.
        weight_col: a column of sample weights.
        target_size, color_mode, interpolation, keep_aspect_ratio: as in `DirectoryIterator`.
        classes: names of the classes in the order of the labels; rows of others are left out. Sorted unless given.
        class_mode: what the labels of a batch are: ``'categorical'`` one-hot rows, where a label may also be a list of
            names; ``'binary'`` and ``'sparse'`` class numbers; ``'input'`` the images themselves; ``'raw'`` the column
            or columns ``y_col`` as they are; ``'multi_output'`` a list of columns; None no labels.
        batch_size, shuffle, seed: as in `Iterator`.
        data_format, save_to_dir, save_prefix, save_format, dtype: as in `NumpyArrayIterator`.
        subset: ``'validation'`` for the first rows, as many as the generator's validation_split says; ``'training'``
            for the others.
        validate_filenames: whether it is looked for every file. Those that are missing or have another ending than
            images are left out, with a warning.

    Raises:
        TypeError: for labels, weights or file names of the wrong type.
        ValueError: for columns that are missing, no images, or unknown settings.
        FileNotFoundError: if there is no folder ``save_to_dir``.
    """

    def __init__(
        self,
        dataframe: Any,
        directory: Any = None,
        image_data_generator: Any = None,
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
        data_format: str | None = "channels_last",
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        interpolation: str = "nearest",
        keep_aspect_ratio: bool = False,
        dtype: Any = "float32",
        validate_filenames: bool = True,
    ) -> None:
        where = "flow_from_dataframe"
        _check_class_mode(class_mode, self.allowed_class_modes, where)
        self.directory, self.subset, self.class_indices = directory or "", subset, {}
        self.split = None if subset is None else split_of(subset, image_data_generator, where)
        names = _column(dataframe, x_col)
        _check_types(names, (str,), x_col, class_mode)
        paths = [os.path.join(self.directory, name) for name in names]
        rows = np.arange(len(names))
        if validate_filenames:
            rows = self._existing(paths, x_col)
        if class_mode not in WITHOUT_CLASSES:
            rows, numbers = self._classified(rows, _column(dataframe, y_col, len(names)), y_col, classes, class_mode)
            chosen = part_of(len(rows), self.split)
            self.classes = numbers[chosen]
        elif classes:
            text = f"{where}: classes= has no meaning with class_mode={class_mode!r}."
            warnings.warn(text, UserWarning, stacklevel=3)
        rows = rows[part_of(len(rows), self.split)]
        self.filenames, self.filepaths = [names[i] for i in rows], [paths[i] for i in rows]
        self.targets = _targets(dataframe, y_col, class_mode, len(names), rows)
        if weight_col:
            self.sample_weight = _weights(dataframe, weight_col, len(names))[rows]
        kind = "validated" if validate_filenames else "non-validated"
        belonging = "" if class_mode in WITHOUT_CLASSES else f" belonging to {self.num_classes} classes"
        print(f"Found {len(rows)} {kind} image filenames{belonging}.")
        image = target_size, color_mode, interpolation, keep_aspect_ratio
        order, save = (batch_size, shuffle, seed), (save_to_dir, save_prefix, save_format)
        super().__init__(image_data_generator, image, class_mode, data_format, order, save, dtype)

    def _existing(self, paths: list[str], x_col: str) -> Array:
        """Rows whose files are there and images by their endings."""
        found = [path.lower().endswith(self.white_list_formats) and os.path.isfile(path) for path in paths]
        if not all(found):
            first = paths[found.index(False)]
            text = f"flow_from_dataframe: {found.count(False)} names in column {x_col!r} are of no image file, such as "
            warnings.warn(f"{text}{first!r}, and are left out.", UserWarning, stacklevel=4)
        return np.flatnonzero(found)

    def _classified(
        self, rows: Array, labels: list[Any], y_col: str, wanted: Any, class_mode: str | None
    ) -> tuple[Array, list[Any]]:
        """The rows that have a class, and for each one its class number, or a list of numbers."""
        _check_types(labels, (str, list, tuple) if class_mode == "categorical" else (str,), y_col, class_mode)
        own = {i: labels[i] if isinstance(labels[i], list | tuple) else [labels[i]] for i in rows}
        names = list(dict.fromkeys(wanted)) if wanted else sorted({name for those in own.values() for name in those})
        if class_mode == "binary" and len(names) != 2:
            received = f"{len(names)}: {', '.join(map(repr, names[:5]))}"
            raise ValueError(sentence("flow_from_dataframe", "2 classes for class_mode='binary'", received))
        self.class_indices = {name: i for i, name in enumerate(names)}
        numbers = {i: [self.class_indices[name] for name in own[i] if name in self.class_indices] for i in rows}
        rows = np.array([i for i in rows if numbers[i]], np.intp)
        return rows, [numbers[i][0] if isinstance(labels[i], str) else numbers[i] for i in rows]


def _check_class_mode(class_mode: Any, allowed: tuple[str | None, ...], where: str) -> None:
    if class_mode not in allowed:
        known = ", ".join(f"{mode!r} ({CLASS_MODES[mode]})" for mode in allowed)
        raise ValueError(sentence(where, f"class_mode as one of {known}", f"class_mode={class_mode!r}"))


def _column(table: Any, name: Any, rows: int | None = None) -> list[Any]:
    """A column of a table by its name; an error if there is none, or it has not as many rows as are wanted."""
    where = "flow_from_dataframe"
    if isinstance(name, list):
        raise TypeError(sentence(where, "one column", f"{name}", "For several use class_mode='multi_output' or 'raw'."))
    try:
        column = list(table[name])
    except (KeyError, IndexError, TypeError, ValueError) as error:
        names = [str(one) for one in table] if hasattr(table, "__iter__") else []
        known = ", ".join(map(repr, names)) or type(table).__name__
        raise ValueError(sentence(where, f"a column among {known}", f"{name!r}", did_you_mean(name, names))) from error
    if rows is not None and len(column) != rows:
        raise ValueError(sentence(where, f"{rows} rows in column {name!r}", f"{len(column)}"))
    return column


def _check_types(column: list[Any], types: tuple[Any, ...], name: str, class_mode: str | None) -> None:
    """TypeError for the first value that is of none of these types."""
    wrong = next((i for i, value in enumerate(column) if not isinstance(value, types)), None)
    if wrong is not None:
        kinds = " or ".join("strings" if kind is str else f"{kind.__name__}s" for kind in types)
        expected = f"{kinds} in column {name!r}, with class_mode={class_mode!r}"
        way_out = "For numbers write class_mode='raw', or make them strings."
        raise TypeError(sentence("flow_from_dataframe", expected, f"{column[wrong]!r} in row {wrong}", way_out))


def _targets(table: Any, y_col: Any, class_mode: str | None, n: int, rows: Array) -> Any:
    """The columns that are labels themselves, of n rows all in all; those rows that are wanted."""
    if class_mode == "multi_output":
        if not isinstance(y_col, list):
            expected = "y_col as a list of columns, with class_mode='multi_output'"
            raise TypeError(sentence("flow_from_dataframe", expected, f"y_col={y_col!r}"))
        return [np.array(_column(table, name, n))[rows] for name in y_col]
    if class_mode != "raw":
        return None
    if isinstance(y_col, list):
        return np.stack([np.array(_column(table, name, n)) for name in y_col], axis=1)[rows]  # (N, columns)
    return np.array(_column(table, y_col, n))[rows]


def _weights(table: Any, name: str, n: int) -> Array:
    weights = np.array(_column(table, name, n))
    if weights.dtype.kind not in "biuf":
        received = f"dtype {weights.dtype}"
        raise TypeError(sentence("flow_from_dataframe", f"numbers in column weight_col={name!r}", received))
    return weights
