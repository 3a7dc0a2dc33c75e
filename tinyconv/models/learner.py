"""One step of learning.

A batch runs through the network, the loss says how wrong it was, the gradient goes back the same way, and the
optimizer changes the parameters. `Learner` holds what a step needs; `Trainer` repeats it over epochs.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tinyconv import config, losses, metrics
from tinyconv._types import Array
from tinyconv.checks import sentence
from tinyconv.engine.memory import ParameterMemory
from tinyconv.engine.plan import Plan, Plans
from tinyconv.interrupts import held
from tinyconv.layers import Layer
from tinyconv.layers.graph import Node, SymbolicTensor, topological_order
from tinyconv.models.batches import Batch
from tinyconv.models.heads import Head, by_output, metrics_by_output
from tinyconv.optimizers import Optimizer
from tinyconv.regularizers import Regularizer

Logs = dict[str, float]


class Learner:
    """A network with its losses, metrics and optimizer.

    Args:
        layers: every layer with parameters.
        nodes, inputs, outputs: the network.
        optimizer: changes the parameters.
        settings: ``loss``, ``loss_weights`` and ``metrics`` as `compile` takes them.
        where: the model, for errors.

    Attributes:
        heads: losses and metrics by output.
        memory: all trainable parameters in one vector, once training begins.

    Raises:
        ValueError: for a loss that does not fit its output, and for unknown names.
    """

    def __init__(
        self,
        layers: list[Layer],
        nodes: list[Node],
        inputs: list[SymbolicTensor],
        outputs: list[SymbolicTensor],
        optimizer: Optimizer,
        settings: Mapping[str, Any],
        where: str,
    ) -> None:
        self.layers, self.optimizer = layers, optimizer
        read = {tensor for node in nodes for tensor in node.inputs}
        alone = [tensor not in read and len(tensor.node.outputs) == 1 for tensor in outputs]
        self.heads = _heads(outputs, alone, settings, where)
        cut = [head.tensor for head in self.heads if head.works_on_logits]
        self._plans = Plans(nodes, inputs, outputs, without_activation=cut)
        self.mean_loss = metrics.Mean(name="loss")
        self.memory: ParameterMemory | None = None

    @property
    def plan(self) -> Plan:
        """What runs the network now."""
        return self._plans.current

    @config.silent_floats()  # a training that diverges shows it in its loss
    def train_step(self, batch: Batch, watch: Callable[[Batch, float], None] | None = None) -> None:
        """Forward, backward, update: the whole of it, or, where it breaks off, nothing.

        ``watch`` is called with the batch and its loss before the update.
        """
        memory, plan = self.lay_out(), self.plan
        mine = memory.trainable
        idle = self._without_loss()
        learned = [(name, part) for name, part in memory.segments if part.stop <= mine.stop and name not in idle]
        before = [(array, array.copy()) for layer in self.layers for array in layer.state.values()]
        try:
            with plan.running():
                loss, _ = self.loss_and_gradients(batch, training=True)
                if watch is not None:
                    watch(batch, loss)
                with held():
                    plan.update(self.optimizer, memory.values[mine], memory.grads[mine], learned)
                    before.clear()
        except BaseException:  # an error, or Ctrl-C
            for array, content in before:
                array[...] = content
            raise

    def loss_and_gradients(
        self, batch: Batch, training: bool, to_inputs: bool = False
    ) -> tuple[float, list[Array | None]]:
        """(loss, its gradients by the inputs, if asked for); those by the parameters are in each layer's ``grads``."""
        plan = self.plan
        with plan.running():
            plan.clear_gradients()
            loss, gradients, caches = self.forward(batch, training, learn=True)
            dx = plan.backward(gradients, caches, to_inputs)
            for layer, name, regularizer in self._regularized():
                layer.grads[name] += regularizer.gradient(layer.params[name])
            return loss, [None if d is None else d.copy() for d in dx] if to_inputs else dx

    @config.silent_floats()
    def forward(self, batch: Batch, training: bool, learn: bool) -> tuple[float, list[Array | None], Any]:
        """(loss with regularizers, gradients by the outputs, caches); metrics take note."""
        plan = self.plan
        with plan.running():
            outputs, caches = plan.forward(batch.x, training, keep=learn)
            total, gradients = self._penalty(), []
            for head, y, output, weights in zip(self.heads, batch.y, outputs, batch.weights, strict=True):
                loss, gradient = head.measure(y, output, weights, learn)
                total += loss
                gradients.append(gradient)
        self.mean_loss.update_state(total, batch.size)
        return total, gradients, caches

    def predict(self, x: list[Array], training: bool = False) -> list[Array]:
        """Inputs -> outputs, in the buffers of training."""
        found = self.plan.predict(x, training)
        return [head.prediction(output) for head, output in zip(self.heads, found, strict=True)]

    def check_labels(self, batch: Batch, where: str) -> None:
        """ValueError where labels do not fit the losses."""
        for head, y, weights in zip(self.heads, batch.y, batch.weights, strict=True):
            head.check_labels(y, weights, where)

    def logs(self) -> Logs:
        """Loss and metrics since the last reset, by Keras's names."""
        logs = {"loss": self.mean_loss.result()}
        several, learned = len(self.heads) > 1, [head for head in self.heads if head.loss is not None]
        if len(learned) > 1:
            logs |= {head.mean_loss.name: head.mean_loss.result() for head in learned}
        for head in self.heads:
            logs |= {(f"{head.name}_{m.name}" if several else m.name): m.result() for m in head.metrics}
        return logs

    @property
    def metrics(self) -> list[metrics.Metric]:
        """Everything that is measured."""
        return [self.mean_loss, *(metric for head in self.heads for metric in [head.mean_loss, *head.metrics])]

    def reset(self) -> None:
        """Forget what was measured."""
        for metric in self.metrics:
            metric.reset_state()

    def lay_out(self) -> ParameterMemory:
        """The parameters in one vector: made there, or moved in, again too where another model has taken them."""
        if self.memory is None:
            self.memory = ParameterMemory(self.layers)
        elif not self.memory.is_current():
            self.memory.adopt()
        return self.memory

    def _without_loss(self) -> set[str]:
        """Names of the parameters that no loss depends on. As in Keras, they do not decay."""
        trained = [head.tensor for head in self.heads if head.loss is not None]
        if len(trained) == len(self.heads):
            return set()
        reached = {inner for node in topological_order(trained) for inner in node.layer.sublayers()}
        penalized = {f"{layer.name}/{name}" for layer, name, _ in self._regularized()}
        return {f"{m.name}/{name}" for m in self.layers if m not in reached for name in m.params} - penalized

    def _penalty(self) -> float:
        return sum(regularizer(layer.params[name]) for layer, name, regularizer in self._regularized())

    def _regularized(self) -> Iterator[tuple[Layer, str, Regularizer]]:
        """(layer, parameter, its regularizer). As in Keras, a frozen layer's parameters are no part of the loss."""
        return ((m, name, found) for m in self.layers if m.trainable for name, found in m.regularized())


def _heads(outputs: list[SymbolicTensor], alone: list[bool], settings: Mapping[str, Any], where: str) -> list[Head]:
    """One head for each output; ``alone`` says which of them nothing else in the network reads."""
    names = [tensor.node.layer.name for tensor in outputs]
    found = by_output("loss", settings["loss"], names, where)
    if all(loss is None for loss in found):
        raise ValueError(sentence(where, "a loss", "loss=None", "Give compile a loss= to learn from."))
    weights = by_output("loss_weights", settings["loss_weights"], names, where)
    wanted = metrics_by_output(settings["metrics"], names, where)
    heads = []
    for tensor, loss, weight, chosen, may_cut in zip(outputs, found, weights, wanted, alone, strict=True):
        function = None if loss is None else losses.get(loss)
        heads.append(Head(tensor, function, 1.0 if weight is None else float(weight), chosen, may_cut))
    return heads
