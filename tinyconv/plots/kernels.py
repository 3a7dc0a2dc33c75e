"""The filters of a convolution: what it has learned to look for."""

from typing import TYPE_CHECKING, Any

import numpy as np

from tinyconv._types import Array
from tinyconv.checks import sentence
from tinyconv.figures import described
from tinyconv.layers import Conv2D, DepthwiseConv2D, Layer
from tinyconv.models import Model
from tinyconv.plots.looking import convolutions
from tinyconv.plots.tiles import MOST, Ends, Tile, draw_tiles, figure_of_tiles, write_title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["filters"]

#: So many filters, and so many of their channels, where each channel is a tile of its own.
_FEW = 8


def filters(model: Model | Layer, layer: str | Layer | None = None, channel: int | None = None) -> "Figure":
    """The filters of a convolution: orange below 0, white at 0, blue above, all on one scale.

    Filters on three channels are shown in colour, grey at 0. Of filters on more channels, the first eight are shown on
    the first eight channels. With a channel chosen, the first 64 filters are shown on that channel.

    Args:
        model: a network, or a convolution that is built.
        layer: a convolution of the network, or its name; the first one, if None.
        channel: the input channel, from 0.

    Raises:
        ValueError: if there is no such convolution or channel.
    """
    found = _convolution(model, layer)
    kernel = _kernel(found)  # (KH, KW, C, F)
    size, (channels, count) = f"{kernel.shape[0]}x{kernel.shape[1]}", kernel.shape[2:]
    end = float(np.abs(kernel[np.isfinite(kernel)]).max(initial=0)) or 1.0
    if channel is not None and channel not in range(channels):
        expected = f"channel as a whole number from 0 to {channels - 1}"
        raise ValueError(sentence("filters", expected, f"channel={channel!r}"))
    in_colour = channels == 3 and channel is None
    if in_colour:
        shown = 0.5 + 0.5 * np.nan_to_num(kernel) / end  # (KH, KW, 3, F)
        tiles = [Tile(shown[..., f], (0, 1), f"{f}") for f in range(min(count, MOST))]
        below = f"channels as red, green and blue; grey is 0, black {-end:.2g}, white {end:.2g}"
    elif channels == 1 or channel is not None:
        tiles = [Tile(kernel[:, :, channel or 0, f], (-end, end), f"{f}") for f in range(min(count, MOST))]
        below = f"on input channel {channel} of {channels}" if channels > 1 else "orange below 0, white 0, blue above"
    else:
        tiles = _by_channel(kernel, (-end, end))
        below = (
            f"a row for each filter, a column for each input channel (the first {min(channels, _FEW)} of {channels})"
        )
    columns = min(channels if tiles[0].number else len(tiles), _FEW)
    some = len({tile.label for tile in tiles})
    title = (
        f"{found.name}: {count} filters of {size}"
        if some == count
        else f"{found.name}: {some} of {count} filters of {size}"
    )
    figure, axes = figure_of_tiles(tiles, columns)
    drawn = draw_tiles(axes, tiles, columns)
    if not in_colour:
        figure.colorbar(drawn[0], ax=axes, shrink=0.8, aspect=30, pad=0.02)
    write_title(figure, title, below)
    return described(figure, f"The weights of {title}, from {-end:.2g} to {end:.2g}.")


def _by_channel(kernel: Array, ends: Ends) -> list[Tile]:
    """(KH, KW, C, F) -> a tile for each of the first channels of the first filters, filter by filter."""
    channels, count = (min(n, _FEW) for n in kernel.shape[2:])
    return [Tile(kernel[:, :, c, f], ends, f"{f}", f"ch {c}") for f in range(count) for c in range(channels)]


def _kernel(layer: Any) -> Array:
    """The kernel as (KH, KW, C, F); of a depthwise convolution, whose filters see one channel each, (KH, KW, 1, F)."""
    kernel: Array = layer.params["kernel"]
    return kernel.reshape(*kernel.shape[:2], 1, -1) if isinstance(layer, DepthwiseConv2D) else kernel


def _convolution(model: Model | Layer, layer: str | Layer | None) -> Layer:
    """The convolution that is asked for.

    Raises:
        ValueError: if it is none, or has no parameters yet.
    """
    expected, found = "a convolution that is built", model
    if isinstance(model, Model):
        known = convolutions(model)
        if not known:
            raise ValueError(sentence("filters", "a model with a convolution", f"{model.title}, which has none"))
        model.build()
        found = known[0] if layer is None else layer if isinstance(layer, Layer) else model.get_layer(layer)
        expected = f"a convolution of {model.title}: {', '.join(each.name for each in known)}"
    if not isinstance(found, Conv2D) or not found.built:
        raise ValueError(sentence("filters", expected, f"{found!r}"))
    return found
