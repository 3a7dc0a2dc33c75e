"""The sizes of windows on images: each formula once.

One notation for the whole package; the code uses these letters as names.

    N           images in the batch
    H, W, C     height, width and channels of an image          x: (N, H, W, C)
    F           filters, the channels of a convolution's output y: (N, OH, OW, F)
    KH, KW      height and width of the window                  kernel: (KH, KW, C, F)
    SH, SW      strides: how far the window moves
    DH, DW      dilation: distance between neighbouring cells of the window
    OH, OW      height and width of the output: how many places the window takes

A window of K cells with dilation D reaches over D*(K-1) + 1 pixels. On P padded pixels it takes

    O = floor((P - D*(K-1) - 1) / S) + 1

places. Source: V. Dumoulin and F. Visin, A guide to convolution arithmetic for deep learning, arXiv:1603.07285; the
unequal split of "same" is TensorFlow's and Keras's.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from tinyconv._types import Shape
from tinyconv.checks import sentence

Pads = tuple[int, int]
#: ``"valid"``, ``"same"``, or pixels as ((top, bottom), (left, right)).
Padding = str | tuple[Pads, Pads]


def pair(value: Any, name: str, where: str = "window", least: int = 1) -> tuple[int, int]:
    """One whole number or two, as two.

    >>> pair(3, "kernel_size"), pair((3, 5), "kernel_size")
    ((3, 3), (3, 5))

    Raises:
        ValueError: for anything else, or for numbers below ``least``.
    """
    values = tuple(value) if isinstance(value, Iterable) and not isinstance(value, str) else (value, value)
    if len(values) != 2 or any(_not_whole(v) or v < least for v in values):
        raise ValueError(sentence(where, f"{name} as one or two whole numbers from {least}", f"{name}={value!r}"))
    return int(values[0]), int(values[1])


def _not_whole(value: Any) -> bool:
    return isinstance(value, bool) or not hasattr(value, "__index__")


def parse_padding(value: Any, where: str = "window") -> Padding:
    """``'valid'``, ``'same'``, pixels on every side, (rows, columns), or ((top, bottom), (left, right)).

    >>> parse_padding("SAME"), parse_padding(1), parse_padding((1, 2)), parse_padding(((0, 1), (2, 3)))
    ('same', ((1, 1), (1, 1)), ((1, 1), (2, 2)), ((0, 1), (2, 3)))

    Raises:
        ValueError: for any other word or number.
    """
    if isinstance(value, str) and value.lower() in ("valid", "same"):
        return value.lower()
    try:
        rows, columns = value if isinstance(value, Iterable) and not isinstance(value, str) else (value, value)
        return pair(rows, "padding", where, least=0), pair(columns, "padding", where, least=0)
    except (TypeError, ValueError):
        raise ValueError(
            sentence(
                where,
                "padding 'valid', 'same', a whole number, (rows, columns) or ((top, bottom), (left, right))",
                f"padding={value!r}",
            )
        ) from None


def same_pads(n: int, k: int, s: int = 1, d: int = 1) -> Pads:
    """Pixels that "same" adds before and after an axis of n pixels; the odd one goes after.

    >>> same_pads(28, 3, s=2), same_pads(7, 3, s=2)
    ((0, 1), (1, 1))
    """
    total = max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0)
    return total // 2, total - total // 2


def output_size(n: int, k: int, s: int = 1, d: int = 1) -> int:
    """Places that a window of k cells takes on n pixels (padding included); 0 where it does not fit.

    >>> output_size(6, 3), output_size(299, 2, s=2)
    (4, 149)
    """
    return max((n - d * (k - 1) - 1) // s + 1, 0)


@dataclass(frozen=True)
class Window:
    """How a window moves over an image: its cells, strides, padding and dilation, (rows, columns) each."""

    size: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    padding: Padding = "valid"
    dilation: tuple[int, int] = (1, 1)

    def pads(self, height: int, width: int) -> tuple[Pads, Pads]:
        """((top, bottom), (left, right)) pixels added to an image of this height and width.

        >>> Window((3, 3), (2, 2), "same").pads(28, 7)
        ((0, 1), (1, 1))
        """
        if self.padding == "valid":
            return (0, 0), (0, 0)
        if self.padding == "same":
            sizes = zip((height, width), self.size, self.strides, self.dilation, strict=True)
            rows, columns = (same_pads(*axis) for axis in sizes)
            return rows, columns
        assert not isinstance(self.padding, str)
        return self.padding

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """(OH, OW): places the window takes on an image of this height and width.

        >>> Window((3, 3), (2, 2), "same").output_size(28, 7), Window((2, 2), (2, 2)).output_size(11, 5)
        ((14, 4), (5, 2))
        """
        padded = (n + sum(pads) for n, pads in zip((height, width), self.pads(height, width), strict=True))
        oh, ow = (output_size(*axis) for axis in zip(padded, self.size, self.strides, self.dilation, strict=True))
        return oh, ow

    def output_shape(self, input_shape: Shape, channels: int, where: str) -> Shape:
        """(N, H, W, C) -> (N, OH, OW, channels); None stays None.

        Raises:
            ValueError: if the window is larger than the padded image.
        """
        n, height, width, _ = input_shape
        if height is None or width is None:
            return n, None, None, channels
        oh, ow = self.output_size(height, width)
        if oh == 0 or ow == 0:
            (top, bottom), (left, right) = self.pads(height, width)
            raise ValueError(
                sentence(
                    where,
                    f"an image of at least {self.reach[0]}x{self.reach[1]} pixels for its window",
                    f"{height}x{width} pixels, {height + top + bottom}x{width + left + right} with padding",
                    "Use a smaller kernel, fewer pooling layers before it, or padding='same'.",
                )
            )
        return n, oh, ow, channels

    @property
    def reach(self) -> tuple[int, int]:
        """Pixels from the first to the last cell of the window, dilation included."""
        rows, columns = (d * (k - 1) + 1 for k, d in zip(self.size, self.dilation, strict=True))
        return rows, columns


class Part(NamedTuple):
    """A window of an image; or, where top or left is negative, a frame around it."""

    top: int
    left: int
    height: int
    width: int


def largest_part(size: tuple[int, int], proportions: tuple[int, int]) -> Part:
    """The largest window of the image, in its middle, with the proportions of (height, width).

    >>> largest_part((4, 9), (1, 2))
    Part(top=0, left=0, height=4, width=8)
    """
    height = max(1, min(size[0], size[1] * proportions[0] // proportions[1]))
    width = max(1, min(size[1], size[0] * proportions[1] // proportions[0]))
    return Part((size[0] - height) // 2, (size[1] - width) // 2, height, width)


def smallest_frame(size: tuple[int, int], proportions: tuple[int, int]) -> Part:
    """The smallest frame around the image, as wide on either side, with the proportions of (height, width).

    >>> smallest_frame((4, 10), (1, 2))
    Part(top=0, left=0, height=4, width=10)
    """
    above = max(0, size[1] * proportions[0] // proportions[1] - size[0]) // 2
    beside = max(0, size[0] * proportions[1] // proportions[0] - size[1]) // 2
    return Part(-above, -beside, size[0] + 2 * above, size[1] + 2 * beside)
