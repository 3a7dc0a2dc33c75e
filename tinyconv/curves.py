"""The curves of a training, as a figure and in words.

Both take what `fit` returned, or its dictionary of lists: one number an epoch for each name, and ``val_`` before the
names of what was measured on the validation data.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinyconv._types import Array
from tinyconv.checks import sentence
from tinyconv.figures import QUIET, described, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["curves", "describe", "direction"]

# Two colours of Matplotlib's "petroff10", made to be told apart with any colour vision.
_TRAINING, _VALIDATION = "#3f90da", "#bd1f01"

#: What counts as a change of a loss, as a part of it.
_NOTABLE = 0.02
#: How much better the training data may be known than the validation data before it is worth a word.
_GAP = 0.05


class Curve(NamedTuple):
    """The numbers of one name: ``epochs`` (E,), counted from 1, and ``values`` (E,)."""

    epochs: Array
    values: Array


def direction(name: str) -> int:
    """-1 for a name that stands for an error, 1 for one that stands for a success, 0 for one that does not tell.

    >>> direction("val_loss"), direction("accuracy"), direction("f1")
    (-1, 1, 0)
    """
    words = set(name.removeprefix("val_").split("_"))
    if words & {"loss", "error", "mse", "mae", "crossentropy"}:
        return -1
    return int(bool(words & {"acc", "accuracy", "precision", "recall", "auc"}))


# The figure


def curves(history: Any) -> "Figure":
    """Loss and metrics by epoch, one panel each: training solid, validation dashed, the best epoch marked.

    Args:
        history: what `fit` returned, or its dictionary of lists.

    Raises:
        ValueError: if nothing was recorded.
    """
    found = _curves(history)
    names = _measured(found)
    figure = new_figure(5.2 * len(names), 3.8)
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        _draw(axes, name, found[name], found.get(f"val_{name}"))
    return described(figure, _in_one_sentence(found, names))


def _draw(axes: "Axes", name: str, learned: Curve, held_out: Curve | None) -> None:
    from matplotlib.ticker import MaxNLocator

    lines = [("training", learned, _TRAINING, "-o")]
    lines += [] if held_out is None else [("validation", held_out, _VALIDATION, "--s")]
    for label, curve, color, style in lines:
        axes.plot(*curve, style, color=color, label=label, markersize=5, linewidth=1.8)
    best = _best(name, lines[-1][1])
    if best is not None:
        axes.plot(*best, "o", markersize=13, fillstyle="none", color=QUIET, markeredgewidth=1.5)
        text = f"best {lines[-1][0]}: {best[1]:.4g} in epoch {best[0]}"
        axes.set_title(text, loc="right", fontsize=9, color=QUIET)
    axes.set_title(name, loc="left", fontsize=12, fontweight="bold")
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlim(learned.epochs[0] - 0.5, learned.epochs[-1] + 0.5)
    axes.margins(y=0.12)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(edgecolor="none", framealpha=0.85, handlelength=3.2)


def _in_one_sentence(found: Mapping[str, Curve], names: Sequence[str]) -> str:
    epochs = len(found[names[0]].epochs)
    text = f"Curves of {' and '.join(names)} over {epochs} epoch{'s' * (epochs > 1)}"
    shown = [f"val_{name}" if f"val_{name}" in found else name for name in names]
    marked = ((name.replace("val_", "validation "), _best(name, found[name])) for name in shown)
    best = [f"best {name} {place[1]:.4g} in epoch {place[0]}" for name, place in marked if place is not None]
    return f"{text}: {', '.join(best)}." if best else f"{text}."


# The words


def describe(history: Any) -> str:
    """What the curves say, in a few sentences: does it still learn, does it over-fit, did it break off?

    Args:
        history: what `fit` returned, or its dictionary of lists.

    Raises:
        ValueError: if nothing was recorded.

    >>> describe({"loss": [1.5, 0.7, 0.4, 0.2], "val_loss": [1.2, 0.6, 0.8, 0.9]})
    'Training loss fell from 1.5 to 0.2 in 4 epochs. Validation loss was lowest in epoch 2 (0.6) and has risen since, to
    0.9: over-fitting is likely.'
    """
    found = _curves(history)
    names = _measured(found)
    if len(found[names[0]].epochs) == 1:
        values = ", ".join(f"{name.replace('val_', 'validation ')} {found[name].values[-1]:.4g}" for name in found)
        return f"After one epoch: {values}. One epoch does not show yet where it leads."
    said = [_about_breakdown(found)]
    if not said[0]:
        said = [_about_loss(found), _about_validation(found), *(_about_gap(found, name) for name in names)]
    return " ".join(text for text in [*said, _about_rate(found)] if text)


def _about_breakdown(found: Mapping[str, Curve]) -> str:
    """Where the training loss is no number any more."""
    loss = found.get("loss")
    if loss is None or np.isfinite(loss.values).all():
        return ""
    epoch = loss.epochs[np.flatnonzero(~np.isfinite(loss.values))[0]]
    return (
        f"Training loss is no finite number since epoch {epoch}: the training has diverged. Try a lower learning rate."
    )


def _about_loss(found: Mapping[str, Curve]) -> str:
    if "loss" not in found:
        return ""
    epochs, values = found["loss"]
    best, first, last = values.min(), values[0], values[-1]
    if first - best < _NOTABLE * abs(first):
        way_out = "Try another learning rate, and look whether images and labels belong together."
        return f"Training loss has not fallen ({first:.4g} at first, {last:.4g} at last): nothing is learned. {way_out}"
    if _is_above(last, best, 5 * _NOTABLE):
        lowest = f"lowest in epoch {epochs[values.argmin()]} ({best:.4g})"
        return f"Training loss was {lowest} and has risen since, to {last:.4g}: the learning rate may be too high."
    return f"Training loss fell from {first:.4g} to {last:.4g} in {len(epochs)} epochs."


def _about_validation(found: Mapping[str, Curve]) -> str:
    if "val_loss" not in found:
        return "" if any(name.startswith("val_") for name in found) else _UNSEEN
    epochs, values = found["val_loss"]
    if not np.isfinite(values).all():
        return f"Validation loss is no finite number since epoch {epochs[~np.isfinite(values)][0]}."
    if len(values) == 1:
        return f"Validation loss was measured once: {values[0]:.4g}."
    best, last = values.min(), values[-1]
    start = f"Validation loss was lowest in epoch {epochs[values.argmin()]} ({best:.4g})"
    if _is_above(last, best, _NOTABLE):
        return f"{start} and has risen since, to {last:.4g}: {_why_it_rose(found, epochs[values.argmin()])}."
    if last > best or not _is_above(values[-2], best, _NOTABLE / 2):
        return f"{start} and hardly changes any more."
    return f"{start}, the last one: it still improves, and more epochs may help."


_UNSEEN = "Without validation data nobody can see whether it over-fits."


def _why_it_rose(found: Mapping[str, Curve], since: int) -> str:
    """What learns on and does worse on new data over-fits; otherwise the training is at fault."""
    loss = found.get("loss")
    if loss is None or loss.values[-1] < loss.values[loss.epochs <= since][-1]:
        return "over-fitting is likely"
    return "training loss has not fallen since either, so a lower learning rate may help"


def _about_gap(found: Mapping[str, Curve], name: str) -> str:
    if direction(name) < 1 or f"val_{name}" not in found:
        return ""
    learned, held_out = found[name].values[-1], found[f"val_{name}"].values[-1]
    text = f"At last {name} was {learned:.4g} in training and {held_out:.4g} in validation"
    if learned - held_out > _GAP:
        return f"{text}, {learned - held_out:.2g} less: it knows the training data better than new data."
    if held_out - learned > _GAP:
        return f"{text}: higher, as with dropout or augmentation, which disturb only the training."
    return f"{text}."


def _about_rate(found: Mapping[str, Curve]) -> str:
    if "learning_rate" not in found:
        return ""
    first, last = found["learning_rate"].values[[0, -1]]
    return f"The learning rate went from {first:.3g} to {last:.3g}." if first != last else ""


def _is_above(value: float, reference: float, share: float) -> bool:
    return bool(value - reference > share * abs(reference))


# What was recorded


def _curves(history: Any) -> dict[str, Curve]:
    """Every list that is one, by name, with the epochs that its numbers belong to."""
    logs: Mapping[str, Sequence[float]] = getattr(history, "history", history)
    first = min(getattr(history, "epoch", None) or [0]) + 1
    total = max((len(values) for values in logs.values()), default=0)
    every = np.arange(first, first + total)  # (E,)
    validated = np.asarray(getattr(history, "validation_epochs", ()), int) + 1
    found = {}
    for name, numbers in logs.items():
        values = np.asarray(numbers, float)
        if values.ndim == 1 and len(values):
            known = validated if name.startswith("val_") and len(validated) == len(values) else None
            found[name] = Curve(_spread(every, len(values)) if known is None else known, values)
    if not _measured(found):
        raise ValueError(sentence("curves", "a history with at least one epoch", f"{dict(logs)}", "Call fit first."))
    return found


def _spread(epochs: Array, n: int) -> Array:
    """The epochs of n numbers that were taken every so often: ``validation_freq``."""
    step = len(epochs) // n
    return epochs[step - 1 :: step][:n]


def _measured(found: Mapping[str, Any]) -> list[str]:
    """Names with a panel of their own: the loss first, the metrics as they come."""
    names = [name for name in found if not name.startswith("val_") and name != "learning_rate"]
    return sorted(names, key=lambda name: name != "loss")


def _best(name: str, curve: Curve) -> tuple[int, float] | None:
    """(epoch, value) of the best number; None where the name does not tell what is good, or nothing is a number."""
    sign, values = direction(name), curve.values
    if sign == 0 or np.isnan(values).all():
        return None
    i = int(np.nanargmax(sign * values))
    return int(curve.epochs[i]), float(values[i])
