"""What every layer promises, checked for every row of `layer_cases`.

The gradients are checked twice: by tinyconv's own `gradcheck`, and here by one number. For any direction v,

    <dy, (forward(x + h v) - forward(x - h v)) / 2h>  =  <backward(dy), v>

up to rounding; so a broken gradcheck cannot hide a broken layer.
"""

import inspect
import json

import numpy as np
import pytest
from layer_cases import CASES

from tinyconv import config, gradcheck, layers
from tinyconv.layers.base import Layer

every_case = pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
every_dtype = pytest.mark.parametrize("dtype", ["float32", "float64"])
#: BatchNormalization is the one layer where a sample's output depends on the rest of the batch while training.
every_mode = pytest.mark.parametrize("training", [False, True], ids=["inference", "training"])


def forward(layer, x, training=False):
    """The layer's forward, with the same chances at every call."""
    config.set_random_seed(3)
    return layer.forward(x, training)


def backward_once(layer, dy, cache):
    """dx, with `grads` holding the gradients of this call only."""
    for array in layer.grads.values():
        array[...] = 0
    return layer.backward(dy, cache)


def gradient_like(y, seed=1):
    """An incoming gradient: any numbers of y's shape and float type."""
    return np.random.default_rng(seed).standard_normal(y.shape).astype(y.dtype)


def parts(x):
    """The arrays of an input or of its gradient, always as a list."""
    return x if isinstance(x, list | tuple) else [x]


def like(x, arrays):
    """The arrays in the form of x: a list if x is one, else a single array."""
    return list(arrays) if isinstance(x, list) else next(iter(arrays))


def copies(x):
    """Copies of the arrays of x."""
    return [part.copy() for part in parts(x)]


def assert_all_equal(comp, ref):
    """Both lists hold the same arrays, bit for bit."""
    for a, b in zip(parts(comp), parts(ref), strict=True):
        np.testing.assert_array_equal(a, b)


# What the layer says before it sees numbers


@every_case
@every_mode
def test_output_has_the_promised_shape(case, training):
    layer, x = case.layer(), case.input()
    promised = layer.compute_output_shape(case.unknown_batch())
    y, _ = forward(layer, x, training)
    assert (None, *y.shape[1:]) == tuple(promised)
    assert len(y) == len(parts(x)[0])


@every_case
def test_output_shape_is_known_without_building(case):
    layer = case.make()
    layer.compute_output_shape(case.unknown_batch())
    assert not layer.params


@every_case
def test_symbolic_call_has_the_promised_shape(case):
    inputs = like(case.shape, [layers.Input(shape[1:]) for shape in case.shapes])
    layer = case.make()
    assert layer(inputs).shape == tuple(layer.compute_output_shape(case.unknown_batch()))


@every_case
def test_parameters_have_the_promised_shapes(case):
    layer = case.layer()
    promised = {k: tuple(shape) for k, shape in layer.weight_shapes(case.unknown_batch()).items()}
    assert {k: array.shape for k, array in layer.params.items()} == promised


@every_case
def test_count_params_counts_parameters_and_state(case):
    layer = case.layer()
    assert layer.count_params() == sum(w.size for w in layer.get_weights())


@every_case
def test_calling_equals_forward(case):
    layer, x = case.layer(), case.input()
    np.testing.assert_array_equal(layer(x), forward(layer, x)[0])


# Gradients


@every_case
@every_mode
def test_gradcheck(case, training):
    report = gradcheck.check_layer(case.layer(), case.input(), training=training, samples=40, tolerance=1e-6)
    assert report.ok, str(report)


@every_case
@every_mode
def test_input_gradient_along_a_direction(case, training):
    layer, x = case.layer(), case.input()
    y, cache = forward(layer, x, training)
    dy, h = gradient_like(y), 1e-6
    dx = backward_once(layer, dy, cache)
    v = [np.random.default_rng(2).standard_normal(part.shape) for part in parts(x)]
    ahead = forward(layer, like(x, (part + h * step for part, step in zip(parts(x), v))), training)[0]
    behind = forward(layer, like(x, (part - h * step for part, step in zip(parts(x), v))), training)[0]
    comp = sum(float((part * step).sum()) for part, step in zip(parts(dx), v, strict=True))
    np.testing.assert_allclose(comp, float((dy * (ahead - behind)).sum()) / (2 * h), rtol=1e-6, atol=1e-8)


@every_case
@every_mode
def test_parameter_gradients_along_a_direction(case, training):
    layer, x = case.layer(), case.input()
    y, cache = forward(layer, x, training)
    dy, h = gradient_like(y), 1e-6
    backward_once(layer, dy, cache)
    for name, array in layer.params.items():
        v, here = np.random.default_rng(2).standard_normal(array.shape), array.copy()
        array[...] = here + h * v
        ahead = forward(layer, x, training)[0]
        array[...] = here - h * v
        behind = forward(layer, x, training)[0]
        array[...] = here
        comp, ref = float((layer.grads[name] * v).sum()), float((dy * (ahead - behind)).sum()) / (2 * h)
        np.testing.assert_allclose(comp, ref, rtol=1e-6, atol=1e-8, err_msg=name)


# What a call leaves alone


@every_case
@every_mode
def test_forward_leaves_input_and_parameters_alone(case, training):
    layer, x = case.layer(), case.input()
    before_x, before_params = copies(x), copies(list(layer.params.values()))
    forward(layer, x, training)
    assert_all_equal(x, before_x)
    assert_all_equal(list(layer.params.values()), before_params)


@every_case
@every_mode
def test_backward_leaves_gradient_input_and_parameters_alone(case, training):
    layer, x = case.layer(), case.input()
    y, cache = forward(layer, x, training)
    dy = gradient_like(y)
    kept = [x, [dy], [y], list(layer.params.values()), list(layer.state.values())]
    before = [copies(arrays) for arrays in kept]
    layer.backward(dy, cache)
    for arrays, old in zip(kept, before, strict=True):
        assert_all_equal(arrays, old)


@every_case
@every_mode
def test_backward_may_be_repeated(case, training):
    layer, x = case.layer(), case.input()
    y, cache = forward(layer, x, training)
    dy = gradient_like(y)
    first = copies(layer.backward(dy, cache))
    assert_all_equal(layer.backward(dy, cache), first)


@every_case
def test_inference_leaves_state_alone(case):
    layer, x = case.layer(), case.input()
    before = copies(list(layer.state.values()))
    forward(layer, x, training=False)
    assert_all_equal(list(layer.state.values()), before)


# The same layer at two places of a network


@every_case
@every_mode
def test_a_second_call_leaves_the_first_one_alone(case, training):
    layer = case.layer()
    y, cache = forward(layer, case.input(0), training)
    dy, before = gradient_like(y), y.copy()
    ref = copies(layer.backward(dy, cache))
    forward(layer, case.input(9), training)
    np.testing.assert_array_equal(y, before)
    assert_all_equal(layer.backward(dy, cache), ref)


@every_case
@every_mode
def test_gradients_of_two_calls_add_up(case, training):
    layer = case.layer()
    calls = [forward(layer, case.input(seed), training) for seed in (0, 9)]
    dys = [gradient_like(y, seed) for seed, (y, _) in enumerate(calls)]
    single = []
    for dy, (_, cache) in zip(dys, calls):
        backward_once(layer, dy, cache)
        single.append({name: array.copy() for name, array in layer.grads.items()})
    backward_once(layer, dys[1], calls[1][1])  # in the order of a network: the last call first
    layer.backward(dys[0], calls[0][1])
    for name, array in layer.grads.items():
        np.testing.assert_allclose(array, single[0][name] + single[1][name], rtol=1e-12, atol=1e-12)


# Configuration


@every_case
def test_config_is_plain_json(case):
    config_ = case.make().get_config()
    assert json.loads(json.dumps(config_)) == config_


@every_case
def test_config_round_trip_keeps_the_config(case):
    layer = case.make(name="mine", dtype="float64", trainable=False)
    copy = type(layer).from_config(json.loads(json.dumps(layer.get_config())))
    assert copy.get_config() == layer.get_config()


@every_case
def test_config_round_trip_gives_the_same_output(case):
    layer, x = case.layer(), case.input()
    copy = type(layer).from_config(json.loads(json.dumps(layer.get_config())))
    copy.build(case.unknown_batch())
    copy.set_weights(layer.get_weights())
    np.testing.assert_array_equal(forward(copy, x)[0], forward(layer, x)[0])


@every_case
def test_repr_names_the_class(case):
    layer = case.make()
    assert repr(layer).startswith(type(layer).__name__)


@every_case
def test_weights_of_wrong_shape_change_nothing(case):
    layer = case.layer()
    before = layer.get_weights()
    with pytest.raises(ValueError, match=rf"{layer.name}.*expected weights of shapes"):
        layer.set_weights([np.zeros((2, 9)), *before])
    assert_all_equal(layer.get_weights(), before)


# Training, float types, batches


@every_case
def test_only_some_layers_know_whether_they_train(case):
    layer, x = case.layer(), case.input()
    same = np.array_equal(forward(layer, x, True)[0], forward(layer, x, False)[0])
    assert same == (case.varies == "")


@every_case
@every_mode
@every_dtype
def test_float_type_is_kept(case, training, dtype):
    layer, x = case.layer(dtype), case.input(dtype=dtype)
    y, cache = forward(layer, x, training)
    dx = layer.backward(gradient_like(y), cache)
    arrays = [y, *parts(dx), *layer.params.values(), *layer.grads.values(), *layer.state.values()]
    assert {array.dtype.name for array in arrays} == {dtype}


@every_case
@every_mode
def test_input_gradient_has_the_shape_of_the_input(case, training):
    layer, x = case.layer(), case.input()
    y, cache = forward(layer, x, training)
    dx = layer.backward(gradient_like(y), cache)
    assert [part.shape for part in parts(dx)] == [part.shape for part in parts(x)]
    assert isinstance(dx, list | tuple) == case.takes_list


@every_case
def test_an_empty_batch_gives_an_empty_output(case):
    layer, x = case.layer(), case.input()
    y, cache = forward(layer, like(x, (part[:0] for part in parts(x))))
    dx = layer.backward(y.copy(), cache)
    assert y.shape == (0, *layer.compute_output_shape(case.unknown_batch())[1:])
    assert [len(part) for part in parts(dx)] == [0] * len(parts(x))


@every_case
def test_a_batch_of_one_is_a_row_of_the_batch(case):
    layer, x = case.layer(), case.input()
    ref = forward(layer, x)[0][1:2]
    comp = forward(layer, like(x, (part[1:2] for part in parts(x))))[0]
    np.testing.assert_allclose(comp, ref, rtol=1e-12, atol=1e-12)


@every_case
@every_mode
def test_nan_reaches_the_output(case, training):
    layer, x = case.layer(), case.input()
    for part in parts(x):
        part[1] = np.nan
    assert np.isnan(forward(layer, x, training)[0][1]).any()


@every_case
def test_one_nan_pixel_reaches_its_own_sample_only(case):
    layer, x = case.layer(), case.input()
    parts(x)[0][1].flat[0] = np.nan
    y, _ = forward(layer, x)
    spoiled = [bool(np.isnan(sample).any()) for sample in y]
    assert spoiled == [n == 1 for n in range(len(y))]


# Errors


@every_case
def test_unknown_argument_is_refused(case):
    with pytest.raises(TypeError, match=r"expected arguments among.*Received colour='red'"):
        case.make(colour="red")


@every_case
def test_wrong_rank_is_refused(case):
    layer = case.make(name="mine")
    if layer.ndim is None:
        pytest.skip("takes any number of axes")
    x = [np.zeros((2,) * (layer.ndim + 1))] * len(case.shapes)
    message = rf"{type(layer).__name__} 'mine': expected {layer.ndim} axes.*Received x.shape=\("
    with pytest.raises(ValueError, match=message):
        layer(x if case.takes_list else x[0])


@every_case
def test_names_are_given_automatically(case):
    layers.base.reset_names()
    first, second = case.make().name, case.make().name
    assert second == f"{first}_1"


def test_every_layer_has_a_row():
    exported = {thing for thing in vars(layers).values() if inspect.isclass(thing) and issubclass(thing, Layer)}
    assert exported - {Layer} == {case.cls for case in CASES}


def test_rows_have_different_names():
    assert len({case.id for case in CASES}) == len(CASES)
