"""Note 000: flowers, and four attempts to tell them apart better."""

import math
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tinyconv.notes.findings.base import Findings, Section, Slip, as_printed, reached
from tinyconv.notes.laying import lay_flowers
from tinyconv.notes.running import Fit, Run

BASELINE, DROPOUT = "Train the baseline", "Train with dropout"
PADDING, FILTERS, AUGMENTED = "Train with padding", "Train with more filters", "Train with augmentation"
#: The cells that make the generators and read the images with them, without augmentation and with it.
PLAIN, READ, AUGMENTATION = "Define the baseline", "Read the images", "4. Augmentation optimization"
SCALED = {"rescale=1)": "rescale=1 / 255)"}


@dataclass(frozen=True)
class Variant:
    """One of the note's five networks.

    Attributes:
        name: in words.
        build, train: titles of the cells that make it and that are to train it.
        key: of what the note prints, in `printed.TRAININGS`.
        changes: what makes the second cell train this network, where it trains the baseline.
    """

    name: str
    build: str
    train: str
    key: str
    changes: Mapping[str, str] = field(default_factory=dict)


def _instead(model: str) -> dict[str, str]:
    return {"history = model.fit": f"history = {model}.fit"}


VARIANTS = (
    Variant("baseline", PLAIN, BASELINE, "note000"),
    Variant("dropout", "1. Dropout regularization", DROPOUT, "note000-dropout"),
    Variant('"same" padding', "2. Padding and filter optimization", PADDING, "note000-same", _instead("model3")),
    Variant("more filters", "3. Adding more filters", FILTERS, "note000-filters", _instead("model4")),
    Variant("augmented", AUGMENTATION, AUGMENTED, "note000-augmented", _instead("model5")),
)


def lay(folder: Path, quick: bool) -> None:
    """Flowers, one of them for the prediction, and a folder for the network."""
    files = lay_flowers(folder, "flowers", 15 if quick else None)
    sunflowers = [file for file in files if file.parent.name.startswith("sunflower")]
    (folder / "images").mkdir()
    (folder / "images/test1.jpg").write_bytes((sunflowers or files)[-1].read_bytes())
    (folder / "models").mkdir()


def corrected(text: str) -> str:
    """The program with each network trained that it compiles."""
    for variant in VARIANTS:
        before, mark, after = text.partition(f"# %% {variant.train}\n")
        for old, new in variant.changes.items():
            after = after.replace(old, new, 1)
        text = before + mark + after
    return text


@dataclass
class Corrected:
    """The variants, each really trained.

    Attributes:
        raw: on pixels from 0 to 255: all but the augmented one, which the note rescales.
        scaled: on pixels from 0 to 1; the augmented one as the note augments.
        turned: the augmented one, turned by up to 20 degrees.
        plain: accuracy of the last two on test images that are not augmented.
        images: number of test images.
    """

    raw: dict[str, Fit]
    scaled: dict[str, Fit]
    turned: Fit
    plain: tuple[float, float]
    images: int

    @classmethod
    def of(cls, run: Run) -> "Corrected":
        """Train what the program has not trained."""
        raw, scaled = {}, {}
        for variant in VARIANTS[:-1]:
            first = [PLAIN, READ] if variant.build == PLAIN else [PLAIN, READ, variant.build]
            raw[variant.name] = (
                cls._fit(run, *first, variant.train, changes=variant.changes)
                if variant.changes
                else next(fit for fit in run.fits if fit.cell == variant.train)
            )
            scaled[variant.name] = cls._fit(run, *first, variant.train, changes={**variant.changes, **SCALED})
        test = run.again(PLAIN, READ, changes=SCALED).names["testing_iterator"]
        augmented = VARIANTS[-1]
        little = cls._fit(run, augmented.build, augmented.train, changes=augmented.changes)
        more = {**augmented.changes, "rotation_range=0.2": "rotation_range=20"}
        turned = cls._fit(run, augmented.build, augmented.train, changes=more)
        scaled[augmented.name] = little
        first_plain, second_plain = (fit.model.evaluate(test, verbose=0)[1] for fit in (little, turned))
        return cls(raw, scaled, turned, (first_plain, second_plain), test.n)

    @staticmethod
    def _fit(run: Run, *titles: str, changes: Mapping[str, str]) -> Fit:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the test images are augmented is among what is measured
            return run.again(*titles, changes=changes).fits[-1]


def examine(run: Run) -> Iterator[Slip | Section]:
    """The five variants really trained, and the note's slips, each with its number."""
    better = Corrected.of(run)
    yield _variants(run, better)
    first = {variant.name: next(fit for fit in run.fits if fit.cell == variant.train) for variant in VARIANTS}
    for variant in VARIANTS[2:]:
        fitted = better.scaled if variant.name == "augmented" else better.raw
        yield Slip(
            f"{variant.name}: the new network is compiled, and model.fit trains the baseline on.",
            f"first loss {first[variant.name].history['loss'][0]:.4f}, then {reached(first[variant.name].history)}",
            f"first loss {fitted[variant.name].history['loss'][0]:.4f}, then {reached(fitted[variant.name].history)}",
        )
    for name in ("baseline", "dropout"):
        yield Slip(
            f"{name}: rescale=1 leaves pixels from 0 to 255.",
            f"first loss {first[name].history['loss'][0]:.4f}, then {reached(first[name].history)}",
            f"first loss {better.scaled[name].history['loss'][0]:.4f}, then {reached(better.scaled[name].history)}",
        )
    yield Slip(
        "The test images are augmented too.",
        f"augmented test images: {better.scaled['augmented'].last():.4f}",
        f"the same network, test images as they are: {better.plain[0]:.4f}",
    )
    yield Slip(
        f"rotation_range counts in degrees: 0.2 moves a corner by {_moved(0.2):.2f} pixels.",
        f"0.2 degrees: {better.plain[0]:.4f}",
        f"20 degrees, {_moved(20):.0f} pixels: {better.plain[1]:.4f}",
    )


def _moved(degrees: float) -> float:
    """How far a rotation moves the corner of an image of 100x100 pixels."""
    return 2 * math.sin(math.radians(degrees) / 2) * 50 * math.sqrt(2)


def _variants(run: Run, better: Corrected) -> Section:
    """The five beside each other, and what can be said of their order."""
    rows = []
    for variant, fit in zip(VARIANTS, run.fits, strict=True):
        found: list[float | None] = [as_printed(variant.key)[8]["val_accuracy"], fit.last()]
        found += [fits[variant.name].last() if variant.name in fits else None for fits in (better.raw, better.scaled)]
        rows.append([variant.name, *("" if value is None else f"{value:.4f}" for value in found)])
    head = ("variant", "the note", "its program here", "really trained, pixels 0 to 255", "really trained, 0 to 1")
    return Section("The variants", head, rows, _words(better))


def _words(better: Corrected) -> str:
    raw, scaled = ({name: fit.last() for name, fit in fits.items()} for fits in (better.raw, better.scaled))
    mean, gain = (sum(values) / len(values) for values in (raw.values(), [scaled[name] - raw[name] for name in raw]))
    error = math.sqrt(mean * (1 - mean) / better.images)
    spread = max(raw.values()) - min(raw.values())
    ranked = (
        "no more than the choice of test images explains"
        if spread < 4 * error
        else "more than the choice of test images explains, but not more than another seed may change"
    )
    order = ", ".join(f"{name} {raw[name]:.2f}" for name in sorted(raw, key=lambda name: -raw[name]))
    extra = better.plain[0] - scaled["baseline"]
    return (
        f"One accuracy on {better.images} images is uncertain by ±{error:.2f} (one standard error). On pixels from 0 to"
        f" 255 the order is {order}: {spread:.2f} from first to last, {ranked}. What all four share is the"
        f" beginning: with pixels 255 times too large the first epoch's mean loss is"
        f" {min(fit.history['loss'][0] for fit in better.raw.values()):.1f} to"
        f" {max(fit.history['loss'][0] for fit in better.raw.values()):.1f}, where guessing costs ln 5 = 1.6, and the"
        f" epochs after it repair that. Pixels from 0 to 1 alone change the four by {gain:+.2f} on average;"
        f" augmentation on top of that changes the baseline by {extra:+.2f}. So the note's last step, which looks like"
        f" augmentation, is {'mostly' if abs(gain) > abs(extra) else 'partly'} the rescaling that came with it."
    )


FINDINGS = Findings(
    "000",
    "flowers, and four attempts to tell them apart better",
    "500 images of TensorFlow's flower_photos, 400 of them for training (the note has 3,117 of Kaggle's 4,317)",
    "three minutes",
    lay,
    {variant.train: variant.key for variant in VARIANTS},
    examine,
    corrected=corrected,
)
