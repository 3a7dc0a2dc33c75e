"""A program of a user of tinyconv: one training step of note 004's network. Its argument: threads."""

import sys

import numpy as np

from tinyconv import Input, Sequential, config
from tinyconv.layers import Conv2D, Dense, Flatten, MaxPooling2D

config.set_threads(int(sys.argv[1]))
rng = np.random.default_rng(0)
x, y = rng.random((128, 28, 28, 1), dtype=np.float32), rng.integers(0, 10, 128)
model = Sequential(
    [
        Input((28, 28, 1)),
        Conv2D(32, 3, activation="relu"),
        MaxPooling2D(),
        Conv2D(64, 3, activation="relu"),
        MaxPooling2D(padding="same"),
        Flatten(),
        Dense(64, activation="relu"),
        Dense(10, activation="softmax"),
    ]
)
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
print(model.train_on_batch(x, y))
