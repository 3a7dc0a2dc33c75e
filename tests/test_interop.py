"""Weights from PyTorch and back: twins predict the same, and what does not fit is named and changes nothing."""

import re
from pathlib import Path

import numpy as np
import pytest
from layer_cases import distinct
from tiny_networks import assert_same, refused

from tinyconv import Input, Model, Sequential, config, interop, layers
from tinyconv.interop import _numbers
from tinyconv.notes.networks import network

oracle = pytest.mark.oracle


@pytest.fixture(autouse=True)
def numpy_engine():
    """Small networks need no compiled kernels."""
    with config.engine("numpy"):
        yield


@pytest.fixture(scope="module")
def torch():
    """PyTorch, which gets its number of threads back."""
    torch = pytest.importorskip("torch", reason="needs the extra 'oracle'")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield torch
    torch.set_num_threads(threads)


def shaken(torch, module, seed=0):
    """The module with other moving averages than 0 and 1, about to predict."""
    torch.manual_seed(seed)
    for part in module.modules():
        if hasattr(part, "running_var"):
            part.running_mean.uniform_(-1, 1)
            part.running_var.uniform_(0.5, 1.5)
            torch.nn.init.uniform_(part.weight, 0.5, 1.5)
            torch.nn.init.uniform_(part.bias, -1, 1)
    return module.eval()


def assert_twins(model, module, x=None):
    """The weights go over: predictions agree to 1e-5 of the largest output, and back they are the module's."""
    difference = interop.from_torch(model, module, x=x)
    x = np.random.default_rng(0).random((4, *model.input_shape[1:]), np.float32) if x is None else x
    assert difference <= 1e-5 * np.abs(model.predict(x, verbose=0)).max()
    state = {key: value.numpy() for key, value in module.state_dict().items() if value.ndim}
    returned = interop.to_torch(model, like=module)
    assert list(returned) == list(state)
    assert_same(list(returned.values()), list(state.values()))


# Networks that compute the same


@oracle
@pytest.mark.parametrize(
    "name", ["note000", "note000-same", "note001", "note002", "note003", "note003-first", "note003-valid", "note004"]
)
def test_networks_of_the_notes(torch, name):
    from benchmarks.torch_network import translate

    shape = (38, 33, network(name).input_shape[3])
    model, fresh = (network(name, input_shape=shape) for _ in range(2))
    module = translate(model.layers, model.get_weights())
    for part in module:
        part.eps = getattr(part, "eps", 0)
    assert interop.from_torch(fresh, module) < 1e-5
    assert_same(fresh.get_weights(), model.get_weights())


def random_twins(torch, rng):
    """Layers for images in random order, a flattening, and layers for rows: (tinyconv's, PyTorch's)."""
    nn, ours, theirs = torch.nn, [Input((13, 9, 4))], []
    channels = 4

    def conv(padding, strides=1, groups=1, dilation=1, bias=True):
        f = 2 * int(rng.integers(1, 4))
        settings = {"padding": padding, "groups": groups, "use_bias": bias, "dilation_rate": dilation}
        ours.append(layers.Conv2D(f, (3, 2), strides, **settings, activation="relu"))
        theirs.extend([nn.Conv2d(channels, f, (3, 2), strides, padding, dilation, groups, bias), nn.ReLU()])
        return f

    def depthwise(m):
        ours.append(layers.DepthwiseConv2D((2, 3), padding=(1, 1), depth_multiplier=m))
        theirs.append(nn.Conv2d(channels, m * channels, (2, 3), padding=1, groups=channels))
        return m * channels

    def norm():
        ours.append(layers.BatchNormalization(epsilon=1e-5))
        theirs.append(nn.BatchNorm2d(channels))
        return channels

    makes = [
        lambda: conv((1, 1)),
        lambda: conv((2, 0), strides=(1, 2), bias=False),
        lambda: conv((1, 2), groups=2),
        lambda: conv((2, 1), dilation=(2, 1)),
        lambda: depthwise(1),
        lambda: depthwise(2),
        norm,
    ]
    for i in rng.integers(0, len(makes), rng.integers(1, 5)):
        channels = makes[i]()
    ours += [layers.MaxPooling2D((2, 1)), layers.Dropout(0.5), layers.Flatten()]
    theirs += [nn.MaxPool2d((2, 1)), nn.Dropout(0.5), nn.Flatten()]
    features = Sequential(ours).output_shape[1]
    if rng.random() < 0.5:
        ours.append(layers.BatchNormalization(epsilon=1e-5))
        theirs.append(nn.BatchNorm1d(features))
    ours += [layers.Activation("tanh"), layers.Dense(5, activation="sigmoid"), layers.Dense(3, use_bias=False)]
    theirs += [nn.Tanh(), nn.Linear(features, 5), nn.Sigmoid(), nn.Linear(5, 3, bias=False)]
    return Sequential(ours), shaken(torch, nn.Sequential(*theirs))


@oracle
@pytest.mark.parametrize("seed", range(20))
def test_random_networks(torch, seed):
    torch.manual_seed(seed)
    assert_twins(*random_twins(torch, np.random.default_rng(seed)))


def two_branches():
    """Images and a row; convolutions inside a model, flattened beside the row; outputs a row and images."""
    a, b = Input((6, 5, 2)), Input((7,))
    inside = Sequential([Input((6, 5, 2)), layers.Conv2D(3, 2), layers.BatchNormalization(epsilon=1e-3)], name="inside")
    maps = inside(a)
    rows = layers.Concatenate()([layers.Flatten()(maps), layers.Dense(4)(b), layers.Flatten()(layers.ReLU()(maps))])
    return Model([a, b], [layers.Dense(3)(rows), maps, layers.Flatten()(maps)])


def two_branches_in_torch(torch):
    """The same as `two_branches`."""

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inside = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 2), torch.nn.BatchNorm2d(3, eps=1e-3))
            self.side = torch.nn.Linear(7, 4)
            self.last = torch.nn.Linear(2 * 60 + 4, 3)

        def forward(self, a, b):
            maps = self.inside(a)
            flat = maps.flatten(1)
            return self.last(torch.cat([flat, self.side(b), torch.relu(flat)], 1)), maps, flat

    return shaken(torch, Net())


@oracle
def test_graphs_with_several_ends(torch):
    model = two_branches()
    assert interop.from_torch(model, two_branches_in_torch(torch)) < 1e-5
    norm = ["inside.batch_normalization.weight"]
    assert list(interop.to_torch(model))[:3] == ["inside.conv2d.weight", "inside.conv2d.bias", *norm]


@oracle
@pytest.mark.usefixtures("float64")
def test_float64(torch):
    model = Sequential([Input((6, 5, 2)), layers.Conv2D(3, 2), layers.Flatten(), layers.Dense(4)])
    module = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 2), torch.nn.Flatten(), torch.nn.Linear(60, 4)).double()
    assert interop.from_torch(model, module, x=distinct((3, 6, 5, 2))) < 1e-14


@oracle
def test_what_shapes_cannot_show_shows_in_the_difference(torch, capsys):
    model = Sequential([Input((6, 5, 2)), layers.Conv2D(3, 2), layers.Flatten(), layers.Dense(4)])
    parts = [torch.nn.Conv2d(2, 3, 2), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(60, 4)]
    assert interop.from_torch(model, torch.nn.Sequential(*parts)) > 1e-2
    assert re.fullmatch(r"Largest difference of predictions: \d\.\de[+-]\d\d\n", capsys.readouterr().out)


@oracle
@pytest.mark.parametrize("end", ["Identity", "LogSoftmax", "Softmax"])
def test_a_softmax_that_pytorch_leaves_to_the_loss(torch, end, capsys):
    model = Sequential([Input((5,)), layers.Dense(3, activation="softmax")])
    module = torch.nn.Sequential(torch.nn.Linear(5, 3), getattr(torch.nn, end)(-1))
    assert interop.from_torch(model, module) < 1e-6
    assert ("with a softmax behind" in capsys.readouterr().out) == (end != "Softmax")


@oracle
def test_the_module_stays_as_it_was(torch):
    model, module = random_twins(torch, np.random.default_rng(3))
    module.train()
    module[1].eval()
    training = [part.training for part in module.modules()]
    state = {key: value.clone() for key, value in module.state_dict().items()}
    interop.from_torch(model, module)
    assert [part.training for part in module.modules()] == training
    assert all((module.state_dict()[key] == value).all() for key, value in state.items())


@oracle
def test_weights_go_back_into_a_module(torch):
    model, module = random_twins(torch, np.random.default_rng(4))
    state = interop.to_torch(model, like=module)
    module.load_state_dict({key: torch.tensor(array) for key, array in state.items()})
    x = distinct((3, 13, 9, 4), dtype="float32")
    theirs = module.eval()(torch.tensor(x.transpose(0, 3, 1, 2))).detach().numpy()
    np.testing.assert_allclose(model.predict(x, verbose=0), theirs, atol=1e-5)


@oracle
def test_another_epsilon_of_a_module_is_named(torch):
    model = Sequential([Input((6, 5, 2)), layers.BatchNormalization(name="norm")])
    with refused(model, "'norm': expected its epsilon, 0.001. Received PyTorch's 1e-05 for '0.running_var'. Build it"):
        interop.from_torch(model, torch.nn.Sequential(torch.nn.BatchNorm2d(2)))


@oracle
def test_a_module_with_another_output_changes_nothing(torch):
    model = Sequential([Input((6, 5, 2)), layers.Conv2D(3, 2)])
    with refused(model, r"outputs of shapes \[\(None, 5, 4, 3\)\]. Received \[\(4, 7, 6, 3\)\]"):
        interop.from_torch(model, torch.nn.Conv2d(2, 3, 2, padding=1))


@oracle
def test_images_of_any_size_are_compared_on_what_is_given(torch):
    model = Sequential([Input((None, None, 2)), layers.Conv2D(3, 2)])
    module = torch.nn.Conv2d(2, 3, 2)
    with refused(model, "a batch to compare on.*Pass x="):
        interop.from_torch(model, module)
    assert_twins(model, module, distinct((2, 5, 4, 2), dtype="float32"))


# Without PyTorch


def small(**settings):
    """A network with every kind of layer that learns."""
    norm = layers.BatchNormalization(name="norm", **settings)
    first = [Input((4, 3, 2)), layers.Conv2D(5, (3, 2), name="conv"), norm]
    return Sequential([*first, layers.Flatten(), layers.Dense(6, name="dense")])


def state(**changes):
    """A state_dict that fits `small`, as NumPy arrays, with some entries changed or, where None, taken out."""
    shapes = {"a.weight": (5, 2, 3, 2), "a.bias": (5,), "b.weight": (5,), "b.bias": (5,)}
    shapes |= {"b.running_mean": (5,), "b.running_var": (5,), "b.num_batches_tracked": ()}
    shapes |= {"c.weight": (6, 20), "c.bias": (6,)}
    arrays = {key: distinct(shape, i) if shape else np.array(7) for i, (key, shape) in enumerate(shapes.items())}
    changed = arrays | {key.replace("_", ".", 1): value for key, value in changes.items()}
    return {key: value for key, value in changed.items() if value is not None}


def test_arrays_alone(capsys):
    model, entries = small(epsilon=1e-5), state()
    assert interop.from_torch(model, entries) is None
    assert capsys.readouterr().out == ""
    conv, norm, dense = (model.get_layer(name) for name in ("conv", "norm", "dense"))
    kernel = entries["a.weight"].astype("float32")
    assert conv.params["kernel"][2, 1, 0, 4] == kernel[4, 0, 2, 1]
    np.testing.assert_array_equal(norm.state["moving_variance"], entries["b.running_var"].astype("float32"))
    flat = np.arange(20).reshape(5, 2, 2)  # PyTorch's: C, H, W
    assert dense.params["kernel"][0 * 10 + 1 * 5 + 3, 2] == np.float32(entries["c.weight"][2, flat[3, 0, 1]])


def test_to_torch_names_arrays_after_layers():
    shapes = {key: array.shape for key, array in interop.to_torch(small()).items()}
    expected = {"conv.weight": (5, 2, 3, 2), "conv.bias": (5,), "norm.weight": (5,), "norm.bias": (5,)}
    expected |= {"norm.running_mean": (5,), "norm.running_var": (5,), "dense.weight": (6, 20), "dense.bias": (6,)}
    assert shapes == expected


def test_there_and_back_is_the_same():
    model, other = small(epsilon=1e-5), small(epsilon=1e-5)
    interop.from_torch(model, state())
    interop.from_torch(other, interop.to_torch(model))
    assert_same(other.get_weights(), model.get_weights())


def test_flattening_counts_channels_last_here_and_first_there():
    x = distinct((2, 3, 4, 5))
    theirs = x.transpose(0, 3, 1, 2).reshape(2, -1)
    np.testing.assert_array_equal(theirs[:, _numbers(None, x.shape)], x.reshape(2, -1))


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        (
            {"c_weight": np.ones((6, 21))},
            r"weight \(6, 20\), bias \(6,\) for Dense 'dense'.*c.weight \(6, 21\)",
        ),
        ({"a_bias": None}, r"bias \(5,\) for Conv2D 'conv'. Received a.weight \(5, 2, 3, 2\)\. Layers are matched"),
        ({"a_weight": np.ones((5, 2, 2, 3))}, r"for Conv2D 'conv'. Received a.weight \(5, 2, 2, 3\)"),
        ({"b_running_mean": None}, r"running_mean \(5,\).* for BatchNormalization 'norm'. Received b.weight"),
        ({"b_extra": np.ones(5)}, r"for BatchNormalization 'norm'. Received .*b.extra \(5,\)"),
        ({"c_weight": None, "c_bias": None}, r"for Dense 'dense'. Received nothing"),
        ({"d_weight": np.ones(3)}, r"expected nothing for after the last layer. Received d.weight \(3,\)"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_named_on_both_sides(changes, match):
    model = small(epsilon=1e-5)
    with refused(model, match):
        interop.from_torch(model, state(**changes))
    with refused(model, match):
        interop.to_torch(model, like=state(**changes))


def test_layers_in_another_order_are_refused():
    entries = state()
    model = small(epsilon=1e-5)
    with refused(model, "put the names in that order"):
        interop.from_torch(model, dict(sorted(entries.items(), reverse=True)))


def test_epsilon_is_not_in_a_state_dict():
    model = small()
    with refused(model, "its epsilon, 0.001. Received PyTorch's 1e-05 .*Build it with epsilon=1e-05, or pass epsilon="):
        interop.from_torch(model, state())
    interop.from_torch(model, state(), epsilon=1e-3)


@pytest.mark.parametrize(
    ("source", "match"),
    [
        ("digits.pt", r"Received the path 'digits.pt'. Read it with torch.load\(path, weights_only=True\)"),
        (Path("digits.pt"), r"torch.load\(path, weights_only=True\)"),
        ({"epoch": 3, "model": {}}, r"a dictionary under 'model'. Pass .*source\['model'\]"),
        ([np.ones(3)], "a state_dict or module of PyTorch. Received <class 'list'>"),
    ],
)
def test_sources_that_are_none(source, match):
    with refused(small(), match, TypeError):
        interop.from_torch(small(), source)


class Scale(layers.Layer):
    """Somebody's own layer."""

    kernel_initializer = staticmethod(np.ones)

    def compute_output_shape(self, input_shape):
        return input_shape

    def weight_shapes(self, input_shape):
        return {"kernel": (input_shape[-1],)}

    def forward(self, x, training=False):
        return x * self.params["kernel"], None


def test_a_layer_that_pytorch_does_not_know():
    model = Sequential([Input((3,)), Scale(name="mine")])
    with refused(model, r"to have weights. Received Scale 'mine' with \['kernel'\]. Set its weights by hand"):
        interop.from_torch(model, {})


def test_orders_that_meet_in_one_layer():
    x = Input((3, 2, 4))
    flat, row = layers.Flatten()(x), layers.Dense(24)(layers.Flatten()(x))
    shared = layers.Dense(24, name="shared")
    model = Model(x, [shared(flat), shared(row)])
    with refused(model, "'shared': expected inputs of one order. Received flattened images and others"):
        interop.to_torch(model)
    model = Model(x, layers.Add(name="sum")([flat, row]))
    with refused(model, "'sum': expected inputs of one order"):
        interop.to_torch(model)
    model = Model(x, shared(layers.Add()([flat, layers.Activation("tanh")(flat)])))
    assert interop.to_torch(model)["shared.weight"].shape == (24, 24)


def test_reshaping_in_the_same_order_only():
    x = Input((12,))
    model = Model(x, layers.Conv2D(2, 2)(layers.Reshape((4, 3, 1))(x)))
    assert len(interop.to_torch(model)) == 2
    model = Model(x, layers.Conv2D(2, 2)(layers.Reshape((2, 3, 2), name="image")(x)))
    with refused(model, r"'image': expected a shape that PyTorch fills in the same order. Received shape \(12,\) to"):
        interop.to_torch(model)
    x = Input((3, 2, 4))
    row = layers.Reshape((24,))(x)
    model = Model(x, layers.Conv2D(5, 1)(layers.Reshape((3, 2, 4))(row)))
    assert len(interop.to_torch(model)) == 2
