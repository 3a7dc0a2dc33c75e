"""Dropout: what it drops, how it scales the rest, and where its chances come from."""

import numpy as np
import pytest
from layer_helpers import normal, run

from tinyconv import config
from tinyconv.layers import Dropout, SpatialDropout2D

every_kind = pytest.mark.parametrize("cls", [Dropout, SpatialDropout2D])


def masked(layer, shape=(4, 20, 30, 5)):
    """The factors that the layer multiplies with."""
    return layer.forward(np.ones(shape), training=True)[0]


@every_kind
def test_inference_changes_nothing(cls):
    x = normal(2, 7, 6, 4)
    np.testing.assert_array_equal(cls(0.9).forward(x, training=False)[0], x)


@every_kind
def test_inference_passes_the_gradient(cls):
    _, dy, dx = run(cls(0.9), normal(2, 7, 6, 4), training=False)
    np.testing.assert_array_equal(dx, dy)


@every_kind
def test_rate_0_keeps_everything(cls):
    assert (masked(cls(0.0)) == 1).all()


@every_kind
def test_rate_1_drops_everything(cls):
    assert (masked(cls(1.0)) == 0).all()


@every_kind
def test_rate_1_has_no_gradient(cls):
    _, _, dx = run(cls(1.0), normal(2, 7, 6, 4), training=True)
    np.testing.assert_array_equal(dx, np.zeros((2, 7, 6, 4)))


@every_kind
@pytest.mark.parametrize("rate", [0.2, 0.5, 0.75])
def test_what_stays_is_scaled_up(cls, rate):
    values = np.unique(masked(cls(rate, seed=1), (30, 3, 4, 20)))
    np.testing.assert_allclose(values, [0, 1 / (1 - rate)], rtol=1e-6)


@pytest.mark.parametrize("rate", [0.2, 0.5, 0.75])
def test_rate_is_the_fraction_that_is_dropped(rate):
    dropped = (masked(Dropout(rate, seed=2), (100, 1000)) == 0).mean()
    assert abs(dropped - rate) < 0.01  # six standard deviations of 100,000 coins


@pytest.mark.parametrize("rate", [0.2, 0.5, 0.75])
def test_spatial_rate_is_the_fraction_of_channels_that_is_dropped(rate):
    dropped = (masked(SpatialDropout2D(rate, seed=2), (100, 1, 1, 1000)) == 0).mean()
    assert abs(dropped - rate) < 0.01


def test_spatial_dropout_drops_whole_channels():
    y = masked(SpatialDropout2D(0.5, seed=3))
    np.testing.assert_array_equal(y, np.broadcast_to(y[:, :1, :1], y.shape))


def test_spatial_dropout_drops_other_channels_in_each_image():
    y = masked(SpatialDropout2D(0.5, seed=3), (8, 2, 3, 16))[:, 0, 0]
    assert len({tuple(row) for row in y}) > 1


def test_dropout_drops_single_numbers():
    y = masked(Dropout(0.5, seed=3))
    assert not np.array_equal(y, np.broadcast_to(y[:, :1, :1], y.shape))


@every_kind
def test_backward_uses_the_mask_of_its_forward(cls):
    x, layer = normal(3, 7, 6, 8), cls(0.5, seed=4)
    y, cache = layer.forward(x, training=True)
    layer.forward(x, training=True)  # draws another mask
    np.testing.assert_allclose(layer.backward(np.ones_like(y), cache) * x, y, rtol=1e-12, atol=1e-12)


def test_noise_shape_shares_the_mask():
    y = masked(Dropout(0.5, noise_shape=(None, 1, 1, None), seed=5))
    np.testing.assert_array_equal(y, np.broadcast_to(y[:, :1, :1], y.shape))


# Chances


@every_kind
def test_each_call_draws_a_new_mask(cls):
    layer = cls(0.5)
    assert not np.array_equal(masked(layer), masked(layer))


@every_kind
def test_set_random_seed_repeats_the_mask(cls):
    config.set_random_seed(11)
    first = masked(cls(0.5))
    config.set_random_seed(11)
    np.testing.assert_array_equal(masked(cls(0.5)), first)


@every_kind
def test_a_seed_of_its_own_repeats_the_masks(cls):
    one, two = cls(0.5, seed=12), cls(0.5, seed=12)
    for _ in range(2):
        np.testing.assert_array_equal(masked(one), masked(two))


@every_kind
def test_a_seed_of_its_own_still_draws_a_new_mask_each_call(cls):
    layer = cls(0.5, seed=12)
    assert not np.array_equal(masked(layer), masked(layer))


@every_kind
def test_a_seed_of_its_own_leaves_the_other_streams_alone(cls):
    config.set_random_seed(13)
    before = config.random_state()
    masked(cls(0.5, seed=14))
    assert config.random_state() == before


@every_kind
def test_only_the_dropout_stream_moves(cls):
    config.set_random_seed(15)
    before = config.random_state()
    masked(cls(0.5))
    after = config.random_state()
    assert [name for name in config.STREAMS if after[name] != before[name]] == ["dropout"]


@every_kind
def test_float_types_draw_the_same_mask(cls):
    one, two = cls(0.5, seed=16), cls(0.5, seed=16)
    x = np.ones((2, 7, 6, 40))
    comp, ref = (layer.forward(x.astype(t), training=True)[0] for layer, t in ((one, "float32"), (two, "float64")))
    np.testing.assert_array_equal(comp == 0, ref == 0)


# Errors


@every_kind
@pytest.mark.parametrize("rate", [-0.1, 1.5, 50, np.nan])
def test_rate_outside_0_to_1(cls, rate):
    message = rf"{cls.__name__} 'd': expected rate between 0 and 1.*Received rate=.*fraction to drop"
    with pytest.raises(ValueError, match=message):
        cls(rate, name="d")


@every_kind
@pytest.mark.parametrize("rate", ["half", None, [0.5]])
def test_rate_that_is_no_number(cls, rate):
    with pytest.raises((TypeError, ValueError), match=r"expected rate between 0 and 1.*Received rate="):
        cls(rate)


def test_spatial_dropout_wants_images():
    with pytest.raises(ValueError, match=r"SpatialDropout2D 'd': expected 4 axes.*Received x.shape=\(2, 7\)"):
        SpatialDropout2D(0.5, name="d")(np.zeros((2, 7)))


def test_unknown_argument_suggests_the_nearest():
    with pytest.raises(TypeError, match=r"Received sed=1.*Did you mean 'seed'\?"):
        Dropout(0.5, sed=1)
