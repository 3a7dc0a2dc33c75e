"""Losses: values in closed form, gradients against central differences, extremes, and Keras."""

import math

import numpy as np
import pytest
from oracle import array, assert_arguments_of_keras, load_keras

from tinyconv import activations, losses
from tinyconv.losses import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    Huber,
    MeanAbsoluteError,
    MeanSquaredError,
    SparseCategoricalCrossentropy,
)

N, T, C = 5, 2, 3


def probabilities(shape, seed=0):
    return activations.softmax(np.random.default_rng(seed).normal(size=shape))


def batch(loss, shape=(N, C), seed=0):
    """Labels and predictions that fit the loss."""
    rng = np.random.default_rng(seed)
    numbers = rng.integers(shape[-1], size=shape[:-1])
    if isinstance(loss, BinaryCrossentropy):
        y_true, y_pred = rng.integers(2, size=shape), rng.uniform(0.05, 0.95, size=shape)
    elif isinstance(loss, CategoricalCrossentropy):
        y_true = numbers if loss.sparse_labels else np.eye(shape[-1])[numbers]
        y_pred = rng.uniform(0.05, 0.95, size=shape)
    else:
        return rng.normal(size=shape), 2 * rng.normal(size=shape)
    return y_true, rng.normal(size=shape) * 3 if loss.from_logits else y_pred


LOSSES = [
    CategoricalCrossentropy(),
    CategoricalCrossentropy(label_smoothing=0.2),
    CategoricalCrossentropy(from_logits=True),
    CategoricalCrossentropy(from_logits=True, label_smoothing=0.2),
    SparseCategoricalCrossentropy(),
    SparseCategoricalCrossentropy(from_logits=True),
    BinaryCrossentropy(),
    BinaryCrossentropy(label_smoothing=0.2),
    BinaryCrossentropy(from_logits=True),
    BinaryCrossentropy(from_logits=True, label_smoothing=0.2),
    MeanSquaredError(),
    MeanAbsoluteError(),
    Huber(),
    Huber(delta=0.3),
]
each = pytest.mark.parametrize("loss", LOSSES, ids=repr)


# ---- values


def test_categorical_crossentropy_is_minus_the_logarithm_of_the_right_probability():
    values = losses.categorical_crossentropy([[0, 1, 0], [0, 0, 1]], [[0.05, 0.95, 0], [0.1, 0.8, 0.1]])
    np.testing.assert_allclose(values, [-math.log(0.95), -math.log(0.1)])


def test_probabilities_are_divided_by_their_sum():
    values = losses.categorical_crossentropy([[0, 1]], [[0.2, 0.6]])
    np.testing.assert_allclose(values, [-math.log(0.75)])


def test_probabilities_are_held_away_from_zero_and_one():
    values = losses.categorical_crossentropy([[0, 1], [1, 0]], [[1.0, 0.0], [1.0, 0.0]])
    np.testing.assert_allclose(values, [-math.log(1e-7), -math.log(1 - 1e-7)])


def test_label_smoothing_spreads_over_all_classes():
    values = losses.categorical_crossentropy([[0, 1, 0, 0]], [[0.1, 0.6, 0.1, 0.2]], label_smoothing=0.2)
    expected = -(0.85 * math.log(0.6) + 0.05 * (2 * math.log(0.1) + math.log(0.2)))
    np.testing.assert_allclose(values, [expected])


def test_binary_crossentropy_by_hand():
    values = losses.binary_crossentropy([[0, 1], [0, 0]], [[0.6, 0.4], [0.4, 0.6]])
    np.testing.assert_allclose(values, [-math.log(0.4), -(math.log(0.6) + math.log(0.4)) / 2])


def test_binary_label_smoothing_goes_halfway():
    values = losses.binary_crossentropy([[1]], [[0.8]], label_smoothing=0.2)
    np.testing.assert_allclose(values, [-(0.9 * math.log(0.8) + 0.1 * math.log(0.2))])


def test_squared_and_absolute_error_by_hand():
    np.testing.assert_allclose(losses.mean_squared_error([[0.0, 1.0]], [[2.0, 4.0]]), [6.5])
    np.testing.assert_allclose(losses.mean_absolute_error([[0.0, 1.0]], [[2.0, 4.0]]), [2.5])


@pytest.mark.parametrize(("error", "value"), [(0.5, 0.125), (2.0, 2.0), (-3.0, 4.0)])
def test_huber_is_a_parabola_up_to_delta_and_a_line_beyond(error, value):
    np.testing.assert_allclose(losses.huber([[0.0]], [[error]], delta=2.0), [value])


def test_sparse_agrees_with_one_hot():
    numbers, y = np.array([2, 0, 1, 1, 2]), probabilities((5, 3))
    expected = losses.categorical_crossentropy(np.eye(3)[numbers], y)
    np.testing.assert_array_equal(losses.sparse_categorical_crossentropy(numbers, y), expected)


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32", "float64"])
@pytest.mark.parametrize("shape", [(5,), (5, 1)])
def test_sparse_labels_of_any_type_and_both_shapes(dtype, shape):
    numbers, y = np.array([2, 0, 1, 1, 2]), probabilities((5, 3))
    values = losses.sparse_categorical_crossentropy(numbers.astype(dtype).reshape(shape), y)
    np.testing.assert_array_equal(values, losses.sparse_categorical_crossentropy(numbers, y))


@pytest.mark.parametrize("cls", [CategoricalCrossentropy, SparseCategoricalCrossentropy])
def test_logits_agree_with_softmax_and_probabilities(cls):
    y_true, z = batch(cls(from_logits=True))
    np.testing.assert_allclose(cls(from_logits=True)(y_true, z), cls()(y_true, activations.softmax(z)))


def test_binary_logits_agree_with_sigmoid_and_probabilities():
    y_true, z = batch(BinaryCrossentropy(from_logits=True))
    ours = BinaryCrossentropy(from_logits=True)(y_true, z)
    np.testing.assert_allclose(ours, BinaryCrossentropy()(y_true, activations.sigmoid(z)))


@each
def test_call_is_the_mean_of_the_values(loss):
    y_true, y_pred = batch(loss)
    values, _ = loss.forward(y_true, y_pred)
    assert values.shape == (N,)
    np.testing.assert_allclose(loss(y_true, y_pred), sum(values) / N)


@each
def test_weighted_sum_is_divided_by_the_number_of_values(loss):
    y_true, y_pred = batch(loss)
    values, _ = loss.forward(y_true, y_pred)
    weights = [0.0, 1.0, 2.0, 3.0, 0.5]
    expected = sum(w * v for w, v in zip(weights, values, strict=True)) / N
    np.testing.assert_allclose(loss(y_true, y_pred, sample_weight=weights), expected)
    np.testing.assert_allclose(loss(y_true, y_pred, sample_weight=np.reshape(weights, (N, 1))), expected)


@each
def test_places_between_samples_and_classes(loss):
    y_true, y_pred = batch(loss, (N, T, C))
    values, cache = loss.forward(y_true, y_pred)
    flat, flat_cache = loss.forward(np.reshape(y_true, (N * T, *np.shape(y_true)[2:])), y_pred.reshape(N * T, C))
    np.testing.assert_allclose(values, flat.reshape(N, T))
    np.testing.assert_allclose(loss.backward(1.0, cache), loss.backward(1.0, flat_cache).reshape(N, T, C))


@each
def test_a_weight_of_a_sample_counts_for_each_of_its_places(loss):
    y_true, y_pred = batch(loss, (N, T, C))
    weights = np.array([0.0, 1.0, 2.0, 3.0, 0.5])
    everywhere = np.repeat(weights[:, None], T, axis=1)
    assert loss(y_true, y_pred, sample_weight=weights) == loss(y_true, y_pred, sample_weight=everywhere) > 0


@each
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_works_in_the_float_type_of_the_predictions(loss, dtype):
    y_true, y_pred = batch(loss)
    values, cache = loss.forward(y_true, y_pred.astype(dtype))
    assert values.dtype == dtype
    assert loss.backward(np.float64(1 / N), cache).dtype == dtype


def test_one_output_and_flat_labels():
    assert MeanSquaredError()([1.0, 2.0], [[1.0], [4.0]]) == 2.0
    np.testing.assert_allclose(BinaryCrossentropy()([1, 0], [[0.5], [0.5]]), math.log(2))


# ---- gradients


@each
@pytest.mark.parametrize("shape", [(N, C), (N, T, C)])
def test_gradient_against_central_differences(loss, shape):
    y_true, y_pred = batch(loss, shape, seed=1)
    weights = np.random.default_rng(2).uniform(0.5, 2.0, size=shape[:-1])
    total = lambda y: float((loss.forward(y_true, y)[0] * weights).sum())  # noqa: E731
    _, cache = loss.forward(y_true, y_pred)
    analytic = loss.backward(weights, cache)
    for index in np.ndindex(shape):
        shift = np.zeros(shape)
        shift[index] = 1e-6
        numeric = (total(y_pred + shift) - total(y_pred - shift)) / 2e-6
        np.testing.assert_allclose(analytic[index], numeric, rtol=1e-6, atol=1e-8)


@each
def test_backward_may_be_called_again(loss):
    y_true, y_pred = batch(loss)
    _, cache = loss.forward(y_true, y_pred)
    first = loss.backward(2.0, cache)
    np.testing.assert_array_equal(loss.backward(2.0, cache), first)


@each
def test_inputs_are_not_changed(loss):
    y_true, y_pred = batch(loss)
    before = np.copy(y_true), np.copy(y_pred)
    loss.backward(0.5, loss.forward(y_true, y_pred)[1])
    np.testing.assert_array_equal(y_true, before[0])
    np.testing.assert_array_equal(y_pred, before[1])


def test_gradient_by_logits_is_p_minus_t():
    z = np.array([[0.0, math.log(3.0)]])
    loss = CategoricalCrossentropy(from_logits=True)
    np.testing.assert_allclose(loss.backward(1.0, loss.forward([[1, 0]], z)[1]), [[-0.75, 0.75]])


def test_no_gradient_where_a_probability_was_held():
    loss = CategoricalCrossentropy()
    _, cache = loss.forward([[0, 1]], np.array([[1.0, 0.0]]))
    np.testing.assert_array_equal(loss.backward(1.0, cache), [[0.0, 0.0]])
    loss = BinaryCrossentropy()
    _, cache = loss.forward([[0, 1, 1]], np.array([[1.0, 0.0, 0.5]]))
    np.testing.assert_allclose(loss.backward(1.0, cache), [[0.0, 0.0, -2 / 3]])


def test_gradient_at_logits_sums_targets_that_do_not_add_up_to_one():
    loss = CategoricalCrossentropy(from_logits=True)
    _, cache = loss.forward([[2.0, 1.0]], np.array([[0.0, 0.0]]))
    np.testing.assert_allclose(loss.backward(1.0, cache), [[-0.5, 0.5]])


# ---- extremes


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_logits_of_a_thousand(dtype):
    loss = CategoricalCrossentropy(from_logits=True)
    values, cache = loss.forward([[1, 0], [1, 0]], np.array([[1000.0, -1000.0], [-1000.0, 1000.0]], dtype))
    np.testing.assert_array_equal(values, [0.0, 2000.0])
    np.testing.assert_array_equal(loss.backward(1.0, cache), [[0.0, 0.0], [-1.0, 1.0]])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_binary_logits_of_a_thousand(dtype):
    loss = BinaryCrossentropy(from_logits=True)
    values, cache = loss.forward([[1], [0]], np.array([[1000.0], [1000.0]], dtype))
    np.testing.assert_array_equal(values, [0.0, 1000.0])
    np.testing.assert_array_equal(loss.backward(1.0, cache), [[0.0], [1.0]])


def test_a_class_that_cannot_be_costs_nothing_where_it_is_not_the_label():
    z = np.array([[0.0, -np.inf, 0.0]])
    np.testing.assert_allclose(losses.sparse_categorical_crossentropy([0], z, from_logits=True), [math.log(2)])


@each
def test_nan_makes_the_loss_and_the_gradient_nan(loss):
    y_true, y_pred = batch(loss)
    y_pred[1, 2] = np.nan
    values, cache = loss.forward(y_true, y_pred)
    assert list(np.isnan(values)) == [False, True, False, False, False]
    assert np.isnan(loss.backward(1.0, cache)[1, 2])
    assert np.isnan(loss(y_true, y_pred))


@pytest.mark.parametrize("loss", [CategoricalCrossentropy(True), SparseCategoricalCrossentropy(True)], ids=repr)
def test_infinite_logits_are_not_hidden(loss):
    y_true, z = batch(loss)
    z[0] = np.inf
    assert np.isnan(loss(y_true, z))


def test_a_row_of_zeros_has_no_probabilities():
    assert np.isnan(CategoricalCrossentropy()([[0, 1]], np.zeros((1, 2))))


@pytest.mark.parametrize("cls", [CategoricalCrossentropy, SparseCategoricalCrossentropy, BinaryCrossentropy])
@pytest.mark.parametrize("wrong", [-0.5, 1.5])
def test_predictions_that_are_no_probabilities(cls, wrong):
    y_true, y_pred = batch(cls())
    y_pred[1, 1] = wrong
    with pytest.raises(ValueError, match=r"do not look like probabilities.*activation='softmax'.*from_logits=True"):
        cls()(y_true, y_pred)


@each
@pytest.mark.parametrize("shape", [(N, C), (N, T, C)])
def test_check_accepts_labels_that_fit(loss, shape):
    y_true, _ = batch(loss, shape)
    loss.check(y_true, (None, *shape[1:]), "fit")


# ---- names and settings


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        ("mse", MeanSquaredError),
        ("MAE", MeanAbsoluteError),
        ("mean_squared_error", MeanSquaredError),
        ("MeanAbsoluteError", MeanAbsoluteError),
        ("huber", Huber),
        ("bce", BinaryCrossentropy),
        ("binary_crossentropy", BinaryCrossentropy),
        ("categorical_crossentropy", CategoricalCrossentropy),
        ("sparse_categorical_crossentropy", SparseCategoricalCrossentropy),
        (losses.categorical_crossentropy, CategoricalCrossentropy),
        (SparseCategoricalCrossentropy, SparseCategoricalCrossentropy),
    ],
)
def test_names(name, cls):
    assert type(losses.get(name)) is cls


def test_instances_are_kept():
    loss = Huber()
    assert losses.get(loss) is loss


@each
def test_a_configuration_rebuilds_the_loss(loss):
    assert repr(losses.get(losses.serialize(loss))) == repr(loss)


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'categorical_crossentropy'"):
        losses.get("categorial_crossentropy")


@pytest.mark.parametrize("wrong", [None, 3, len])
def test_other_things_are_refused(wrong):
    with pytest.raises(TypeError, match="loss: expected a name, a configuration or a Loss"):
        losses.get(wrong)


@pytest.mark.parametrize("cls", [CategoricalCrossentropy, BinaryCrossentropy])
def test_label_smoothing_out_of_range(cls):
    with pytest.raises(ValueError, match=f"{cls.__name__}: expected label_smoothing from 0 to 1"):
        cls(label_smoothing=1.5)


def test_huber_needs_a_positive_delta():
    with pytest.raises(ValueError, match="Huber: expected a positive delta"):
        Huber(delta=0.0)


@pytest.mark.parametrize(
    ("cls", "activation"),
    [
        (CategoricalCrossentropy, "softmax"),
        (SparseCategoricalCrossentropy, "softmax"),
        (BinaryCrossentropy, "sigmoid"),
        (MeanSquaredError, None),
    ],
)
def test_activation_that_the_loss_takes_over(cls, activation):
    assert cls.fuses_with == activation


def test_as_logits_leaves_the_loss_itself_alone():
    loss = CategoricalCrossentropy(label_smoothing=0.1)
    assert loss.as_logits().get_config() == loss.get_config() | {"from_logits": True}
    assert not loss.from_logits


# ---- Keras


@pytest.mark.oracle
@each
@pytest.mark.parametrize("shape", [(N, C), (N, T, C)])
@pytest.mark.parametrize("weighted", [False, True])
def test_value_agrees_with_keras(loss, shape, weighted):
    keras = load_keras()
    y_true, y_pred = batch(loss, shape, seed=3)
    weights = np.random.default_rng(4).uniform(size=shape[:-1]).astype("float32") if weighted else None
    theirs = getattr(keras.losses, type(loss).__name__)(**loss.get_config())
    expected = array(theirs(y_true, y_pred.astype("float32"), sample_weight=weights))
    np.testing.assert_allclose(loss(y_true, y_pred.astype("float32"), weights), expected, rtol=1e-5)


@pytest.mark.oracle
@each
def test_gradient_agrees_with_torch_through_keras(loss):
    keras, torch = load_keras(), pytest.importorskip("torch")
    if keras.backend.backend() != "torch":
        pytest.skip("needs KERAS_BACKEND=torch")
    y_true, y_pred = batch(loss, seed=5)
    if not loss.from_logits and isinstance(loss, CategoricalCrossentropy):
        y_pred[0] = [1.0, 0.0, 0.0]  # held away from 0 and 1: no gradient there
    tensor = torch.tensor(y_pred, dtype=torch.float32, requires_grad=True)
    getattr(keras.losses, type(loss).__name__)(**loss.get_config())(y_true, tensor).backward()
    _, cache = loss.forward(y_true, y_pred.astype("float32"))
    np.testing.assert_allclose(loss.backward(1 / N, cache), tensor.grad.numpy(), rtol=1e-4, atol=1e-6)


@pytest.mark.oracle
@pytest.mark.parametrize("name", losses.__all__)
def test_functions_and_arguments_are_those_of_keras(name):
    ours, theirs = getattr(losses, name), getattr(load_keras().losses, name)
    if name in ("get", "serialize", "Loss"):
        return
    assert_arguments_of_keras(ours, theirs)
    if not isinstance(ours, type):
        y_true, y_pred = batch(losses.get(name))
        expected = array(theirs(y_true, y_pred.astype("float32")))
        np.testing.assert_allclose(ours(y_true, y_pred.astype("float32")), expected, rtol=1e-5)


def test_a_function_of_ones_own_is_no_loss():
    def my_loss(y_true, y_pred):
        return 0

    with pytest.raises(TypeError, match=r"Received the function my_loss.* a subclass of tinyconv\.losses\.Loss"):
        losses.get(my_loss)
