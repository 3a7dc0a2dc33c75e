"""Initializers: the numbers weights start from."""

import math

import numpy as np
import pytest
from oracle import array, assert_arguments_of_keras, load_keras

from tinyconv import config, initializers

KERNEL = (3, 5, 7, 11)  # KH, KW, C, F: fan_in 105, fan_out 165
FAN_IN, FAN_OUT = 3 * 5 * 7, 3 * 5 * 11
LARGE = (40, 30, 20, 10)

RANDOM = [
    initializers.RandomUniform, initializers.RandomNormal, initializers.TruncatedNormal, initializers.VarianceScaling,
    initializers.GlorotUniform, initializers.GlorotNormal, initializers.HeUniform, initializers.HeNormal,
    initializers.LecunUniform, initializers.LecunNormal, initializers.Orthogonal,
]  # fmt: skip
FIXED = [initializers.Zeros, initializers.Ones, initializers.Constant, initializers.Identity]


@pytest.mark.parametrize(
    ("shape", "fans"),
    [((300, 10), (300, 10)), (KERNEL, (FAN_IN, FAN_OUT)), ((7,), (7, 7)), ((), (1, 1)), ((2, 3, 4), (6, 8))],
)
def test_fans_count_the_cells_of_the_window_times_channels(shape, fans):
    assert initializers.compute_fans(shape) == fans


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("glorot_uniform", math.sqrt(6 / (FAN_IN + FAN_OUT))),
        ("he_uniform", math.sqrt(6 / FAN_IN)),
        ("lecun_uniform", math.sqrt(3 / FAN_IN)),
    ],
)
def test_uniform_family_fills_its_range_on_a_kernel_that_is_not_square(name, limit):
    values = initializers.get(name)(KERNEL, rng=np.random.default_rng(1))
    assert 0.99 * limit < values.max() <= limit
    assert -limit <= values.min() < -0.99 * limit


@pytest.mark.parametrize(
    ("name", "variance"),
    [("glorot_normal", 2 / (FAN_IN + FAN_OUT)), ("he_normal", 2 / FAN_IN), ("lecun_normal", 1 / FAN_IN)],
)
def test_normal_family_has_its_variance_and_no_tail(name, variance):
    generator = np.random.default_rng(2)
    values = np.concatenate([initializers.get(name)(KERNEL, "float64", generator).ravel() for _ in range(40)])
    cut = 2 * math.sqrt(variance) / 0.87962566103423978
    np.testing.assert_allclose(values.var(), variance, rtol=0.02)
    assert np.abs(values).max() <= cut
    assert np.abs(values).max() > 0.99 * cut


@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "fan_avg"])
@pytest.mark.parametrize("distribution", ["uniform", "truncated_normal", "untruncated_normal"])
def test_variance_scaling_has_variance_scale_over_n(mode, distribution):
    n = {"fan_in": 24000, "fan_out": 12000, "fan_avg": 18000}[mode]
    values = initializers.VarianceScaling(3.0, mode, distribution, seed=3)(LARGE, "float64")
    np.testing.assert_allclose(values.var() * n, 3.0, rtol=0.02)
    assert abs(values.mean()) < 1e-4


def test_truncated_normal_redraws_what_lies_beyond_two_sigma():
    values = initializers.TruncatedNormal(mean=1.0, stddev=0.5, seed=4)(LARGE, "float64")
    assert values.min() >= 0.0
    assert values.max() <= 2.0
    np.testing.assert_allclose([values.mean(), values.std()], [1.0, 0.5 * 0.87962566], rtol=0.01)


def test_random_normal_has_its_mean_and_stddev():
    values = initializers.RandomNormal(mean=-2.0, stddev=0.3, seed=5)(LARGE, "float64")
    np.testing.assert_allclose([values.mean(), values.std()], [-2.0, 0.3], rtol=0.01)


def test_random_uniform_stays_between_minval_and_maxval():
    values = initializers.RandomUniform(2.0, 5.0, seed=6)(LARGE, "float64")
    assert values.min() >= 2.0
    assert values.max() < 5.0
    np.testing.assert_allclose(values.mean(), 3.5, rtol=0.01)


@pytest.mark.parametrize("shape", [(7, 4), (4, 7), (3, 5, 2, 6)])
def test_orthogonal_columns_or_rows_are_at_right_angles(shape):
    matrix = initializers.Orthogonal(gain=1.5, seed=7)(shape, "float64").reshape(-1, shape[-1])
    small = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    np.testing.assert_allclose(small, 1.5**2 * np.eye(len(small)), atol=1e-12)


def test_constants():
    np.testing.assert_array_equal(initializers.Constant(2.5)((2, 3)), np.full((2, 3), 2.5))
    np.testing.assert_array_equal(initializers.Constant([1, 2, 3])((2, 3)), [[1, 2, 3], [1, 2, 3]])
    np.testing.assert_array_equal(initializers.Zeros()((2,)), [0, 0])
    np.testing.assert_array_equal(initializers.Ones()((2,)), [1, 1])


def test_identity_is_the_identity_matrix_times_gain():
    np.testing.assert_array_equal(initializers.Identity(gain=3.0)((2, 3)), [[3, 0, 0], [0, 3, 0]])


@pytest.mark.parametrize("cls", RANDOM)
def test_a_seed_gives_the_same_values_at_every_call(cls):
    initializer = cls(seed=8)
    np.testing.assert_array_equal(initializer((4, 3)), initializer((4, 3)))


@pytest.mark.parametrize("cls", RANDOM)
def test_without_a_seed_every_call_gives_other_values(cls):
    initializer = cls()
    assert not np.array_equal(initializer((4, 3)), initializer((4, 3)))


def test_without_a_seed_values_come_from_the_stream_of_weights():
    state = config.random_state()
    first = initializers.HeNormal()((4, 3))
    config.set_random_state(state)
    np.testing.assert_array_equal(initializers.HeNormal()((4, 3)), first)


def test_a_generator_given_at_the_call_wins_over_the_seed():
    values = initializers.HeNormal(seed=9)((4, 3), rng=np.random.default_rng(10))
    np.testing.assert_array_equal(values, initializers.HeNormal()((4, 3), rng=np.random.default_rng(10)))


@pytest.mark.parametrize("cls", RANDOM + FIXED)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_have_the_type_and_shape_asked_for(cls, dtype):
    values = cls()((4, 3), dtype)
    assert (values.dtype, values.shape) == (dtype, (4, 3))


def test_the_default_type_is_floatx():
    assert initializers.GlorotUniform()((4, 3)).dtype == config.floatx()


@pytest.mark.parametrize("cls", RANDOM + FIXED)
def test_a_configuration_rebuilds_the_initializer(cls):
    initializer = cls(seed=11) if cls in RANDOM else cls()
    again = initializers.get(initializers.serialize(initializer))
    assert type(again) is cls
    np.testing.assert_array_equal(again((4, 3)), initializer((4, 3)))


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        ("zeros", initializers.Zeros),
        ("Ones", initializers.Ones),
        ("glorot_uniform", initializers.GlorotUniform),
        ("lecun_normal", initializers.LecunNormal),
        ("random_normal", initializers.RandomNormal),
        ("normal", initializers.RandomNormal),
        ("uniform", initializers.RandomUniform),
        ("orthogonal", initializers.Orthogonal),
        (initializers.HeUniform, initializers.HeUniform),
    ],
)
def test_names_and_classes(name, cls):
    assert type(initializers.get(name)) is cls


def test_none_stays_none():
    assert initializers.get(None) is None
    assert initializers.serialize(None) is None


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'he_normal'"):
        initializers.get("he_norml")


def test_other_things_are_refused():
    with pytest.raises(TypeError, match="initializer: expected a name, a configuration or an Initializer"):
        initializers.get(3.5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: initializers.VarianceScaling(scale=0.0), "a positive scale. Received scale=0.0"),
        (lambda: initializers.VarianceScaling(mode="fan"), "mode 'fan': expected one of 'fan_avg'"),
        (lambda: initializers.VarianceScaling(distribution="cauchy"), "distribution 'cauchy'"),
        (lambda: initializers.HeNormal(seed=-1), "HeNormal: expected seed as a whole number from 0"),
        (lambda: initializers.HeNormal(seed=1.5), "Received seed=1.5"),
        (lambda: initializers.Identity()((2, 2, 2)), "Identity: expected a shape of two axes"),
        (lambda: initializers.Orthogonal()((3,)), "Orthogonal: expected a shape of at least two axes"),
    ],
)
def test_messages(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.oracle
@pytest.mark.parametrize("cls", RANDOM)
@pytest.mark.parametrize("shape", [KERNEL, (60, 40)])
def test_spread_agrees_with_keras(cls, shape):
    make = getattr(load_keras().initializers, cls.__name__)
    theirs = np.concatenate([array(make(seed=seed)(shape)).ravel() for seed in range(20)])
    ours = np.concatenate([cls(seed=seed)(shape).ravel() for seed in range(20)])
    np.testing.assert_allclose(ours.std(), theirs.std(), rtol=0.03)
    if "Uniform" in cls.__name__:
        np.testing.assert_allclose(np.abs(ours).max(), np.abs(theirs).max(), rtol=0.01)


@pytest.mark.oracle
@pytest.mark.parametrize("cls", RANDOM + FIXED)
def test_arguments_and_defaults_are_those_of_keras(cls):
    assert_arguments_of_keras(cls, getattr(load_keras().initializers, cls.__name__))
