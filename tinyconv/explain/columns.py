"""im2col: the windows of an image written out as the rows of a matrix, so that convolution is one product."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tinyconv._types import Array
from tinyconv.explain import inputs
from tinyconv.explain.convolution import Convolution, conv, one_group
from tinyconv.explain.views import Frame, Grid, Lines, Part, Trace, kept
from tinyconv.explain.wording import at, by, capital, count, more, number, products
from tinyconv.layers.im2col import col2im, unpad
from tinyconv.layers.im2col import im2col as window_rows

#: Rows that are written out, and frames.
_WRITTEN, _FRAMES = 12, 64


@dataclass(frozen=True, eq=False, repr=False)
class Columns(Trace):
    """A convolution as one product of matrices.

    Attributes:
        whole: the convolution.
        matrix: one window a row (OH*OW, KH*KW*C).
        kernel: one filter a column (KH*KW*C, F).
        product: the output, one place a row (OH*OW, F), without bias.
        repeats: how often each pixel stands in the matrix (H, W).
    """

    whole: Convolution
    matrix: Array
    kernel: Array
    product: Array
    repeats: Array

    @property
    def title(self) -> str:
        return f"im2col: every window of a {by(self.whole.x.shape[:2])} image as one row of a matrix"

    @property
    def factor(self) -> float:
        """Numbers of the matrix for each number of the image."""
        return self.matrix.size / self.whole.x.size

    @property
    def alt(self) -> str:
        return (
            f"{count(len(self.matrix), 'window')} make a {by(self.matrix.shape)} matrix, {number(self.factor, 3)} "
            f"times the image's numbers; times the kernel as a column it gives the {by(self.whole.y.shape[:2])} output."
        )

    def parts(self) -> list[Part]:
        oh, ow, f = self.whole.z.shape
        (kh, kw), c = self.whole.window.size, self.whole.x.shape[2]
        rows = [f"{i},{j}" for i in range(oh) for j in range(ow)]
        columns = [f"{u},{v}" + (f",{m}" if c > 1 else "") for u in range(kh) for v in range(kw) for m in range(c)]
        size = f"({oh} × {ow}) rows of ({kh} × {kw} × {c})"
        most = int(self.repeats.max())
        again = int((self.repeats == most).sum())
        return [
            f"The matrix has {size} = {self.matrix.size} numbers, where the image has {self.whole.x.size}: "
            f"{number(self.factor, 3)} times the memory. That is its price; the product below is its use.",
            *(replace(grid, sign="→" if grid.sign else "") for grid in self.whole.images()),
            Grid("Matrix: a row for each place of the window, a column for each of its cells", self.matrix, {}, "×",
                 rows, columns),
            Grid("Kernel, a column for each filter", self.kernel, {}, "=", columns, [str(k) for k in range(f)]),
            Grid("Output, a row for each place", self.product, rows=rows, columns=[str(k) for k in range(f)]),
            Grid("How often each pixel stands in the matrix", self.repeats),
            f"{capital(count(again, 'pixel'))} {'stands' if again == 1 else 'stand'} in it {count(most, 'time')}. "
            "On the way back col2im adds all copies of a pixel's gradient together.",
            Lines(
                (
                    *(self.row(k) for k in range(min(len(rows), _WRITTEN))),
                    *more(len(rows) - _WRITTEN, "row", ".row(number)"),
                )
            ),
        ]  # fmt: skip

    def row(self, k: int) -> str:
        """One row of the matrix times the kernel, which is one cell of the output."""
        k = inputs.place(k, len(self.matrix), "row", "explain.im2col")
        i, j = divmod(k, self.whole.z.shape[1])
        f = self.whole.filter
        line = products(self.matrix[k], self.kernel[:, f])
        return f"Matrix row {k}, the window at {at(i, j)}: {line} = {number(self.product[k, f])}"

    def frames(self) -> list[Frame]:
        image, matrix, kernel, output = [part for part in self.parts() if isinstance(part, Grid)][:4]
        _, ow, _ = self.whole.z.shape
        found = []
        for k in range(min(len(self.matrix), _FRAMES)):
            i, j = divmod(k, ow)
            row = [(k, m) for m in range(self.matrix.shape[1])]
            blank = [(m, n) for m in range(k + 1, len(self.product)) for n in range(self.product.shape[1])]
            grids = [
                image.marked(window=self.whole.under(i, j)),
                matrix.marked(window=row),
                kernel,
                output.marked(window=[(k, n) for n in range(self.product.shape[1])], blank=blank),
            ]
            found.append(Frame(grids, f"The window at {at(i, j)} is row {k} of the matrix."))
        return found


def im2col(x: Any, k: Any, **settings: Any) -> Columns:
    """The matrix of all windows, and the convolution as its product with the kernel; settings as `conv`.

    >>> im2col([[1, 2, 3]], [[1, 10]]).matrix.tolist()
    [[1.0, 2.0], [2.0, 3.0]]
    """
    whole = conv(x, k, **settings)
    one_group(whole, "explain.im2col")
    matrix = window_rows(whole.padded[None], whole.window)  # (OH*OW, KH*KW*C)
    kernel = whole.kernel.reshape(-1, whole.kernel.shape[3])  # (KH*KW*C, F)
    counts = col2im(np.ones_like(matrix), (1, *whole.padded.shape), whole.window)  # (1, PH, PW, C)
    repeats = unpad(counts, whole.window, *whole.x.shape[:2])[0, ..., 0]  # (H, W)
    return Columns(whole, kept(matrix), kept(kernel), kept(matrix @ kernel), kept(repeats))
