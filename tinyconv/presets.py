"""Recipes that reach more than the course notes: ``tinyconv train --preset mnist``.

A recipe is a network, changes to the images that make many of one, and how long to learn. All four networks are built
alike, of pairs of convolutions, each followed by batch normalisation; then pooling halves the map, and dropout hides a
part of it:

    28x28 --2 x conv--> 28x28 --pool--> 14x14 --2 x conv--> 14x14 --pool--> 7x7 --...--> flatten, dense, dense

No sample is ever seen twice in the same form: it is turned, moved, stretched or mirrored a little, anew in each epoch.
Which changes help is a question of what they leave as it was. A shirt in the mirror is a shirt, but a 2 is no 2.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tinyconv import layers
from tinyconv.datasets import fashion_mnist, mnist, sign_digits, sign_mnist
from tinyconv.models import Sequential
from tinyconv.notes import Program
from tinyconv.notes.networks import Size
from tinyconv.optimizers import Adam


def pairs(filters: Sequence[int], input_shape: Size, num_classes: int, dropout: float = 0.25) -> Sequential:
    """Two convolutions, pooling and dropout for each number of filters; then two dense layers.

    The averages of batch normalisation forget with a momentum of 0.9, not Keras's 0.99: they have arrived after some
    tens of steps, which is an epoch of a small data set.
    """
    model = Sequential([layers.Input(input_shape)])
    for width in filters:
        for _ in range(2):
            model.add(layers.Conv2D(width, 3, padding="same", activation="relu"))
            model.add(layers.BatchNormalization(momentum=0.9))
        model.add(layers.MaxPooling2D())
        model.add(layers.Dropout(dropout))
    model.add(layers.Flatten())
    model.add(layers.Dense(256, activation="relu"))
    model.add(layers.BatchNormalization(momentum=0.9))
    model.add(layers.Dropout(0.5))
    model.add(layers.Dense(num_classes, activation="softmax"))
    return model


@dataclass(frozen=True)
class Preset:
    """One recipe.

    Attributes:
        data: name of the data set.
        load: returns ``(x_train, y_train), (x_test, y_test)``.
        program: the network, and how it is trained.
        augmentation: arguments of `tinyconv.preprocessing.image.ImageDataGenerator`; empty for images as they are.
    """

    data: str
    load: Callable[[], Any]
    program: Program
    augmentation: Mapping[str, Any] = field(default_factory=dict)


def _program(*filters: int, epochs: int, batch_size: int = 128) -> Program:
    """How all four learn: by Adam; `tinyconv train` lets its learning rate fall to 0 along a cosine."""
    return Program(partial(pairs, filters), "sparse_categorical_crossentropy", lambda: Adam(2e-3), batch_size, epochs)


#: A hand-written digit leans a little, and is a little larger, or off the centre.
_DIGITS = {"rotation_range": 10, "width_shift_range": 0.08, "height_shift_range": 0.08, "zoom_range": 0.1}
#: So does a hand.
_SIGNS = {"rotation_range": 10, "width_shift_range": 0.1, "height_shift_range": 0.1, "zoom_range": 0.1}
#: The same signs by left and right hands; there are only 1,650 photographs, so more is done to each.
_HANDS = {**_SIGNS, "rotation_range": 15, "zoom_range": 0.15, "horizontal_flip": True}

PRESETS = {
    "mnist": Preset("mnist", mnist.load_data, _program(24, 48, 96, epochs=12), _DIGITS),
    "fashion-mnist": Preset(
        "fashion-mnist", fashion_mnist.load_data, _program(24, 48, 96, epochs=15), {"horizontal_flip": True}
    ),
    "sign-mnist": Preset("sign-mnist", sign_mnist.load_data, _program(24, 48, 96, epochs=8), _SIGNS),
    "sign-digits": Preset(
        "sign-digits",
        partial(sign_digits.load_data, image_size=64),
        _program(16, 32, 64, 96, epochs=60, batch_size=32),
        _HANDS,
    ),
}
