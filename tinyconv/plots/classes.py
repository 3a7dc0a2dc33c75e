"""Which classes a network confuses, and the images it gets wrong."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinyconv._types import Array
from tinyconv.checks import sentence
from tinyconv.figures import QUIET, described, new_figure
from tinyconv.plots.tiles import picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["confusion_matrix", "most_confused", "wrong_predictions"]

# Confusion matrix


def confusion_matrix(matrix: Any, labels: Sequence[str] | None = None) -> "Figure":
    """How often each true class (row) was taken for each class (column).

    Cells hold counts; colours hold the share of the row, always from 0 to 1, so that pictures can be compared.

    Args:
        matrix: whole numbers (K, K), as `tinyconv.metrics.confusion_matrix` returns them.
        labels: names of the classes; their numbers, if None.

    Raises:
        ValueError: for a matrix that is not square, or another number of labels.
    """
    counts = np.asarray(matrix)
    names = _names(counts, labels)
    side = 2.4 + 0.42 * len(names)
    figure = new_figure(side + 1.2, side + 0.3)
    axes = figure.subplots()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)  # (K, K)
    drawn = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    _write_counts(axes, counts, drawn.cmap(shares))
    axes.set_xticks(range(len(names)), names, rotation=90 if _are_long(names) else 0)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("predicted", labelpad=8)
    axes.set_ylabel("true", labelpad=8)
    right, total = int(np.trace(counts)), int(counts.sum())
    title, words = f"{right:,} of {total:,} right ({right / max(total, 1):.1%})", _in_words(counts, names)
    axes.set_title(title, loc="left", fontweight="bold")
    figure.colorbar(drawn, ax=axes, label="share of the true class", shrink=0.75, aspect=30, pad=0.02)
    figure.supxlabel(textwrap.fill(words, int(12 * side)), fontsize=9.5, color=QUIET)
    spaced = words.replace("\N{NO-BREAK SPACE}", " ")
    return described(figure, f"Confusion matrix of {len(names)} classes, {title}; {spaced[0].lower()}{spaced[1:]}")


def most_confused(matrix: Any, labels: Sequence[str], most: int = 5) -> list[tuple[str, str, int]]:
    """The commonest confusions: (true class, what it was taken for, how often).

    >>> most_confused([[8, 2, 0], [0, 9, 0], [1, 3, 6]], ["cat", "dog", "hen"])
    [('hen', 'dog', 3), ('cat', 'dog', 2), ('hen', 'cat', 1)]
    """
    wrong = np.array(matrix)
    np.fill_diagonal(wrong, 0)
    pairs = zip(*np.unravel_index(np.argsort(-wrong, axis=None, kind="stable")[:most], wrong.shape), strict=True)
    return [(labels[row], labels[column], int(wrong[row, column])) for row, column in pairs if wrong[row, column]]


def _names(counts: Array, labels: Sequence[str] | None) -> list[str]:
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise ValueError(sentence("confusion_matrix", "a square matrix", f"matrix.shape={counts.shape}"))
    names = [str(i) for i in range(len(counts))] if labels is None else [str(label) for label in labels]
    if len(names) != len(counts):
        raise ValueError(sentence("confusion_matrix", f"{len(counts)} labels", f"{len(names)}"))
    return names


def _write_counts(axes: "Axes", counts: Array, colours: Array) -> None:
    """Every count but 0, dark on light cells and light on dark ones. colours: (K, K, 4)."""
    luminance = colours[..., :3] @ [0.2126, 0.7152, 0.0722]  # (K, K)
    for row, column in zip(*np.nonzero(counts), strict=True):
        colour = "black" if luminance[row, column] > 0.5 else "white"
        axes.text(column, row, f"{counts[row, column]}", ha="center", va="center", fontsize=9, color=colour)


def _are_long(names: list[str]) -> bool:
    return max(map(len, names)) > 3


def _in_words(counts: Array, names: list[str]) -> str:
    pairs = [f"{true} taken for {other} ({n})" for true, other, n in most_confused(counts, names, most=4)]
    pairs = [pair.replace(" ", "\N{NO-BREAK SPACE}") for pair in pairs]  # lines break between pairs only
    return f"Most confused: {', '.join(pairs)}." if pairs else "Nothing was confused."


# Wrong predictions


def wrong_predictions(
    images: Any, truth: Any, predicted: Any, probabilities: Any, labels: Sequence[str], most: int = 32
) -> "Figure":
    """The images that were taken for something else, the surest mistakes first.

    Where there are none, the images that it was least sure of.

    Args:
        images: (N, H, W), (N, H, W, 1) or (N, H, W, 3).
        truth, predicted: class numbers (N,).
        probabilities: what the network gave to the predicted class, (N,).
        labels: names of the classes.
        most: at most this many images are shown.
    """
    sure = np.asarray(probabilities)
    wrong = np.flatnonzero(np.asarray(truth) != np.asarray(predicted))
    order = wrong[np.argsort(-sure[wrong], kind="stable")] if wrong.size else np.argsort(sure, kind="stable")
    shown = order[:most]
    columns = min(8, max(len(shown), 6))
    rows = -(-len(shown) // columns)
    figure = new_figure(1.25 * columns, 1.65 * rows + 0.8)
    title = _title(len(sure), len(wrong), len(shown))
    figure.suptitle(title, fontweight="bold", fontsize=12)
    figure.supxlabel("above each image: what it was taken for, and how surely", fontsize=9.5, color=QUIET)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    size = 10 if max(map(len, labels)) <= 9 else 7.5
    for axes, i in zip(grid, shown, strict=False):
        axes.imshow(picture(np.asarray(images[i])), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axes.set_title(f"{labels[predicted[i]]}  {sure[i]:.0%}", fontsize=size, pad=3)
        below: Any = {"ha": "center", "va": "top", "fontsize": size, "color": QUIET}
        axes.text(0.5, -0.04, f"true: {labels[truth[i]]}", transform=axes.transAxes, **below)
    return described(figure, f"Images with what each was taken for; {title[0].lower()}{title[1:]}.")


def _title(total: int, wrong: int, shown: int) -> str:
    if not wrong:
        return f"All {total:,} right; the {shown} it was least sure of"
    part = f"the {shown} surest" if shown < wrong else "the surest first"
    return f"{wrong:,} of {total:,} wrong: {part}"
