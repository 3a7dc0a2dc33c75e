"""The shapes of a network, from its settings alone."""

from typing import TYPE_CHECKING

from tinyconv.models import Model

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["shapes"]


def shapes(model: Model, columns: int = 8) -> "Figure":
    """A box for what each layer returns, with its shape and the layer's parameters. Nothing is built or run.

    Args:
        model: a network whose input's shape is known.
        columns: boxes in a row.

    Raises:
        ValueError: if the input's shape is not known.
    """
    raise NotImplementedError
