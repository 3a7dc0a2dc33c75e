"""Which pixels decide: the gradient of a class's score by the image, and by the maps of a layer."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinyconv._types import Array
from tinyconv.figures import described, limits, new_figure
from tinyconv.layers import Layer
from tinyconv.models import Model
from tinyconv.plots.looking import Score, class_name, gradient_of_score, last_images, one_image, seen_at
from tinyconv.plots.tiles import Ends, picture, show

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["grad_cam", "grad_cam_map", "saliency", "saliency_map"]


def saliency_map(model: Model, x: Any, class_: int | None = None) -> Array:
    """How much the score of a class would rise if a pixel were brighter by one, for each pixel: (H, W, C).

    The score is the network's output before softmax or sigmoid. Source: K. Simonyan, A. Vedaldi and A. Zisserman,
    arXiv:1312.6034.

    Args:
        model: a network from one image to one number for each class.
        x: the image, (H, W), (H, W, C) or (1, H, W, C), as the network takes it.
        class_: number of the class; the predicted one, if None.

    Raises:
        ValueError: for another network, image or class.
    """
    return _by_image(model, x, class_, "saliency_map").gradient


def _by_image(model: Model, x: Any, class_: int | None, where: str) -> Score:
    return gradient_of_score(model, one_image(model, x, where), class_, where)


def saliency(model: Model, x: Any, class_: int | None = None, labels: Sequence[str] | None = None) -> "Figure":
    """An image beside the pixels whose change would change the score of a class; see `saliency_map`.

    Args:
        model, x, class_: as `saliency_map` takes them.
        labels: names of the classes; their numbers, if None.

    Raises:
        ValueError: as `saliency_map`.
    """
    image = one_image(model, x, "saliency")
    found = gradient_of_score(model, image, class_, "saliency")
    name = class_name(found.class_, labels)
    signed = found.gradient.sum(axis=-1)  # (H, W), as if all channels became brighter
    size = np.abs(found.gradient).max(axis=-1)  # (H, W)
    figure, panels = _three_panels(image)
    panels[0].set_title("the image", loc="left", fontsize=10)
    _with_bar(panels[1], signed, (-limits(signed)[1], limits(signed)[1]))
    panels[1].set_title("brighter here: blue raises, orange lowers it", loc="left", fontsize=10)
    _with_bar(panels[2], size, limits(size))
    panels[2].set_title("how much, up or down" + ", largest channel" * (image.shape[-1] > 1), loc="left", fontsize=10)
    figure.suptitle(f"Which pixels matter for {name} (score {found.value:.3g})", **_TITLE)
    row, column = np.unravel_index(np.nan_to_num(size).argmax(), size.shape)
    return described(figure, f"The pixels that change the score of {name}, most of all row {row}, column {column}.")


def grad_cam_map(model: Model, x: Any, layer: str | Layer | None = None, class_: int | None = None) -> Array:
    """Where a layer sees what speaks for a class: its maps, weighted and added, (h, w), never below 0.

    A map's weight is the mean of the gradient of the class's score by that map. Source: R. Selvaraju et al.,
    arXiv:1610.02391.

    Args:
        model, x, class_: as `saliency_map` takes them.
        layer: a layer that returns images, or its name; the last convolution, if None.

    Raises:
        ValueError: for another network, image, layer or class.
    """
    return _weighted(_by_maps(model, x, layer, class_, "grad_cam_map")[0])


def _by_maps(model: Model, x: Any, layer: Any, class_: int | None, where: str) -> tuple[Score, list[Layer]]:
    image = one_image(model, x, where)
    tensor, run = seen_at(model, last_images(model, where) if layer is None else layer, where)
    return gradient_of_score(model, image, class_, where, tensor), run


def _weighted(score: Score) -> Array:
    """Maps (h, w, F) and the gradient by them -> (h, w)."""
    weights = score.gradient.mean(axis=(0, 1))  # (F,)
    return np.maximum(score.at @ weights, 0)  # (h, w)


def grad_cam(
    model: Model,
    x: Any,
    layer: str | Layer | None = None,
    class_: int | None = None,
    labels: Sequence[str] | None = None,
) -> "Figure":
    """An image beside, and under, the places that speak for a class; see `grad_cam_map`.

    Args:
        model, x, layer, class_: as `grad_cam_map` takes them.
        labels: names of the classes; their numbers, if None.

    Raises:
        ValueError: as `grad_cam_map`.
    """
    image = one_image(model, x, "grad_cam")
    found, run = _by_maps(model, image, layer, class_, "grad_cam")
    cam, name, at = _weighted(found), class_name(found.class_, labels), " > ".join(each.name for each in run)
    ends, (height, width) = limits(cam), image.shape[1:3]
    figure, panels = _three_panels(image)
    panels[0].set_title("the image", loc="left", fontsize=10)
    _with_bar(panels[1], cam, ends)
    panels[1].set_title(f"{at}, {cam.shape[0]}x{cam.shape[1]}", loc="left", fontsize=10)
    panels[2].imshow(picture(image[0]), cmap="gray", interpolation="nearest")
    over = (-0.5, width - 0.5, height - 0.5, -0.5)
    show(panels[2], cam, ends, extent=over, alpha=0.6)
    panels[2].set_title("laid over the image", loc="left", fontsize=10)
    figure.suptitle(f"Where {run[0].name} sees {name} (score {found.value:.3g})", **_TITLE)
    place = f"most of all {_region(cam)}" if cam.any() else "which is nowhere"
    return described(figure, f"Where the maps of {at} speak for {name}: {place}.")


_TITLE: dict[str, Any] = {"x": 0.012, "ha": "left", "fontsize": 11.5, "fontweight": "bold"}


def _three_panels(image: Array) -> "tuple[Figure, Sequence[Axes]]":
    """A figure with the image in its first panel."""
    height, width = image.shape[1:3]
    figure = new_figure(10.4, min(2.6 * height / width, 6) + 1.1)
    panels = figure.subplots(1, 3)
    panels[0].imshow(picture(image[0]), cmap="gray", interpolation="nearest")
    panels[0].set_axis_off()
    return figure, panels


def _with_bar(axes: "Axes", pixels: Array, ends: Ends) -> None:
    """Draw (H, W) with the meaning of its colours below."""
    drawn = show(axes, pixels, ends)
    axes.figure.colorbar(drawn, ax=axes, orientation="horizontal", shrink=0.8, aspect=30, pad=0.03)


def _region(cam: Array) -> str:
    """The ninth of the picture where the largest number of (h, w) is."""
    row, column = np.unravel_index(np.nan_to_num(cam).argmax(), cam.shape)
    down = ("at the top", "in the middle", "at the bottom")[3 * int(row) // cam.shape[0]]
    across = ("on the left", "", "on the right")[3 * int(column) // cam.shape[1]]
    return f"{down} {across}".rstrip()
