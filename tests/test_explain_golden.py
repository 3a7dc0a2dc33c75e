"""Note 001's examples as `tinyconv.explain` tells them: every number that follows from them, and whole texts."""

import note001
import numpy as np
import pytest
from note001 import IMAGES, KERNEL, SOBEL

from tinyconv import Sequential, explain, layers

both_images = pytest.mark.parametrize("name", ["A", "B"])


def rows(matrix):
    """A matrix as text shows it: two blanks before and between whole numbers of one digit."""
    return "\n".join("  " + "  ".join(str(int(v)) for v in row) for row in np.asarray(matrix))


def feature_map(name):
    return explain.conv(IMAGES[name], KERNEL).y


@both_images
def test_the_4x4_map(name):
    trace = explain.conv(IMAGES[name], KERNEL)
    assert trace.y[..., 0].tolist() == note001.MAPS[name]
    assert f"Output, 4 by 4:\n{rows(note001.MAPS[name])}\n" in trace.text()


@both_images
def test_the_map_max_pooled(name):
    trace = explain.pool(feature_map(name))
    assert f"Max pooled, 2 by 2:\n{rows(note001.MAX_POOLED[name])}\n" in trace.text()


@both_images
def test_the_map_min_pooled(name):
    trace = explain.pool(feature_map(name), mode="min")
    assert f"Min pooled, 2 by 2:\n{rows(note001.MIN_POOLED[name])}\n" in trace.text()


@pytest.mark.parametrize(("name", "mode", "tied"), [("A", "max", 1), ("B", "max", 1), ("A", "min", 4), ("B", "min", 2)])
def test_windows_with_ties(name, mode, tied):
    assert explain.pool(feature_map(name), mode=mode).tied == tied


def test_the_ties_of_the_maximum():
    assert explain.pool(feature_map("A")).ties(1, 1) == [(2, 3), (3, 2)]
    assert explain.pool(feature_map("B")).ties(0, 0) == [(0, 0), (0, 1), (1, 1)]


@both_images
def test_the_gradient_by_the_kernel(name):
    text = explain.conv_backward(IMAGES[name], KERNEL).text()
    assert f"dK, the gradient by the kernel:\n{rows(note001.DKERNEL[name])}\n" in text


@both_images
def test_the_gradient_by_the_kernel_through_max_pooling_with_ties_to_the_first_cell(name):
    dy = explain.pool_backward(feature_map(name)).dx
    text = explain.conv_backward(IMAGES[name], KERNEL, dy).text()
    assert f"dK, the gradient by the kernel:\n{rows(note001.DKERNEL_MAX_POOLED[name])}\n" in text


def test_the_two_results_of_stride_2_have_one_shape_and_other_numbers():
    one, same = (explain.conv(IMAGES["A"], KERNEL, strides=2, padding=padding) for padding in (1, "same"))
    text = explain.compare(one, same).text()
    assert "The outputs are all 3 by 3, but 6 of 9 cells differ." in text
    assert f"Output, 3 by 3:\n{rows(note001.STRIDE_2_PADDING_1)}\n" in text
    assert f"Output, 3 by 3:\n{rows(note001.STRIDE_2_SAME)}" in text


def test_the_kernel_of_the_note_cannot_tell_correlation_from_convolution():
    assert "cannot tell them apart" in explain.conv(IMAGES["A"], KERNEL).text()
    assert "14 of 16 cells would differ" in explain.conv(IMAGES["A"], SOBEL).text()


def test_sobel():
    assert explain.conv(IMAGES["A"], SOBEL).y[..., 0].tolist() == note001.SOBEL_MAP_A
    np.testing.assert_array_equal(explain.conv_backward(IMAGES["A"], SOBEL).dx[..., 0], note001.SOBEL_DX)


def test_the_im2col_matrix_is_16_by_9():
    trace = explain.im2col(IMAGES["A"], KERNEL)
    assert trace.matrix.shape == (16, 9)
    assert trace.factor == 4
    assert "(4 × 4) rows of (3 × 3 × 1) = 144 numbers, where the image has 36: 4 times" in trace.text(width=200)


def test_flatten_of_note_000():
    assert explain.flatten([[7, 5], [5, 8]]).y.tolist() == [7, 5, 5, 8]


@pytest.mark.parametrize(
    ("n", "k", "settings", "size"),
    [
        (299, 2, {"strides": 2}, 149),  # note 001
        (149, 2, {"strides": 2}, 74),
        (11, 2, {"strides": 2}, 5),  # note 004
        (11, 2, {"strides": 2, "padding": "same"}, 6),
        (14, 2, {"strides": 2, "padding": "same"}, 7),
        (28, 2, {"strides": 2, "padding": "same"}, 14),  # note 003
        (7, 2, {"strides": 2, "padding": "same"}, 4),
        (28, 3, {"strides": 2, "padding": "same"}, 14),
    ],
)
def test_sizes_of_the_notes(n, k, settings, size):
    trace = explain.output_size(n, k, **settings)
    assert trace.size == size
    assert f"= {size}." in trace.text(width=200)


def gradcheck_of_a_tie():
    return explain.gradcheck(layers.MaxPooling2D(name="pooling"), [[1, 3], [3, 0]], name="x", index=(0, 0, 1, 0))


def small_network():
    """A convolution of which filter 1 is that of the note, and a classifier of whole numbers."""
    model = Sequential([layers.Input((6, 6, 1)), layers.Conv2D(2, 3, activation="relu", name="conv")])
    model.add(layers.MaxPooling2D(name="pool"))
    model.add(layers.Flatten(name="flatten"))
    model.add(layers.Dense(2, activation="softmax", name="dense"))
    model.build()
    model.get_layer("conv").set_weights([np.stack([SOBEL, KERNEL], axis=-1)[:, :, None], np.array([0, -1])])
    model.get_layer("dense").set_weights([np.arange(16).reshape(8, 2) % 5 / 8, np.array([0.5, 0])])
    return model


TEXTS = {
    "conv": lambda: explain.conv(IMAGES["A"], KERNEL),
    "conv_b": lambda: explain.conv(IMAGES["B"], KERNEL),
    "conv_cell": lambda: explain.conv_cell(IMAGES["A"], SOBEL, 0, 2, bias=0.5, activation="relu"),
    "conv_pixel": lambda: explain.conv_pixel(IMAGES["A"], SOBEL, 2, 5),
    "conv_same": lambda: explain.conv(np.arange(20).reshape(4, 5), SOBEL, strides=2, padding="same"),
    "compare": lambda: explain.compare(
        *(explain.conv(IMAGES["A"], KERNEL, strides=2, padding=padding) for padding in (1, "same"))
    ),
    "correlation_and_convolution": lambda: explain.correlation_and_convolution(IMAGES["A"], SOBEL),
    "output_size": lambda: explain.output_size((28, 11), (3, 2), strides=2, padding="same"),
    "output_size_dropped": lambda: explain.output_size(299, 2, strides=2),
    "output_size_none": lambda: explain.output_size(3, 3, dilation_rate=2),
    "pool_max": lambda: explain.pool(note001.MAPS["A"]),
    "pool_min": lambda: explain.pool(note001.MAPS["B"], mode="min"),
    "pool_average": lambda: explain.pool(np.arange(15).reshape(3, 5), padding="same", mode="average"),
    "flatten": lambda: explain.flatten([[7, 5], [5, 8]]),
    "im2col": lambda: explain.im2col([[1, 2, 3], [4, 5, 6], [7, 8, 9]], [[1, 0], [0, -1]]),
    "conv_backward": lambda: explain.conv_backward(IMAGES["A"], KERNEL),
    "conv_backward_strides": lambda: explain.conv_backward(IMAGES["A"], SOBEL, strides=2, padding="same"),
    "conv_backward_weight": lambda: explain.conv_backward(IMAGES["A"], SOBEL).weight(0, 2),
    "pool_backward": lambda: explain.pool_backward(note001.MAPS["A"], [[1, 2], [3, 4]]),
    "batchnorm": lambda: explain.batchnorm([1, 3, 5, 7], gamma=2, beta=-1),
    "dropout": lambda: explain.dropout([1, 2, 3, 4], rate=0.5, seed=1),
    "softmax_cross_entropy": lambda: explain.softmax_cross_entropy([2, 1, 0, -1], 1),
    "adam_step": lambda: explain.adam_step([1, 2], [0.5, -3]),
    "gradcheck_tie": gradcheck_of_a_tie,
    "filter": lambda: explain.filter(small_network(), np.stack([IMAGES["A"], IMAGES["B"]])[..., None], 1),
    "network_against": lambda: explain.network(small_network(), IMAGES["A"], output=1, against=0, classes=["a", "b"]),
    "receptive_field": lambda: explain.receptive_field(
        [layers.Conv2D(4, 3, name="conv"), layers.MaxPooling2D(name="pool"), layers.Conv2D(4, 3, name="conv_1")],
        size=(12, 10),
    ),
}


@pytest.mark.parametrize("name", TEXTS)
def test_text(name, golden):
    golden(f"explain_{name}", TEXTS[name]().text())
