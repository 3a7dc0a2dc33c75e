"""Ctrl-C at any moment of a training leaves a model after whole batches, and the history of whole epochs."""

import os
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from killed_training import KINDS, data, network, write_pictures
from tiny_networks import X, Y, assert_same, compiled, convnet

from tinyconv import config
from tinyconv.callbacks import Callback, History
from tinyconv.interrupts import held
from tinyconv.layers import BatchNormalization, Layer
from tinyconv.optimizers import SGD
from tinyconv.preprocessing import background

pytestmark = pytest.mark.skipif(not hasattr(signal, "raise_signal"), reason="no signals here")


@pytest.fixture(params=["numba", "numpy"])
def engine(request):
    """Both, one after the other."""
    if request.param == "numba":
        pytest.importorskip("numba")
    with config.engine(request.param):
        yield request.param


def control_c():
    """What a person does."""
    signal.raise_signal(signal.SIGINT)


# Holding it off


def noting(done, *steps):
    """Do the steps in a block of `held`: strings are noted, functions are called."""
    with held():
        for step in steps:
            done.append(step) if isinstance(step, str) else step()


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ((control_c, "after all"), ["after all"]),
        ((control_c, "once", control_c, "twice"), ["once"]),
        (("before", control_c), ["before"]),
    ],
    ids=["it waits for the end of the block", "a second one does not", "it comes at the end"],
)
def test_a_block_holds_it(steps, expected):
    done = []
    with pytest.raises(KeyboardInterrupt):
        noting(done, *steps)
    assert done == expected
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_nothing_changes_where_nobody_interrupts():
    before = signal.getsignal(signal.SIGINT)
    with held():
        pass
    assert signal.getsignal(signal.SIGINT) is before


def test_an_error_of_the_block_is_not_lost():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ZeroDivisionError):
        noting([], control_c, lambda: 1 / 0)
    assert signal.getsignal(signal.SIGINT) is before


def test_blocks_within_blocks():
    done = []
    with pytest.raises(KeyboardInterrupt):
        noting(done, lambda: noting(done, control_c, "inner"), "outer")
    assert done == ["inner", "outer"]


def test_a_handler_of_ones_own_is_called_later():
    done = []
    before = signal.signal(signal.SIGINT, lambda *_: done.append("handler"))
    try:
        with held():
            control_c()
            done.append("block")
    finally:
        signal.signal(signal.SIGINT, before)
    assert done == ["block", "handler"]


def test_who_ignores_it_goes_on_doing_so():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with held():
            control_c()
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_are_not_concerned():
    done = []

    @held()
    def work():
        done.append(1)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [1]


# In the middle of a step


class Half(SGD):
    """Is interrupted when half of the weights have learned."""

    def update(self, w, g, rate, slots, a):
        half = len(w) // 2
        w[:half] -= rate * g[:half]
        if self.iterations == 2:
            control_c()
        w[half:] -= rate * g[half:]


def state(model):
    """All that training changes."""
    return [array.copy() for array in (*model.get_weights(), *model.optimizer.slots.values())]


class States(Callback):
    """Keeps the state before and after each step."""

    def on_train_begin(self, logs=None):
        self.kept = [state(self.model)]

    def on_train_batch_end(self, batch, logs=None):
        self.kept.append(state(self.model))


def test_an_update_is_whole(engine):
    def train(optimizer):
        config.set_random_seed(1)
        model, states = compiled(convnet(BatchNormalization()), optimizer), States()
        try:
            model.fit(X, Y, batch_size=4, verbose=0, callbacks=[states])
        except KeyboardInterrupt:
            assert type(optimizer) is Half
        return model, states

    interrupted, _ = train(Half(0.5))
    assert interrupted.optimizer.iterations == 3
    assert_same(state(interrupted), train(SGD(0.5))[1].kept[3])


class Interrupted(Layer):
    """Passes everything on, and is interrupted in the third batch, forward or backward."""

    def __init__(self, way):
        super().__init__()
        self.way, self.batches = way, 0

    def compute_output_shape(self, input_shape):
        return input_shape

    def forward(self, x, training=False):
        self.batches += training
        if self.batches == 3 and self.way == "forward":
            control_c()
        return x, None

    def backward(self, dy, cache):
        if self.batches == 3 and self.way == "backward":
            control_c()
        return dy


@pytest.mark.parametrize("way", ["forward", "backward"])
def test_a_step_that_breaks_off_leaves_no_trace(engine, way):
    model, states = compiled(convnet(BatchNormalization(momentum=0.1), Interrupted(way)), "adam"), States()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, batch_size=4, verbose=0, callbacks=[states])
    assert model.optimizer.iterations == 2
    assert_same(state(model), states.kept[2])


def test_an_error_in_a_step_leaves_no_trace_either(engine):
    class Wrong(Interrupted):
        def backward(self, dy, cache):
            if self.batches == 3:
                raise ValueError("wrong")
            return dy

    model, states = compiled(convnet(BatchNormalization(momentum=0.1), Wrong("")), "adam"), States()
    with pytest.raises(ValueError, match="wrong"):
        model.fit(X, Y, batch_size=4, verbose=0, callbacks=[states])
    assert_same(state(model), states.kept[2])


def test_the_lists_of_a_history_stay_equally_long():
    class Interrupting(dict):
        def items(self):
            control_c()
            return super().items()

    history, model = History(), compiled()
    history.set_model(model)
    with pytest.raises(KeyboardInterrupt):
        history.on_epoch_end(0, Interrupting(loss=1.0))
    assert (history.epoch, history.history) == ([0], {"loss": [1.0]})


@pytest.mark.parametrize("kind", ["folder", "numbers"])
def test_none_is_lost_at_the_end_of_an_epoch_while_threads_end(kind, tmp_path, monkeypatch):
    """Python prints, and forgets, what is raised while it drops a generator."""

    class Pool(ThreadPoolExecutor):
        def shutdown(self, *args, **kwargs):
            super().shutdown(*args, **kwargs)
            if threading.current_thread() is threading.main_thread() and not pressed:
                pressed.append(True)
                control_c()

    write_pictures(tmp_path)
    model, pressed = network(), []
    monkeypatch.setattr(background, "ThreadPoolExecutor", Pool)
    with config.engine("numpy"), pytest.raises(KeyboardInterrupt):
        model.fit(**data(kind, tmp_path), verbose=0)
    monkeypatch.undo()
    assert model.optimizer.iterations == 5


# At any moment


def press_control_c_after(seconds, work):
    """Whether the work was interrupted; and how long it took."""
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT))
    began, took = time.perf_counter(), seconds
    try:
        timer.start()
        try:
            work()
        finally:
            took = time.perf_counter() - began
            timer.cancel()
            timer.join()
            time.sleep(0)  # where the signal is noticed that came at the last moment
    except KeyboardInterrupt:
        return True, took
    return False, took


def is_in_background(thread):
    """Whether it loads data; not one that was interrupted before it began."""
    return "background" in thread.name and thread.is_alive()


@pytest.mark.parametrize("kind", KINDS)
def test_at_any_moment(engine, kind, tmp_path):
    """Random moments; those that reveal something are rare, so single tests above provoke them."""
    write_pictures(tmp_path)
    rng = random.Random(0)

    def begin():
        config.set_random_seed(5)
        model = network()
        model.get_weights()  # which draws them
        return model, data(kind, tmp_path)

    def train(model, given, *hooks):
        model.fit(**given, epochs=3, verbose=0, callbacks=[*hooks])

    states, (model, given) = States(), begin()
    train(model, given, states)
    expected = model.history
    steps = len(states.kept) // 3
    interruptions, seconds = 0, 1.0
    while interruptions < 10:
        model, given = begin()
        came, took = press_control_c_after(rng.uniform(0, seconds), lambda: train(model, given))  # noqa: B023
        interruptions += came
        if not came:
            seconds = min(seconds, took)
            continue
        done = model.optimizer.iterations
        assert_same(state(model), states.kept[done] if model.optimizer.built else states.kept[0][: len(state(model))])
        if model.history is not None:
            whole = model.history.epoch
            assert whole == list(range(len(whole)))
            assert len(whole) in (done // steps, done // steps - 1)
            assert model.history.history == {k: v[: len(whole)] for k, v in expected.history.items() if whole}
        assert np.isfinite(model.predict(np.zeros((2, 8, 7, 3)), verbose=0)).all()
        model.fit(**given, epochs=1, verbose=0)
        assert model.optimizer.iterations == done + steps
        assert np.isfinite(np.concatenate([array.ravel() for array in model.get_weights()])).all()
        for thread in filter(is_in_background, threading.enumerate()):  # where it was about to be started
            thread.join(30)
        assert not [*filter(is_in_background, threading.enumerate())]
