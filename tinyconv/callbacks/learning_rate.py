"""Changing the learning rate from epoch to epoch."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tinyconv.callbacks.base import Callback, Logs
from tinyconv.callbacks.monitor import MonitorCallback
from tinyconv.checks import sentence

__all__ = ["LearningRateScheduler", "ReduceLROnPlateau"]


class ReduceLROnPlateau(MonitorCallback):
    """Lowers the learning rate when a number has stopped improving.

    Args:
        monitor: name of the number.
        factor: what the learning rate is multiplied by, below 1.
        patience: epochs without improvement after which to lower it.
        verbose: 1 prints what it does.
        mode: ``'min'``, ``'max'``, or ``'auto'``, which goes by the name.
        min_delta: least change that counts as an improvement.
        cooldown: epochs to wait after lowering before counting again.
        min_lr: the learning rate is never set below this.

    Raises:
        ValueError: if factor is not below 1; and as `MonitorCallback`.
    """

    sets_learning_rate = True

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta=min_delta)
        if not 0 < factor < 1:
            raise ValueError(sentence("ReduceLROnPlateau", "factor between 0 and 1", f"factor={factor!r}"))
        self.factor, self.patience, self.verbose = factor, patience, verbose
        self.cooldown, self.min_lr = cooldown, min_lr
        self.wait = self.cooldown_counter = 0

    def get_state(self) -> dict[str, Any]:
        return super().get_state() | {"wait": self.wait, "cooldown_counter": self.cooldown_counter}

    def set_state(self, state: Mapping[str, Any]) -> None:
        super().set_state(state)
        self.wait, self.cooldown_counter = state["wait"], state["cooldown_counter"]

    def on_train_begin(self, logs: Logs = None) -> None:
        super().on_train_begin(logs)
        self.best = None
        self.wait = self.cooldown_counter = 0

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        logs = {} if logs is None else logs
        logs["learning_rate"] = self.model.optimizer.current_learning_rate
        current = self.monitored(logs)
        if current is None:
            return
        if self.cooldown_counter:
            self.cooldown_counter -= 1
            self.wait = 0
        if self.improves(current, self.best):
            self.best = current
            self.wait = 0
        elif not self.cooldown_counter:
            self.wait += 1
            if self.wait >= self.patience:
                self._reduce(epoch, logs["learning_rate"])

    def _reduce(self, epoch: int, rate: float) -> None:
        if rate <= self.min_lr:
            return
        self.model.optimizer.learning_rate = max(rate * self.factor, self.min_lr)
        self.wait, self.cooldown_counter = 0, self.cooldown
        if self.verbose:
            new = self.model.optimizer.learning_rate
            print(f"\nEpoch {epoch + 1}: ReduceLROnPlateau reducing learning rate to {new}.")


class LearningRateScheduler(Callback):
    """Sets the learning rate before each epoch.

    Args:
        schedule: function of the epoch and the present learning rate that returns the new one; it may leave out the
            second argument.
        verbose: 1 prints what it does.

    Raises:
        ValueError: if the schedule does not return a number.
    """

    sets_learning_rate = True

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        super().__init__()
        self.schedule, self.verbose = schedule, verbose

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        arguments = (epoch, self.model.optimizer.current_learning_rate)
        rate = self.schedule(*arguments[: _arguments_taken(self.schedule)])
        if isinstance(rate, bool) or not isinstance(rate, int | float | np.number):
            raise ValueError(sentence("LearningRateScheduler", "a number from the schedule", repr(rate)))
        self.model.optimizer.learning_rate = float(rate)
        if self.verbose:
            print(f"\nEpoch {epoch + 1}: LearningRateScheduler setting learning rate to {rate}.")

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if logs is not None:
            logs["learning_rate"] = self.model.optimizer.current_learning_rate


def _arguments_taken(schedule: Callable[..., float]) -> int:
    """1 for a function of the epoch alone, else 2."""
    try:
        inspect.signature(schedule).bind(0, 0.0)
    except TypeError:
        return 1
    return 2
