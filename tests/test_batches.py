"""Arrays are cut into batches in memory that is used again, and a batch that somebody keeps never changes."""

import json
import tracemalloc

import numpy as np
import pytest
from tiny_networks import compiled, convnet, fit, images, labels

from tinyconv import config
from tinyconv.layers import Flatten
from tinyconv.metrics import Metric
from tinyconv.models import batches
from tinyconv.models.batches import Arrays, Batch
from tinyconv.models.sequential import Sequential

N, SHAPE = 11, (3, 2)
X = np.random.default_rng(0).integers(0, 256, (N, *SHAPE))
Y = np.arange(N)

#: What users pass as x, beside a plain array in C order.
LAYOUTS = {
    "plain": lambda a: a,
    "turned": lambda a: np.ascontiguousarray(a.transpose(0, 2, 1)).transpose(0, 2, 1),
    "every second": lambda a: np.repeat(a, 2, axis=0)[::2],
    "backwards": lambda a: np.ascontiguousarray(a[::-1])[::-1],
}


def cut(x=X, batch_size=4, shuffle=False, dtype=None, weights=None, **settings):
    return Arrays(Batch([x], [Y], [weights]), batch_size, shuffle, dtype=dtype, **settings)


def together(arrays):
    """All x and y of one pass, each copied before the next batch comes."""
    passed = [(batch.x[0].copy(), batch.y[0].copy()) for batch in arrays]
    return [np.concatenate(parts) for parts in zip(*passed, strict=True)]


# What is in a batch


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("source", ["uint8", "int64", "float16", "float32", "float64"])
@pytest.mark.parametrize("wanted", [None, "float32", "float64"])
@pytest.mark.parametrize("shuffle", [False, True])
def test_batches_hold_the_samples_in_order(layout, source, wanted, shuffle):
    x = LAYOUTS[layout](X.astype(source))
    found_x, found_y = together(cut(x, shuffle=shuffle, dtype=wanted))
    np.testing.assert_array_equal(found_x, X[found_y])
    assert found_x.dtype == (wanted or source)
    assert sorted(found_y) == list(range(N))
    assert (list(found_y) != list(range(N))) == shuffle


@pytest.mark.parametrize("bytes_at_once", [1, 20, 10**6])
@pytest.mark.parametrize("shuffle", [False, True])
def test_pieces_of_any_size_make_up_the_batch(bytes_at_once, shuffle, monkeypatch):
    monkeypatch.setattr(batches, "_PIECE", bytes_at_once)
    found_x, found_y = together(cut(X.astype("uint8"), shuffle=shuffle, dtype="float32"))
    np.testing.assert_array_equal(found_x, X[found_y])


@pytest.mark.parametrize("shuffle", [False, True])
def test_the_last_batch_is_smaller(shuffle):
    assert [len(batch.x[0]) for batch in cut(shuffle=shuffle)] == [4, 4, 3]
    assert [batch.size for batch in cut(shuffle=shuffle, dtype="float32")] == [4, 4, 3]


def test_the_order_is_the_streams_permutation():
    arrays = cut(shuffle=True)
    found = [together(arrays)[1].tolist() for _ in range(2)]
    config.set_random_seed(0)
    assert found == [config.stream("shuffling").permutation(N).tolist() for _ in range(2)]


def test_labels_and_weights_keep_their_type_and_their_sample():
    weights = np.arange(N) / 4
    for batch in cut(shuffle=True, dtype="float32", weights=weights):
        np.testing.assert_array_equal(batch.weights[0], batch.y[0] / 4)
        assert (batch.y[0].dtype, batch.weights[0].dtype) == (Y.dtype, weights.dtype)


def test_samples_in_order_and_of_the_wanted_type_are_not_copied():
    x = X.astype("float32")
    assert all(np.shares_memory(batch.x[0], x) for batch in cut(x, dtype="float32"))


def test_nan_and_numbers_too_large_show():
    x = np.array([np.nan, 1e300, -np.inf, 2.0])
    [batch] = Arrays(Batch([x], [x], [None]), 4, dtype="float32")
    np.testing.assert_array_equal(batch.x[0], [np.nan, np.inf, -np.inf, 2.0])


# Epochs of a given number of steps


def test_steps_go_on_where_the_last_epoch_stopped():
    arrays = cut(steps=2)
    assert [[batch.size for batch in arrays] for _ in range(3)] == [[4, 4], [3, 4], [4, 3]]


def test_steps_from_the_beginning_each_time():
    arrays = cut(steps=2, anew=True)
    assert [together(arrays)[1].tolist() for _ in range(3)] == [list(range(8))] * 3
    assert arrays.steps == 2


def test_no_more_steps_than_batches_where_each_epoch_begins_anew():
    arrays = cut(steps=5, anew=True)
    assert arrays.steps == len(list(arrays)) == 3


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("steps", [None, 1, 2, 3, 4, 7])
@pytest.mark.parametrize("epochs", [0, 1, 2, 3])
def test_another_process_goes_on_with_the_same_batches(shuffle, steps, epochs):
    arrays = cut(shuffle=shuffle, steps=steps)
    for _ in range(epochs):
        together(arrays)
    state = json.loads(json.dumps([arrays.get_state(), config.random_state()]))
    expected = [together(arrays)[1].tolist() for _ in range(4)]

    config.set_random_seed(99)
    others = cut(shuffle=shuffle, steps=steps)
    others.set_state(state[0])
    config.set_random_state(state[1])
    assert [together(others)[1].tolist() for _ in range(4)] == expected


# Memory


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_batch_that_is_kept_does_not_change(shuffle):
    arrays = cut(X.astype("uint8"), shuffle=shuffle, dtype="float32")
    kept = [batch for _ in range(3) for batch in arrays]
    for batch in kept:
        np.testing.assert_array_equal(batch.x[0], X[batch.y[0]])


def test_a_view_of_a_batch_that_is_kept_does_not_change():
    kept = [(batch.x[0][1:, 0].T, batch.y[0][1:]) for batch in cut(shuffle=True, dtype="float32")]
    for x, y in kept:
        np.testing.assert_array_equal(x.T, X[y, 0])


def test_two_passes_at_once_do_not_disturb_each_other():
    arrays = cut(shuffle=True, dtype="float32")
    pairs = [(a.y[0].copy(), b.y[0].copy()) for a, b in zip(arrays, arrays, strict=True)]
    for order in zip(*pairs, strict=True):
        assert sorted(np.concatenate(order)) == list(range(N))


def test_memory_is_used_again():
    arrays = cut(X.astype("uint8"), batch_size=2, shuffle=True, dtype="float32")
    places = {batch.x[0].ctypes.data for _ in range(5) for batch in arrays}
    assert len(places) <= 2


def peak_of_an_epoch_after_the_first(arrays):
    """Bytes that are allocated at most at a time."""
    sizes = [batch.size for batch in arrays]
    tracemalloc.start()
    assert [batch.size for batch in arrays] == sizes
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize("source", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("shape", [(64, 64, 3), (700, 600, 3)], ids=["small images", "images above 1 MB"])
def test_an_epoch_allocates_nothing_large(source, shuffle, shape):
    x = np.ones((8 if shape[0] > 64 else 300, *shape), source)
    y = np.zeros((len(x), 30000), "float32")
    arrays = Arrays(Batch([x], [y], [None]), len(x) // 2, shuffle, dtype="float32")
    assert peak_of_an_epoch_after_the_first(arrays) < 10**6


def test_an_epoch_over_many_samples_allocates_no_new_order():
    n = 300_000
    arrays = Arrays(Batch([np.ones((n, 1), "float32")], [np.zeros(n)], [None]), n // 10, True)
    assert peak_of_an_epoch_after_the_first(arrays) < 10**6  # the order alone is 2.4 MB


# Who keeps batches in training


class Keeper(Metric):
    """Keeps all labels and predictions, to measure them together at the end, as an area under a curve must."""

    def reset_state(self):
        self.seen = []

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.seen.append((y_true, y_pred))

    def result(self):
        return float(sum(y_true.sum() for y_true, _ in self.seen))


def test_a_metric_may_keep_labels():
    model = compiled(convnet(), metrics=[Keeper()])
    history = fit(model, images(), labels(), batch_size=2)
    assert history["keeper"] == [labels().sum()]


def test_predictions_may_be_views_of_the_batch():
    model = Sequential([Flatten()])
    x = images().astype("float64")
    np.testing.assert_array_equal(model.predict(x, batch_size=2, verbose=0), images().reshape(len(x), -1))
