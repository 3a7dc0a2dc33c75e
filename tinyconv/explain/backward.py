"""The way back, number by number: the gradients of convolution and pooling.

For a convolution y = x * K + b, with dY the gradient of the loss by y:

    db[f]          = sum over i, j of dY[i, j, f]
    dK[u, v, c, f] = sum over i, j of x[i*SH + u*DH, j*SW + v*DW, c] * dY[i, j, f]        a correlation of x with dY
    dX             : every dY[i, j, f] * K[u, v, c, f] is added to the pixel that was under K[u, v, c, f]

The last is a scatter-add. It is also a full correlation of dY, with zeros between its rows where the stride was more
than 1, with the kernel turned by 180 degrees. Both are shown; the numbers are those of the layers' own `backward`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyconv._types import Array
from tinyconv.checks import sentence
from tinyconv.explain import inputs
from tinyconv.explain.convolution import Convolution, conv, one_group
from tinyconv.explain.pooling import Pooling, pool
from tinyconv.explain.views import Cell, Frame, Grid, Lines, Part, Trace, kept
from tinyconv.explain.wording import at, by, capital, count, more, number, products, total
from tinyconv.figures import described
from tinyconv.layers import AveragePooling2D, MaxPooling2D, MinPooling2D
from tinyconv.layers.im2col import unpad

#: Sums that are written out, and frames.
_WRITTEN, _FRAMES = 12, 64
_WEIGHT = "explain.conv_backward"


# Convolution


@dataclass(frozen=True, eq=False, repr=False)
class ConvolutionBackward(Trace):
    """The three gradients of a convolution.

    Attributes:
        whole: the way forward.
        dy: gradient of the loss by the output (OH, OW, F).
        dz: the same before the activation.
        dkernel, dbias, dx: gradients by kernel (KH, KW, C, F), bias (F,) and image (H, W, C).
        spread: dz with zeros between and around, as the turned kernel slides over it (EH, EW, F).
        correlated: the gradient by the image as that full correlation gives it (H, W, C).
    """

    whole: Convolution
    dy: Array
    dz: Array
    dkernel: Array
    dbias: Array
    dx: Array
    spread: Array
    correlated: Array

    def weight(self, row: int, column: int, channel: int = 0) -> "WeightGradient":
        """Why one entry of dK has its value."""
        kh, kw, c, _ = self.whole.kernel.shape
        u, v = inputs.place(row, kh, "row", _WEIGHT), inputs.place(column, kw, "column", _WEIGHT)
        return WeightGradient(self, u, v, inputs.place(channel, c, "channel", _WEIGHT))

    def kernel_cell(self, u: int, v: int, channel: int = 0) -> str:
        """One entry of dK as a sum of pixel times dY."""
        pixels = self.whole.windows[:, :, u, v, channel]  # (OH, OW)
        f = self.whole.filter
        return f"{products(pixels, self.dz[..., f])} = {number(self.dkernel[u, v, channel, f])}"

    def pixel(self, row: int, column: int, channel: int = 0) -> str:
        """One entry of dX as a sum of dY times weight, over all filters."""
        felt = self.whole.pixel(row, column, channel).felt
        filters = range(self.dz.shape[2])
        a = [self.dz[(*place, f)] for f in filters for place in felt]
        b = [self.whole.kernel[u, v, channel, f] for f in filters for u, v in felt.values()]
        return f"{products(a, b)} = {number(self.dx[row, column, channel])}"

    @property
    def agree(self) -> bool:
        """Whether both ways to dX gave the same numbers."""
        return bool(np.allclose(self.dx, self.correlated, rtol=1e-12, atol=1e-12, equal_nan=True))

    @property
    def title(self) -> str:
        return f"Convolution, backward: a {by(self.whole.x.shape[:2])} image, {self.whole.settings}"

    @property
    def alt(self) -> str:
        w = self.whole
        return (
            f"From the gradient of the {by(w.y.shape[:2])} output follow that of the {by(w.window.size)} kernel, a "
            f"correlation of image and gradient, that of the image, by the kernel turned, and the bias's, "
            f"{number(self.dbias[w.filter])}."
        )

    def parts(self) -> list[Part]:
        w, f = self.whole, self.whole.filter
        (kh, kw), (h, width, _) = w.window.size, w.x.shape
        names = [f"dK{self._name(c)}" for c in w.channels]
        entries = [(u, v) for u in range(kh) for v in range(kw)]
        felt = [(i, j) for i in range(h) for j in range(width) if w.pixel(i, j).felt]
        many = f" of filter {f} of {w.kernel.shape[3]}" if w.kernel.shape[3] > 1 else ""
        bent: list[Part] = [] if w.activation.name == "linear" else [
            f"The gradient passes the activation {w.activation.name} first.",
            Grid("Gradient after the activation", self.dy[..., f]),
        ]  # fmt: skip
        return [
            f"dY is the gradient of the loss by each output{many}: how much the loss grows with that output.",
            *bent,
            *w.images(),
            Grid(f"dY{many}", self.dz[..., f], sign="="),
            *[Grid(f"{name}, the gradient by the kernel", self.dkernel[..., c, f]) for c, name in enumerate(names)],
            "Each entry of dK: the pixels that this weight lay on, times the gradients of the outputs they went into.",
            Lines(
                (
                    *(f"{names[0]} at {at(u, v)}: {self.kernel_cell(u, v)}" for u, v in entries[:_WRITTEN]),
                    *more(len(entries) - _WRITTEN, "entry", ".weight(row, column)"),
                )
            ),
            f"db, the gradient by the bias, is the sum of dY: {total(self.dz[..., f])} = {number(self.dbias[f])}.",
            "dX as a scatter-add: each output hands its gradient, times the weight, to the pixel under that weight.",
            *[Grid(f"dX{self._name(c)}, the gradient by the image", self.dx[..., c]) for c in w.channels],
            Lines(
                (
                    *(f"dX at {at(i, j)}: {self.pixel(i, j)}" for i, j in felt[:_WRITTEN]),
                    *more(len(felt) - _WRITTEN, "pixel", ".pixel(row, column)"),
                )
            ),
            f"dX as a full correlation: the kernel turned by 180 degrees, slid over dY{self._spacing()}, "
            f"gives {'the same numbers' if self.agree else 'OTHER numbers, which is a mistake'}.",
            Grid(f"dY{many}, spread out", self.spread[..., f], sign="∗"),
            *[Grid(f"Kernel turned by 180 degrees{self._name(c)}", w.kernel[::-1, ::-1, c, f], sign="=")
              for c in w.channels],
            *[Grid(f"dX{self._name(c)} once more", self.correlated[..., c]) for c in w.channels],
        ]  # fmt: skip

    def figure(self) -> Any:
        """One line of grids for dK, and one for each way to dX."""
        from tinyconv.explain.drawing import draw

        grids, c = self.grids(), len(self.whole.channels)
        first = len(grids) - 2 * c - 1 - c  # where dX begins
        headings = {
            0: "The gradient by the kernel: the image correlated with dY",
            first: "The gradient by the image: each dY times the kernel, added to the pixels under it",
            first + c: "The same as a full correlation with the kernel turned by 180 degrees",
        }
        return described(draw(grids, self.title, self.alt, headings=headings), self.alt)

    def _spacing(self) -> str:
        (sh, sw), (rh, rw) = self.whole.window.strides, self.whole.window.reach
        between = f" with {_lines(sh - 1, sw - 1)} of zeros between its own" if max(sh, sw) > 1 else ""
        join = " and" if between else " with"
        return f"{between}{join} {_lines(rh - 1, rw - 1)} of zeros around"

    def _name(self, c: int) -> str:
        return f", channel {c}" if self.whole.x.shape[2] > 1 else ""

    def frames(self) -> list[Frame]:
        kh, kw = self.whole.window.size
        order = [(u, v) for u in range(kh) for v in range(kw)]
        found = []
        for k, (u, v) in enumerate(order[:_FRAMES]):
            image, dy, gradient = self.weight(u, v).grids()
            grids = [image, dy, gradient.marked(blank=order[k + 1 :])]
            found.append(Frame(grids, f"dK at {at(u, v)}: {self.kernel_cell(u, v)}"))
        return found


@dataclass(frozen=True, eq=False, repr=False)
class WeightGradient(Trace):
    """One entry of dK.

    Attributes:
        backward: all gradients of the convolution.
        row, column, channel: the weight.
    """

    backward: ConvolutionBackward
    row: int
    column: int
    channel: int

    @property
    def pixels(self) -> Array:
        """The pixels that the weight lay on, one for each output (OH, OW)."""
        return self.backward.whole.windows[:, :, self.row, self.column, self.channel]

    @property
    def dy(self) -> Array:
        """The gradient of each output (OH, OW)."""
        return self.backward.dz[..., self.backward.whole.filter]

    @property
    def value(self) -> float:
        """The entry, as the layer computed it."""
        return float(self.backward.dkernel[self.row, self.column, self.channel, self.backward.whole.filter])

    @property
    def _named(self) -> str:
        return f"{at(self.row, self.column)}{self.backward._name(self.channel)}"

    @property
    def title(self) -> str:
        return f"Gradient of the weight at {self._named}: why it is {number(self.value)}"

    @property
    def alt(self) -> str:
        n = count(self.pixels.size, "pixel")
        return f"The weight at {self._named} lay on {n}; each times its output's gradient, they make its own."

    def parts(self) -> list[Part]:
        image, _, gradient = self.grids()
        return [
            f"{self.alt} Where the weight grows by 1, the loss grows by {number(self.value)}.",
            image,
            Grid("The pixels it lay on, one for each output", self.pixels),
            Grid("dY, the gradient of each output", self.dy),
            Grid("Products", self.pixels * self.dy),
            gradient,
            Lines((f"Sum: {products(self.pixels, self.dy)} = {number(self.value)}.",)),
        ]

    @property
    def caption(self) -> str:
        return f"{capital(self._named)}: {self.backward.kernel_cell(self.row, self.column, self.channel)}"

    def grids(self) -> list[Grid]:
        w, (oh, ow) = self.backward.whole, self.dy.shape
        place = self.row * w.window.size[1] + self.column
        on = [w.under(i, j)[place] for i in range(oh) for j in range(ow)]
        dk = self.backward.dkernel[..., self.channel, w.filter]
        return [
            w.images()[self.channel].marked(window=on),
            Grid("dY", self.dy, sign="="),
            Grid(f"dK{self.backward._name(self.channel)}, the gradient by the kernel", dk).marked(
                window=[(self.row, self.column)]
            ),
        ]


def _lines(rows: int, columns: int) -> str:
    return f"{count(rows, 'row')} and {count(columns, 'column')}"


def conv_backward(x: Any, k: Any, dy: Any = None, **settings: Any) -> ConvolutionBackward:
    """The gradients of a convolution by kernel, bias and image, each with its sums.

    Args:
        x, k: image and kernel, or layer, as `conv` takes them.
        dy: gradient of the loss by the output, (OH, OW) or (OH, OW, F); 1 everywhere where left out, which is the
            gradient of the sum of all outputs.
        **settings: as `conv`.

    >>> conv_backward([[1, 2, 3]], [[1, 10]]).dkernel[:, :, 0, 0].tolist()
    [[3.0, 5.0]]
    """
    where = "explain.conv_backward"
    whole = conv(x, k, **settings)
    one_group(whole, where)
    layer = inputs.convolution(
        whole.x, whole.kernel, whole.bias, whole.window.strides, whole.window.padding, whole.window.dilation,
        whole.activation, False, where,
    )  # fmt: skip
    gradient = _gradient(dy, whole.y.shape, where)
    y, cache = layer.forward(whole.x[None])
    dx = layer.backward(gradient[None], cache)
    dz = whole.activation.backward(gradient, whole.z, y[0])
    spread, correlated = _full_correlation(whole, dz)
    return ConvolutionBackward(
        whole=whole,
        dy=kept(gradient),
        dz=kept(dz),
        dkernel=kept(layer.grads["kernel"]),
        dbias=kept(layer.grads["bias"]),
        dx=kept(dx[0]),
        spread=kept(spread),
        correlated=kept(correlated),
    )


def _gradient(dy: Any, shape: tuple[int, ...], where: str) -> Array:
    """dY in the shape of the output; 1 everywhere, if None."""
    given = np.ones(shape) if dy is None else inputs.numbers(dy, "dy", where)
    if given.ndim == 2 and len(shape) == 3 and shape[2] == 1:
        given = given[..., None]  # (OH, OW, 1)
    if given.shape != shape:
        expected = f"dy in the shape of the output, {by(shape)}"
        raise ValueError(sentence(where, expected, f"an array of shape {given.shape}", "Leave it out for ones."))
    return given


def _full_correlation(whole: Convolution, dz: Array) -> tuple[Array, Array]:
    """dz spread out (EH, EW, F), and the gradient by the image (H, W, C) that the turned kernel makes of it."""
    (sh, sw), (rh, rw), (oh, ow, f) = whole.window.strides, whole.window.reach, dz.shape
    spread = np.zeros(((oh - 1) * sh + 1, (ow - 1) * sw + 1, f))
    spread[::sh, ::sw] = dz
    spread = np.pad(spread, ((rh - 1, rh - 1), (rw - 1, rw - 1), (0, 0)))  # (EH, EW, F)
    turned = whole.kernel[::-1, ::-1].swapaxes(2, 3)  # (KH, KW, F, C)
    correlated = inputs.convolution(
        spread, turned, None, None, None, whole.window.dilation, None, False, "explain.conv_backward"
    ).forward(spread[None])[0]  # (1, covered rows, covered columns, C)
    dxp = np.zeros((1, *whole.padded.shape))
    dxp[:, : correlated.shape[1], : correlated.shape[2]] = correlated
    return spread, unpad(dxp, whole.window, *whole.x.shape[:2])[0]


# Pooling


@dataclass(frozen=True, eq=False, repr=False)
class PoolingBackward(Trace):
    """Where the gradient of pooling goes.

    Attributes:
        whole: the way forward.
        dy: gradient of the loss by the pooled map (OH, OW, C).
        dx: gradient by the map (H, W, C).
    """

    whole: Pooling
    dy: Array
    dx: Array

    @property
    def title(self) -> str:
        return f"{capital(self.whole.mode)} pooling, backward: a {by(self.whole.x.shape[:2])} map"

    @property
    def alt(self) -> str:
        if self.whole.mode == "average":
            return "Each gradient is shared in equal parts among the cells of its window."
        return f"Each gradient goes whole to its window's winner; {count(int((self.dx == 0).sum()), 'cell')} get none."

    def sentence(self, row: int, column: int) -> str:
        """Where one gradient goes."""
        w = self.whole
        value = number(self.dy[row, column, w.channel])
        if w.mode == "average":
            n = len(w.under(row, column))
            share = number(self.dy[row, column, w.channel] / n)
            return f"{capital(at(row, column))}: dY {value} in {n} equal parts of {share} to its cells."
        tie = f", the first of {len(w.ties(row, column))} that tie" if len(w.ties(row, column)) > 1 else ""
        return f"{capital(at(row, column))}: dY {value} goes to the winner at {at(*w.winner(row, column))}{tie}."

    def pixel(self, row: int, column: int) -> str:
        """The gradient of one cell of the map as the sum of what came to it."""
        w = self.whole
        oh, ow = self.dy.shape[:2]
        takers = [(i, j) for i in range(oh) for j in range(ow) if self._takes((i, j), (row, column))]
        shares = [self.dy[(*p, w.channel)] / (len(w.under(*p)) if w.mode == "average" else 1) for p in takers]
        return f"{total(shares)} = {number(self.dx[row, column, w.channel])}"

    def _takes(self, place: Cell, cell: Cell) -> bool:
        w = self.whole
        return cell in w.under(*place) if w.mode == "average" else w.winner(*place) == cell

    def parts(self) -> list[Part]:
        w, c = self.whole, self.whole.channel
        oh, ow = self.dy.shape[:2]
        return [
            self.alt,
            w.grids()[0],
            Grid("dY, the gradient by the pooled map", self.dy[..., c], sign="→"),
            Grid("dX, the gradient by the map", self.dx[..., c]),
            Lines(tuple(self.sentence(i, j) for i in range(oh) for j in range(ow))),
        ]

    def frames(self) -> list[Frame]:
        w, c = self.whole, self.whole.channel
        order = [(i, j) for i in range(self.dy.shape[0]) for j in range(self.dy.shape[1])]
        found = []
        for i, j in order[:_FRAMES]:
            goal = w.under(i, j) if w.mode == "average" else [w.winner(i, j)]
            grids = [
                w.grids()[0].marked(window=w.under(i, j)),
                Grid("dY", self.dy[..., c], sign="→").marked(window=[(i, j)]),
                Grid("dX", self.dx[..., c]).marked(window=goal),
            ]
            found.append(Frame(grids, self.sentence(i, j)))
        return found


def pool_backward(
    x: Any, dy: Any = None, pool_size: Any = 2, strides: Any = None, padding: Any = "valid", mode: str = "max"
) -> PoolingBackward:
    """Where the gradient of pooling goes; ``dy`` as of `conv_backward`, the rest as `pool`.

    >>> pool_backward([[0, 3], [3, 1]], dy=[[5]]).dx[..., 0].tolist()
    [[0.0, 5.0], [0.0, 0.0]]
    """
    whole = pool(x, pool_size, strides, padding, mode)
    cls = {"max": MaxPooling2D, "min": MinPooling2D, "average": AveragePooling2D}[whole.mode]
    layer = cls(whole.window.size, whole.window.strides, whole.window.padding, dtype="float64", name="explain")
    gradient = _gradient(dy, whole.y.shape, "explain.pool_backward")
    _, cache = layer.forward(whole.x[None])
    return PoolingBackward(whole, kept(gradient), kept(layer.backward(gradient[None], cache)[0]))
