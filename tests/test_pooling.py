"""Pooling against its definition, against hand-worked numbers; ties, infinities, NaN, and its laws."""

import naive
import note001
import numpy as np
import pytest
from layer_cases import distinct
from layer_helpers import normal, run

from tinyconv import layers
from tinyconv.layers import (
    AveragePooling2D,
    GlobalAveragePooling2D,
    GlobalMaxPooling2D,
    GlobalMinPooling2D,
    MaxPooling2D,
    MinPooling2D,
)

#: Layer, its definition, and the definition of its gradient.
POOLS = {
    "max": (MaxPooling2D, naive.max_pool, naive.max_pool_backward),
    "min": (MinPooling2D, naive.min_pool, naive.min_pool_backward),
    "average": (AveragePooling2D, naive.average_pool, naive.average_pool_backward),
}
GLOBALS = {
    "max": (GlobalMaxPooling2D, naive.max_pool, naive.max_pool_backward),
    "min": (GlobalMinPooling2D, naive.min_pool, naive.min_pool_backward),
    "average": (GlobalAveragePooling2D, naive.average_pool, naive.average_pool_backward),
}
EXTREMES = [MaxPooling2D, MinPooling2D]

# pool_size, strides, padding; x is (2, 7, 6, 3)
WINDOWS = [
    ((2, 2), (2, 2), "valid"),
    ((3, 2), (3, 2), "valid"),
    ((3, 2), (1, 1), "valid"),
    ((3, 4), (2, 1), "valid"),
    ((2, 1), (3, 4), "valid"),
    ((7, 6), (1, 1), "valid"),
    ((2, 2), (2, 2), "same"),
    ((3, 4), (2, 3), "same"),
    ((4, 3), (1, 1), "same"),
    ((5, 4), (3, 5), "same"),
    ((1, 2), (4, 3), "same"),
    ((9, 8), (2, 3), "same"),
]

every_pool = pytest.mark.parametrize("kind", POOLS)
every_window = pytest.mark.parametrize(("size", "strides", "padding"), WINDOWS)
both_extremes = pytest.mark.parametrize("cls", EXTREMES)


def with_ties(*shape):
    """Numbers from 0, 1, 2 only, so that most windows have ties."""
    return np.random.default_rng(3).integers(0, 3, shape).astype(np.float64)


def plane(rows):
    """One image of one channel, (1, H, W, 1)."""
    return np.array(rows, np.float64)[None, :, :, None]


def gradient(layer, x, dy):
    """dx for a given dy."""
    _, cache = layer.forward(x)
    return layer.backward(dy, cache)


# Against the definition


@every_pool
@every_window
@pytest.mark.parametrize("numbers", [normal, with_ties])
def test_forward_equals_naive(kind, size, strides, padding, numbers):
    cls, ref_forward, _ = POOLS[kind]
    x = numbers(2, 7, 6, 3)
    comp, _ = cls(size, strides, padding).forward(x)
    np.testing.assert_allclose(comp, ref_forward(x, size, strides, padding), rtol=1e-12, atol=1e-12)


@every_pool
@every_window
@pytest.mark.parametrize("numbers", [normal, with_ties])
def test_backward_equals_naive(kind, size, strides, padding, numbers):
    cls, _, ref_backward = POOLS[kind]
    x = numbers(2, 7, 6, 3)
    _, dy, dx = run(cls(size, strides, padding), x)
    np.testing.assert_allclose(dx, ref_backward(dy, x, size, strides, padding), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", GLOBALS)
@pytest.mark.parametrize("numbers", [normal, with_ties])
def test_global_forward_equals_naive(kind, numbers):
    cls, ref_forward, _ = GLOBALS[kind]
    x = numbers(2, 7, 6, 3)
    comp, _ = cls().forward(x)
    np.testing.assert_allclose(comp, naive.global_pool(x, ref_forward), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", GLOBALS)
@pytest.mark.parametrize("numbers", [normal, with_ties])
def test_global_backward_equals_naive(kind, numbers):
    cls, _, ref_backward = GLOBALS[kind]
    x = numbers(2, 7, 6, 3)
    _, dy, dx = run(cls(), x)
    np.testing.assert_allclose(dx, naive.global_pool_backward(dy, x, ref_backward), rtol=1e-12, atol=1e-12)


# The numbers of the notes


@pytest.mark.parametrize("name", ["A", "B"])
def test_note_001_max_pooling(name):
    y, _ = MaxPooling2D().forward(plane(note001.MAPS[name]))
    np.testing.assert_array_equal(y[0, :, :, 0], note001.MAX_POOLED[name])


@pytest.mark.parametrize("name", ["A", "B"])
def test_note_001_min_pooling(name):
    y, _ = MinPooling2D().forward(plane(note001.MAPS[name]))
    np.testing.assert_array_equal(y[0, :, :, 0], note001.MIN_POOLED[name])


def test_note_001_max_pooling_gradient_goes_to_the_first_of_a_tie():
    dx = gradient(MaxPooling2D(), plane(note001.MAPS["B"]), plane([[1, 2], [3, 4]]))
    # top left window 1 1 / 0 1: the first 1; bottom right 3 0 / 0 0: the 3
    np.testing.assert_array_equal(dx[0, :, :, 0], [[1, 0, 0, 0], [0, 0, 0, 2], [0, 0, 4, 0], [0, 3, 0, 0]])


def test_note_001_min_pooling_gradient_goes_to_the_first_of_a_tie():
    dx = gradient(MinPooling2D(), plane(note001.MAPS["A"]), plane([[1, 2], [3, 4]]))
    # 1 1 / 1 3: the first 1; 2 0 / 0 0 and 2 0 / 0 0: the first 0, top right; 0 3 / 3 0: top left
    np.testing.assert_array_equal(dx[0, :, :, 0], [[1, 0, 0, 2], [0, 0, 0, 0], [0, 3, 4, 0], [0, 0, 0, 0]])


@pytest.mark.parametrize(
    ("size", "options", "pooled"),
    [
        (299, {}, 149),  # note 001: the last row and column are dropped
        (149, {}, 74),
        (100, {}, 50),  # note 002
        (25, {}, 12),
        (28, {"strides": 2, "padding": "same"}, 14),  # note 003
        (14, {"strides": 2, "padding": "same"}, 7),
        (7, {"strides": 2, "padding": "same"}, 4),
        (26, {}, 13),  # note 004
        (11, {}, 5),
        (11, {"padding": "same"}, 6),
    ],
)
@pytest.mark.parametrize("kind", POOLS)
def test_sizes_of_the_notes(kind, size, options, pooled):
    layer = POOLS[kind][0]((2, 2), **options)
    assert layer.compute_output_shape((None, size, 9, 5))[:2] == (None, pooled)


def test_average_of_a_window_by_hand():
    y, _ = AveragePooling2D((1, 2)).forward(plane([[1, 3, 5, 9]]))
    np.testing.assert_array_equal(y[0, 0, :, 0], [2, 7])


def test_average_does_not_count_padding():
    y, _ = AveragePooling2D((2, 2), padding="same").forward(plane([[1, 2, 3], [4, 5, 6], [7, 8, 9]]))
    np.testing.assert_array_equal(y[0, :, :, 0], [[3, 4.5], [7.5, 9]])


def test_average_gradient_is_shared_by_the_real_cells():
    dx = gradient(AveragePooling2D((2, 2), padding="same"), plane(np.zeros((3, 3))), plane([[4, 4], [4, 4]]))
    np.testing.assert_array_equal(dx[0, :, :, 0], [[1, 1, 2], [1, 1, 2], [2, 2, 4]])


# Ties, padding, infinities, NaN


@both_extremes
def test_a_constant_image_sends_each_gradient_to_the_first_cell(cls):
    dx = gradient(cls(), plane(np.ones((4, 4))), plane([[1, 2], [3, 4]]))
    np.testing.assert_array_equal(dx[0, :, :, 0], [[1, 0, 2, 0], [0, 0, 0, 0], [3, 0, 4, 0], [0, 0, 0, 0]])


@both_extremes
def test_overlapping_windows_add_up_on_their_common_winner(cls):
    dx = gradient(cls((1, 2), strides=1), plane([[7, 7, 7]]), plane([[1, 2]]))
    np.testing.assert_array_equal(dx[0, 0, :, 0], [1, 2, 0])


def test_padding_is_no_candidate_for_a_maximum_below_zero():
    y, _ = MaxPooling2D((2, 2), padding="same").forward(plane([[-5]]))
    assert y.ravel().tolist() == [-5]


def test_padding_is_no_candidate_for_a_minimum_above_zero():
    y, _ = MinPooling2D((2, 2), padding="same").forward(plane([[5]]))
    assert y.ravel().tolist() == [5]


@pytest.mark.parametrize(("cls", "value"), [(MaxPooling2D, -np.inf), (MinPooling2D, np.inf)])
@pytest.mark.parametrize("size", [(2, 2), (3, 3), (4, 5)])
def test_the_gradient_of_an_infinite_image_is_not_lost_in_the_padding(cls, value, size):
    layer, x = cls(size, strides=1, padding="same"), np.full((1, 3, 4, 2), value)
    y, cache = layer.forward(x)
    assert layer.backward(np.ones_like(y), cache).sum() == y.size


@pytest.mark.parametrize(("cls", "value"), [(MaxPooling2D, -np.inf), (MinPooling2D, np.inf)])
@every_window
def test_an_infinite_image_equals_naive(cls, value, size, strides, padding):
    kind = "max" if cls is MaxPooling2D else "min"
    x = np.full((1, 7, 6, 2), value)
    x[0, 3:5, 2:5] = 1.0
    _, dy, dx = run(cls(size, strides, padding), x)
    np.testing.assert_allclose(dx, POOLS[kind][2](dy, x, size, strides, padding), rtol=1e-12, atol=1e-12)


@every_pool
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_infinity_and_nan_equal_naive(kind, value, padding):
    cls, ref_forward, _ = POOLS[kind]
    x = normal(2, 7, 6, 3)
    x[1, 2, 3, 1] = x[0, 6, 5, 0] = x[0, 0, 0, 2] = value
    comp, _ = cls((3, 2), (2, 1), padding).forward(x)
    np.testing.assert_allclose(comp, ref_forward(x, (3, 2), (2, 1), padding), rtol=1e-12, atol=1e-12)


@both_extremes
@pytest.mark.parametrize("place", range(6))
def test_a_nan_anywhere_in_the_window_is_not_hidden(cls, place):
    x = normal(1, 2, 3, 1)
    x.flat[place] = np.nan
    assert np.isnan(cls((2, 3)).forward(x)[0]).all()


@pytest.mark.parametrize("cls", [GlobalMaxPooling2D, GlobalMinPooling2D, GlobalAveragePooling2D])
@pytest.mark.parametrize("place", range(6))
def test_a_nan_anywhere_in_the_image_is_not_hidden(cls, place):
    x = normal(1, 2, 3, 1)
    x.flat[place] = np.nan
    assert np.isnan(cls().forward(x)[0]).all()


@both_extremes
def test_an_infinite_gradient_reaches_the_winner_only(cls):
    dx = gradient(cls(), plane([[1, 1], [1, 1]]), plane([[np.inf]]))
    np.testing.assert_array_equal(dx[0, :, :, 0], [[np.inf, 0], [0, 0]])


@pytest.mark.parametrize("cls", [GlobalMaxPooling2D, GlobalMinPooling2D])
def test_global_ties_go_to_the_first_pixel(cls):
    dx = gradient(cls(), np.ones((2, 3, 4, 1)), np.array([[5.0], [7.0]]))
    assert [np.flatnonzero(sample).tolist() for sample in dx] == [[0], [0]]


# Laws


@every_window
def test_min_pooling_is_minus_max_pooling_of_minus_x(size, strides, padding):
    x = normal(2, 7, 6, 3)
    ref = -MaxPooling2D(size, strides, padding).forward(-x)[0]
    np.testing.assert_array_equal(MinPooling2D(size, strides, padding).forward(x)[0], ref)


@every_window
def test_min_pooling_has_the_gradient_of_max_pooling_of_minus_x(size, strides, padding):
    x = with_ties(2, 7, 6, 3)
    _, _, ref = run(MaxPooling2D(size, strides, padding), -x)
    _, _, comp = run(MinPooling2D(size, strides, padding), x)
    np.testing.assert_allclose(comp, ref, rtol=1e-12, atol=1e-12)


@every_window
def test_the_average_lies_between_the_extremes(size, strides, padding):
    x = normal(2, 7, 6, 3)
    low, middle, high = (POOLS[kind][0](size, strides, padding).forward(x)[0] for kind in ("min", "average", "max"))
    assert (low <= middle + 1e-12).all()
    assert (middle <= high + 1e-12).all()


@every_pool
@every_window
def test_pooling_passes_on_the_whole_gradient(kind, size, strides, padding):
    _, dy, dx = run(POOLS[kind][0](size, strides, padding), distinct((2, 7, 6, 3)))
    np.testing.assert_allclose(dx.sum(axis=(1, 2)), dy.sum(axis=(1, 2)), rtol=1e-10, atol=1e-12)


@every_pool
def test_a_window_of_one_pixel_changes_nothing(kind):
    x = normal(2, 7, 6, 3)
    np.testing.assert_array_equal(POOLS[kind][0](1).forward(x)[0], x)


@every_pool
def test_global_pooling_is_a_window_as_large_as_the_image(kind):
    x = normal(2, 7, 6, 3)
    comp, ref = GLOBALS[kind][0]().forward(x)[0], POOLS[kind][0]((7, 6)).forward(x)[0]
    np.testing.assert_allclose(comp, ref[:, 0, 0], rtol=1e-12, atol=1e-12)


@every_pool
def test_channels_do_not_mix(kind):
    x = normal(2, 7, 6, 3)
    layer = POOLS[kind][0]((3, 2), (2, 1), "same")
    parts = [layer.forward(x[..., c : c + 1])[0] for c in range(3)]
    np.testing.assert_array_equal(layer.forward(x)[0], np.concatenate(parts, axis=-1))


@every_pool
def test_strides_are_the_pool_size_unless_given(kind):
    layer = POOLS[kind][0]((3, 2))
    assert layer.compute_output_shape((None, 7, 6, 4)) == (None, 2, 3, 4)


# Names and errors


@pytest.mark.parametrize(
    ("alias", "cls"),
    [
        ("MaxPool2D", MaxPooling2D),
        ("MinPool2D", MinPooling2D),
        ("AvgPool2D", AveragePooling2D),
        ("GlobalMaxPool2D", GlobalMaxPooling2D),
        ("GlobalMinPool2D", GlobalMinPooling2D),
        ("GlobalAvgPool2D", GlobalAveragePooling2D),
    ],
)
def test_second_names(alias, cls):
    assert getattr(layers, alias) is cls


@every_pool
def test_window_larger_than_a_valid_image(kind):
    layer = POOLS[kind][0]((2, 4), name="p")
    message = rf"{type(layer).__name__} 'p': expected an image of at least 2x4 pixels.*Received 5x3 pixels.*'same'"
    with pytest.raises(ValueError, match=message):
        layer(np.zeros((2, 5, 3, 1)))


@every_pool
@pytest.mark.parametrize("rank", [2, 3, 5])
def test_wrong_rank(kind, rank):
    with pytest.raises(ValueError, match=r"'p': expected 4 axes \(batch, height, width, channels\).*Received x.shape="):
        POOLS[kind][0](name="p")(np.zeros((4,) * rank))


@every_pool
@pytest.mark.parametrize("name", ["pool_size", "strides"])
@pytest.mark.parametrize("value", [0, (2, -1), 1.5, (1, 2, 3)])
def test_window_settings_must_be_positive_whole_numbers(kind, name, value):
    with pytest.raises(ValueError, match=rf"'p': expected {name} as one or two whole numbers.*Received {name}="):
        POOLS[kind][0](**{name: value}, name="p")


@every_pool
def test_padding_must_be_known(kind):
    with pytest.raises(ValueError, match=r"'p': expected padding 'valid'.*'same'.*Received padding='full'"):
        POOLS[kind][0](padding="full", name="p")


@every_pool
@pytest.mark.parametrize("padding", [1, (1, 2), ((2, 0), (0, 0))])
def test_padding_in_pixels_is_refused(kind, padding):
    # A window could lie on nothing but padding: its maximum would be -inf, its mean 0/0.
    with pytest.raises(ValueError, match=r"'p': expected padding 'valid' or 'same'.*Received padding="):
        POOLS[kind][0](padding=padding, name="p")


@every_pool
def test_channels_first_is_refused(kind):
    with pytest.raises(ValueError, match=r"channels_last.*Received data_format='channels_first'"):
        POOLS[kind][0](data_format="channels_first")


@every_pool
def test_unknown_argument_suggests_the_nearest(kind):
    with pytest.raises(TypeError, match=r"Received poolsize=2.*Did you mean 'pool_size'\?"):
        POOLS[kind][0](poolsize=2)
