"""Batch normalisation with what stands around it, against the layers in float64 and against the plain twins."""

from dataclasses import dataclass

import numpy as np
import pytest

pytest.importorskip("numba")

from engine_cases import distance, guarded, intact

from tinyconv import Input, Model, config
from tinyconv.activations import relu
from tinyconv.engine.blocks.case import whole_vectors
from tinyconv.engine.blocks.normalization import Normalization
from tinyconv.engine.kernels import batchnorm
from tinyconv.engine.kernels.maps import CLOSED
from tinyconv.engine.vector import LANES
from tinyconv.layers import (
    Add,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    MaxPooling2D,
    MinPooling2D,
    ReLU,
)

NOTHING = np.zeros((1, 1, 1, 1), "float32")
NO_CODES = np.zeros((1, 1, 1, 1), "uint8")
EPSILON = 1e-3


@dataclass(frozen=True)
class Case:
    """Shape of z, and what stands around the normalisation."""

    shape: tuple
    relu: int = 0
    rate: float = 0.0
    relu_after: int = 0
    pool: type | None = None
    padding: str = "valid"
    training: bool = True
    gamma: bool = True

    @property
    def draws(self):
        return np.random.default_rng(3).random(self.shape, dtype="float32") if self.rate else NOTHING

    @property
    def count(self):
        return int(np.prod(self.shape[:3]))

    @property
    def sign(self):
        return -1.0 if self.pool is MinPooling2D else 1.0


CASES = {
    "alone": Case((3, 4, 5, 7)),
    "constants": Case((3, 4, 5, 7), training=False),
    "everything": Case((4, 7, 5, LANES + 5), relu=1, rate=0.2, relu_after=1, pool=MaxPooling2D, padding="same"),
    "relu, max, odd map, valid": Case((2, 5, 7, 2 * LANES), relu=1, pool=MaxPooling2D),
    "min": Case((2, 5, 3, 3), pool=MinPooling2D, padding="same"),
    "min after relu": Case((3, 4, 6, LANES - 1), relu_after=1, pool=MinPooling2D),
    "dropout, relu": Case((2, 3, 5, LANES), rate=0.5, relu_after=1),
    "constants, pooled": Case((2, 3, 4, LANES + 1), relu=1, relu_after=1, pool=MaxPooling2D, training=False),
    "no gamma": Case((3, 2, 3, 4), gamma=False),
    "vectors": Case((9, 1, 1, LANES + 2), relu_after=1),
    "one image": Case((1, 3, 2, 5), relu=1, pool=MaxPooling2D),
    "everything dropped": Case((2, 3, 2, 5), rate=1.0),
}


def numbers_of(case, seed=0):
    """(z, gamma, beta, moving mean, moving variance)."""
    rng = np.random.default_rng(seed)
    channels = case.shape[3]
    z = 2 * rng.normal(size=case.shape) + 0.5
    gamma = rng.normal(size=channels) if case.gamma else np.ones(channels)
    beta = rng.normal(size=channels) if case.gamma else np.zeros(channels)
    return z.astype("float32"), gamma, beta, rng.normal(size=channels), rng.random(channels) + 0.5


def machine(case, z, gamma, beta, moving, slices=2, dy=None):
    """(out, winner, mean, variance), and with dy (dgamma, dbeta, dz) too, from the kernels on guarded arrays."""
    n, height, width, channels = case.shape
    z, draws = guarded(z), guarded(case.draws)
    before = [(z, len(z) * k // slices, len(z) * (k + 1) // slices, case.relu, draws, case.rate) for k in range(slices)]
    sums = np.full((slices, 2, channels), np.nan)
    scratch = np.full((3, whole_vectors(channels)), np.nan, "float32")
    numbers = np.zeros((5, whole_vectors(channels)), "float32")
    mean, variance = moving
    if case.training:
        for k in range(slices):
            batchnorm.norm_sums(*before[k], sums[k], scratch)
        mean, variance = batchnorm.statistics(sums.sum(axis=0), case.count)
    batchnorm.set_forward(numbers, mean, variance, gamma, beta, EPSILON)
    size = (height, width) if case.pool is None else case.pool(padding=case.padding).compute_output_shape(z.shape)[1:3]
    out = guarded(np.full((n, *size, channels), np.nan))
    winner = guarded(np.full(out.shape, 99), "uint8") if case.pool else NO_CODES
    won = guarded(np.full(out.shape, np.nan))
    for k in range(slices):
        if case.pool:
            batchnorm.norm_apply_pooled(*before[k], numbers, case.relu_after, case.sign, out, winner, won)
        else:
            batchnorm.norm_apply(*before[k], numbers, case.relu_after, out)
    assert intact(out)
    assert intact(won)
    assert not case.pool or intact(winner)
    if dy is None:
        return out, winner, mean, variance
    dy, dz = guarded(dy), guarded(np.full(z.shape, np.nan))
    scratch.fill(np.nan)
    for k, (_, start, stop, *_) in enumerate(before):
        if case.pool:
            batchnorm.norm_back_sums_pooled(start, stop, numbers, dy, winner, won, sums[k], scratch)
        else:
            batchnorm.norm_back_sums(*before[k], numbers, case.relu_after, dy, sums[k], scratch)
    dgamma, dbeta = batchnorm.set_backward(
        numbers, sums.sum(axis=0), case.count, mean, variance, gamma, EPSILON, case.training
    )
    for k in range(slices):
        if case.pool:
            batchnorm.norm_back_pooled(*before[k], numbers, dy, winner, dz)
        else:
            batchnorm.norm_back(*before[k], numbers, case.relu_after, dy, dz)
    assert intact(dz)
    return out, winner, mean, variance, dgamma, dbeta, dz


def mathematics(case, z, gamma, beta, moving, dy=None):
    """The same, but for the winners, from the layers in float64."""
    z = z.astype("float64")
    drop, norm = Dropout(case.rate, seed=3, dtype="float64"), BatchNormalization(epsilon=EPSILON, dtype="float64")
    norm.build((None, *z.shape[1:]))
    norm.params["gamma"][...], norm.params["beta"][...] = gamma, beta
    norm.state["moving_mean"][...], norm.state["moving_variance"][...] = moving
    entered = relu(z) if case.relu else z
    y, scale = drop.forward(entered, training=case.rate > 0)
    x, kept = norm.forward(y, case.training)
    open_ = relu(x) if case.relu_after else x
    pool = case.pool(padding=case.padding) if case.pool else None
    out, windows = pool.forward(open_) if pool else (open_, None)
    mean, variance = (y.mean(axis=(0, 1, 2)), y.var(axis=(0, 1, 2))) if case.training else moving
    if dy is None:
        return out, mean, variance
    d = pool.backward(dy.astype("float64"), windows) if pool else dy.astype("float64")
    d = relu.backward(d, x, open_) if case.relu_after else d
    d = drop.backward(norm.backward(d, kept), scale)
    return (
        out,
        mean,
        variance,
        norm.grads["gamma"],
        norm.grads["beta"],
        relu.backward(d, z, entered) if case.relu else d,
    )


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_equals_the_layers(case):
    z, gamma, beta, *moving = numbers_of(case)
    wanted, *_ = mathematics(case, z, gamma, beta, moving)
    dy = np.random.default_rng(1).normal(size=wanted.shape).astype("float32")
    out, _, *found = machine(case, z, gamma, beta, moving, dy=dy)
    expected = mathematics(case, z, gamma, beta, moving, dy)
    for name, a, b in zip(("out", "mean", "variance", "dgamma", "dbeta", "dz"), (out, *found), expected, strict=True):
        assert distance(a, b) < 1e-5, name


@pytest.mark.parametrize("name", ["everything", "dropout, relu", "min after relu", "vectors"])
def test_two_slices_equal_one(name):
    case = CASES[name]
    z, gamma, beta, *moving = numbers_of(case)
    dy = np.random.default_rng(1).normal(size=mathematics(case, z, gamma, beta, moving)[0].shape)
    one, two = (machine(case, z, gamma, beta, moving, slices, dy) for slices in (1, 2))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_a_slice_without_images_sums_to_nothing():
    z, sums = np.ones((2, 3, 3, 4), "float32"), np.full((2, 4), np.nan)
    batchnorm.norm_sums(z, 1, 1, 0, NOTHING, 0.0, sums, np.zeros((3, LANES), "float32"))
    assert (sums == 0).all()


@pytest.mark.parametrize("name", ["everything", "dropout, relu", "vectors", "min", "relu, max, odd map, valid"])
def test_kernels_equal_their_plain_twins(name):
    case = CASES[name]
    z, gamma, beta, *moving = numbers_of(case)
    channels = case.shape[3]
    dy = np.random.default_rng(1).normal(size=mathematics(case, z, gamma, beta, moving)[0].shape).astype("float32")
    out, winner, mean, variance, dgamma, dbeta, dz = machine(case, z, gamma, beta, moving, 1, dy)
    before = z, 0, len(z), case.relu, case.draws, case.rate
    sums, numbers = np.empty((2, channels)), np.zeros((5, whole_vectors(channels)), "float32")
    batchnorm.norm_sums_plain(*before, sums)
    plain_mean, plain_variance = batchnorm.statistics(sums, case.count)
    batchnorm.set_forward(numbers, plain_mean, plain_variance, gamma, beta, EPSILON)
    plain_out, plain_winner, plain_dz = np.empty_like(out), np.empty_like(winner), np.empty_like(dz)
    won = np.empty_like(out)
    if case.pool:
        batchnorm.norm_apply_pooled_plain(*before, numbers, case.relu_after, case.sign, plain_out, plain_winner, won)
        np.testing.assert_array_equal(winner, plain_winner)
        batchnorm.norm_back_sums_pooled_plain(0, len(z), numbers, dy, winner, won, sums)
    else:
        batchnorm.norm_apply_plain(*before, numbers, case.relu_after, plain_out)
        batchnorm.norm_back_sums_plain(*before, numbers, case.relu_after, dy, sums)
    plain_dgamma, plain_dbeta = batchnorm.set_backward(
        numbers, sums, case.count, plain_mean, plain_variance, gamma, EPSILON, True
    )
    if case.pool:
        batchnorm.norm_back_pooled_plain(*before, numbers, dy, winner, plain_dz)
    else:
        batchnorm.norm_back_plain(*before, numbers, case.relu_after, dy, plain_dz)
    found = mean, variance, out, dgamma, dbeta, dz
    plain = plain_mean, plain_variance, plain_out, plain_dgamma, plain_dbeta, plain_dz
    for a, b in zip(found, plain, strict=True):
        assert distance(a, b) < 1e-5


@pytest.mark.parametrize("shape", [(2, 29, 31, 3), (300, 1, 1, 3)])
def test_variance_of_numbers_far_from_zero(shape):
    case = Case(shape)
    z = (np.random.default_rng(0).normal(size=shape) + [100, -1000, 0]).astype("float32")
    z[:, 0, 0] -= 20  # a border unlike the rest
    gamma, beta, dy = np.ones(3), np.zeros(3), np.random.default_rng(1).normal(size=shape)
    out, _, mean, variance, dgamma, _, dz = machine(case, z, gamma, beta, (0, 1), dy=dy)
    expected = mathematics(case, z, gamma, beta, (0, 1), dy)
    np.testing.assert_allclose(mean, expected[1], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(variance, expected[2], rtol=1e-5)
    for a, b in zip((out, dgamma, dz), (expected[0], expected[3], expected[5]), strict=True):
        assert distance(a, b) < 1e-4


def test_variance_of_equal_numbers_is_zero():
    case = Case((2, 100, 100, 1))  # a running float32 sum of so many is wrong in the fourth digit
    *_, mean, variance = machine(case, np.full(case.shape, 0.1, "float32"), 1, 0, (0, 1))
    np.testing.assert_allclose(mean, np.float32(0.1), rtol=1e-6)
    assert (variance >= 0).all()
    assert (variance < 1e-8).all()


@np.errstate(invalid="ignore")
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["alone", "everything"])
def test_a_channel_with_nan_or_infinity_is_nan_and_no_other(bad, name):
    case = CASES[name]
    z, gamma, beta, *moving = numbers_of(case)
    z[1, 2, 3, 4] = bad
    out, winner, *_ = machine(case, z, gamma, beta, moving)
    hit = np.isnan(out)
    assert hit[..., 4].all()
    assert not np.delete(hit, 4, axis=-1).any()
    assert not case.pool or (winner[..., 4] == CLOSED).all()


def test_nan_passes_through_constants():
    case = Case((1, 2, 3, 3), relu=1, relu_after=1, training=False)
    z = np.ones(case.shape, "float32")
    z[0, 1, 2, 0] = np.nan
    out, *_ = machine(case, z, 1, 0, (np.zeros(3), np.ones(3)), slices=1)
    np.testing.assert_array_equal(np.isnan(out), np.isnan(z))


@pytest.mark.parametrize("pool", [MaxPooling2D, MinPooling2D])
def test_ties_go_to_the_first_cell(pool):
    case = Case((1, 3, 3, 2), pool=pool, padding="same", training=False)
    _, winner, *_ = machine(case, np.ones(case.shape, "float32"), 1, 0, (np.zeros(2), np.ones(2)), slices=1)
    assert (winner == 0).all()


@pytest.mark.parametrize("pool", [MaxPooling2D, MinPooling2D])
def test_a_channel_without_slope_has_its_first_cells(pool):
    case = Case((2, 4, 6, 3), pool=pool)
    z, gamma, beta, *moving = numbers_of(case)
    gamma[1] = 0
    dy = np.random.default_rng(1).normal(size=(2, 2, 3, 3))
    _, winner, *found = machine(case, z, gamma, beta, moving, dy=dy)
    assert (winner[..., 1] == 0).all()
    assert (winner[..., 0] != 0).any()
    for a, b in zip(found, mathematics(case, z, gamma, beta, moving, dy)[1:], strict=True):
        assert distance(a, b) < 1e-5


def test_a_first_row_unlike_the_rest_does_not_spoil_the_variance():
    z = np.random.default_rng(0).normal(size=(2, 8, 40, 3)).astype("float32")
    z[:, 0] += 1000
    *_, mean, variance = machine(Case(z.shape), z, 1, 0, (0, 1))
    wanted = z.astype("float64").var(axis=(0, 1, 2))
    np.testing.assert_allclose(mean, z.mean(axis=(0, 1, 2), dtype="float64"), rtol=0, atol=2e-6 * wanted.max() ** 0.5)
    np.testing.assert_allclose(variance, wanted, rtol=1e-5)


@pytest.mark.parametrize("name", ["everything", "dropout, relu"])
def test_dz_may_be_written_over_z(name):
    case = CASES[name]
    z = numbers_of(case)[0]
    numbers = np.random.default_rng(2).normal(size=(5, whole_vectors(case.shape[3]))).astype("float32")
    dy = np.random.default_rng(1).normal(size=(4, 4, 3, case.shape[3]) if case.pool else z.shape).astype("float32")
    winner = np.random.default_rng(4).integers(0, 4, dy.shape).astype("uint8")
    apart, over = np.empty_like(z), z.copy()
    for source, dz in ((z, apart), (over, over)):
        before = source, 0, len(z), 1, case.draws, case.rate, numbers
        if case.pool:
            batchnorm.norm_back_pooled(*before, dy, winner, dz)
        else:
            batchnorm.norm_back(*before, 1, dy, dz)
    np.testing.assert_array_equal(apart, over)


def gradients(model, engine, x):
    """(by the input, by the parameters) of one step."""
    model.compile("sgd", "mse")
    with config.engine(engine):
        _, dx = model.loss_and_gradients(x, np.ones((len(x), *model.output_shape[1:]), "float32"))
        return [dx[0], *(g.copy() for layer in model.layers for g in layer.grads.values())]


def normalizations(model):
    with config.engine("numba"):
        return [step.runs for step in model._plans.current.steps if isinstance(step.runs, Normalization)]


@pytest.mark.parametrize("read_twice", [False, True])
def test_the_gradient_goes_over_a_map_that_nobody_else_reads(read_twice):
    image = Input((6, 7, 2))
    z = Conv2D(5, 3)(BatchNormalization()(image))
    y = MaxPooling2D()(BatchNormalization()(ReLU()(z)))
    model = Model(image, Add()([Flatten()(y), Dense(20)(Flatten()(z))]) if read_twice else y)
    x = np.random.default_rng(0).normal(size=(3, 6, 7, 2)).astype("float32")
    before = x.copy()
    for found, wanted in zip(gradients(model, "numba", x), gradients(model, "numpy", x), strict=True):
        assert np.abs(found - wanted).max() < 1e-5 * max(1, np.abs(wanted).max())
    np.testing.assert_array_equal(x, before)
    first, second = normalizations(model)
    assert first.workspace(1, to_input=True) > first.workspace(1, to_input=False)
    assert (second.workspace(1, to_input=True) > second.workspace(1, to_input=False)) == read_twice
    own = first._numbers, first._sums, first._scratch
    assert first.scratch_bytes == sum(array.nbytes for array in own)
