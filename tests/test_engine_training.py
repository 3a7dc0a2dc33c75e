"""Whole trainings: the machine learns what the mathematics learns, from the same seed."""

import numpy as np
import pytest

from tinyconv import config, datasets
from tinyconv.notes.networks import NETWORKS

pytest.importorskip("numba")


def trained(engine, name, x, y, steps=20, n=16):
    """Losses of a note's network in its first steps, from seed 0 on one engine."""
    config.set_random_seed(0)
    program = NETWORKS[name]
    with config.engine(engine):
        model = program.build(input_shape=x.shape[1:])
        model.compile(program.make_optimizer(), program.loss)
        targets = program.labels(y, model.output_shape[-1])
        return [model.train_on_batch(x[n * i : n * i + n], targets[n * i : n * i + n]) for i in range(steps)]


def images(shape, classes, n=320):
    """Images of random squares, whose class is where the square lies, so that there is something to learn."""
    rng = np.random.default_rng(0)
    x, y = 0.1 * rng.random((n, *shape), dtype=np.float32), rng.integers(0, classes, n)
    step = (shape[0] - 6) // classes
    for image, k in zip(x, y, strict=True):
        image[k * step : k * step + 6, 3:9] += 0.9
    return x, y


NETWORKS_AND_SIZES = [("note004", (28, 28, 1)), ("note003", (28, 28, 1)), ("note002", (48, 40, 3))]


@pytest.mark.parametrize(("name", "shape"), NETWORKS_AND_SIZES)
def test_the_first_twenty_losses_are_the_same(name, shape):
    classes = NETWORKS[name].build(input_shape=shape).output_shape[-1]
    x, y = images(shape, classes)
    expected, found = (trained(engine, name, x, y) for engine in ("numpy", "numba"))
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert found[-1] < found[0]
