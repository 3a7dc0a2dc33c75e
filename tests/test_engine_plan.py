"""The plan: which layers become which block, and that a network on blocks is the same network."""

import threading
import tracemalloc

import numpy as np
import pytest

from tinyconv import Input, Model, Sequential, config
from tinyconv.callbacks import Callback
from tinyconv.layers import (
    Activation,
    Add,
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    Layer,
    MaxPooling2D,
    MinPooling2D,
    ReLU,
    Rescaling,
)
from tinyconv.losses import SparseCategoricalCrossentropy

pytest.importorskip("numba")

IMAGE = (13, 11, 3)


@pytest.fixture(autouse=True)
def on_the_machine():
    """Blocks run what they can."""
    with config.engine("numba"):
        yield


def relu_conv(filters=5, size=3, **settings):
    return Conv2D(filters, size, activation="relu", **settings)


#: Networks by name: hidden layers between an image and a Dense output, with what runs them.
NETWORKS = {
    "conv, pool": ([relu_conv(), MaxPooling2D(), relu_conv(9), MaxPooling2D(padding="same")], "CC"),
    "rescaled": ([Rescaling(1 / 255, offset=-0.3), relu_conv(10, padding="same"), relu_conv(12)], "CC"),
    "min and average": ([relu_conv(16), MinPooling2D(), Conv2D(7, 3), AveragePooling2D()], "CC"),
    "overlapping pool": ([relu_conv(17), MaxPooling2D(3, strides=2, padding="same")], "C"),
    "strides, dilation": ([Conv2D(4, 3, strides=(2, 1)), Conv2D(6, (2, 3), dilation_rate=2, activation="relu")], "CC"),
    "groups": ([Conv2D(6, 3, groups=3), ReLU(), DepthwiseConv2D(3, depth_multiplier=2), Conv2D(4, 1)], "CCC"),
    "norm after relu": ([relu_conv(10), BatchNormalization(), MaxPooling2D(padding="same")], "CN"),
    "dropout, norm": ([relu_conv(10), Dropout(0.4), BatchNormalization(momentum=0.5), MinPooling2D()], "CN"),
    "norm, relu": ([Conv2D(9, 3), BatchNormalization(), ReLU(), MaxPooling2D(), Conv2D(5, 3)], "CNC"),
    "norm alone": ([BatchNormalization(), relu_conv(8), BatchNormalization(scale=False), Dropout(0.2)], "NCND"),
    "pools alone": ([MaxPooling2D(3, strides=1), AveragePooling2D((2, 3)), MinPooling2D()], "PPP"),
    "dense": ([Flatten(), Dense(20, activation="relu"), Dropout(0.3), Dense(7), BatchNormalization()], ".FDFN"),
    "other activations": ([Conv2D(5, 3, activation="tanh"), MaxPooling2D(), Conv2D(9, 3), Activation("elu")], "C.PC."),
}


def network(hidden):
    """An image, the hidden layers as copies of their own, and three classes."""
    copies = [type(layer).from_config(layer.get_config() | {"name": None}) for layer in hidden]
    flat = [] if any(isinstance(layer, Flatten) for layer in hidden) else [Flatten()]
    return Sequential([Input(IMAGE), *copies, *flat, Dense(3, activation="softmax")])


def batch(n=6, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, *IMAGE)).astype(np.float32), rng.integers(0, 3, n)


def blocks_of(plan):
    """A letter for each step: what runs it."""
    letters = {"convolution": "C", "normalization": "N", "pooling": "P", "dense": "F", "dropout": "D"}
    return "".join("." if isinstance(step.runs, Layer) else letters[step.runs.title] for step in plan.steps)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_table_finds_the_blocks(name):
    hidden, expected = NETWORKS[name]
    found = blocks_of(network(hidden)._plans.current)
    assert found.startswith(expected)


def step_of(model, engine, x, y, optimizer="sgd"):
    """Loss, gradients by input and parameters, outputs, and weights after two steps, on one engine."""
    config.set_random_seed(3)
    with config.engine(engine):
        model.compile(optimizer, "sparse_categorical_crossentropy")
        before = model.get_weights()
        loss, dx = model.loss_and_gradients(x, y)
        grads = {f"{m.name}/{k}": g.copy() for m in model.sublayers() for k, g in m.grads.items()}
        outputs = model.predict(x, verbose=0)
        losses = [model.train_on_batch(x, y) for _ in range(2)]
        after = model.get_weights()
        model.set_weights(before)
    return {"loss": loss, "dx": dx[0], **grads, "outputs": outputs, "losses": losses, **dict(enumerate(after))}


def assert_agree(model, x, y, tolerance=2e-4, **settings):
    """Both engines give the same numbers, relative to each array's largest."""
    expected, found = (step_of(model, engine, x, y, **settings) for engine in ("numpy", "numba"))
    for name, want in expected.items():
        scale = np.abs(want).max() + 2e-2  # a bias before a normalisation has gradient 0
        np.testing.assert_allclose(found[name], want, rtol=0, atol=tolerance * scale, err_msg=str(name))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("n", [1, 6])
def test_both_engines_train_alike(name, n):
    assert_agree(network(NETWORKS[name][0]), *batch(n))


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "adagrad"])
def test_optimizers_on_both_engines(optimizer):
    assert_agree(network(NETWORKS["conv, pool"][0]), *batch(), optimizer=optimizer, tolerance=1e-3)


def test_a_shorter_batch_after_a_longer_one():
    model = network(NETWORKS["conv, pool"][0])
    model.compile("sgd", "sparse_categorical_crossentropy")
    x, y = batch(7)
    model.train_on_batch(x, y)
    assert_agree(model, x[:3], y[:3])


def test_branches_and_a_layer_used_twice():
    x = Input(IMAGE)
    shared = relu_conv(10, padding="same")
    a = shared(Conv2D(10, 1)(x))
    b = shared(a)
    y = GlobalAveragePooling2D()(Add()([a, MaxPooling2D(1)(b)]))
    assert_agree(Model(x, Dense(3, activation="softmax")(y)), *batch())


class Cut(Layer):
    """The first rows and columns, which may be none."""

    def __init__(self, height, width, **kwargs):
        super().__init__(**kwargs)
        self.height, self.width = height, width

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.height, self.width, input_shape[3])


@pytest.mark.parametrize(("size", "letters"), [((0, 4), ".."), ((3, 0), ".."), ((3, 4), ".N")], ids=str)
def test_empty_images_run_as_the_layers(size, letters):
    x = Input(IMAGE)
    assert blocks_of(Model(x, BatchNormalization()(Cut(*size)(x)))._plans.current) == letters


def test_a_wanted_map_is_not_swallowed():
    x = Input(IMAGE)
    feature_map = relu_conv(9)(x)
    model = Model(x, [feature_map, MaxPooling2D()(feature_map)])
    images = batch()[0]
    found, pooled = model.predict(images, verbose=0)
    with config.engine("numpy"):
        expected, smaller = model.predict(images, verbose=0)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(pooled, smaller, atol=1e-5)


def test_a_model_inside_runs_as_its_layers():
    inside = Sequential([Input(IMAGE), relu_conv(9, padding="same"), Conv2D(3, 1)])
    x = Input(IMAGE)
    y = Flatten()(MaxPooling2D()(inside(inside(x))))
    model = Model(x, Dense(3, activation="softmax")(y))
    assert blocks_of(model._plans.current) == "CCCC.F."
    assert_agree(model, *batch())


def test_float64_runs_on_the_mathematics():
    with_double = Sequential([Input(IMAGE), Conv2D(4, 3, dtype="float64"), Flatten(dtype="float64")])
    assert set(blocks_of(with_double._plans.current)) == {"."}


def test_a_layer_of_ones_own_trains():
    class Halved(Conv2D):
        def forward(self, x, training=False):
            y, cache = super().forward(x, training)
            return y / 2, cache

        def backward(self, dy, cache):
            return super().backward(dy / 2, cache)

    model = Sequential([Input(IMAGE), Halved(5, 3), relu_conv(4), Flatten(), Dense(3, activation="softmax")])
    assert blocks_of(model._plans.current).startswith(".C")
    assert_agree(model, *batch())


def test_the_first_block_computes_no_gradient_by_the_images():
    model = network(NETWORKS["conv, pool"][0])
    steps = model._plans.current.steps
    assert [step.feeds_back for step in steps[:2]] == [False, True]


def test_engines_may_change_between_steps():
    x, y = batch()
    losses = []
    for engines in (["numpy", "numpy", "numpy"], ["numba", "numpy", "numba"]):
        config.set_random_seed(1)
        model = network(NETWORKS["conv, pool"][0])
        model.compile("adam", "sparse_categorical_crossentropy")
        found = []
        for engine in engines:
            with config.engine(engine):
                found.append(model.train_on_batch(x, y))
        losses.append(found)
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)


def test_outputs_are_nobodys_buffers():
    model = network(NETWORKS["conv, pool"][0])
    first, second = batch(5)[0], batch(5, seed=1)[0]
    a = model.predict(first, verbose=0)
    kept = a.copy()
    model.predict(second, verbose=0)
    b = model(first)
    model(second)
    np.testing.assert_array_equal(a, kept)
    np.testing.assert_allclose(b, kept, atol=1e-6)


def test_several_threads_predict_at_once():
    model = network(NETWORKS["conv, pool"][0])
    inputs = [batch(4 + i, seed=i)[0] for i in range(6)]
    expected = [model.predict(x, verbose=0) for x in inputs]
    found = {}

    def ask(i):
        for _ in range(20):
            found[i] = model.predict(inputs[i], verbose=0)
            np.testing.assert_array_equal(found[i], expected[i])

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    for i in found:
        np.testing.assert_array_equal(found[i], expected[i])


@pytest.mark.parametrize("threads", [2, 3, 8])
def test_threads_change_rounding_only(threads):
    model, (x, y) = network(NETWORKS["dropout, norm"][0]), batch(7)
    alone = step_of(model, "numba", x, y)
    config.set_threads(threads)
    shared, again = (step_of(model, "numba", x, y) for _ in range(2))
    config.set_threads(None)
    for name, want in alone.items():
        np.testing.assert_allclose(shared[name], want, rtol=0, atol=1e-5 * (np.abs(want).max() + 1e-3))
        np.testing.assert_array_equal(shared[name], again[name])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", NETWORKS)
def test_nan_and_infinity_show(name, bad):
    model, (x, _) = network(NETWORKS[name][0]), batch(3)
    x[1, 6, 5, 1] = bad
    with config.engine("numpy"):
        expected = model.predict(x, verbose=0)
    found = model.predict(x, verbose=0)
    np.testing.assert_allclose(found[[0, 2]], expected[[0, 2]], atol=1e-5)
    assert np.isnan(found[1]).all() >= np.isnan(expected[1]).all()


class Watch(Callback):
    """Traces memory from the end of the first step on, or of the first epoch."""

    def __init__(self, since):
        self.since = since

    def begin(self):
        if not tracemalloc.is_tracing():
            tracemalloc.start()

    def on_train_batch_end(self, batch, logs=None):
        if self.since == "step":
            self.begin()

    def on_epoch_end(self, epoch, logs=None):
        self.begin()

    def on_train_end(self, logs=None):
        self.peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
@pytest.mark.parametrize("since", ["step", "epoch"])
def test_training_allocates_nothing_large(dtype, since):
    hidden = [relu_conv(16), MaxPooling2D(), relu_conv(24), BatchNormalization(), MaxPooling2D(), Dropout(0.2)]
    dense = [Flatten(), Dense(64, activation="relu"), Dense(3)]
    model = Sequential([Input((61, 56, 3)), Rescaling(1 / 255), *hidden, *dense])
    model.compile("adam", SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (200, 61, 56, 3)).astype(dtype), rng.integers(0, 3, 200)  # 2.6 MB of float32 in a batch
    held_out = (x[:70], y[:70]) if since == "epoch" else None  # its first batch needs memory of its own
    watch = Watch(since)
    model.fit(x, y, batch_size=64, epochs=2, validation_data=held_out, callbacks=[watch], verbose=0)
    assert watch.peak < 2**20


def test_the_plan_is_printed():
    lines = []
    model = network(NETWORKS["norm after relu"][0])
    model.plan(batch_size=16, print_fn=lines.append)
    text = "\n".join(lines)
    assert "conv2d" in text
    assert "batch_normalization + max_pooling2d" in text
    assert "few channels" in text
    assert "Workspace for a batch of 16" in text
