"""Who competes: tinyconv, PyTorch in its two memory layouts, Keras on what it finds.

Each competitor trains the same network with the same optimizer on the same data, through the public interface of its
library. The batch of a single step is already in the library's own kind of array. PyTorch and Keras are imported when
one is made.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from inspect import signature
from sys import platform
from typing import Any, Protocol

from benchmarks.problems import Problem, WeightedSum
from tinyconv import config, layers, losses, optimizers
from tinyconv._types import Array
from tinyconv.checks import sentence


class Competitor(Protocol):
    """A library with a network, made from the problem and a number of threads."""

    def load(self, weights: list[Array], data: list[Array]) -> None:
        """Take tinyconv's weights, and the data of an epoch as `Problem.data` made them.

        The first of them are the batch of the methods below.
        """

    def loss(self) -> float | None:
        """Loss of the batch, as in prediction: without dropout, with the kept statistics."""

    def train_step(self) -> Any:
        """Learn from the batch once."""

    def predict(self) -> Any:
        """Outputs for the batch."""


class Tinyconv:
    """This library."""

    def __init__(self, problem: Problem, threads: int) -> None:
        config.set_threads(threads)
        self.program, self.model, self.batch_size = problem.program, problem.model(), problem.batch_size

    def load(self, weights: list[Array], data: list[Array]) -> None:
        self.model.set_weights(weights)
        self.model.compile(self.program.make_optimizer(), self.program.loss)
        self.data = (data[0], self.program.labels(data[1], self.model.output_shape[-1]))
        self.x, self.y = (array[: self.batch_size] for array in self.data)

    def loss(self) -> float:
        return float(self.model.test_on_batch(self.x, self.y))

    def train_step(self) -> Any:
        return self.model.train_on_batch(self.x, self.y)

    def predict(self) -> Any:
        return self.model.predict_on_batch(self.x)

    def epoch(self) -> Any:
        """Learn once from all data, in random order; units die of random labels, which the doctor would look into."""
        return self.model.fit(*self.data, batch_size=self.batch_size, verbose=0, doctor=False)

    def gradients(self) -> Any:
        """Forward and backward, down to the input; nothing is learned."""
        return self.model.loss_and_gradients(self.x, self.y)

    def outputs(self) -> list[Array]:
        """What `predict` computes, and the gradient by the input; channels last."""
        return [self.predict(), *self.gradients()[1]]


class Torch:
    """PyTorch, eager: softmax and cross-entropy in one, as its users write it."""

    def __init__(self, problem: Problem, threads: int, memory_format: str = "contiguous_format") -> None:
        import torch

        torch.set_num_threads(threads)
        torch.manual_seed(0)
        self.torch, self.memory_format = torch, getattr(torch, memory_format)
        self.program, self.model, self.batch_size = problem.program, problem.model(), problem.batch_size

    def load(self, weights: list[Array], data: list[Array]) -> None:
        from benchmarks.torch_network import translate

        network = self.model.layers
        net: Any = translate(network, weights)
        self.net = net.to(memory_format=self.memory_format)
        self.data = self._tensor(data[0]), self._tensor(data[1])
        self.x, self.y = (tensor[: self.batch_size] for tensor in self.data)
        self.softmax = getattr(getattr(network[-1], "activation", None), "name", None) == "softmax"
        self.optimizer = self._optimizer(self.program.make_optimizer())

    def _tensor(self, array: Array) -> Any:
        tensor = self.torch.from_numpy(array)
        if tensor.ndim != 4:
            return tensor
        return tensor.permute(0, 3, 1, 2).contiguous(memory_format=self.memory_format)  # (N, C, H, W)

    def _optimizer(self, ours: optimizers.Optimizer) -> Any:
        found: Any = ours.get_config()
        rate, rest = {"lr": found["learning_rate"]}, {"eps": found.get("epsilon")}
        match ours:
            case optimizers.SGD(momentum=0.0):
                return self.torch.optim.SGD(self.net.parameters(), **rate)
            case optimizers.RMSprop():
                return self.torch.optim.RMSprop(self.net.parameters(), alpha=found["rho"], **rate, **rest)
            case optimizers.Adam():
                betas = (found["beta_1"], found["beta_2"])
                return self.torch.optim.Adam(self.net.parameters(), betas=betas, **rate, **rest)
        raise TypeError(
            sentence("benchmarks", "an optimizer of the timed networks", repr(ours), "Add its translation.")
        )

    def _loss(self, x: Any, y: Any) -> Any:
        out = self.net(x)  # (N, classes), or what a layer puts out
        if isinstance(self.program.loss, WeightedSum):
            return self.torch.dot(self._flat(out), self._flat(y)) / len(y)
        return self.torch.nn.functional.cross_entropy(out, y)

    def _flat(self, tensor: Any) -> Any:
        """All numbers in a row, in the order they have in memory, so that nothing is copied."""
        keep = tensor.ndim != 4 or self.memory_format is self.torch.contiguous_format
        return (tensor if keep else tensor.permute(0, 2, 3, 1)).reshape(-1)

    def loss(self) -> float:
        self.net.eval()
        with self.torch.no_grad():
            return float(self._loss(self.x, self.y))

    def train_step(self) -> Any:
        return self._learn(self.x, self.y)

    def _learn(self, x: Any, y: Any) -> float:
        self.net.train()
        self.optimizer.zero_grad()
        loss = self._loss(x, y)
        loss.backward()
        self.optimizer.step()
        return float(loss.item())

    def predict(self) -> Any:
        self.net.eval()
        with self.torch.no_grad():
            logits = self.net(self.x)  # (N, classes)
            return logits.softmax(dim=1) if self.softmax else logits

    def epoch(self) -> Any:
        """Learn once from all data, in random order; a `DataLoader` over the same tensors takes longer."""
        x, y = self.data
        return [self._learn(x[i], y[i]) for i in self.torch.randperm(len(y)).split(self.batch_size)]

    def gradients(self) -> Any:
        """Forward and backward, down to the input; nothing is learned."""
        self.net.train()
        self.net.zero_grad()
        x = self.x.detach().requires_grad_()
        self._loss(x, self.y).backward()
        return x.grad

    def outputs(self) -> list[Array]:
        """What `predict` computes, and the gradient by the input; channels last."""
        found = self.predict(), self.gradients()
        return [(a.permute(0, 2, 3, 1) if a.ndim == 4 else a).numpy() for a in found]


class Keras:
    """Keras on the backend that KERAS_BACKEND names."""

    def __init__(self, problem: Problem, threads: int) -> None:
        import keras

        keras.utils.set_random_seed(0)
        _set_backend_threads(keras.backend.backend(), threads)
        self.keras, self.program, self.ours, self.batch_size = (
            keras,
            problem.program,
            problem.model(),
            problem.batch_size,
        )

    def load(self, weights: list[Array], data: list[Array]) -> None:
        entrance = self.keras.Input(self.ours.input_shape[1:])
        inner = [layer for layer in self.ours.layers if not isinstance(layer, layers.InputLayer)]
        self.model = self.keras.Sequential([entrance, *map(self._layer, inner)])
        self.model.set_weights(weights)
        loss: Any = losses.get(self.program.loss)
        theirs = getattr(self.keras.losses, type(loss).__name__)(from_logits=loss.from_logits)
        self.model.compile(self._optimizer(self.program.make_optimizer()), theirs)
        self.data = (data[0], self.program.labels(data[1], self.ours.output_shape[-1]))
        self.x, self.y = (self.keras.ops.convert_to_tensor(array[: self.batch_size]) for array in self.data)

    def _layer(self, layer: layers.Layer) -> Any:
        kind = getattr(self.keras.layers, type(layer).__name__)
        return kind.from_config(_known_to(kind, layer.get_config()))

    def _optimizer(self, ours: optimizers.Optimizer) -> Any:
        kind = getattr(self.keras.optimizers, type(ours).__name__)
        return kind.from_config(_known_to(kind, ours.get_config()))

    def loss(self) -> float:
        return float(self.model.test_on_batch(self.x, self.y))

    def train_step(self) -> Any:
        return self.model.train_on_batch(self.x, self.y)

    def predict(self) -> Any:
        return self.model.predict_on_batch(self.x)

    def epoch(self) -> Any:
        """Learn once from all data, in random order."""
        return self.model.fit(*self.data, batch_size=self.batch_size, verbose=0)


def _machine(problem: Problem, threads: int) -> Any:
    from benchmarks.limits import Machine  # which needs Numba

    return Machine(problem, threads)


def _known_to(kind: type, settings: Mapping[str, Any]) -> dict[str, Any]:
    known = {*signature(kind).parameters, "name", "dtype", "trainable"}
    return {name: value for name, value in settings.items() if name in known}


def _set_backend_threads(backend: str, threads: int) -> None:
    if backend == "torch":
        import torch

        torch.set_num_threads(threads)
    elif backend == "tensorflow":
        import tensorflow

        tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
        tensorflow.config.threading.set_inter_op_parallelism_threads(1)


@dataclass(frozen=True)
class Entry:
    """A row of the table of competitors.

    Attributes:
        title: what the report calls it.
        make: its class, a `Competitor`, called with the problem and the number of threads.
        needs: modules that must be installed.
        environment: variables that its process starts with.
        platform: the only system it runs on; None for any.
    """

    title: str
    make: Callable[..., Any]
    needs: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    platform: str | None = None

    def obstacle(self) -> str | None:
        """Why it cannot compete here, if it cannot."""
        missing = [module for module in self.needs if find_spec(module) is None]
        if missing:
            return f"{' and '.join(missing)} not installed"
        return f"needs {self.platform}" if self.platform not in (None, platform) else None


#: A malloc (glibc's) that gives no page back to the system: as if PyTorch kept its buffers from step to step.
KEEPS_PAGES = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "1000000000000",
    "MALLOC_TOP_PAD_": "268435456",
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
_channels_last = partial(Torch, memory_format="channels_last")

OURS, MATHEMATICS, MACHINE = "tinyconv", "mathematics", "machine"
COMPETITORS = {
    OURS: Entry("tinyconv", Tinyconv),
    MATHEMATICS: Entry("tinyconv, mathematics", Tinyconv, (), {"TINYCONV_ENGINE": "numpy"}),
    "torch": Entry("PyTorch", Torch, ("torch",)),
    "torch-cl": Entry("PyTorch channels_last", _channels_last, ("torch",)),
    "torch-malloc": Entry("PyTorch, tuned malloc", Torch, ("torch",), KEEPS_PAGES, "linux"),
    "torch-cl-malloc": Entry("PyTorch channels_last, tuned malloc", _channels_last, ("torch",), KEEPS_PAGES, "linux"),
    "keras-torch": Entry("Keras on PyTorch", Keras, ("keras", "torch"), {"KERAS_BACKEND": "torch"}),
    "keras-tensorflow": Entry("Keras on TensorFlow", Keras, ("keras", "tensorflow"), {"KERAS_BACKEND": "tensorflow"}),
    MACHINE: Entry("the machine itself", _machine, ("numba",)),
}
#: Other libraries.
PEERS = [name for name in COMPETITORS if name not in (OURS, MATHEMATICS, MACHINE)]
