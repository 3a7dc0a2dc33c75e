"""Bars beside each other, one picture for a whole run."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Dark blue and light grey differ in brightness too, so they can be told apart with any colour vision and in print.
_OURS, _OTHERS, _QUIET = "#1f5a99", "#b9bfc6", "#5c6168"


@dataclass(frozen=True)
class Bar:
    """One bar.

    Attributes:
        label: before it.
        length: of it.
        text: after it.
        ours: whether it stands for tinyconv.
    """

    label: str
    length: float
    text: str
    ours: bool


@dataclass(frozen=True)
class Panel:
    """Bars under a title."""

    title: str
    bars: Sequence[Bar]


def bars(
    grid: Sequence[Sequence[Panel]], title: str, footer: str, reference: float | None = None, width: float = 3.0
) -> "Figure":
    """Horizontal bars, rows and columns of panels.

    Args:
        grid: rows of panels, all on one scale. Labels are written once where all panels of a row have the same.
        title: above all.
        footer: below all, such as the machine.
        reference: where a thin line marks a length; None for none.
        width: of a panel, in inches.
    """
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    columns = max(map(len, grid))
    counts = [max(len(panel.bars) for panel in row) for row in grid]
    size = (2.2 + width * columns, 0.9 + 0.27 * (sum(counts) + 1.4 * len(grid)))
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(wspace=0.04, hspace=0.05))
    places = figure.subplots(len(grid), columns, squeeze=False, height_ratios=[count + 1.4 for count in counts])
    longest = max(bar.length for row in grid for panel in row for bar in panel.bars)
    for row, line, count in zip(grid, places, counts, strict=True):
        once = len({tuple(bar.label for bar in panel.bars) for panel in row}) == 1
        for i, axes in enumerate(line):
            axes.set_axis_off() if i >= len(row) else _draw(axes, row[i], with_labels=not once or i == 0)
            axes.set_xlim(0, 1.65 * longest)  # room for the text
            axes.set_ylim(count - 0.5, -0.5)  # the first one above
            if reference is not None:
                axes.axvline(reference, color=_OURS, linewidth=0.9, linestyle=":", zorder=0)
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize=13)
    figure.supxlabel(textwrap.fill(footer, int(14 * size[0])), x=0.01, ha="left", fontsize=9, color=_QUIET)
    return figure


def _draw(axes: "Axes", panel: Panel, with_labels: bool) -> None:
    places = range(len(panel.bars))
    colors = [_OURS if bar.ours else _OTHERS for bar in panel.bars]
    drawn = axes.barh(places, [bar.length for bar in panel.bars], height=0.72, color=colors)
    behind = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}  # so that no line runs through the text
    axes.bar_label(drawn, [bar.text for bar in panel.bars], padding=4, fontsize=9, bbox=behind)
    axes.set_yticks(places, [bar.label if with_labels else "" for bar in panel.bars], fontsize=9.5)
    axes.set_title(panel.title, loc="left", fontsize=10.5)
    axes.tick_params(left=False, bottom=False, labelbottom=False)
    axes.spines[:].set_visible(False)
