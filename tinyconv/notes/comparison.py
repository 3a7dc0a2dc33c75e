"""Every number that the course notes print, beside the number that tinyconv computes.

Nothing on the right-hand side is copied: layers convolve the worked example, `summary` counts the parameters, and a
real `fit` on empty data counts its steps. What the notes' trainings reached needs their data, and is not compared.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyconv import layers
from tinyconv._types import Array
from tinyconv.callbacks import LambdaCallback
from tinyconv.models import Sequential
from tinyconv.notes import printed
from tinyconv.notes.networks import network
from tinyconv.preprocessing.split import shuffle_and_split


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        note: number of the course note.
        what: which number.
        printed: what the note prints.
        computed: what tinyconv computes.
    """

    note: str
    what: str
    printed: str
    computed: str

    @property
    def ok(self) -> bool:
        """Whether the two are the same."""
        return self.printed == self.computed


def reproduce() -> list[Row]:
    """All comparisons, note after note; takes a second, and neither data nor network access."""
    return [*_note000(), *_note001(), *_note002(), *_note003(), *_note004()]


def table(rows: Sequence[Row]) -> str:
    """The comparisons as a table, then what the notes leave open."""
    cells = [("note", "what", "printed in the note", "computed here", "ok")]
    cells += [(row.note, row.what, row.printed, row.computed, "yes" if row.ok else "NO") for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    cells.insert(1, tuple("-" * width for width in widths))  # type: ignore[arg-type]
    lines = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in cells]
    different = sum(not row.ok for row in rows)
    verdict = f"{len(rows)} numbers compared, {different or 'none'} different."
    return "\n".join([*lines, "", verdict, *remarks()])


def remarks() -> list[str]:
    """What cannot be compared, and why."""
    as_written, doubled = _steps(3117, 32), _steps(3117, 64)
    return [
        f"Not compared: note 000 shows 49 steps in an epoch, but its 3,117 images in batches of 32 make {as_written};"
        f" 49 steps of 32 are {49 * 32:,} images, and batches of 64 would make {doubled}.",
        "Not compared: note 002's first split, into 130 and 33: scikit-learn rounds the test part up, Keras down.",
        "Not compared: what the notes' trainings reach, which needs data: `tinyconv reproduce 004` runs note 004.",
    ]


# The notes


def _note000() -> Iterator[Row]:
    yield Row("000", "2x2 map, flattened", "7 5 5 8", _text(layers.Flatten()(_image(printed.FLATTENED))))
    names = list(printed.CLASS_INDICES)
    best = names[int(np.argmax(printed.PREDICTION))]
    yield Row("000", "name of the highest prediction", printed.PREDICTED, best)


def _note001() -> Iterator[Row]:
    for name, matrix in printed.IMAGES.items():
        yield from _worked_example(name, _image(matrix))
    train, test = shuffle_and_split(list(range(500)), test_split=0.2, seed=42)
    yield Row("001", "500 images, a fifth for testing", "400, 100", f"{len(train)}, {len(test)}")
    yield Row("001", "validation_split=0.1 of 400 images", "360, 40", "{}, {}".format(*_counts(400, split=0.1)))
    yield from _summary("001", "note001")


def _worked_example(name: str, image: Array) -> Iterator[Row]:
    """Note 001's 6x6 image, convolved and pooled."""
    feature_map = _convolution()(image)  # (1, 4, 4, 1)
    yield Row("001", f"image {name}, convolved", printed.FEATURE_MAPS[name], _text(feature_map))
    yield Row("001", f"image {name}, max pooled", printed.MAX_POOLED[name], _text(layers.MaxPooling2D()(feature_map)))
    what = f"image {name}, min pooled (by hand, not printed)"
    yield Row("001", what, printed.MIN_POOLED[name], _text(layers.MinPooling2D()(feature_map)))


def _note002() -> Iterator[Row]:
    train, test = shuffle_and_split(list(range(2062)), test_split=0.2, seed=1337)
    yield Row("002", "2,062 files: training, validation", "1650, 412", f"{len(train)}, {len(test)}")
    yield Row("002", "steps: 1,650 images in batches of 128", "13", f"{_steps(1650, 128)}")
    yield Row("002", "steps: 412 images in batches of 128", "4", f"{_steps(412, 128)}")
    yield from _summary("002", "note002")


def _note003() -> Iterator[Row]:
    for size in (27455, 7172):
        shape = layers.Reshape((28, 28, 1)).compute_output_shape((size, 784))
        yield Row("003", f"({size}, 784), reshaped", f"({size}, 28, 28, 1)", f"{shape}")
    yield Row("003", "steps: 27,455 images in batches of 32", "858", f"{_steps(27455, 32)}")
    yield from _summary("003", "note003")
    yield Row("003", "(28x28) * (3x3)", "26x26x1", _shape(28, 3))
    yield Row("003", "4*4*2: two filters on 6x6x3", "4x4x2", _shape(6, 3, channels=3, filters=2))
    yield from _formulas()
    for name in ("note003-valid", "note003-same", "note003-strides", "note003-pooling"):
        yield from _summary("003", name)


def _formulas() -> Iterator[Row]:
    """Note 003's formulas against the layer, for all images up to 12x12, filters up to 5x5 and padding up to 3."""
    cases = [(n, f, p) for n, f, p in itertools.product(range(1, 13), range(1, 6), range(4)) if n + 2 * p >= f]
    plain = [(_side(n, f) == n - f + 1) for n, f, p in cases if p == 0]
    yield _all("image after convolution: (n - f + 1)", plain)
    yield _all("image after padding: (n + 2p)", [_padded_side(n, p) == n + 2 * p for n, _, p in cases])
    yield _all("convolution with padding: (n + 2p - f + 1)", [_side(n, f, p) == n + 2 * p - f + 1 for n, f, p in cases])
    strided = [_side(n, f, p, s) == (n - f + 2 * p) // s + 1 for n, f, p in cases for s in (1, 2, 3)]
    yield _all("formula 1: [(I - F + 2P) / S] + 1, rounded down", strided)


def _note004() -> Iterator[Row]:
    yield Row("004", "steps: 60,000 images in batches of 128", "469", f"{_steps(60_000, 128)}")
    yield from _summary("004", "note004")


# How the numbers are computed


def _image(matrix: str) -> Array:
    """Rows of numbers -> (1, H, W, 1)."""
    return np.array([row.split() for row in matrix.split("\n") if row.strip()], np.float32)[None, :, :, None]


def _convolution() -> layers.Conv2D:
    """The layer with note 001's kernel."""
    layer = layers.Conv2D(1, 3, use_bias=False)
    layer.build((None, 6, 6, 1))
    layer.set_weights([_image(printed.KERNEL)[0, :, :, :, None]])  # (3, 3, 1, 1)
    return layer


def _text(result: Any) -> str:
    """(1, H, W, 1) or (1, n) -> rows of whole numbers, with a slash between rows."""
    rows = np.atleast_2d(np.asarray(result)[0].squeeze())
    return " / ".join(" ".join(f"{value:g}" for value in row) for row in rows)


def _shape(size: int, kernel: int, channels: int = 1, filters: int = 1) -> str:
    shape = layers.Conv2D(filters, kernel).compute_output_shape((None, size, size, channels))
    return "x".join(map(str, shape[1:]))


def _side(n: int, f: int, p: int = 0, s: int = 1) -> int | None:
    """Height that `Conv2D` gives an n x n image."""
    return layers.Conv2D(1, f, strides=s, padding=((p, p), (p, p))).compute_output_shape((None, n, n, 1))[1]


def _padded_side(n: int, p: int) -> int | None:
    return layers.ZeroPadding2D(p).compute_output_shape((None, n, n, 1))[1] if p else n


def _all(what: str, agree: list[bool]) -> Row:
    return Row("003", what, f"{len(agree)} of {len(agree)} sizes", f"{sum(agree)} of {len(agree)} sizes")


def _steps(samples: int, batch_size: int) -> int:
    return _counts(samples, batch_size)[0]


def _counts(samples: int, batch_size: int = 1, split: float = 0.0) -> tuple[int, int]:
    """(steps, validation steps) of one epoch: a real `fit` of the smallest network there is, counted."""
    done = {"train": 0, "test": 0}

    def count(kind: str) -> Any:
        def hook(batch: int, logs: Any = None) -> None:
            done[kind] += 1

        return hook

    model = Sequential([layers.Input((1,)), layers.Dense(1, kernel_initializer="zeros")])
    model.compile("sgd", "mse")
    x = np.zeros((samples, 1), np.float32)
    hooks = LambdaCallback(on_train_batch_end=count("train"), on_test_batch_end=count("test"))
    model.fit(x, x, batch_size, validation_split=split, shuffle=False, verbose=0, callbacks=[hooks], doctor=False)
    return done["train"], done["test"]


def _summary(note: str, name: str) -> Iterator[Row]:
    """The summary of a network, line by line, against what `summary` prints of it."""
    lines: list[str] = []
    network(name).summary(print_fn=lines.append)
    ours = [_layer(*map(str.strip, line.strip("│").split("│"))) for line in lines if line.startswith("│")]
    theirs = [line.strip() for line in printed.SUMMARIES[name].split("\n") if "(None" in line]
    yield Row(note, f"{name}: number of layers", f"{len(theirs)}", f"{len(ours)}")
    for line, computed in zip(theirs, ours, strict=False):
        layer, shape, count = re.split(r"  +", f"{line}  ", maxsplit=2)
        what = f"{name}: {layer.split()[0]}"
        yield Row(note, what, _layer(layer, shape, count), computed if count else computed.split(";")[0])
    for kind in ("Total params", "Trainable params", "Non-trainable params"):
        value, computed = _after(kind, printed.SUMMARIES[name].split("\n")), _after(kind, lines)
        yield Row(note, f"{name}: {kind}", value, computed if "(" in value else computed.split(" (")[0])


def _layer(name: str, shape: str, count: str) -> str:
    """One line of a summary: ``Conv2D 26x26x32; 320 params``."""
    kind = name[name.index("(") + 1 : -1]
    sizes = re.findall(r"\d+", shape)
    return f"{kind} {'x'.join(sizes)}" + (f"; {int(count.replace(',', '')):,} params" if count else "")


def _after(label: str, lines: list[str]) -> str:
    return next(line.split(": ")[1] for line in lines if line.strip().startswith(f"{label}:"))
