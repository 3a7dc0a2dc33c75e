"""The table that `model.plan()` prints: what runs a network, and what that costs."""

from collections.abc import Callable
from typing import Any

from tinyconv import config
from tinyconv.engine.plan import Plan, Step
from tinyconv.layers import Layer
from tinyconv.models.formulas import multiply_adds
from tinyconv.models.summary import draw_table, printable, size_text

__all__ = ["print_plan"]


def print_plan(model: Any, plan: Plan, batch_size: int, print_fn: Callable[[str], Any] | None = None) -> None:
    """Print each step of a plan: its layers, what runs them and why, its memory, its arithmetic.

    Args:
        model: whose plan it is.
        plan: what runs it.
        batch_size: samples in the batch that the memory is for.
        print_fn: called with each line instead of `print`.
    """
    write = printable if print_fn is None else print_fn
    write(f'Plan of "{model.name}": engine {config.engine_name()}, {config.threads()} threads')
    header = ["Layers", "Runs as", "Algorithm", "Because", "Workspace", "Multiply-adds"]
    for line in draw_table(header, [_row(step, batch_size) for step in plan.steps], {4, 5}):
        write(line)
    total = sum(_workspace(step, batch_size) for step in plan.steps)
    what = f"Workspace for a batch of {batch_size}: {size_text(total)}."
    write(f" {what} Multiply-adds are those of one sample, forward.")


def _row(step: Step, batch_size: int) -> list[str]:
    names = dict.fromkeys(layer.name for layer in step.layers)
    size = _workspace(step, batch_size)
    return [" + ".join(names), *_runs(step), size_text(size) if size else "-", _products(step)]


def _runs(step: Step) -> tuple[str, str, str]:
    if isinstance(step.runs, Layer):
        why = "no block for it" if config.engine_name() == "numba" else "the mathematics"
        return "the layer itself", "NumPy", why
    return step.runs.title, step.runs.algorithm, step.runs.reason


def _workspace(step: Step, batch_size: int) -> int:
    return 0 if isinstance(step.runs, Layer) else step.runs.workspace(batch_size, step.feeds_back)


def _products(step: Step) -> str:
    if not isinstance(step.runs, Layer):
        return f"{step.runs.multiply_adds:,}"
    number = sum(multiply_adds(layer, step.outputs[0].shape) or 0 for layer in step.layers)
    return f"{number:,}" if number else "-"
