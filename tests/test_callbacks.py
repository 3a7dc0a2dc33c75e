"""Callbacks: when they are called, what they decide, and what they leave on the disk."""

import csv
import inspect

import numpy as np
import pytest
from oracle import array, assert_arguments_of_keras, load_keras
from tiny_networks import compiled, images, labels

from tinyconv import callbacks
from tinyconv.callbacks import (
    Callback,
    CallbackList,
    CSVLogger,
    EarlyStopping,
    History,
    LambdaCallback,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
    TerminateOnNaN,
)
from tinyconv.callbacks.base import HOOKS
from tinyconv.models import load_model
from tinyconv.optimizers import SGD
from tinyconv.optimizers.schedules import ExponentialDecay


class FakeModel:
    """What callbacks ask of a model. Its weights are the number of the epoch they come from."""

    def __init__(self, rate=0.1):
        self.optimizer = SGD(rate)
        self.stop_training = False
        self.epoch = -1
        self.saved = []

    def get_weights(self):
        return [np.array(self.epoch)]

    def set_weights(self, weights):
        self.epoch = int(weights[0])

    def save(self, path):
        self.saved.append(path.name)

    def save_weights(self, path):
        self.saved.append(f"weights {path.name}")


def train(callback, logs, model=None):
    """Epochs that end with these logs; a number stands for a val_loss. Returns the model and the logs."""
    model = model or FakeModel()
    logs = [{"val_loss": one} if isinstance(one, int | float) else dict(one) for one in logs]
    hooks = CallbackList([callback], model, {})
    hooks.on_train_begin()
    for epoch, numbers in enumerate(logs):
        model.epoch = epoch
        hooks.on_epoch_begin(epoch)
        hooks.on_epoch_end(epoch, numbers)
        if model.stop_training:
            break
    hooks.on_train_end(logs[-1])
    return model, logs[: epoch + 1]


# When they are called


class Recorder(Callback):
    """Writes down every call."""

    def __init__(self):
        super().__init__()
        self.calls = []


def _recorded(hook):
    def call(self, *arguments):
        self.calls.append((hook, *arguments))
        getattr(Callback, hook)(self, *arguments)

    return call


for _hook in HOOKS:
    setattr(Recorder, _hook, _recorded(_hook))


@pytest.mark.parametrize("hook", HOOKS)
def test_a_list_passes_every_call_on_in_order(hook):
    order = []
    several = [LambdaCallback(**{hook: lambda *a, name=name: order.append((name, *a))}) for name in ("first", "second")]
    arguments = (3, {"loss": 1.0}) if len(inspect.signature(getattr(Callback, hook)).parameters) == 3 else ({},)
    getattr(CallbackList(several), hook)(*arguments)
    assert order == [("first", *arguments), ("second", *arguments)]


@pytest.mark.parametrize("moment", ["begin", "end"])
def test_a_training_batch_also_calls_the_older_name(moment):
    recorder = Recorder()
    getattr(recorder, f"on_train_batch_{moment}")(4, {"loss": 1.0})
    assert recorder.calls == [(f"on_{name}_{moment}", 4, {"loss": 1.0}) for name in ("train_batch", "batch")]


def test_fit_calls_every_moment_of_training_and_validation():
    recorder = Recorder()
    compiled().fit(
        images(), labels(), batch_size=8, validation_data=(images(3), labels(3)), verbose=0, callbacks=[recorder]
    )
    assert [call[0] for call in recorder.calls] == [
        *("on_train_begin", "on_epoch_begin"),
        *("on_train_batch_begin", "on_batch_begin", "on_train_batch_end", "on_batch_end") * 2,
        *("on_test_begin", "on_test_batch_begin", "on_test_batch_end", "on_test_end"),
        *("on_epoch_end", "on_train_end"),
    ]


def test_model_and_params_reach_every_callback():
    first, second = Callback(), Callback()
    CallbackList([first, second], "model", {"epochs": 3})
    assert (first.model, second.model) == ("model", "model")
    assert (first.params, second.params) == ({"epochs": 3}, {"epochs": 3})


def test_a_list_takes_a_single_callback():
    one = Callback()
    assert CallbackList(one).callbacks == [one]


def test_a_list_can_be_extended():
    hooks = CallbackList([Callback()])
    hooks.append(History())
    assert len(hooks.callbacks) == 2


def test_a_class_in_place_of_a_callback_is_refused():
    with pytest.raises(
        TypeError, match=r"expected instances of Callback\. Received .*EarlyStopping.* with parentheses"
    ):
        CallbackList([EarlyStopping])


def test_lambda_callback_suggests_the_nearest_moment():
    with pytest.raises(TypeError, match="Did you mean 'on_epoch_end'"):
        LambdaCallback(on_epoch_ende=print)


def test_lambda_callback_wants_functions():
    with pytest.raises(TypeError, match="on_epoch_end as a function"):
        LambdaCallback(on_epoch_end=3)


def test_lambda_callback_leaves_out_none():
    LambdaCallback(on_epoch_end=None).on_epoch_end(0, {})


def test_history_keeps_a_list_for_each_name():
    history = History()
    model, _ = train(history, [{"loss": 1.0}, {"loss": 0.5, "val_loss": 0.7}])
    assert (history.epoch, history.history) == ([0, 1], {"loss": [1.0, 0.5], "val_loss": [0.7]})
    assert model.history is history


# EarlyStopping: what it does with a sequence of numbers

STOPPING = [  # settings, val_loss by epoch, epochs run, epoch whose weights remain
    ({}, [3, 2, 2, 1], 3, 2),
    ({}, [3, 4, 2], 2, 1),
    ({"patience": 1}, [3, 4, 2, 5, 1], 2, 1),
    ({"patience": 2}, [3, 4, 2, 5, 6, 1], 5, 4),
    ({"patience": 2, "restore_best_weights": True}, [3, 4, 2, 5, 6, 1], 5, 2),
    ({"patience": 9, "restore_best_weights": True}, [3, 1, 2], 3, 1),
    ({"min_delta": 0.5, "patience": 1}, [3, 2.6, 2.4], 2, 1),
    ({"min_delta": -0.5, "patience": 1}, [3, 2.4, 2.0], 3, 2),
    ({"mode": "max", "patience": 1}, [1, 2, 1.5, 3], 3, 2),
    ({"baseline": 1.0, "patience": 2}, [3, 2, 1.5, 1.4], 4, 3),
    ({"baseline": 1.0, "patience": 2}, [3, 2, 2.5], 3, 2),
    ({"baseline": 1.0, "patience": 2}, [3, 0.5, 2.5, 2.4], 4, 3),
    ({"baseline": 1.0, "patience": 2, "restore_best_weights": True}, [3, 2, 2.5, 2.4], 3, 1),
    ({"start_from_epoch": 2}, [1, 2, 3, 4, 5], 4, 3),
    ({"start_from_epoch": 2, "restore_best_weights": True}, [1, 2, 3, 4, 5], 4, 2),
    ({}, [float("nan"), 1], 2, 1),
    ({}, [3], 1, 0),
]


@pytest.mark.parametrize(("settings", "losses", "epochs", "remaining"), STOPPING)
def test_early_stopping(settings, losses, epochs, remaining):
    model, seen = train(EarlyStopping(**settings), losses)
    assert (len(seen), model.epoch) == (epochs, remaining)


def test_early_stopping_starts_anew_with_each_training():
    callback = EarlyStopping()
    train(callback, [1, 2])
    _, seen = train(callback, [9, 8, 7])
    assert len(seen) == 3


def test_early_stopping_says_what_it_does(capsys):
    train(EarlyStopping(restore_best_weights=True, verbose=1), [1, 2])
    expected = "Epoch 2: early stopping\nRestoring model weights from the end of the best epoch: 1.\n"
    assert capsys.readouterr().out == expected


def test_early_stopping_restores_the_weights_of_a_real_network():
    model, kept = compiled(), []
    keep = LambdaCallback(on_epoch_end=lambda epoch, logs: kept.append(model.get_weights()))
    stop = EarlyStopping(monitor="loss", mode="max", patience=1, restore_best_weights=True)  # the first is the best
    history = model.fit(images(), labels(), epochs=5, verbose=0, callbacks=[keep, stop])
    assert len(history.epoch) == 2
    np.testing.assert_array_equal(model.get_weights()[0], kept[0][0])


@pytest.mark.parametrize(
    ("monitor", "better"),
    [
        ("loss", "smaller"), ("val_loss", "smaller"), ("val_kind_loss", "smaller"), ("mean_absolute_error", "smaller"),
        ("val_mse", "smaller"), ("accuracy", "larger"), ("val_acc", "larger"), ("val_kind_accuracy", "larger"),
        ("sparse_top_k_categorical_accuracy", "larger"),
    ],
)  # fmt: skip
def test_auto_mode_goes_by_the_name(monitor, better):
    assert EarlyStopping(monitor).improves(1.0, 2.0) is (better == "smaller")


def test_a_name_that_does_not_tell_needs_a_mode():
    with pytest.raises(
        ValueError, match=r"EarlyStopping: expected a monitor whose name .*monitor='val_f1'.*mode='min'"
    ):
        EarlyStopping("val_f1")


def test_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match=r"mode 'maximum'.*Did you mean 'max'"):
        EarlyStopping(mode="maximum")


@pytest.mark.parametrize("make", [EarlyStopping, ReduceLROnPlateau])
def test_a_monitor_that_is_missing_warns_once_with_the_names_there_are(make):
    with pytest.warns(UserWarning, match=rf"{make.__name__}: expected monitor='val_loss'.*'loss'") as warned:
        train(make(), [{"loss": 1.0}, {"loss": 2.0}, {"loss": 3.0}])
    assert len(warned) == 1


# Learning rate

PLATEAUS = [  # settings, val_loss by epoch, learning rate in the log of each epoch, and after
    ({"patience": 1}, [3, 3, 3], [1, 1, 0.1, 0.01]),
    ({"patience": 2}, [3, 3, 3, 3], [1, 1, 1, 0.1, 0.1]),
    ({"patience": 1, "factor": 0.5, "min_lr": 0.3}, [3, 3, 3, 3], [1, 1, 0.5, 0.3, 0.3]),
    ({"patience": 1, "cooldown": 2}, [3, 3, 3, 3, 3], [1, 1, 0.1, 0.1, 0.01, 0.01]),
    ({"patience": 1, "min_delta": 0.5}, [3, 2.6, 2.4], [1, 1, 0.1, 0.1]),
    ({"patience": 1, "mode": "max"}, [1, 2, 2], [1, 1, 1, 0.1]),
    ({}, [3, 3, 3], [1, 1, 1, 1]),
]


@pytest.mark.parametrize(("settings", "losses", "rates"), PLATEAUS)
def test_reduce_on_plateau(settings, losses, rates):
    model, logs = train(ReduceLROnPlateau(**settings), losses, FakeModel(rate=1.0))
    np.testing.assert_allclose([*(one["learning_rate"] for one in logs), model.optimizer.learning_rate], rates)


def test_reduce_on_plateau_says_what_it_does(capsys):
    train(ReduceLROnPlateau(patience=1, factor=0.5, verbose=1), [1, 1], FakeModel(rate=0.5))
    assert capsys.readouterr().out == "\nEpoch 2: ReduceLROnPlateau reducing learning rate to 0.25.\n"


def test_reduce_on_plateau_counts_anew_with_each_training():
    callback, model = ReduceLROnPlateau(patience=1), FakeModel(rate=1.0)
    train(callback, [1, 1], model)
    train(callback, [5], model)
    assert model.optimizer.learning_rate == pytest.approx(0.1)


@pytest.mark.parametrize("factor", [0, 1.0, 2])
def test_reduce_on_plateau_wants_a_factor_below_one(factor):
    with pytest.raises(
        ValueError, match=f"ReduceLROnPlateau: expected factor between 0 and 1. Received factor={factor}"
    ):
        ReduceLROnPlateau(factor=factor)


def test_reduce_on_plateau_cannot_change_a_schedule():
    with pytest.raises(TypeError, match="expected its schedule to set the learning rate"):
        train(ReduceLROnPlateau(patience=1), [1, 1], FakeModel(rate=ExponentialDecay(0.1, 10, 0.9)))


def test_reduce_on_plateau_writes_the_rate_into_the_history():
    callback = ReduceLROnPlateau(monitor="loss", patience=1, min_delta=100, factor=0.5)
    history = compiled(optimizer=SGD(0.25)).fit(images(), labels(), epochs=3, verbose=0, callbacks=[callback])
    assert history.history["learning_rate"] == [0.25, 0.25, 0.125]


@pytest.mark.parametrize("schedule", [lambda epoch, rate: rate / 2, lambda epoch: 0.5 ** (epoch + 1)])
def test_scheduler_sets_the_rate_before_each_epoch(schedule):
    _, logs = train(LearningRateScheduler(schedule), [1, 1, 1], FakeModel(rate=1.0))
    assert [one["learning_rate"] for one in logs] == [0.5, 0.25, 0.125]


def test_scheduler_lets_an_error_in_the_schedule_through():
    def broken(epoch, rate):
        raise TypeError("inside")

    with pytest.raises(TypeError, match="inside"):
        train(LearningRateScheduler(broken), [1])


def test_scheduler_wants_a_number():
    with pytest.raises(ValueError, match=r"expected a number from the schedule\. Received None"):
        train(LearningRateScheduler(lambda epoch, rate: None), [1])


def test_scheduler_says_what_it_does(capsys):
    train(LearningRateScheduler(lambda epoch, rate: 0.5, verbose=1), [1])
    assert capsys.readouterr().out == "\nEpoch 1: LearningRateScheduler setting learning rate to 0.5.\n"


# ModelCheckpoint

SAVES = [  # settings, val_loss by epoch, files
    ({}, [3, 4, 2], ["m.keras", "m.keras", "m.keras"]),
    ({"save_best_only": True}, [3, 4, 2, 2], ["m.keras", "m.keras"]),
    ({"save_best_only": True, "mode": "max"}, [3, 4, 2], ["m.keras", "m.keras"]),
    ({"save_best_only": True, "initial_value_threshold": 2.5}, [3, 4, 2], ["m.keras"]),
    ({"filepath": "{epoch:02d}-{val_loss:.2f}.keras"}, [3, 0.126], ["01-3.00.keras", "02-0.13.keras"]),
    ({"filepath": "{epoch}.weights.npz", "save_weights_only": True}, [3], ["weights 1.weights.npz"]),
]


@pytest.mark.parametrize(("settings", "losses", "files"), SAVES)
def test_checkpoint(tmp_path, settings, losses, files):
    path = tmp_path / settings.pop("filepath", "m.keras")
    model, _ = train(ModelCheckpoint(path, **settings), losses)
    assert model.saved == files


def test_checkpoint_by_batches_counts_through_epochs(tmp_path):
    checkpoint, model = ModelCheckpoint(tmp_path / "{epoch}-{batch}.keras", save_freq=3), FakeModel()
    checkpoint.set_model(model)
    for epoch in range(2):
        checkpoint.on_epoch_begin(epoch)
        for batch in range(4):
            checkpoint.on_train_batch_end(batch, {"loss": 1.0})
        checkpoint.on_epoch_end(epoch, {"loss": 1.0})
    assert model.saved == ["1-3.keras", "2-2.keras"]


def test_checkpoint_without_its_monitor_saves_and_warns_once(tmp_path):
    checkpoint = ModelCheckpoint(tmp_path / "m.keras", save_best_only=True)
    with pytest.warns(UserWarning, match="ModelCheckpoint: expected monitor='val_loss'") as warned:
        model, _ = train(checkpoint, [{"loss": 1.0}, {"loss": 2.0}])
    assert (len(warned), len(model.saved)) == (1, 2)


def test_checkpoint_says_what_it_does(tmp_path, capsys):
    path = tmp_path / "m.keras"
    train(ModelCheckpoint(path, save_best_only=True, verbose=1), [3, 2, 4])
    assert capsys.readouterr().out.strip().splitlines() == [
        f"Epoch 1: val_loss improved from None to 3.00000, saving model to {path}",
        "",
        f"Epoch 1: finished saving model to {path}",
        "",
        f"Epoch 2: val_loss improved from 3.00000 to 2.00000, saving model to {path}",
        "",
        f"Epoch 2: finished saving model to {path}",
        "",
        "Epoch 3: val_loss did not improve from 2.00000",
    ]


def test_checkpoint_makes_folders_and_files_that_load(tmp_path):
    model = compiled()
    path = tmp_path / "runs" / "new" / "{epoch}.keras"
    model.fit(images(), labels(), epochs=2, verbose=0, callbacks=[ModelCheckpoint(path)])
    loaded = load_model(tmp_path / "runs" / "new" / "2.keras")
    np.testing.assert_array_equal(loaded.predict(images(), verbose=0), model.predict(images(), verbose=0))


def test_checkpoint_of_weights_alone_loads_into_the_model(tmp_path):
    model, other = compiled(), compiled()
    path = tmp_path / "best.weights.npz"
    model.fit(images(), labels(), verbose=0, callbacks=[ModelCheckpoint(path, save_weights_only=True)])
    for layer, twin in zip(other.layers, model.layers, strict=True):
        layer.name = twin.name
    other.load_weights(path)
    np.testing.assert_array_equal(other.predict(images(), verbose=0), model.predict(images(), verbose=0))


def test_checkpoint_names_what_may_stand_in_its_path(tmp_path):
    with pytest.raises(KeyError, match=r"expected names among epoch, val_loss\. Received .*'accuracy'"):
        train(ModelCheckpoint(tmp_path / "{accuracy}.keras"), [1])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"filepath": "m.hdf5"}, r"expected filepath ending in \.keras or \.h5\. Received filepath='m\.hdf5'"),
        ({"filepath": "m.weights.h5"}, r"ending in \.keras or \.h5\. Received .*save_weights_only=False"),
        ({"filepath": "m.keras", "save_weights_only": True}, r"ending in \.weights\.h5 or \.npz for weights alone"),
        ({"filepath": "m.h5", "save_weights_only": True}, r"ending in \.weights\.h5 or \.npz for weights alone"),
        ({"filepath": "m.keras", "save_freq": "batch"}, r"save_freq 'epoch' or a number of batches"),
        ({"filepath": "m.keras", "save_freq": 0}, r"Received save_freq=0"),
        ({"filepath": "m.keras", "save_best_only": True, "monitor": "f1"}, r"mode='min' or mode='max'"),
    ],
)
def test_checkpoint_refuses(settings, message):
    with pytest.raises(ValueError, match=f"ModelCheckpoint: .*{message}"):
        ModelCheckpoint(**settings)


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_checkpoint_of_the_whole_model_by_the_ending(tmp_path, ending):
    model = compiled()
    model.fit(images(), labels(), verbose=0, callbacks=[ModelCheckpoint(tmp_path / f"m{ending}")])
    loaded = load_model(tmp_path / f"m{ending}")
    np.testing.assert_array_equal(loaded.predict(images(), verbose=0), model.predict(images(), verbose=0))


def test_checkpoint_of_weights_in_hdf5(tmp_path):
    model, other = compiled(), compiled()
    path = tmp_path / "{epoch}.weights.h5"
    model.fit(images(), labels(), verbose=0, callbacks=[ModelCheckpoint(path, save_weights_only=True)])
    other.load_weights(tmp_path / "1.weights.h5")
    np.testing.assert_array_equal(other.predict(images(), verbose=0), model.predict(images(), verbose=0))


def test_checkpoint_whose_monitor_is_no_single_number_saves_and_warns_once(tmp_path):
    checkpoint = ModelCheckpoint(tmp_path / "m.keras", save_best_only=True)
    with pytest.warns(UserWarning, match="ModelCheckpoint: expected one number as 'val_loss'") as warned:
        model, _ = train(checkpoint, [{"val_loss": np.array([1.0, 2.0])}] * 2)
    assert (len(warned), len(model.saved)) == (1, 2)


def test_checkpoint_that_cannot_be_written_leaves_the_file_before(tmp_path):
    model, path = compiled(), tmp_path / "m.keras"
    model.fit(images(), labels(), verbose=0, callbacks=[ModelCheckpoint(path)])
    before = path.read_bytes()
    model.save = lambda path: (_ for _ in ()).throw(OSError("disk full"))
    with pytest.raises(OSError, match="disk full"):
        model.fit(images(), labels(), verbose=0, callbacks=[ModelCheckpoint(path)])
    assert path.read_bytes() == before
    assert model.history.epoch == []  # the callback came first


# TerminateOnNaN


def diverging(**settings):
    """Batches until a training with an infinite loss in the second batch stops, and the model."""
    seen = []
    spoil = LambdaCallback(on_train_batch_begin=lambda batch: batch == 1 and model.layers[-1].set_weights(
        [np.full_like(w, np.inf) for w in model.layers[-1].get_weights()]
    ), on_train_batch_end=lambda batch, logs: seen.append(batch))  # fmt: skip
    model = compiled()
    history = model.fit(
        images(), labels(), batch_size=3, epochs=3, verbose=0, callbacks=[spoil, TerminateOnNaN(**settings)]
    )
    return seen, history


def test_terminate_on_nan_ends_the_training(capsys):
    seen, history = diverging()
    assert (seen, history.epoch) == ([0, 1], [0])
    assert capsys.readouterr().out == "Batch 1: Invalid loss, terminating training\n"


def test_terminate_on_nan_raises_an_error_if_asked_to():
    with pytest.raises(RuntimeError, match=r"TerminateOnNaN: expected a finite loss at batch 1\. Received loss=nan"):
        diverging(raise_error=True)


@pytest.mark.parametrize(("loss", "stops"), [(0.5, False), (np.float32("nan"), True), (float("inf"), True)])
def test_terminate_on_nan_looks_at_each_batch(loss, stops, capsys):
    callback, model = TerminateOnNaN(), FakeModel()
    callback.set_model(model)
    callback.on_train_batch_end(3, {"loss": loss})
    assert model.stop_training is stops


# The learning rate in the logs


def test_a_constant_rate_is_not_in_the_history():
    assert list(compiled().fit(images(), labels(), verbose=0).history) == ["loss"]


def test_a_schedule_is_in_the_history():
    model = compiled(optimizer=SGD(ExponentialDecay(0.5, 2, 0.25)))
    history = model.fit(images(), labels(), batch_size=6, epochs=3, verbose=0)  # two steps an epoch
    assert history.history["learning_rate"] == [0.125, 0.03125, 0.0078125]


class Halving(Callback):
    """A user's own."""

    sets_learning_rate = True

    def on_epoch_end(self, epoch, logs=None):
        self.model.optimizer.learning_rate = self.model.optimizer.current_learning_rate / 2


@pytest.mark.parametrize("make", [Halving, lambda: ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=99)])
def test_the_rate_of_an_epoch_is_printed_and_recorded(make, capsys):
    history = compiled(optimizer=SGD(0.5)).fit(images(), labels(), epochs=3, callbacks=[make()])
    rates = history.history["learning_rate"]
    printed = [float(line.rsplit("learning_rate: ", 1)[1]) for line in capsys.readouterr().out.splitlines()]
    assert printed == rates
    assert rates == ([0.5, 0.25, 0.125] if make is Halving else [0.5, 0.5, 0.25])


# CSVLogger


def rows(path, separator=","):
    """The lines of a CSV file."""
    with open(path, newline="") as file:
        return list(csv.reader(file, delimiter=separator))


def test_csv_has_a_header_and_a_line_for_each_epoch(tmp_path):
    train(CSVLogger(tmp_path / "log.csv"), [{"val_loss": 0.5, "loss": 1.0}, {"loss": 0.25, "val_loss": 0.125}])
    assert rows(tmp_path / "log.csv") == [["epoch", "loss", "val_loss"], ["0", "1.0", "0.5"], ["1", "0.25", "0.125"]]


def test_csv_takes_another_separator(tmp_path):
    train(CSVLogger(tmp_path / "log.csv", separator=";"), [{"loss": 1.0}])
    assert rows(tmp_path / "log.csv", ";") == [["epoch", "loss"], ["0", "1.0"]]


def test_csv_is_on_the_disk_before_the_training_ends(tmp_path):
    logger = CSVLogger(tmp_path / "log.csv")
    logger.on_train_begin()
    logger.on_epoch_end(0, {"loss": 1.0})
    assert rows(tmp_path / "log.csv") == [["epoch", "loss"], ["0", "1.0"]]


def test_csv_is_written_anew_unless_told_to_append(tmp_path):
    for loss in (1.0, 2.0):
        train(CSVLogger(tmp_path / "log.csv"), [{"loss": loss}])
    assert rows(tmp_path / "log.csv") == [["epoch", "loss"], ["0", "2.0"]]


def test_csv_that_is_appended_to_has_one_header(tmp_path):
    for loss in (1.0, 2.0):
        train(CSVLogger(tmp_path / "log.csv", append=True), [{"loss": loss}])
    assert rows(tmp_path / "log.csv") == [["epoch", "loss"], ["0", "1.0"], ["0", "2.0"]]


def test_csv_that_is_appended_to_keeps_its_columns(tmp_path):
    (tmp_path / "log.csv").write_text("epoch,val_loss,loss\n0,1,2\n")
    train(CSVLogger(tmp_path / "log.csv", append=True), [{"loss": 3.0}])
    assert rows(tmp_path / "log.csv")[-1] == ["0", "NA", "3.0"]


def test_csv_refuses_columns_that_the_file_does_not_have(tmp_path):
    (tmp_path / "log.csv").write_text("epoch,loss\n0,2\n")
    with pytest.raises(
        ValueError, match=r"CSVLogger: expected the columns of .*log\.csv, epoch, loss\. Received .*accuracy"
    ):
        train(CSVLogger(tmp_path / "log.csv", append=True), [{"accuracy": 3.0}])


def test_csv_writes_arrays_as_lists(tmp_path):
    train(CSVLogger(tmp_path / "log.csv"), [{"loss": np.float32(0.5), "per_class": np.array([1.0, 2.0])}])
    assert rows(tmp_path / "log.csv")[1] == ["0", "0.5", "[1.0, 2.0]"]


# Real Keras


def rate_of(optimizer):
    """The learning rate as a float."""
    rate = optimizer.learning_rate
    return rate if isinstance(rate, float) else float(array(rate))


def decisions(module, make, losses, optimizer):
    """(learning rate and wish to stop) after each epoch, for the callback of one of the two."""
    callback, model = make(module.callbacks), FakeModel()
    model.optimizer = optimizer(module)
    callback.set_model(model)
    callback.on_train_begin()
    found = []
    for epoch, loss in enumerate(losses):
        model.epoch = epoch
        callback.on_epoch_end(epoch, {"val_loss": float(loss)})
        found.append((rate_of(model.optimizer), model.stop_training))
    callback.on_train_end()
    return found, model.epoch


SETTINGS = {
    "EarlyStopping": [
        {}, {"patience": 2}, {"patience": 3, "min_delta": 0.25}, {"patience": 2, "baseline": 2.0},
        {"patience": 1, "mode": "max", "restore_best_weights": True}, {"start_from_epoch": 4, "patience": 1},
        {"patience": 3, "baseline": 1.0, "restore_best_weights": True, "start_from_epoch": 2},
    ],
    "ReduceLROnPlateau": [
        {"patience": 1}, {"patience": 2, "cooldown": 2}, {"patience": 1, "min_delta": 0.5},
        {"patience": 1, "min_lr": 0.0078125}, {"patience": 2, "mode": "max"},
    ],
}  # fmt: skip


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Keras's own call of np.array on a PyTorch tensor
@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(("name", "settings"), [(name, s) for name, several in SETTINGS.items() for s in several])
def test_decisions_are_those_of_keras(name, settings, seed):
    import tinyconv

    keras = load_keras()
    losses = np.random.default_rng(seed).integers(0, 32, 25) / 8  # exact in float32, with ties

    def make(module):
        halve = {"factor": 0.5} if name == "ReduceLROnPlateau" else {}  # exact in float32 too
        return getattr(module, name)(**settings, **halve)

    ours = decisions(tinyconv, make, losses, lambda m: m.optimizers.SGD(0.25))
    theirs = decisions(keras, make, losses, lambda m: m.optimizers.SGD(0.25))
    assert ours == theirs


@pytest.mark.oracle
@pytest.mark.parametrize(
    "name", [n for n in callbacks.__all__ if n not in ("Callback", "CallbackList", "LambdaCallback")]
)
def test_arguments_are_those_of_keras(name):
    assert_arguments_of_keras(getattr(callbacks, name), getattr(load_keras().callbacks, name))


@pytest.mark.oracle
def test_moments_are_those_of_keras():
    assert {name for name in dir(load_keras().callbacks.Callback) if name.startswith("on_")} == set(HOOKS)
