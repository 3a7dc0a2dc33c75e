"""Backups: a training that is killed and started again ends as one that was never stopped."""

import json
import os
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from tiny_networks import Again, DataSet, X, Y, assert_same, batches, compiled, convnet, differ, forever, images, labels

from tinyconv import Sequential, archives, callbacks, config
from tinyconv.callbacks import BackupAndRestore, Callback, LambdaCallback, backup
from tinyconv.layers import BatchNormalization, Dense, Dropout
from tinyconv.optimizers import SGD, Adam
from tinyconv.optimizers.schedules import ExponentialDecay
from tinyconv.preprocessing.dataset import Dataset
from tinyconv.preprocessing.image import ImageDataGenerator


class Broken(Exception):
    """What ends a training here, so that not every test needs a process of its own."""


class Break(Callback):
    """Ends the training at a moment: ("on_train_batch_end", epoch, batch) or ("on_epoch_end", epoch)."""

    def __init__(self, moment, *place):
        super().__init__()
        self.moment, self.place = moment, place

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
        self._look("on_epoch_begin", epoch)

    def on_train_batch_end(self, batch, logs=None):
        self._look("on_train_batch_end", self.epoch, batch)

    def on_epoch_end(self, epoch, logs=None):
        self._look("on_epoch_end", epoch)

    def on_train_end(self, logs=None):
        self._look("on_train_end")

    def _look(self, moment, *place):
        if (moment, *place) == (self.moment, *self.place):
            raise Broken


def train(folder, *breaking, seed=7, hooks=(), hidden=list, x=X, y=Y, optimizer=Adam, epochs=4, save=None, **settings):
    """(model, history) of a training with a backup in the folder; it breaks off if told to. Batches of 4, 4, 3."""
    config.set_random_seed(seed)
    model = compiled(convnet(BatchNormalization(), Dropout(0.4), *hidden()), optimizer(), metrics=["accuracy"])
    saver = BackupAndRestore(folder / "backup", **(save or {}))
    x = x() if callable(x) else x
    if y is not None:
        settings = {"batch_size": 4} | settings
    hooks = [saver, *hooks, *([Break(*breaking)] if breaking else [])]
    if not breaking:
        return model, model.fit(x, y, epochs=epochs, verbose=0, callbacks=hooks, **settings)
    with pytest.raises(Broken):
        model.fit(x, y, epochs=epochs, verbose=0, callbacks=hooks, **settings)
    return model, model.history


def assert_ends_alike(tmp_path, *breaking, hooks=list, **settings):
    """A training that breaks off and goes on, as another program with another seed, ends as one that runs through."""
    whole, kept = train(tmp_path / "whole", hooks=hooks(), **settings)
    train(tmp_path / "broken", *breaking, hooks=hooks(), **settings)
    again, history = train(tmp_path / "broken", seed=99, hooks=hooks(), **settings)
    assert_same(again.get_weights(), whole.get_weights())
    assert_same([*again.optimizer.slots.values()], [*whole.optimizer.slots.values()])
    assert again.optimizer.iterations == whole.optimizer.iterations
    assert (history.history, history.epoch) == (kept.history, kept.epoch)
    assert again.optimizer.current_learning_rate == whole.optimizer.current_learning_rate


# Killed for good


def run(folder, *arguments):
    """The exit code of `killed_training`."""
    program = Path(__file__).with_name("killed_training.py")
    environment = os.environ | {"PYTHONPATH": str(program.parent.parent)}
    if arguments[0] == "flow":
        environment["TINYCONV_ENGINE"] = "numpy"  # which starts sooner
    found = subprocess.run(
        [sys.executable, program, folder, *arguments],
        env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert found.returncode in (0, -signal.SIGKILL), found.stderr
    return found.returncode


def results(folder):
    """(weights, history, CSV file) that the program left."""
    with np.load(folder / "weights.npz") as weights:
        return [*weights.values()], json.loads((folder / "history.json").read_text()), (folder / "log.csv").read_text()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
@pytest.mark.parametrize(
    ("kind", "kills"),
    [
        ("arrays", [("epoch", "epoch", "2", "1")]),
        ("flow", [("epoch", "write", "35"), ("4", "epoch", "2", "3")]),
    ],
    ids=["arrays", "flow"],
)
def test_a_training_that_is_killed_ends_as_one_that_is_not(tmp_path, kind, kills):
    whole = tmp_path / "whole"
    whole.mkdir()
    assert run(whole, kind, "epoch") == 0
    weights, history, log = results(whole)
    for i, (save_freq, *kill) in enumerate(kills):
        folder = tmp_path / str(i)
        folder.mkdir()
        assert run(folder, kind, save_freq, *kill) == -signal.SIGKILL
        assert (folder / "backup" / "training.backup").exists()
        assert run(folder, kind, save_freq) == 0
        again = results(folder)
        assert_same(again[0], weights)
        assert again[1:] == (history, log)
        assert not (folder / "backup").exists()


# Broken off at every moment, with everything that has a memory

MOMENTS = [
    ("on_epoch_begin", 1), ("on_train_batch_end", 2, 1), ("on_epoch_end", 2), ("on_train_end",),
]  # fmt: skip


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
def test_broken_off_between_backups(tmp_path, moment):
    assert_ends_alike(tmp_path, *moment)


@pytest.mark.parametrize("engine", ["numba", "numpy"])
def test_on_both_engines(tmp_path, engine):
    if engine == "numba":
        pytest.importorskip("numba")
    with config.engine(engine):
        assert_ends_alike(tmp_path, "on_train_batch_end", 2, 1)


@pytest.mark.parametrize("save_freq", [1, 2, 3, 5])
def test_goes_on_within_an_epoch(tmp_path, save_freq):
    assert_ends_alike(tmp_path, "on_train_batch_end", 2, 1, save={"save_freq": save_freq})


def test_goes_on_after_the_last_batch_of_an_epoch(tmp_path):
    assert_ends_alike(tmp_path, "on_epoch_end", 1, save={"save_freq": 3})


@pytest.mark.parametrize("second", [("on_train_batch_end", 2, 2), ("on_train_batch_end", 3, 0)], ids=str)
def test_broken_off_twice(tmp_path, second):
    whole, kept = train(tmp_path / "whole")
    for breaking in (("on_train_batch_end", 2, 1), second, ()):
        model, history = train(tmp_path / "broken", *breaking, save={"save_freq": 1})
    assert_same(model.get_weights(), whole.get_weights())
    assert history.history == kept.history


def test_batches_that_are_passed_over_are_not_learned_again(tmp_path):
    train(tmp_path, "on_train_batch_end", 1, 1, save={"save_freq": 2})  # the last one is after batch 0 of epoch 1
    seen = []
    watch = LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(batch))
    train(tmp_path, epochs=2, hooks=[watch], save={"save_freq": 2})
    assert seen == [1, 2]


def test_epochs_that_end_within_a_pass(tmp_path):
    assert_ends_alike(tmp_path, "on_train_batch_end", 2, 1, steps_per_epoch=2)


def test_epochs_that_end_within_a_pass_and_backups_within_an_epoch(tmp_path):
    assert_ends_alike(tmp_path, "on_train_batch_end", 2, 1, steps_per_epoch=2, save={"save_freq": 3})


def flow(seed=None):
    """An iterator that shuffles and augments."""
    turned = ImageDataGenerator(rotation_range=20, width_shift_range=0.2, horizontal_flip=True)
    return turned.flow(images(23), labels(23), batch_size=5, seed=seed)


def data_set():
    """A pipeline that shuffles."""
    return Dataset.from_tensor_slices((images(23), labels(23))).shuffle(9).batch(5)


@pytest.mark.filterwarnings("ignore:flow")  # images of two channels
@pytest.mark.parametrize("make", [Again, DataSet, flow, partial(flow, 3), data_set])
@pytest.mark.parametrize("save_freq", ["epoch", 2])
@pytest.mark.parametrize("steps", [None, 2])
def test_data_sets(tmp_path, make, save_freq, steps):
    settings = {"save": {"save_freq": save_freq}, "steps_per_epoch": steps}
    assert_ends_alike(tmp_path, "on_train_batch_end", 2, 1, x=make, y=None, **settings)


def test_validation_takes_part(tmp_path):
    assert_ends_alike(tmp_path, "on_train_batch_end", 2, 1, validation_split=0.3)


def test_layers_with_a_random_stream_of_their_own(tmp_path):
    assert_ends_alike(tmp_path, "on_train_batch_end", 2, 1, hidden=lambda: [Dropout(0.3, seed=4)])


@pytest.mark.parametrize(
    "make",
    [
        lambda: [callbacks.EarlyStopping("loss", mode="max", patience=2, restore_best_weights=True)],
        lambda: [callbacks.EarlyStopping("loss", min_delta=9, patience=2)],
        lambda: [callbacks.ReduceLROnPlateau("loss", factor=0.5, min_delta=9, patience=2)],
        lambda: [callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)],
        lambda: [LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(each=np.array([epoch, 0.5])[0]))],
    ],
    ids=["restores the best", "stops", "plateau", "scheduler", "NumPy numbers"],
)
@pytest.mark.parametrize("save_freq", ["epoch", 2])
def test_callbacks_remember(tmp_path, make, save_freq):
    assert_ends_alike(tmp_path, "on_train_batch_end", 2, 1, hooks=make, save={"save_freq": save_freq}, epochs=5)


def test_two_callbacks_of_a_class_each_remember_their_own(tmp_path):
    def make():
        found = [callbacks.EarlyStopping("loss", min_delta=9, patience=n) for n in (2, 9)]
        return [*found, LambdaCallback(on_train_end=lambda logs: waits.append([one.wait for one in found]))]

    waits = []
    assert_ends_alike(tmp_path, "on_train_batch_end", 1, 1, hooks=make)
    assert waits[0] == waits[1] == [2, 2]


def test_a_checkpoint_keeps_its_best(tmp_path):
    def make():
        return [callbacks.ModelCheckpoint(tmp_path / "{epoch}.npz", "loss", mode="max", save_best_only=True,
                                          save_weights_only=True)]  # fmt: skip

    grow = LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(loss=-epoch))
    train(tmp_path, "on_train_batch_end", 2, 1, hooks=[grow, *make()])
    train(tmp_path, hooks=[grow, *make()])
    assert [path.name for path in tmp_path.glob("*.npz")] == ["1.npz"]


@pytest.mark.parametrize("append", [False, True])
def test_the_csv_file_has_each_epoch_once(tmp_path, append):
    def log():
        return callbacks.CSVLogger(tmp_path / "log.csv", append=append)

    train(tmp_path, "on_epoch_end", 2, hooks=[log()])  # the line of this epoch is written, its backup is not
    train(tmp_path, hooks=[log()])
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["epoch", "0", "1", "2", "3"]


def test_a_schedule_goes_on(tmp_path):
    assert_ends_alike(
        tmp_path, "on_train_batch_end", 2, 1, optimizer=lambda: SGD(ExponentialDecay(0.1, 2, 0.9), momentum=0.5)
    )


def test_the_backup_comes_last_wherever_it_stands():
    order = []

    class Late(LambdaCallback):
        comes_last = True

    both = [Late(on_epoch_end=lambda *_: order.append("late")), LambdaCallback(on_epoch_end=lambda *_: order.append(1))]
    hooks = callbacks.CallbackList(both)
    hooks.append(LambdaCallback(on_epoch_end=lambda *_: order.append(2)))
    hooks.on_epoch_end(0, {})
    assert order == [1, 2, "late"]


# Files


def test_the_end_of_the_training_deletes_the_backup_and_nothing_else(tmp_path):
    (tmp_path / "backup").mkdir()
    (tmp_path / "backup" / "notes.txt").write_text("mine")
    train(tmp_path, epochs=1, save={"double_checkpoint": True})
    assert [path.name for path in (tmp_path / "backup").iterdir()] == ["notes.txt"]


def test_the_folder_goes_if_it_is_empty(tmp_path):
    train(tmp_path, epochs=2)
    assert not (tmp_path / "backup").exists()


def test_a_backup_that_is_kept_trains_on(tmp_path):
    whole, kept = train(tmp_path / "whole", epochs=5)
    train(tmp_path, epochs=2, save={"delete_checkpoint": False})
    finished, _ = train(tmp_path, epochs=2, save={"delete_checkpoint": False})
    assert finished.optimizer.iterations == 6
    again, history = train(tmp_path, epochs=5)
    assert_same(again.get_weights(), whole.get_weights())
    assert history.history == kept.history


def test_a_training_that_was_stopped_is_not_taken_up_again(tmp_path):
    stop = LambdaCallback(on_epoch_end=lambda epoch, logs: setattr(model[0], "stop_training", True))
    model = [compiled()]
    model[0].fit(X, Y, epochs=4, verbose=0, callbacks=[BackupAndRestore(tmp_path, delete_checkpoint=False), stop])
    again = compiled()
    history = again.fit(X, Y, epochs=4, verbose=0, callbacks=[BackupAndRestore(tmp_path)])
    assert history.epoch == [0]


def test_what_a_killed_program_left_half_written_goes(tmp_path):
    train(tmp_path, "on_epoch_begin", 1)
    (tmp_path / "backup" / ".training.backup.1.part").write_bytes(b"half")
    train(tmp_path)
    assert not (tmp_path / "backup").exists()


def broken_off(tmp_path, **save):
    """The file of a backup after two epochs."""
    train(tmp_path, "on_epoch_begin", 2, save=save)
    return tmp_path / "backup" / "training.backup"


def as_text(path):
    """All that a backup holds."""
    return json.dumps(backup._read_archive(path), default=lambda array: [array.dtype.str, *array.ravel().tolist()])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES = {
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "one bit": flip,
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("no backup"),
    "another zip": lambda path: (np.savez(f"{path}.npz", np.ones(3)), os.replace(f"{path}.npz", path)),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_backup_is_an_error_that_changes_nothing(tmp_path, damage):
    path = broken_off(tmp_path)
    DAMAGES[damage](path)
    content, model = path.read_bytes(), compiled(convnet(BatchNormalization(), Dropout(0.4)), "adam")
    before = model.get_weights()
    match = r"BackupAndRestore: expected a whole backup in .*training\.backup\. Received .*Delete it to train from"
    with pytest.raises(ValueError, match=match):
        model.fit(X, Y, epochs=4, verbose=0, callbacks=[BackupAndRestore(tmp_path / "backup")])
    assert_same(model.get_weights(), before)
    assert path.read_bytes() == content


def test_a_wrong_bit_is_found_or_does_no_harm(tmp_path):
    path = broken_off(tmp_path)
    content, whole, rng = path.read_bytes(), as_text(path), np.random.default_rng(0)
    found = 0
    for place in [*rng.integers(0, len(content), 300), *range(len(content) - 300, len(content))]:
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            assert as_text(path) == whole
        except archives.DAMAGES:
            found += 1
    assert found > 300


def test_the_one_before_takes_the_place_of_a_damaged_backup(tmp_path):
    whole, _ = train(tmp_path / "whole")
    path = broken_off(tmp_path, double_checkpoint=True)
    path.write_text("")
    with pytest.warns(UserWarning, match=r"expected a whole backup in .*The one before it is used"):
        again, history = train(tmp_path, seed=99)
    assert_same(again.get_weights(), whole.get_weights())
    assert history.epoch == [0, 1, 2, 3]


def test_without_double_checkpoint_there_is_one_file(tmp_path):
    assert [path.name for path in broken_off(tmp_path).parent.iterdir()] == ["training.backup"]


def test_the_one_before_is_used_where_the_last_one_is_missing(tmp_path):
    path = broken_off(tmp_path, double_checkpoint=True)
    path.unlink()
    seen = []
    train(tmp_path, hooks=[LambdaCallback(on_epoch_begin=lambda epoch: seen.append(epoch))])
    assert seen == [1, 2, 3]


def changed_layer(model):
    return compiled(Sequential([*model.layers[:-1], Dense(9), Dense(3, activation="softmax")]), "adam")


def freeze(model):
    model.layers[0].trainable = False
    return compiled(model, "adam", metrics=["accuracy"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (changed_layer, r"with Dense kernel \(\d+, 9\).*Received Dense kernel \(\d+, 3\)"),
        (freeze, r"with Conv2D [^.]* frozen\. Received Conv2D .* trainable"),
        (lambda model: compiled(model, "sgd", metrics=["accuracy"]), r"with optimizer SGD\. Received optimizer Adam"),
        (lambda model: compiled(model, "adam"), r"with metrics Mean, Mean\. Received metrics Mean, Mean, SparseCat"),
    ],
    ids=["layer", "frozen", "optimizer", "metrics"],
)
def test_a_backup_of_another_training_is_an_error_that_changes_nothing(tmp_path, change, message):
    path = broken_off(tmp_path)
    content = path.read_bytes()
    model = change(convnet(BatchNormalization(), Dropout(0.4)))
    before = model.get_weights()
    match = rf"BackupAndRestore: expected a backup of .*training\.backup, {message}.*Give this training another backup"
    with pytest.raises(ValueError, match=match):
        model.fit(X, Y, epochs=4, verbose=0, callbacks=[BackupAndRestore(path.parent)])
    assert_same(model.get_weights(), before)
    assert path.read_bytes() == content


def test_data_of_another_kind_are_an_error(tmp_path):
    broken_off(tmp_path)
    with pytest.raises(ValueError, match=r"with data as Stream\. Received data as Arrays"):
        train(tmp_path, x=DataSet(), y=None)


def test_a_generator_that_begins_anew_is_mentioned(tmp_path):
    def endless():
        return forever(batches())

    train(tmp_path, "on_epoch_begin", 2, x=endless(), y=None, steps_per_epoch=2)
    with pytest.warns(UserWarning, match="its generator begins anew"):
        _, history = train(tmp_path, x=endless(), y=None, steps_per_epoch=2)
    assert history.epoch == [0, 1, 2, 3]


def test_what_json_cannot_hold_is_named(tmp_path):
    note = LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(thing=object()))
    with pytest.raises(TypeError, match=r"BackupAndRestore: expected numbers, .*Received object"):
        train(tmp_path, hooks=[note])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backup_dir": ""}, "backup_dir as the name of a folder"),
        ({"backup_dir": "x", "save_freq": "batch"}, "save_freq 'epoch' or a number of batches"),
        ({"backup_dir": "x", "save_freq": 0}, "Received save_freq=0"),
    ],
)
def test_what_it_refuses(settings, message):
    with pytest.raises(ValueError, match=f"BackupAndRestore: .*{message}"):
        BackupAndRestore(**settings)


def test_a_copy_of_the_folder_is_a_backup_too(tmp_path):
    whole, _ = train(tmp_path / "whole")
    shutil.copytree(broken_off(tmp_path / "first").parent, tmp_path / "second" / "backup")
    again, _ = train(tmp_path / "second", seed=99)
    assert_same(again.get_weights(), whole.get_weights())


def test_seeds_matter_to_these_tests(tmp_path):
    assert differ(train(tmp_path, seed=7)[0].get_weights(), train(tmp_path, seed=99)[0].get_weights())
