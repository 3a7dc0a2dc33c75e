"""What a callback is, and the simplest ones.

A callback is an object whose methods `fit` calls at fixed moments: at the beginning and end of the training, of every
epoch and of every batch. ``logs`` holds the numbers known then, by name: ``{"loss": 0.2, "val_loss": 0.3}``.
"""

import csv
import io
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyconv import curves
from tinyconv.checks import did_you_mean, sentence
from tinyconv.files import replacing
from tinyconv.interrupts import held

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["HOOKS", "Callback", "CallbackList", "History", "LambdaCallback", "Logs"]

#: Numbers by name.
Logs = dict[str, Any] | None


class Callback:
    """Base of the callbacks: every method does nothing. Override those whose moment matters to you.

    Attributes:
        model: the model that is trained; its ``stop_training = True`` ends the training after the epoch.
        params: ``verbose``, ``epochs`` and ``steps`` of the call to `fit`.
        comes_last: whether it is called after all others, `History` included, wherever it stands in the list.
        sets_learning_rate: whether it may change the learning rate, which then stands in the logs of every epoch.

    >>> class Whistle(Callback):
    ...     def on_epoch_end(self, epoch, logs=None):
    ...         print(epoch, logs["loss"])
    >>> CallbackList([Whistle()]).on_epoch_end(0, {"loss": 0.5})
    0 0.5
    """

    comes_last = False
    sets_learning_rate = False

    def __init__(self) -> None:
        self.model: Any = None
        self.params: dict[str, Any] = {}

    def get_state(self) -> dict[str, Any]:
        """What it has to know again to go on with a training that broke off: what JSON can hold, and arrays."""
        return {}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `get_state` returned; called after `on_train_begin`."""

    def set_model(self, model: Any) -> None:
        """Called first, with the model."""
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        """Called second, with the settings of the run."""
        self.params = params

    def on_train_begin(self, logs: Logs = None) -> None:
        """At the beginning of `fit`."""

    def on_train_end(self, logs: Logs = None) -> None:
        """At the end of `fit`, with the logs of the last epoch."""

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Before an epoch; the first one is 0."""

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """After an epoch and its validation; what is added to ``logs`` gets into the history."""

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Before a batch of training; the first of each epoch is 0."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """After a batch of training, with the means of the epoch so far."""
        self.on_batch_end(batch, logs)

    def on_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Older name of `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Older name of `on_train_batch_end`."""

    def on_test_begin(self, logs: Logs = None) -> None:
        """At the beginning of `evaluate`, and of the validation in `fit`."""

    def on_test_end(self, logs: Logs = None) -> None:
        """At the end of `evaluate`, and of the validation in `fit`."""

    def on_test_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Before a batch of evaluation."""

    def on_test_batch_end(self, batch: int, logs: Logs = None) -> None:
        """After a batch of evaluation."""

    def on_predict_begin(self, logs: Logs = None) -> None:
        """At the beginning of `predict`."""

    def on_predict_end(self, logs: Logs = None) -> None:
        """At the end of `predict`."""

    def on_predict_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Before a batch of prediction."""

    def on_predict_batch_end(self, batch: int, logs: Logs = None) -> None:
        """After a batch of prediction."""


HOOKS = [name for name in vars(Callback) if name.startswith("on_")]


def _to_each(hook: str) -> Any:
    def call(self: "CallbackList", *args: Any, **kwargs: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, hook)(*args, **kwargs)

    return call


class CallbackList(Callback):
    """Several callbacks as one: each call is passed on to all of them, in order, and to those that come last at last.

    Args:
        callbacks: one callback, or several.
        model, params: handed to each by `set_model` and `set_params`.

    Raises:
        TypeError: if something is not a callback.
    """

    def __init__(self, callbacks: Any = None, model: Any = None, params: dict[str, Any] | None = None) -> None:
        self.callbacks = [callbacks] if isinstance(callbacks, Callback) else list(callbacks or [])
        for callback in self.callbacks:
            if not isinstance(callback, Callback):
                way_out = "Write for example callbacks=[EarlyStopping()], with parentheses."
                raise TypeError(sentence("callbacks", "instances of Callback", repr(callback), way_out))
        self._put_in_order()
        self.set_model(model)
        self.set_params(params or {})

    def get_state(self) -> dict[str, Any]:
        """What each of them says, by its class: a second one of a class is ``EarlyStopping 2``."""
        return {key: callback.get_state() for key, callback in self._by_class()}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Hand each its part; those that the state does not know begin anew."""
        for key, callback in self._by_class():
            if key in state:
                callback.set_state(state[key])

    def append(self, callback: Callback) -> None:
        """Add one more, for the same model and run."""
        callback.set_model(self.model)
        callback.set_params(self.params)
        self.callbacks.append(callback)
        self._put_in_order()

    def set_model(self, model: Any) -> None:
        """Hand the model to each callback."""
        self.model = model
        for callback in self.callbacks:
            callback.set_model(model)

    def set_params(self, params: dict[str, Any]) -> None:
        """Hand the settings of the run to each callback."""
        self.params = params
        for callback in self.callbacks:
            callback.set_params(params)

    def _put_in_order(self) -> None:
        self.callbacks.sort(key=lambda callback: callback.comes_last)

    def _by_class(self) -> Iterator[tuple[str, Callback]]:
        met: list[str] = []
        for callback in self.callbacks:
            met.append(type(callback).__name__)
            times = met.count(met[-1])
            yield met[-1] if times == 1 else f"{met[-1]} {times}", callback

    on_train_begin, on_train_end = _to_each("on_train_begin"), _to_each("on_train_end")
    on_epoch_begin, on_epoch_end = _to_each("on_epoch_begin"), _to_each("on_epoch_end")
    on_train_batch_begin, on_train_batch_end = _to_each("on_train_batch_begin"), _to_each("on_train_batch_end")
    on_batch_begin, on_batch_end = _to_each("on_batch_begin"), _to_each("on_batch_end")
    on_test_begin, on_test_end = _to_each("on_test_begin"), _to_each("on_test_end")
    on_test_batch_begin, on_test_batch_end = _to_each("on_test_batch_begin"), _to_each("on_test_batch_end")
    on_predict_begin, on_predict_end = _to_each("on_predict_begin"), _to_each("on_predict_end")
    on_predict_batch_begin, on_predict_batch_end = _to_each("on_predict_batch_begin"), _to_each("on_predict_batch_end")


class History(Callback):
    """Keeps the numbers of every epoch. `fit` returns one.

    Attributes:
        history: a list for each name in the logs, one number an epoch.
        epoch: the epochs, from ``initial_epoch`` on; the first one is 0.
        validation_epochs: those of them that were validated.
        record: the settings of the run, with which it can be repeated (`tinyconv.models.Record`).

    Where a schedule or a callback with ``sets_learning_rate`` changes the learning rate, ``history["learning_rate"]``
    holds what it was at the end of each epoch. Where it stays, there is no such list, as in Keras.
    """

    def __init__(self) -> None:
        super().__init__()
        self.history: dict[str, list[Any]] = {}
        self.epoch: list[int] = []
        self.validation_epochs: list[int] = []
        self.record: Any = None

    def plot(self) -> "Figure":
        """The curves as a figure: training solid, validation dashed, the best epoch marked."""
        return curves.curves(self)

    def describe(self) -> str:
        """The curves in words: does it still learn, does it over-fit, did it diverge?"""
        return curves.describe(self)

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write a table with a row for each epoch, counted from 0, as `CSVLogger` does."""
        table = io.StringIO(newline="")
        rows = csv.DictWriter(table, ["epoch", *self.history], restval="NA")
        rows.writeheader()
        rows.writerows(self._rows())
        with replacing(Path(path)) as file:
            file.write(table.getvalue().encode())

    def _rows(self) -> Iterator[dict[str, Any]]:
        epochs = {name: self.validation_epochs if name.startswith("val_") else self.epoch for name in self.history}
        for epoch in self.epoch:
            held = ((name, at.index(epoch)) for name, at in epochs.items() if epoch in at)
            yield {"epoch": epoch} | {name: self.history[name][i] for name, i in held}

    def get_state(self) -> dict[str, Any]:
        return {"history": self.history, "epoch": self.epoch, "validation_epochs": self.validation_epochs}

    def set_state(self, state: Mapping[str, Any]) -> None:
        self.history, self.epoch = dict(state["history"]), list(state["epoch"])
        self.validation_epochs = list(state["validation_epochs"])

    def on_train_begin(self, logs: Logs = None) -> None:
        self.epoch, self.validation_epochs = [], []

    @held()  # so that all lists have an entry for the same epochs
    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self.epoch.append(epoch)
        if any(name.startswith("val_") for name in logs or {}):
            self.validation_epochs.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
        self.model.history = self


class LambdaCallback(Callback):
    """A callback from functions: ``LambdaCallback(on_epoch_end=lambda epoch, logs: print(logs["loss"]))``.

    Args:
        **hooks: a function for each moment, by the name of the method of `Callback`, with the same arguments.

    Raises:
        TypeError: for a name that is no moment (the nearest one is suggested), or for something not callable.
    """

    def __init__(self, **hooks: Callable[..., Any] | None) -> None:
        super().__init__()
        for name, function in hooks.items():
            if name not in HOOKS:
                raise TypeError(sentence("LambdaCallback", f"one of {HOOKS}", name, did_you_mean(name, HOOKS)))
            if function is not None and not callable(function):
                raise TypeError(sentence("LambdaCallback", f"{name} as a function", repr(function)))
            if function is not None:
                setattr(self, name, function)
