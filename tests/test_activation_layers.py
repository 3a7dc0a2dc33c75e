"""The activation layers against their definitions, and at the edges of the numbers."""

import naive_activations as naive
import numpy as np
import pytest
from layer_helpers import normal, ready, run

from tinyconv import activations
from tinyconv.layers import ELU, Activation, Conv2D, Dense, LeakyReLU, ReLU, Softmax

#: Layer, function and slope, and the function's settings.
LAYERS = [
    *[(Activation(name), *naive.ACTIVATIONS[name], {}) for name in naive.ACTIVATIONS],
    (ReLU(), naive.relu, naive.relu_slope, {}),
    (LeakyReLU(), naive.leaky_relu, naive.leaky_relu_slope, {"negative_slope": 0.3}),
    (LeakyReLU(0.125), naive.leaky_relu, naive.leaky_relu_slope, {"negative_slope": 0.125}),
    (ELU(), naive.elu, naive.elu_slope, {}),
    (ELU(0.7), naive.elu, naive.elu_slope, {"alpha": 0.7}),
]
every_layer = pytest.mark.parametrize(
    ("layer", "function", "slope", "settings"), LAYERS, ids=[str(row[0]) for row in LAYERS]
)


@every_layer
def test_forward_equals_naive(layer, function, slope, settings):
    x = 3 * normal(4, 5, 3)
    np.testing.assert_allclose(layer.forward(x)[0], naive.elementwise(function, x, **settings), rtol=1e-12, atol=1e-14)


@every_layer
def test_backward_equals_naive(layer, function, slope, settings):
    x = 3 * normal(4, 5, 3)
    _, dy, dx = run(layer, x)
    np.testing.assert_allclose(dx, dy * naive.elementwise(slope, x, **settings), rtol=1e-10, atol=1e-14)


@every_layer
def test_nan_stays_nan(layer, function, slope, settings):
    assert np.isnan(layer.forward(np.array([[1.0, np.nan, -1.0]]))[0]).tolist() == [[False, True, False]]


def relu_with_options(x, max_value, negative_slope, threshold):
    """Keras's definition: max_value above it, the slope below the threshold."""
    if x >= max_value:
        return max_value
    return x if x >= threshold else negative_slope * (x - threshold)


def test_relu_with_all_options_equals_keras_definition():
    x, options = 3 * normal(4, 5, 3), {"max_value": 2.0, "negative_slope": 0.25, "threshold": 0.5}
    ref = naive.elementwise(relu_with_options, x, **options)
    np.testing.assert_allclose(ReLU(**options).forward(x)[0], ref, rtol=1e-12)


@pytest.mark.parametrize("axis", [-1, 1])
def test_softmax_equals_naive(axis):
    x = normal(4, 5, 3)
    ref = np.moveaxis(naive.softmax(np.moveaxis(x, axis, -1)), -1, axis)
    np.testing.assert_allclose(Softmax(axis=axis).forward(x)[0], ref, rtol=1e-12)


@pytest.mark.parametrize("axis", [-1, 1])
def test_softmax_backward_equals_naive(axis):
    x = normal(4, 5, 3)
    _, dy, dx = run(Softmax(axis=axis), x)
    ref = naive.softmax_backward(np.moveaxis(dy, axis, -1), np.moveaxis(x, axis, -1))
    np.testing.assert_allclose(dx, np.moveaxis(ref, -1, axis), rtol=1e-10, atol=1e-14)


def test_softmax_adds_up_to_one():
    np.testing.assert_allclose(Softmax().forward(normal(4, 5))[0].sum(axis=-1), np.ones(4), rtol=1e-12)


def test_softmax_ignores_a_shift():
    x = normal(4, 5)
    np.testing.assert_allclose(Softmax().forward(x + 100)[0], Softmax().forward(x)[0], rtol=1e-10)


@pytest.mark.parametrize("size", [1e3, 1e30])
def test_softmax_of_large_numbers_does_not_overflow(size):
    y, _ = Softmax().forward(np.array([[size, size, -size]], np.float32))
    np.testing.assert_array_equal(y, [[0.5, 0.5, 0]])


def test_one_nan_makes_its_softmax_nan_and_no_other():
    y, _ = Softmax().forward(np.array([[1.0, np.nan], [0, 0]]))
    np.testing.assert_array_equal(y, [[np.nan, np.nan], [0.5, 0.5]])


@pytest.mark.parametrize(
    ("name", "low", "high"), [("sigmoid", 0, 1), ("tanh", -1, 1), ("relu", 0, 1000), ("elu", -1, 1000)]
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_far_out_numbers_do_not_overflow(name, low, high, dtype):
    y, _ = Activation(name).forward(np.array([[-1000, 1000]], dtype))
    np.testing.assert_array_equal(y, [[low, high]])


@pytest.mark.parametrize(
    ("layer", "low", "high"),
    [
        (ReLU(), 0, np.inf),
        (LeakyReLU(), -np.inf, np.inf),
        (ELU(), -1, np.inf),
        (Activation("sigmoid"), 0, 1),
        (Activation("tanh"), -1, 1),
        (Activation("linear"), -np.inf, np.inf),
        (Activation("selu"), -1.0507009873554805 * 1.6732632423543772, np.inf),
    ],
    ids=str,
)
def test_infinity(layer, low, high):
    np.testing.assert_allclose(layer.forward(np.array([[-np.inf, np.inf]]))[0], [[low, high]], rtol=1e-12)


@pytest.mark.parametrize("layer", [ReLU(), LeakyReLU(), ELU(), Activation("selu")], ids=str)
def test_an_infinite_gradient_is_not_turned_into_nan(layer):
    x = np.array([[1.0, -1.0]])
    y, cache = layer.forward(x)
    assert not np.isnan(layer.backward(np.full_like(y, np.inf), cache)).any()


def test_relu_has_no_gradient_at_zero():
    _, cache = ReLU().forward(np.zeros((1, 3)))
    np.testing.assert_array_equal(ReLU().backward(np.ones((1, 3)), cache), np.zeros((1, 3)))


def test_values_by_hand():
    assert Activation("sigmoid").forward(np.zeros((1, 1)))[0].item() == 0.5
    np.testing.assert_allclose(Activation("gelu").forward(np.ones((1, 1)))[0], [[0.8413447460685429]], rtol=1e-12)


@pytest.mark.parametrize(
    ("alone", "inside"),
    [
        (Activation("relu"), Dense(3, activation="relu")),
        (Activation("softmax"), Dense(3, activation="softmax")),
        (LeakyReLU(0.2), Dense(3, activation="leaky_relu")),
        (Activation("gelu"), Conv2D(3, 1, activation="gelu")),
    ],
    ids=str,
)
def test_inside_another_layer_it_has_the_same_gradient(alone, inside):
    x = normal(2, 4, 5, 6)
    plain = type(inside).from_config({**inside.get_config(), "activation": None})
    _, dy, comp = run(ready(inside, x), x)
    z, cache = ready(plain, x).forward(x)
    _, activation_cache = alone.forward(z)
    np.testing.assert_allclose(
        comp, plain.backward(alone.backward(dy, activation_cache), cache), rtol=1e-10, atol=1e-12
    )


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(ValueError, match=r"activation 'sofmax'.*Did you mean 'softmax'\?"):
        Activation("sofmax")


def test_a_plain_function_is_refused_with_the_way_out():
    with pytest.raises(TypeError, match=r"expected a name such as 'relu'.*subclass of tinyconv.activations.Activation"):
        Activation(np.tanh)


def test_negative_slope_below_zero():
    with pytest.raises(ValueError, match=r"LeakyReLU 'a': expected a slope from 0.*Received negative_slope=-0.1"):
        LeakyReLU(-0.1, name="a")


@pytest.mark.parametrize("options", [{"max_value": -1}, {"negative_slope": -0.1}, {"threshold": -2}], ids=str)
def test_relu_with_arguments_below_zero(options):
    with pytest.raises(ValueError, match=r"ReLU 'r': expected arguments from 0.*Received .*-"):
        ReLU(**options, name="r")


def test_approximate_gelu_by_its_formula_and_by_differences():
    gelu, x, h = activations.Gelu(approximate=True), np.linspace(-4, 4, 33), 1e-5
    c = np.sqrt(2 / np.pi)
    np.testing.assert_allclose(gelu(x), 0.5 * x * (1 + np.tanh(c * (x + 0.044715 * x**3))), rtol=1e-12)
    slope = (gelu(x + h) - gelu(x - h)) / (2 * h)
    np.testing.assert_allclose(gelu.backward(np.ones_like(x), x, gelu(x)), slope, atol=1e-9)
    np.testing.assert_allclose(gelu(x), activations.Gelu()(x), atol=1e-3)


def test_an_activation_from_its_configuration():
    found = activations.get({"class_name": "gelu", "config": {"approximate": True}})
    assert found == activations.Gelu(approximate=True) != activations.Gelu()
