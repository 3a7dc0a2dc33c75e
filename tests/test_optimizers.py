"""Optimizers: the first two steps written out by hand, the flat vectors, clipping, decay, names and messages."""

import math
import tracemalloc

import numpy as np
import pytest

from tinyconv import optimizers
from tinyconv.optimizers import SGD, Adagrad, Adam, AdamW, RMSprop, base, schedules

W = [1.0, -2.0, 0.5]
GRADIENTS = [[0.1, -0.4, 2.0], [0.3, 0.2, -1.0]]
SEGMENTS = [("dense/kernel", slice(0, 6)), ("dense/bias", slice(6, 8)), ("dense_1/kernel", slice(8, 11))]


def two_steps(optimizer):
    """The weights after two steps from W along GRADIENTS."""
    w = np.array(W)
    for gradient in GRADIENTS:
        optimizer.step(w, np.array(gradient))
    return w


# ---- two steps by hand: plain Python, one weight at a time


def sgd(w, first, second, rate):
    return w - rate * first - rate * second


def momentum(w, first, second, rate, mu):
    m1 = -rate * first
    m2 = mu * m1 - rate * second
    return w + m1 + m2


def nesterov(w, first, second, rate, mu):
    m1 = -rate * first
    w = w + mu * m1 - rate * first
    m2 = mu * m1 - rate * second
    return w + mu * m2 - rate * second


def rmsprop(w, first, second, rate, rho, eps):
    v1 = (1 - rho) * first**2
    w = w - rate * first / math.sqrt(v1 + eps)
    v2 = rho * v1 + (1 - rho) * second**2
    return w - rate * second / math.sqrt(v2 + eps)


def rmsprop_centered_with_momentum(w, first, second, rate, rho, mu, eps):
    v1, u1 = (1 - rho) * first**2, (1 - rho) * first
    m1 = rate * first / math.sqrt(v1 - u1**2 + eps)
    v2, u2 = rho * v1 + (1 - rho) * second**2, rho * u1 + (1 - rho) * second
    m2 = mu * m1 + rate * second / math.sqrt(v2 - u2**2 + eps)
    return w - m1 - m2


def adam(w, first, second, rate, b1, b2, eps, amsgrad=False):
    m1, v1 = (1 - b1) * first, (1 - b2) * first**2
    w = w - rate * math.sqrt(1 - b2) / (1 - b1) * m1 / (math.sqrt(v1) + eps)
    m2, v2 = b1 * m1 + (1 - b1) * second, b2 * v1 + (1 - b2) * second**2
    v2 = max(v1, v2) if amsgrad else v2
    return w - rate * math.sqrt(1 - b2**2) / (1 - b1**2) * m2 / (math.sqrt(v2) + eps)


def adamw(w, first, second, rate, decay, b1, b2, eps):
    m1, v1 = (1 - b1) * first, (1 - b2) * first**2
    w = w * (1 - rate * decay) - rate * math.sqrt(1 - b2) / (1 - b1) * m1 / (math.sqrt(v1) + eps)
    m2, v2 = b1 * m1 + (1 - b1) * second, b2 * v1 + (1 - b2) * second**2
    return w * (1 - rate * decay) - rate * math.sqrt(1 - b2**2) / (1 - b1**2) * m2 / (math.sqrt(v2) + eps)


def adagrad(w, first, second, rate, start, eps):
    s1 = start + first**2
    w = w - rate * first / math.sqrt(s1 + eps)
    return w - rate * second / math.sqrt(s1 + second**2 + eps)


BY_HAND = [
    (SGD(0.1), lambda *wg: sgd(*wg, 0.1)),
    (SGD(0.1, momentum=0.9), lambda *wg: momentum(*wg, 0.1, 0.9)),
    (SGD(0.1, momentum=0.9, nesterov=True), lambda *wg: nesterov(*wg, 0.1, 0.9)),
    (RMSprop(0.1, rho=0.8, epsilon=0.01), lambda *wg: rmsprop(*wg, 0.1, 0.8, 0.01)),
    (
        RMSprop(0.1, rho=0.8, momentum=0.7, epsilon=0.01, centered=True),
        lambda *wg: rmsprop_centered_with_momentum(*wg, 0.1, 0.8, 0.7, 0.01),
    ),
    (Adam(0.1, 0.7, 0.8, epsilon=0.01), lambda *wg: adam(*wg, 0.1, 0.7, 0.8, 0.01)),
    (Adam(0.1, 0.7, 0.5, epsilon=0.01, amsgrad=True), lambda *wg: adam(*wg, 0.1, 0.7, 0.5, 0.01, amsgrad=True)),
    (AdamW(0.1, 0.5, 0.7, 0.8, 0.01), lambda *wg: adamw(*wg, 0.1, 0.5, 0.7, 0.8, 0.01)),
    (Adagrad(0.1, 0.3, epsilon=0.01), lambda *wg: adagrad(*wg, 0.1, 0.3, 0.01)),
]


@pytest.mark.parametrize(("optimizer", "formula"), BY_HAND, ids=lambda x: type(x).__name__)
def test_two_steps_by_hand(optimizer, formula):
    expected = [formula(w, first, second) for w, first, second in zip(W, *GRADIENTS, strict=True)]
    np.testing.assert_allclose(two_steps(optimizers.get(optimizers.serialize(optimizer))), expected, rtol=1e-12)


def test_adam_keeps_epsilon_outside_the_correction():
    w = np.array([0.0])
    Adam(1.0, epsilon=1.0).step(w, np.array([1.0]))
    np.testing.assert_allclose(w, [-math.sqrt(0.001) / (math.sqrt(0.001) + 1)])


def test_rmsprop_keeps_epsilon_under_the_root():
    w = np.array([0.0])
    RMSprop(1.0, epsilon=1.0).step(w, np.array([1.0]))
    np.testing.assert_allclose(w, [-1 / math.sqrt(1.1)])


# ---- the flat vectors

EVERY = [
    SGD(), SGD(momentum=0.9), SGD(momentum=0.9, nesterov=True), RMSprop(), RMSprop(momentum=0.5, centered=True),
    Adam(), Adam(amsgrad=True), AdamW(), Adagrad(),
]  # fmt: skip
every = pytest.mark.parametrize("optimizer", EVERY, ids=[f"{type(o).__name__}{i}" for i, o in enumerate(EVERY)])


def copy_of(optimizer):
    return optimizers.get(optimizers.serialize(optimizer))


@every
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_updates_in_place_and_leaves_gradients_alone(optimizer, dtype):
    optimizer = copy_of(optimizer)
    w, g = np.ones(5, dtype), np.arange(5, dtype=dtype)
    before = w.copy()
    view = w[1:3]
    optimizer.step(w, g)
    np.testing.assert_array_equal(g, np.arange(5))
    assert w.dtype == dtype
    assert not np.array_equal(w, before)
    np.testing.assert_array_equal(view, w[1:3])
    assert all(slot.dtype == dtype for slot in optimizer.slots.values())


@every
def test_blocks_give_what_one_piece_gives(optimizer, monkeypatch):
    rng = np.random.default_rng(1)
    start, gradients = rng.normal(size=11), rng.normal(size=(3, 11))
    results = []
    for block in (4, 1000):
        monkeypatch.setattr(base, "BLOCK", block)
        again, w = copy_of(optimizer), start.copy()
        for g in gradients:
            again.step(w, g.copy(), SEGMENTS)
        results.append(w)
    np.testing.assert_array_equal(*results)


@every
def test_resumes_from_slots_iterations_and_configuration(optimizer):
    rng = np.random.default_rng(2)
    w, gradients = rng.normal(size=11), rng.normal(size=(5, 11))
    one = copy_of(optimizer)
    for g in gradients[:3]:
        one.step(w, g)
    other, w_other = copy_of(one), w.copy()
    other.build(w.size, w.dtype)
    other.iterations = one.iterations
    for name, slot in one.slots.items():
        other.slots[name][:] = slot
    for g in gradients[3:]:
        one.step(w, g.copy())
        other.step(w_other, g.copy())
    np.testing.assert_array_equal(w, w_other)


@every
def test_nan_in_the_gradient_reaches_the_weight(optimizer):
    w = np.ones(3)
    copy_of(optimizer).step(w, np.array([1.0, np.nan, 1.0]))
    assert list(np.isnan(w)) == [False, True, False]


@pytest.mark.parametrize(
    ("optimizer", "names"),
    [
        (SGD(), []),
        (SGD(momentum=0.9), ["momentum"]),
        (RMSprop(), ["velocity"]),
        (RMSprop(momentum=0.5, centered=True), ["velocity", "momentum", "average_gradient"]),
        (Adam(), ["momentum", "velocity"]),
        (AdamW(amsgrad=True), ["momentum", "velocity", "velocity_hat"]),
        (Adagrad(), ["accumulator"]),
    ],
    ids=repr,
)
def test_slots(optimizer, names):
    optimizer.build(7, "float32")
    assert list(optimizer.slots) == names
    assert all(slot.shape == (7,) for slot in optimizer.slots.values())


def test_adagrad_starts_its_sum_from_the_initial_value():
    optimizer = Adagrad(initial_accumulator_value=0.25)
    optimizer.build(3, "float64")
    np.testing.assert_array_equal(optimizer.slots["accumulator"], [0.25] * 3)


def test_build_again_keeps_the_slots():
    optimizer = Adam()
    w = np.ones(3)
    optimizer.step(w, np.ones(3))
    optimizer.build(3, w.dtype)
    assert optimizer.slots["momentum"].any()


def test_iterations_count_steps():
    optimizer = SGD()
    two_steps(optimizer)
    assert optimizer.iterations == 2


def test_a_step_allocates_no_vector():
    optimizer, w, g = Adam(), np.ones(2**20, "float32"), np.ones(2**20, "float32")
    optimizer.step(w, g)
    tracemalloc.start()
    optimizer.step(w, g)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**16  # one vector is 2**22 bytes


# ---- clipping and decay


def clipped(gradient, segments=SEGMENTS, **clip):
    """What is subtracted from the weights at learning rate 1."""
    w = np.zeros(len(gradient))
    SGD(1.0, **clip).step(w, np.array(gradient, dtype=float), segments)
    return -w


GRADIENT = np.array([3.0, 0, 0, 4.0, 0, 0, 0.3, 0.4, 0, -12.0, 0])  # lengths 5, 0.5 and 12


def test_clipvalue_holds_every_number():
    np.testing.assert_allclose(clipped(GRADIENT, clipvalue=2.0), np.clip(GRADIENT, -2, 2))


def test_clipnorm_shortens_each_parameter_by_itself():
    expected = np.concatenate([GRADIENT[:6] / 5, GRADIENT[6:8], GRADIENT[8:] / 12])
    np.testing.assert_allclose(clipped(GRADIENT, clipnorm=1.0), expected)


def test_global_clipnorm_shortens_all_parameters_alike():
    np.testing.assert_allclose(clipped(GRADIENT, global_clipnorm=1.0), GRADIENT / math.sqrt(25 + 0.25 + 144))


@pytest.mark.parametrize("clip", [{"clipnorm": 20.0}, {"global_clipnorm": 20.0}, {"clipvalue": 20.0}], ids=str)
def test_short_gradients_stay_as_they_are(clip):
    np.testing.assert_array_equal(clipped(GRADIENT, **clip), GRADIENT)


@pytest.mark.parametrize("clip", [{"clipnorm": 1.0}, {"global_clipnorm": 1.0}, {"clipvalue": 1.0}], ids=str)
@pytest.mark.parametrize("gradient", [np.zeros(11), np.full(11, np.nan)])
def test_clipping_of_zero_and_nan(clip, gradient):
    np.testing.assert_array_equal(clipped(gradient, **clip), gradient)


@pytest.mark.parametrize("clip", [{"clipnorm": 1.0}, {"global_clipnorm": 1.0}], ids=str)
def test_an_infinite_gradient_is_not_hidden(clip):
    assert np.isnan(clipped(np.full(11, np.inf), **clip)).all()


def test_weight_decay_shrinks_by_decay_times_learning_rate():
    w = np.full(11, 2.0)
    SGD(0.1, weight_decay=0.5).step(w, np.zeros(11), SEGMENTS)
    np.testing.assert_allclose(w, 2.0 * (1 - 0.05))


@pytest.mark.parametrize(
    ("excluded", "kept"),
    [
        ({"var_names": ["bias"]}, slice(6, 8)),
        ({"var_list": ["dense/kernel"]}, slice(0, 6)),
        ({"var_names": ["^dense_1"]}, slice(8, 11)),
    ],
)
def test_parameters_excluded_from_weight_decay_keep_their_size(excluded, kept):
    w, optimizer = np.ones(11), SGD(0.1, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(**excluded)
    copy_of(optimizer).step(w, np.zeros(11), SEGMENTS)
    expected = np.full(11, 0.95)
    expected[kept] = 1.0
    np.testing.assert_allclose(w, expected)


# ---- learning rate


def test_schedule_is_asked_before_the_count_goes_up():
    asked = []

    class Recorded(schedules.LearningRateSchedule):
        def __call__(self, step):
            asked.append(step)
            return 0.1

    two_steps(SGD(Recorded()))
    assert asked == [0, 1]


def test_current_learning_rate_follows_the_schedule():
    optimizer = SGD(schedules.ExponentialDecay(0.4, decay_steps=1, decay_rate=0.5))
    two_steps(optimizer)
    assert optimizer.current_learning_rate == pytest.approx(0.1)


def test_learning_rate_may_be_set():
    optimizer = SGD(0.1)
    optimizer.learning_rate = np.float32(0.5)
    assert optimizer.learning_rate == 0.5
    assert type(optimizer.current_learning_rate) is float


def test_learning_rate_is_set_and_read_like_a_variable_of_keras():
    optimizer = Adam(0.25)
    optimizer.learning_rate.assign(0.5)
    assert optimizer.learning_rate.numpy() == 0.5
    assert type(optimizer.learning_rate.numpy()) is type(optimizer.get_config()["learning_rate"]) is float
    assert repr(optimizer.learning_rate) == "0.5"


def test_learning_rate_may_not_be_set_over_a_schedule():
    optimizer = SGD(schedules.ExponentialDecay(0.4, 1, 0.5))
    with pytest.raises(TypeError, match="SGD: expected its schedule to set the learning rate"):
        optimizer.learning_rate = 0.5


# ---- names and settings


@pytest.mark.parametrize(
    ("name", "cls"),
    [("sgd", SGD), ("Adam", Adam), ("RMSprop", RMSprop), ("rmsprop", RMSprop), ("adamw", AdamW), ("adagrad", Adagrad)],
)
def test_names(name, cls):
    assert type(optimizers.get(name)) is cls


def test_class_and_instance():
    optimizer = Adam()
    assert optimizers.get(optimizer) is optimizer
    assert type(optimizers.get(Adam)) is Adam


@every
def test_a_configuration_rebuilds_the_optimizer(optimizer):
    assert copy_of(optimizer).get_config() == optimizer.get_config()


def test_a_configuration_holds_the_schedule():
    optimizer = Adam(schedules.PolynomialDecay(0.4, 10), clipnorm=1.0, weight_decay=0.1, name="mine")
    again = copy_of(optimizer)
    assert repr(again.learning_rate) == repr(optimizer.learning_rate)
    assert again.get_config() == optimizer.get_config()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: optimizers.get("adm"), ValueError, "Did you mean 'adam'"),
        (lambda: optimizers.get(3), TypeError, "optimizer: expected a name, a configuration or an Optimizer"),
        (lambda: Adam(lr=0.1), TypeError, "Adam: .* Received lr=0.1. Did you mean 'learning_rate'"),
        (lambda: SGD(decay=0.1), TypeError, "Give learning_rate a schedule"),
        (lambda: SGD(momentun=0.1), TypeError, "Received momentun=0.1. Did you mean 'momentum'"),
        (lambda: Adam("fast"), TypeError, "learning_rate as a number or a schedule. Received 'fast'"),
        (lambda: Adam(-0.1), ValueError, "learning_rate from 0. Received learning_rate=-0.1"),
        (lambda: Adam(float("nan")), ValueError, "learning_rate from 0"),
        (lambda: SGD(momentum=1.5), ValueError, "SGD: expected momentum from 0 to 1. Received momentum=1.5"),
        (lambda: Adam(beta_2=-1), ValueError, "Adam: expected beta_2 from 0 to below 1"),
        (lambda: Adam(beta_1=1.0), ValueError, "Adam: expected beta_1 from 0 to below 1"),
        (lambda: RMSprop(rho=2), ValueError, "RMSprop: expected rho from 0 to below 1"),
        (
            lambda: SGD(clipnorm=1.0, clipvalue=1.0),
            ValueError,
            "only one way to clip. Received clipnorm=1.0, clipvalue",
        ),
        (lambda: SGD(clipnorm=0), ValueError, "a positive number to clip at. Received clipnorm=0"),
    ],
)
def test_messages(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_an_optimizer_belongs_to_one_model():
    optimizer = Adam()
    optimizer.build(3)
    with pytest.raises(ValueError, match="Adam: expected the 3 weights that it was built for"):
        optimizer.build(4)
