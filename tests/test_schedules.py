"""Learning rate schedules against their closed forms, and against Keras."""

import math

import numpy as np
import pytest
from oracle import array, assert_arguments_of_keras, load_keras

from tinyconv.optimizers import schedules

STEPS = range(0, 26)


def test_exponential_decay_in_closed_form():
    schedule = schedules.ExponentialDecay(0.3, 10, 0.5)
    np.testing.assert_allclose([schedule(t) for t in STEPS], [0.3 * 0.5 ** (t / 10) for t in STEPS])


def test_exponential_decay_in_stairs():
    schedule = schedules.ExponentialDecay(0.3, 10, 0.5, staircase=True)
    np.testing.assert_allclose([schedule(t) for t in STEPS], [0.3] * 10 + [0.15] * 10 + [0.075] * 6)


def test_note_002_decays_by_a_quarter_of_a_percent():
    schedule = schedules.ExponentialDecay(5e-4, decay_steps=1500, decay_rate=0.96)
    assert round(schedule(8 * 13) / 5e-4, 4) == 0.9972


def test_inverse_time_decay_in_closed_form():
    schedule = schedules.InverseTimeDecay(0.3, 10, 2.0)
    np.testing.assert_allclose([schedule(t) for t in STEPS], [0.3 / (1 + 0.2 * t) for t in STEPS])


def test_polynomial_decay_in_closed_form():
    schedule = schedules.PolynomialDecay(0.3, 10, 0.1, power=2.0)
    expected = [0.1 + 0.2 * (1 - t / 10) ** 2 if t < 10 else 0.1 for t in STEPS]
    np.testing.assert_allclose([schedule(t) for t in STEPS], expected)


def test_polynomial_decay_in_cycles():
    schedule = schedules.PolynomialDecay(0.3, 10, 0.1, cycle=True)
    np.testing.assert_allclose([schedule(0), schedule(10), schedule(11), schedule(20)], [0.3, 0.1, 0.19, 0.1])


def test_cosine_decay_in_closed_form():
    schedule = schedules.CosineDecay(0.4, 20, alpha=0.25)
    expected = [0.1 + 0.3 * (1 + math.cos(math.pi * min(t, 20) / 20)) / 2 for t in STEPS]
    np.testing.assert_allclose([schedule(t) for t in STEPS], expected)


def test_cosine_decay_warms_up_along_a_line():
    schedule = schedules.CosineDecay(0.1, 20, warmup_target=0.5, warmup_steps=4)
    np.testing.assert_allclose([schedule(t) for t in (0, 1, 3, 4, 14, 24)], [0.1, 0.2, 0.4, 0.5, 0.25, 0.0], atol=1e-12)


def test_piecewise_constant_changes_after_its_boundary():
    schedule = schedules.PiecewiseConstantDecay([3, 5], [0.3, 0.2, 0.1])
    assert [schedule(t) for t in range(8)] == [0.3] * 4 + [0.2] * 2 + [0.1] * 2


SCHEDULES = [
    ("ExponentialDecay", {"initial_learning_rate": 0.3, "decay_steps": 7, "decay_rate": 0.5}),
    ("ExponentialDecay", {"initial_learning_rate": 0.3, "decay_steps": 7, "decay_rate": 0.5, "staircase": True}),
    ("InverseTimeDecay", {"initial_learning_rate": 0.3, "decay_steps": 7, "decay_rate": 0.5}),
    ("InverseTimeDecay", {"initial_learning_rate": 0.3, "decay_steps": 7, "decay_rate": 0.5, "staircase": True}),
    ("PolynomialDecay", {"initial_learning_rate": 0.3, "decay_steps": 7, "end_learning_rate": 0.1, "power": 0.5}),
    ("PolynomialDecay", {"initial_learning_rate": 0.3, "decay_steps": 7, "power": 2.0, "cycle": True}),
    ("CosineDecay", {"initial_learning_rate": 0.3, "decay_steps": 15, "alpha": 0.2}),
    ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 15, "warmup_target": 0.4, "warmup_steps": 5}),
    ("PiecewiseConstantDecay", {"boundaries": [3, 9], "values": [0.3, 0.2, 0.1]}),
]
each_schedule = pytest.mark.parametrize(("name", "settings"), SCHEDULES)


@each_schedule
def test_a_configuration_rebuilds_the_schedule(name, settings):
    schedule = getattr(schedules, name)(**settings)
    again = schedules.get(schedules.serialize(schedule))
    assert [again(t) for t in STEPS] == [schedule(t) for t in STEPS]


@pytest.mark.oracle
@each_schedule
def test_schedule_agrees_with_keras(name, settings):
    theirs = getattr(load_keras().optimizers.schedules, name)(**settings)
    ours = getattr(schedules, name)(**settings)
    expected = [float(array(theirs(t))) for t in STEPS]
    np.testing.assert_allclose([ours(t) for t in STEPS], expected, rtol=1e-5, atol=1e-7)


@pytest.mark.oracle
@pytest.mark.parametrize("name", sorted({name for name, _ in SCHEDULES}))
def test_arguments_of_schedules_are_those_of_keras(name):
    assert_arguments_of_keras(getattr(schedules, name), getattr(load_keras().optimizers.schedules, name))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: schedules.ExponentialDecay(0.1, 0, 0.5), "ExponentialDecay: expected decay_steps above 0"),
        (lambda: schedules.PiecewiseConstantDecay([1], [0.1]), "1 boundaries and 1 values"),
        (lambda: schedules.PiecewiseConstantDecay([2, 1], [1, 2, 3]), "increasing boundaries"),
        (lambda: schedules.get("linear"), "learning rate schedule 'linear'"),
    ],
)
def test_messages(make, message):
    with pytest.raises(ValueError, match=message):
        make()
