"""``tinyconv train``: a network learns a data set, and everything worth keeping is written to a folder.

Three parts of the data are kept apart. The network learns from the training part without its last tenth; on that tenth
it is validated after every epoch; the test part is used once, at the end.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tinyconv import metrics, plots, utils
from tinyconv._types import Array
from tinyconv.callbacks import CSVLogger, History
from tinyconv.checks import lookup, sentence
from tinyconv.commands.networks import Meaning, fed, is_dark_ground, probabilities
from tinyconv.datasets import fashion_mnist, flowers, glyphs, mnist, sign_digits, sign_mnist
from tinyconv.models import Model
from tinyconv.notes import NETWORKS, Program
from tinyconv.optimizers import Optimizer
from tinyconv.optimizers.schedules import CosineDecay
from tinyconv.preprocessing.image import ImageDataGenerator, save_img
from tinyconv.presets import PRESETS, Preset

Part = tuple[Array, Array]

#: The fraction at the end of the training part that is not learned from.
HELD_OUT = 0.1
#: So many of the test images that it gets wrong become files.
WRONG = 32


@dataclass(frozen=True)
class DataSet:
    """A data set, and how it is learned unless asked for otherwise.

    Attributes:
        load: returns ``(x_train, y_train), (x_test, y_test)``.
        names: returns the names of the classes.
        network: name of the network.
        epochs: how often to go over the data.
    """

    load: Callable[[], tuple[Part, Part]]
    names: Callable[[], Sequence[str]]
    network: str
    epochs: int


DATA = {
    "glyphs": DataSet(glyphs.load_data, glyphs.class_names, "note004", 4),
    "mnist": DataSet(mnist.load_data, lambda: mnist.CLASS_NAMES, "note004", 2),
    "fashion-mnist": DataSet(fashion_mnist.load_data, lambda: fashion_mnist.CLASS_NAMES, "note004", 5),
    "sign-mnist": DataSet(sign_mnist.load_data, lambda: sign_mnist.CLASS_NAMES, "note003", 3),
    "sign-digits": DataSet(sign_digits.load_data, lambda: sign_digits.CLASS_NAMES, "note002", 8),
    "flowers": DataSet(flowers.load_data, flowers.class_names, "note000", 10),
}


@dataclass(frozen=True)
class Settings:
    """What the command line says; None where it says nothing."""

    data: str | None = None
    model: str | None = None
    preset: str | None = None
    epochs: int | None = None
    batch_size: int | None = None
    optimizer: str | None = None
    lr: float | None = None
    schedule: str = "cosine"
    seed: int = 0
    out: str | None = None
    limit: int | None = None


def train(settings: Settings) -> None:
    """Train, test, and write the results.

    Raises:
        FileNotFoundError: if the data are nowhere.
        FileExistsError: if the folder for the results holds something already.
        ValueError: for settings that do not fit the data.
    """
    recipe, title = _recipe(settings)
    program = recipe.program
    optimizer = _optimizer(program, settings)
    utils.set_random_seed(settings.seed)
    (x, y), test = (_first(part, settings.limit) for part in recipe.load())
    meaning = Meaning(tuple(DATA[recipe.data].names()), is_dark_ground(x))
    model = program.build((*x.shape[1:], 1)[:3], len(meaning.classes))
    _slow_down(optimizer, settings.schedule, program.epochs * _steps(len(x), program.batch_size))
    program.compile(model, optimizer)
    with kept_if_used(make_folder(settings.out, title)) as folder:
        _describe(recipe.data, x, test[0], meaning)
        model.summary()
        print()
        log = CSVLogger(folder / "history.csv")
        history = _fit(model, recipe, fed(x, model), program.labels(y, len(meaning.classes)), log)
        _write(folder, model, history, meaning, test)
    print(f"Trained with {history.record}")


def make_folder(wanted: str | None, title: str) -> Path:
    """A new folder for the results: the one asked for, or the first free one of ``runs/title-1``, ``runs/title-2``, ...

    Raises:
        FileExistsError: if the one asked for holds something already.
    """
    if wanted is not None:
        folder = Path(wanted)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            way_out = "Choose another, or remove it."
            raise FileExistsError(sentence("train", "--out as a new or empty folder", f"{folder}", way_out))
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    number = 1
    while True:
        try:
            (folder := Path("runs") / f"{title}-{number}").mkdir(parents=True)
            return folder
        except FileExistsError:
            number += 1


# Before


def _recipe(settings: Settings) -> tuple[Preset, str]:
    """What to do, as a recipe: the preset asked for, or a network of the notes on a data set; and a title for it.

    Raises:
        ValueError: for unknown names, and for a preset beside a data set or network of one's own choice.
    """
    if settings.preset is None:
        name = settings.data or "glyphs"
        data: DataSet = lookup("data set", name, DATA)
        chosen = settings.model or data.network
        program: Program = replace(lookup("network", chosen, NETWORKS), batch_size=32, epochs=data.epochs)
        recipe, title = Preset(name, data.load, program), f"{name}-{chosen}"
    else:
        if settings.data or settings.model:
            expected, received = "--preset alone, which names data and network", "--data or --model beside it"
            raise ValueError(sentence("train", expected, received))
        recipe, title = lookup("preset", settings.preset, PRESETS), f"preset-{settings.preset}"
    usual = recipe.program
    batch_size, epochs = settings.batch_size or usual.batch_size, settings.epochs or usual.epochs
    return replace(recipe, program=replace(usual, batch_size=batch_size, epochs=epochs)), title


def _first(part: Part, limit: int | None) -> Part:
    return part[0][:limit], part[1][:limit]


def _describe(name: str, x: Array, x_test: Array, meaning: Meaning) -> None:
    held_out = len(x) - _learned(len(x))
    print(f"Data: {name}, {len(meaning.classes)} classes, images of {'x'.join(map(str, x.shape[1:]))} pixels")
    print(f"  training    {_learned(len(x)):>7,}  learned from")
    print(f"  validation  {held_out:>7,}  the end of the training part, looked at after each epoch")
    fonts = ", in fonts that training never saw" if name == "glyphs" else ""
    print(f"  test        {len(x_test):>7,}  looked at once, at the end{fonts}\n")


def _learned(samples: int) -> int:
    return int(samples * (1 - HELD_OUT))


def _steps(samples: int, batch_size: int) -> int:
    return max(-(-_learned(samples) // batch_size), 1)


def _optimizer(program: Program, settings: Settings) -> Optimizer:
    made = program.make_optimizer(settings.optimizer)
    if settings.lr is not None:
        made.learning_rate = settings.lr
    return made


def _slow_down(optimizer: Optimizer, schedule: str, steps: int) -> None:
    """Let the learning rate fall to 0 along a cosine, if asked for, and unless the note has a schedule of its own."""
    if schedule == "cosine" and isinstance(optimizer.learning_rate, float):
        optimizer.learning_rate = CosineDecay(optimizer.learning_rate, steps)


@contextmanager
def kept_if_used(folder: Path) -> Iterator[Path]:
    """The folder, which is removed again if nothing was written there: no traces of a training that never began."""
    try:
        yield folder
    finally:
        if not any(folder.iterdir()):
            folder.rmdir()


def _fit(model: Model, recipe: Preset, x: Array, y: Array, log: CSVLogger) -> History:
    """Learn from all but the end of the training part, changed anew in each epoch if the recipe says so."""
    program, learned = recipe.program, _learned(len(x))
    x_learned, y_learned, held_out = x[:learned], y[:learned], (x[learned:], y[learned:])
    settings: Any = {"epochs": program.epochs, "validation_data": held_out, "callbacks": [log]}
    if not recipe.augmentation:
        return model.fit(x_learned, y_learned, program.batch_size, **settings)
    changed = ImageDataGenerator(**recipe.augmentation).flow(x_learned, y_learned, program.batch_size)
    return model.fit(changed, **settings)


# After


def _write(folder: Path, model: Model, history: History, meaning: Meaning, test: Part) -> None:
    """Test the network, and write the model, its meaning, three pictures, and the images that it gets wrong."""
    x, y = test
    found = probabilities(model, fed(x, model))  # (N, K)
    predicted, sure = found.argmax(axis=1), found.max(axis=1)  # (N,) each
    matrix = metrics.confusion_matrix(y, predicted, len(meaning.classes))
    model.save(folder / "model.keras")
    meaning.write(folder)
    pictures: dict[str, Any] = {
        "curves.png": plots.curves(history),
        "confusion.png": plots.confusion_matrix(matrix, meaning.classes),
        "wrong.png": plots.wrong_predictions(x, y, predicted, sure, meaning.classes),
    }
    for name, figure in pictures.items():
        figure.savefig(folder / name, dpi=120)
    _write_wrong(folder / "wrong", x, y, predicted, sure)
    right = int((predicted == y).sum())
    print(f"\nTest accuracy: {right / len(y):.4f} ({right:,} of {len(y):,} images)")
    for true, other, count in plots.most_confused(matrix, meaning.classes, most=3):
        print(f"  {true} taken for {other}: {count} time{'s' * (count > 1)}")
    print(f"Written to {folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}")


def _write_wrong(folder: Path, x: Array, y: Array, predicted: Array, sure: Array) -> None:
    """The surest mistakes as image files, for `tinyconv inspect` and `tinyconv explain network`; named by classes."""
    wrong = np.flatnonzero(predicted != y)
    if not wrong.size:
        return
    folder.mkdir()
    for k, i in enumerate(wrong[np.argsort(-sure[wrong], kind="stable")][:WRONG], start=1):
        image = x[i] if x.ndim == 4 else x[i, :, :, None]  # (H, W, C)
        save_img(folder / f"{k:02}-true-{y[i]}-taken-for-{predicted[i]}.png", image, scale=False)
