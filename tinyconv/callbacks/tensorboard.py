"""Curves for TensorBoard, which draws them while the training runs."""

import itertools
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tinyconv.callbacks.base import Callback, Logs
from tinyconv.checks import positive, sentence

__all__ = ["TensorBoard"]

#: Two files of one process, begun in the same second, have different names.
_NUMBERS = itertools.count()


class TensorBoard(Callback):
    """Writes the numbers of a training where ``tensorboard --logdir logs`` finds them.

    The folder gets two others, ``train`` and ``validation``, with the curves ``epoch_loss`` and so on, and
    ``epoch_learning_rate``; the validation also ``evaluation_loss_vs_iterations``. Needs the library tensorboardX:
    ``pip install 'tinyconv[tensorboard]'``.

    Args:
        log_dir: the folder.
        histogram_freq: epochs from one histogram of each weight to the next; 0 draws none.
        write_graph: taken for Keras's sake, and without effect: no graph is drawn.
        write_images, profile_batch, embeddings_freq, embeddings_metadata: what is not there; only the defaults.
        write_steps_per_second: whether to draw the speed too.
        update_freq: ``'epoch'``; or ``'batch'``, or a number of batches, after which the means of the epoch so far are
            written too, as ``batch_loss`` and so on.

    Raises:
        ImportError: if the library is missing.
        ValueError: for what is not there, and for an unknown update_freq.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: str | int = "epoch",
        profile_batch: Any = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: Any = None,
    ) -> None:
        super().__init__()
        absent = {"write_images": write_images, "profile_batch": profile_batch, "embeddings_freq": embeddings_freq}
        for name, value in absent.items():
            if value:
                raise ValueError(sentence("TensorBoard", f"no {name}, which it cannot draw", f"{name}={value!r}"))
        self.log_dir, self.histogram_freq = os.fspath(log_dir), histogram_freq
        self.write_graph, self.write_images, self.write_steps_per_second = write_graph, False, write_steps_per_second
        self.update_freq = 1 if update_freq == "batch" else update_freq
        if self.update_freq != "epoch":
            positive(self.update_freq, "update_freq", "TensorBoard, where it is not 'epoch' or 'batch'")
        self._library = _Library()
        self._writers: dict[str, Any] = {}
        self._batches = 0
        self._is_training = False
        self._epoch_began = self._batch_began = 0.0
        self._iterations_before = 0

    def get_state(self) -> dict[str, Any]:
        return {"batches": self._batches}

    def set_state(self, state: Mapping[str, Any]) -> None:
        self._batches = state["batches"]

    def on_train_begin(self, logs: Logs = None) -> None:
        self._close()  # where a training before this one broke off
        self._batches, self._is_training = 0, True

    def on_train_end(self, logs: Logs = None) -> None:
        self._is_training = False
        self._close()

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        self._batches += 1
        self._batch_began = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        if self.update_freq == "epoch" or self._batches % int(self.update_freq):
            return
        speed = {"steps_per_second": 1 / (time.perf_counter() - self._batch_began)}
        for name, value in ((logs or {}) | (speed if self.write_steps_per_second else {})).items():
            self._write("train", f"batch_{name}", value, self._batches)

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._epoch_began, self._iterations_before = time.perf_counter(), self.model.optimizer.iterations

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        train = {"learning_rate": self.model.optimizer.current_learning_rate}
        if self.write_steps_per_second:
            steps = self.model.optimizer.iterations - self._iterations_before
            train["steps_per_second"] = steps / (time.perf_counter() - self._epoch_began)
        for name, value in (train | (logs or {})).items():
            part = "validation" if name.startswith("val_") else "train"
            self._write(part, f"epoch_{name.removeprefix('val_')}", value, epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            self._write_histograms(epoch)
        for writer in self._writers.values():
            writer.flush()

    def on_test_end(self, logs: Logs = None) -> None:
        optimizer = self.model.optimizer
        for name, value in (logs or {}).items():
            self._write("validation", f"evaluation_{name}_vs_iterations", value, optimizer.iterations)
        if not self._is_training:
            self._close()

    def _write_histograms(self, epoch: int) -> None:
        for layer in self.model.sublayers():
            for key, array in (layer.params | layer.state).items():
                finite = array[np.isfinite(array)]
                if finite.size:
                    drawn = self._library.histogram(f"{layer.name}/{key}/histogram", finite, bins=30)
                    self._writer("train").write_event(self._event(drawn, epoch))

    def _write(self, part: str, tag: str, value: Any, step: int) -> None:
        if not np.ndim(value):
            self._writer(part).write_event(self._event(self._library.scalar(tag, value), step))

    def _event(self, summary: Any, step: int) -> Any:
        return self._library.Event(wall_time=time.time(), step=step, summary=summary)

    def _writer(self, part: str) -> Any:
        """The file of train or validation: made when there is something to write, for each training anew."""
        if part not in self._writers:
            folder = Path(self.log_dir) / part
            folder.mkdir(parents=True, exist_ok=True)
            ending = f".{os.getpid()}.{next(_NUMBERS)}"
            self._writers[part] = self._library.EventsWriter(str(folder / "events"), ending)
        return self._writers[part]

    def _close(self) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()


class _Library:
    """What is used of tensorboardX."""

    def __init__(self) -> None:
        try:
            from tensorboardX.event_file_writer import EventsWriter
            from tensorboardX.proto.event_pb2 import Event
            from tensorboardX.summary import histogram, scalar
        except ImportError as error:
            way_out = "Install it with pip install 'tinyconv[tensorboard]'."
            raise ImportError(sentence("TensorBoard", "the library tensorboardX", "none", way_out)) from error
        self.EventsWriter, self.Event, self.histogram, self.scalar = EventsWriter, Event, histogram, scalar
