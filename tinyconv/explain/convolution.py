"""Convolution, cell by cell: every window, every product, every sum, as the layer `Conv2D` computes them.

y[i, j, f] = activation(b[f] + sum over u, v, c of x[i*SH + u*DH, j*SW + v*DW, c] * kernel[u, v, c, f])    x padded
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyconv._types import Array
from tinyconv.activations import Activation, Linear
from tinyconv.checks import sentence
from tinyconv.explain import inputs
from tinyconv.explain.sizes import axes_of, size_lines
from tinyconv.explain.views import Cell, Frame, Grid, Lines, Part, Trace, cells_where, kept
from tinyconv.explain.wording import at, bracketed, by, capital, count, listed, more, number, products, span, total
from tinyconv.figures import described
from tinyconv.geometry import Window
from tinyconv.layers.im2col import im2col

#: Cells whose sums the text of a whole convolution writes out, and frames of its animation.
_WRITTEN, _FRAMES = 16, 64
#: Channels whose sums are written out one by one; of more, the largest.
_CHANNELS = 4


@dataclass(frozen=True, eq=False, repr=False)
class Convolution(Trace):
    """A whole convolution.

    Attributes:
        x: the image (H, W, C).
        kernel, bias: (KH, KW, C / groups, F), (F,); the kernel as it is slid, turned where ``turned`` says so.
        window: its size, strides, padding and dilation.
        groups: parts that the channels are cut into.
        activation: what bends the sums.
        padded: the image with its padding (PH, PW, C).
        z, y: the sums before and after the activation (OH, OW, F).
        filter: the filter that the views show.
        turned: whether the kernel was turned by 180 degrees first.
    """

    x: Array
    kernel: Array
    bias: Array
    window: Window
    groups: int
    activation: Activation
    padded: Array
    z: Array
    y: Array
    filter: int
    turned: bool

    # Numbers

    @property
    def channels(self) -> range:
        """The channels that the shown filter looks at."""
        share = self.x.shape[2] // self.groups
        group = self.filter * self.groups // self.kernel.shape[3]
        return range(group * share, (group + 1) * share)

    def terms(self, row: int, column: int) -> tuple[Array, Array]:
        """What is multiplied for one cell of the output: pixels and weights, (KH, KW, C / groups) each."""
        rows, columns = np.transpose(self.under(row, column))  # (KH*KW,) each
        pixels = self.padded[rows, columns][:, _slice(self.channels)]  # (KH*KW, C / groups)
        return pixels.reshape(self.kernel.shape[:3]), self.kernel[..., self.filter]

    def cell(self, row: int, column: int) -> "ConvolutionCell":
        """Why one cell of the output has its value."""
        oh, ow = self.z.shape[:2]
        i = inputs.place(row, oh, "row", "explain.conv_cell")
        return ConvolutionCell(self, i, inputs.place(column, ow, "column", "explain.conv_cell"))

    def pixel(self, row: int, column: int, channel: int = 0) -> "PixelReach":
        """Which cells of the output feel one pixel."""
        h, w, c = self.x.shape
        i = inputs.place(row, h, "row", "explain.conv_pixel")
        j = inputs.place(column, w, "column", "explain.conv_pixel")
        return PixelReach(self, i, j, inputs.place(channel, c, "channel", "explain.conv_pixel"))

    @property
    def windows(self) -> Array:
        """What lies under the window at each place (OH, OW, KH, KW, C)."""
        return im2col(self.padded[None], self.window).reshape(*self.z.shape[:2], *self.window.size, self.x.shape[2])

    def under(self, row: int, column: int) -> list[Cell]:
        """The cells of the padded image under the window at one place."""
        (kh, kw), (sh, sw), (dh, dw) = self.window.size, self.window.strides, self.window.dilation
        return [(row * sh + u * dh, column * sw + v * dw) for u in range(kh) for v in range(kw)]

    # Words

    @property
    def settings(self) -> str:
        """Strides, padding, dilation and groups in words."""
        w = self.window
        padding = w.padding if isinstance(w.padding, str) else _pads(w.pads(*self.x.shape[:2]))
        words = [f"stride {_one(w.strides)}", {"valid": "no padding", "same": "padding 'same'"}.get(padding, padding)]
        words += [f"dilation {_one(w.dilation)}"] if w.dilation != (1, 1) else []
        words += [f"{self.groups} groups"] if self.groups > 1 else []
        return ", ".join(words)

    @property
    def title(self) -> str:
        name = "Convolution with the kernel turned by 180 degrees" if self.turned else "Convolution"
        return f"{name}: a {by(self.x.shape[:2])} image, a {by(self.window.size)} kernel, {self.settings}"

    @property
    def alt(self) -> str:
        c, f = self.x.shape[2], self.kernel.shape[3]
        image = f"A {by(self.x.shape[:2])} image" + (f" with {c} channels" if c > 1 else "")
        which = f", filter {self.filter} of {f}," if f > 1 else ""
        lowest, highest = self.y[..., self.filter].min(), self.y[..., self.filter].max()
        size = by(self.y.shape[:2])
        return (
            f"{image} convolved with a {by(self.window.size)} kernel{which} {self.settings}, "
            f"gives a {size} map with numbers from {number(lowest)} to {number(highest)}."
        )

    def parts(self) -> list[Part]:
        oh, ow = self.z.shape[:2]
        written = [(i, j) for i in range(oh) for j in range(ow)][:_WRITTEN]
        left = more(oh * ow - len(written), "cell", ".cell(row, column)")
        lines = [f"{capital(at(i, j))}: {self.cell(i, j).sum}" for i, j in written]
        return [
            size_lines(*axes_of(self.x, self.window)),
            *self.images(),
            *self.kernels(),
            *self.maps(),
            self.turning,
            "The sums, window by window, pixel times weight in rows from left to right. Rows and columns count from 0.",
            Lines((*lines, *left)),
        ]

    @property
    def turning(self) -> str:
        """What turning the kernel would change: correlation against convolution."""
        other = np.tensordot(self.windows[..., _slice(self.channels)], self.kernel[::-1, ::-1, :, self.filter], 3)
        differ = int((~np.isclose(other + self.bias[self.filter], self.z[..., self.filter], equal_nan=True)).sum())
        slid = "turned first, which mathematics calls convolution" if self.turned else (
            "not turned: strictly this is cross-correlation, which every framework calls convolution"
        )  # fmt: skip
        same = "here both give the same numbers, so this example cannot tell them apart"
        change = f"the other way, {differ} of {count(other.size, 'cell')} would differ" if differ else same
        return f"The kernel is {slid}; {change}."

    # Pictures

    def images(self) -> list[Grid]:
        """The padded image, channel by channel."""
        (top, bottom), (left, right) = self.window.pads(*self.x.shape[:2])
        inside: Array = np.zeros(self.padded.shape[:2], bool)
        inside[top : inside.shape[0] - bottom, left : inside.shape[1] - right] = True
        used: Array = np.zeros(self.padded.shape[:2], bool)
        for i in range(self.z.shape[0]):
            for j in range(self.z.shape[1]):
                used[tuple(np.transpose(self.under(i, j)))] = True
        marks = {"padding": cells_where(~inside), "unused": cells_where(inside & ~used)}
        pads = f", padded to {by(self.padded.shape[:2])}" if not inside.all() else ""
        rows = [str(i - top) if 0 <= i - top < self.x.shape[0] else "pad" for i in range(inside.shape[0])]
        columns = [str(j - left) if 0 <= j - left < self.x.shape[1] else "pad" for j in range(inside.shape[1])]
        last = self.channels[-1]
        return [
            Grid(
                f"Image{self._channel(c)}, {by(self.x.shape[:2])}{pads}",
                self.padded[..., c],
                marks,
                sign="∗" if c == last else "",
                rows=rows if pads else None,
                columns=columns if pads else None,
            )
            for c in self.channels
        ]

    def kernels(self) -> list[Grid]:
        """The kernel of the shown filter, channel by channel."""
        f = self.kernel.shape[3]
        which = f" of filter {self.filter} of {f}" if f > 1 else ""
        name = "Kernel, turned by 180 degrees" if self.turned else "Kernel"
        last = len(self.channels) - 1
        bias = f", bias {number(self.bias[self.filter])}" if self.bias.any() else ""
        return [
            Grid(
                f"{name}{which}{self._channel(c)}{bias if k == last else ''}",
                self.kernel[:, :, k, self.filter],
                sign="=" if k == last else "",
            )
            for k, c in enumerate(self.channels)
        ]

    def maps(self) -> list[Grid]:
        """The output, before and after the activation."""
        z, y = self.z[..., self.filter], self.y[..., self.filter]
        name = "Output" if isinstance(self.activation, Linear) else "Before the activation"
        found = [Grid(f"{name}, {by(z.shape)}", z)]
        if not isinstance(self.activation, Linear):
            found[0] = Grid(f"{name}, {by(z.shape)}", z, sign="→")
            found.append(Grid(f"Output, after {self.activation.name}", y))
        return found

    def frames(self) -> list[Frame]:
        oh, ow = self.z.shape[:2]
        order = [(i, j) for i in range(oh) for j in range(ow)]
        images, kernels, maps = self.images(), self.kernels(), self.maps()
        found = []
        for k, (i, j) in enumerate(order[:_FRAMES]):
            under, blank = self.under(i, j), order[k + 1 :]
            grids = [
                *(grid.marked(window=under) for grid in images),
                *kernels,
                *(grid.marked(window=[(i, j)], blank=blank) for grid in maps),
            ]
            found.append(Frame(grids, f"{capital(at(i, j))}: {self.cell(i, j).sum}"))
        return found

    def _channel(self, c: int) -> str:
        return f", channel {c}" if len(self.channels) > 1 else ""


@dataclass(frozen=True, eq=False, repr=False)
class ConvolutionCell(Trace):
    """One cell of a convolution's output.

    Attributes:
        whole: the convolution.
        row, column: the cell.
    """

    whole: Convolution
    row: int
    column: int

    @property
    def pixels(self) -> Array:
        """What lies under the window (KH, KW, C / groups)."""
        return self.whole.terms(self.row, self.column)[0]

    @property
    def weights(self) -> Array:
        """What it is multiplied with (KH, KW, C / groups)."""
        return self.whole.terms(self.row, self.column)[1]

    @property
    def products(self) -> Array:
        """Pixel times weight (KH, KW, C / groups)."""
        return self.pixels * self.weights

    @property
    def bias(self) -> float:
        """What is added to the sum."""
        return float(self.whole.bias[self.whole.filter])

    @property
    def z(self) -> float:
        """The sum, as the layer computed it."""
        return float(self.whole.z[self.row, self.column, self.whole.filter])

    @property
    def value(self) -> float:
        """The cell, after the activation."""
        return float(self.whole.y[self.row, self.column, self.whole.filter])

    @property
    def sum(self) -> str:
        """The arithmetic in one line."""
        channels = [self.products[..., k] for k in range(self.products.shape[2])]
        written = products(self.pixels, self.weights) if len(channels) == 1 else total([c.sum() for c in channels])
        bias = f" + {bracketed(self.bias)}" if self.bias else ""
        activation = self.whole.activation
        bent = "" if isinstance(activation, Linear) else f", {activation.name} makes it {number(self.value)}"
        return f"{written}{bias} = {number(self.z)}{bent}"

    @property
    def title(self) -> str:
        w = self.whole
        which = f" of filter {w.filter}" if w.kernel.shape[3] > 1 else ""
        return f"Output cell at {at(self.row, self.column)}{which}: why it is {number(self.value)}"

    @property
    def alt(self) -> str:
        return (
            f"Under the window at {at(self.row, self.column)}, {count(self.products.size, 'product')} of pixel and "
            f"weight{' and the bias' if self.bias else ''} add up to {number(self.z)}."
        )

    def parts(self) -> list[Part]:
        found: list[Part] = [self.where]
        for k in self._shown():
            name = f", channel {self.whole.channels[k]}" if self.products.shape[2] > 1 else ""
            found.append(Grid(f"Under the window{name}", self.pixels[..., k], sign="×"))
            found.append(Grid(f"Kernel{name}", self.weights[..., k], sign="="))
            found.append(Grid(f"Products{name}", self.products[..., k]))
        return [*found, Lines(tuple(self.sentences()))]

    @property
    def where(self) -> str:
        """Where the window lies on the image."""
        w = self.whole
        (top, _), (left, _) = w.window.pads(*w.x.shape[:2])
        rows = sorted({i - top for i, _ in w.under(self.row, self.column)})
        columns = sorted({j - left for _, j in w.under(self.row, self.column)})
        dh, dw = w.window.dilation
        reach = f"{_stretch(rows, dh, 'row')} and {_stretch(columns, dw, 'column')} of the image"
        outside = sum(not 0 <= i < w.x.shape[0] or not 0 <= j < w.x.shape[1] for i in rows for j in columns)
        pads = f"; {count(outside, 'cell')} of it {'is' if outside == 1 else 'are'} padding, zero" if outside else ""
        return f"The window lies on {reach}{pads}. Rows and columns count from 0."

    def sentences(self) -> list[str]:
        """The arithmetic, channel by channel where there are several."""
        c, sums = self.products.shape[2], self.products.sum(axis=(0, 1))  # (C / groups,)
        bias = f" + {bracketed(self.bias)}" if self.bias else ""
        found = []
        if c == 1:
            found.append(f"Sum: {products(self.pixels, self.weights)}{bias} = {number(self.z)}.")
        else:
            shown = self._shown()
            found += [
                f"Channel {self.whole.channels[k]}: {products(self.pixels[..., k], self.weights[..., k])}"
                f" = {number(sums[k])}."
                for k in shown
            ]
            others = sums.sum() - sums[list(shown)].sum()
            rest = f" + {bracketed(others)} of the other {count(c - len(shown), 'channel')}" if c > len(shown) else ""
            found.append(f"Sum: {total(sums[list(shown)])}{rest}{bias} = {number(self.z)}.")
        if self.bias:
            found.append(f"The last of these is the bias, {number(self.bias)}.")
        if not isinstance(self.whole.activation, Linear):
            found.append(f"Activation: {self.whole.activation.name} of {number(self.z)} is {number(self.value)}.")
        nothing = int((self.products == 0).sum())
        if nothing:
            found.append(f"{count(nothing, 'product')} of {self.products.size} {'is' if nothing == 1 else 'are'} 0.")
        return found

    def _shown(self) -> list[int]:
        """The channels that are written out: all, or those that count for most."""
        sums = np.abs(self.products.sum(axis=(0, 1)))
        most = np.argsort(-sums, kind="stable")[:_CHANNELS]
        return sorted(int(k) for k in most)

    def figure(self) -> Any:
        """The whole convolution with the window outlined, and the arithmetic under it."""
        from tinyconv.explain.drawing import draw

        w = self.whole
        grids = [
            *(grid.marked(window=w.under(self.row, self.column)) for grid in w.images()),
            *w.kernels(),
            *(grid.marked(window=[(self.row, self.column)]) for grid in w.maps()),
        ]
        return described(
            draw(grids if max(w.x.shape[:2]) <= inputs.LIMIT else self.grids(), self.title, self.sum), self.alt
        )


@dataclass(frozen=True, eq=False, repr=False)
class PixelReach(Trace):
    """The cells of a convolution's output that feel one pixel, each through another weight.

    Attributes:
        whole: the convolution.
        row, column, channel: the pixel.
    """

    whole: Convolution
    row: int
    column: int
    channel: int

    @property
    def felt(self) -> dict[Cell, Cell]:
        """Cells of the output by the cell of the kernel that lies on the pixel there."""
        (top, _), (left, _) = self.whole.window.pads(*self.whole.x.shape[:2])
        window = self.whole.window
        rows, columns = (
            [((p - u * d) // s, u) for u in reversed(range(k)) if (p - u * d) % s == 0 and 0 <= (p - u * d) // s < n]
            for p, k, s, d, n in zip(
                (self.row + top, self.column + left),
                window.size,
                window.strides,
                window.dilation,
                self.whole.z.shape[:2],
                strict=True,
            )
        )
        return {(i, j): (u, v) for i, u in rows for j, v in columns}

    @property
    def title(self) -> str:
        return f"Pixel at {at(self.row, self.column)}: the outputs that feel it"

    @property
    def alt(self) -> str:
        return f"The pixel at {at(self.row, self.column)} lies under {count(len(self.felt), 'window')}."

    def parts(self) -> list[Part]:
        w = self.whole
        if self.channel not in w.channels:
            return [f"Filter {w.filter} does not look at channel {self.channel}: no output feels the pixel."]
        weights = w.kernel[:, :, self.channel - w.channels.start, w.filter]
        value = w.x[self.row, self.column, self.channel]
        lines = [
            f"Output {at(i, j)}, through the weight {number(weights[u, v])} at {at(u, v)}: "
            f"the pixel adds {bracketed(value)} × {bracketed(weights[u, v])} = {number(value * weights[u, v])}."
            for (i, j), (u, v) in self.felt.items()
        ]
        (top, _), (left, _) = w.window.pads(*w.x.shape[:2])
        image = w.images()[self.channel - w.channels.start].marked(window=[(self.row + top, self.column + left)])
        kernel = Grid(f"Kernel{'' if len(w.channels) == 1 else f', channel {self.channel}'}", weights)
        output = Grid(w.maps()[0].title, w.z[..., w.filter]).marked(window=self.felt)
        bent = "" if isinstance(w.activation, Linear) else f", before {w.activation.name}"
        head = (
            f"The pixel is {number(value)}. {self.alt} Where it grows by 1, each of these outputs grows by the weight"
        )
        head = f"{head}{bent}."
        felt = [weights[place] for place in self.felt.values()]
        outputs = "all outputs" if w.kernel.shape[3] == 1 else "this filter's outputs"
        slope = (
            f"Its gradient, where the loss is the sum of {outputs}{bent}, is the sum of these weights: "
            f"{total(felt)} = {number(sum(felt))}."
        )
        reached = [Lines(tuple(lines)), slope] if lines else ["No window reaches it: its gradient is 0."]
        return [head, image, kernel, output, *reached]


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Trace):
    """Several convolutions side by side.

    Attributes:
        traces: what is compared.
        names: what each is called.
    """

    traces: tuple[Convolution, ...]
    names: tuple[str, ...]

    @property
    def title(self) -> str:
        return f"Side by side: {listed(self.names)}"

    @property
    def alt(self) -> str:
        return f"{capital(listed(self.names))}: {self.difference}"

    @property
    def difference(self) -> str:
        """How the outputs differ, in a sentence."""
        maps = [t.y[..., t.filter] for t in self.traces]
        if len({m.shape for m in maps}) > 1:
            return f"the outputs have other shapes: {listed(by(m.shape) for m in maps)}."
        differ = int(np.any([~np.isclose(m, maps[0], equal_nan=True) for m in maps[1:]], axis=0).sum())
        same = "the outputs are the same in shape and numbers."
        return (
            f"the outputs are all {by(maps[0].shape)}, but {differ} of {maps[0].size} cells differ." if differ else same
        )

    def parts(self) -> list[Part]:
        found: list[Part] = [capital(self.difference)]
        for name, trace in zip(self.names, self.traces, strict=True):
            found += [f"{capital(name)}.", size_lines(*axes_of(trace.x, trace.window))]
            found += [*trace.images(), *trace.kernels(), *trace.maps()]
        return found

    def figure(self) -> Any:
        """One line of grids for each."""
        from tinyconv.explain.drawing import draw

        grids: list[Grid] = []
        headings = {}
        for name, trace in zip(self.names, self.traces, strict=True):
            headings[len(grids)] = capital(name)
            grids += [*trace.images(), *trace.kernels(), *trace.maps()]
        return described(draw(grids, "Side by side", capital(self.difference), headings=headings), self.alt)


def conv(
    x: Any,
    k: Any,
    bias: Any = None,
    strides: Any = None,
    padding: Any = None,
    dilation_rate: Any = None,
    activation: Any = None,
    *,
    filter: int = 0,
    turned: bool = False,
) -> Convolution:
    """A convolution with every product written out.

    Args:
        x: an image, rows of numbers (H, W) or (H, W, C).
        k: a kernel (KH, KW), (KH, KW, C) or (KH, KW, C, F); or a `tinyconv.layers.Conv2D`, whose settings are taken.
        bias: a number, or one for each filter.
        strides, padding, dilation_rate, activation: as `tinyconv.layers.Conv2D` takes them.
        filter: which of several filters to show.
        turned: True turns the kernel by 180 degrees first: convolution as mathematics defines it.

    Raises:
        ValueError: for what is no number, a kernel larger than the image, a stride below 1, or an image of more than
            32x32 pixels, whose numbers nobody would read; `conv_cell` takes images of any size.

    >>> trace = conv([[1, 2], [3, 4]], [[1, 0], [0, -1]])
    >>> trace.cell(0, 0).sum
    '1 × 1 + 2 × 0 + 3 × 0 + 4 × (-1) = -3'
    """
    return _convolve(
        "explain.conv", inputs.LIMIT, x, k, bias, strides, padding, dilation_rate, activation, filter, turned
    )


def conv_cell(
    x: Any,
    k: Any,
    row: int,
    column: int,
    filter: int = 0,
    *,
    bias: Any = None,
    strides: Any = None,
    padding: Any = None,
    dilation_rate: Any = None,
    activation: Any = None,
    turned: bool = False,
) -> ConvolutionCell:
    """Why one cell of a convolution's output has its value; arguments as `conv`, for images of any size.

    >>> conv_cell([[1, 2], [3, 4]], [[1, 0], [0, -1]], 0, 0).value
    -3.0
    """
    where = "explain.conv_cell"
    whole = _convolve(where, None, x, k, bias, strides, padding, dilation_rate, activation, filter, turned)
    return whole.cell(row, column)


def conv_pixel(x: Any, k: Any, row: int, column: int, channel: int = 0, **settings: Any) -> PixelReach:
    """Which cells of a convolution's output feel one pixel, and through which weight; settings as `conv`.

    >>> conv_pixel([[1, 2, 3]], [[1, 10]], 0, 1).felt
    {(0, 0): (0, 1), (0, 1): (0, 0)}
    """
    return conv(x, k, **settings).pixel(row, column, channel)


def correlation_and_convolution(x: Any, k: Any, **settings: Any) -> Comparison:
    """The kernel as it is beside the kernel turned by 180 degrees; settings as `conv`.

    >>> correlation_and_convolution([[1, 2, 3]], [[1, 10]]).difference
    'the outputs are all 1 by 2, but 2 of 2 cells differ.'
    """
    both = conv(x, k, **settings), conv(x, k, turned=True, **settings)
    return Comparison(both, ("cross-correlation (the kernel as it is)", "convolution (the kernel turned)"))


def compare(*traces: Convolution) -> Comparison:
    """Convolutions on one figure: ``compare(conv(x, k, strides=2, padding=1), conv(x, k, strides=2, padding="same"))``.

    Raises:
        ValueError: for fewer than two, or for anything else.
    """
    if len(traces) < 2 or not all(isinstance(trace, Convolution) for trace in traces):
        raise ValueError(sentence("explain.compare", "two or more results of explain.conv", f"{list(traces)}"))
    return Comparison(traces, tuple(trace.settings for trace in traces))


def _convolve(
    where: str,
    limit: int | None,
    x: Any,
    k: Any,
    bias: Any,
    strides: Any,
    padding: Any,
    dilation_rate: Any,
    activation: Any,
    filter: int,
    turned: bool,
) -> Convolution:
    image = inputs.image(x, where, limit)
    layer = inputs.convolution(image, k, bias, strides, padding, dilation_rate, activation, turned, where)
    y, (padded, z, _, _) = layer.forward(image[None])
    return Convolution(
        x=kept(image),
        kernel=kept(layer.params["kernel"]),
        bias=kept(layer.params["bias"]),
        window=layer.window,
        groups=layer.groups,
        activation=layer.activation,
        padded=kept(padded[0]),
        z=kept(z[0]),
        y=kept(y[0]),
        filter=inputs.place(filter, y.shape[3], "filter", where),
        turned=turned,
    )


def one_group(whole: Convolution, where: str) -> None:
    """ValueError for a convolution whose channels are cut into groups."""
    if whole.groups > 1:
        raise ValueError(sentence(where, "a convolution in one group", f"groups={whole.groups}"))


def _slice(r: range) -> slice:
    return slice(r.start, r.stop)


def _one(two: tuple[int, int]) -> str:
    return str(two[0]) if two[0] == two[1] else by(two)


def _pads(pads: Any) -> str:
    (top, bottom), (left, right) = pads
    if top == bottom == left == right:
        return f"padding {top}" if top else "no padding"
    return f"padding {top} above, {bottom} below, {left} left, {right} right"


def _stretch(places: list[int], dilation: int, noun: str) -> str:
    whole = span(places[0], places[-1], noun)
    return whole if dilation == 1 or len(places) == 1 else f"{noun}s {listed(places)}"
