"""Note 003: the American manual alphabet, and the shapes that padding, strides and pooling make."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tinyconv import layers, utils
from tinyconv.notes.findings.base import Findings, Slip, reached
from tinyconv.notes.laying import lay_mnist, lay_sign_mnist
from tinyconv.notes.running import Run


def lay(folder: Path, quick: bool) -> None:
    """The course's tables, and some of MNIST."""
    lay_mnist(folder, 3000)  # of which the first program takes 2,000, for want of data of its own
    lay_sign_mnist(folder, 3000 if quick else None)


def examine(run: Run) -> Iterator[Slip]:
    """The note's slips, each with its number."""
    rmsprop = next(fit for fit in run.fits if fit.cell == "2.6 Training the model")
    adam = run.again(
        "2.1 Loading and preparing the data", "2.2 Reshaping images for a CNN",  # what follows gave y_train another use
        "2.3 Creating a convolutional model", "2.5 Compiling the model", "2.6 Training the model",
        changes={'metrics=["accuracy"]': 'metrics=["accuracy"], optimizer="adam"'},
    ).fits[0]  # fmt: skip
    yield Slip(
        "compile is given no optimizer, so that the network learns with Keras's default, RMSprop.",
        f"RMSprop: {reached(rmsprop.history)}",
        f"Adam: {reached(adam.history)}",
    )
    values = rmsprop.history["val_accuracy"]
    yield Slip(
        "One number of one epoch is given as the result, and the next epoch gives another.",
        f"last epoch: {values[-1]:.4f}",
        f"second half: {np.mean(values[len(values) // 2 :]):.4f} on average,"
        f" from {min(values[len(values) // 2 :]):.4f} to {max(values[len(values) // 2 :]):.4f}",
    )
    yield Slip(
        "print(model.summary()): summary prints by itself, and returns nothing.",
        f"{rmsprop.model.summary(print_fn=lambda line: None)}",
        "model.summary()",
    )
    size, kernel, padding, stride = 28, 3, 1, 2
    rounded = layers.Conv2D(1, kernel, strides=stride, padding=((padding, padding),) * 2)
    yield Slip(
        "The formula for the size of the output, [(I - F + 2P) / S] + 1, does not say that the quotient is rounded"
        f" down. With I={size}, F={kernel}, P={padding}, S={stride}:",
        f"{(size - kernel + 2 * padding) / stride + 1:g}",
        f"{rounded.compute_output_shape((None, size, size, 1))[1]}",
    )
    yield Slip(
        "24 classes fit the course's tables, with labels 0 to 23. Kaggle's tables of the same images go to 24, without"
        " 9.",
        f"to_categorical([24], 24): {_complaint()}",
        "to_categorical([24 - 1], 24), as the letters after J all move up by one",
    )


def _complaint() -> str:
    try:
        return str(utils.to_categorical([24], 24))
    except ValueError as error:
        return str(error).split(". Received")[0]


FINDINGS = Findings(
    "003",
    "hands that spell letters",
    "Sign Language MNIST, as in the note (its labels, from Kaggle's tables); MNIST's digits for the first program",
    "five minutes",
    lay,
    {"2.6 Training the model": "note003"},
    examine,
)
