"""Note 002: hands that show digits, and three learning rates."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tinyconv import config
from tinyconv._types import Array
from tinyconv.callbacks import LambdaCallback
from tinyconv.models import Model
from tinyconv.notes import printed
from tinyconv.notes.findings.base import Findings, Slip, reached
from tinyconv.notes.laying import lay_sign_digits
from tinyconv.notes.networks import NETWORKS, network
from tinyconv.notes.running import Run
from tinyconv.utils import load_img

FIRST = "Check the performance of the initial model"
FAST = "Learning rate 0.005, slowly less"
SLOW = "Learning rate 0.0005, slowly less"


def lay(folder: Path, quick: bool) -> None:
    """The data set as the note has unpacked it."""
    lay_sign_digits(folder, 20 if quick else None)


def numbers(run: Run) -> Iterator[tuple[str, str, str]]:
    """The last evaluation."""
    printed_loss, printed_accuracy = printed.EVALUATED["note002-slow"]
    loss, accuracy = run.names["score"]
    yield "evaluate, after the lower rate", f"{printed_loss:.4f}, {printed_accuracy:.4f}", f"{loss:.4f}, {accuracy:.4f}"


def examine(run: Run) -> Iterator[Slip]:
    """The note's slips, each with its number."""
    first, fast, slow = (next(fit for fit in run.fits if fit.cell == title) for title in (FIRST, FAST, SLOW))
    yield from _resizing(run)
    yield _evaluating(run)
    yield _choosing(run)
    for title, build, fit, rate in (
        (FAST, "Build model again", fast, 5e-3),
        (SLOW, "Build model once more", slow, 5e-4),
    ):
        decaying, steady = (
            run.again(build, title, changes={"decay_rate=0.96": f"decay_rate={factor}"}).fits[0]
            for factor in (0.96, 1.0)
        )
        steps = fit.model.optimizer.iterations
        left = fit.model.optimizer.learning_rate(steps) / rate
        yield Slip(
            f"The rate {rate:g} is to decay, by 0.96 in 1500 steps; after all {steps} steps it is still {left:.4f} of"
            " what it was. From the same weights:",
            f"decaying: {reached(decaying.history)}",
            f"not decaying: {reached(steady.history)}",
        )
    longer = run.again("Build model once more", SLOW, changes={"epochs = 8": "epochs = 20"}).fits[0]
    yield Slip(
        "The tuning ends with the lower rate after 8 epochs, below what the first network had after 20.",
        f"{len(slow.history['loss'])} epochs: {reached(slow.history)}; the first network: {reached(first.history)}",
        f"{len(longer.history['loss'])} epochs: {reached(longer.history)}",
    )


def _resizing(run: Run) -> Iterator[Slip]:
    """What np.resize does to images, here where few are too large, and where all are."""
    sizes = [load_img(path).size for path in sorted((run.folder / "Dataset").glob("*/*"))]
    large = [width * height for width, height in sizes if (width, height) != (100, 100)]
    seen = f"{100 * 100 / max(large):.2%} of the largest" if large else "none here"
    yield Slip(
        "np.resize(img, (100, 100, 1)) takes an image's first 10,000 pixels instead of making it smaller.",
        f"{len(large)} of {len(sizes)} images have another size; what is left of them: {seen}",
        "all of each image, with img.resize((100, 100))",
    )
    x, x_test = run.names["X"], run.names["X_test"]  # (N, 100, 100, 1)
    y, y_test = (run.names[name].argmax(axis=1) for name in ("Y", "Y_test"))
    found = []
    for smaller in (lambda image: np.resize(image, (50, 50, 1)), _halved):
        parts = [np.stack([255 * smaller(image) for image in part]) for part in (x, x_test)]  # (N, 50, 50, 1)
        config.set_random_seed(run.seed)
        model = _trained(parts[0], y, (parts[1], y_test), run.most_epochs or 8)
        found.append(model.evaluate(parts[1], y_test, verbose=0)[1])
    yield Slip(
        "The same, had all images been too large: to 50x50 pixels, then note 002's network, 8 epochs.",
        f"np.resize: {found[0]:.4f}",
        f"means of 2x2 pixels: {found[1]:.4f}",
    )


def _halved(image: Array) -> Array:
    """(100, 100, 1) -> (50, 50, 1)."""
    return image.reshape(50, 2, 50, 2, 1).mean(axis=(1, 3))


def _trained(x: Array, y: Array, test: tuple[Array, Array], epochs: int) -> Model:
    model = network("note002", x.shape[1:])
    NETWORKS["note002"].compile(model)
    model.fit(x, y, batch_size=128, epochs=epochs, validation_data=test, verbose=0)
    return model


def _evaluating(run: Run) -> Slip:
    """Whether an evaluation says what the last epoch said."""
    last = run.fits[0].last()
    again = run.fits[0].model.evaluate(run.names["test_ds"], verbose=0)[1]
    return Slip(
        f"After a training that ends at 0.9053, evaluate prints {printed.EVALUATED['note002'][1]}: the cells did not"
        " run in the order in which they stand.",
        f"last epoch: {last:.4f}",
        f"evaluate: {again:.4f}",
    )


def _choosing(run: Run) -> Slip:
    """The best epoch picked by the test images themselves, or by images set apart: in one and the same training."""
    images, labels = (np.concatenate(part) for part in zip(*run.names["train_ds"], strict=True))
    accuracies: list[float] = []
    config.set_random_seed(run.seed)
    model = network("note002")
    NETWORKS["note002"].compile(model)

    def measure(epoch: int, logs: object = None) -> None:
        accuracies.append(model.evaluate(run.names["test_ds"], verbose=0)[1])

    epochs = run.most_epochs or 20
    aside = LambdaCallback(on_epoch_end=measure)
    history = model.fit(images, labels, 128, epochs, validation_split=0.2, verbose=0, callbacks=[aside]).history
    chosen = int(np.argmax(history["val_accuracy"]))
    return Slip(
        "The part called validation is the test set too: whoever compares epochs and rates by it has tuned on it."
        " Here a fifth of the training part was set apart for choosing.",
        f"best epoch by the test images: {max(accuracies):.4f}",
        f"epoch {chosen + 1}, chosen by the images set apart: {accuracies[chosen]:.4f}",
    )


FINDINGS = Findings(
    "002",
    "hands that show digits",
    "the Sign Language Digits, as in the note",
    "three minutes",
    lay,
    {FIRST: "note002", FAST: "note002-decay", SLOW: "note002-slow"},
    examine,
    numbers,
)
