"""The networks of the course notes, as near to the notes' own Keras programs as a function can be.

Each takes the shape of its images and the number of its classes, so that it can learn from other data than the note's;
left out, they are the note's. `NETWORKS` lists them by name, with what the note compiles and trains them with.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tinyconv import layers, losses, optimizers, utils
from tinyconv._types import Array
from tinyconv.checks import lookup
from tinyconv.models import Model, Sequential
from tinyconv.optimizers.schedules import ExponentialDecay

Size = tuple[int, int, int]

# Note 000: flowers, photographs of 100x100 pixels in five classes


def note000(input_shape: Size = (100, 100, 3), num_classes: int = 5) -> Sequential:
    """The baseline: three times convolution and pooling, then two dense layers."""
    model = Sequential()
    model.add(layers.Conv2D(32, (3, 3), activation="relu", input_shape=input_shape))
    model.add(layers.MaxPool2D((2, 2)))

    model.add(layers.Conv2D(64, (3, 3), activation="relu"))
    model.add(layers.MaxPool2D((2, 2)))

    model.add(layers.Conv2D(128, (3, 3), activation="relu"))
    model.add(layers.MaxPool2D((2, 2)))

    model.add(layers.Flatten())
    model.add(layers.Dense(512, activation="relu"))
    model.add(layers.Dense(num_classes, activation="softmax"))
    return model


def note000_dropout(input_shape: Size = (100, 100, 3), num_classes: int = 5) -> Sequential:
    """The baseline with dropout, more of it where there are more neurons."""
    model = Sequential()
    model.add(layers.Conv2D(32, (3, 3), activation="relu", input_shape=input_shape))
    model.add(layers.MaxPool2D((2, 2)))
    model.add(layers.Dropout(0.2))

    model.add(layers.Conv2D(64, (3, 3), activation="relu"))
    model.add(layers.MaxPool2D((2, 2)))
    model.add(layers.Dropout(0.2))

    model.add(layers.Conv2D(128, (3, 3), activation="relu"))
    model.add(layers.MaxPool2D((2, 2)))
    model.add(layers.Dropout(0.2))

    model.add(layers.Flatten())
    model.add(layers.Dense(512, activation="relu"))
    model.add(layers.Dropout(0.3))
    model.add(layers.Dense(num_classes, activation="softmax"))
    return model


def note000_same(input_shape: Size = (100, 100, 3), num_classes: int = 5) -> Sequential:
    """The baseline with "same" padding from the second convolution on."""
    model = Sequential()
    model.add(layers.Conv2D(32, (3, 3), activation="relu", input_shape=input_shape))
    model.add(layers.MaxPool2D((2, 2)))

    model.add(layers.Conv2D(64, (3, 3), activation="relu", padding="same"))
    model.add(layers.MaxPool2D((2, 2)))

    model.add(layers.Conv2D(128, (3, 3), activation="relu", padding="same"))
    model.add(layers.MaxPool2D((2, 2)))

    model.add(layers.Flatten())
    model.add(layers.Dense(512, activation="relu"))
    model.add(layers.Dense(num_classes, activation="softmax"))
    return model


def note000_filters(input_shape: Size = (100, 100, 3), num_classes: int = 5) -> Sequential:
    """The baseline with twice as many filters."""
    model = Sequential()
    model.add(layers.Conv2D(64, (3, 3), activation="relu", input_shape=input_shape))
    model.add(layers.MaxPool2D((2, 2)))

    model.add(layers.Conv2D(128, (3, 3), activation="relu"))
    model.add(layers.MaxPool2D((2, 2)))

    model.add(layers.Conv2D(256, (3, 3), activation="relu"))
    model.add(layers.MaxPool2D((2, 2)))

    model.add(layers.Flatten())
    model.add(layers.Dense(512, activation="relu"))
    model.add(layers.Dense(num_classes, activation="softmax"))
    return model


# Note 001: flowers, photographs of 299x299 pixels in five classes


def note001(input_shape: Size = (299, 299, 3), num_classes: int = 5) -> Model:
    """Written with the functional API: 350,586,533 parameters, nearly all of them in the first dense layer."""
    input_ = layers.Input(shape=input_shape)

    x = layers.Conv2D(filters=32, kernel_size=5, padding="same", activation="relu")(input_)
    x = layers.MaxPool2D(pool_size=2)(x)
    x = layers.Conv2D(filters=64, kernel_size=3, padding="same", activation="relu")(x)
    x = layers.MaxPool2D(pool_size=2)(x)

    x = layers.Flatten()(x)
    x = layers.Dense(units=1000, activation="relu")(x)
    x = layers.Dense(units=100, activation="relu")(x)

    output_ = layers.Dense(units=num_classes, activation="softmax")(x)
    return Model(inputs=[input_], outputs=[output_])


# Note 002: hands showing the digits, photographs of 100x100 pixels


def note002(input_shape: Size = (100, 100, 3), num_classes: int = 10) -> Sequential:
    """Takes pixels from 0 to 255 and rescales them itself; puts out logits, without a softmax."""
    return Sequential(
        [
            layers.Rescaling(1.0 / 255, input_shape=input_shape),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(num_classes),
        ]
    )


# Note 003: hands spelling letters, grey images of 28x28 pixels in 24 classes


def note003_first(input_shape: Size = (64, 64, 1), num_classes: int = 10) -> Sequential:
    """The program the note begins with."""
    model = Sequential()

    model.add(layers.Conv2D(32, (3, 3), activation="relu", input_shape=input_shape))
    model.add(layers.BatchNormalization())
    model.add(layers.MaxPooling2D((2, 2)))
    model.add(layers.Dropout(0.25))

    model.add(layers.Conv2D(64, (3, 3), activation="relu"))
    model.add(layers.BatchNormalization())
    model.add(layers.MaxPooling2D((2, 2)))
    model.add(layers.Dropout(0.25))

    model.add(layers.Flatten())

    model.add(layers.Dense(128, activation="relu"))
    model.add(layers.Dropout(0.5))

    model.add(layers.Dense(num_classes, activation="softmax"))
    return model


def note003(input_shape: Size = (28, 28, 1), num_classes: int = 24) -> Sequential:
    """Batch normalisation after each of three convolutions, and ever fewer filters."""
    model = Sequential()
    model.add(layers.Conv2D(75, (3, 3), strides=1, padding="same", activation="relu", input_shape=input_shape))
    model.add(layers.BatchNormalization())
    model.add(layers.MaxPool2D((2, 2), strides=2, padding="same"))
    model.add(layers.Conv2D(50, (3, 3), strides=1, padding="same", activation="relu"))
    model.add(layers.Dropout(0.2))
    model.add(layers.BatchNormalization())
    model.add(layers.MaxPool2D((2, 2), strides=2, padding="same"))
    model.add(layers.Conv2D(25, (3, 3), strides=1, padding="same", activation="relu"))
    model.add(layers.BatchNormalization())
    model.add(layers.MaxPool2D((2, 2), strides=2, padding="same"))
    model.add(layers.Flatten())
    model.add(layers.Dense(units=512, activation="relu"))
    model.add(layers.Dropout(0.3))
    model.add(layers.Dense(units=num_classes, activation="softmax"))
    return model


def note003_valid(input_shape: Size = (28, 28, 1), num_classes: int = 10) -> Sequential:
    """Three convolutions without padding: each takes a pixel off every side."""
    model = Sequential()
    model.add(layers.Conv2D(32, kernel_size=(3, 3), padding="valid", activation="relu", input_shape=input_shape))
    model.add(layers.Conv2D(32, kernel_size=(3, 3), padding="valid", activation="relu"))
    model.add(layers.Conv2D(32, kernel_size=(3, 3), padding="valid", activation="relu"))

    model.add(layers.Flatten())

    model.add(layers.Dense(128, activation="relu"))
    model.add(layers.Dense(num_classes, activation="softmax"))
    return model


def note003_same(input_shape: Size = (28, 28, 1), num_classes: int = 10) -> Sequential:
    """The same with padding: the image keeps its size."""
    model = Sequential()
    model.add(layers.Conv2D(32, kernel_size=(3, 3), padding="same", activation="relu", input_shape=input_shape))
    model.add(layers.Conv2D(32, kernel_size=(3, 3), padding="same", activation="relu"))
    model.add(layers.Conv2D(32, kernel_size=(3, 3), padding="same", activation="relu"))

    model.add(layers.Flatten())

    model.add(layers.Dense(128, activation="relu"))
    model.add(layers.Dense(num_classes, activation="softmax"))
    return model


def note003_strides(input_shape: Size = (28, 28, 1), num_classes: int = 10) -> Sequential:
    """The same with stride 2: each convolution halves the image, rounded up."""
    model = Sequential()
    model.add(
        layers.Conv2D(
            32, kernel_size=(3, 3), padding="same", strides=(2, 2), activation="relu", input_shape=input_shape
        )
    )
    model.add(layers.Conv2D(32, kernel_size=(3, 3), padding="same", strides=(2, 2), activation="relu"))
    model.add(layers.Conv2D(32, kernel_size=(3, 3), padding="same", strides=(2, 2), activation="relu"))

    model.add(layers.Flatten())

    model.add(layers.Dense(128, activation="relu"))
    model.add(layers.Dense(num_classes, activation="softmax"))
    return model


def note003_pooling(input_shape: Size = (28, 28, 1), num_classes: int = 10) -> Sequential:
    """Pooling instead of strides: it halves the image, rounded down."""
    model = Sequential()
    model.add(layers.Conv2D(32, kernel_size=(3, 3), padding="valid", activation="relu", input_shape=input_shape))
    model.add(layers.MaxPooling2D(pool_size=(2, 2), strides=2, padding="valid"))
    model.add(layers.Conv2D(32, kernel_size=(3, 3), padding="valid", activation="relu"))
    model.add(layers.MaxPooling2D(pool_size=(2, 2), strides=2, padding="valid"))

    model.add(layers.Flatten())

    model.add(layers.Dense(128, activation="relu"))
    model.add(layers.Dense(num_classes, activation="softmax"))
    return model


# Note 004: MNIST


def note004(input_shape: Size = (28, 28, 1), num_classes: int = 10) -> Sequential:
    """Two convolutions with pooling, two dense layers: 166,986 parameters."""
    model = Sequential()
    model.add(layers.Conv2D(32, (3, 3), input_shape=input_shape, activation="relu"))
    model.add(layers.MaxPooling2D(pool_size=(2, 2)))
    model.add(layers.Conv2D(64, (3, 3), activation="relu"))
    model.add(layers.MaxPooling2D(pool_size=(2, 2), padding="same"))
    model.add(layers.Flatten())
    model.add(layers.Dense(64, activation="relu"))
    model.add(layers.Dense(num_classes, activation="softmax"))
    return model


# How the notes train them


def _adam_that_slows_down(learning_rate: float) -> optimizers.Optimizer:
    return optimizers.Adam(learning_rate=ExponentialDecay(learning_rate, decay_rate=0.96, decay_steps=1500))


@dataclass(frozen=True)
class Program:
    """A network of a note, and how the note trains it.

    Attributes:
        build: makes the network, from ``input_shape`` and ``num_classes``.
        loss: what `compile` takes as loss.
        optimizer: name of the optimizer, or a function that makes one.
        batch_size: samples in a batch.
        epochs: how often the note goes over its data.
    """

    build: Callable[..., Model]
    loss: Any = "categorical_crossentropy"
    optimizer: str | Callable[[], optimizers.Optimizer] = "adam"
    batch_size: int = 32
    epochs: int = 10

    def make_optimizer(self, name: str | None = None) -> optimizers.Optimizer:
        """A new optimizer: the note's, or the one of this name.

        Raises:
            ValueError: for an unknown name; the nearest one is suggested.
        """
        chosen = name or self.optimizer
        return optimizers.get(chosen) if isinstance(chosen, str) else chosen()

    def compile(self, model: Model, optimizer: optimizers.Optimizer | None = None) -> None:
        """Compile a network as the note does, but for another optimizer if one is given."""
        model.compile(loss=self.loss, optimizer=optimizer or self.make_optimizer(), metrics=["accuracy"])

    def labels(self, y: Array, num_classes: int) -> Array:
        """Class numbers (N,) as the loss wants them: as they are, or as one-hot rows (N, num_classes)."""
        return utils.to_categorical(y, num_classes) if self.loss == "categorical_crossentropy" else y


_SPARSE = "sparse_categorical_crossentropy"
_LOGITS = losses.SparseCategoricalCrossentropy(from_logits=True)

#: Every network by name. Note 000 trained eight epochs, whatever its program says; the last four networks of note 003
#: are only summarised there, so how to train them is our choice.
NETWORKS: dict[str, Program] = {
    "note000": Program(note000, epochs=8),
    "note000-dropout": Program(note000_dropout, epochs=8),
    "note000-same": Program(note000_same, epochs=8),
    "note000-filters": Program(note000_filters, epochs=8),
    "note001": Program(note001, _SPARSE, epochs=25),
    "note002": Program(note002, _LOGITS, batch_size=128, epochs=20),
    "note002-decay": Program(note002, _LOGITS, lambda: _adam_that_slows_down(5e-3), batch_size=128, epochs=8),
    "note002-slow": Program(note002, _LOGITS, lambda: _adam_that_slows_down(5e-4), batch_size=128, epochs=8),
    "note003": Program(note003, optimizer="rmsprop"),  # the note names none, and this is Keras's default
    "note003-first": Program(note003_first),
    "note003-valid": Program(note003_valid),
    "note003-same": Program(note003_same),
    "note003-strides": Program(note003_strides),
    "note003-pooling": Program(note003_pooling),
    "note004": Program(note004, batch_size=128, epochs=10),
}


def network(name: str, input_shape: Size | None = None, num_classes: int | None = None) -> Model:
    """A network of the notes by its name in `NETWORKS`, for the note's images and classes or for others.

    >>> network("note004").count_params(), network("note003-pooling", num_classes=26).output_shape
    (166986, (None, 26))

    Raises:
        ValueError: for an unknown name, or images too small for the network.
    """
    program: Program = lookup("network", name, NETWORKS)
    sizes = {"input_shape": input_shape, "num_classes": num_classes}
    return program.build(**{key: value for key, value in sizes.items() if value is not None})
