"""The table that `model.summary()` prints: what a network consists of, from shapes alone.

Nothing is built, so that a network too large for this computer can be looked at before it is too late.
"""

import math
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinyconv.layers import InputLayer, Layer
from tinyconv.layers.graph import Node
from tinyconv.models.formulas import Formulas, layer_formulas, product

__all__ = ["draw_table", "print_summary", "printable", "size_text"]

#: Training with more than this many bytes gets a warning.
LARGE = 4e9

Row = list[str]


def print_summary(
    model: Any,
    formulas: bool = False,
    line_length: int | None = None,
    print_fn: Callable[[str], Any] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
) -> None:
    """Print Keras's table of layers, output shapes and numbers of parameters.

    Columns are as wide as their longest cell, so that nothing is cut off.

    Args:
        model: a network whose input's shape is known.
        formulas: add a table of what each layer computes and needs (see `tinyconv.models.formulas`), and the memory
            that training takes.
        line_length: least width of the table.
        print_fn: called with each line instead of `print`.
        expand_nested: show the layers of models inside, indented.
        show_trainable: add a column that says which layers learn.
    """
    write = printable if print_fn is None else print_fn
    for line in [f'Model: "{model.name}"', *_layer_table(model, line_length, expand_nested, show_trainable)]:
        write(line)
    for line in _totals(model):
        write(line)
    for line in _formula_lines(model, line_length) if formulas else ():
        write(line)


def size_text(size: float) -> str:
    """A number of bytes, in powers of 1024, as Keras prints it.

    >>> size_text(0), size_text(166986 * 4), size_text(2002698 * 4)
    ('0.00 B', '652.29 KB', '7.64 MB')
    """
    units = ["B", "KB", "MB", "GB", "TB", "PB"]
    while size >= 1024 and len(units) > 1:
        size /= 1024
        units.pop(0)
    return f"{size:.2f} {units[0]}"


# The layers


def _layer_table(model: Any, line_length: int | None, expand_nested: bool, show_trainable: bool) -> Iterator[str]:
    line = _is_line(model)
    header = ["Layer (type)", "Output Shape", "Param #"]
    header += ([] if line else ["Connected to"]) + (["Trainable"] if show_trainable else [])
    rows, calls = [], _calls(model)
    for layer, indent, node in _entries(model, expand_nested):
        row = [f"{indent}{layer.name} ({type(layer).__name__})", _shape_text(node), f"{layer.count_params():,}"]
        row += [] if line else [_connections(calls.get(layer, []), calls) or "-"]
        rows.append(row + ([_learns(layer)] if show_trainable else []))
    return draw_table(header, rows, {2}, line_length)


def _entries(model: Any, expand: bool, depth: int = 0) -> Iterator[tuple[Layer, str, Node]]:
    """(layer, what to put before its name, its first call) for each row."""
    calls = _calls(model)
    for layer in model.layers:
        yield layer, "   " * depth + "└ " if depth else "", calls[layer][0]
        if expand and hasattr(layer, "nodes"):
            yield from _entries(layer, expand, depth + 1)


def _is_line(model: Any) -> bool:
    """Whether each layer is called once, on the layer before it."""
    pairs = zip(model.nodes, model.nodes[1:], strict=False)
    once = len({node.layer for node in model.nodes}) == len(model.nodes)
    return once and all(after.inputs == before.outputs for before, after in pairs)


def _shape_text(node: Node) -> str:
    shapes = [str(tensor.shape) for tensor in node.outputs]
    return shapes[0] if len(shapes) == 1 else f"[{', '.join(shapes)}]"


def _calls(model: Any) -> dict[Layer, list[Node]]:
    """The calls of each layer."""
    calls: dict[Layer, list[Node]] = {}
    for node in model.nodes:
        calls.setdefault(node.layer, []).append(node)
    return calls


def _connections(nodes: list[Node], calls: dict[Layer, list[Node]]) -> str:
    """Where the inputs of a layer's calls come from, as name[which call of that layer][which of its outputs]."""
    tensors = [tensor for node in nodes for tensor in node.inputs]
    return ", ".join(f"{t.node.layer.name}[{calls[t.node.layer].index(t.node)}][{t.index}]" for t in tensors)


def _learns(layer: Layer) -> str:
    return "-" if not layer.count_params() else "Y" if layer.trainable else "N"


# The totals


def _totals(model: Any) -> Iterator[str]:
    learned, kept = parameter_bytes(model)
    numbers = {"Trainable": learned, "Non-trainable": kept}
    optimizer = model.optimizer
    if optimizer is not None and optimizer.built:
        numbers["Optimizer"] = _optimizer_numbers(optimizer)
    total = tuple(map(sum, zip(*numbers.values(), strict=True)))
    for name, (count, size) in {"Total": total, **numbers}.items():
        yield f" {name} params: {count:,} ({size_text(size)})"


def parameter_bytes(model: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    """(numbers, bytes) of what is learned, and the same of what is not."""
    learned, kept = [0, 0], [0, 0]
    for layer in model.sublayers():
        item = np.dtype(layer.dtype).itemsize
        count = sum(math.prod(shape) for shape in layer.weight_shapes(layer.input_spec).values())
        rest = layer.count_params() - count
        for place, number in ((learned if layer.trainable else kept, count), (kept, rest)):
            place[0] += number
            place[1] += number * item
    return (learned[0], learned[1]), (kept[0], kept[1])


def _optimizer_numbers(optimizer: Any) -> tuple[int, int]:
    """(numbers, bytes): the slots, and as in Keras the count of updates and, if it is a number, the learning rate."""
    slots = optimizer.slots.values()
    single = 1 + isinstance(optimizer.learning_rate, float)
    return sum(slot.size for slot in slots) + single, sum(slot.nbytes for slot in slots) + 4 * single


# The formulas


def _formula_lines(model: Any, line_length: int | None) -> Iterator[str]:
    found = layer_formulas(model)
    header = ["Layer", "Parameters", "Multiply-adds", "Columns", "Output", "Receptive field"]
    rows = [_formula_row(layer, found[layer]) for layer, _, _ in _entries(model, expand=True)]
    yield ""
    yield "For one image, forward:"
    yield from draw_table(header, rows, {2, 3, 4}, line_length)
    inner = [found[layer] for layer in found if not hasattr(layer, "nodes")]
    whole = Formulas()
    for costs in inner:
        whole.add(costs)
    yield f" Multiply-adds: {_count(whole.multiply_adds)}"
    yield from _memory_lines(model, whole.output)


def _formula_row(layer: Layer, costs: Formulas) -> Row:
    parameters = f"{layer.count_params():,}" if hasattr(layer, "nodes") else product(layer)
    field = "-" if costs.field is None else "1x1" if isinstance(layer, InputLayer) else str(costs.field)
    return [layer.name, parameters, _count(costs.multiply_adds), _size(costs.columns), _size(costs.output), field]


def _memory_lines(model: Any, outputs: int | None) -> Iterator[str]:
    """What training takes, in the units of the table above."""
    (_, learned), (_, kept) = parameter_bytes(model)
    name, slots = _slots(model.optimizer)
    total = learned * (2 + slots) + kept
    parts = [f"parameters {size_text(learned + kept)}", f"gradients {size_text(learned)}"]
    if slots:
        words = {1: "one", 2: "two", 3: "three"}
        parts.append(f"{words.get(slots, slots)} {name} slot{'s' * (slots > 1)} {size_text(learned * slots)}")
    yield f" Training needs about {size_text(total)}: {', '.join(parts)}."
    if outputs is not None:
        yield f" Each image of a batch adds about {size_text(outputs)} for the layers' outputs."
    if total > LARGE:
        largest = max(model.sublayers(), key=lambda layer: layer.count_params())
        share = f"{100 * largest.count_params() / model.count_params():.4g}%"
        yield f" WARNING: that may be more memory than there is. {share} of it is in {largest.name!r}: make its"
        yield " input smaller, by more pooling or GlobalAveragePooling2D before it, or give it fewer units."


def _slots(optimizer: Any) -> tuple[str, int]:
    """Class of the optimizer, and the vectors it keeps; Adam's two where none is chosen yet."""
    return ("Adam", 2) if optimizer is None else (type(optimizer).__name__, len(optimizer.slot_starts()))


def _count(number: int | None) -> str:
    return "?" if number is None else f"{number:,}"


def _size(size: int | None) -> str:
    return "?" if size is None else size_text(size) if size else "0"


# Drawing


def draw_table(header: Row, rows: list[Row], right: set[int], line_length: int | None = None) -> Iterator[str]:
    """The lines of a table; columns numbered in ``right`` are flush right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    spare = max((line_length or 0) - sum(widths) - 3 * len(widths) - 1, 0)
    widths = [width + (spare * (i + 1)) // len(widths) - (spare * i) // len(widths) for i, width in enumerate(widths)]
    lines = [_cells(row, widths, right) for row in (header, *rows)]
    yield _rule("┏━┳┓", widths)
    yield f"┃ {' ┃ '.join(lines[0])} ┃"
    yield _rule("┡━╇┩", widths)
    for i, cells in enumerate(lines[1:]):
        if i:
            yield _rule("├─┼┤", widths)
        yield f"│ {' │ '.join(cells)} │"
    yield _rule("└─┴┘", widths)


def _cells(row: Row, widths: list[int], right: set[int]) -> Row:
    pairs = enumerate(zip(row, widths, strict=True))
    return [cell.rjust(width) if i in right else cell.ljust(width) for i, (cell, width) in pairs]


def _rule(signs: str, widths: list[int]) -> str:
    start, dash, cross, end = tuple(signs)
    return start + cross.join(dash * (width + 2) for width in widths) + end


_PLAIN = str.maketrans("┏┳┓┡╇┩├┼┤└┴┘━─┃│·", "+" * 12 + "--||*")


def printable(line: str) -> None:
    """Print, with plain letters on a terminal that has no others."""
    try:
        line.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        line = line.translate(_PLAIN)
    print(line)
