"""The wording of errors, and the few checks that everybody shares.

Every message answers four questions: where, what was expected, what came, and what to do about it.

    Conv2D 'conv2d_2': expected 1 channel, the number this layer was built for.
    Received x.shape=(32, 28, 28, 3). Convert the images to grey, or build a new layer.
"""

import difflib
import inspect
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np

from tinyconv._types import Array, Shape

#: Letters of the parts of a message.
_LONGEST = 1000


def sentence(where: str, expected: str, received: str, way_out: str = "") -> str:
    """The one form of every error message of tinyconv; what it quotes of a file may be long, and is cut then.

    >>> sentence("Dropout", "rate between 0 and 1", "rate=1.5", "Give the fraction to drop.")
    'Dropout: expected rate between 0 and 1. Received rate=1.5. Give the fraction to drop.'
    """
    expected, received = (part if len(part) <= _LONGEST else f"{part[:_LONGEST]}..." for part in (expected, received))
    stop = "" if received.endswith((".", "?", "!")) else "."
    return f"{where}: expected {expected}. Received {received}{stop} {way_out}".rstrip()


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """The nearest known name as a question, or nothing where none is near.

    >>> did_you_mean("filers", ["filters", "kernel_size"])
    "Did you mean 'filters'?"
    """
    near = difflib.get_close_matches(word, list(names), n=1, cutoff=0.5)
    return f"Did you mean {near[0]!r}?" if near else ""


def lookup(kind: str, name: str, table: Mapping[str, Any]) -> Any:
    """``table[name]``, or a ValueError that lists what there is and suggests the nearest name."""
    if name not in table:
        known = ", ".join(map(repr, sorted(table)))
        raise ValueError(sentence(f"{kind} {name!r}", f"one of {known}", repr(name), did_you_mean(name, table)))
    return table[name]


def reject_unknown_arguments(cls: Any, unknown: Mapping[str, Any], known: Collection[str] = ()) -> None:
    """TypeError for the first argument that neither the constructor of ``cls`` takes nor ``known`` names."""
    word = next((name for name in unknown if name not in known), None)
    if word is None:
        return
    names = sorted({*parameters_of(cls), *known})
    received = f"{word}={unknown[word]!r}"
    raise TypeError(sentence(cls.__name__, f"arguments among {', '.join(names)}", received, did_you_mean(word, names)))


def parameters_of(function: Any) -> list[str]:
    """Names of the arguments of a function, or of a class's constructor.

    >>> parameters_of(sentence)
    ['where', 'expected', 'received', 'way_out']
    """
    called = function.__init__ if isinstance(function, type) else function  # type: ignore[misc]
    found = inspect.signature(called).parameters.values()
    return [p.name for p in found if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL) and p.name != "self"]


def positive(value: Any, name: str, where: str, least: int = 1) -> int:
    """A whole number from 1, or from another least one, or a ValueError."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < least:
        raise ValueError(sentence(where, f"{name} as a whole number from {least}", f"{name}={value!r}"))
    return int(value)


def sample_shape(shape: Any, where: str) -> Shape:
    """The shape of one sample as a tuple of positive numbers, or None for any length; a ValueError for all else."""
    lengths = shape if isinstance(shape, tuple | list) else (0,)
    if any(n is not None and (not hasattr(n, "__index__") or n < 1) for n in lengths):
        way_out = "For 28x28 grey images write shape=(28, 28, 1)."
        raise ValueError(sentence(where, "shape as a tuple of positive numbers", f"shape={shape!r}", way_out))
    return tuple(None if n is None else int(n) for n in lengths)


def channels_last(value: str | None, where: str) -> str:
    """'channels_last', the only layout there is, or a ValueError with the way to it."""
    if value not in (None, "channels_last"):
        way_out = "Turn the images with x.transpose(0, 2, 3, 1)."
        raise ValueError(sentence(where, "data_format='channels_last'", f"data_format={value!r}", way_out))
    return "channels_last"


def known_channels(shape: Shape, where: str) -> int:
    """The last axis of a shape, or a ValueError where it is None."""
    if shape[-1] is None:
        raise ValueError(sentence(where, "an input whose last axis is known", f"shape={shape}", "Name it in Input()."))
    return shape[-1]


def first_index(mask: Array) -> tuple[int, ...]:
    """Index of the first True in row-major order.

    >>> first_index(np.array([[False, False], [False, True]]))
    (1, 1)
    """
    return tuple(int(i) for i in np.unravel_index(int(mask.argmax()), mask.shape))
