"""What often goes wrong in a training, seen while it happens.

`fit` calls the doctor unless told ``doctor=False``; ``doctor="error"`` makes its warnings errors, and
`tinyconv.config.set_doctor` settles that for all trainings. Nothing is said of a healthy training. The doctor reads and
computes beside the training, never in it: weights, random streams and data are the same bits with it and without.

`docs/doctor.md` describes each warning, with a program that triggers it and its repair.
"""

from tinyconv.doctor.names import (
    WARNINGS,
    AugmentedValidationWarning,
    BatchOfOneWarning,
    ConstantInputWarning,
    DeadReluWarning,
    ExplodingGradientWarning,
    FirstLossWarning,
    InputScaleWarning,
    LabelsWarning,
    MissingClassWarning,
    MovingStatisticsWarning,
    NotFiniteWarning,
    OtherModelWarning,
    ScheduleWarning,
    TrainingWarning,
    ValidationOverlapWarning,
    VanishingGradientWarning,
)
from tinyconv.doctor.visit import Doctor, attend, compiled

__all__ = [
    "WARNINGS",
    "AugmentedValidationWarning",
    "BatchOfOneWarning",
    "ConstantInputWarning",
    "DeadReluWarning",
    "Doctor",
    "ExplodingGradientWarning",
    "FirstLossWarning",
    "InputScaleWarning",
    "LabelsWarning",
    "MissingClassWarning",
    "MovingStatisticsWarning",
    "NotFiniteWarning",
    "OtherModelWarning",
    "ScheduleWarning",
    "TrainingWarning",
    "ValidationOverlapWarning",
    "VanishingGradientWarning",
    "attend",
    "compiled",
]
