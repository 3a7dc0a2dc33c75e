"""What is wrong before any number is computed: the learning rate over the steps to come, and which model is trained."""

import itertools
import weakref
from typing import Any

import numpy as np

from tinyconv.doctor.names import Finding, OtherModelWarning, ScheduleWarning
from tinyconv.optimizers.schedules import LearningRateSchedule

#: A shorter training only tries things out.
LEAST_STEPS = 20
#: A rate that changes by less than this fraction of itself all the time does as good as nothing.
IDLE = 0.01
#: A rate below this fraction of its highest is as good as none; a training has at least that part of its steps above.
OVER, LEAST_PART = 0.01, 0.1


def schedule(optimizer: Any, steps: int) -> Finding | None:
    """A learning-rate schedule that, over so many steps, is as good as constant or nearly always as good as 0."""
    rate, begin = optimizer.learning_rate, optimizer.iterations
    if not isinstance(rate, LearningRateSchedule) or steps < LEAST_STEPS:
        return None
    rates = np.array([float(rate(begin + step)) for step in np.linspace(0, steps - 1, 200).astype(int)])
    above, where = float((rates > OVER * rates.max()).mean()), type(rate).__name__
    if above < LEAST_PART:
        received = f"one from {rates[0]:.3g} to {rates[-1]:.3g}, as good as 0 in {1 - above:.0%} of {steps} steps"
        way_out = f"Schedules count steps, not epochs: this training has {steps}."
        return Finding(ScheduleWarning, where, "a rate that lasts for the training", received, way_out)
    if begin == 0 and rates.max() - rates.min() < IDLE * rates.max():
        received = f"{rates[0]:.4g} at first and {rates[-1]:.4g} at last, after {steps} steps"
        way_out = f"Schedules count steps, not epochs: set decay_steps or boundaries for {steps}; or give the number."
        return Finding(ScheduleWarning, where, "a rate that changes", received, way_out)
    return None


#: Numbers the moments at which something was compiled or trained.
_moments = itertools.count(1)
#: When `fit` was called last, of whatever model.
_last_fit = 0
#: What was compiled last, while somebody holds it, and when.
_latest: tuple[weakref.ref[Any], int] | None = None


def compiled(model: Any) -> int:
    """Take note that a model was compiled, and return the moment."""
    global _latest
    _latest = weakref.ref(model), next(_moments)
    return _latest[1]


def fitted() -> None:
    """Take note that a training begins."""
    global _last_fit
    _last_fit = next(_moments)


def other_model(model: Any) -> Finding | None:
    """The slip of who copies a cell: a new model was compiled, and an old one is trained.

    Programs compile and train in turns, or compile some models and train each. So it is a slip only if, since the model
    at hand was compiled, some model was trained, and after that a network of the same shapes was compiled, which nobody
    has touched yet.
    """
    other = None if _latest is None else _latest[0]()
    if other is None or _latest is None or not model.compiled_at < _last_fit < _latest[1]:
        return None
    layers = [*other.sublayers()]
    shapes = [
        ([t.shape for t in m.inputs], [t.shape for t in m.outputs]) for m in (model, other) if hasattr(m, "outputs")
    ]
    if any(layer.built for layer in layers) or {*layers} & {*model.sublayers()} or shapes[:1] != shapes[1:]:
        return None
    received = f"a fit of {model.title}, which was compiled before the last training, while the newer one has not begun"
    way_out = "Call fit of the model you mean."
    return Finding(OtherModelWarning, "fit", f"{other.title}, compiled last, to be trained", received, way_out)
