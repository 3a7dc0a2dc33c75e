"""What a training leaves on the disk: its model, epoch by epoch, and a table of its numbers."""

import csv
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tinyconv.callbacks.base import Callback, Logs
from tinyconv.callbacks.monitor import MonitorCallback
from tinyconv.checks import sentence
from tinyconv.files import naming, replacing

__all__ = ["CSVLogger", "ModelCheckpoint", "check_save_freq"]


class ModelCheckpoint(MonitorCallback):
    """Saves the model while it trains.

    Args:
        filepath: where to, ending in ``.keras`` or ``.h5``; or in ``.weights.h5`` or ``.npz`` for weights alone.
            ``{epoch:02d}``, with save_freq in batches ``{batch}``, and the names of the logs, such as
            ``{val_loss:.2f}``, are filled in; both count from 1. Missing folders are made, and files that are there are
            replaced in one step. What a program that was killed has left unfinished, ``.name.1.part``, is taken over by
            the next one that saves to the same name.
        monitor: name of the number that tells the best model.
        verbose: 1 prints what it does.
        save_best_only: whether to save only when that number improves. Where the logs lack it, or it is not one number,
            every model is saved, with a warning.
        save_weights_only: whether to save the weights without the architecture, for `load_weights`.
        mode: ``'min'``, ``'max'``, or ``'auto'``, which goes by the name.
        save_freq: ``'epoch'``, or the number of batches after which to save.
        initial_value_threshold: the number to beat at first.

    Raises:
        ValueError: for another ending or save_freq; and as `MonitorCallback`, where only the best is saved.
        KeyError: while training, if filepath names a number that is not in the logs.
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        if not save_best_only and mode == "auto":
            mode = "min"  # not used then: a monitor whose direction is unknown is no error
        super().__init__(monitor, mode, initial_value_threshold)
        self.filepath, self.verbose = os.fspath(filepath), verbose
        self.save_best_only, self.save_weights_only = save_best_only, save_weights_only
        self.save_freq = save_freq
        self._epoch = self._batches = 0
        self._check_settings()

    def get_state(self) -> dict[str, Any]:
        return super().get_state() | {"batches": self._batches}

    def set_state(self, state: Mapping[str, Any]) -> None:
        super().set_state(state)
        self._batches = state["batches"]

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        self._batches += 1
        if self.save_freq != "epoch" and self._batches % int(self.save_freq) == 0:
            self._save({"batch": batch + 1} | (logs or {}))

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self._epoch = epoch
        if self.save_freq == "epoch":
            self._save(logs or {})

    def _save(self, logs: Mapping[str, Any]) -> None:
        path = self._path(logs)
        if self.save_best_only and not self._is_best(logs, path):
            return
        if not self.save_best_only:
            self._say(f"saving model to {path}")
        path.parent.mkdir(parents=True, exist_ok=True)
        if self.save_weights_only:
            self.model.save_weights(path)
        else:
            self.model.save(path)
        self._say(f"finished saving model to {path}")

    def _is_best(self, logs: Mapping[str, Any], path: Path) -> bool:
        """Whether the number that is watched improved; True where there is none, so that no model is lost."""
        current = self.monitored(dict(logs))
        if current is None or np.ndim(current):
            if current is not None:
                self.warn_once(f"one number as {self.monitor!r}, to save the best model only", repr(current))
            return True
        best = "None" if self.best is None else f"{self.best:.5f}"
        if not self.improves(current, self.best):
            self._say(f"{self.monitor} did not improve from {best}")
            return False
        self._say(f"{self.monitor} improved from {best} to {current:.5f}, saving model to {path}")
        self.best = current
        return True

    def _path(self, logs: Mapping[str, Any]) -> Path:
        try:
            return Path(self.filepath.format(epoch=self._epoch + 1, **logs))
        except KeyError as error:
            names = ", ".join(["epoch", *logs])
            received = f"filepath={self.filepath!r}, which names {error}"
            raise KeyError(sentence("ModelCheckpoint", f"names among {names}", received)) from None

    def _say(self, text: str) -> None:
        if self.verbose:
            print(f"\nEpoch {self._epoch + 1}: {text}")

    def _check_settings(self) -> None:
        weights, whole = (".weights.h5", ".npz"), (".keras", ".h5")
        endings = weights if self.save_weights_only else whole
        if not self.filepath.endswith(endings) or (not self.save_weights_only and self.filepath.endswith(weights)):
            expected = f"filepath ending in {' or '.join(endings)}" + " for weights alone" * self.save_weights_only
            received = f"filepath={self.filepath!r}, save_weights_only={self.save_weights_only}"
            raise ValueError(sentence("ModelCheckpoint", expected, received))
        check_save_freq(self.save_freq, "ModelCheckpoint")


def check_save_freq(save_freq: Any, where: str) -> None:
    """ValueError unless it is ``'epoch'`` or a number of batches."""
    whole = isinstance(save_freq, int) and not isinstance(save_freq, bool) and save_freq > 0
    if save_freq != "epoch" and not whole:
        raise ValueError(sentence(where, "save_freq 'epoch' or a number of batches", f"save_freq={save_freq!r}"))


class CSVLogger(Callback):
    """Writes the numbers of every epoch to a CSV file, line by line, so that a training that breaks off leaves its log.

    Args:
        filename: the file.
        separator: between the columns.
        append: whether to go on with a file that is there, under its header, instead of writing it anew.

    Raises:
        ValueError: while training, if a file to go on with has other columns than the logs.
    """

    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False) -> None:
        super().__init__()
        self.filename, self.separator, self.append = os.fspath(filename), separator, append
        self._columns: list[str] | None = None

    def get_state(self) -> dict[str, Any]:
        path = Path(self.filename)
        text = path.read_bytes().decode() if path.exists() else ""  # not read_text, which changes the ends of lines
        return {"columns": self._columns, "text": text}

    def set_state(self, state: Mapping[str, Any]) -> None:
        # What was written after the backup goes: those epochs are done again.
        self._columns = state["columns"]
        with replacing(Path(self.filename)) as file:
            file.write(state["text"].encode())

    def on_train_begin(self, logs: Logs = None) -> None:
        self._columns = self._columns_of_file() if self.append else None
        if not self.append:
            with naming(self.filename):
                Path(self.filename).write_text("", encoding="utf-8")

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        row = {"epoch": epoch} | {name: _cell(value) for name, value in sorted((logs or {}).items())}
        if self._columns is None:
            self._columns = list(row)
            self._write(self._columns)
        if not row.keys() <= set(self._columns):
            expected = f"the columns of {self.filename}, {', '.join(self._columns)}"
            way_out = "Choose another file, or append=False."
            raise ValueError(sentence("CSVLogger", expected, ", ".join(row), way_out))
        self._write([row.get(name, "NA") for name in self._columns])

    def _columns_of_file(self) -> list[str] | None:
        """The header of the file, or None where there is none yet."""
        if not os.path.exists(self.filename):
            return None
        try:
            with open(self.filename, encoding="utf-8", newline="") as file:
                return next(csv.reader(file, delimiter=self.separator), None) or None
        except (UnicodeError, csv.Error) as error:
            way_out = "Choose another file, or append=False."
            raise ValueError(sentence("CSVLogger", f"a table in {self.filename}", str(error), way_out)) from error

    def _write(self, cells: list[Any]) -> None:
        # Opened for each line: nothing is left open, or unwritten, if the training breaks off. And written at once.
        line = io.StringIO(newline="")
        csv.writer(line, delimiter=self.separator).writerow(cells)
        content = line.getvalue().encode()
        with naming(self.filename), open(self.filename, "ab", buffering=0) as file:
            before = os.fstat(file.fileno()).st_size
            try:
                while content:
                    content = content[file.write(content) :]
            except OSError:  # the disk is full: no half line
                file.truncate(before)
                raise


def _cell(value: Any) -> Any:
    """A number as such, an array as ``[1.0, 2.0]``."""
    return str(np.asarray(value).tolist()) if np.ndim(value) else value
