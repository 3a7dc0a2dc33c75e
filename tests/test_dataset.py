"""Data sets are walked again and again, change as told, and go on where another process stopped."""

import json
import threading

import numpy as np
import pytest
from tiny_networks import X, Y, assert_same, compiled, fit

from tinyconv import config
from tinyconv.preprocessing.dataset import AUTOTUNE, Dataset
from tinyconv.tensor import Tensor, tensor

N = len(X)


def numbers(n):
    return Dataset.from_tensor_slices(np.arange(n))


def walked(data):
    return [element.tolist() for element in data]


def pairs():
    return Dataset.from_tensor_slices((X, Y))


# Elements


def test_slices_of_arrays():
    found = list(pairs())
    assert len(found) == len(pairs()) == N
    for i, (x, y) in enumerate(found):
        np.testing.assert_array_equal(x, X[i])
        assert y.numpy() == Y[i]


def test_slices_of_dictionaries_and_nested_tuples():
    data = Dataset.from_tensor_slices(({"a": [1, 2], "b": [[3], [4]]}, ([5, 6], [7.0, 8.0])))
    assert list(data)[1] == ({"a": 2, "b": [4]}, (6, 8.0))


def test_slices_need_one_length():
    with pytest.raises(ValueError, match=r"from_tensor_slices: expected arrays of one length. Received \[2, 3\]"):
        Dataset.from_tensor_slices(([1, 2], [1, 2, 3]))


def test_elements_answer_numpy():
    [(images, labels)] = pairs().batch(N).take(1)
    for value in (images, images[2], images[2, 1:, 0], labels, labels[3], images[0, 0, 0, 0], *labels):
        assert isinstance(value, Tensor)
        assert type(value.numpy()) is np.ndarray
    assert ["a", "b", "c"][labels[3]] == ["a", "b", "c"][Y[3]]
    assert images[2].numpy().astype("uint8").dtype == np.uint8


def test_a_tensor_is_no_copy():
    assert np.shares_memory(tensor(X), X)
    assert np.shares_memory(tensor(X).numpy(), X)


def test_as_numpy_iterator():
    for x, y in pairs().batch(4).as_numpy_iterator():
        assert (type(x), type(y)) == (np.ndarray, np.ndarray)


# Changes


def test_passes_are_alike_and_independent():
    data = numbers(5).map(lambda i: i * 2)
    first = iter(data)
    next(first)
    assert walked(data) == [0, 2, 4, 6, 8]
    assert [element.tolist() for element in first] == [2, 4, 6, 8]


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda d: d.take(2), [0, 1]),
        (lambda d: d.take(9), [0, 1, 2, 3, 4]),
        (lambda d: d.take(-1), [0, 1, 2, 3, 4]),
        (lambda d: d.skip(3), [3, 4]),
        (lambda d: d.skip(9), []),
        (lambda d: d.repeat(2), [0, 1, 2, 3, 4] * 2),
        (lambda d: d.repeat(0), []),
        (lambda d: d.repeat().take(7), [0, 1, 2, 3, 4, 0, 1]),
        (lambda d: d.take(0).repeat(), []),
        (lambda d: d.batch(2), [[0, 1], [2, 3], [4]]),
        (lambda d: d.batch(2, drop_remainder=True), [[0, 1], [2, 3]]),
        (lambda d: d.batch(5), [[0, 1, 2, 3, 4]]),
        (lambda d: d.map(lambda i: i + 1), [1, 2, 3, 4, 5]),
        (lambda d: d.map(lambda i: i + 1, num_parallel_calls=AUTOTUNE), [1, 2, 3, 4, 5]),
        (lambda d: d.map(lambda i: i + 1, num_parallel_calls=3), [1, 2, 3, 4, 5]),
        (lambda d: d.concatenate(d.take(2)), [0, 1, 2, 3, 4, 0, 1]),
        (lambda d: Dataset.zip(d, d.skip(2)).map(lambda i, j: 10 * i + j), [2, 13, 24]),
        (lambda d: Dataset.zip((d, d.repeat())).map(lambda i, j: 10 * i + j), [0, 11, 22, 33, 44]),
        (lambda d: d.cache(), [0, 1, 2, 3, 4]),
        (lambda d: d.prefetch(1), [0, 1, 2, 3, 4]),
        (lambda d: d.prefetch(AUTOTUNE), [0, 1, 2, 3, 4]),
        (lambda d: d.prefetch(0), [0, 1, 2, 3, 4]),
    ],
)
def test_changes_and_their_length(make, expected):
    data = make(numbers(5))
    for _ in range(2):
        assert walked(data) == expected
    assert len(data) == data.cardinality() == len(expected)


def test_changes_that_do_not_know_their_length():
    for data, expected in (
        (numbers(5).batch(2).unbatch(), [0, 1, 2, 3, 4]),
        (numbers(5).filter(lambda i: i % 2 == 0), [0, 2, 4]),
        (numbers(5).filter(lambda i: i > 1).repeat(2).batch(2), [[2, 3], [4, 2], [3, 4]]),
    ):
        assert walked(data) == expected
        assert data.cardinality().numpy() == -2
        with pytest.raises(TypeError, match="one that is of unknown length"):
            len(data)
        assert data


def test_an_endless_one():
    data = numbers(5).repeat().batch(3).map(lambda i: i).prefetch(1)
    assert data.is_endless
    assert data.cardinality().numpy() == -1
    assert walked(data.skip(1).take(2)) == [[3, 4, 0], [1, 2, 3]]
    with pytest.raises(TypeError, match="one that is endless"):
        len(data)


def test_functions_take_the_parts_of_a_tuple():
    data = pairs().map(lambda x, y: (x.mean(), {"label": y})).filter(lambda x, y: y["label"] == 1)
    found = [(float(mean), int(part["label"])) for mean, part in data]
    assert found == [(float(x.mean()), 1) for x, y in zip(X, Y, strict=True) if y == 1]


def test_batches_of_pairs_and_back():
    batches = list(pairs().batch(4))
    assert [(x.shape, y.shape) for x, y in batches] == [((n, *X.shape[1:]), (n,)) for n in (4, 4, 3)]
    assert_same([np.stack(part) for part in zip(*pairs().batch(4).unbatch(), strict=True)], [X, Y])


@pytest.mark.parametrize("method", ["batch", "shuffle"])
def test_sizes_are_positive(method):
    with pytest.raises(ValueError, match=f"{method}: expected .*_size as a whole number from 1"):
        getattr(numbers(3), method)(0)


def test_work_is_done_in_another_thread_only_where_asked_for():
    here = threading.get_ident()

    def thread(_):
        return threading.get_ident() != here

    assert not any(numbers(3).map(thread))
    assert all(numbers(3).map(thread, num_parallel_calls=2))
    assert all(numbers(3).map(thread).prefetch(1))


def test_an_error_in_another_thread_arrives():
    for data in (numbers(3).map(lambda i: 1 // (i - 1), num_parallel_calls=2), numbers(3).map(_broken).prefetch(2)):
        walk = iter(data)
        next(walk)
        with pytest.raises((ZeroDivisionError, FloatingPointError, RuntimeWarning)):
            next(walk)


def _broken(i):
    return i if i < 1 else 1 / 0


# Shuffling


def test_each_pass_has_its_own_order_by_the_seed():
    data = numbers(30).shuffle(30, seed=3)
    first, second = walked(data), walked(data)
    assert first != second
    assert sorted(first) == sorted(second) == list(range(30))
    again = numbers(30).shuffle(30, seed=3)
    assert [walked(again), walked(again)] == [first, second]
    assert walked(numbers(30).shuffle(30, seed=4)) != first


def test_one_order_for_all_passes():
    data = numbers(30).shuffle(30, seed=3, reshuffle_each_iteration=False)
    assert walked(data) == walked(data) != list(range(30))


def test_without_a_seed_the_global_one_decides():
    orders = []
    for seed in (1, 1, 2):
        config.set_random_seed(seed)
        orders.append(walked(numbers(30).shuffle(30)))
    assert orders[0] == orders[1] != orders[2]


@pytest.mark.parametrize("size", [1, 3, 8])
def test_a_small_buffer_mixes_neighbours_only(size):
    order = walked(numbers(30).shuffle(size, seed=0))
    assert sorted(order) == list(range(30))
    assert all(value < place + size for place, value in enumerate(order))
    assert (order == list(range(30))) == (size == 1)


# Keeping elements


def test_cached_elements_are_made_once():
    made = []
    data = numbers(4).map(lambda i: made.append(int(i)) or i).cache()
    list(data.take(2))  # no whole pass: it is not kept
    assert walked(data) == walked(data) == [0, 1, 2, 3]
    assert made == [0, 1, 0, 1, 2, 3]


def test_cached_elements_cannot_be_spoiled():
    data = pairs().batch(4).cache()
    for x, _ in data:
        with pytest.raises(ValueError, match="read-only"):
            x[...] = 0


def test_cache_writes_no_file():
    with pytest.raises(ValueError, match="cache: expected no file name"):
        numbers(3).cache("file")


# Going on in another process

MAKERS = {
    "plain": lambda: numbers(20),
    "shuffled": lambda: numbers(20).shuffle(20),
    "cached, then shuffled": lambda: numbers(20).cache().shuffle(9),
    "shuffled, then cached": lambda: numbers(20).shuffle(20).map(lambda i: i + 1).cache(),
    "twice": lambda: numbers(20).shuffle(20).batch(3).cache().shuffle(4, seed=1).unbatch().prefetch(2),
    "repeated": lambda: numbers(7).shuffle(7).repeat(3),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_a_data_set_goes_on_in_another_process(kind):
    data = MAKERS[kind]()
    for _ in range(2):
        walked(data)
    state = json.loads(json.dumps(data.get_state()))
    other = MAKERS[kind]()
    walked(other)
    other.set_state(state)
    for _ in range(2):
        assert walked(other) == walked(data)


# Training


def test_fit_on_a_data_set_equals_fit_on_arrays():
    ours, theirs = compiled(), compiled()
    theirs.set_weights(ours.get_weights())
    data = pairs().batch(4)
    histories = [fit(ours, data, None, validation_data=data, epochs=2)]
    histories.append(fit(theirs, X, Y, batch_size=4, shuffle=False, validation_data=(X, Y), epochs=2))
    assert_same(ours.get_weights(), theirs.get_weights())
    assert histories[0]["loss"] == histories[1]["loss"]
    np.testing.assert_allclose(histories[0]["val_loss"], histories[1]["val_loss"], rtol=1e-6)
    np.testing.assert_array_equal(ours.predict(data, verbose=0), ours.predict(X, batch_size=4, verbose=0))


def test_fit_shows_how_many_batches_there_are(capsys):
    compiled().fit(pairs().batch(4), epochs=1)
    assert "3/3" in capsys.readouterr().out


def test_fit_on_one_that_does_not_know_its_length():
    data = pairs().filter(lambda x, y: y != 0).batch(2)
    assert len(fit(compiled(), data, None, epochs=2)["loss"]) == 2


@pytest.mark.parametrize(
    ("settings", "name"),
    [({}, "fit: expected steps_per_epoch="), ({"validation": True}, "validation_data: expected validation_steps=")],
)
def test_an_endless_one_needs_a_number_of_steps(settings, name):
    data, model = pairs().batch(4).repeat(), compiled()
    with pytest.raises(ValueError, match=f"{name}, a number of batches. Received data that never end"):
        fit(model, X, Y, validation_data=data) if settings else fit(model, data, None)
    fit(model, data, None, steps_per_epoch=2, validation_data=data, validation_steps=1)
