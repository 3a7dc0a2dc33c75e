"""The columns of a convolution: their definition, their adjoint, and the memory they may take."""

import tracemalloc

import naive
import numpy as np
import pytest
from layer_helpers import normal, ready, run

from tinyconv import config
from tinyconv.geometry import Window
from tinyconv.layers import Conv2D
from tinyconv.layers.im2col import col2im, im2col

WINDOWS = [
    Window((3, 2)),
    Window((2, 3), strides=(3, 2)),
    Window((3, 2), dilation=(2, 3)),
    Window((1, 1), strides=(2, 1)),
    Window((7, 6)),
    Window((2, 5), strides=(1, 4)),
    Window((2, 1), strides=(3, 4)),
]

SHAPE = (3, 7, 6, 4)
BIG = 2**40


@pytest.fixture
def budget():
    """`config.set_columns_budget`, put back afterwards."""
    before = config.columns_budget()
    yield config.set_columns_budget
    config.set_columns_budget(before)


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_im2col_equals_naive(window):
    x = normal(*SHAPE)
    np.testing.assert_array_equal(im2col(x, window), naive.im2col(x, window.size, window.strides, window.dilation))


def test_im2col_of_note_001_is_16_by_9():
    assert im2col(np.zeros((1, 6, 6, 1)), Window((3, 3))).shape == (16, 9)


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_col2im_is_the_adjoint_of_im2col(window):
    x = normal(*SHAPE, seed=1)
    columns = im2col(x, window)
    c = normal(*columns.shape, seed=2)
    np.testing.assert_allclose((columns * c).sum(), (x * col2im(c, SHAPE, window)).sum(), rtol=1e-10)


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_col2im_of_ones_counts_the_windows_of_each_pixel(window):
    columns = im2col(np.zeros(SHAPE), window)
    counts = naive.conv2d_backward(
        np.ones((3, *window.output_size(7, 6), 1)),
        np.zeros(SHAPE),
        np.ones((*window.size, 4, 1)),
        strides=window.strides,
        dilation=window.dilation,
    )[0]
    np.testing.assert_array_equal(col2im(np.ones_like(columns), SHAPE, window), counts)


def test_im2col_leaves_the_image_alone():
    x = normal(*SHAPE)
    before = x.copy()
    columns = im2col(x, Window((3, 2)))
    columns += 1
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_float_type_is_kept(dtype):
    columns = im2col(np.zeros(SHAPE, dtype), Window((3, 2)))
    assert (columns.dtype.name, col2im(columns, SHAPE, Window((3, 2))).dtype.name) == (dtype, dtype)


# Slabs: a small budget changes the memory, not the numbers

OPTIONS = [
    {},
    {"strides": (3, 2), "padding": "same"},
    {"dilation_rate": (2, 3)},
    {"groups": 2, "strides": (2, 1)},
    {"padding": ((2, 0), (1, 3)), "activation": "tanh"},
]
#: Bytes: one output row of one image; two rows or so; one image and a part of the next.
BUDGETS = [1, 2500, 12_000]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("size", BUDGETS)
def test_a_small_budget_gives_the_same_output(budget, options, size):
    x = normal(*SHAPE)
    layer = ready(Conv2D(6, (3, 2), **options), x)
    budget(BIG)
    ref = layer.forward(x)[0]
    budget(size)
    np.testing.assert_allclose(layer.forward(x)[0], ref, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("size", BUDGETS)
def test_a_small_budget_gives_the_same_gradients(budget, options, size):
    x = normal(*SHAPE)
    one, two = ready(Conv2D(6, (3, 2), **options), x), ready(Conv2D(6, (3, 2), **options), x)
    budget(BIG)
    _, _, ref = run(one, x)
    budget(size)
    _, _, comp = run(two, x)
    np.testing.assert_allclose(comp, ref, rtol=1e-12, atol=1e-12)
    for name, gradient in two.grads.items():
        np.testing.assert_allclose(gradient, one.grads[name], rtol=1e-12, atol=1e-12)


def peak(function, *args):
    """(what the function returns, the most bytes it held at once beyond what was there before)."""
    tracemalloc.start()
    try:
        result = function(*args)
        return result, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture
def large(budget):
    """(layer, x) of a convolution whose columns would take 3 MB, under a budget of 200 kB."""
    x = normal(3, 40, 39, 8).astype(np.float32)
    layer = ready(Conv2D(6, (5, 4), padding="same"), x)
    budget(200_000)
    return layer, x


def test_forward_holds_one_slab_of_columns_at_a_time(large):
    layer, x = large
    (y, (padded, *_)), held = peak(layer.forward, x)
    assert held - padded.nbytes - y.nbytes < 1.5 * 200_000


def test_backward_holds_one_slab_of_columns_and_of_their_gradient_at_a_time(large):
    layer, x = large
    y, cache = layer.forward(x)
    _, held = peak(layer.backward, np.ones_like(y), cache)
    assert held - cache[0].nbytes < 2.5 * 200_000


@pytest.mark.parametrize("size", [0, -1])
def test_budget_must_be_positive(size):
    with pytest.raises(ValueError, match="a positive number of bytes"):
        config.set_columns_budget(size)
