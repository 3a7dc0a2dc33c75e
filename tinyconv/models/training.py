"""Learning from examples: one step, one epoch, and what surrounds them.

A training step runs the batch through the network, asks the loss how wrong it was, sends the gradient back, and lets
the optimizer change the parameters. `Trainer` gives `Model` these methods; it knows no layer by name.
"""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tinyconv import config, losses, metrics, optimizers
from tinyconv._types import Array
from tinyconv.callbacks import CallbackList, History
from tinyconv.checks import reject_unknown_arguments, sentence
from tinyconv.engine.memory import ParameterMemory
from tinyconv.engine.plan import Plan
from tinyconv.layers import Layer
from tinyconv.layers.graph import Node, SymbolicTensor
from tinyconv.models.batches import Arrays, Batch, Stream, is_stream, samples
from tinyconv.models.heads import Head, by_output, metrics_by_output
from tinyconv.models.progress import Progress

Logs = dict[str, float]


class Trainer(Layer):
    """The part of a model that learns: `compile`, `fit`, `evaluate`, `predict` and their single steps.

    `Model` provides the network: its symbolic ``inputs`` and ``outputs``, the ``nodes`` between, and their plan.
    """

    inputs: list[SymbolicTensor]
    outputs: list[SymbolicTensor]
    nodes: list[Node]

    @property
    def _plan(self) -> Plan:
        raise NotImplementedError

    def build(self, input_shape: Any = None) -> None:
        """Make the parameters; a network that waits for its input's shape takes it from here."""
        raise NotImplementedError

    optimizer: optimizers.Optimizer | None = None
    history: History | None = None
    stop_training = False
    _compiled: dict[str, Any] | None = None
    _heads: list[Head] | None = None
    _memory: ParameterMemory | None = None

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: Any = "auto",
        **unknown: Any,
    ) -> None:
        """Say how the model learns.

        Args:
            optimizer: name, such as ``"adam"``, or object.
            loss: name or object; a list or dictionary by output where there are several.
            loss_weights: factor of each output's loss in the total.
            metrics: names or objects to measure besides the loss; nested or by name for several outputs.
            run_eagerly, steps_per_execution, jit_compile: taken for Keras's sake, and without effect.

        Raises:
            ValueError: for an unknown name, or a loss that does not fit its output (no softmax before a loss on
                probabilities, for example), if the network is known already; otherwise at the first data.
            TypeError: for an unknown argument.
        """
        reject_unknown_arguments(type(self).compile, unknown)  # type: ignore[arg-type]
        before = self.optimizer, self._compiled, self._heads, self._memory
        self.optimizer = optimizers.get(optimizer)
        self._compiled = {"loss": loss, "loss_weights": loss_weights, "metrics": metrics}
        self._heads = self._memory = None
        try:
            if hasattr(self, "outputs"):
                self._make_heads()
        except (TypeError, ValueError):
            self.optimizer, self._compiled, self._heads, self._memory = before
            raise

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int | str = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int = 1,
    ) -> History:
        """Learn from examples.

        Args:
            x, y: arrays, lists or dictionaries of them for several inputs or outputs; or x as a generator or data set
                of ``(x, y)`` or ``(x, y, sample_weight)`` batches.
            batch_size: samples in a batch, 32 unless given; only for arrays.
            epochs: number of the epoch to stop after.
            verbose: 0 prints nothing, 1 a progress bar (a line where the output is no terminal), 2 a line an epoch.
            callbacks: a list of `tinyconv.callbacks.Callback`.
            validation_split: this fraction of the arrays, from their end and before any shuffling, is not learned
                from but evaluated after each epoch.
            validation_data: ``(x, y)``, ``(x, y, sample_weight)``, or a data set, evaluated after each epoch.
            shuffle: whether each epoch takes the samples in a new order.
            class_weight: factor of the loss for each class.
            sample_weight: factor of the loss for each sample.
            initial_epoch: epochs that were done before.
            steps_per_epoch: batches in an epoch; needed for generators that do not end.
            validation_steps: batches of the validation data to evaluate; all unless given.
            validation_batch_size: as batch_size, for the validation data.
            validation_freq: evaluate after every so many epochs.

        Returns:
            What `History` recorded: ``.history`` holds a list per name, one number per epoch.

        Raises:
            RuntimeError: if the model is not compiled.
            ValueError: for data that are empty, not finite, of unequal lengths or of another shape than the network
                takes, and for labels that do not fit the loss. Nothing has been learned then.
        """
        self._require_compiled("fit")
        arrays = None if is_stream(x) else self._samples("fit", x, y, sample_weight, finite=True)
        if arrays is not None and validation_split and validation_data is None:
            arrays, validation_data = _split(arrays, validation_split)
        batches = self._batches("fit", x, arrays, batch_size, shuffle, steps_per_epoch)
        held_out = self._validation(validation_data, validation_batch_size or batch_size, validation_steps)
        self._get_ready_to_learn(batches.first, "fit", class_weight)
        if held_out is not None:
            self._check_batch(held_out.first, "validation_data")
        self.history = history = History()
        params = {"verbose": verbose, "epochs": epochs, "steps": batches.steps}
        hooks = CallbackList([*(callbacks or []), history], self, params)
        self.stop_training = False
        logs: Logs = {}
        with _limited_threads():
            hooks.on_train_begin()
            for epoch in range(initial_epoch, epochs):
                hooks.on_epoch_begin(epoch)
                progress = Progress(batches.steps, verbose, f"Epoch {epoch + 1}/{epochs}")
                logs = self._train_epoch(batches, class_weight, hooks, progress)
                if held_out is not None and (epoch + 1) % validation_freq == 0:
                    found = self._evaluate(held_out, hooks, Progress(held_out.steps, 0))
                    logs |= {f"val_{name}": value for name, value in found.items()}
                progress.finish(logs)
                hooks.on_epoch_end(epoch, logs)
                if self.stop_training:
                    break
            hooks.on_train_end(logs)
        return history

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """Loss and metrics on data that are not learned from.

        Returns:
            The loss, or a list of loss and metrics, or with return_dict a dictionary.

        Raises:
            RuntimeError: if the model is not compiled.
            ValueError: as `fit`; NaN in x is let through and shows in the result.
        """
        self._require_compiled("evaluate")
        arrays = None if is_stream(x) else self._samples("evaluate", x, y, sample_weight)
        batches = self._batches("evaluate", x, arrays, batch_size, False, steps)
        self._get_ready(batches.first, "evaluate")
        progress = Progress(batches.steps, verbose)
        hooks = CallbackList(callbacks or [], self, {"verbose": verbose, "steps": batches.steps})
        with _limited_threads():
            logs = self._evaluate(batches, hooks, progress)
        progress.finish(logs)
        return logs if return_dict else _listed(logs)

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """Outputs for inputs: an array, or a list of them for several outputs. NaN in x shows in the output.

        Raises:
            ValueError: for data that are empty or of another shape than the network takes.
        """
        arrays = None if is_stream(x) else self._samples("predict", x)
        batches = self._batches("predict", x, arrays, batch_size, False, steps, labels=False)
        self._complete(batches.first)
        self._check_shapes(batches.first)
        self.build()
        progress = Progress(batches.steps, verbose)
        hooks = CallbackList(callbacks or [], self, {"verbose": verbose, "steps": batches.steps})
        found: list[list[Array]] = []
        with _limited_threads():
            hooks.on_predict_begin()
            for i, batch in enumerate(progress.watch(batches)):
                hooks.on_predict_batch_begin(i)
                found.append(self._run(batch))
                hooks.on_predict_batch_end(i, {"outputs": found[-1]})
                progress.step({})
            hooks.on_predict_end()
        progress.finish({})
        outputs = [np.concatenate(parts) for parts in zip(*found, strict=True)]
        return outputs[0] if len(outputs) == 1 else outputs

    # Single steps

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """One step of learning on one batch; returns that batch's loss and metrics, as `evaluate` does."""
        self._require_compiled("train_on_batch")
        batch = self._samples("train_on_batch", x, y, sample_weight, finite=True)
        self._get_ready_to_learn(batch, "train_on_batch", class_weight)
        self._reset_metrics()
        self._train_step(_weigh(batch, class_weight))
        return self._logs() if return_dict else _listed(self._logs())

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """Loss and metrics of one batch, without learning."""
        self._require_compiled("test_on_batch")
        batch = self._samples("test_on_batch", x, y, sample_weight)
        self._get_ready(batch, "test_on_batch")
        self._reset_metrics()
        self._forward(batch, training=False, learn=False)
        return self._logs() if return_dict else _listed(self._logs())

    def predict_on_batch(self, x: Any) -> Any:
        """Outputs for one batch."""
        return self.predict(x, batch_size=len(x[0] if isinstance(x, list) else x), verbose=0)

    def loss_and_gradients(
        self, x: Any, y: Any, sample_weight: Any = None, training: bool = True
    ) -> tuple[float, list[Array]]:
        """Loss of a batch and its gradients: by the inputs returned, by the parameters in each layer's ``grads``.

        Nothing is learned. Regularizers count, as in training.
        """
        self._require_compiled("loss_and_gradients")
        batch = self._samples("loss_and_gradients", x, y, sample_weight)
        self._get_ready(batch, "loss_and_gradients")
        self._clear_gradients()
        loss, gradients, caches = self._forward(batch, training, learn=True)
        dx = self._training_plan.backward(gradients, caches, to_inputs=True)
        self._add_regularization()
        return loss, [d for d in dx if d is not None]

    # How a step works

    def _train_step(self, batch: Batch) -> None:
        """Forward, backward, update."""
        assert self.optimizer is not None
        assert self._memory is not None
        self._clear_gradients()
        _, gradients, caches = self._forward(batch, training=True, learn=True)
        self._training_plan.backward(gradients, caches)
        self._add_regularization()
        memory = self._memory
        learned = [(name, part) for name, part in memory.segments if part.stop <= memory.trainable.stop]
        self.optimizer.step(memory.values[memory.trainable], memory.grads[memory.trainable], learned)

    def _forward(self, batch: Batch, training: bool, learn: bool) -> tuple[float, list[Array | None], Any]:
        """(loss with regularizers, gradients by the outputs, caches); metrics take note."""
        assert self._heads is not None
        outputs, caches = self._training_plan.forward(self._cast(batch.x), training, keep=learn)
        total, gradients = self._penalty(), []
        for head, y, output, weights in zip(self._heads, batch.y, outputs, batch.weights, strict=True):
            loss, gradient = head.measure(y, output, weights, learn)
            total += loss
            gradients.append(gradient)
        self._mean_loss.update_state(total, batch.size)
        return total, gradients, caches

    def _penalty(self) -> float:
        return sum(
            regularizer(layer.params[name]) for layer in self.sublayers() for name, regularizer in layer.regularized()
        )

    def _add_regularization(self) -> None:
        for layer in self.sublayers():
            for name, regularizer in layer.regularized():
                layer.grads[name] += regularizer.gradient(layer.params[name])

    def _clear_gradients(self) -> None:
        for layer in self.sublayers():
            for gradient in layer.grads.values():
                gradient.fill(0)

    def _run(self, batch: Batch) -> list[Array]:
        return self._plan.forward(self._cast(batch.x), training=False, keep=False)[0]

    def _cast(self, x: list[Array]) -> list[Array]:
        dtype = next((layer.params[name].dtype for layer in self.sublayers() for name in layer.params), self.dtype)
        return [np.asarray(a, dtype) for a in x]

    # How an epoch works

    def _train_epoch(
        self, batches: Any, class_weight: Mapping[int, float] | None, hooks: CallbackList, progress: Progress
    ) -> Logs:
        self._reset_metrics()
        for i, batch in enumerate(progress.watch(batches)):
            hooks.on_train_batch_begin(i)
            self._check_batch(batch, "fit")
            self._train_step(_weigh(batch, class_weight))
            logs = self._logs()
            hooks.on_train_batch_end(i, logs)
            progress.step(logs)
            if self.stop_training:
                break
        if progress.done == 0:
            way_out = "Pass a generator that goes on, or a data set that begins anew with each epoch."
            raise ValueError(sentence("fit", "batches in every epoch", "a generator that has ended", way_out))
        return self._logs()

    def _evaluate(self, batches: Any, hooks: CallbackList, progress: Progress) -> Logs:
        self._reset_metrics()
        hooks.on_test_begin()
        for i, batch in enumerate(progress.watch(batches)):
            hooks.on_test_batch_begin(i)
            self._check_batch(batch, "evaluate")
            self._forward(batch, training=False, learn=False)
            logs = self._logs()
            hooks.on_test_batch_end(i, logs)
            progress.step(logs)
        hooks.on_test_end(self._logs())
        return self._logs()

    def _logs(self) -> Logs:
        """Loss and metrics so far, by Keras's names."""
        assert self._heads is not None
        logs = {"loss": self._mean_loss.result()}
        several = len(self._heads) > 1
        if several:
            logs |= {head.mean_loss.name: head.mean_loss.result() for head in self._heads if head.loss is not None}
        for head in self._heads:
            logs |= {(f"{head.name}_{m.name}" if several else m.name): m.result() for m in head.metrics}
        return logs

    def _reset_metrics(self) -> None:
        self._mean_loss.reset_state()
        for head in self._heads or []:
            head.reset()

    # Getting ready

    def _require_compiled(self, what: str) -> None:
        if self._compiled is None:
            way_out = 'Call model.compile(optimizer="adam", loss=..., metrics=["accuracy"]) first.'
            raise RuntimeError(sentence(self.title, f"a compiled model for {what}", "one that is not", way_out))

    def _samples(self, where: str, x: Any, y: Any = None, sample_weight: Any = None, finite: bool = False) -> Batch:
        if where not in ("predict",) and y is None:
            raise ValueError(sentence(where, "labels y beside the array x", "y=None"))
        return samples(x, y, sample_weight, names=self._names, where=where, finite=finite)

    @property
    def _names(self) -> tuple[list[str], list[str]]:
        if not hasattr(self, "outputs"):
            return ["x"], ["y"]
        return _layer_names(self.inputs), _layer_names(self.outputs)

    def _batches(
        self,
        where: str,
        x: Any,
        arrays: Batch | None,
        batch_size: int | None,
        shuffle: bool,
        steps: int | None,
        labels: bool = True,
    ) -> Any:
        if arrays is None:
            return Stream(x, self._names, steps, labels, finite=where == "fit", where=where)
        return Arrays(arrays, 32 if batch_size is None else batch_size, shuffle, steps)

    def _validation(self, data: Any, batch_size: int | None, steps: int | None) -> Any:
        if data is None:
            return None
        if isinstance(data, Batch):
            return Arrays(data, batch_size or 32, steps=steps)
        if not isinstance(data, tuple | list):
            return Stream(data, self._names, steps, True, finite=False, where="validation_data")
        if len(data) not in (2, 3):
            expected = "validation_data as (x, y) or (x, y, sample_weight)"
            raise ValueError(sentence("fit", expected, f"{len(data)} entries"))
        return Arrays(
            self._samples("validation_data", data[0], data[1], data[2] if len(data) == 3 else None, finite=True),
            batch_size or 32,
            steps=steps,
        )

    def _get_ready(self, first: Batch, where: str) -> None:
        """Check the data against the network and the loss, then make the parameters. Changes nothing on an error."""
        self._complete(first)
        self._check_batch(first, where)
        self.build()

    def _get_ready_to_learn(self, first: Batch, where: str, class_weight: Any = None) -> None:
        """As `_get_ready`, with all parameters in one memory."""
        self._complete(first)
        self._check_batch(first, where)
        _weigh(first.take(slice(0, 1)), class_weight)
        if self._memory is None:
            self._memory = ParameterMemory(self.sublayers())
        elif not self._memory.is_current():
            self._memory.adopt()

    def _complete(self, first: Batch) -> None:
        """Let a network that waits for its input's shape, and heads that wait for the network, be made."""
        if not hasattr(self, "outputs"):
            self.build((None, *first.x[0].shape[1:]))
        if self._compiled is not None and self._heads is None:
            self._make_heads()

    def _check_batch(self, batch: Batch, where: str) -> None:
        self._check_shapes(batch)
        for head, y in zip(self._heads or [], batch.y, strict=True):
            head.check_labels(y, where)

    def _check_shapes(self, batch: Batch) -> None:
        shapes = [a.shape for a in batch.x]
        self.check_input_shape(shapes if self.takes_list else shapes[0])

    def _make_heads(self) -> None:
        assert self._compiled is not None
        names = self._names[1]
        found = by_output("loss", self._compiled["loss"], names, self.title)
        if all(loss is None for loss in found):
            raise ValueError(sentence(self.title, "a loss", "loss=None", "Give compile a loss= to learn from."))
        weights = by_output("loss_weights", self._compiled["loss_weights"], names, self.title)
        wanted = metrics_by_output(self._compiled["metrics"], names, self.title)
        read = {tensor for node in self.nodes for tensor in node.inputs}
        self._heads = [
            Head(
                tensor,
                None if loss is None else losses.get(loss),
                1.0 if weight is None else float(weight),
                chosen,
                may_cut=tensor not in read and len(tensor.node.outputs) == 1,
            )
            for tensor, loss, weight, chosen in zip(self.outputs, found, weights, wanted, strict=True)
        ]
        cut = [head.tensor for head in self._heads if head.works_on_logits]
        self._training_plan = Plan(self.nodes, self.inputs, self.outputs, without_activation=cut)
        self._mean_loss = metrics.Mean(name="loss")

    def _forget_network(self) -> None:
        """The layers have changed: heads and memory are made anew when they are needed."""
        self._heads = self._memory = None


def _layer_names(tensors: list[SymbolicTensor]) -> list[str]:
    return [tensor.node.layer.name for tensor in tensors]


def _split(samples: Batch, fraction: float) -> tuple[Batch, Batch]:
    """(the samples to learn from, the last ones to validate on)."""
    at = int(samples.size * (1 - fraction))
    if not 0 < fraction < 1 or not 0 < at < samples.size:
        received = f"validation_split={fraction} of {samples.size} samples"
        raise ValueError(sentence("fit", "a fraction that leaves samples on both sides", received))
    return samples.take(slice(0, at)), samples.take(slice(at, None))


def _weigh(batch: Batch, class_weight: Mapping[int, float] | None) -> Batch:
    """The batch with each sample's weight multiplied by its class's."""
    if class_weight is None:
        return batch
    if len(batch.y) != 1:
        raise ValueError(sentence("fit", "one output, for class_weight", f"{len(batch.y)}", "Use sample_weight."))
    y = batch.y[0]
    classes = y.argmax(-1) if y.ndim > 1 and y.shape[-1] > 1 else y.reshape(len(y)).astype(int)
    factors = np.array([class_weight.get(int(c), 1.0) for c in classes])
    own = batch.weights[0]
    return batch._replace(weights=[factors if own is None else factors * own])


def _listed(logs: Logs) -> Any:
    return logs["loss"] if len(logs) == 1 else list(logs.values())


@contextlib.contextmanager
def _limited_threads() -> Iterator[None]:
    """Matrix products use `config.threads()` threads while this lasts."""
    if config.threads_limit() is None:
        yield
        return
    from threadpoolctl import threadpool_limits

    with threadpool_limits(config.threads_limit(), user_api="blas"):
        yield
