"""The layers against real Keras and PyTorch (extra "oracle"): outputs, gradients, moving averages, arguments."""

import inspect
import os
import warnings

import numpy as np
import pytest
from layer_cases import distinct
from layer_helpers import normal, ready

from tinyconv import layers
from tinyconv.registry import snake_case

pytestmark = pytest.mark.oracle


@pytest.fixture(scope="module")
def torch():
    """PyTorch."""
    return pytest.importorskip("torch")


@pytest.fixture(scope="module")
def keras(torch):
    """Keras on PyTorch; its import warns of things that are not ours."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        keras = pytest.importorskip("keras")
    if keras.backend.backend() != "torch":
        pytest.skip("these tests read Keras's gradients from PyTorch: set KERAS_BACKEND=torch")
    return keras


def both(torch, ours, theirs, x, training=False):
    """(y, dx, dparameters) of our layer, and of Keras's with our weights, for one x and one dy."""
    ready(ours, x)
    theirs.build(x.shape)
    theirs.set_weights(ours.get_weights())
    y, cache = ours.forward(x, training)
    dy = normal(*y.shape, seed=8)
    dx = ours.backward(dy, cache)
    t = torch.tensor(x, requires_grad=True)
    ty = theirs(t, training=training)
    ty.backward(torch.tensor(dy))
    dparameters = [weight.value.grad.numpy() for weight in theirs.trainable_weights]
    return (y, dx, list(ours.grads.values())), (ty.detach().numpy(), t.grad.numpy(), dparameters)


def assert_equal(ours, theirs, rtol=1e-9, atol=1e-11):
    """Outputs, input gradients and parameter gradients agree to rounding."""
    np.testing.assert_allclose(ours[0], theirs[0], rtol=rtol, atol=atol)
    np.testing.assert_allclose(ours[1], theirs[1], rtol=rtol, atol=atol)
    for comp, ref in zip(ours[2], theirs[2], strict=True):
        np.testing.assert_allclose(comp, ref, rtol=rtol, atol=atol)


#: Keras's matmul and mean compute in float32 on PyTorch, whatever they are given.
IN_FLOAT32 = {"rtol": 1e-5, "atol": 1e-5}


# Convolution

CONVOLUTIONS = [
    {},
    {"strides": (3, 2)},
    {"padding": "same"},
    {"padding": "same", "strides": (2, 3)},
    {"padding": "same", "strides": (3, 1), "kernel_size": (4, 5)},
    {"dilation_rate": (2, 3)},
    {"dilation_rate": (2, 1), "padding": "same"},
    {"groups": 2, "use_bias": False},
    {"groups": 4, "filters": 8, "strides": (2, 1), "padding": "same"},
    {"activation": "gelu"},
    {"activation": "softmax", "strides": 2},
]


@pytest.mark.parametrize("options", CONVOLUTIONS, ids=str)
def test_conv2d_equals_keras(torch, keras, options):
    options = {"filters": 6, "kernel_size": (3, 2), **options}
    theirs = keras.layers.Conv2D(**options, dtype="float64")
    assert_equal(*both(torch, layers.Conv2D(**options), theirs, normal(2, 9, 8, 4)))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"depth_multiplier": 3},
        {"depth_multiplier": 2, "strides": (2, 2), "padding": "same"},
        {"dilation_rate": (2, 3), "activation": "tanh"},
        {"use_bias": False, "padding": "same"},
    ],
    ids=str,
)
def test_depthwise_conv2d_equals_keras(torch, keras, options):
    theirs = keras.layers.DepthwiseConv2D((3, 2), **options, dtype="float64")
    assert_equal(*both(torch, layers.DepthwiseConv2D((3, 2), **options), theirs, normal(2, 9, 8, 4)))


@pytest.mark.parametrize("strides", [(1, 1), (3, 2)])
@pytest.mark.parametrize("padding", [(0, 0), (1, 2)])
@pytest.mark.parametrize("groups", [1, 2])
def test_conv2d_with_explicit_padding_equals_torch(torch, strides, padding, groups):
    x = normal(2, 7, 6, 4)
    layer = ready(layers.Conv2D(6, (3, 2), strides=strides, padding=padding, groups=groups), x)
    images = torch.tensor(x.transpose(0, 3, 1, 2))
    kernel, bias = torch.tensor(layer.params["kernel"].transpose(3, 2, 0, 1)), torch.tensor(layer.params["bias"])
    ref = torch.nn.functional.conv2d(images, kernel, bias, stride=strides, padding=padding, groups=groups)
    np.testing.assert_allclose(layer.forward(x)[0], ref.numpy().transpose(0, 2, 3, 1), rtol=1e-10, atol=1e-12)


def test_conv2d_with_explicit_dilation_equals_torch(torch):
    x = normal(2, 7, 6, 4)
    layer = ready(layers.Conv2D(5, (3, 2), padding=(2, 1), dilation_rate=(2, 3)), x)
    images = torch.tensor(x.transpose(0, 3, 1, 2))
    kernel, bias = torch.tensor(layer.params["kernel"].transpose(3, 2, 0, 1)), torch.tensor(layer.params["bias"])
    ref = torch.nn.functional.conv2d(images, kernel, bias, padding=(2, 1), dilation=(2, 3))
    np.testing.assert_allclose(layer.forward(x)[0], ref.numpy().transpose(0, 2, 3, 1), rtol=1e-10, atol=1e-12)


# Pooling

WINDOWS = [((2, 2), None), ((3, 2), (2, 3)), ((2, 3), (1, 1)), ((3, 3), (2, 2))]


@pytest.mark.parametrize(("pool_size", "strides"), WINDOWS)
@pytest.mark.parametrize(
    ("name", "padding"), [("MaxPooling2D", "valid"), ("MaxPooling2D", "same"), ("AveragePooling2D", "valid")]
)
def test_pooling_equals_keras(torch, keras, name, pool_size, strides, padding):
    ours = getattr(layers, name)(pool_size, strides, padding)
    theirs = getattr(keras.layers, name)(pool_size, strides, padding, dtype="float64")
    assert_equal(*both(torch, ours, theirs, distinct((2, 7, 6, 3))))


@pytest.mark.parametrize(("pool_size", "strides"), WINDOWS)
def test_same_average_pooling_equals_torch_sums_over_torch_counts(torch, pool_size, strides):
    # Keras's PyTorch backend repeats edge pixels where "same" is lopsided; TensorFlow, the reference, leaves them out.
    layer, x = layers.AveragePooling2D(pool_size, strides, "same"), normal(2, 7, 6, 3)
    (top, bottom), (left, right) = layer.window.pads(7, 6)
    images, ones = torch.tensor(x.transpose(0, 3, 1, 2)), torch.ones((1, 1, 7, 6), dtype=torch.float64)
    total, count = (
        torch.nn.functional.avg_pool2d(
            torch.nn.functional.pad(t, (left, right, top, bottom)), pool_size, strides or pool_size
        )
        for t in (images, ones)
    )
    np.testing.assert_allclose(layer.forward(x)[0], (total / count).numpy().transpose(0, 2, 3, 1), rtol=1e-10)


@pytest.mark.parametrize(("pool_size", "strides"), WINDOWS)
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_min_pooling_equals_minus_keras_max_pooling_of_minus_x(torch, keras, pool_size, strides, padding):
    x = distinct((2, 7, 6, 3))
    theirs = keras.layers.MaxPooling2D(pool_size, strides, padding, dtype="float64")
    ref = -theirs(torch.tensor(-x)).numpy()
    np.testing.assert_array_equal(layers.MinPooling2D(pool_size, strides, padding).forward(x)[0], ref)


@pytest.mark.parametrize("name", ["GlobalMaxPooling2D", "GlobalAveragePooling2D"])
@pytest.mark.parametrize("keepdims", [False, True])
def test_global_pooling_equals_keras(torch, keras, name, keepdims):
    theirs = getattr(keras.layers, name)(keepdims=keepdims, dtype="float64")
    ours = getattr(layers, name)(keepdims=keepdims)
    assert_equal(*both(torch, ours, theirs, distinct((2, 7, 6, 3))), **IN_FLOAT32)


# Batch normalization


@pytest.mark.parametrize("shape", [(5, 4, 3, 2), (6, 3)])
@pytest.mark.parametrize(
    "options", [{}, {"momentum": 0.8, "epsilon": 0.01}, {"scale": False}, {"center": False}], ids=str
)
@pytest.mark.parametrize("training", [False, True])
def test_batch_normalization_equals_keras(torch, keras, shape, options, training):
    theirs = keras.layers.BatchNormalization(**options, dtype="float64")
    ours = layers.BatchNormalization(**options)
    assert_equal(*both(torch, ours, theirs, 2 * normal(*shape) + 1, training), **IN_FLOAT32)


@pytest.mark.parametrize("training", [False, True])
def test_batch_normalization_equals_torch(torch, training):
    x, dy = 2 * normal(6, 3) + 1, normal(6, 3, seed=8)
    layer = ready(layers.BatchNormalization(), x)
    mean, variance = (torch.tensor(array.copy()) for array in layer.state.values())
    gamma, beta, t = (torch.tensor(a, requires_grad=True) for a in (*layer.params.values(), x))
    ty = torch.nn.functional.batch_norm(t, mean, variance, gamma, beta, training=training, eps=1e-3)
    ty.backward(torch.tensor(dy))
    y, cache = layer.forward(x, training)
    dx = layer.backward(dy, cache)
    theirs = (ty.detach().numpy(), t.grad.numpy(), [gamma.grad.numpy(), beta.grad.numpy()])
    assert_equal((y, dx, list(layer.grads.values())), theirs)


@pytest.mark.parametrize("shape", [(5, 4, 3, 2), (6, 3)])
def test_moving_averages_over_three_steps_equal_keras(torch, keras, shape):
    ours = layers.BatchNormalization(momentum=0.9, dtype="float64")
    theirs = keras.layers.BatchNormalization(momentum=0.9)
    ours.build((None, *shape[1:]))
    for step in range(3):
        x = (step + 1) * normal(*shape, seed=step) + step
        ours.forward(x, training=True)
        theirs(torch.tensor(x), training=True)
    np.testing.assert_allclose(ours.state["moving_mean"], theirs.moving_mean.value.numpy(), **IN_FLOAT32)
    np.testing.assert_allclose(ours.state["moving_variance"], theirs.moving_variance.value.numpy(), **IN_FLOAT32)


# Activations

ACTIVATIONS = [
    ("ReLU", {}),
    ("ReLU", {"max_value": 1.5, "negative_slope": 0.25, "threshold": 0.5}),
    ("LeakyReLU", {}),
    ("LeakyReLU", {"negative_slope": 0.1}),
    ("ELU", {}),
    ("ELU", {"alpha": 0.7}),
    ("Softmax", {}),
    ("Softmax", {"axis": 1}),
    *[
        ("Activation", {"activation": name})
        for name in ("linear", "relu", "leaky_relu", "elu", "selu", "gelu", "sigmoid", "tanh", "softmax")
    ],
]


@pytest.mark.parametrize(("name", "options"), ACTIVATIONS, ids=str)
def test_activation_equals_keras(torch, keras, name, options):
    ours, theirs = getattr(layers, name)(**options), getattr(keras.layers, name)(**options, dtype="float64")
    assert_equal(*both(torch, ours, theirs, 3 * normal(4, 5, 3)))


# The others


@pytest.mark.parametrize("shape", [(4, 5), (2, 3, 4, 5)])
@pytest.mark.parametrize("options", [{}, {"use_bias": False}, {"activation": "elu"}], ids=str)
def test_dense_equals_keras(torch, keras, shape, options):
    theirs = keras.layers.Dense(6, **options, dtype="float64")
    assert_equal(*both(torch, layers.Dense(6, **options), theirs, normal(*shape)), **IN_FLOAT32)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("Flatten", ()),
        ("Reshape", ((14, -1),)),
        ("ZeroPadding2D", ()),
        ("ZeroPadding2D", (((1, 0), (2, 3)),)),
        ("Rescaling", (1 / 127.5, -1.0)),
        ("Dropout", (0.5,)),
        ("SpatialDropout2D", (0.5,)),
    ],
)
def test_layer_without_weights_equals_keras(torch, keras, name, arguments):
    ours, theirs = getattr(layers, name)(*arguments), getattr(keras.layers, name)(*arguments, dtype="float64")
    assert_equal(*both(torch, ours, theirs, normal(2, 7, 6, 4)))


@pytest.mark.parametrize("name", ["Dropout", "SpatialDropout2D"])
def test_dropout_scales_as_keras_does(torch, keras, name):
    x = np.ones((40, 3, 2, 50))
    theirs = getattr(keras.layers, name)(0.3, seed=1, dtype="float64")(torch.tensor(x), training=True).numpy()
    ours, _ = getattr(layers, name)(0.3, seed=1).forward(x, training=True)
    np.testing.assert_allclose(np.unique(ours), np.unique(theirs), rtol=1e-6)


@pytest.mark.parametrize(("name", "shapes"), [("Add", [(2, 3), (2, 3)]), ("Concatenate", [(2, 3), (2, 5), (2, 4)])])
def test_merge_equals_keras(torch, keras, name, shapes):
    parts = [normal(*shape, seed=i) for i, shape in enumerate(shapes)]
    ref = getattr(keras.layers, name)(dtype="float64")([torch.tensor(part) for part in parts]).numpy()
    np.testing.assert_allclose(getattr(layers, name)().forward(parts)[0], ref, rtol=1e-12)


# Names, arguments, defaults

OURS_ALONE = {"MinPooling2D", "MinPool2D", "GlobalMinPooling2D", "GlobalMinPool2D"}
#: Keras's arguments that no layer of tinyconv has.
NOT_TAKEN = {
    "activity_regularizer",
    "autocast",
    "batch_size",
    "batch_shape",
    "beta_constraint",
    "bias_constraint",
    "depthwise_constraint",
    "gamma_constraint",
    "input_tensor",
    "kernel_constraint",
    "lora_alpha",
    "lora_rank",
    "optional",
    "quantization_config",
    "ragged",
    "renorm",
    "renorm_clipping",
    "renorm_momentum",
    "sparse",
    "synchronized",
}
CLASSES = sorted({n for n in layers.__all__ if inspect.isclass(getattr(layers, n))} - OURS_ALONE - {"Layer"})


def arguments(cls):
    """Name -> default of a constructor's own arguments, numbers as pairs where the default is a pair of equals."""
    parameters = inspect.signature(cls.__init__).parameters.values()
    own = [p for p in parameters if p.name not in ("self", "dtype", "name") and p.kind is p.POSITIONAL_OR_KEYWORD]
    return {p.name: p.default for p in own}


def plain(default):
    """A default as one number where it is a pair of equals, so that 2 and (2, 2) are the same."""
    return default[0] if isinstance(default, tuple) and len(set(default)) == 1 else default


@pytest.mark.parametrize("name", CLASSES)
def test_keras_arguments_are_taken_with_their_defaults(keras, name):
    ours, theirs = arguments(getattr(layers, name)), arguments(getattr(keras.layers, name))
    wanted = {k: plain(v) for k, v in theirs.items() if k not in NOT_TAKEN}
    needed = {k for k, v in wanted.items() if v is inspect.Parameter.empty}  # ours may have a default there
    assert set(wanted) <= set(ours)
    assert {k: plain(ours[k]) for k in wanted if k not in needed} == {k: wanted[k] for k in wanted if k not in needed}


@pytest.mark.parametrize("name", CLASSES)
def test_keras_arguments_are_taken_in_their_order(keras, name):
    ours, theirs = arguments(getattr(layers, name)), arguments(getattr(keras.layers, name))
    common = [k for k in theirs if k in ours]
    assert [k for k in ours if k in theirs] == common


@pytest.mark.parametrize("name", CLASSES)
def test_automatic_names_are_those_of_keras(keras, name):
    from keras.src.utils.naming import to_snake_case

    cls = getattr(layers, name)
    assert snake_case(cls.__name__) == to_snake_case(getattr(keras.layers, name).__name__)
