"""Random networks that are valid: of every layer and option, with branches, shared layers and models inside.

A network is described by plain values first. From the description it is made as often as wanted, by tinyconv or by
Keras, and printed as a program. Everything is drawn from one `random.Random`: an ordinary one, where the same seed
gives the same network, or one of Hypothesis, which looks for the smallest network that still fails. It does so by
making its draws smaller, so the plainest choice comes first everywhere.
"""

from dataclasses import dataclass, field
from functools import reduce
from math import prod

import numpy as np

import tinyconv

#: What Keras does not have, or where its versions differ, by the names that the functions below take as ``without``.
#: With "same" padding, Keras on PyTorch averages otherwise than Keras on TensorFlow; it cannot train where each place
#: of an image has its number of a class; and it predicts with `RandomCrop` on images as large as they come.
NOT_IN_KERAS = frozenset(
    {
        "MinPooling2D", "GlobalMinPooling2D", "padding in pixels", "unbiased variance", "averages of same",
        "numbers of classes for places", "RandomCrop",
    }
)  # fmt: skip
#: What draws numbers while training, from streams that no two programs share.
CHANCE = frozenset(
    {
        "Dropout", "SpatialDropout2D", "RandomFlip", "RandomRotation", "RandomTranslation", "RandomZoom",
        "RandomContrast", "RandomBrightness", "RandomCrop",
    }
)  # fmt: skip


# What a network is described by


@dataclass(frozen=True)
class Made:
    """An object of a class, such as a layer or an optimizer: its name below the library, and its arguments."""

    name: str
    options: dict = field(default_factory=dict)

    def make(self, library):
        """A new object."""
        options = {key: make(value, library) for key, value in self.options.items()}
        return reduce(getattr, self.name.split("."), library)(**options)

    def parts(self):
        """Every description inside, this one first."""
        yield self
        for value in self.options.values():
            yield from value.parts() if isinstance(value, Made) else ()

    def __repr__(self):
        return f"library.{self.name}({', '.join(f'{key}={value!r}' for key, value in self.options.items())})"


def make(value, library):
    """What a description stands for; anything else stands for itself."""
    return value.make(library) if isinstance(value, Made | Graph) else value


@dataclass(frozen=True)
class Graph:
    """A network. Tensors have numbers: first those of the inputs, then what each call gives.

    Attributes:
        shapes: of the inputs, without the batch axis.
        layers: descriptions of layers, or of models that are used as layers.
        calls: (a layer's number, the numbers of the tensors it reads).
        outputs: numbers of tensors.
        line: whether it is a `Sequential`, with a call for each layer, one after the other.
    """

    shapes: tuple
    layers: tuple
    calls: tuple
    outputs: tuple
    line: bool = False

    def make(self, library):
        """A new model."""
        if self.line:
            first = library.Input(self.shapes[0])
            return library.Sequential([first, *(layer.make(library) for layer in self.layers)])
        tensors = [library.Input(shape) for shape in self.shapes]
        layers = [layer.make(library) for layer in self.layers]
        for layer, reads in self.calls:
            tensors.append(layers[layer](_one_or_list([tensors[i] for i in reads])))
        outputs = [tensors[i] for i in self.outputs]
        return library.Model(_one_or_list(tensors[: len(self.shapes)]), _one_or_list(outputs))

    def parts(self):
        """Every description inside."""
        for layer in self.layers:
            yield from layer.parts()

    def program(self, name="model"):
        """The lines of a program that makes the model, from a module ``library``."""
        inputs = [f"{name}_x{i}" for i in range(len(self.shapes))]
        tensors = inputs + [f"{name}_x{len(inputs) + i}" for i in range(len(self.calls))]
        layers = [f"{name}_layer{i}" for i in range(len(self.layers))]
        made = []
        for variable, layer in zip(layers, self.layers):
            made += layer.program(variable) if isinstance(layer, Graph) else [f"{variable} = {layer}"]
        if self.line:
            return [*made, f"{name} = library.Sequential([library.Input({self.shapes[0]}), {', '.join(layers)}])"]
        lines = [f"{tensor} = library.Input({shape})" for tensor, shape in zip(inputs, self.shapes)] + made
        for tensor, (layer, reads) in zip(tensors[len(inputs) :], self.calls):
            lines.append(f"{tensor} = {layers[layer]}({_named([tensors[i] for i in reads])})")
        return [*lines, f"{name} = library.Model({_named(inputs)}, {_named([tensors[i] for i in self.outputs])})"]


def _one_or_list(items):
    return items if len(items) > 1 else items[0]


def _named(names):
    return f"[{', '.join(names)}]" if len(names) > 1 else names[0]


@dataclass(frozen=True)
class Target:
    """What an output is to learn: its loss, and labels that fit.

    Attributes:
        loss: a name or a description; None for an output that is not trained.
        labels: "class" numbers, "one-hot" rows, "yes-no" for each number, or "numbers".
        weight: factor of the loss.
        metrics: names or descriptions.
    """

    loss: object
    labels: str
    weight: float = 1.0
    metrics: tuple = ()

    def parts(self):
        """Every description inside."""
        for value in (self.loss, *self.metrics):
            yield from value.parts() if isinstance(value, Made) else ()

    def drawn(self, shape):
        """The words that draw labels for ``n`` samples of an output of this shape (without the batch axis)."""
        if self.labels == "numbers":
            return f"rng.normal(size=(n, {_listed(shape)}))"
        if self.labels == "yes-no":
            return f"rng.integers(0, 2, (n, {_listed(shape)})) / 1"
        classes = f"rng.integers(0, {shape[-1]}, (n, {_listed(shape[:-1])}))"
        return classes if self.labels == "class" else f"np.eye({shape[-1]})[{classes}]"


def _listed(shape):
    return "".join(f"{n}, " for n in shape).removesuffix(" ")


@dataclass(frozen=True)
class Task:
    """A network and how it is trained.

    Attributes:
        graph, optimizer: descriptions.
        targets: one for each output.
        sizes: samples of each batch.
        weighted: "" for samples that weigh alike, "samples", or "classes".
    """

    graph: Graph
    targets: tuple
    optimizer: Made
    sizes: tuple
    weighted: str = ""

    def compiled(self, library):
        """A new model, ready to learn."""
        model = self.graph.make(library)
        several = len(self.targets) > 1
        model.compile(
            self.optimizer.make(library),
            loss=_one_or_list([make(target.loss, library) for target in self.targets]),
            loss_weights=[target.weight for target in self.targets] if several else None,
            metrics=_one_or_list([[make(metric, library) for metric in target.metrics] for target in self.targets]),
        )
        return model

    def batches(self, seed):
        """Arguments of `train_on_batch`, for each batch."""
        rng = np.random.default_rng(seed)
        words = self._drawn()
        return [{name: eval(word, {"np": np, "rng": rng, "n": n}) for name, word in words.items()} for n in self.sizes]

    def parts(self):
        """Every description inside."""
        for part in (self.graph, *self.targets, self.optimizer):
            yield from part.parts()

    def program(self, seed):
        """The text of a program that trains the network on the batches of a seed."""
        several = len(self.targets) > 1
        losses = _named([repr(target.loss) for target in self.targets])
        weights = [target.weight for target in self.targets] if several else None
        metrics = _named([repr(list(target.metrics)) for target in self.targets])
        batch = ", ".join(f"{name}={word}" for name, word in self._drawn().items())
        lines = [
            "import numpy as np",
            "import tinyconv as library",
            "",
            *self.graph.program(),
            f"model.compile({self.optimizer}, loss={losses}, loss_weights={weights}, metrics={metrics})",
            "",
            f"rng = np.random.default_rng({seed})",
            f"model.set_weights([{STIRRED} for w in model.get_weights()])",
            f"rng = np.random.default_rng({seed})",
            f"for n in {self.sizes}:",
            f"    print(model.train_on_batch({batch}, return_dict=True))",
        ]
        return "\n".join(lines)

    def _drawn(self):
        """Words that draw each argument for ``n`` samples; `program` prints them, `batches` evaluates them."""
        shapes = self.output_shapes()
        words = {
            "x": _named([f"rng.normal(size=(n, {_listed(shape)}))" for shape in self.graph.shapes]),
            "y": _named([target.drawn(shape) for target, shape in zip(self.targets, shapes, strict=True)]),
        }
        if self.weighted == "samples":
            words["sample_weight"] = _named(["rng.uniform(0, 2, n)"] * len(self.targets))
        if self.weighted == "classes":
            words["class_weight"] = "{0: 0.5, 1: 2.0}"
        return words

    def output_shapes(self):
        """Of each output, without the batch axis."""
        return [tuple(tensor.shape[1:]) for tensor in self.graph.make(tinyconv).outputs]


#: What becomes of each array of initial weights before a comparison: no bias stays at 0, where ReLU has its corner, no
#: two channels stay equal, and variances stay positive.
STIRRED = "(w + rng.uniform(-0.1, 0.1, w.shape)).astype(w.dtype)"


def stirred(weights, seed):
    """Initial weights, a little changed."""
    rng = np.random.default_rng(seed)
    return [eval(STIRRED, {"rng": rng, "w": w}) for w in weights]


def randomized(model, seed):
    """The model with weights away from where they begin; vectors are positive, because some of them are variances."""
    rng = np.random.default_rng(seed)
    new = [rng.uniform(0.3, 1.2, w.shape) if w.ndim == 1 else _kernel(rng, w.shape) for w in model.get_weights()]
    model.set_weights([w.astype("float32") for w in new])
    return model


def _kernel(rng, shape):
    """Numbers that neither swell nor fade a signal."""
    return rng.normal(size=shape) / np.sqrt(np.prod(shape[:-1]))


def inputs_for(model, seed):
    """Inputs of two samples for a model of tinyconv or Keras."""
    rng = np.random.default_rng(seed)
    return _one_or_list([rng.normal(size=(2, *tensor.shape[1:])).astype("float32") for tensor in model.inputs])


# How one is drawn

#: No tensor has more numbers for one sample than this, so that a network takes little time.
LARGEST = 1500

ACTIVATIONS = (None, "relu", "linear", "tanh", "sigmoid", "elu", "selu", "gelu", "leaky_relu", "softmax")
#: Those that let something through everywhere: stacks of others soon learn nothing.
LIVELY = ("relu", "tanh", "elu", "gelu")


GLOBAL_POOLINGS = ("GlobalAveragePooling2D", "GlobalMaxPooling2D", "GlobalMinPooling2D")
LOSS_NAMES = {
    "CategoricalCrossentropy": "categorical_crossentropy",
    "SparseCategoricalCrossentropy": "sparse_categorical_crossentropy",
}


def random_graph(rng, without=frozenset()):
    """A network for images, with heads that classify; ``without`` names what it must not have."""
    return _Drawing(rng, without).network()


def random_task(rng, without=frozenset(), steps=4):
    """A network with losses for all of its outputs, and its training."""
    return _Drawing(rng, without).task(steps)


class _Tensors:
    """The graph so far: shapes by tensor, layers, calls."""

    def __init__(self, shapes):
        self.inputs, self.shapes = tuple(shapes), list(shapes)
        self.layers, self.calls = [], []

    def add(self, layer, *reads):
        """The number of what a new layer, or a known one by its number, gives."""
        if not isinstance(layer, int):
            self.layers.append(layer)
            layer = len(self.layers) - 1
        shapes = [(None, *self.shapes[i]) for i in reads]
        found = self.layers[layer].make(tinyconv).compute_output_shape(_one_or_list(shapes))
        self.calls.append((layer, reads))
        self.shapes.append(tuple(found[1:]))
        return len(self.shapes) - 1

    def graph(self, outputs):
        """The description, without what the outputs do not depend on."""
        used = set(outputs)
        first = len(self.inputs)
        for i, (_, reads) in reversed(list(enumerate(self.calls))):
            used |= {*reads} if first + i in used else set()
        calls = [call for i, call in enumerate(self.calls) if first + i in used]
        places = [*range(first), *(first + i for i in range(len(self.calls)) if first + i in used)]
        layers = sorted({layer for layer, _ in calls})
        calls = [(layers.index(layer), tuple(places.index(i) for i in reads)) for layer, reads in calls]
        outputs = tuple(places.index(i) for i in outputs)
        return Graph(self.inputs, tuple(self.layers[i] for i in layers), tuple(calls), outputs)


class _Drawing:
    """One network on its way."""

    def __init__(self, rng, without):
        self.rng, self.without = rng, without

    # Choices

    def likely(self, p):
        """True with this probability."""
        return self.rng.randrange(100) >= 100 * (1 - p)

    def some(self, most, least=1):
        """A whole number."""
        return self.rng.randint(least, max(most, least))

    def some_options(self, **choices):
        """Each argument with one of its values, or, half of the time, left out."""
        return {name: self.rng.choice(values) for name, values in choices.items() if self.likely(0.5)}

    def one_of(self, makers):
        """What one of the functions returns; names of what is not wanted are left out."""
        return self.rng.choice([make for name, make in makers.items() if name not in self.without])

    # Options

    def weights_options(self, kernel="kernel"):
        """Arguments of layers that multiply."""
        found = {}
        if self.likely(0.2):
            found["use_bias"] = False
        if self.likely(0.2):
            found[f"{kernel}_initializer"] = self.initializer()
        if self.likely(0.15):
            found["bias_initializer"] = self.constant(0.2)
        if self.likely(0.2):
            found[f"{kernel}_regularizer"] = self.regularizer()
        if self.likely(0.1):
            found["bias_regularizer"] = self.regularizer()
        return found | self.frozen()

    def activation(self):
        """A name for the argument `activation`."""
        return self.rng.choice(LIVELY if self.likely(0.7) else ACTIVATIONS)

    def initializer(self):
        """A name or a description."""
        names = ("he_normal", "he_uniform", "lecun_normal", "glorot_normal", "orthogonal", "lecun_uniform")
        if self.likely(0.5):
            return self.rng.choice(names)
        return Made(
            "initializers.VarianceScaling",
            {
                "scale": 1.5,
                "mode": self.rng.choice(("fan_in", "fan_out", "fan_avg")),
                "distribution": self.rng.choice(("uniform", "untruncated_normal")),
            },
        )

    def constant(self, value):
        """An initializer of one value."""
        return Made("initializers.Constant", {"value": value})

    def regularizer(self):
        """A name or a description."""
        objects = (Made("regularizers.L1L2", {"l1": 0.003, "l2": 0.02}), Made("regularizers.L2", {"l2": 0.1}))
        return self.rng.choice(("l2", "l1", *objects))

    def frozen(self):
        """Sometimes, what keeps a layer from learning."""
        return {"trainable": False} if self.likely(0.07) else {}

    # Layers

    def layer(self, shape):
        """A layer of any kind that can follow on a tensor of this shape."""
        while True:
            table = self.on_images(shape) if len(shape) == 3 and self.likely(0.7) else self.anywhere(shape)
            made = self.conv(shape) if len(shape) == 3 and self.likely(0.3) else self.one_of(table)()
            found = made.make(tinyconv).compute_output_shape((None, *shape))
            if prod(found[1:]) <= LARGEST:
                return made

    def keeping(self, shape):
        """A layer whose output has its input's shape."""
        channels, table = shape[-1], {"Dense": lambda: self.dense(shape[-1])}
        if len(shape) == 3:
            same = {"padding": "same"}
            table |= {
                "Conv2D": lambda: self.conv(shape, **same, strides=1, filters=channels),
                "DepthwiseConv2D": lambda: self.depthwise(shape, **same, strides=1, depth_multiplier=1),
                "MaxPooling2D": lambda: Made("layers.MaxPooling2D", {"pool_size": (3, 2), "strides": 1, **same}),
                "SpatialDropout2D": lambda: Made("layers.SpatialDropout2D", {"rate": 0.2}),
                **self.augmentation(),
            }
        changing = ("Reshape", "Flatten")
        return self.one_of(
            {name: make for name, make in (table | self.pointwise(shape)).items() if name not in changing}
        )()

    def pointwise(self, shape):
        """Layers for tensors of any rank that keep the shape."""
        return {
            "ReLU": lambda: Made(
                "layers.ReLU", self.some_options(max_value=(0.9,), negative_slope=(0.1,), threshold=(0.2,))
            ),
            "BatchNormalization": lambda: self.batch_normalization(),
            "Activation": lambda: Made("layers.Activation", {"activation": self.rng.choice(ACTIVATIONS[1:])}),
            "Dropout": lambda: Made("layers.Dropout", {"rate": self.rng.choice((0.3, 0.0, 0.5))}),
            "LeakyReLU": lambda: Made("layers.LeakyReLU", self.some_options(negative_slope=(0.1, 0.0))),
            "ELU": lambda: Made("layers.ELU", self.some_options(alpha=(0.7, 1.3))),
            "Softmax": lambda: Made("layers.Softmax", {"axis": self.rng.choice((-1, *range(1, len(shape))))}),
            "Rescaling": lambda: Made("layers.Rescaling", {"scale": 0.7, **self.some_options(offset=(-0.2,))}),
        }

    def anywhere(self, shape):
        """Layers for tensors of any rank."""
        return {
            "Dense": lambda: self.dense(self.some(9)),
            **self.pointwise(shape),
            "Reshape": lambda: self.reshape(shape),
            "Flatten": lambda: Made("layers.Flatten"),
        }

    def on_images(self, shape):
        """Layers for images (H, W, C)."""
        height, width, _ = shape
        lower, larger = lambda n: self.some(n, max(n - 3, 1)), lambda n: self.some(min(n + 3, 12), max(n - 2, 1))
        return {
            "Conv2D": lambda: self.conv(shape),
            "MaxPooling2D": lambda: self.pooling(shape, "MaxPooling2D"),
            "DepthwiseConv2D": lambda: self.depthwise(shape),
            "MinPooling2D": lambda: self.pooling(shape, "MinPooling2D"),
            "AveragePooling2D": lambda: self.pooling(shape, "AveragePooling2D"),
            "SpatialDropout2D": lambda: Made("layers.SpatialDropout2D", {"rate": 0.4}),
            "ZeroPadding2D": lambda: Made(
                "layers.ZeroPadding2D", {"padding": self.rng.choice((1, (1, 2), ((1, 0), (0, 2)), ((0, 0), (0, 0))))}
            ),
            "Resizing": lambda: self.resizing(larger(height), larger(width)),
            "CenterCrop": lambda: Made("layers.CenterCrop", {"height": larger(height), "width": larger(width)}),
            "RandomCrop": lambda: Made("layers.RandomCrop", {"height": lower(height), "width": lower(width)}),
            "Global": lambda: self.global_pooling(keepdims=True),
            **self.augmentation(),
        }

    def augmentation(self):
        """Layers that change images at random while training."""
        fills = ("reflect", "constant", "wrap", "nearest")

        def warped():
            return self.some_options(fill_mode=fills, interpolation=("nearest", "bilinear"), fill_value=(0.3,))

        value_range = {"value_range": (-2.5, 2.0)}
        return {
            "RandomFlip": lambda: Made(
                "layers.RandomFlip", self.some_options(mode=("horizontal", "vertical", "horizontal_and_vertical"))
            ),
            "RandomRotation": lambda: Made("layers.RandomRotation", {"factor": 0.1, **warped()}),
            "RandomTranslation": lambda: Made(
                "layers.RandomTranslation", {"height_factor": 0.2, "width_factor": (-0.1, 0.3), **warped()}
            ),
            "RandomZoom": lambda: Made(
                "layers.RandomZoom",
                {"height_factor": 0.2, **self.some_options(width_factor=((-0.3, 0.1),)), **warped()},
            ),
            "RandomContrast": lambda: Made("layers.RandomContrast", {"factor": 0.4, **value_range}),
            "RandomBrightness": lambda: Made("layers.RandomBrightness", {"factor": 0.1, **value_range}),
        }

    def conv(self, shape, filters=None, **fixed):
        """A `Conv2D`."""
        height, width, channels = shape
        groups = self.rng.choice([1, 1, 1, *(g for g in range(2, channels + 1) if channels % g == 0)])
        if filters is None:
            filters = groups * self.some(3) if groups > 1 else self.rng.choice((3, 1, 2, 4, 5, 8, 9, 12, 17))
        groups = groups if filters % groups == 0 else 1
        options = {"filters": filters, **self.window(height, width, fixed)}
        if groups > 1:
            options["groups"] = groups
        if "padding" not in options and "padding in pixels" not in self.without and self.likely(0.15):
            options["padding"] = self.rng.choice((1, (1, 0), ((2, 0), (1, 3))))
        return Made("layers.Conv2D", options | self.activated() | self.weights_options())

    def depthwise(self, shape, **fixed):
        """A `DepthwiseConv2D`."""
        height, width, channels = shape
        options = self.window(height, width, fixed)
        if channels < 6 and self.likely(0.4):
            options.setdefault("depth_multiplier", 2)
        return Made("layers.DepthwiseConv2D", options | self.activated() | self.weights_options("depthwise"))

    def window(self, height, width, fixed):
        """Size, strides, padding and dilation of a convolution that fits into images of this size."""
        most = (min(height, 4), min(width, 4))
        size = (3, 3) if min(most) >= 3 and self.likely(0.5) else (self.some(most[0]), self.some(most[1]))
        options = {"kernel_size": size}
        if "strides" not in fixed and self.likely(0.25):
            options["strides"] = self.rng.choice((2, (2, 1), (1, 3), (3, 2)))
        elif self.likely(0.2):
            options["dilation_rate"] = tuple(
                self.some(min((n - 1) // (k - 1), 3)) if k > 1 else self.some(2) for n, k in zip((height, width), size)
            )
        if self.likely(0.5):
            options["padding"] = "same"
        return options | fixed

    def activated(self):
        """Half of the time, an activation."""
        return {"activation": self.activation()} if self.likely(0.5) else {}

    def pooling(self, shape, kind):
        """A pooling layer: mostly of two by two."""
        options = {}
        if min(shape[:2]) < 2 or self.likely(0.5) or kind == "AveragePooling2D":  # for which Keras has no default
            options["pool_size"] = (self.some(min(shape[0], 3)), self.some(min(shape[1], 3)))
        if self.likely(0.3):
            options["strides"] = self.rng.choice((1, 2, (2, 1), (1, 3)))
        if self.likely(0.4) and not (kind == "AveragePooling2D" and "averages of same" in self.without):
            options["padding"] = "same"
        return Made(f"layers.{kind}", options)

    def global_pooling(self, keepdims=False):
        """A pooling layer over whole images."""
        kind = self.one_of({name: lambda name=name: name for name in GLOBAL_POOLINGS})()
        return Made(f"layers.{kind}", {"keepdims": True} if keepdims else {})

    def resizing(self, height, width):
        """A `Resizing`."""
        options = {"height": height, "width": width}
        if self.likely(0.3):
            options["interpolation"] = "nearest"
        if self.likely(0.4):
            options[self.rng.choice(("crop_to_aspect_ratio", "pad_to_aspect_ratio"))] = True
        return Made("layers.Resizing", options)

    def reshape(self, shape):
        """A `Reshape`: to an image, to a sequence, or into one row."""
        targets = [(shape[-1], -1), (-1,), (*shape[::-1],)]
        targets += [(2, -1, 3)] if prod(shape) % 6 == 0 else []
        return Made("layers.Reshape", {"target_shape": self.rng.choice(targets)})

    def dense(self, units, **options):
        """A `Dense` for the middle of a network."""
        return Made("layers.Dense", {"units": units, **self.activated(), **options, **self.weights_options()})

    def batch_normalization(self):
        """A `BatchNormalization`."""
        options = self.some_options(momentum=(0.9, 0.5), epsilon=(0.01, 0.1))
        if self.likely(0.3):
            options |= self.some_options(
                center=(False,), scale=(False,), beta_initializer=(self.constant(0.3),),
                gamma_initializer=(self.constant(1.5),), beta_regularizer=("l2",),
                gamma_regularizer=("l1",),
            )  # fmt: skip
        if "unbiased variance" not in self.without and self.likely(0.1):
            options["unbiased_moving_variance"] = True
        return Made("layers.BatchNormalization", options | self.frozen())

    # Networks

    def network(self):
        """A `Graph`: a line, or a body with one or more heads of probabilities."""
        if self.likely(0.25):
            return self.line(self.image_shape(), 5, ends=True)
        tensors, x = self.trunk()
        outputs = [tensors.add(self.classes(3), self.to_vector(tensors, x))]
        if self.likely(0.4):
            outputs.append(tensors.add(self.dense(2), self.to_vector(tensors, x)))
        if x >= len(tensors.inputs) and self.likely(0.2):
            outputs.append(x)
        return tensors.graph(outputs)

    def task(self, steps):
        """A `Task`: a network, losses and an optimizer."""
        tensors, x = self.trunk()
        vector = self.to_vector(tensors, x)
        found = [self.head(tensors, vector)]
        if self.likely(0.25):
            found.append(self.head(tensors, vector))
        if self.likely(0.15) and len(tensors.shapes[x]) > 1:
            found.append(self.map_head(tensors, x))
        if x >= len(tensors.inputs) and self.likely(0.15):
            found.append((x, self.numbers_target()))
        if len(found) > 1 and self.likely(0.1):
            found[-1] = (found[-1][0], Target(None, "numbers"))
        outputs, targets = zip(*found)
        flat = all(len(tensors.shapes[i]) == 1 for i in outputs)
        weighted = "samples" if flat and self.likely(0.2) else ""
        if len(found) == 1 and targets[0].labels in ("class", "one-hot") and flat and self.likely(0.15):
            weighted = "classes"
        sizes = tuple(self.some(4) for _ in range(steps))
        return Task(tensors.graph(outputs), targets, self.optimizer(), sizes, weighted)

    def image_shape(self):
        """Of an input."""
        return self.some(11, 5), self.some(10, 4), self.rng.choice((2, 1, 3, 4, 9))

    def trunk(self):
        """(the tensors, the number of the last): inputs, and what comes before the heads."""
        shape = self.image_shape()
        if self.likely(0.15):
            shape = self.rng.choice(((5,), (9,), (4, 3)))
        shapes = [shape] + [shape] * self.likely(0.12) + [(4,)] * (len(shape) == 3 and self.likely(0.2))
        tensors = _Tensors(shapes)
        x = self.body(tensors, 0, self.some(5))
        if len(shapes) > 1 and shapes[1] == shape:  # the second input goes through a part of the same layers
            both = self.keeping(shape)
            left = tensors.add(both, 0)
            right = tensors.add(len(tensors.layers) - 1, 1)
            x = self.body(tensors, tensors.add(Made("layers.Concatenate"), left, right), self.some(2))
        if shapes[-1] == (4,):
            vector = self.to_vector(tensors, x)
            x = tensors.add(Made("layers.Concatenate"), vector, len(shapes) - 1)
        return tensors, x

    def body(self, tensors, x, steps, depth=0):
        """The number of the last of some tensors that follow on ``x``."""
        for _ in range(steps):
            shape = tensors.shapes[x]
            way = self.rng.randrange(100)
            if way < 35:
                x = tensors.add(self.layer(shape), x)
            elif way < 65:
                x = self.run(tensors, x)
            elif way < 73:
                x = tensors.add(Made("layers.Add"), *(self.branch(tensors, x) for _ in range(self.some(3, 2))))
            elif way < 79:
                options = {"axis": self.rng.choice((-1, *range(1, len(shape) + 1)))} if self.likely(0.5) else {}
                parts = [x, self.branch(tensors, x)]
                if 2 * prod(shape) <= LARGEST:
                    x = tensors.add(Made("layers.Concatenate", options), *parts)
            elif way < 87:  # a layer that is called twice, in a row or side by side
                first = tensors.add(self.keeping(shape), x)
                shared = len(tensors.layers) - 1
                if self.likely(0.5):
                    x = tensors.add(shared, first)
                else:
                    x = tensors.add(Made("layers.Add"), first, tensors.add(shared, self.branch(tensors, x)))
            elif way < 92:  # around some layers
                x = self.around(tensors, x)
            elif depth < 2:  # a model as a layer, called once or twice
                first = tensors.add(self.inner(shape, depth + 1), x)
                shared = len(tensors.layers) - 1
                if self.likely(0.5):
                    other = tensors.add(shared, self.branch(tensors, x))
                    x = tensors.add(Made("layers.Add"), first, other)
                else:
                    x = first
        return x

    def branch(self, tensors, x):
        """A tensor of the same shape as ``x``."""
        return tensors.add(self.keeping(tensors.shapes[x]), x)

    def around(self, tensors, x):
        """``x`` added to what layers that keep its shape make of it."""
        y = x
        for _ in range(self.some(3)):
            y = self.branch(tensors, y)
        return tensors.add(Made("layers.Add"), x, y)

    def run(self, tensors, x):
        """Layers as they often follow each other, some of them missing."""
        shape = tensors.shapes[x]
        if len(shape) != 3:
            return tensors.add(self.dense(self.some(9)), x)
        if self.likely(0.2):
            x = tensors.add(Made("layers.Rescaling", {"scale": 0.5, "offset": 0.1}), x)
        x = tensors.add(self.conv(shape), x)
        if self.likely(0.3):
            x = tensors.add(Made("layers.Activation", {"activation": "relu"}), x)
        for name in ("Dropout", "BatchNormalization"):
            if name not in self.without and self.likely(0.25):
                x = tensors.add(self.pointwise(shape)[name](), x)
        if self.likely(0.15):
            x = tensors.add(Made("layers.ReLU"), x)
        if self.likely(0.6):
            kinds = {name: lambda name=name: name for name in ("MaxPooling2D", "MinPooling2D", "AveragePooling2D")}
            kind, shape = self.one_of(kinds)(), tensors.shapes[x]
            by_two = min(shape[:2]) > 1 and self.likely(0.5)
            pooling = Made(f"layers.{kind}", {"pool_size": 2}) if by_two else self.pooling(shape, kind)
            x = tensors.add(pooling, x)
        return x

    def inner(self, shape, depth):
        """A model to be used as a layer."""
        if self.likely(0.5):
            return self.line(shape, 2)
        tensors = _Tensors([shape])
        x = self.body(tensors, 0, 2, depth)
        return tensors.graph([x if x else tensors.add(self.keeping(shape), 0)])

    def line(self, shape, length, ends=False):
        """A `Sequential`."""
        tensors = _Tensors([shape])
        for i in range(length):
            tensors.add(self.layer(tensors.shapes[i]), i)
        if ends:
            tensors.add(Made("layers.Flatten"), length)
            tensors.add(Made("layers.Dense", {"units": 3, "activation": "sigmoid"}), length + 1)
        layers = tuple(tensors.layers)
        return Graph((shape,), layers, tuple(tensors.calls), (len(layers),), line=True)

    def to_vector(self, tensors, x):
        """The number of a tensor of rank 1 that follows on ``x``."""
        shape = tensors.shapes[x]
        if len(shape) == 1:
            return x
        pooled = len(shape) == 3 and self.likely(0.4)
        return tensors.add(self.global_pooling() if pooled else Made("layers.Flatten"), x)

    # Outputs

    def head(self, tensors, vector):
        """(the number of an output, its `Target`): classes, answers of yes or no, or numbers."""
        kind = self.rng.randrange(4)
        if kind < 2:
            return self.classified(tensors, vector)
        if kind == 2:
            logits = self.likely(0.3)
            options = {"from_logits": True} if logits else {}
            options |= {"label_smoothing": 0.1} if self.likely(0.3) else {}
            loss = Made("losses.BinaryCrossentropy", options) if options else "binary_crossentropy"
            output = Made("layers.Dense", {"units": self.some(3)} | ({} if logits else {"activation": "sigmoid"}))
            return tensors.add(output, vector), self.target(loss, "yes-no", (Made("metrics.BinaryAccuracy"), "mae"))
        return tensors.add(self.dense_output(self.some(4)), vector), self.numbers_target()

    def map_head(self, tensors, x):
        """The same, with a class for each place of an image or sequence."""
        kind = ("", "one-hot") if "numbers of classes for places" in self.without else ("sparse_", "class")
        target = self.target(f"{kind[0]}categorical_crossentropy", kind[1], ("accuracy",))
        return tensors.add(self.classes(self.some(4, 2)), x), target

    def classes(self, count):
        """A layer of probabilities."""
        return Made("layers.Dense", {"units": count, "activation": "softmax"})

    def classified(self, tensors, vector):
        """(the number of an output, its `Target`): probabilities, or what the softmax makes them of."""
        count, rows, way = self.some(5, 2), self.likely(0.5), self.rng.randrange(4)
        if way < 2:
            x = tensors.add(self.classes(count), vector)
        else:
            x = tensors.add(Made("layers.Dense", {"units": count}), vector)
            x = tensors.add(Made("layers.Softmax"), x) if way == 2 else x
        options = {"from_logits": True} if way == 3 else {}
        options |= {"label_smoothing": 0.2} if rows and self.likely(0.3) else {}
        kind = "CategoricalCrossentropy" if rows else "SparseCategoricalCrossentropy"
        loss = Made(f"losses.{kind}", options) if options or self.likely(0.3) else LOSS_NAMES[kind]
        top = Made(f"metrics.{'' if rows else 'Sparse'}TopKCategoricalAccuracy", {"k": 2})
        return x, self.target(loss, "one-hot" if rows else "class", ("accuracy", top))

    def dense_output(self, units):
        """A layer of numbers."""
        return Made("layers.Dense", {"units": units, **self.some_options(activation=("tanh", "relu", "softmax"))})

    def numbers_target(self):
        """For an output of numbers."""
        loss = self.rng.choice(
            ("mse", "mae", Made("losses.Huber", {"delta": 0.5}), "huber", Made("losses.MeanSquaredError"))
        )
        return self.target(loss, "numbers", ("mae", "mse"))

    def target(self, loss, labels, metrics):
        """A `Target` with some of these metrics."""
        weight = self.rng.choice((1.0, 0.3, 2.0))
        return Target(loss, labels, weight, tuple(metric for metric in metrics if self.likely(0.4)))

    # Optimizers

    def optimizer(self):
        """Any, with any of its options."""
        kind = self.rng.choice(("SGD", "Adam", "RMSprop", "Adagrad", "AdamW"))
        rate = {"SGD": 0.02, "Adagrad": 0.03}.get(kind, 0.005)
        own = {
            "SGD": {"momentum": (0.9, 0.5), "nesterov": (True,)},
            "Adam": {"beta_1": (0.8,), "beta_2": (0.9,), "amsgrad": (True,)},
            "RMSprop": {"rho": (0.8,), "momentum": (0.5,), "centered": (True,)},
            "Adagrad": {"initial_accumulator_value": (0.3,)},
            "AdamW": {"weight_decay": (0.1,), "beta_2": (0.9,)},
        }[kind]
        options = {"learning_rate": self.schedule(rate) if self.likely(0.3) else rate, **self.some_options(**own)}
        if kind != "SGD" and self.likely(0.5):
            options["epsilon"] = self.rng.choice((1e-3, 1e-5))
        if self.likely(0.4):
            name, value = self.rng.choice((("clipnorm", 0.3), ("clipvalue", 0.05), ("global_clipnorm", 0.5)))
            options[name] = value
        if self.likely(0.2):
            options["weight_decay"] = 0.2
        return Made(f"optimizers.{kind}", options)

    def schedule(self, rate):
        """A learning rate that changes within the few steps."""
        start = {"initial_learning_rate": rate, "decay_steps": 3}
        kind, options = self.rng.choice(
            (
                ("ExponentialDecay", start | {"decay_rate": 0.5, **self.some_options(staircase=(True,))}),
                ("InverseTimeDecay", start | {"decay_rate": 0.7, **self.some_options(staircase=(True,))}),
                ("PolynomialDecay", start | self.some_options(power=(2.0,), cycle=(True,))),
                ("CosineDecay", start | self.some_options(alpha=(0.2,))),
                ("CosineDecay", start | {"warmup_target": 2 * rate, "warmup_steps": 2}),
                ("PiecewiseConstantDecay", {"boundaries": [1, 3], "values": [rate, rate / 2, rate / 4]}),
            )
        )
        return Made(f"optimizers.schedules.{kind}", options)
