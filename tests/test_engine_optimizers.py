"""The optimizers' kernels agree with the formulas of `tinyconv.optimizers`, on any number of threads."""

import numpy as np
import pytest

pytest.importorskip("numba")

from tinyconv import optimizers
from tinyconv.engine import updates
from tinyconv.engine.threads import Team, team
from tinyconv.optimizers import SGD, Adagrad, Adam, AdamW, RMSprop, schedules

EVERY = [
    SGD(0.1),
    SGD(0.1, momentum=0.9),
    SGD(0.1, momentum=0.9, nesterov=True),
    RMSprop(0.1, rho=0.8),
    RMSprop(0.1, momentum=0.7),
    RMSprop(0.1, centered=True, epsilon=1e-3),
    RMSprop(0.1, momentum=0.7, centered=True, epsilon=1e-3),
    Adam(0.1, 0.8, 0.95),
    Adam(0.1, 0.8, 0.5, amsgrad=True),
    AdamW(0.1, 0.3),
    Adagrad(0.1, 0.3),
    Adam(schedules.ExponentialDecay(0.1, 2, 0.5)),
]
every = pytest.mark.parametrize("optimizer", EVERY, ids=[f"{type(o).__name__}{i}" for i, o in enumerate(EVERY)])


@pytest.fixture(autouse=True)
def short_pieces(monkeypatch):
    """Short vectors are divided among threads too."""
    monkeypatch.setattr(updates, "PIECE", 16)


def copy_of(optimizer):
    return optimizers.get(optimizers.serialize(optimizer))


def data(size, dtype="float32", steps=5):
    """(weights, a gradient for each step)."""
    rng = np.random.default_rng(size)
    return rng.normal(size=size).astype(dtype), rng.normal(size=(steps, size)).astype(dtype)


def segments(size):
    """Three parameters; the middle one is a bias."""
    a, b = size // 3, size // 2
    return [("conv/kernel", slice(0, a)), ("conv/bias", slice(a, b)), ("dense/kernel", slice(b, size))]


def by_kernel(optimizer, w, gradients, threads=1):
    w = w.copy()
    for g in gradients:
        updates.update(optimizer, w, g.copy(), segments(w.size), team(threads))
    return w


def by_formula(optimizer, w, gradients):
    w = w.copy()
    for g in gradients:
        optimizer.step(w, g.copy(), segments(w.size))
    return w


def assert_agree(optimizer, size, threads=1):
    """Weights and slots after five steps, within 1e-6 of the largest."""
    w, gradients = data(size)
    one, other = copy_of(optimizer), copy_of(optimizer)
    pairs = [(by_kernel(one, w, gradients, threads), by_formula(other, w, gradients))]
    pairs += [(one.slots[name], other.slots[name]) for name in other.slots]
    for found, expected in pairs:
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())
    assert one.iterations == other.iterations == 5


@every
@pytest.mark.parametrize("size", [1, 7, 16, 33, 205])
def test_five_steps_agree(optimizer, size):
    assert_agree(optimizer, size)


@every
@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize("size", [7, 205])
def test_five_steps_on_several_threads_agree(optimizer, size, threads):
    assert_agree(optimizer, size, threads)


@pytest.mark.parametrize(
    "shared",
    [{"clipnorm": 0.5}, {"global_clipnorm": 0.5}, {"clipvalue": 0.25}, {"weight_decay": 0.5}],
    ids=lambda shared: next(iter(shared)),
)
@pytest.mark.parametrize("cls", [SGD, RMSprop, Adam, Adagrad], ids=lambda cls: cls.__name__)
def test_clipping_and_weight_decay_agree(cls, shared):
    assert_agree(cls(0.1, **shared), 45, threads=2)


def test_a_parameter_that_is_excluded_does_not_decay():
    optimizer = SGD(0.1, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    found = by_kernel(copy_of(optimizer), np.ones(12, "float32"), np.zeros((1, 12), "float32"))
    np.testing.assert_allclose(found, [0.95] * 4 + [1.0] * 2 + [0.95] * 6)


@every
def test_any_number_of_threads_gives_the_same_bits(optimizer):
    w, gradients = data(205)
    results = [by_kernel(copy_of(optimizer), w, gradients, threads) for threads in (1, 2, 3)]
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


@every
@pytest.mark.parametrize("where", [0, 15, 16, 204])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_infinity_stay_visible(optimizer, where, bad):
    w, gradients = data(205)
    gradients[0, where] = bad
    with np.errstate(all="ignore"):
        expected = by_formula(copy_of(optimizer), w, gradients)
        found = by_kernel(copy_of(optimizer), w, gradients, threads=2)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    assert not np.isfinite(expected[where])
    assert np.isfinite(np.delete(found, where)).all()


def test_nan_in_the_largest_size_so_far_stays():
    optimizer = Adam(amsgrad=True)
    optimizer.build(3)
    optimizer.slots["velocity_hat"][1] = np.nan
    assert list(np.isnan(by_kernel(optimizer, np.ones(3, "float32"), np.ones((1, 3), "float32")))) == [0, 1, 0]


@every
def test_nothing_beside_the_vectors_is_written(optimizer):
    optimizer, (w, gradients) = copy_of(optimizer), data(205)
    room = np.full((2, 237), np.nan, np.float32)
    values, grads = room[0, 16:221], room[1, 16:221]
    values[:] = w
    for g in gradients:
        grads[:] = g
        updates.update(optimizer, values, grads, segments(205), team(3))
    np.testing.assert_array_equal(grads, gradients[-1])
    assert np.isnan(room[:, :16]).all()
    assert np.isnan(room[:, 221:]).all()
    assert np.isfinite(values).all()


@every
def test_steps_of_both_kinds_may_take_turns(optimizer):
    w, gradients = data(45)
    one, other = copy_of(optimizer), copy_of(optimizer)
    found = by_formula(one, by_kernel(one, w, gradients[:2]), gradients[2:])
    expected = by_formula(other, w, gradients)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())


# What has no kernel


class Backwards(Adam):
    """Goes up the hill, against everything Adam says."""

    def update(self, w, g, rate, slots, a):
        w += rate * g


class Patient(Adam):
    """Has Adam's formula, and a step of its own."""

    def step(self, values, grads, segments=None):
        if grads.any():
            super().step(values, grads, segments)


@pytest.mark.parametrize("cls", [Backwards, Patient])
def test_a_subclass_with_a_method_of_its_own_runs_it(cls):
    w, gradients = data(45)
    gradients[2] = 0
    np.testing.assert_array_equal(by_kernel(cls(0.1), w, gradients), by_formula(cls(0.1), w, gradients))
    assert updates.kernels_for(cls()) == []


def test_an_update_set_on_the_object_runs():
    optimizer = SGD(0.5)
    optimizer.update = lambda w, g, rate, slots, a: w.fill(7)
    assert by_kernel(optimizer, np.ones(3, "float32"), np.ones((1, 3), "float32")).tolist() == [7, 7, 7]


def test_a_subclass_without_a_formula_of_its_own_has_a_kernel():
    class Renamed(Adam):
        pass

    assert updates.kernels_for(Renamed()) == updates.kernels_for(Adam()) != []


@every
def test_weights_in_float64_stay_in_float64(optimizer):
    w, gradients = data(45, "float64")
    found = by_kernel(copy_of(optimizer), w, gradients)
    np.testing.assert_array_equal(found, by_formula(copy_of(optimizer), w, gradients))


@every
def test_the_kernel_is_known_before_it_is_needed(optimizer):
    assert len(updates.kernels_for(optimizer)) == 1


def calls_by_thread(size):
    """(thread, first piece, behind the last piece) of each call in an update of so many weights by three threads."""
    calls, wide = [], Team(3)
    run = wide.run
    wide.run = lambda work, n: run(lambda *part: (calls.append(part), work(*part)), n)
    w, gradients = data(size, steps=1)
    updates.update(SGD(), w, gradients[0], segments(size), wide)
    return sorted(calls)


def test_threads_share_the_vectors_by_pieces():
    assert calls_by_thread(75) == [(0, 0, 2), (1, 2, 4), (2, 4, 5)]


def test_a_short_vector_is_not_divided():
    assert calls_by_thread(16) == [(0, 0, 1), (1, 1, 1), (2, 1, 1)]


def test_a_piece_is_a_whole_number_of_cache_lines(monkeypatch):
    monkeypatch.undo()
    assert updates.PIECE % 32 == 0
