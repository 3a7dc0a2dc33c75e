"""What all figures have in common: their colours, and a sentence that says what is to be seen.

The colours can be told apart with any colour vision. Numbers that are never below 0 run from dark blue to yellow
(cividis). Of numbers of both signs those below 0 are orange, those above 0 blue, and 0 is white: the darker, the
further from 0.
"""

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from tinyconv._types import Array

if TYPE_CHECKING:
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

__all__ = ["QUIET", "colours", "described", "limits", "new_figure", "signed"]

#: Colour of what is said beside the point.
QUIET = "#61656a"
#: From far below 0 over 0, which is white, to far above; the second and fourth are light enough for black numbers.
_SIGNED = ("#8a3b00", "#e08214", "#ffffff", "#5b9bd1", "#0b3c73")


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure of this size in inches, which belongs to no window."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    return Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08))


def described(figure: "Figure", alt: str) -> "Figure":
    """The figure, with a sentence for those who cannot see it as ``figure.alt``."""
    figure.alt = alt  # type: ignore[attr-defined]
    return figure


@cache
def signed() -> "Colormap":
    """The colours of numbers of both signs: orange below 0, white at 0, blue above."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("orange_white_blue", _SIGNED)


def colours(ends: tuple[float, float]) -> "str | Colormap":
    """The colour map for numbers between these `limits`."""
    return signed() if ends[0] < 0 else "cividis"


def limits(numbers: Array) -> tuple[float, float]:
    """What the ends of a colour map stand for: 0 and the largest number, or as far from 0 on either side.

    NaN and infinity are left out.

    >>> limits(np.array([0.0, 3.0])), limits(np.array([-2.0, 1.0])), limits(np.array([0.0]))
    ((0.0, 3.0), (-2.0, 2.0), (0.0, 1.0))
    """
    finite: Any = numbers[np.isfinite(numbers)]
    end = float(np.abs(finite).max(initial=0)) or 1.0
    return (-end if (finite < 0).any() else 0.0), end
