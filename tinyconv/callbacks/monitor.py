"""Watching one number of the logs, and stopping when it improves no more."""

import warnings
from collections.abc import Mapping
from typing import Any

from tinyconv.callbacks.base import Callback, Logs
from tinyconv.checks import did_you_mean, lookup, sentence
from tinyconv.curves import direction

__all__ = ["EarlyStopping", "MonitorCallback"]


class MonitorCallback(Callback):
    """Base of the callbacks that watch one number of the logs.

    Args:
        monitor: its name.
        mode: ``'min'`` if smaller is better, ``'max'`` if larger; ``'auto'`` goes by the name.
        best: the number to beat at first; None for whatever comes.
        min_delta: improve by less than this, and it does not count.

    Raises:
        ValueError: for an unknown mode, or ``'auto'`` with a name that does not tell.
    """

    def __init__(self, monitor: str, mode: str, best: float | None = None, min_delta: float = 0) -> None:
        super().__init__()
        self.monitor, self.mode, self.best, self.min_delta = monitor, mode, best, abs(min_delta)
        self._sign = lookup("mode", mode, {"auto": 0, "min": -1, "max": 1}) or _direction(type(self).__name__, monitor)
        self._warned = False

    def get_state(self) -> dict[str, Any]:
        return {"best": self.best, "warned": self._warned}

    def set_state(self, state: Mapping[str, Any]) -> None:
        self.best, self._warned = state["best"], state["warned"]

    def improves(self, value: float, reference: float | None) -> bool:
        """Whether ``value`` is better than ``reference`` by more than min_delta."""
        if reference is None:
            return True
        return bool(value + self.min_delta < reference if self._sign < 0 else value - self.min_delta > reference)

    def monitored(self, logs: Logs) -> Any:
        """The number that is watched; None, with one warning for each training, where the logs lack it."""
        value = (logs or {}).get(self.monitor)
        if value is None:
            names = ", ".join(map(repr, logs or {})) or "none"
            way_out = did_you_mean(self.monitor, logs or {}) or "val_ names need validation data."
            self.warn_once(f"monitor={self.monitor!r} in the logs", names, way_out)
        return value

    def warn_once(self, expected: str, received: str, way_out: str = "") -> None:
        """A warning, unless this training has had one from here."""
        if not self._warned:
            warnings.warn(sentence(type(self).__name__, expected, received, way_out), stacklevel=3)
        self._warned = True

    def on_train_begin(self, logs: Logs = None) -> None:
        self._warned = False


#: What `EarlyStopping` remembers from epoch to epoch, beside the best number.
_COUNTED = ("wait", "stopped_epoch", "best_epoch", "best_weights")


class EarlyStopping(MonitorCallback):
    """Ends the training when a number has stopped improving.

    Args:
        monitor: name of the number.
        min_delta: least change that counts as an improvement.
        patience: epochs without improvement after which to stop.
        verbose: 1 prints what it does.
        mode: ``'min'``, ``'max'``, or ``'auto'``, which goes by the name.
        baseline: patience is only renewed by numbers better than this.
        restore_best_weights: whether to go back to the weights of the best epoch at the end of the training.
        start_from_epoch: epochs to let pass before watching.

    Raises:
        ValueError: as `MonitorCallback`.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta=min_delta)
        self.patience, self.verbose, self.baseline = patience, verbose, baseline
        self.restore_best_weights, self.start_from_epoch = restore_best_weights, start_from_epoch
        self._forget()

    def _forget(self) -> None:
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best: float | None = None
        self.best_weights: list[Any] | None = None

    def get_state(self) -> dict[str, Any]:
        return super().get_state() | {name: getattr(self, name) for name in _COUNTED}

    def set_state(self, state: Mapping[str, Any]) -> None:
        super().set_state(state)
        for name in _COUNTED:
            setattr(self, name, state[name])

    def on_train_begin(self, logs: Logs = None) -> None:
        super().on_train_begin(logs)
        self._forget()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        current = self.monitored(logs)
        if current is None or epoch < self.start_from_epoch:
            return
        self.wait += 1
        if self.improves(current, self.best):
            self.best = current
            self._remember(epoch)
            if self.baseline is None or self.improves(current, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs = None) -> None:
        if self.stopped_epoch and self.verbose:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.best_weights is not None:
            if self.verbose:
                print(f"Restoring model weights from the end of the best epoch: {self.best_epoch + 1}.")
            self.model.set_weights(self.best_weights)

    def _remember(self, epoch: int) -> None:
        self.best_epoch = epoch
        if self.restore_best_weights:
            self.best_weights = self.model.get_weights()


def _direction(where: str, monitor: str) -> int:
    """-1 for a name that stands for an error, 1 for one that stands for a success."""
    sign = direction(monitor)
    if sign:
        return sign
    way_out = "Give mode='min' or mode='max'."
    raise ValueError(sentence(where, "a monitor whose name tells its direction", f"monitor={monitor!r}", way_out))
