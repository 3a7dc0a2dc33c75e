"""Whole trainings: the machine learns what the mathematics learns, from the same seed.

Training magnifies rounding: where two cells of a pooling window are nearly equal, the last bit decides which of them
learns, and from then on two runs drift apart, a hundredfold with every step where a batch is normalised; so do two runs
of the mathematics from weights that differ in the last digit. So the measure is the median of five trainings, each
against the run in float64, and the network with normalised batches is watched for fewer steps.
"""

import numpy as np
import pytest

from tinyconv import config, datasets, optimizers
from tinyconv.notes.networks import NETWORKS

pytest.importorskip("numba")


def losses(name, x, y, engine, float_type="float32", steps=20, n=16):
    """Losses of a note's network in its first steps, from the same weights and dropout masks."""
    config.set_random_seed(0)
    program = NETWORKS[name]
    weights = program.build(input_shape=x.shape[1:]).get_weights()
    before = config.floatx()
    config.set_floatx(float_type)
    model = program.build(input_shape=x.shape[1:])
    config.set_floatx(before)
    model.set_weights(weights)
    model.compile(optimizers.SGD(0.01, momentum=0.9), program.loss)
    targets = program.labels(y, model.output_shape[-1])
    config.set_random_seed(7)
    with config.engine(engine):
        found = [model.train_on_batch(x[n * i : n * i + n], targets[n * i : n * i + n]) for i in range(steps)]
    return np.array(found)


def images(shape, classes, seed=0, n=320):
    """Noise with a bright square, whose place on a grid of five columns is the class: something to learn."""
    rng = np.random.default_rng(seed)
    x, y = 0.1 * rng.random((n, *shape), dtype=np.float32), rng.integers(0, classes, n)
    for image, k in zip(x, y, strict=True):
        row, column = 4 * (k // 5), 4 * (k % 5)
        image[row : row + 6, column : column + 6] += 0.9
    return x, y


#: Name, size of an image, steps.
NETWORKS_AND_SIZES = [("note004", (28, 28, 1), 20), ("note003", (28, 28, 1), 4), ("note002", (48, 40, 3), 20)]


@pytest.mark.parametrize(("name", "shape", "steps"), NETWORKS_AND_SIZES)
def test_the_first_losses_are_the_same(name, shape, steps):
    classes = NETWORKS[name].build(input_shape=shape).output_shape[-1]
    drifts = []
    for seed in range(5):
        x, y = images(shape, classes, seed)
        exact, found = (losses(name, x, y, *how, steps) for how in (("numpy", "float64"), ("numba", "float32")))
        drifts.append(np.abs(found / exact - 1))
    assert max(drift[0] for drift in drifts) < 1e-5  # nothing to magnify yet, and the same dropout
    assert np.median(drifts, axis=0).max() < 1e-4


def test_empty_background_stays_empty():
    """Where the map is exactly 0, Winograd's rounding must not open ReLU: images of digits are mostly background."""
    x = np.zeros((320, 28, 28, 1), np.float32)
    rng = np.random.default_rng(1)
    x[:, 9:19, 8:20] = rng.random((320, 10, 12, 1))
    y = rng.integers(0, 10, 320)
    expected, found = (losses("note004", x, y, engine) for engine in ("numpy", "numba"))
    np.testing.assert_allclose(found, expected, rtol=2e-6)


@pytest.mark.slow
@pytest.mark.data
def test_an_epoch_of_mnist_ends_at_the_same_accuracy():
    if config.data_folder() is None:
        pytest.skip("TINYCONV_DATA is unset")
    (x, y), (x_test, y_test) = datasets.mnist.load_data()
    x, x_test = (images[..., None] / np.float32(255) for images in (x, x_test))
    accuracy = {}
    for engine in ("numpy", "numba"):
        config.set_random_seed(1)
        program = NETWORKS["note004"]
        with config.engine(engine):
            model = program.build()
            model.compile(program.make_optimizer(), program.loss, metrics=["accuracy"])
            model.fit(x, program.labels(y, 10), batch_size=128, epochs=1, verbose=0)
            accuracy[engine] = model.evaluate(x_test, program.labels(y_test, 10), batch_size=128, verbose=0)[1]
    assert min(accuracy.values()) > 0.97
    assert abs(accuracy["numba"] - accuracy["numpy"]) <= 0.003
