"""What fit, evaluate and predict print: a bar on a terminal, plain lines elsewhere."""

import os
import re
import threading
import time
from contextlib import contextmanager, redirect_stdout, suppress

import numpy as np
import pytest
from tiny_networks import (
    Again,
    X,
    Y,
    batches,
    compiled,
    convnet,
)

from tinyconv import Input, Sequential
from tinyconv.callbacks import LambdaCallback
from tinyconv.layers import (
    Dense,
)

TIMES = r"3/3 - \d+s \d+(us|ms|s)/step( \(first step \d+(us|ms|s)\))?"
BAR = re.escape("\r3/3 [" + "=" * 30 + "]")
RESULTS = r" - loss: \d\.\d{4} - accuracy: 0\.\d{4}"


def printed(capsys, **settings):
    """The lines that a training of two epochs prints."""
    capsys.readouterr()
    compiled(metrics=["accuracy"]).fit(X, Y, epochs=2, batch_size=4, **settings)
    out, err = capsys.readouterr()
    assert not err
    return out.splitlines()


def test_verbose_0_prints_nothing(capsys):
    assert printed(capsys, verbose=0) == []


@pytest.mark.parametrize("settings", [{}, {"verbose": "auto"}, {"verbose": 1}, {"verbose": 2}], ids=str)
def test_without_a_terminal_each_epoch_is_one_plain_line(capsys, settings):
    first, second = printed(capsys, **settings)
    assert re.fullmatch("Epoch 1/2 - " + TIMES + RESULTS, first)
    assert re.fullmatch("Epoch 2/2 - " + TIMES + RESULTS, second)


def test_validation_is_on_the_same_line(capsys):
    lines = printed(capsys, validation_data=(X, Y))
    assert len(lines) == 2
    assert re.search(r"accuracy: 0\.\d{4} - val_loss: \d\.\d{4} - val_accuracy: 0\.\d{4}$", lines[0])


def test_evaluate_prints_one_line(capsys):
    compiled(metrics=["accuracy"]).evaluate(X, Y, batch_size=4)
    assert re.fullmatch(
        r"3/3 - \d+s \d+(us|ms|s)/step - loss: \d\.\d{4} - accuracy: 0\.\d{4}\n", capsys.readouterr()[0]
    )


def test_predict_prints_one_line(capsys):
    convnet().predict(X, batch_size=4)
    assert re.fullmatch(TIMES + "\n", capsys.readouterr()[0])


def test_steps_of_a_generator_are_counted(capsys):
    compiled().fit(iter(batches()))
    assert capsys.readouterr()[0].startswith("Epoch 1/1 - 3/3 - ")


def test_a_slow_first_step_is_reported_apart(capsys):
    def rest(batch, logs=None):
        time.sleep(0.6 if batch == 0 else 0)

    compiled().fit(X, Y, batch_size=4, callbacks=[LambdaCallback(on_train_batch_begin=rest)])
    assert re.search(r" \d+(us|ms)/step \(first step \d+(ms|s)\) - loss", capsys.readouterr()[0])


@contextmanager
def terminal(columns=100):
    """Standard output is a pseudo-terminal meanwhile; yields a list that holds, afterwards, what it was sent."""
    termios = pytest.importorskip("termios", reason="needs pseudo-terminals")
    pty = pytest.importorskip("pty", reason="needs pseudo-terminals")
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, columns))
    received, sent = [], []

    def read():
        with suppress(OSError):  # Linux's way to say that the other side has closed
            while part := os.read(master, 4096):
                received.append(part)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        with os.fdopen(slave, "w", encoding="utf-8") as stream, redirect_stdout(stream):
            yield sent
    finally:
        reader.join()
        os.close(master)
        sent.append(b"".join(received).decode())


def long_training(steps=200, **settings):
    """Seconds that so many steps of at least 3 ms took."""
    pause = LambdaCallback(on_train_batch_end=lambda batch, logs: time.sleep(0.003))
    model = compiled(Sequential([Input((1,)), Dense(1)]), loss="mse")
    start = time.perf_counter()
    model.fit(np.ones((steps, 1)), np.ones(steps), batch_size=1, callbacks=[pause], **settings)
    return time.perf_counter() - start


def test_a_terminal_shows_a_bar():
    with terminal() as sent:
        long_training()
    assert sent[0].startswith("Epoch 1/1\r\n")
    assert re.search(r"\d+/200 \[=*>?\.+\] - ETA: \d\d:\d\d - loss: \d", sent[0])


def test_the_bar_ends_in_the_line_of_the_notes():
    with terminal() as sent:
        long_training()
    last = sent[0].rstrip().split("\r")[-1]
    assert re.fullmatch(r"200/200 \[={30}\] - \d+s \d+(us|ms)/step - loss: \d\.\d{4}(e-\d\d)?", last)


def test_the_bar_is_redrawn_at_most_ten_times_a_second():
    with terminal() as sent:
        elapsed = long_training()
    assert 2 <= sent[0].count("\r") <= 10 * elapsed + 5


def test_evaluate_and_predict_show_a_bar_too():
    model = compiled()
    with terminal() as sent:
        model.evaluate(X, Y, batch_size=4)
        model.predict(X, batch_size=4)
    assert re.fullmatch(f".*{BAR} - .* - loss: .*{BAR} - [^\r]*\r\n", sent[0], re.DOTALL)


def test_a_terminal_shows_nothing_with_verbose_0():
    with terminal() as sent:
        long_training(3, verbose=0)
    assert sent == [""]


def test_verbose_2_prints_plain_lines_on_a_terminal_too():
    with terminal() as sent:
        long_training(3, verbose=2)
    assert re.fullmatch(r"Epoch 1/1 - 3/3 - [^\r]*\r\n", sent[0])


def test_a_terminal_without_a_size_shows_a_bar():
    with terminal(columns=0) as sent:
        long_training()
    assert re.search(r"\d+/200 \[=*>?\.+\] - ETA", sent[0])


def test_a_narrow_terminal_shows_all_results():
    model = compiled(metrics=["accuracy"])
    with terminal(columns=40) as sent:
        model.fit(X, Y, validation_data=(X, Y))
    assert re.search(r"loss: \S+ - accuracy: \S+ - val_loss: \S+ - val_accuracy: 0\.\d{4}\r\n$", sent[0])


def test_the_title_stands_over_the_bar():
    with terminal() as sent:
        long_training(3, epochs=2)
    first, second = (sent[0].index(f"Epoch {i}/2\r\n") for i in (1, 2))
    assert first == 0
    assert sent[0].index("=" * 30) < second < sent[0].rindex("=" * 30)
    assert sent[0][second - 1] == "\n"


def interrupt(batch, logs=None):
    """What Ctrl-C does, in the middle of an epoch."""
    if batch == 1:
        raise KeyboardInterrupt


def test_an_interrupt_leaves_the_terminal_on_a_new_line():
    with terminal() as sent, pytest.raises(KeyboardInterrupt):
        compiled().fit(X, Y, batch_size=2, callbacks=[LambdaCallback(on_train_batch_end=interrupt)])
    assert sent[0].endswith("\n")


def test_steps_that_nobody_knew_are_known_in_the_second_epoch():
    pause = LambdaCallback(on_train_batch_end=lambda batch, logs: time.sleep(0.15))
    with terminal() as sent:
        compiled().fit(Again(), epochs=2, callbacks=[pause])
    first, second = sent[0].split("Epoch 2/2")
    assert "ETA" not in first
    assert re.search(r"1/3 \[=+>?\.+\] - ETA", second)
