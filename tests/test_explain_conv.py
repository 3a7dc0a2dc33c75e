"""`explain.conv` and what belongs to it: the terms make the layer's output, and what cannot be explained is refused."""

import numpy as np
import pytest
from note001 import IMAGES, KERNEL, SOBEL

from tinyconv import explain, layers

SETTINGS = [
    {},
    {"strides": 2},
    {"strides": (1, 2), "padding": "same"},
    {"padding": "same", "dilation_rate": 2},
    {"padding": ((0, 2), (1, 0))},
    {"padding": 1, "strides": (3, 2), "bias": [0.5, -1.5], "activation": "relu"},
    {"activation": "tanh", "turned": True},
]
each_setting = pytest.mark.parametrize("settings", SETTINGS, ids=str)


def numbers(*shape, whole=False):
    found = np.random.default_rng(len(shape)).normal(size=shape)
    return np.round(4 * found) if whole else found


def cells(trace):
    oh, ow = trace.z.shape[:2]
    return [trace.cell(i, j) for i in range(oh) for j in range(ow)]


@each_setting
def test_the_terms_add_up_to_the_output(settings):
    trace = explain.conv(numbers(7, 6, 3), numbers(3, 2, 3, 2), filter=1, **settings)
    for cell in cells(trace):
        assert cell.products.sum() + cell.bias == pytest.approx(cell.z, rel=1e-12, abs=1e-12)


def test_whole_numbers_add_up_exactly():
    for cell in cells(explain.conv(numbers(6, 7, 2, whole=True), numbers(2, 3, 2, whole=True), padding="same")):
        assert cell.products.sum() == cell.z


@each_setting
def test_the_output_is_the_layers(settings, float64):
    x, k = numbers(7, 6, 3), numbers(3, 2, 3, 2)
    names = {name: value for name, value in settings.items() if name not in ("bias", "turned")}
    layer = layers.Conv2D(2, (3, 2), **names)
    layer.build((1, *x.shape))
    kernel = k[::-1, ::-1] if settings.get("turned") else k
    layer.set_weights([kernel, np.broadcast_to(settings.get("bias", 0.0), (2,))])
    np.testing.assert_array_equal(explain.conv(x, k, **settings).y, layer(x[None])[0])


@pytest.mark.parametrize(
    "layer",
    [
        layers.Conv2D(4, 3, strides=2, padding="same", activation="relu"),
        layers.Conv2D(6, (2, 3), groups=2, use_bias=False),
        layers.DepthwiseConv2D(3, depth_multiplier=2),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_a_layer_explains_itself(layer):
    x = numbers(7, 6, 4)
    y = layer(x[None].astype(np.float32))[0]
    trace = explain.conv(x.astype(np.float32), layer, filter=3)
    np.testing.assert_allclose(trace.y, y, atol=1e-5)
    for cell in cells(trace):
        assert cell.products.sum() + cell.bias == pytest.approx(cell.z, abs=1e-12)


def test_a_layer_is_not_changed():
    layer = layers.Conv2D(2, 3)
    layer(numbers(1, 5, 5, 1))
    before = layer.get_weights()
    explain.conv_backward(numbers(5, 5), layer)
    assert all(np.array_equal(a, b) for a, b in zip(before, layer.get_weights(), strict=True))
    assert not layer.grads["kernel"].any()


def test_nothing_global_is_changed():
    """Names and random numbers come as if nothing had been explained."""
    explain.conv(IMAGES["A"], KERNEL).text()
    assert layers.Conv2D(1, 3).name == "conv2d"


def test_a_trace_cannot_be_changed():
    trace = explain.conv(IMAGES["A"], KERNEL)
    with pytest.raises(ValueError, match="read-only"):
        trace.y[0, 0, 0] = 5
    with pytest.raises(AttributeError):
        trace.y = None


def test_an_image_of_any_size_has_cells():
    cell = explain.conv_cell(np.ones((200, 300)), SOBEL, 197, -1)
    assert (cell.column, cell.value) == (297, 0)
    assert "rows 197 to 199 and columns 297 to 299" in cell.text()


def test_padding_under_the_window_is_named():
    assert "5 cells of it are padding, zero" in explain.conv_cell(IMAGES["A"], KERNEL, 0, 0, padding=1).text()


def test_of_many_channels_the_largest_are_written_out():
    cell = explain.conv_cell(numbers(5, 5, 9), numbers(3, 3, 9), 1, 1)
    text = cell.text(width=10_000)
    assert "of the other 5 channels" in text
    assert text.count("\nChannel ") == 4
    shown = [int(line.split(":")[0].split()[1]) for line in text.splitlines() if line.startswith("Channel ")]
    sums = np.abs(cell.products.sum(axis=(0, 1)))
    assert set(shown) == set(np.argsort(-sums)[:4].tolist())


@pytest.mark.parametrize(
    "settings", [{}, {"strides": 2, "padding": 1}, {"dilation_rate": 2}, {"strides": (3, 1)}], ids=str
)
def test_the_outputs_that_feel_a_pixel(settings):
    x, k = numbers(7, 6), numbers(3, 2)
    before = explain.conv(x, k, **settings)
    x[3, 4] += 1
    after = explain.conv(x, k, **settings)
    felt = before.pixel(3, 4).felt
    changes = np.zeros(before.z.shape[:2])
    for place, weight in felt.items():
        changes[place] = k[weight]
    np.testing.assert_allclose((after.z - before.z)[..., 0], changes, atol=1e-12)


def test_a_channel_that_a_filter_does_not_see():
    layer = layers.Conv2D(2, 1, groups=2)
    layer(numbers(1, 3, 3, 2))
    assert "no output feels the pixel" in explain.conv_pixel(numbers(3, 3, 2), layer, 0, 0, 1).text()


def test_nan_and_infinity_are_shown():
    trace = explain.conv([[np.nan, 1], [np.inf, 2]], [[1]])
    assert "  nan  1\n  inf  2" in trace.text()
    trace.figure()


def test_batches_of_one_and_rows_of_text_are_images():
    assert explain.conv(IMAGES["A"][None, :, :, None], KERNEL).y.shape == (4, 4, 1)
    assert explain.conv("1 2 / 3 4", "1, 0; 0, -1").y.item() == -3


# What is refused


@pytest.mark.parametrize(
    ("x", "k", "settings", "message"),
    [
        ([[1, "one"], [2, 3]], [[1]], {}, r"an image as rows of numbers.*'one' in row 0, column 1"),
        ([[1, 2], [3]], [[1]], {}, "2 numbers in row 0 and 1 in row 1"),
        ("<img onerror>", [[1]], {}, "'<img' in row 0, column 0"),
        (None, [[1]], {}, "numbers, all of one length. Received None"),
        ([[1, None]], [[1]], {}, "None in row 0, column 1"),
        ([[1j]], [[1]], {}, "1j in row 0, column 0"),
        ([], [[1]], {}, "an image with at least one number"),
        ([1, 2, 3], [[1]], {}, r"one image, \(H, W\)"),
        (np.zeros((5, 4, 4, 1)), [[1]], {}, r"Choose one image of a batch, such as x\[0\]"),
        (np.zeros((2, 2)), KERNEL, {}, "at least 3x3 pixels for its window"),
        (np.zeros((4, 4)), KERNEL, {"dilation_rate": 2}, "at least 5x5 pixels"),
        (IMAGES["A"], KERNEL, {"strides": 0}, "strides as one or two whole numbers from 1"),
        (IMAGES["A"], KERNEL, {"strides": -1}, "strides as one or two whole numbers from 1"),
        (IMAGES["A"], KERNEL, {"padding": -1}, "padding 'valid'"),
        (IMAGES["A"], KERNEL, {"filter": 1}, "filter from 0 to 0"),
        (IMAGES["A"], KERNEL, {"activation": "reul"}, "Did you mean 'relu'"),
        (IMAGES["A"], KERNEL, {"bias": [1, 2]}, "one bias for each of 1 filter"),
        (IMAGES["A"], np.zeros((3, 3, 2)), {}, "2 channels for an image with 1"),
        (IMAGES["A"], layers.Flatten(), {}, "a kernel or a Conv2D layer"),
        (IMAGES["A"], layers.Conv2D(1, 3), {}, "not built yet"),
        (IMAGES["A"], layers.Conv2D(1, 3, input_shape=(6, 6, 1)), {"strides": 2}, "strides to be the layer's own"),
        (IMAGES["A"], layers.Conv2D(1, 3, input_shape=(6, 6, 3)), {}, "the 3 channels of Conv2D"),
        (np.zeros((6, 6, 9)), np.zeros((3, 3, 9)), {}, "at most 8 channels"),
    ],
)
def test_what_cannot_be_convolved(x, k, settings, message):
    with pytest.raises(ValueError, match=message):
        explain.conv(x, k, **settings)


def test_a_large_image_is_refused_with_the_size_that_makes_sense():
    with pytest.raises(ValueError, match=r"at most 32x32 pixels.*4096x4096.*x\[:32, :32\].*explain.conv_cell"):
        explain.conv(np.zeros((4096, 4096), np.float32), KERNEL)


@pytest.mark.parametrize("place", [(4, 0), (0, -5), (0.5, 0), (True, 0)])
def test_cells_that_are_not_there(place):
    with pytest.raises(ValueError, match="from 0 to 3"):
        explain.conv(IMAGES["A"], KERNEL).cell(*place)


def test_comparing_one_thing():
    with pytest.raises(ValueError, match=r"two or more results of explain\.conv"):
        explain.compare(explain.conv(IMAGES["A"], KERNEL))


def test_outputs_of_other_shapes_are_compared_too():
    traces = [explain.conv(IMAGES["A"], KERNEL, padding=padding) for padding in ("valid", "same")]
    assert explain.compare(*traces).difference == "the outputs have other shapes: 4 by 4 and 6 by 6."


def test_sizes_that_make_no_sense():
    with pytest.raises(ValueError, match="n as a whole number from 1"):
        explain.output_size(0, 3)
    with pytest.raises(ValueError, match="strides as one or two whole numbers from 1"):
        explain.output_size(6, 3, strides=0)


@pytest.mark.parametrize(
    ("settings", "unused"),
    [((7, 2, 2), [6]), ((7, 2, 3), [2, 5, 6]), ((6, 2, 1, "valid", 3), []), ((9, 1, 4), [1, 2, 3, 5, 6, 7])],
)
def test_pixels_under_no_window(settings, unused):
    (axis,) = explain.output_size(*settings).axes
    assert axis.unused == unused
