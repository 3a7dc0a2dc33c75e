"""Global settings: what runs a network, threads, random streams, float type."""

import importlib.util
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from tinyconv import config


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch):
    """Settings are as in a fresh process without environment variables, and put back afterwards."""
    monkeypatch.delenv("TINYCONV_ENGINE", raising=False)
    for name in ("_engine", "_threads"):
        monkeypatch.setattr(config, name, None)
    monkeypatch.setattr(config, "_winograd", True)
    monkeypatch.setattr(config, "_told_without_numba", False)


@pytest.fixture(params=[True, False], ids=["with Numba", "without Numba"])
def numba(request, monkeypatch):
    """Whether Numba seems to be installed."""
    find = importlib.util.find_spec
    there = importlib.util.spec_from_loader("numba", None) if request.param else None
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: there if name == "numba" else find(name))
    config._has_numba.cache_clear()
    yield request.param
    config._has_numba.cache_clear()


with_numba = pytest.mark.parametrize("numba", [True], indirect=True, ids=["with Numba"])
without_numba = pytest.mark.parametrize("numba", [False], indirect=True, ids=["without Numba"])

# What runs a network


def test_numba_is_used_where_it_is_installed(numba):
    assert config.engine_name() == ("numba" if numba else "numpy")


@with_numba
@pytest.mark.parametrize("name", ["numpy", "numba"])
def test_the_environment_chooses_the_engine(numba, name, monkeypatch):
    monkeypatch.setenv("TINYCONV_ENGINE", name)
    assert config.engine_name() == name


@with_numba
def test_an_empty_variable_chooses_nothing(numba, monkeypatch):
    monkeypatch.setenv("TINYCONV_ENGINE", "")
    assert config.engine_name() == "numba"


@with_numba
def test_what_is_set_comes_before_the_environment(numba, monkeypatch):
    monkeypatch.setenv("TINYCONV_ENGINE", "numba")
    config.set_engine("numpy")
    assert config.engine_name() == "numpy"
    config.set_engine(None)
    assert config.engine_name() == "numba"


@with_numba
def test_an_engine_for_one_block(numba):
    with config.engine("numpy"):
        assert config.engine_name() == "numpy"
        with config.engine("numba"):
            assert config.engine_name() == "numba"
        assert config.engine_name() == "numpy"
    assert config.engine_name() == "numba"


@with_numba
def test_a_block_that_fails_puts_the_engine_back(numba):
    with pytest.raises(ZeroDivisionError), config.engine("numpy"):
        _ = 1 / 0
    assert config.engine_name() == "numba"


@with_numba
def test_unknown_engines_are_named(numba, monkeypatch):
    with pytest.raises(ValueError, match=r"engine 'nunba': expected one of 'numba', 'numpy'.*Did you mean 'numba'\?"):
        config.set_engine("nunba")
    with pytest.raises(ValueError, match="engine 'torch'"), config.engine("torch"):
        pass
    monkeypatch.setenv("TINYCONV_ENGINE", "Numpy")
    with pytest.raises(ValueError, match=r"TINYCONV_ENGINE 'Numpy': expected one of 'numba', 'numpy'.*Did you mean"):
        config.engine_name()


@without_numba
def test_numba_that_is_asked_for_and_missing(numba, monkeypatch):
    message = (
        r": expected Numba to be installed\. Received 'numba', and no Numba is found\. Install it with pip install"
    )
    with pytest.raises(RuntimeError, match="set_engine" + message):
        config.set_engine("numba")
    assert config.engine_name() == "numpy"
    monkeypatch.setenv("TINYCONV_ENGINE", "numba")
    with pytest.raises(RuntimeError, match="TINYCONV_ENGINE" + message):
        config.engine_name()


@without_numba
def test_missing_numba_is_told_once_on_standard_error(numba, capsys):
    config.tell_once_without_numba()
    config.tell_once_without_numba()
    out, err = capsys.readouterr()
    assert not out
    assert err.count("\n") == 1
    assert err.startswith("tinyconv: Numba is not installed")


@without_numba
@pytest.mark.parametrize("how", ["set", "environment"])
def test_nothing_is_told_where_numpy_was_asked_for(numba, how, monkeypatch, capsys):
    if how == "set":
        config.set_engine("numpy")
    else:
        monkeypatch.setenv("TINYCONV_ENGINE", "numpy")
    config.tell_once_without_numba()
    assert capsys.readouterr() == ("", "")


@with_numba
def test_nothing_is_told_where_numba_is_there(numba, capsys):
    config.tell_once_without_numba()
    assert capsys.readouterr() == ("", "")


def test_asking_for_the_engine_imports_no_numba():
    code = "import sys; from tinyconv import config; config.engine_name(); print('numba' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.strip() == "False"


def test_winograd_may_be_forbidden():
    assert config.winograd()
    config.set_winograd(False)
    assert not config.winograd()


# Threads


def blas_threads():
    """Threads of the libraries that tinyconv limits: those that were there at first, NumPy's among them."""
    return {pool["num_threads"] for pool in config._thread_pools().info() if pool["user_api"] == "blas"}


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system does not say")
def test_as_many_threads_as_this_process_may_use(monkeypatch):
    assert config.threads() == len(os.sched_getaffinity(0))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3, 4})
    assert config.threads() == 3


def test_all_cores_where_the_system_does_not_say_which(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    assert config.threads() == 5
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert config.threads() == 1


def test_threads_may_be_set_and_left_to_the_machine_again():
    before = config.threads()
    config.set_threads(before + 7)
    assert config.threads() == before + 7
    config.set_threads(None)
    assert config.threads() == before


@pytest.mark.parametrize("n", [0, -1, 1.5, "two", True])
def test_threads_that_are_no_number_from_one(n):
    with pytest.raises(ValueError, match=r"set_threads: expected a whole number of threads from 1\. Received n="):
        config.set_threads(n)


@pytest.mark.parametrize(("n", "limit"), [(None, 1), (1, 1), (2, 2)])
def test_on_numpy_matrix_products_use_one_thread_or_as_many_as_set(n, limit):
    config.set_engine("numpy")
    config.set_threads(n)
    with config.limited_threads():
        assert blas_threads() == {limit}


@with_numba
@pytest.mark.parametrize("n", [None, 2])
def test_on_numba_matrix_products_use_one_thread(numba, n):
    config.set_threads(n)
    with config.limited_threads():
        assert blas_threads() == {1}


def test_the_limit_ends_with_the_block():
    before = blas_threads()
    with pytest.raises(ZeroDivisionError), config.limited_threads():
        _ = 1 / 0
    assert blas_threads() == before


@pytest.fixture
def three_threads():
    """BLAS begins with three threads, not with as many as the machine or the environment says."""
    limit = config._thread_pools().limit(limits=3, user_api="blas")
    config._let_go()
    yield
    limit.restore_original_limits()
    config._let_go()


def test_the_limit_lasts_as_long_as_the_last_of_several_callers(three_threads):
    first_in, first_out = threading.Event(), threading.Event()

    def first():
        with config.limited_threads():
            first_in.set()
            assert first_out.wait(20)

    thread = threading.Thread(target=first)
    thread.start()
    assert first_in.wait(20)
    with config.limited_threads():
        first_out.set()
        thread.join(20)
        assert blas_threads() == {1}
    assert blas_threads() == {3}


def test_one_thread_may_set_the_limit_after_another(three_threads):
    with config.limited_threads():
        assert blas_threads() == {1}
    found = []

    def later():
        with config.limited_threads():
            found.append(blas_threads())

    thread = threading.Thread(target=later)
    thread.start()
    thread.join(20)
    assert found == [{1}]
    assert blas_threads() == {3}


# Random streams and float type


def test_one_stream_does_not_move_another():
    config.set_random_seed(3)
    alone = config.stream("dropout").random(4)
    config.set_random_seed(3)
    config.stream("weights").random(100)
    np.testing.assert_array_equal(config.stream("dropout").random(4), alone)


def test_random_state_puts_every_stream_back():
    config.set_random_seed(3)
    config.stream("shuffling").random(5)
    state = config.random_state()
    expected = [config.stream(name).random(3) for name in config.STREAMS]
    config.set_random_state(state)
    np.testing.assert_array_equal([config.stream(name).random(3) for name in config.STREAMS], expected)


@pytest.mark.parametrize("seed", [-1, 1.5])
def test_seeds_are_whole_numbers_from_zero(seed):
    with pytest.raises(ValueError, match=r"set_random_seed: expected a whole number from 0\. Received seed="):
        config.set_random_seed(seed)


def test_unknown_streams_and_float_types_are_named():
    with pytest.raises(ValueError, match=r"random stream 'weight'.*Did you mean 'weights'\?"):
        config.stream("weight")
    with pytest.raises(ValueError, match=r"float type 'float16'.*'float32', 'float64'"):
        config.set_floatx("float16")


def test_streams_differ():
    config.set_random_seed(3)
    first = [config.stream(name).random() for name in config.STREAMS]
    assert len(set(first)) == len(config.STREAMS)
