"""Learning from examples, again and again.

Epochs of steps, with data from wherever the user has them, callbacks, validation and a progress line. `Trainer` gives
`Model` its methods `compile`, `fit`, `evaluate` and `predict`; it knows no layer by name.
"""

import time
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from tinyconv import config, optimizers
from tinyconv._types import Array
from tinyconv.callbacks import CallbackList, History
from tinyconv.checks import positive, reject_unknown_arguments, sentence
from tinyconv.doctor import Doctor, attend, compiled
from tinyconv.engine.plan import Plans
from tinyconv.layers import Layer
from tinyconv.layers.graph import Node, SymbolicTensor
from tinyconv.metrics import Metric
from tinyconv.models.batches import Arrays, Batch, Stream, is_stream, samples
from tinyconv.models.learner import Learner, Logs
from tinyconv.models.progress import Progress
from tinyconv.models.record import Record
from tinyconv.optimizers.schedules import LearningRateSchedule


class Start(NamedTuple):
    """Where a training begins: with this epoch, and after so many of its batches; then `ready` is called."""

    epoch: int
    batch: int = 0
    ready: Callable[[], None] | None = None


class Trainer(Layer):
    """The part of a model that learns: `compile`, `fit`, `evaluate`, `predict` and their single steps.

    `Model` provides the network: its symbolic ``inputs`` and ``outputs``, the ``nodes`` between, and their plan.

    Attributes:
        optimizer: what `compile` was given, as an object.
        history: what the last `fit` recorded, also if it broke off.
        stop_training: whether `fit` is to end after the batch, or epoch, that is on its way.
        training_batches, training_callbacks: the data and the callbacks of the `fit` that is running, else None.
        training_start: where it begins; a callback may set another place in ``on_train_begin``.
        compiled_at: when `compile` was called last: a number that is larger for every later call in the process.
    """

    inputs: list[SymbolicTensor]
    outputs: list[SymbolicTensor]
    nodes: list[Node]
    _plans: Plans

    def build(self, input_shape: Any = None) -> None:
        """Make the parameters; a network that waits for its input's shape takes it from here."""
        raise NotImplementedError

    def complete(self, input_shape: Any) -> None:
        """Where the network waits for its input's shape, batch axis included, it is known now. Nothing is made yet."""

    def _taken_back_on_error(self) -> AbstractContextManager[None]:
        """If the block raises an error, a network that was completed in it waits for its input's shape again."""
        return nullcontext()

    optimizer: optimizers.Optimizer | None = None
    history: History | None = None
    stop_training = False
    training_batches: Any = None
    training_callbacks: CallbackList | None = None
    training_start = Start(0)
    compiled_at = 0
    _settings: dict[str, Any] | None = None
    _learner: Learner | None = None

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
                probabilities, for example), if the network is known already; otherwise at the first data. For
                loss_weights that are no numbers, at once.
            TypeError: for an unknown argument.
        """
        reject_unknown_arguments(self.compile, unknown)
        _check_numbers(loss_weights, self.title)
        before = self.optimizer, self._settings, self._learner
        self.optimizer = optimizers.get(optimizer)
        self._settings = {"loss": loss, "loss_weights": loss_weights, "metrics": metrics}
        self._learner = None
        try:
            if hasattr(self, "outputs"):
                self._learning()
        except (TypeError, ValueError):
            self.optimizer, self._settings, self._learner = before
            raise
        self.compiled_at = compiled(self)

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
        validation_freq: int | Collection[int] = 1,
        record: bool = False,
        doctor: bool | str | None = None,
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
            shuffle: whether each epoch takes the samples in a new order; or the batches, where x has them by number.
            class_weight: factor of the loss for each class.
            sample_weight: factor of the loss for each sample.
            initial_epoch: epochs that were done before.
            steps_per_epoch: batches in an epoch; needed for generators that do not end. The next epoch goes on where
                they stopped.
            validation_steps: batches of the validation data to evaluate, from their beginning each time, except for
                a generator; all unless given.
            validation_batch_size: as batch_size, for the validation data.
            validation_freq: evaluate after every so many epochs, or after those in a list; the first one is 1.
            record: True prints one line at the end: seed, engine, threads, versions, time, and what else it takes to
                repeat the run. It is ``history.record``, a `tinyconv.models.Record`, in any case.
            doctor: whether to warn of what often goes wrong in training: True, unless `config.set_doctor` says
                otherwise. ``"error"`` makes the warnings errors. See `tinyconv.doctor`.

        Returns:
            What `History` recorded: ``.history`` holds a list per name, one number per epoch.
            ``model.history`` is the same object, also if the training breaks off: by an error, or by Ctrl-C, which
            leaves the model as it was after the last whole batch.

        Raises:
            RuntimeError: if the model is not compiled.
            ValueError: for data that are empty, not finite, of unequal lengths or of another shape than the network
                takes, and for labels that do not fit the loss. Nothing has been learned then.
        """
        self._require_compiled("fit")
        epochs, validates = positive(epochs, "epochs", "fit"), _validates(validation_freq)
        initial_epoch = positive(initial_epoch, "initial_epoch", "fit", least=0)
        beside = {"y": y, "sample_weight": sample_weight, "validation_split": validation_split or None}
        arrays = None if is_stream(x, "fit", **beside) else self._samples("fit", x, y, sample_weight, finite=True)
        if arrays is not None and validation_split and validation_data is None:
            arrays, validation_data = arrays.split(validation_split)
        batches = self._batches("fit", x, arrays, batch_size, shuffle, steps_per_epoch)
        held_out = self._validation(validation_data, validation_batch_size or batch_size, validation_steps)
        with self._taken_back_on_error():
            learner = self._checked(batches.first, "fit")
            batches.first.take(slice(0, 1)).weighted(class_weight)
            if held_out is not None:
                self._check_batch(held_out.first, "validation_data")
        learner.lay_out()
        self.build()
        watch = attend(doctor, self, learner, batches, held_out, passes=steps_per_epoch is None)
        self.history = history = History()
        began = time.perf_counter()
        history.record = Record.of(self._float_type, 0.0)
        hooks = CallbackList(callbacks, self, {"verbose": verbose, "epochs": epochs, "steps": batches.steps})
        hooks.append(history)
        if watch is not None:
            hooks.append(watch)
        self.stop_training = False
        self.training_batches, self.training_callbacks, self.training_start = batches, hooks, Start(initial_epoch)
        logs: Logs = {}
        try:
            with config.limited_threads():
                hooks.on_train_begin()
                start, steps = self.training_start, batches.steps
                for epoch in range(start.epoch, epochs):
                    if self.stop_training:
                        break
                    hooks.on_epoch_begin(epoch)
                    with Progress(steps, verbose, f"Epoch {epoch + 1}/{epochs}") as progress:
                        logs = self._train_epoch(learner, batches, class_weight, hooks, progress, start, watch)
                        if held_out is not None and validates(epoch + 1):
                            found = self._evaluate(learner, held_out, hooks, Progress(held_out.steps, 0), watch)
                            logs |= {f"val_{name}": value for name, value in found.items()}
                        logs |= self._changing_rate(hooks)
                        progress.finish(logs)
                    hooks.on_epoch_end(epoch, logs)
                    start, steps = Start(epoch + 1), batches.steps or progress.done
                hooks.on_train_end(logs)
        finally:
            self.training_batches = self.training_callbacks = None
            for data in filter(None, (batches, held_out)):
                data.close()
            history.record = Record.of(self._float_type, time.perf_counter() - began)
        if record:
            print(history.record)
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
        beside = {"y": y, "sample_weight": sample_weight}
        arrays = None if is_stream(x, "evaluate", **beside) else self._samples("evaluate", x, y, sample_weight)
        batches = self._batches("evaluate", x, arrays, batch_size, False, steps)
        learner = self._get_ready(batches.first, "evaluate")
        progress = Progress(batches.steps, verbose)
        hooks = CallbackList(callbacks, self, {"verbose": verbose, "steps": batches.steps})
        with config.limited_threads(), progress, closing(batches):
            logs = self._evaluate(learner, batches, hooks, progress)
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
        with self._taken_back_on_error():
            self._complete(batches.first)
        self.build()
        progress = Progress(batches.steps, verbose)
        hooks = CallbackList(callbacks, self, {"verbose": verbose, "steps": batches.steps})
        found: list[list[Array]] = []
        with config.limited_threads(), progress, closing(batches):
            hooks.on_predict_begin()
            for i, batch in enumerate(progress.watch(batches)):
                self._check_shapes(batch)
                hooks.on_predict_batch_begin(i)
                found.append(self._predict(batch.x))
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
        learner = self._get_ready(batch, "train_on_batch", learn=True)
        learner.reset()
        learner.train_step(batch.weighted(class_weight))
        return learner.logs() if return_dict else _listed(learner.logs())

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """Loss and metrics of one batch, without learning."""
        self._require_compiled("test_on_batch")
        batch = self._samples("test_on_batch", x, y, sample_weight)
        learner = self._get_ready(batch, "test_on_batch")
        learner.reset()
        learner.forward(batch, training=False, learn=False)
        return learner.logs() if return_dict else _listed(learner.logs())

    def predict_on_batch(self, x: Any) -> Any:
        """Outputs for one batch."""
        return self.predict(x, batch_size=self._samples("predict", x).size, verbose=0)

    def loss_and_gradients(
        self, x: Any, y: Any, sample_weight: Any = None, training: bool = True
    ) -> tuple[float, list[Array]]:
        """Loss of a batch and its gradients: by the inputs returned, by the parameters in each layer's ``grads``.

        Nothing is learned. Regularizers count, as in training.
        """
        self._require_compiled("loss_and_gradients")
        batch = self._samples("loss_and_gradients", x, y, sample_weight)
        loss, dx = self._get_ready(batch, "loss_and_gradients").loss_and_gradients(batch, training, to_inputs=True)
        return loss, [np.zeros(a.shape) if d is None else d for a, d in zip(batch.x, dx, strict=True)]

    @property
    def metrics(self) -> list[Metric]:
        """What training measures: the loss, and for each output its loss and its metrics."""
        return [] if self._learner is None else self._learner.metrics

    @property
    def metrics_names(self) -> list[str]:
        """What the numbers of `evaluate` are called: ``dict(zip(model.metrics_names, model.evaluate(x, y)))``."""
        return [] if self._learner is None else list(self._learner.logs())

    # How an epoch works

    def _train_epoch(
        self,
        learner: Learner,
        batches: Any,
        class_weight: Mapping[int, float] | None,
        hooks: CallbackList,
        progress: Progress,
        start: Start,
        watch: Doctor | None,
    ) -> Logs:
        learner.reset()
        coming = progress.watch(batches)
        for _ in islice(coming, start.batch):  # learned before
            progress.step({})
        if start.ready is not None:
            start.ready()
        for i, batch in enumerate(coming, start.batch):
            hooks.on_train_batch_begin(i)
            self._check_batch(batch, "fit")
            learner.train_step(batch.weighted(class_weight), None if watch is None else watch.see)
            logs = learner.logs()
            hooks.on_train_batch_end(i, logs)
            progress.step(logs)
            if self.stop_training:
                break
        return learner.logs()

    def _changing_rate(self, hooks: CallbackList) -> Logs:
        """The learning rate, for the logs, where a schedule or a callback may change it."""
        assert self.optimizer is not None
        by_callback = any(callback.sets_learning_rate for callback in hooks.callbacks)
        varies = by_callback or isinstance(self.optimizer.learning_rate, LearningRateSchedule)
        return {"learning_rate": self.optimizer.current_learning_rate} if varies else {}

    def _evaluate(
        self, learner: Learner, batches: Any, hooks: CallbackList, progress: Progress, watch: Doctor | None = None
    ) -> Logs:
        learner.reset()
        hooks.on_test_begin()
        for i, batch in enumerate(progress.watch(batches)):
            hooks.on_test_batch_begin(i)
            self._check_batch(batch, "evaluate")
            if watch is not None:
                watch.see_validation(batch)
            learner.forward(batch, training=False, learn=False)
            hooks.on_test_batch_end(i, learner.logs())
            progress.step(learner.logs())
        hooks.on_test_end(learner.logs())
        return learner.logs()

    # Getting ready

    def _require_compiled(self, what: str) -> None:
        if self._settings is None:
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
            return Stream(x, self._names, steps, labels, finite=where == "fit", where=where, shuffle=shuffle)
        size, anew = 32 if batch_size is None else batch_size, where != "fit"
        return Arrays(arrays, size, shuffle, steps, self._float_type, anew)

    def _validation(self, data: Any, batch_size: int | None, steps: int | None) -> Any:
        if data is None:
            return None
        if not isinstance(data, tuple | list):
            return Stream(data, self._names, steps, True, finite=False, where="validation_data")
        if not isinstance(data, Batch):
            if len(data) not in (2, 3):
                expected = "validation_data as (x, y) or (x, y, sample_weight)"
                raise ValueError(sentence("fit", expected, f"{len(data)} entries"))
            weights = data[2] if len(data) == 3 else None
            data = self._samples("validation_data", data[0], data[1], weights, finite=True)
        return Arrays(data, batch_size or 32, steps=steps, dtype=self._float_type, anew=True)

    @property
    def _float_type(self) -> str:
        """What the layers compute in."""
        return next((layer.dtype for layer in self.sublayers()), self.dtype)

    def _get_ready(self, first: Batch, where: str, learn: bool = False) -> Learner:
        """Check data against network and losses, then make the parameters. Nothing has changed if that fails."""
        with self._taken_back_on_error():
            learner = self._checked(first, where)
        if learn:
            learner.lay_out()
        self.build()
        return learner

    def _checked(self, first: Batch, where: str) -> Learner:
        self._complete(first)
        learner = self._learning()
        learner.check_labels(first, where)
        return learner

    def _predict(self, x: list[Array], training: bool = False) -> list[Array]:
        """Inputs -> outputs, by the plan of training where there is one: its buffers are there already."""
        return self._plans.current.predict(x, training) if self._learner is None else self._learner.predict(x, training)

    def _complete(self, first: Batch) -> None:
        """Check the shape of data; a network that waits for its input's shape takes it from them."""
        if not hasattr(self, "outputs"):
            self.complete((None, *first.x[0].shape[1:]))
        self._check_shapes(first)

    def _check_batch(self, batch: Batch, where: str) -> None:
        self._check_shapes(batch)
        self._learning().check_labels(batch, where)

    def _check_shapes(self, batch: Batch) -> None:
        shapes = [a.shape for a in batch.x]
        self.check_input_shape(shapes if self.takes_list else shapes[0])

    def _learning(self) -> Learner:
        """The network with its losses and optimizer, made once the network is known."""
        assert self.optimizer is not None
        assert self._settings is not None
        if self._learner is None:
            layers = list(self.sublayers())
            network = (layers, self.nodes, self.inputs, self.outputs)
            self._learner = Learner(*network, self.optimizer, self._settings, self.title)
        return self._learner

    def _forget_network(self) -> None:
        """The layers have changed: what learns is made anew when it is needed."""
        self._learner = None


def _check_numbers(loss_weights: Any, where: str) -> None:
    """ValueError for metrics in the place of loss_weights."""
    given = loss_weights.values() if isinstance(loss_weights, Mapping) else loss_weights
    for one in given if isinstance(given, Collection) and not isinstance(given, str) else [given]:
        if one is not None and not isinstance(one, int | float | np.number):
            way_out = 'Metrics are given by name: metrics=["accuracy"].'
            raise ValueError(sentence(where, "numbers as loss_weights, the third argument", repr(one), way_out))


def _validates(freq: int | Collection[int]) -> Callable[[int], bool]:
    """Whether an epoch, of which the first is 1, is followed by validation."""
    if isinstance(freq, Collection) and not isinstance(freq, str):
        chosen = {positive(epoch, "each entry of validation_freq", "fit") for epoch in freq}
        return lambda epoch: epoch in chosen
    every = positive(freq, "validation_freq", "fit")
    return lambda epoch: epoch % every == 0


def _layer_names(tensors: list[SymbolicTensor]) -> list[str]:
    return [tensor.node.layer.name for tensor in tensors]


def _listed(logs: Logs) -> Any:
    return logs["loss"] if len(logs) == 1 else list(logs.values())
