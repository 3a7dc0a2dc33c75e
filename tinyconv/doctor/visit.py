"""The doctor's visit: which check comes when, in one call of `fit`.

Before the first step, the data, the losses and the learning rate. In every step, the loss, which is there anyway. After
the steps 1, 2, 4, 8, ... the gradients, which are there too. At the end, what prediction will depend on.
"""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from tinyconv import config
from tinyconv._types import Array
from tinyconv.callbacks import Callback
from tinyconv.callbacks.base import Logs
from tinyconv.checks import sentence
from tinyconv.doctor import data, network, plans
from tinyconv.doctor.names import (
    BatchOfOneWarning,
    ConstantInputWarning,
    DeadReluWarning,
    ExplodingGradientWarning,
    Finding,
    FirstLossWarning,
    InputScaleWarning,
    LabelsWarning,
    NotFiniteWarning,
    Report,
    VanishingGradientWarning,
)
from tinyconv.doctor.network import Strength
from tinyconv.doctor.plans import compiled
from tinyconv.layers import Layer

if TYPE_CHECKING:
    from tinyconv.models.batches import Batch
    from tinyconv.models.learner import Learner

__all__ = ["Doctor", "attend", "compiled"]

#: Samples that are looked at: of the inputs, and in the network.
LOOKED_AT, COMPUTED = 256, 64
#: Looks in vain into a network whose gradients seem silent, before that is taken for its nature.
LOOKS = 3
#: Gradients have exploded where they are this many times as long as at first, and the loss is twice what it was.
GROWN = 10
#: Gradients of the first and the last layer, relative to their weights, differ by more than this.
APART = 1e4


def attend(
    doctor: bool | str | None, model: Any, learner: "Learner", batches: Any, held_out: Any, passes: bool
) -> "Doctor | None":
    """A doctor for this call of `fit`, or None where none is wanted.

    Args:
        doctor: True, False or ``"error"``; None for what `config.doctor` says.
        model, learner: what learns.
        batches, held_out: the data; held_out None without validation.
        passes: whether each epoch goes over all the data.

    Raises:
        ValueError: for another ``doctor``.
    """
    wanted = config.doctor() if doctor is None else doctor
    if wanted not in (True, False, "error"):
        raise ValueError(sentence("fit", "doctor=True, False or 'error'", f"doctor={doctor!r}"))
    found = Doctor(model, learner, batches, held_out, passes, as_errors=wanted == "error") if wanted else None
    if found is not None:
        found.other = plans.other_model(model)
    plans.fitted()
    return found


class Doctor(Callback):
    """Watches one training.

    Args:
        model, learner, batches, held_out, passes: as for `attend`.
        as_errors: whether its warnings are errors.

    Attributes:
        other: what was found of another model, if anything.
    """

    comes_last = True  # after what was backed up is there again

    def __init__(
        self, model: Any, learner: "Learner", batches: Any, held_out: Any, passes: bool, as_errors: bool
    ) -> None:
        super().__init__()
        self.model, self.learner, self.batches, self.held_out, self.passes = model, learner, batches, held_out, passes
        self.other: Finding | None = None
        self._report = Report(as_errors)
        first = batches.first
        self._sample = [data.spread(x, LOOKED_AT) for x in first.x]
        self._labels = first.y
        self._all_are_known = hasattr(batches, "samples")
        self._learned: list[Array | None] = self._counted(first) if self._all_are_known else [None for _ in first.y]
        self._validated: list[Array | None] = [None for _ in first.y]
        if hasattr(held_out, "samples"):
            self._validated = self._counted(held_out.samples)
        self._counts_learned, self._counts_validated = not self._all_are_known, not hasattr(held_out, "samples")
        self._steps = self._looks = self._epoch = self._batch = 0
        self._first_loss = self._first_length = 0.0
        self._apart = self._grown = self._dead = 0  # check-ups in a row
        self._untrained = False
        self._fresh: list[Any] = []

    # What fit tells

    @config.silent_floats()
    def on_train_begin(self, logs: Logs = None) -> None:
        self._untrained = network.is_untrained(self.model)
        self._fresh = [layer for layer in network.normalizations(self.model) if not network.has_begun(layer)]
        self._report.tell(self.other)
        self._look_at_inputs()
        for head, y, count in zip(self.learner.heads, self._labels, self._learned, strict=True):
            self._report.tell(data.labels_and_loss(head, y, count))
        self._look_at_the_parts()
        if self._all_are_known:
            self._look_at_the_batches()
        if self.batches.steps is not None:
            epochs = self.params["epochs"] - self.model.training_start.epoch
            self._report.tell(plans.schedule(self.model.optimizer, epochs * self.batches.steps))

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        self._batch = batch

    def see(self, batch: "Batch", loss: float) -> None:
        """A batch whose gradients are computed, and whose update comes next."""
        self._steps += 1
        if NotFiniteWarning in self._report.told:
            return
        if not math.isfinite(loss):
            place = f"epoch {self._epoch + 1}, batch {self._batch + 1}, step {self._steps} of this training"
            self._report.tell(network.not_finite(self.model, batch, loss, place))
            return
        if self._steps == 1:
            self._look_at_the_first_loss(batch)
        if batch.size == 1 and not self._all_are_known:
            self._report.tell(network.batch_of_one(self.model, self._steps == 1, "a batch of 1"))
        if self._counts_learned:
            self._learned = _added(self._learned, self._counted(batch))
        if not self._steps & (self._steps - 1):
            self._check_up(loss)

    def see_validation(self, batch: "Batch") -> None:
        """A batch that is evaluated between the epochs."""
        if self._counts_validated:
            self._validated = _added(self._validated, self._counted(batch))

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if self._counts_learned or (self._counts_validated and any(count is not None for count in self._validated)):
            self._counts_learned = False
            self._counts_validated &= all(count is None for count in self._validated)
            self._look_for_classes()

    @config.silent_floats()
    def on_train_end(self, logs: Logs = None) -> None:
        if self._fresh and NotFiniteWarning not in self._report.told:
            sample = [data.spread(x, COMPUTED) for x in self._sample]
            self._report.tell(network.moving_statistics(self.model, self._fresh, self._steps, sample))

    # What it looks at

    def _look_at_inputs(self) -> None:
        for tensor, x in zip(self.model.inputs, self._sample, strict=True):
            finding = data.constant_input(tensor.node.layer.name, x)
            self._report.tell(finding)
            if finding is not None:
                return
        if self._untrained:
            for layer, x in network.entering(self.model, [data.spread(x, COMPUTED) for x in self._sample]):
                self._report.tell(data.input_scale(layer, x))

    def _look_at_the_batches(self) -> None:
        size, n = self.batches.batch_size, self.batches.samples.size
        if 1 in (size, n):
            self._report.tell(network.batch_of_one(self.model, True, "batches of 1"))
        elif n % size == 1:
            received = f"a last batch of 1: {n} samples in batches of {size}"
            self._report.tell(network.batch_of_one(self.model, False, received))

    def _look_at_the_parts(self) -> None:
        if self.held_out is None:
            self._look_for_classes()
            return
        mine, theirs = (getattr(part, "source", None) for part in (self.batches, self.held_out))
        if mine is not None and theirs is not None:
            self._report.tell(data.same_source(mine, theirs))
            self._report.tell(data.other_classes(mine, theirs))
        self._report.tell(data.augmented(theirs))
        if self._all_are_known and not self._counts_validated:
            self._look_for_classes()
            if len(self.model.inputs) == 1:
                self._report.tell(data.overlap(self.batches.samples.x[0], self.held_out.samples.x[0]))

    def _look_for_classes(self) -> None:
        """Classes that are missing, once the labels of whole passes are known."""
        if self._counts_learned or not (self.passes or self._all_are_known) or LabelsWarning in self._report.told:
            return
        for head, learned, held_out in zip(self.learner.heads, self._learned, self._validated, strict=True):
            if learned is not None and (held_out is not None or self.held_out is None):
                self._report.tell(data.missing_class(head.tensor.node.layer, learned, held_out))

    def _look_at_the_first_loss(self, batch: "Batch") -> None:
        """-log(1 / classes) is what guessing costs; far more is what a network pays that is sure and wrong."""
        if not self._untrained or {InputScaleWarning, LabelsWarning} & {*self._report.told}:
            return
        for head, y, weights in zip(self.learner.heads, batch.y, batch.weights, strict=True):
            found = data.class_numbers(head, y)
            if found is None or found[1] < 2:
                continue
            share = 1.0 if weights is None else float(np.mean(weights))
            loss, guessing = head.mean_loss.result(), math.log(found[1])
            if loss > share * (2 * guessing + 1 + 3 / math.sqrt(len(y))):
                expected = f"a first loss near {share * guessing:.3g}, what guessing among {found[1]} classes costs"
                received = f"{loss:.4g}: the untrained network is sure of its answers already"
                way_out = (
                    "Look at the scale of inputs and of weights: 'glorot_uniform' and 'he_normal' suit most layers."
                )
                finding = Finding(FirstLossWarning, head.tensor.node.layer.title, expected, received, way_out)
                self._report.tell(finding)

    def _check_up(self, loss: float) -> None:
        if {BatchOfOneWarning, ConstantInputWarning} & {*self._report.told}:
            return  # which explains all that could be seen here
        self._look_for_dead_units()
        found = network.strengths(self.model)
        if not found:
            return
        if self._untrained:
            self._watch_growth(loss, found)
        self._compare([one for one in found if 0 < one.typical < math.inf])

    def _look_for_dead_units(self) -> None:
        """Twice in a row, for what comes before a unit may change so that it answers again."""
        if DeadReluWarning in self._report.told:
            return
        dead = None
        if self._looks < LOOKS and network.seems_silent(self.model):
            dead = network.dead_relu(self.model, [data.spread(x, COMPUTED) for x in self._sample])
            self._looks += dead is None
        self._dead = 0 if dead is None else self._dead + 1
        if self._dead >= 2:
            self._report.tell(dead)

    def _watch_growth(self, loss: float, found: list[Strength]) -> None:
        """Gradients and losses against the first two; twice in a row, for single batches may be hard."""
        length = math.hypot(*(one.gradient for one in found))
        if self._steps <= 2:
            self._first_loss, self._first_length = max(loss, self._first_loss), max(length, self._first_length)
            return
        grown = loss > 2 * self._first_loss and not length < GROWN * self._first_length
        self._grown = self._grown + 1 if grown else 0
        if self._grown >= 2:
            layer, gradient, weights, _ = max(found, key=lambda one: one.gradient / one.weights)
            received = f"{loss:.3g} after {self._first_loss:.3g} as loss, and a gradient {gradient / weights:.1e} times"
            self._tell_of_explosion(layer, f"{received} as long as the weights, in step {self._steps}")

    def _compare(self, found: list[Strength]) -> None:
        """The gradients of the first and the last layer; twice in a row, for a layer may begin with weights near 0."""
        ratio = found[0].typical / found[-1].typical if len(found) > 1 else 1.0
        self._apart = self._apart + 1 if not 1 / APART < ratio < APART else 0
        if self._apart < 2:
            return
        first, last = found[0], found[-1]
        received = f"{first.typical:.1e} here, and {last.typical:.1e} there"
        if ratio > 1:
            self._tell_of_explosion(first.layer, f"{received}, at {last.layer.title}")
            return
        expected = f"a gradient that arrives from {last.layer.title}"
        way_out = "Use ReLU in place of sigmoid and tanh, fewer layers, or BatchNormalization between them."
        self._report.tell(Finding(VanishingGradientWarning, first.layer.title, expected, received, way_out))

    def _tell_of_explosion(self, layer: Layer, received: str) -> None:
        way_out = "Lower the learning rate, scale inputs and targets, or clip: clipnorm=1.0."
        expected = "gradients that do not grow"
        self._report.tell(Finding(ExplodingGradientWarning, layer.title, expected, received, way_out))

    def _counted(self, batch: "Batch") -> list[Array | None]:
        return [data.counts(head, y) for head, y in zip(self.learner.heads, batch.y, strict=True)]


def _added(some: list[Array | None], more: list[Array | None]) -> list[Array | None]:
    return [b if a is None else a if b is None else a + b for a, b in zip(some, more, strict=True)]
