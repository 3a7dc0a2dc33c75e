"""What can be seen of the data alone: inputs, labels, and the two parts that are to be different.

Each check returns what it found, or None. They look at samples spread over all that is there, so that they take
milliseconds however large the data are.
"""

from typing import Any

import numpy as np

from tinyconv import activations
from tinyconv._types import Array
from tinyconv.doctor.names import (
    AugmentedValidationWarning,
    ConstantInputWarning,
    Finding,
    InputScaleWarning,
    LabelsWarning,
    MissingClassWarning,
    ValidationOverlapWarning,
)
from tinyconv.layers import Layer
from tinyconv.losses import BinaryCrossentropy, CategoricalCrossentropy, Huber, MeanAbsoluteError, MeanSquaredError

#: Numbers into the first weights: standardized ones rarely exceed 10, pixels go to 255.
TOO_LARGE, TYPICALLY_TOO_LARGE = 30, 5
#: The largest number of pixels that were divided by 255 twice is 0.004.
TOO_SMALL = 0.02
#: This fraction of blank images is more than any data set of pictures has.
BLANK = 0.2
#: So many samples of a class are expected by chance; none by chance then happens once in 8,000 times.
EXPECTED = 9
#: This fraction of the validation samples may be found among the others: large data sets have some images twice.
COPIES = 0.1
#: Samples of the training part that are compared, at most.
COMPARED = 2**13
#: A copy is looked for by so many numbers of each sample, then by more. Samples of few numbers may be equal by chance.
FIRST_MARKS, MARKS, LEAST_MARKS = 8, 48, 16

_SHUFFLE = "Shuffle before dividing, for validation_split takes the last samples: "
_SHUFFLE += "order = np.random.permutation(len(x)); x, y = x[order], y[order]."


def spread(samples: Array, most: int) -> Array:
    """At most so many samples, evenly from all of them; not a copy."""
    return samples[:: -(-len(samples) // most)]


# Inputs


def constant_input(name: str, x: Array) -> Finding | None:
    """Inputs (N, ...) in which there is nothing to see. Of tables, columns may be constant: the border of images is."""
    received = _nothing_to_see(x)
    if len(x) < 2 or received is None:
        return None
    way_out = "Show a few with matplotlib's imshow, and look at the code that reads them."
    return Finding(ConstantInputWarning, f"input {name!r}", "samples that differ", received, way_out)


def _nothing_to_see(x: Array) -> str | None:
    lowest, highest = x.min(), x.max()
    if lowest == highest:
        return f"{lowest:.4g} everywhere"
    if (x == x[:1]).all():
        return f"the same sample {len(x)} times"
    if x.ndim < 4:
        return None
    axes = tuple(range(x.ndim - 1))
    dead = np.flatnonzero(x.min(axis=axes) == x.max(axis=axes))
    if len(dead):
        return f"{x[0, 0, 0, dead[0]]:.4g} everywhere in channel {dead[0]}"
    axes = tuple(range(1, x.ndim))
    blank = float((x.min(axis=axes) == x.max(axis=axes)).mean())
    return f"images of one colour, {blank:.0%} of those looked at" if len(x) >= 10 and blank >= BLANK else None


def input_scale(layer: Layer, x: Array) -> Finding | None:
    """Numbers into the first layer with a kernel that are far from -1 to 1."""
    size, typical = float(np.abs(x).max()), float(np.sqrt(np.mean(np.square(x, dtype=np.float64))))
    received = f"{x.min():.4g} to {x.max():.4g}"
    if size > TOO_LARGE and typical > TYPICALLY_TOO_LARGE:
        are_pixels = x.min() >= 0 and size <= 255
        way_out = "Subtract the mean of each column and divide by its standard deviation."
        if are_pixels:
            way_out = (
                "Divide pixels by 255: x / 255, Rescaling(1 / 255) as first layer, or a generator's rescale=1/255."
            )
        received += ", as pixels are stored" if are_pixels else ""
    elif 0 < size < TOO_SMALL:
        way_out = "If pixels are divided by 255 twice, before the network and in it, leave out one of the two."
    else:
        return None
    return Finding(InputScaleWarning, layer.title, "inputs of about -1 to 1", received, way_out)


# Labels


def class_numbers(head: Any, y: Array) -> tuple[Array, int] | None:
    """(class number of each label, number of classes), where an output tells classes apart."""
    loss, classes = head.user_loss, head.tensor.shape[-1]
    if isinstance(loss, CategoricalCrossentropy):
        return (y.reshape(-1).astype(np.intp) if loss.sparse_labels else y.reshape(-1, classes).argmax(-1)), classes
    if isinstance(loss, BinaryCrossentropy) and classes == 1:
        return (y.reshape(-1) > 0.5).astype(np.intp), 2
    return None


def counts(head: Any, y: Array) -> Array | None:
    """How many labels there are of each class, where an output tells classes apart."""
    found = class_numbers(head, y)
    return None if found is None else np.bincount(found[0], minlength=found[1])


def labels_and_loss(head: Any, y: Array, count: Array | None) -> Finding | None:
    """Labels, last activation and loss of one output that do not belong together, and are not an error yet.

    Args:
        head: the output's loss and metrics.
        y: its labels, or some of them.
        count: of all labels, as `counts` returns it, where that is known.
    """
    layer, loss, units = head.tensor.node.layer, head.user_loss, head.tensor.shape[-1]
    if loss is None:
        return None
    ends_in = next((name for name in ("softmax", "sigmoid") if head.activation == activations.get(name)), None)
    categorical = isinstance(loss, CategoricalCrossentropy)

    def found(expected: str, received: str, way_out: str) -> Finding:
        return Finding(LabelsWarning, layer.title, expected, received, way_out)

    if ends_in == "softmax" and units == 1:
        way_out = "For two classes use activation='sigmoid' and loss='binary_crossentropy'."
        return found("at least 2 units for a softmax", "1 unit, which always gives 1", way_out)
    if ends_in == "sigmoid" and categorical and not loss.from_logits:
        expected, received = "probabilities that add up to 1", f"activation='sigmoid' before {loss.name}"
        way_out = "Use activation='softmax'; or loss='binary_crossentropy', if a sample may be of several classes."
        return found(expected, received, way_out)
    if ends_in == "softmax" and isinstance(loss, BinaryCrossentropy) and units > 2:
        received = f"activation='softmax' of {units} units before {loss.name}"
        way_out = "Use loss='categorical_crossentropy'; or activation='sigmoid', if a sample may be of several classes."
        return found("an answer of yes or no from each unit", received, way_out)
    if ends_in == "softmax" and isinstance(loss, MeanSquaredError | MeanAbsoluteError | Huber):
        received = f"{loss.name}, whose gradient all but vanishes where the network is sure and wrong"
        return found("a cross-entropy after softmax", received, "Use loss='categorical_crossentropy'.")
    if categorical and not loss.sparse_labels and np.abs(y.sum(axis=-1) - 1).max() > 1e-3:
        sums = y.sum(axis=-1).reshape(-1)
        received = f"a row that adds up to {sums[np.abs(sums - 1).argmax()]:.4g}"
        way_out = "If a sample may be of several classes, use activation='sigmoid' and loss='binary_crossentropy'."
        return found("labels that are one-hot, or probabilities", received, way_out)
    if categorical and count is not None and not count[0] and count[1:].all() and count.sum() > EXPECTED * len(count):
        received, way_out = f"labels 1 to {units - 1}", f"Pass y - 1, and give the last layer {units - 1} units."
        return found(f"labels 0 to {units - 1} for {units} units", received, way_out)
    return None


def missing_class(layer: Layer, learned: Array, held_out: Array | None) -> Finding | None:
    """Classes that chance would not have left out.

    Args:
        layer: the output.
        learned: labels of each class in the training part.
        held_out: in the validation part, None where there is none.
    """
    n = learned.sum()
    for there, here, part, other in (
        (held_out, learned, "training", "validation"),
        (learned, held_out, "validation", "training"),
    ):
        if there is None or here is None or not there.sum():
            continue
        missing = np.flatnonzero((here == 0) & (there * (here.sum() / there.sum()) > EXPECTED))
        if len(missing):
            received = f"none of class {_listed(missing)} among {here.sum()} in the {part} part, and"
            received += f" {there[missing[0]]} of class {missing[0]} among {there.sum()} in the {other} part"
            return Finding(MissingClassWarning, layer.title, "every class in both parts", received, _SHUFFLE)
    nowhere = np.flatnonzero(learned + (0 if held_out is None else held_out) == 0)
    if len(nowhere) and n > EXPECTED * len(learned):
        received = f"none of class {_listed(nowhere)} among {n}"
        way_out = "Give the last layer as many units as there are classes, numbered from 0 without gaps."
        return Finding(MissingClassWarning, layer.title, f"labels of all {len(learned)} classes", received, way_out)
    return None


def _listed(numbers: Array, most: int = 5) -> str:
    return ", ".join(map(str, numbers[:most])) + ("" if len(numbers) <= most else f" and {len(numbers) - most} more")


# Two parts


def copies(x: Array, rows: Array, held_out: Array) -> tuple[int, int]:
    """(how many validation samples are among these rows of those that are learned from, of how many looked up).

    Samples are compared by a few of their numbers, then by more, and as a whole only where all these agree.
    """
    chosen = spread(held_out, 256)
    variance = chosen.reshape(len(chosen), -1).var(axis=0)
    varying = np.flatnonzero(variance)
    if len(varying) < LEAST_MARKS or x.shape[1:] != held_out.shape[1:]:
        return 0, len(chosen)
    most_telling = np.argsort(-variance)[: max(len(varying) // 4, FIRST_MARKS)]
    own = np.arange(len(chosen))
    for among, how_many in ((most_telling, FIRST_MARKS), (varying, MARKS)):
        places = np.unravel_index(among[np.linspace(0, len(among) - 1, how_many).astype(int)], x.shape[1:])
        marks, wanted = _marks(x, rows, places), _marks(chosen, own, places)
        alike = np.isin(marks, wanted)
        rows, marks = rows[alike], marks[alike]
    found = 0
    for sample, mark in zip(chosen, wanted, strict=True):
        found += any(np.array_equal(x[i], sample) for i in rows[marks == mark][:MARKS])
    return found, len(chosen)


def _marks(x: Array, rows: Array, places: tuple[Array, ...]) -> Array:
    """One number for each of these samples (N, ...) that is the same where the numbers at these places are."""
    factors = np.arange(1, 2 * len(places[0]), 2, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    marks = [np.empty(0, np.uint64)]
    for start in range(0, len(rows), 4096):
        index: Any = (rows[start : start + 4096, np.newaxis], *places)
        marks.append((x[index].astype(np.float64).view(np.uint64) * factors).sum(axis=1))
    return np.concatenate(marks)  # (N,)


def overlap(x: Array, held_out: Array) -> Finding | None:
    """Validation samples that are learned from too."""
    if isinstance(x, np.memmap) or isinstance(held_out, np.memmap):
        return None  # to look for copies is to read the whole file
    if x is held_out or (x.shape == held_out.shape and x.size < 2**16 and np.array_equal(x, held_out)):
        return shared("the samples that are learned from")
    rows = np.arange(len(x))
    if len(x) > COMPARED:
        rows = np.unique((rows[:COMPARED] * 0.6180339887 % 1 * len(x)).astype(int))  # evenly, in no rhythm
    found, looked_up = copies(x, rows, held_out)
    share = min(found * len(x) / len(rows) / looked_up, 1)
    return (
        shared(f"about {share:.0%} of them among those that are learned from") if found > 2 and share > COPIES else None
    )


def shared(received: str) -> Finding:
    """What it says where the two parts share samples."""
    way_out = "Divide the data once, before anything else: validation_split=0.2, or train_test_split(x, y)."
    return Finding(ValidationOverlapWarning, "validation_data", "samples of their own", received, way_out)


def same_source(source: Any, held_out: Any) -> Finding | None:
    """Generators or data sets of both parts that are one, or read the same files."""
    if source is held_out:
        return shared("the very object that is learned from")
    files, held = _files(source), _files(held_out)
    found = len(files & held)
    if found >= 3 and found >= COPIES * len(held):
        return shared(f"{found} of {len(held)} files that are learned from too")
    images, held_images = getattr(source, "x", None), getattr(held_out, "x", None)
    if isinstance(images, np.ndarray) and isinstance(held_images, np.ndarray):
        return overlap(images, held_images)
    return None


def _files(source: Any) -> set[str]:
    names = getattr(source, "filepaths", None) or getattr(source, "file_paths", None) or ()
    return set(map(str, names))


def other_classes(source: Any, held_out: Any) -> Finding | None:
    """Folders of the two parts whose classes are numbered otherwise."""
    mine, theirs = _class_names(source), _class_names(held_out)
    if not mine or not theirs or mine == theirs:
        return None
    expected = f"the classes of the training part, {', '.join(mine[:5])}{' ...' * (len(mine) > 5)}"
    received = f"others in the validation part: {', '.join(sorted(set(mine) ^ set(theirs))[:5]) or 'in another order'}"
    way_out = "Name them for both, in the same order: classes=[...], or class_names=[...]."
    return Finding(MissingClassWarning, "validation_data", expected, received, way_out)


def _class_names(source: Any) -> list[str]:
    return list(getattr(source, "class_names", None) or getattr(source, "class_indices", None) or ())


def augmented(held_out: Any) -> Finding | None:
    """Validation data from a generator that changes its images at random."""
    if not getattr(held_out, "augments", False):
        return None
    expected = "images as they are, to measure on"
    received = "a generator that turns, shifts or changes them at random"
    way_out = "Pass the data of a second ImageDataGenerator(rescale=...) that changes nothing else."
    return Finding(AugmentedValidationWarning, "validation_data", expected, received, way_out)
