"""Curves for TensorBoard, read back from their files."""

import struct
import sys

import numpy as np
import pytest
from tiny_networks import compiled, images, labels

from tinyconv.callbacks import Callback, TensorBoard

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the libraries that tensorboardX imports


@pytest.fixture(autouse=True)
def library():
    """tensorboardX, the extra "tensorboard"."""
    return pytest.importorskip("tensorboardX")


def written(folder):
    """{tag: [(step, value or number of values in a histogram)]} of all files in a folder."""
    from tensorboardX.proto.event_pb2 import Event

    found = {}
    for path in sorted(folder.glob("events.out.tfevents.*")):
        content = path.read_bytes()
        while content:  # length, its checksum, an event, its checksum
            (length,) = struct.unpack_from("<Q", content)
            event = Event.FromString(content[12 : 12 + length])
            for one in event.summary.value:
                number = one.histo.num if one.HasField("histo") else one.simple_value
                found.setdefault(one.tag, []).append((event.step, number))
            content = content[16 + length :]
    return found


def fit(folder, epochs=2, **settings):
    """The history of a training in batches of 4, 4, 3 that writes into the folder."""
    model = compiled(metrics=["accuracy"])
    data = {"validation_data": (images(5), labels(5))}
    hooks = [TensorBoard(folder, **settings)]
    return model.fit(images(), labels(), batch_size=4, epochs=epochs, verbose=0, callbacks=hooks, **data).history


def test_curves_of_the_epochs(tmp_path):
    history = fit(tmp_path)
    train, validation = written(tmp_path / "train"), written(tmp_path / "validation")
    assert sorted(train) == ["epoch_accuracy", "epoch_learning_rate", "epoch_loss"]
    assert train["epoch_loss"] == [*enumerate(np.float32(history["loss"]))]
    assert train["epoch_learning_rate"] == [(0, np.float32(0.01)), (1, np.float32(0.01))]
    assert validation["epoch_accuracy"] == [*enumerate(np.float32(history["val_accuracy"]))]
    assert validation["evaluation_loss_vs_iterations"] == [*zip((3, 6), np.float32(history["val_loss"]), strict=True)]
    assert len(validation) == 4


@pytest.mark.parametrize(("freq", "steps"), [("batch", [1, 2, 3, 4, 5, 6]), (4, [4])])
def test_curves_of_the_batches(tmp_path, freq, steps):
    fit(tmp_path, update_freq=freq)
    train = written(tmp_path / "train")
    assert [step for step, _ in train["batch_loss"]] == [step for step, _ in train["batch_accuracy"]] == steps
    assert "batch_steps_per_second" not in train


def test_speed(tmp_path):
    fit(tmp_path, update_freq="batch", write_steps_per_second=True)
    train = written(tmp_path / "train")
    assert [len(train[f"{what}_steps_per_second"]) for what in ("epoch", "batch")] == [2, 6]
    assert min(value for _, value in train["epoch_steps_per_second"]) > 0


def test_histograms(tmp_path):
    fit(tmp_path, epochs=3, histogram_freq=2)
    train = written(tmp_path / "train")
    assert train["conv2d/kernel/histogram"] == [(0, 3 * 3 * 2 * 4), (2, 3 * 3 * 2 * 4)]
    assert "dense/bias/histogram" in train


def test_histograms_leave_out_what_is_not_finite(tmp_path):
    class Spoil(Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.layers[0].params["kernel"][0] = np.nan

    model = compiled()
    model.fit(images(), labels(), verbose=0, callbacks=[Spoil(), TensorBoard(tmp_path, histogram_freq=1)])
    assert written(tmp_path / "train")["conv2d/kernel/histogram"] == [(0, 2 * 3 * 2 * 4)]


def test_two_trainings_do_not_overwrite_each_other(tmp_path):
    for _ in range(2):
        fit(tmp_path, epochs=1)
    assert [step for step, _ in written(tmp_path / "train")["epoch_loss"]] == [0, 0]


def test_a_training_that_breaks_off_leaves_its_curves(tmp_path):
    class Break(Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    board = TensorBoard(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        compiled().fit(images(), labels(), epochs=2, verbose=0, callbacks=[board, Break()])
    assert len(written(tmp_path / "train")["epoch_loss"]) == 1
    board.on_train_end()


def test_evaluate_writes_too(tmp_path):
    model = compiled()
    model.fit(images(), labels(), verbose=0)
    loss = model.evaluate(images(5), labels(5), verbose=0, callbacks=[TensorBoard(tmp_path)])
    assert written(tmp_path / "validation") == {"evaluation_loss_vs_iterations": [(1, np.float32(loss))]}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"write_images": True}, "expected no write_images"),
        ({"profile_batch": 2}, "Received profile_batch=2"),
        ({"update_freq": "step"}, "Received update_freq='step'"),
    ],
)
def test_what_it_refuses(settings, message):
    with pytest.raises(ValueError, match=f"TensorBoard.*: .*{message}"):
        TensorBoard(**settings)


def test_without_the_library_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    monkeypatch.setitem(sys.modules, "tensorboardX.event_file_writer", None)
    with pytest.raises(ImportError, match=r"TensorBoard: .*pip install 'tinyconv\[tensorboard\]'"):
        TensorBoard()
