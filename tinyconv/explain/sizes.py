"""How large is the output? The formula with the numbers filled in, what padding adds, and what no window reaches.

    places = floor((n + before + after - reach) / stride) + 1        reach = dilation * (k - 1) + 1

The numbers come from `tinyconv.geometry`; this module writes down where they come from.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyconv import geometry
from tinyconv._types import Array
from tinyconv.checks import positive
from tinyconv.explain.views import Grid, Lines, Part, Trace, cells_where
from tinyconv.explain.wording import by, capital, count, listed, number, places
from tinyconv.geometry import Window, pair, parse_padding

_WHERE = "explain.output_size"


@dataclass(frozen=True)
class Axis:
    """One axis of an image and the windows along it.

    Attributes:
        n, k, stride, dilation: pixels, cells of the window, how far it moves, distance of its cells.
        before, after: pixels that padding adds.
        padding: 'valid', 'same', or '' where the pixels were given.
        size: places of the window.
    """

    n: int
    k: int
    stride: int
    dilation: int
    before: int
    after: int
    padding: str
    size: int

    @property
    def reach(self) -> int:
        """Pixels from the first to the last cell of the window."""
        return self.dilation * (self.k - 1) + 1

    @property
    def padded(self) -> int:
        """Pixels with padding."""
        return self.n + self.before + self.after

    def pixels(self, i: int) -> Array:
        """The pixels under the window at place i, counted from the first real one: padding is below 0 or from n."""
        return i * self.stride + self.dilation * np.arange(self.k) - self.before

    @property
    def unused(self) -> list[int]:
        """Real pixels that lie under no cell of any window."""
        used = {int(p) for i in range(self.size) for p in self.pixels(i)}
        return [p for p in range(self.n) if p not in used]

    @property
    def formula(self) -> str:
        """The size, worked out.

        >>> axis(299, 2, 2).formula
        'floor((299 - 2) / 2) + 1 = floor(148.5) + 1 = 149'
        """
        pads = "".join(f" + {p}" for p in (self.before, self.after) if p)
        if self.size == 0:
            have = f"{self.n}{pads} = {self.padded}" if pads else f"{self.n}"
            return f"{have} pixels are fewer than {self.reach}: 0"
        share = number((self.padded - self.reach) / self.stride)
        return f"floor(({self.n}{pads} - {self.reach}) / {self.stride}) + 1 = floor({share}) + 1 = {self.size}"

    def sentences(self, noun: str) -> list[str]:
        """Everything about this axis, where a ``noun`` is a row, a column or a pixel."""
        found = [f"{count(self.n, noun)}, a window of {self.k}, stride {self.stride}: {self.formula}."]
        if self.dilation > 1:
            reach = f"{self.dilation} × ({self.k} - 1) + 1 = {self.reach}"
            found.append(f"With dilation {self.dilation} the window of {self.k} reaches over {reach} {noun}s.")
        if self.padding == "same":
            found.append(self._same(noun))
        elif self.before or self.after:
            found.append(f"Padding adds {self.before} before and {self.after} after.")
        if self.size == 0:
            found.append("The window does not fit: there is no output. A smaller window or padding='same' would help.")
        else:
            found += [self._covered(noun), self._left_over(noun)]
        return found

    def _covered(self, noun: str) -> str:
        """What the first windows lie on, and the last."""
        shown = list(range(self.size)) if self.size <= 4 else [0, 1, self.size - 1]
        words = [f"{'...; ' if i > 3 else ''}place {i} on {self._window(i, noun)}" for i in shown]
        return capital(f"{'; '.join(words)}.")

    def _window(self, i: int, noun: str) -> str:
        pixels = [int(p) for p in self.pixels(i)]
        real = [p for p in pixels if 0 <= p < self.n]
        before, after = sum(p < 0 for p in pixels), sum(p >= self.n for p in pixels)
        words = [f"{before} of padding"] if before else []
        words += [places(real, noun)] if real else []
        words += [f"{after} of padding"] if after else []
        return listed(words)

    def _same(self, noun: str) -> str:
        wanted = -(-self.n // self.stride)
        need = (wanted - 1) * self.stride + self.reach
        asked = f"Padding 'same' asks for ceil({self.n} / {self.stride}) = {wanted} places. "
        asked += f"They take ({wanted} - 1) × {self.stride} + {self.reach} = {need} {noun}s, "
        if not self.before + self.after:
            return asked + f"and there are {self.n}: nothing is added."
        odd = "; the odd one goes after" if self.before != self.after else ""
        return asked + f"so {need - self.n} must be added: {self.before} before and {self.after} after{odd}."

    @property
    def idle(self) -> int:
        """Pixels of the padding behind the image that no window reaches."""
        reached = (self.size - 1) * self.stride + self.reach
        return min(self.padded - reached, self.after)

    def _left_over(self, noun: str) -> str:
        unused = self.unused
        if not unused:
            idle = f", but the last {count(self.idle, noun)} of padding {'does' if self.idle == 1 else 'do'} not"
            return f"Every {noun} lies under a window{idle if self.idle else ''}."
        verb = "lies" if len(unused) == 1 else "lie"
        last = ", the last," if unused == [self.n - 1] else ""
        return capital(f"{places(unused, noun)}{last} {verb} under no window: dropped.")


def axis(n: int, k: int, stride: int = 1, dilation: int = 1, padding: Any = "valid") -> Axis:
    """One axis; padding as 'valid', 'same' or (before, after)."""
    name = padding if isinstance(padding, str) else ""
    before, after = (
        geometry.same_pads(n, k, stride, dilation) if name == "same" else (0, 0) if name == "valid" else padding
    )
    size = geometry.output_size(n + before + after, k, stride, dilation)
    return Axis(n, k, stride, dilation, before, after, name, size)


def axes_of(x: Array, window: Window) -> tuple[Axis, Axis]:
    """Both axes of an image (H, W, C) under a window."""
    return _axes(x.shape[0], x.shape[1], window)


def _axes(height: int, width: int, window: Window) -> tuple[Axis, Axis]:
    pads: Any = (window.padding,) * 2 if isinstance(window.padding, str) else window.padding
    sizes = zip((height, width), window.size, window.strides, window.dilation, pads, strict=True)
    rows, columns = (axis(*one) for one in sizes)
    return rows, columns


def size_lines(rows: Axis, columns: Axis) -> Lines:
    """The sentences about both axes, said once where they are alike."""
    if rows == columns:
        first, *rest = rows.sentences("row")
        return Lines((f"Rows, and columns likewise: {first}", *rest))
    return Lines(
        (*(f"Rows: {s}" for s in rows.sentences("row")), *(f"Columns: {s}" for s in columns.sentences("column")))
    )


@dataclass(frozen=True, eq=False, repr=False)
class OutputSize(Trace):
    """Where a window fits, along one axis or two.

    Attributes:
        axes: one or two.
    """

    axes: tuple[Axis, ...]

    @property
    def size(self) -> Any:
        """Places of the window: a number, or (OH, OW)."""
        sizes = tuple(axis.size for axis in self.axes)
        return sizes[0] if len(sizes) == 1 else sizes

    @property
    def title(self) -> str:
        shape, size = by([a.n for a in self.axes]), by([a.size for a in self.axes])
        return f"Output size: {shape} pixels become {size}"

    @property
    def alt(self) -> str:
        first = self.axes[0]
        shape, size = by([a.n for a in self.axes]), by([a.size for a in self.axes])
        dropped = sum(len(a.unused) for a in self.axes)
        lost = f"{dropped} rows or columns lie under no window" if dropped else "nothing is dropped"
        window = f"A window of {by([a.k for a in self.axes])} with stride {first.stride}"
        return f"{window} on {shape} pixels takes {size} places; {lost}."

    def parts(self) -> list[Part]:
        lines = Lines(tuple(self.axes[0].sentences("pixel"))) if len(self.axes) == 1 else size_lines(*self.axes)
        names = ("",) if len(self.axes) == 1 else ("Rows: ", "Columns: ")
        shown = self.axes[:1] if len(set(self.axes)) == 1 else self.axes
        return [lines, *(_staircase(a, name if len(shown) > 1 else "") for a, name in zip(shown, names, strict=False))]


#: More pixels than this are shown by their last ones.
_MOST = 24


def _staircase(a: Axis, name: str) -> Grid:
    """One row for each place of the window: the pixels under it."""
    first = max(a.padded - _MOST, 0)
    start = next((i for i in range(a.size) if i * a.stride >= first), a.size)
    if first:
        first = min(start * a.stride, a.padded - 1)
    height, width = max(a.size - start, 1), a.padded - first
    cells = np.full((height, width), "", dtype=object)
    marks = np.zeros((height, width), bool)
    for i in range(start, a.size):
        for u, p in enumerate(a.pixels(i) + a.before):
            cells[i - start, p - first] = str(u)
            marks[i - start, p - first] = True
    numbers = np.arange(first, a.padded) - a.before
    padding = np.broadcast_to((numbers < 0) | (numbers >= a.n), cells.shape)
    unused = np.broadcast_to(np.isin(numbers, a.unused), cells.shape)
    some = f"{name}the last {count(width, 'pixel')}" if first else f"{name}pixels"
    return Grid(
        capital(f"{some} from left to right, and which cell of the window lies on them at each place"),
        cells,
        {"window": cells_where(marks), "padding": cells_where(padding & ~marks), "unused": cells_where(unused)},
        rows=[f"place {i}" for i in range(start, start + height)],
        columns=[str(p) if 0 <= p < a.n else "pad" for p in numbers],
        spoken=False,
    )


def output_size(n: Any, k: Any, strides: Any = 1, padding: Any = "valid", dilation_rate: Any = 1) -> OutputSize:
    """How many places a window takes, with the formula, the pads and what is dropped.

    Args:
        n: pixels along one axis, or (height, width).
        k: cells of the window, or (KH, KW).
        strides: how far the window moves, one number or two.
        padding: ``'valid'``, ``'same'``, pixels on every side, (rows, columns), or ((top, bottom), (left, right));
            along one axis, (before, after).
        dilation_rate: distance between neighbouring cells of the window.

    >>> print(output_size(299, 2, strides=2).parts()[0].sentences[0])
    299 pixels, a window of 2, stride 2: floor((299 - 2) / 2) + 1 = floor(148.5) + 1 = 149.
    """
    one = not isinstance(n, Iterable)
    height, width = (positive(n, "n", _WHERE),) * 2 if one else pair(n, "n", _WHERE)
    if one and isinstance(padding, tuple | list) and not any(isinstance(p, Iterable) for p in padding):
        padding = (padding, padding)
    window = Window(
        pair(k, "k", _WHERE),
        pair(strides, "strides", _WHERE),
        parse_padding(padding, _WHERE),
        pair(dilation_rate, "dilation_rate", _WHERE),
    )
    both = _axes(height, width, window)
    return OutputSize(both[:1] if one else both)
