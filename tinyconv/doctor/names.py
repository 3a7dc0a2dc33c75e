"""The warnings by name, and how one is told.

Each kind of warning is a class of its own, so that Python's filters can tell one from the other:
``warnings.filterwarnings("error", category=doctor.ScheduleWarning)``. The text begins with the name, for filters that
go by the text: ``python -W "ignore:schedule"``. `docs/doctor.md` has a section for each.
"""

import sys
import warnings
from typing import ClassVar, NamedTuple

from tinyconv.checks import sentence


class TrainingWarning(UserWarning):
    """Base of all warnings of the doctor.

    Attributes:
        name: what the documentation calls it.
    """

    name: ClassVar[str] = "training"


class InputScaleWarning(TrainingWarning):
    """The numbers that reach the first weights are far too large, such as pixels from 0 to 255, or far too small."""

    name = "input-scale"


class ConstantInputWarning(TrainingWarning):
    """There is nothing to see: all numbers are equal, or those of a channel, or all images, or many are blank."""

    name = "constant-input"


class FirstLossWarning(TrainingWarning):
    """A network that has learned nothing is sure of wrong answers already."""

    name = "first-loss"


class LabelsWarning(TrainingWarning):
    """Labels, last activation and loss do not belong together."""

    name = "labels-and-loss"


class MissingClassWarning(TrainingWarning):
    """A class is not in the training part, or not in the validation part, where chance would have put it."""

    name = "missing-class"


class ValidationOverlapWarning(TrainingWarning):
    """The validation part holds samples that are learned from."""

    name = "validation-overlap"


class AugmentedValidationWarning(TrainingWarning):
    """The validation images are changed at random."""

    name = "augmented-validation"


class DeadReluWarning(TrainingWarning):
    """Nearly all units of a ReLU give 0 for every sample, and so learn no more."""

    name = "dead-relu"


class ExplodingGradientWarning(TrainingWarning):
    """Gradients grow and grow, from step to step or from layer to layer."""

    name = "exploding-gradient"


class VanishingGradientWarning(TrainingWarning):
    """Next to nothing of the gradient arrives at the first layer."""

    name = "vanishing-gradient"


class NotFiniteWarning(TrainingWarning):
    """The loss is NaN or infinite."""

    name = "not-finite"


class ScheduleWarning(TrainingWarning):
    """A learning-rate schedule that changes next to nothing, or ends the learning at once."""

    name = "schedule"


class OtherModelWarning(TrainingWarning):
    """One model was compiled, and another is trained."""

    name = "other-model"


class BatchOfOneWarning(TrainingWarning):
    """Batch normalisation with batches of one sample."""

    name = "batch-of-one"


class MovingStatisticsWarning(TrainingWarning):
    """Too few steps for the moving averages of batch normalisation."""

    name = "moving-statistics"


#: Every kind of warning by its name.
WARNINGS: dict[str, type[TrainingWarning]] = {kind.name: kind for kind in TrainingWarning.__subclasses__()}


class Finding(NamedTuple):
    """Something that is wrong: the four parts of a message (see `tinyconv.checks.sentence`), and its kind."""

    kind: type[TrainingWarning]
    where: str
    expected: str
    received: str
    way_out: str


class Report:
    """Tells each kind of finding once.

    Args:
        as_errors: whether to raise the warning instead.

    Attributes:
        told: the kinds that were found.
    """

    def __init__(self, as_errors: bool) -> None:
        self.as_errors = as_errors
        self.told: list[type[TrainingWarning]] = []

    def tell(self, finding: Finding | None) -> None:
        """Warn, unless there is nothing to warn of or it was told before.

        Raises:
            TrainingWarning: if warnings are errors here, or by Python's filters.
        """
        if finding is None or finding.kind in self.told:
            return
        kind, where, *rest = finding
        self.told.append(kind)
        warning = kind(sentence(f"{kind.name}: {where}", *rest))
        if self.as_errors:
            raise warning
        warnings.warn(warning, stacklevel=_frames_inside())


def _frames_inside() -> int:
    """Frames between here and whoever called fit: the warning is shown beside that line."""
    frame, count = sys._getframe(1), 1
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).split(".")[0] in ("tinyconv", "contextlib"):
        frame, count = frame.f_back, count + 1
    return count
