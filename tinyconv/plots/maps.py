"""What the layers of a network make of one image."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinyconv._types import Array
from tinyconv.checks import lookup
from tinyconv.figures import QUIET, described, limits, new_figure
from tinyconv.layers import Conv2D, Layer
from tinyconv.layers.pooling import Pooling2D
from tinyconv.models import Model
from tinyconv.plots.looking import activations, class_name, first_images, one_image, probabilities, seen_at
from tinyconv.plots.tiles import LINE, MOST, SIDE, SPACE, Ends, Tile, draw_tiles, figure_of_tiles, picture, write_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["feature_maps", "feature_strip"]

#: Rows of a strip whose layers nobody has chosen, and bars beside it.
_ROWS, _BARS = 6, 10
#: What part of the strongest map's largest number a map needs to be chosen for a strip.
_WEAK = 0.2


def feature_maps(model: Model, x: Any, layer: str | Layer | None = None, scale: str = "own") -> "Figure":
    """The maps that a layer makes of one image, after its activation; at most 64 of them.

    A map that is 0 everywhere is labelled dead: of this image it tells the following layers nothing.

    Args:
        model: a network that takes one image.
        x: the image, (H, W), (H, W, C) or (1, H, W, C), as the network takes it.
        layer: a layer that returns images, or its name; the first convolution, if None.
        scale: ``"own"`` colours each map up to its own largest number, ``"shared"`` all up to the largest of all.

    Raises:
        ValueError: for another image, layer or scale.
    """
    shared = lookup("scale", scale, {"own": False, "shared": True})
    image = one_image(model, x, "feature_maps")
    tensor, run = seen_at(model, first_images(model, "feature_maps") if layer is None else layer, "feature_maps")
    (maps,) = activations(model, image, [tensor])  # (h, w, F)
    tiles = _tiles(maps, range(min(maps.shape[-1], MOST)), shared)
    title = _title(run, maps)
    dead = sum(bool(tile.note) for tile in tiles)
    columns = min(len(tiles), 8)
    figure, axes = figure_of_tiles(tiles, columns)
    drawn = draw_tiles(axes, tiles, columns)
    if shared:
        figure.colorbar(drawn[0], ax=axes, shrink=0.8, aspect=30, pad=0.02)
    write_title(figure, title, _about_scale(tiles[0].ends, shared))
    most = f", {len(tiles)} of them shown" if len(tiles) < maps.shape[-1] else ""
    return described(figure, f"Feature maps of one image, {title}{most}; {dead or 'none'} of these {_are(dead)} dead.")


def feature_strip(
    model: Model,
    x: Any,
    layers: Sequence[str | Layer] | None = None,
    columns: int = 8,
    labels: Sequence[str] | None = None,
) -> "Figure":
    """The way of one image through a network: some maps of each layer, and the probabilities.

    Maps are chosen to differ, beginning with the strongest.

    Args:
        model: a network that takes one image.
        x: the image, as `feature_maps` takes it.
        layers: layers that return images, or their names; some of the convolutions and poolings, if None.
        columns: so many maps of each layer.
        labels: names of the classes; their numbers, if None.

    Raises:
        ValueError: for another image or layer, or if there is none that returns images.
    """
    where = "feature_strip"
    image = one_image(model, x, where)
    first_images(model, where)
    found = [seen_at(model, layer, where) for layer in layers or _worth_seeing(model)]
    every = activations(model, image, [tensor for tensor, _ in found])  # (h, w, F) each
    shares = probabilities(model, image)
    width = columns * (SIDE + SPACE)
    figure = new_figure(1.9 + width + (2.3 if shares is not None else 0), len(found) * (SIDE + 2.4 * LINE + SPACE))
    ratios = [1.9, width] + [2.3] * (shares is not None)
    grid = figure.add_gridspec(len(found), len(ratios), width_ratios=ratios)
    shown = figure.add_subplot(grid[:, 0])
    shown.imshow(picture(image[0]), cmap="gray", interpolation="nearest")
    shown.set_axis_off()
    shown.set_title("the image", loc="left", fontsize=9.5)
    for row, ((_, run), maps) in enumerate(zip(found, every, strict=True)):
        axes = figure.add_subplot(grid[row, 1])
        chosen = _various(maps, columns)
        draw_tiles(axes, _tiles(maps, chosen, shared=False), columns)
        axes.set_title(_title(run, maps, len(chosen)), loc="left", fontsize=9.5)
    alt = f"One image and some of its maps in {len(found)} layers of {model.name}"
    if shares is None:
        return described(figure, f"{alt}.")
    _draw_bars(figure.add_subplot(grid[:, 2]), shares, labels)
    best = int(shares.argmax())
    return described(figure, f"{alt}, which takes it for {class_name(best, labels)} ({shares[best]:.1%}).")


def _worth_seeing(model: Model) -> list[Layer]:
    """Convolutions and poolings, evenly chosen where they are many."""
    images = [node.layer for node in model.nodes if len(node.outputs[0].shape) == 4]
    known = [layer for layer in dict.fromkeys(images) if isinstance(layer, Conv2D | Pooling2D)]
    places = np.linspace(0, len(known) - 1, min(len(known), _ROWS)).round().astype(int)
    return [known[i] for i in places]


def _various(maps: Array, most: int) -> list[int]:
    """Numbers of maps (h, w, F) that differ as much as may be, without those too weak to matter."""
    flat = np.nan_to_num(maps.reshape(-1, maps.shape[-1]))  # (h*w, F)
    strength = np.abs(flat).max(axis=0)  # (F,)
    known = np.flatnonzero(strength >= _WEAK * strength.max())
    flat = flat[:, known] - flat[:, known].mean(axis=0)
    flat /= np.maximum(np.linalg.norm(flat, axis=0), 1e-12)
    alike = flat.T @ flat  # (K, K) correlations of the K maps that are left
    chosen = [int(strength[known].argmax())]
    while len(chosen) < min(most, len(known)):
        nearest = alike[chosen].max(axis=0)  # (K,)
        nearest[chosen] = np.inf
        chosen.append(int(nearest.argmin()))
    return sorted(int(i) for i in known[chosen])


def _tiles(maps: Array, which: Sequence[int], shared: bool) -> list[Tile]:
    """Maps (h, w, F) as tiles with their numbers and their largest values; white is 0 where the layer has signs."""
    low, high = limits(maps)
    tiles = []
    for f in which:
        pixels = maps[..., f]
        end = high if shared else limits(pixels)[1]
        strongest = np.abs(pixels).max()
        note = "dead" if strongest == 0 else ""
        tiles.append(Tile(pixels, (-end if low < 0 else 0.0, end), f"{f}", f"{strongest:.2g}", note))
    return tiles


def _title(run: Sequence[Layer], maps: Array, some: int | None = None) -> str:
    height, width, count = maps.shape
    number = f"{count}" if some in (None, count) else f"{some} of {count}"
    return f"{' > '.join(layer.name for layer in run)}: {number} maps of {height}x{width}"


def _about_scale(ends: Ends, shared: bool) -> str:
    zero = "white is 0, blue above, orange below" if ends[0] < 0 else "dark is 0"
    if shared:
        return f"all maps on one scale; {zero}; each map's largest number at its upper right"
    return f"each map on its own scale, up to the number at its upper right; {zero}"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _draw_bars(axes: "Axes", shares: Array, labels: Sequence[str] | None) -> None:
    """Probabilities (K,) as bars: all, or the largest."""
    chosen = np.sort(np.argsort(-shares, kind="stable")[:_BARS])
    places, best = range(len(chosen)), shares.argmax()
    colors = ["#1f5a99" if i == best else "#b9bfc6" for i in chosen]
    bars = axes.barh(places, shares[chosen], height=0.7, color=colors)
    axes.bar_label(bars, [f"{shares[i]:.1%}" for i in chosen], padding=3, fontsize=8.5, color=QUIET)
    axes.set_yticks(places, [class_name(i, labels) for i in chosen])
    axes.set_xlim(0, 1.35)
    axes.set_ylim(len(chosen) - 0.5, -0.5)
    axes.tick_params(left=False, bottom=False, labelbottom=False)
    axes.spines[:].set_visible(False)
    axes.set_title("probability", loc="left", fontsize=9.5)
