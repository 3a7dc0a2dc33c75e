"""`explain.pool`, `flatten`, `im2col` and the ways back: the numbers are the layers', and each is accounted for."""

import numpy as np
import pytest
from note001 import IMAGES, KERNEL, SOBEL

from tinyconv import explain, layers

LAYERS = {"max": layers.MaxPooling2D, "min": layers.MinPooling2D, "average": layers.AveragePooling2D}
POOLS = [(2, None, "valid"), (2, None, "same"), ((3, 2), (2, 1), "same"), (2, 3, "valid")]
each_pool = pytest.mark.parametrize("pool", POOLS, ids=str)
each_mode = pytest.mark.parametrize("mode", LAYERS)


def ties(*shape):
    """Whole numbers from -2 to 2: many windows have ties."""
    return np.random.default_rng(5).integers(-2, 3, shape).astype(float)


def places(y):
    return np.ndindex(y.shape[:2])


@each_pool
@each_mode
def test_pooling_is_the_layers(pool, mode, float64):
    x = ties(5, 7, 2)
    trace = explain.pool(x, *pool, mode)
    np.testing.assert_array_equal(trace.y, LAYERS[mode](*pool)(x[None])[0])


@each_pool
@pytest.mark.parametrize("mode", ["max", "min"])
def test_the_winner_is_the_first_that_ties(pool, mode):
    trace = explain.pool(ties(5, 7, 2), *pool, mode, channel=1)
    for i, j in places(trace.y):
        assert trace.winner(i, j) == trace.ties(i, j)[0]
        assert trace.x[(*trace.winner(i, j), 1)] == trace.y[i, j, 1]


def test_min_is_max_of_the_negated():
    x = ties(6, 6)
    np.testing.assert_array_equal(explain.pool(x, mode="min").y, -explain.pool(-x).y)


def test_padding_never_wins():
    trace = explain.pool(np.full((3, 3), -5), padding="same")
    assert trace.y.max() == -5
    assert "it is not a zero" in trace.text()


def test_dropped_rows_and_columns_are_named():
    trace = explain.pool(ties(5, 7))
    assert "Map, 5 by 7, row 4 and column 6 dropped" in trace.text()
    assert (4, 0) in trace.grids()[0].marks["unused"]


def test_a_pooling_layer_explains_itself():
    trace = explain.pool(ties(5, 7), layers.MinPooling2D((3, 2), 1))
    assert (trace.mode, trace.window.size, trace.window.strides) == ("min", (3, 2), (1, 1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "maxx"}, "Did you mean 'max'"),
        ({"pool_size": 9}, "at least 9x9 pixels"),
        ({"strides": 0}, "strides as one or two whole numbers from 1"),
        ({"padding": 1}, "padding 'valid' or 'same'"),
        ({"channel": 1}, "channel from 0 to 0"),
        ({"pool_size": layers.Flatten()}, "a size or a pooling layer"),
    ],
)
def test_what_cannot_be_pooled(arguments, message):
    with pytest.raises(ValueError, match=message):
        explain.pool(ties(5, 7), **arguments)


@each_pool
@each_mode
def test_the_gradient_of_pooling_is_the_layers(pool, mode, float64):
    x = ties(5, 7)
    layer = LAYERS[mode](*pool)
    y, cache = layer.forward(x[None, :, :, None])
    dy = np.random.default_rng(1).normal(size=y.shape)
    trace = explain.pool_backward(x, dy[0], *pool, mode)
    np.testing.assert_array_equal(trace.dx, layer.backward(dy, cache)[0])
    for i, j in places(trace.dx):
        terms = trace.pixel(i, j).split(" = ")[0].replace("(", "").replace(")", "")
        assert sum(map(float, terms.split(" + "))) == pytest.approx(trace.dx[i, j, 0], abs=1e-4)


def test_flatten_says_where_each_number_goes():
    x = ties(3, 4, 2)
    trace = explain.flatten(x)
    for i, j, c in np.ndindex(x.shape):
        assert trace.y[trace.index(i, j, c)] == x[i, j, c]
    assert "index = (row × 4 + column) × 2 + channel" in trace.text()


# im2col, and convolution backward


@pytest.mark.parametrize("settings", [{}, {"strides": 2, "padding": "same"}, {"dilation_rate": 2}], ids=str)
def test_the_product_of_im2col_is_the_convolution(settings):
    x, k = ties(6, 7, 2), ties(2, 3, 2, 3)
    trace = explain.im2col(x, k, **settings)
    np.testing.assert_array_equal(trace.product.reshape(trace.whole.z.shape), trace.whole.z)
    ones = explain.conv_backward(np.ones((6, 7)), np.ones((2, 3)), **settings)
    np.testing.assert_array_equal(trace.repeats, ones.dx[..., 0])  # each copy of a pixel passes on 1


SETTINGS = [
    {},
    {"strides": 2},
    {"strides": (1, 2), "padding": "same"},
    {"dilation_rate": (2, 1), "padding": ((1, 0), (0, 2))},
    {"activation": "relu", "bias": [0.5, -1]},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_the_gradients_of_convolution_are_the_layers(settings, float64):
    r = np.random.default_rng(3)
    x, k = r.normal(size=(6, 7, 3)), r.normal(size=(2, 3, 3, 2))
    layer = layers.Conv2D(2, (2, 3), **{n: v for n, v in settings.items() if n != "bias"})
    layer.build((1, *x.shape))
    layer.set_weights([k, np.asarray(settings.get("bias", [0, 0]))])
    y, cache = layer.forward(x[None])
    dy = r.normal(size=y.shape)
    dx = layer.backward(dy, cache)
    trace = explain.conv_backward(x, k, dy[0], filter=1, **settings)
    np.testing.assert_array_equal(trace.dx, dx[0])
    np.testing.assert_array_equal(trace.dkernel, layer.grads["kernel"])
    np.testing.assert_array_equal(trace.dbias, layer.grads["bias"])
    assert trace.agree
    np.testing.assert_allclose(trace.correlated, trace.dx, atol=1e-12)


def value_of(sum_):
    """The sum of products that a sentence writes down, and the number it says that it is."""
    terms, result = sum_.replace("(", "").replace(")", "").split(" = ")
    return sum(np.prod([float(f) for f in term.split(" × ")]) for term in terms.split(" + ")), float(result)


@pytest.mark.parametrize("settings", [{}, {"strides": 2, "padding": 1}, {"dilation_rate": 2}], ids=str)
def test_every_sum_that_is_written_is_right(settings):
    trace = explain.conv_backward(IMAGES["A"], SOBEL, **settings)
    for u, v in np.ndindex(3, 3):
        added, said = value_of(trace.kernel_cell(u, v))
        assert added == said == trace.dkernel[u, v, 0, 0]
    for i, j in np.ndindex(6, 6):
        if trace.whole.pixel(i, j).felt:
            added, said = value_of(trace.pixel(i, j))
            assert added == said == trace.dx[i, j, 0]
        else:
            assert trace.dx[i, j, 0] == 0


def test_a_gradient_of_another_shape():
    with pytest.raises(ValueError, match="dy in the shape of the output, 4 by 4 by 1"):
        explain.conv_backward(IMAGES["A"], KERNEL, dy=np.ones((3, 3)))


def test_groups_are_not_taken_apart():
    layer = layers.DepthwiseConv2D(3)
    layer(np.ones((1, 5, 5, 2)))
    with pytest.raises(ValueError, match="in one group"):
        explain.conv_backward(np.ones((5, 5, 2)), layer)
