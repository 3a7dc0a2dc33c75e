"""Pictures of a training: its curves, which classes it confuses, and the images it gets wrong.

Every function returns a Matplotlib figure, to be saved with ``figure.savefig("curves.png")`` or shown by a notebook.
None of them opens a window or changes a setting of Matplotlib.
"""

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinyconv._types import Array
from tinyconv.checks import sentence

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["confusion_matrix", "curves", "most_confused", "wrong_predictions"]

# Two colours of Matplotlib's "petroff10", made to be told apart with any colour vision.
_TRAINING, _VALIDATION = "#3f90da", "#bd1f01"
_QUIET = "#717581"


# Curves


def curves(history: Any) -> "Figure":
    """Loss and metrics by epoch, one panel each: training solid, validation dashed, the best epoch marked.

    Args:
        history: what `fit` returned, or its dictionary of lists.

    Raises:
        ValueError: if nothing was recorded.
    """
    from matplotlib.figure import Figure

    logs: Mapping[str, Sequence[float]] = getattr(history, "history", history)
    names = [name for name in logs if not name.startswith("val_") and name != "learning_rate"]
    names.sort(key=lambda name: name != "loss")  # the loss first, the metrics as they come
    if not names:
        raise ValueError(sentence("curves", "a history with at least one epoch", f"{dict(logs)}", "Call fit first."))
    first = min(getattr(history, "epoch", None) or [0]) + 1
    figure = Figure(figsize=(5.2 * len(names), 3.8), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        _draw_curve(axes, name, logs[name], logs.get(f"val_{name}"), first)
    return figure


def _draw_curve(
    axes: "Axes", name: str, learned: Sequence[float], held_out: Sequence[float] | None, first: int
) -> None:
    from matplotlib.ticker import MaxNLocator

    epochs = np.arange(first, first + len(learned))
    lines = [("training", epochs, np.asarray(learned, float), _TRAINING, "-o")]
    if held_out:
        every = len(learned) // len(held_out)  # validation_freq
        at = epochs[every - 1 :: every][: len(held_out)]
        lines.append(("validation", at, np.asarray(held_out, float), _VALIDATION, "--s"))
    for label, x, y, color, style in lines:
        axes.plot(x, y, style, color=color, label=label, markersize=5, linewidth=1.8)
    _mark_best(axes, name, *lines[-1][:3])
    axes.set_title(name, loc="left", fontsize=12, fontweight="bold")
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlim(first - 0.5, epochs[-1] + 0.5)
    axes.margins(y=0.12)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(edgecolor="none", framealpha=0.85, handlelength=3.2)


def _mark_best(axes: "Axes", name: str, label: str, x: Array, y: Array) -> None:
    """A ring around the best value, and its number below the title."""
    if np.isnan(y).all():
        return
    best = int(np.nanargmin(y) if _smaller_is_better(name) else np.nanargmax(y))
    axes.plot(x[best], y[best], "o", markersize=13, fillstyle="none", color=_QUIET, markeredgewidth=1.5)
    text = f"best {label}: {y[best]:.4g} in epoch {x[best]}"
    axes.set_title(text, loc="right", fontsize=9, color=_QUIET)


def _smaller_is_better(name: str) -> bool:
    return any(word in name for word in ("loss", "error", "mse", "mae"))


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
    from matplotlib.figure import Figure

    counts = np.asarray(matrix)
    names = _names(counts, labels)
    side = 2.4 + 0.42 * len(names)
    figure = Figure(figsize=(side + 1.2, side + 0.3), layout="constrained")
    axes = figure.subplots()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)  # (K, K)
    picture = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    _write_counts(axes, counts, picture.cmap(shares))
    axes.set_xticks(range(len(names)), names, rotation=90 if _are_long(names) else 0)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("predicted", labelpad=8)
    axes.set_ylabel("true", labelpad=8)
    right, total = int(np.trace(counts)), int(counts.sum())
    axes.set_title(f"{right:,} of {total:,} right ({right / max(total, 1):.1%})", loc="left", fontweight="bold")
    figure.colorbar(picture, ax=axes, label="share of the true class", shrink=0.75, aspect=30, pad=0.02)
    figure.supxlabel(textwrap.fill(_in_words(counts, names), int(12 * side)), fontsize=9.5, color=_QUIET)
    return figure


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
    return "Most confused: " + ", ".join(pairs) if pairs else "Nothing was confused."


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
    from matplotlib.figure import Figure

    sure = np.asarray(probabilities)
    wrong = np.flatnonzero(np.asarray(truth) != np.asarray(predicted))
    order = wrong[np.argsort(-sure[wrong], kind="stable")] if wrong.size else np.argsort(sure, kind="stable")
    shown = order[:most]
    columns = min(8, max(len(shown), 6))
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(1.25 * columns, 1.65 * rows + 0.8), layout="constrained")
    figure.suptitle(_title(len(sure), len(wrong), len(shown)), fontweight="bold", fontsize=12)
    figure.supxlabel("above each image: what it was taken for, and how surely", fontsize=9.5, color=_QUIET)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    size = 10 if max(map(len, labels)) <= 9 else 7.5
    for axes, i in zip(grid, shown, strict=False):
        _show(axes, np.asarray(images[i]))
        axes.set_title(f"{labels[predicted[i]]}  {sure[i]:.0%}", fontsize=size, pad=3)
        below = {"ha": "center", "va": "top", "fontsize": size, "color": _QUIET}
        axes.text(0.5, -0.04, f"true: {labels[truth[i]]}", transform=axes.transAxes, **below)
    return figure


def _title(total: int, wrong: int, shown: int) -> str:
    if not wrong:
        return f"All {total:,} right; the {shown} it was least sure of"
    part = f"the {shown} surest" if shown < wrong else "the surest first"
    return f"{wrong:,} of {total:,} wrong: {part}"


def _show(axes: "Axes", image: Array) -> None:
    """Draw one image, grey or in colour, each from its darkest to its brightest."""
    if image.ndim == 3 and image.shape[-1] == 1:
        image = image[..., 0]  # (H, W)
    low, high = float(image.min()), float(image.max())
    scaled = (image - low) / (high - low or 1)
    axes.imshow(scaled, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
