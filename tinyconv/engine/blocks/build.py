"""Making a block from a run of operations."""

from typing import Any

from tinyconv import config
from tinyconv.engine.blocks.base import Block
from tinyconv.engine.blocks.convolution import Convolution, conv_case
from tinyconv.engine.blocks.dense import DenseBlock
from tinyconv.engine.blocks.dropout import DropoutBlock
from tinyconv.engine.blocks.normalization import Normalization
from tinyconv.engine.blocks.pooling import Pooling
from tinyconv.engine.blocks.warping import WarpBlock
from tinyconv.engine.threads import team


def make(name: str, letters: str, layers: list[Any], shape: tuple[int, ...]) -> Block:
    """The block that runs some neighbouring operations.

    Args:
        name: of the block, as in `plan.PATTERNS`.
        letters: a letter for each operation, as there.
        layers: the layer of each.
        shape: of one sample that enters, without the batch axis.
    """
    threads, by = team(config.threads()), dict(zip(letters, layers, strict=True))
    if name == "convolution":
        scaling = {"scale": by["S"].scale, "offset": by["S"].offset} if "S" in by else {}
        case = conv_case(by["C"], shape, "A" in by, by.get("P") or by.get("Q"), **scaling)
        return Convolution(layers, case, threads)
    if name == "normalization":
        return Normalization(letters, layers, shape, threads)
    if name == "dense":
        return DenseBlock(layers[0], shape, "A" in by, threads)
    return {"pooling": Pooling, "dropout": DropoutBlock, "warp": WarpBlock}[name](layers[0], shape, threads)
