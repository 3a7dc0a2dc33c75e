"""Time single layers and blocks, forward and backward: tinyconv, its own mathematics in NumPy, and PyTorch.

    python -m benchmarks.layers --only "M3 conv 1" 5x5 --rounds 6 --json layers.json

Every layer is a model by itself, with next to nothing as its loss. First all compute the same outputs and gradients.
Forward is as in prediction. Forward and backward together go down to the layer's input, but not for the layers that see
the image: training does not need that gradient, and there a training step is timed. A ratio above 1 means that tinyconv
is faster.
"""

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.command import Command
from benchmarks.peers import COMPETITORS, MATHEMATICS, OURS, PEERS
from benchmarks.problems import PROBLEMS, Line, Problem
from benchmarks.report import Results, table, time_and_ratio
from benchmarks.turns import Phase
from tinyconv import layers
from tinyconv.models import Model


def blocks(model: Model) -> Iterator[tuple[tuple[int, ...], Line]]:
    """Shape of the input and layers of each part that ends with a pooling layer or is a dense layer.

    Dropout is left out: it draws differently in each library. A softmax at the end belongs to the loss, so is the last
    dense layer.
    """
    part: list[layers.Layer] = []
    for layer in model.layers[:-1]:
        if isinstance(layer, layers.InputLayer | layers.Dropout | layers.Flatten):
            continue
        part.append(layer)
        if isinstance(layer, layers.MaxPooling2D | layers.Dense):
            yield part[0].input_spec[1:], [(type(one).__name__, one.get_config()) for one in part]
            part = []


def of_the_notes() -> dict[str, Problem]:
    """The blocks of M1 to M4."""
    return {
        f"{name} {'dense' if part[-1][0] == 'Dense' else f'conv {i}'}": Problem(
            "layers", PROBLEMS[name].batch_size, shape, settings={"layers_": part}
        )
        for name in ("M1", "M2", "M3", "M4")
        for i, (shape, part) in enumerate(blocks(PROBLEMS[name].model()), 1)
    }


def alone(kind: str, shape: tuple[int, ...], batch_size: int = 32, **settings: Any) -> Problem:
    """A layer by itself."""
    return Problem("layers", batch_size, shape, settings={"layers_": [(kind, settings)]})


def single() -> dict[str, Problem]:
    """Layers of other kinds and shapes than the notes' networks have."""
    return {
        "1x1": alone("Conv2D", (28, 28, 64), filters=64, kernel_size=1, activation="relu"),
        "3x3": alone("Conv2D", (28, 28, 64), filters=64, kernel_size=3, padding="same", activation="relu"),
        "5x5": alone("Conv2D", (28, 28, 32), filters=64, kernel_size=5, padding="same", activation="relu"),
        "3x3, stride 2": alone("Conv2D", (57, 57, 32), filters=64, kernel_size=3, strides=2, activation="relu"),
        "depthwise": alone("DepthwiseConv2D", (56, 56, 64), kernel_size=3, padding="same", activation="relu"),
        "batch norm": alone("BatchNormalization", (28, 28, 64)),
        "dense": alone("Dense", (1024,), 128, units=1024, activation="relu"),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write the file if asked."""
    command = Command("layers", __doc__, rounds=6)
    cases = of_the_notes() | single()
    command.parser.add_argument(
        "--only", nargs="+", choices=cases, metavar="LAYER", default=list(cases), help=", ".join(cases)
    )
    command.add_peers([MATHEMATICS, *[name for name in PEERS if name.startswith("torch")]], [MATHEMATICS, "torch-cl"])
    args = command.start(arguments)
    least, seconds = (1, 0.0) if args.quick else (3, 0.2)
    names = command.present(args.peers)
    for name in args.only:
        phases = [Phase("predict", least, seconds), Phase(both_ways(cases[name]), least, seconds)]
        if not command.run(name, cases[name], names, phases, compare_outputs=True):
            return 1
    command.finish(tables(command.results))
    return 0


def both_ways(problem: Problem) -> str:
    """What is timed as forward and backward."""
    sees_the_image = problem.input_shape is not None and problem.input_shape[-1] in (1, 3)
    return "train_step" if sees_the_image else "gradients"


def tables(results: Results) -> str:
    """Layers in rows; forward, then both ways, of each competitor."""
    names = list(next(iter(results.values())))
    head = [COMPETITORS[name].title for name in names]
    found = []
    for title, phases in (("forward, ms", ["predict"]), ("forward and backward, ms", ["train_step", "gradients"])):
        rows = [
            [layer, *["".join(time_and_ratio(one, by[OURS], phase) for phase in phases) for one in by.values()]]
            for layer, by in results.items()
        ]
        found.append(table([title, *head], rows))
    return "\n\n".join(found)


if __name__ == "__main__":
    sys.exit(main())
