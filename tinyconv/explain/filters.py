"""What did this filter learn? Its weights in words, and the places in images that it answers to most strongly.

The weights of a filter are split into parts that stand at right angles: one that is the same everywhere (it measures
brightness), one that grows from bottom to top, one that grows from right to left, and the rest (lines, spots, corners).
The shares of their squares say what the filter mostly looks for.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyconv._types import Array
from tinyconv.checks import sentence
from tinyconv.explain import inputs
from tinyconv.explain.fields import receptive_field
from tinyconv.explain.views import Grid, Lines, Part, Trace, kept
from tinyconv.explain.wording import at, by, count, listed, number, span
from tinyconv.layers import Activation, Conv2D, DepthwiseConv2D, InputLayer

_WHERE = "explain.filter"
#: Answers that are shown, and the largest piece of an image whose numbers are.
_SHOWN, _LARGEST = 4, 12


def _patterns(kh: int, kw: int) -> tuple[Array, Array, Array]:
    """Three windows (KH, KW) at right angles: the same everywhere, growing downwards, growing to the right."""
    down, right = np.indices((kh, kw))
    return np.ones((kh, kw)), down - (kh - 1) / 2, right - (kw - 1) / 2


@dataclass(frozen=True, eq=False)
class Answer:
    """One of the strongest answers.

    Attributes:
        image: number of the image.
        row, column: of the answer in the filter's map.
        value: how strong it is.
        rows, columns: of the image, where the piece lies that it was an answer to.
        piece: that piece (h, w), the mean of its channels.
    """

    image: int
    row: int
    column: int
    value: float
    rows: range
    columns: range
    piece: Array

    def sentence(self) -> str:
        """Where, and how strong."""
        seen = f"{span(self.rows[0], self.rows[-1], 'row')} and {span(self.columns[0], self.columns[-1], 'column')}"
        return f"Image {self.image}, {seen}: {number(self.value, 4)}, at {at(self.row, self.column)} of its map."


@dataclass(frozen=True, eq=False, repr=False)
class Filter(Trace):
    """A filter of a trained network.

    Attributes:
        layer: the convolution's name.
        filter, filters: its number, and how many there are.
        kernel: its weights (KH, KW, C).
        bias: what is added to each sum.
        images: how many images it was shown.
        answers: its strongest answers, at most one for each image.
        quiet: the share of places where its map is 0.
    """

    layer: str
    filter: int
    filters: int
    kernel: Array
    bias: float
    images: int
    answers: tuple[Answer, ...]
    quiet: float

    @property
    def channel(self) -> int:
        """The channel with the largest weights."""
        return int(np.square(self.kernel).sum(axis=(0, 1)).argmax())

    @property
    def shares(self) -> dict[str, float]:
        """What the strongest channel's weights look for, with the share of their squares that each part makes."""
        weights = self.kernel[..., self.channel]
        patterns = _patterns(*weights.shape)
        along = [float((weights * pattern).sum()) for pattern in patterns]
        squares = [a**2 / (float(np.square(pattern).sum()) or 1.0) for a, pattern in zip(along, patterns, strict=True)]
        whole = float(np.square(weights).sum()) or 1.0
        flat, edge = squares[0] / whole, (squares[1] + squares[2]) / whole
        sides = ("above", "below")[along[1] > 0], ("on the left", "on the right")[along[2] > 0]
        large = [side for side, square in zip(sides, squares[1:], strict=True) if square > max(squares[1:]) / 4]
        return {
            f"{'bright' if along[0] > 0 else 'dark'} places": flat,
            f"edges that are brighter {' and '.join(large or sides)}": edge,
            "lines, spots or corners": max(1 - flat - edge, 0.0),
        }

    @property
    def likes(self) -> str:
        """What its weights mostly look for, in a few words."""
        return max(self.shares, key=lambda part: self.shares[part])

    @property
    def title(self) -> str:
        return f"Filter {self.filter} of {self.layer}: what it answers to"

    @property
    def alt(self) -> str:
        kh, kw, c = self.kernel.shape
        seen = "" if c == 1 else f" on {c} channels"
        strongest = number(self.answers[0].value, 4) if self.answers else "0"
        return (
            f"Filter {self.filter} of {self.layer}, {by((kh, kw))}{seen}, answers most to {self.likes}; its strongest "
            f"answer in {count(self.images, 'image')} is {strongest}."
        )

    def parts(self) -> list[Part]:
        c = self.kernel.shape[2]
        which = f", channel {self.channel} of {c}, where they are largest" if c > 1 else ""
        shares = ", ".join(f"{share:.0%} for {name}" for name, share in self.shares.items())
        best = [a for a in self.answers if max(a.piece.shape) <= _LARGEST]
        return [
            f"It is filter {self.filter} of {self.filters}, counted from 0, and answers most to {self.likes}.",
            Grid(f"Weights{which}", self.kernel[..., self.channel]),
            f"Bias: {number(self.bias)}. By the squares of its weights it looks {shares}.",
            f"Its strongest answers in {count(self.images, 'image')}:",
            Lines(tuple(answer.sentence() for answer in self.answers) or ("None: it gives 0 everywhere.",)),
            *[Grid(f"What it saw in image {a.image}", a.piece, digits=2) for a in best],
            f"Its map is 0 in {self.quiet:.0%} of all places.",
        ]


def filter(model: Any, images: Any, filter: int, layer: Any = None) -> Filter:
    """What a filter of a trained network looks for: its weights in words, and what it answers to most strongly.

    Args:
        model: a network without branches up to the layer.
        images: one image or several, (H, W), (H, W, C) or (N, H, W, C), as the network takes them.
        filter: its number, from 0.
        layer: a convolution, or its name; the first one, if None.

    Raises:
        ValueError: if there is no such layer or filter, or the images are of another size.
    """
    if not hasattr(model, "nodes") or len(model.inputs) != 1:
        raise ValueError(sentence(_WHERE, "a model with one input", repr(model)))
    batch = _batch(model, images)
    known = [each for each in model.layers if isinstance(each, Conv2D)]
    chosen = model.get_layer(layer) if isinstance(layer, str) else known[0] if layer is None and known else layer
    if not any(each is chosen for each in known):
        expected = f"a convolution of {model.title}: {listed(each.name for each in known) if known else 'it has none'}"
        raise ValueError(sentence(_WHERE, expected, f"{layer!r}"))
    model.build()
    chain = [node.layer for node in model.nodes]
    chain = chain[: chain.index(chosen) + 1]
    field = receptive_field(chain, batch.shape[1:3])
    after = model.nodes[len(chain)].layer if len(chain) < len(model.nodes) else None
    y = batch
    for each in [*chain, after] if isinstance(after, Activation) else chain:
        y = y if isinstance(each, InputLayer) else each.forward(y)[0]
    kernel: Array = chosen.params["kernel"]
    if isinstance(chosen, DepthwiseConv2D):  # (KH, KW, C, M): each filter sees one channel
        kernel = kernel.reshape(*kernel.shape[:2], 1, -1)
    f = inputs.place(filter, kernel.shape[3], "filter", _WHERE)
    maps = y[..., f]  # (N, h, w)
    return Filter(
        layer=chosen.name,
        filter=f,
        filters=kernel.shape[3],
        kernel=kept(kernel[..., f]),
        bias=float(chosen.params["bias"][f]) if chosen.use_bias else 0.0,
        images=len(batch),
        answers=tuple(_answers(batch, maps, field)),
        quiet=float((maps == 0).mean()),
    )


def _batch(model: Any, images: Any) -> Array:
    """Images as the network takes them (N, H, W, C)."""
    array = np.asarray(images, model.inputs[0].node.layer.dtype)
    if array.ndim in (2, 3) and model.inputs[0].shape[-1] == 1 and array.shape[-1] != 1:
        array = array[..., None]  # (H, W, 1) or (N, H, W, 1)
    array = array[None] if array.ndim == 3 else array  # (N, H, W, C)
    model.check_input_shape(array.shape)
    return array


def _answers(batch: Array, maps: Array, field: Any) -> list[Answer]:
    """The strongest answer of each image, the strongest of them first."""
    n, _, w = maps.shape
    best = maps.reshape(n, -1).argmax(axis=1)  # (N,)
    values = maps.reshape(n, -1)[np.arange(n), best]
    found = []
    for image in np.argsort(-values, kind="stable")[:_SHOWN] if maps.any() else ():
        row, column = divmod(int(best[image]), w)
        rows, columns = field.pixels(row, column)
        piece = batch[image, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].mean(axis=-1)
        found.append(Answer(int(image), row, column, float(values[image]), rows, columns, kept(piece)))
    return found
