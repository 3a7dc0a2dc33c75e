"""Global settings: threads, random streams, float type."""

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from tinyconv import config


def blas_threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


@pytest.mark.parametrize("n", [1, 2])
def test_matrix_products_use_as_many_threads_as_set(n):
    before = config.threads()
    config.set_threads(n)
    try:
        with config.limited_threads():
            assert blas_threads() == {n}
    finally:
        config.set_threads(before)


def test_the_limit_ends_with_the_block():
    before = blas_threads()
    with config.limited_threads():
        pass
    assert blas_threads() == before


@pytest.mark.parametrize("n", [0, -1, None, 1.5, "two"])
def test_threads_that_are_no_number_from_one(n):
    with pytest.raises(ValueError, match=r"set_threads: expected a whole number of threads from 1\. Received n="):
        config.set_threads(n)


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
