"""A team calls every thread once, survives errors, forks and interruptions, and gives the same parts every time."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time
import weakref

import numpy as np
import pytest

from tinyconv.engine import threads
from tinyconv.engine.threads import Queue, Team, team

WAIT = 20  # seconds after which a test gives up


def calls_of(it, n):
    """(thread, start, stop) of each call, in the threads' order."""
    calls = []
    it.run(lambda *call: calls.append(call), n)
    return sorted(calls)


# Parts


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("n", [0, 1, 2, 4, 7, 128])
def test_every_thread_is_called_once_and_the_parts_make_up_the_whole(size, n):
    calls = calls_of(Team(size), n)
    assert [thread for thread, _, _ in calls] == list(range(size))
    assert [i for _, start, stop in calls for i in range(start, stop)] == list(range(n))


@pytest.mark.parametrize(("size", "n"), [(2, 7), (3, 7), (3, 128), (4, 2)])
def test_parts_are_as_equal_as_can_be_and_the_first_is_the_longest(size, n):
    lengths = [stop - start for _, start, stop in calls_of(Team(size), n)]
    assert max(lengths) - min(lengths) <= 1
    assert lengths[0] == max(lengths)


def test_parts_are_the_same_every_time():
    it = Team(3)
    assert len({tuple(calls_of(it, 17)) for _ in range(50)}) == 1


# Who works


def test_the_caller_is_thread_0_and_the_others_are_others():
    idents = {}
    Team(3).run(lambda thread, *_: idents.update({thread: threading.get_ident()}), 3)
    assert idents[0] == threading.get_ident()
    assert len(set(idents.values())) == 3


def test_threads_work_at_the_same_time():
    meeting = threading.Barrier(3)
    Team(3).run(lambda *_: meeting.wait(WAIT), 3)


def test_nobody_is_woken_for_an_empty_part():
    idents = set()
    Team(3).run(lambda *_: idents.add(threading.get_ident()), 1)
    assert idents == {threading.get_ident()}


def test_threads_are_the_same_from_call_to_call():
    it, idents = Team(3), set()
    for _ in range(20):
        it.run(lambda *_: idents.add(threading.get_ident()), 3)
    assert len(idents) == 3


def test_threads_begin_with_the_first_work():
    before = set(threading.enumerate())
    it = Team(3)
    assert set(threading.enumerate()) == before
    calls_of(it, 3)
    assert len(set(threading.enumerate()) - before) == 2


def test_threads_keep_no_process_alive():
    it = Team(2)
    before = set(threading.enumerate())
    calls_of(it, 2)
    assert all(thread.daemon for thread in set(threading.enumerate()) - before)


def test_the_process_has_one_team_of_each_size():
    assert team(2) is team(2)
    assert (team(2).size, team(3).size) == (2, 3)


def test_a_team_that_is_gone_leaves_no_threads():
    before = set(threading.enumerate())
    it = Team(3)
    calls_of(it, 3)
    others = set(threading.enumerate()) - before
    del it
    gc.collect()
    for thread in others:
        thread.join(WAIT)
    assert not any(thread.is_alive() for thread in others)


def test_a_thread_keeps_nothing_of_its_last_work():
    it, array = Team(2), np.ones(3)
    gone = weakref.ref(array)
    it.run(lambda *_, array=array: None, 2)
    del array
    calls_of(it, 2)  # the other thread has let go of the work before
    gc.collect()
    assert gone() is None


def test_where_the_system_allows_no_more_threads_the_caller_does_the_work(monkeypatch):
    def refuse(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert calls_of(Team(3), 7) == [(0, 0, 3), (1, 3, 5), (2, 5, 7)]


@pytest.mark.parametrize("setting", ["ignore", "raise"])
def test_numpys_error_handling_holds_on_every_thread(setting):
    found = {}
    with np.errstate(all=setting):
        Team(3).run(lambda thread, *_: found.update({thread: np.geterr()["over"]}), 3)
    assert found == {0: setting, 1: setting, 2: setting}


# A team at work


def test_a_busy_team_works_for_a_second_caller_all_the_same():
    it, busy, free, calls = Team(2), threading.Event(), threading.Event(), []

    def occupy(*_):
        busy.set()
        assert free.wait(WAIT)

    first = threading.Thread(target=it.run, args=(occupy, 2))
    first.start()
    assert busy.wait(WAIT)
    it.run(lambda *call: calls.append((threading.get_ident(), *call)), 5)
    free.set()
    first.join(WAIT)
    me = threading.get_ident()
    assert calls == [(me, 0, 0, 3), (me, 1, 3, 5)]


def test_work_may_call_the_team_again():
    it, found = Team(2), []
    it.run(lambda *outer: it.run(lambda *inner: found.append((outer[0], inner)), 3), 2)
    assert sorted(found) == [(i, part) for i in (0, 1) for part in it.parts(3)]


def test_several_callers_at_once_all_get_their_sums():
    it, results = Team(3), {}

    def add_up(caller):
        for round_ in range(100):
            sums = np.zeros(3)

            def work(thread, start, stop, sums=sums):
                sums[thread] = sum(range(start, stop))

            it.run(work, 50 + caller)
            results[caller, round_] = sums.sum()

    callers = [threading.Thread(target=add_up, args=(caller,)) for caller in range(4)]
    for one in callers:
        one.start()
    for one in callers:
        one.join(WAIT)
    assert results == {(c, r): sum(range(50 + c)) for c in range(4) for r in range(100)}


# Errors


@pytest.mark.parametrize("wrong", [[0], [1], [2], [1, 2], [2, 0]], ids=str)
def test_the_first_threads_error_is_raised_and_all_come_to_an_end(wrong):
    it, ended = Team(3), []

    def work(thread, *_):
        if thread in wrong:
            raise ValueError(f"thread {thread}")
        ended.append(thread)

    with pytest.raises(ValueError, match=f"thread {min(wrong)}"):
        it.run(work, 3)
    assert sorted(ended) == sorted({0, 1, 2} - set(wrong))
    assert calls_of(it, 7) == it.parts(7)


def test_an_error_keeps_no_array_alive():
    def work(thread, start, stop):
        array = np.ones(3)
        kept.append(weakref.ref(array))
        raise ValueError("wrong")

    kept = []
    gc.disable()
    try:
        with pytest.raises(ValueError, match="wrong") as caught:
            Team(2).run(work, 2)
        del caught
        assert [one() for one in kept] == [None, None]
    finally:
        gc.enable()


@pytest.mark.skipif(not hasattr(os, "kill"), reason="no signals here")
def test_control_c_waits_for_those_who_still_work():
    it, ended = Team(2), []

    def work(thread, *_):
        if thread == 1:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)
            ended.append(thread)

    with pytest.raises(KeyboardInterrupt):
        it.run(work, 2)
    assert ended == [1]
    assert calls_of(it, 7) == it.parts(7)


# Processes


def run_process(code):
    """What a Python process prints."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(threads.__file__)))
    found = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=60)
    assert found.returncode == 0, found.stderr
    return found.stdout.split()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_makes_its_own_threads():
    code = """
import os, threading
from tinyconv.engine.threads import team

def count():
    idents = set()
    team(2).run(lambda *_: idents.add(threading.get_ident()), 2)
    return len(idents)

print(count(), flush=True)
if os.fork() == 0:
    print(count(), flush=True)
    os._exit(0)
os.wait()
print(count())
"""
    assert run_process(code) == ["2", "2", "2"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_process_forked_while_the_team_is_busy_has_a_free_one():
    code = """
import os, threading
from tinyconv.engine.threads import team

def fork(thread, *_):
    if thread == 0:
        child = os.fork()
        if child == 0:
            idents = set()
            team(2).run(lambda *_: idents.add(threading.get_ident()), 2)
            print(len(idents), flush=True)
            os._exit(0)
        os.waitpid(child, 0)

team(2).run(fork, 2)
print("done")
"""
    assert run_process(code) == ["2", "done"]


def test_a_process_ends_with_its_main_program():
    code = """
import atexit
from tinyconv.engine.threads import team

def late():
    calls = []
    team(3).run(lambda *call: calls.append(call), 6)
    print(len(calls))

late()
atexit.register(late)
"""
    assert run_process(code) == ["3", "3"]


# Work that is put off


def test_a_queue_waits_until_it_is_settled():
    queue, done = Queue(Team(2)), []
    queue.add(4, lambda thread, start, stop: done.append(("first", start, stop)), lambda: done.append("after"))
    queue.add(4, lambda thread, start, stop: done.append(("second", start, stop)))
    assert done == []
    queue.settle()
    assert sorted(done[:-1]) == [("first", 0, 2), ("first", 2, 4), ("second", 0, 2), ("second", 2, 4)]
    assert done[-1] == "after"
    for start in (0, 2):
        assert done.index(("first", start, start + 2)) < done.index(("second", start, start + 2))
    queue.settle()
    assert len(done) == 5


def test_another_number_of_samples_settles_what_was_put_off():
    queue, done = Queue(Team(1)), []
    queue.add(4, lambda *part: done.append(part))
    queue.add(5, lambda *part: done.append(part))
    assert done == [(0, 0, 4)]
    queue.settle()
    assert done == [(0, 0, 4), (0, 0, 5)]


def test_a_queue_forgets_what_failed():
    def fail(*part):
        raise ValueError("no")

    queue, done = Queue(Team(2)), []
    queue.add(2, fail, lambda: done.append("after"))
    with pytest.raises(ValueError, match="no"):
        queue.settle()
    queue.settle()
    assert done == []
