"""Random networks, trained for ten steps by tinyconv and by real Keras (extra "oracle"), from the same weights.

Both compute in float64, on the mathematics: there, rounding is too small for near-ties and batch normalisation to
magnify it, and agreement is asked for a thousand times as closely as float32 could give it. That the engine computes
what the mathematics computes is tested in `test_fuzz`.
"""

from random import Random

import pytest

from tests.fuzz import KERAS_STEPS, NOT_FOR_KERAS, Disagreement, Keras, agrees_with, check
from tests.fuzz_networks import random_task
from tinyconv.layers import Dense
from tinyconv.optimizers import Adam

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras's own
]

SEEDS = range(60)


@pytest.fixture(scope="module")
def compare():
    """The comparison with Keras."""
    pytest.importorskip("torch", reason="needs the extra 'oracle'")
    return agrees_with(Keras())


def task_of(seed):
    """The network of a seed."""
    return random_task(Random(seed), NOT_FOR_KERAS, KERAS_STEPS)


@pytest.mark.parametrize("seed", SEEDS)
def test_ten_steps_agree(compare, seed):
    check(task_of(seed), compare)


# The comparison can fail


def first_disagreement(compare):
    """What one of the networks brings to light."""
    for seed in SEEDS:
        check(task_of(seed), compare)


def test_another_epsilon_is_found(compare, monkeypatch):
    update = Adam.update

    def with_another_epsilon(self, *arguments):
        epsilon, self.epsilon = self.epsilon, 2 * self.epsilon
        update(self, *arguments)
        self.epsilon = epsilon

    monkeypatch.setattr(Adam, "update", with_another_epsilon)
    with pytest.raises(Disagreement, match="Keras: "):
        first_disagreement(compare)


def test_a_gradient_that_is_slightly_wrong_is_found(compare, monkeypatch):
    backward = Dense.backward
    monkeypatch.setattr(Dense, "backward", lambda self, *arguments: 1.00001 * backward(self, *arguments))
    with pytest.raises(Disagreement, match="Keras: "):
        first_disagreement(compare)
