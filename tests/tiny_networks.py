"""Small networks and data for the tests of models and training. All sizes differ: N, H, W, C, classes."""

from contextlib import contextmanager

import numpy as np
import pytest

from tinyconv import Input, Model, Sequential
from tinyconv.callbacks import Callback
from tinyconv.layers import Add, BatchNormalization, Conv2D, Dense, Flatten, GlobalAveragePooling2D, MaxPooling2D

N, H, W, C, CLASSES = 11, 7, 6, 2, 3
IMAGE = (H, W, C)


def images(n=N, seed=0):
    """(n, H, W, C) numbers from 0 to 1."""
    return np.random.default_rng(seed).random((n, *IMAGE), dtype=np.float32)


def labels(n=N, seed=1):
    """(n,) class numbers."""
    return np.random.default_rng(seed).integers(0, CLASSES, n)


def one_hot(y):
    """(n,) class numbers -> (n, CLASSES)."""
    return np.eye(CLASSES, dtype=np.float32)[y]


#: The data of most tests.
X, Y = images(), labels()


def batches(sizes=(4, 3, 4)):
    """A list of (x, y) of these sizes."""
    return [(images(n, seed=i), labels(n, seed=10 + i)) for i, n in enumerate(sizes)]


def forever(source):
    """The batches again and again."""
    while True:
        yield from source


def convnet(*hidden, activation="softmax"):
    """Conv, pool, flatten, the hidden layers, and one output for each class."""
    first = [Input(IMAGE), Conv2D(4, 3, activation="relu"), MaxPooling2D(), Flatten()]
    return Sequential([*first, *hidden, Dense(CLASSES, activation=activation)])


def branched():
    """Two convolutions of one input, added."""
    x = Input(IMAGE)
    a = Conv2D(4, 3, activation="relu", padding="same")(x)
    b = Conv2D(4, (2, 5), padding="same")(x)
    return Model(x, Dense(CLASSES, activation="softmax")(GlobalAveragePooling2D()(Add()([a, b]))))


def two_headed():
    """Inputs "left" (5,) and "right" (4,); outputs "kind" (a class of 3) and "size" (2 numbers)."""
    left, right = Input((5,), name="left"), Input((4,), name="right")
    h = Add()([Dense(6, activation="tanh")(left), Dense(6)(right)])
    outputs = [Dense(CLASSES, activation="softmax", name="kind")(h), Dense(2, name="size")(Dense(7)(h))]
    return Model([left, right], outputs)


def two_headed_data(n=N):
    """([left, right], [kind, size]) for `two_headed`."""
    rng = np.random.default_rng(3)
    x = [rng.normal(size=(n, 5)), rng.normal(size=(n, 4))]
    return x, [rng.integers(0, CLASSES, n), rng.normal(size=(n, 2))]


def compiled(model=None, optimizer="sgd", loss="sparse_categorical_crossentropy", **settings):
    """The model, a `convnet` if None, ready to train."""
    model = convnet() if model is None else model
    model.compile(optimizer, loss, **settings)
    return model


def trained(*hidden, optimizer="adam", **settings):
    """A network after two steps, so that an error has something to spoil."""
    model = compiled(convnet(BatchNormalization(), *hidden), optimizer, **settings)
    model.fit(X, Y, epochs=2, verbose=0)
    return model


def assert_same(ours, theirs):
    """Two lists hold the same arrays, bit for bit."""
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b)


def differ(ours, theirs):
    """Whether any array of one list differs from that of the other."""
    return any((a != b).any() for a, b in zip(ours, theirs, strict=True))


@contextmanager
def refused(model, match, exception=ValueError):
    """The block raises an error with where, expected, received and ``match``, and the model is as it was."""
    weights = model.get_weights()
    iterations = model.optimizer.iterations if model.optimizer else None
    with pytest.raises(exception, match=match) as error:
        yield
    assert ": expected " in str(error.value)
    assert ". Received " in str(error.value)
    assert_same(model.get_weights(), weights)
    assert (model.optimizer.iterations if model.optimizer else None) == iterations


def fit(model, x=X, y=Y, **settings):
    """The history of a silent training, as a dictionary."""
    return model.fit(x, y, **{"verbose": 0, **settings}).history


def surprises(model, x=X, y=Y):
    """-log of the probability of each label."""
    return -np.log(model.predict(x, verbose=0)[np.arange(len(y)), y])


class Seen(Callback):
    """Notes the parameters' first number after each batch: equal notes, equal training."""

    def __init__(self):
        super().__init__()
        self.batches, self.epochs = [], []

    def on_train_batch_end(self, batch, logs=None):
        self.batches.append((batch, float(self.model.get_weights()[0].flat[0])))

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append(epoch)


class Unchanging(Callback):
    """Sets the learning rate to 0, so that every step sees the same network."""

    def on_train_begin(self, logs=None):
        self.model.optimizer.learning_rate = 0.0


class DataSet:
    """Batches by index, without an iterator of its own."""

    def __init__(self, source=None):
        self.source = batches() if source is None else source
        self.ended = 0

    def __len__(self):
        return len(self.source)

    def __getitem__(self, i):
        return self.source[i]

    def on_epoch_end(self):
        self.ended += 1


class Again:
    """Batches that begin anew with each pass."""

    def __init__(self, source=None):
        self.source = batches() if source is None else source

    def __iter__(self):
        return iter(self.source)
