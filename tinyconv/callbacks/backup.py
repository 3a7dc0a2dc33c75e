"""Going on with a training that broke off, bit by bit as if it had not.

A backup is one file, a zip as NumPy's ``.npz`` files are:

    state.json          everything that is no array; {"__array__": "12"} stands for an array
    0.npy, 1.npy, ...   the arrays

It takes the place of the one before in one step. So at any moment, also while it is written, a whole one is there.
"""

import json
import os
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import count, zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from tinyconv import config
from tinyconv.archives import DAMAGES, check_zip, read_array
from tinyconv.callbacks.base import Callback, Logs
from tinyconv.callbacks.files import check_save_freq
from tinyconv.checks import positive, sentence
from tinyconv.files import replacing

__all__ = ["BackupAndRestore"]

#: The newest layout of `_snapshot` that this code writes and reads.
FORMAT = 2

_ARRAY = "__array__"


class BackupAndRestore(Callback):
    """Keeps a training on the disk, so that the same program, started again, goes on where it was killed.

    The backup holds weights and state of all layers, the optimizer, every random stream, the place in the data, the
    history and what the other callbacks remember. The training that goes on ends with the very weights of one that was
    never stopped, given the same engine, number of threads and machine, and the same data and settings.

    The data's order is that of before for arrays, and for data that know where they stand (``get_state``): the
    iterators of `ImageDataGenerator`, and `Dataset`. A generator function begins anew in the new program: let it begin
    with ``initial_epoch`` in mind, or take one of these instead.

    Args:
        backup_dir: folder for the backup, made if missing. Each training needs one of its own.
        save_freq: ``'epoch'``, or the number of batches after which to save. The batches of a broken epoch that were
            learned already are then fetched once more and passed over.
        double_checkpoint: whether to keep the backup before the last one too, for the case that the disk damages that.
        delete_checkpoint: whether to delete the backup at the end of the training. If it is kept, `fit` with more
            epochs trains on.

    Raises:
        ValueError: for an empty backup_dir and another save_freq; when training begins, for a backup that is damaged
            or of another model: it is neither used nor deleted.

    >>> backup = BackupAndRestore("runs/flowers", delete_checkpoint=False)
    """

    comes_last = True  # after the others have decided what they remember of the epoch

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: str | int = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        super().__init__()
        if not os.fspath(backup_dir):
            raise ValueError(sentence("BackupAndRestore", "backup_dir as the name of a folder", "an empty one"))
        check_save_freq(save_freq, "BackupAndRestore")
        self.backup_dir, self.save_freq = os.fspath(backup_dir), save_freq
        self.double_checkpoint, self.delete_checkpoint = double_checkpoint, delete_checkpoint
        self._epoch = self._batches = 0
        self._begun: dict[str, Any] = {}

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.backup_dir) / "training.backup"

    @property
    def previous_path(self) -> Path:
        """The one before, with double_checkpoint."""
        return Path(self.backup_dir) / "training.previous.backup"

    def get_state(self) -> dict[str, Any]:
        return {"batches": self._batches}

    def set_state(self, state: Mapping[str, Any]) -> None:
        self._batches = state["batches"]

    def on_train_begin(self, logs: Logs = None) -> None:
        snapshot = self._read()
        if snapshot is None:
            return
        model, epoch, batch = self.model, snapshot["epoch"], snapshot["batch"]
        if hasattr(model.training_batches, "source") and not model.training_batches.get_state():
            message = "BackupAndRestore: the training goes on where it broke off, but its generator begins anew."
            warnings.warn(message, stacklevel=2)
        if batch:  # the epoch's data are fetched from its beginning, with the randomness of then
            with self._explained():
                _go_back_in_data(model, snapshot["begun"])
            ready = partial(self._go_back, snapshot)
            model.training_start = model.training_start._replace(epoch=epoch, batch=batch, ready=ready)
        else:
            self._go_back(snapshot)
            model.training_start = model.training_start._replace(epoch=epoch)

    def _go_back(self, snapshot: Mapping[str, Any]) -> None:
        with self._explained():
            _go_back(self.model, snapshot)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """What no backup of ours holds, be it in a whole file, is a ValueError that says where it is."""
        try:
            yield
        except (TypeError, LookupError, AttributeError, ArithmeticError) as error:
            expected, received = f"a whole backup in {self.path}", f"{type(error).__name__}: {error}"
            way_out = "Delete it to train from the beginning."
            raise ValueError(sentence("BackupAndRestore", expected, received, way_out)) from error

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._epoch = epoch
        if self.save_freq != "epoch":
            self._begun = _place_in_data(self.model)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        self._batches += 1
        if self.save_freq != "epoch" and self._batches % int(self.save_freq) == 0:
            self._write(self._epoch, batch + 1)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if self.save_freq == "epoch":
            self._write(epoch + 1, 0)

    def on_train_end(self, logs: Logs = None) -> None:
        if not self.delete_checkpoint:
            return
        for path in (self.path, self.previous_path):
            path.unlink(missing_ok=True)
        folder = Path(self.backup_dir)
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()

    def _write(self, epoch: int, batch: int) -> None:
        snapshot = _snapshot(self.model) | {"epoch": epoch, "batch": batch, "begun": self._begun if batch else {}}
        os.makedirs(self.backup_dir, exist_ok=True)
        with replacing(self.path) as file:
            _write_archive(file, snapshot)
            if self.double_checkpoint and self.path.exists():
                os.replace(self.path, self.previous_path)

    def _read(self) -> dict[str, Any] | None:
        """What the backup holds, or None where there is none.

        Raises:
            ValueError: if it is damaged or of another training.
        """
        found = [path for path in (self.path, self.previous_path) if path.exists()]
        for path in found:
            try:
                snapshot = _read_archive(path)
            except DAMAGES as error:
                damage = sentence("BackupAndRestore", f"a whole backup in {path}", f"{type(error).__name__}: {error}")
                if path is found[-1]:
                    raise ValueError(f"{damage} Delete it to train from the beginning.") from error
                warnings.warn(f"{damage} The one before it is used.", stacklevel=2)
                continue
            with self._explained():
                self._check(snapshot, path)
            return snapshot
        return None

    def _check(self, snapshot: Mapping[str, Any], path: Path) -> None:
        """ValueError unless the snapshot is one of this model, compiled as it is, on data of this kind."""
        mine, stored = [f"format {FORMAT}", *_parts(self.model)], [f"format {snapshot['format']}", *snapshot["parts"]]
        if mine != stored:
            differ = [pair for pair in zip_longest(mine, stored, fillvalue="nothing") if pair[0] != pair[1]]
            expected = f"a backup of {self.model.title} as it is in {path}, with {differ[0][0]}"
            way_out = "Give this training another backup_dir, or delete the file to train from the beginning."
            raise ValueError(sentence("BackupAndRestore", expected, differ[0][1], way_out))
        for name in ("epoch", "batch"):
            positive(snapshot[name], name, f"BackupAndRestore: {path}", least=0)


# What a training is made of


def _snapshot(model: Any) -> dict[str, Any]:
    """Everything that decides how the training goes on, but its place in the data."""
    optimizer = model.optimizer
    rate = optimizer.learning_rate
    return {
        "format": FORMAT,
        "parts": _parts(model),
        "weights": [layer.params | layer.state for layer in model.sublayers()],
        "optimizer": optimizer.get_state(),
        "learning_rate": rate if isinstance(rate, float) else None,
        "callbacks": model.training_callbacks.get_state(),
        "stop_training": bool(model.stop_training),
        "metrics": [_numbers(metric) for metric in model.metrics],
        **_place_in_data(model),
    }


def _go_back(model: Any, snapshot: Mapping[str, Any]) -> None:
    """The training as `_snapshot` saw it. In the middle of an epoch the data are in their place already."""
    if snapshot["batch"]:
        _set_random_state(model, snapshot["random"])
    else:
        _go_back_in_data(model, snapshot)  # first, for it looks whether they are the same
    for layer, arrays in zip(model.sublayers(), snapshot["weights"], strict=True):
        for name, array in (layer.params | layer.state).items():
            array[...] = arrays[name]
    model.optimizer.set_state(snapshot["optimizer"])
    if snapshot["learning_rate"] is not None:
        model.optimizer.learning_rate = snapshot["learning_rate"]
    model.training_callbacks.set_state(snapshot["callbacks"])
    model.stop_training = snapshot["stop_training"]
    for metric, numbers in zip(model.metrics, snapshot["metrics"], strict=True):
        vars(metric).update({name: type(value)(numbers[name]) if isinstance(value, int | float) else numbers[name]
                             for name, value in _numbers(metric).items()})  # fmt: skip


def _place_in_data(model: Any) -> dict[str, Any]:
    return {"data": model.training_batches.get_state(), "random": _random_state(model)}


def _go_back_in_data(model: Any, place: Mapping[str, Any]) -> None:
    model.training_batches.set_state(place["data"])
    _set_random_state(model, place["random"])


def _random_state(model: Any) -> dict[str, Any]:
    """The streams that all share, and those that layers with a seed have for themselves."""
    return {"shared": config.random_state(), "own": [stream.bit_generator.state for stream in _own_streams(model)]}


def _set_random_state(model: Any, state: Mapping[str, Any]) -> None:
    config.set_random_state(state["shared"])
    for stream, own in zip(_own_streams(model), state["own"], strict=True):
        stream.bit_generator.state = own


def _own_streams(model: Any) -> Iterator[np.random.Generator]:
    for layer in model.sublayers():
        yield from (value for value in vars(layer).values() if isinstance(value, np.random.Generator))


def _parts(model: Any) -> list[str]:
    """What must be the same for a training to go on. Not the layers' names: a model that is made twice has others."""
    parts = []
    for layer in model.sublayers():
        arrays = [f"{name} {array.shape} {array.dtype}" for name, array in (layer.params | layer.state).items()]
        own = [*_own_streams(layer)]
        parts.append(" ".join([type(layer).__name__, *arrays, "trainable" if layer.trainable else "frozen"]))
        parts[-1] += " seeded" * len(own)
    parts.append(f"optimizer {type(model.optimizer).__name__}")
    parts.append("metrics " + ", ".join(type(metric).__name__ for metric in model.metrics))
    return [*parts, f"data as {type(model.training_batches).__name__}"]


def _numbers(metric: Any) -> dict[str, Any]:
    """What a metric has summed up so far: the numbers and arrays that it holds."""
    kinds = (int, float, np.number, np.ndarray)
    return {name: value for name, value in vars(metric).items() if isinstance(value, kinds)}


# The file


def _write_archive(file: Any, snapshot: Mapping[str, Any]) -> None:
    numbers = count()
    with zipfile.ZipFile(file, "w") as archive:

        def replaced(value: Any) -> Any:
            """What JSON writes where it does not know a type: arrays go into members of their own."""
            if isinstance(value, np.generic):
                return value.item()
            if not isinstance(value, np.ndarray) or value.dtype.hasobject:
                raise TypeError(type(value).__name__)
            name = str(next(numbers))
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, value, allow_pickle=False)
            return {_ARRAY: name}

        try:
            text = json.dumps(snapshot, default=replaced)
        except TypeError as error:
            expected = "numbers, strings, lists, dictionaries and arrays in the logs and in what callbacks remember"
            raise TypeError(sentence("BackupAndRestore", expected, str(error))) from error
        archive.writestr("state.json", text)


def _read_archive(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:  # which looks at the checksum of all that is read
        check_zip(archive)

        def replaced(entry: dict[str, Any]) -> Any:
            return read_array(archive, str(entry[_ARRAY])) if _ARRAY in entry else entry

        snapshot: dict[str, Any] = json.loads(archive.read("state.json"), object_hook=replaced)
        return snapshot
