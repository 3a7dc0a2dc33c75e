"""Work done ahead of time comes out in order, loses no error, and leaves no thread behind."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from functools import partial
from itertools import count

import numpy as np
import pytest

from tinyconv import config
from tinyconv.preprocessing.background import in_background


def background_threads():
    return [t for t in threading.enumerate() if t.name.startswith("tinyconv-background")]


@pytest.fixture(autouse=True)
def _nothing_left():
    yield
    assert background_threads() == []


def identity(i):
    return partial(int, i)


def slower_at_first(i, n):
    time.sleep(0.002 * (n - i))
    return i


def broken():
    raise ZeroDivisionError("task 3")


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("ahead", [1, 4, 100])
def test_results_come_in_the_order_of_the_tasks(workers, ahead):
    tasks = (partial(slower_at_first, i, 9) for i in range(9))
    assert list(in_background(tasks, workers, ahead)) == list(range(9))


def test_no_tasks():
    assert list(in_background([])) == []


@pytest.mark.parametrize("setting", ["workers", "ahead"])
def test_numbers_are_positive(setting):
    with pytest.raises(ValueError, match=f"in_background: expected {setting} as a whole number from 1"):
        in_background([], **{setting: 0})


def test_two_tasks_are_worked_on_at_once():
    meet = threading.Barrier(2)
    tasks = [partial(meet.wait, 30)] * 2
    assert sorted(in_background(tasks, workers=2)) == [0, 1]


def test_the_next_task_is_worked_on_while_the_caller_is_busy():
    begun = threading.Event()
    results = in_background([identity(1), begun.set, identity(3)], workers=1, ahead=1)
    assert next(results) == 1
    assert begun.wait(30)
    assert list(results) == [None, 3]


def test_as_many_threads_as_the_engine_uses_unless_given(monkeypatch):
    monkeypatch.setattr(config, "_threads", 3)
    meet = threading.Barrier(3)
    assert sorted(in_background([partial(meet.wait, 30)] * 3)) == [0, 1, 2]


def test_tasks_are_walked_in_the_callers_thread_and_not_far_ahead():
    walked = []

    def tasks():
        for i in range(20):
            walked.append(threading.get_ident())
            yield identity(i)

    results = in_background(tasks(), workers=2, ahead=3)
    assert walked == []
    assert next(results) == 0
    assert len(walked) == 4
    assert next(results) == 1
    assert len(walked) == 5
    assert set(walked) == {threading.get_ident()}
    results.close()


# Errors


@pytest.mark.parametrize("workers", [1, 3])
def test_an_error_comes_in_its_place(workers):
    results = in_background([identity(1), identity(2), broken, identity(4)], workers)
    assert [next(results), next(results)] == [1, 2]
    with pytest.raises(ZeroDivisionError, match="task 3"):
        next(results)
    assert list(results) == []


def test_an_error_of_the_tasks_comes_after_the_results_before():
    def tasks():
        yield identity(1)
        yield identity(2)
        raise KeyError("no more")

    results = in_background(tasks(), ahead=9)
    assert [next(results), next(results)] == [1, 2]
    with pytest.raises(KeyError, match="no more"):
        next(results)


def test_the_end_of_an_iterator_inside_a_task_is_an_error_not_the_end():
    with pytest.raises(RuntimeError, match="StopIteration"):
        list(in_background([identity(1), partial(next, iter([])), identity(3)]))


def test_what_numpy_does_about_nan_is_as_in_the_callers_thread():
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        list(in_background([lambda: np.ones(1) / np.zeros(1)]))


# Ending early


def slowly(begun, i):
    begun.append(i)
    time.sleep(0.005)


@pytest.mark.parametrize("end", ["close", "drop", "circle"])
def test_the_rest_is_dropped(end):
    begun = []
    results = in_background((partial(slowly, begun, i) for i in count()), workers=2, ahead=50)
    next(results)
    if end == "close":
        results.close()
    elif end == "circle":
        circle = [results]
        circle.append(circle)
        del circle
    del results
    gc.collect()
    assert background_threads() == []
    assert len(begun) < 50


def test_an_iterator_that_nobody_walks_begins_nothing():
    results = in_background([broken])
    assert background_threads() == []
    del results


def test_one_inside_another():
    def inner(i):
        return sum(in_background([identity(i), identity(10)], workers=1))

    assert list(in_background([partial(inner, i) for i in range(6)], workers=2)) == list(range(10, 16))


def test_dropped_by_a_thread_of_its_own():
    holder = []

    def drop():
        holder.clear()  # the only one that holds the iterator
        return 1

    holder.append(in_background([identity(0), partial(time.sleep, 0.05), drop, identity(3)], workers=1, ahead=3))
    assert next(holder[0]) == 0
    for _ in range(1000):
        if not holder and not background_threads():
            break
        time.sleep(0.01)
    assert not holder


# The process


@contextmanager
def run(code):
    """A process that works in the background."""
    code = f"from tinyconv.preprocessing.background import in_background\nimport time, itertools\n{code}"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        yield process
        process.kill()


def test_the_interpreter_ends_while_results_wait():
    with run(
        "r = in_background((lambda: time.sleep(0.01) for _ in itertools.count()), 2, 5)\nnext(r)\nprint('end')"
    ) as process:
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out.split(), err) == (0, [b"end"], b"")


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is sent otherwise")
def test_ctrl_c_while_the_caller_waits():
    with run(
        "def work():\n"
        "    print('busy\\n', end='', flush=True)\n"
        "    time.sleep(0.2)\n"
        "try:\n"
        "    for _ in in_background((work for _ in range(500)), 2):\n"
        "        pass\n"
        "except KeyboardInterrupt:\n"
        "    print('stopped')"
    ) as process:
        assert [process.stdout.readline().strip() for _ in range(3)] == [b"busy"] * 3
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, b"")
        assert b"stopped" in out.split()
