"""What all figures have in common: their colours, and a sentence that says what is to be seen.

The colours can be told apart with any colour vision. Numbers that are never below 0 run from dark blue to yellow
(cividis); numbers of both signs run from blue over white, which is 0, to red.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from tinyconv._types import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["MAGNITUDE", "QUIET", "SIGNED", "described", "limits", "new_figure"]

#: Colour of what is said beside the point.
QUIET = "#61656a"
#: Colour maps for numbers from 0, and for numbers of both signs.
MAGNITUDE, SIGNED = "cividis", "RdBu_r"


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure of this size in inches, which belongs to no window."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    return Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08))


def described(figure: "Figure", alt: str) -> "Figure":
    """The figure, with a sentence for those who cannot see it as ``figure.alt``."""
    figure.alt = alt  # type: ignore[attr-defined]
    return figure


def limits(numbers: Array) -> tuple[float, float]:
    """What the ends of a colour map stand for: 0 and the largest number, or as far from 0 on either side.

    NaN and infinity are left out.

    >>> limits(np.array([0.0, 3.0])), limits(np.array([-2.0, 1.0])), limits(np.array([0.0]))
    ((0.0, 3.0), (-2.0, 2.0), (0.0, 1.0))
    """
    finite: Any = numbers[np.isfinite(numbers)]
    end = float(np.abs(finite).max(initial=0)) or 1.0
    return (-end if (finite < 0).any() else 0.0), end
