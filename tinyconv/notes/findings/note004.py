"""Note 004: MNIST."""

from collections.abc import Iterator
from pathlib import Path

from tinyconv.notes.findings.base import Findings, Slip, reached
from tinyconv.notes.laying import lay_mnist
from tinyconv.notes.running import Run


def lay(folder: Path, quick: bool) -> None:
    """MNIST."""
    lay_mnist(folder, 6000 if quick else None)


def examine(run: Run) -> Iterator[Slip]:
    """What is odd about the note's training, in numbers."""
    fit = run.fits[0]
    best, epoch = fit.best()
    yield Slip(
        "Every epoch is judged by the test images. Whoever then picks the best epoch has picked by the test images"
        " too.",
        f"best epoch, {epoch}: {best:.4f}",
        f"last epoch: {fit.last():.4f}",
    )
    longer = run.again("Summary", "Training", changes={"epochs=10": "epochs=20"}).fits[0]
    yield Slip(
        "The program says epochs=20, and 10 are printed. What do 10 more bring?",
        f"{len(fit.history['loss'])} epochs: {reached(fit.history)}",
        f"{len(longer.history['loss'])} epochs: {reached(longer.history)}",
    )


FINDINGS = Findings(
    "004",
    "handwritten digits",
    "MNIST, as in the note",
    "two minutes",
    lay,
    {"Training": "note004"},
    examine,
)
