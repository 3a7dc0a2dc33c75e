"""The sizes of windows, against the numbers that the course notes print and against the naive definitions."""

import naive
import pytest

from tinyconv.geometry import Window, output_size, pair, parse_padding, same_pads

SAME_PADS = [
    # n, k, s, d, (before, after)
    (28, 3, 2, 1, (0, 1)),  # note 003, strided convolutions 28 -> 14 -> 7 -> 4
    (14, 3, 2, 1, (0, 1)),
    (7, 3, 2, 1, (1, 1)),
    (28, 2, 2, 1, (0, 0)),  # note 003, pooling 28 -> 14 -> 7 -> 4
    (7, 2, 2, 1, (0, 1)),
    (11, 2, 2, 1, (0, 1)),  # note 004, pooling 11 -> 6
    (299, 5, 1, 1, (2, 2)),  # note 001, first convolution
    (6, 2, 1, 1, (0, 1)),  # an even window cannot be centred: the odd pixel goes after
    (6, 4, 1, 1, (1, 2)),
    (10, 3, 4, 1, (0, 1)),
    (7, 3, 1, 2, (2, 2)),  # dilation makes the window reach 5 pixels
    (5, 1, 2, 1, (0, 0)),  # never negative where the stride is larger than the window
    (1, 3, 2, 1, (1, 1)),
]

VALID_SIZES = [
    # n, k, s, d, places
    (6, 3, 1, 1, 4),  # note 001, the 6x6 images
    (4, 2, 2, 1, 2),
    (299, 2, 2, 1, 149),  # note 001, pooling: the last pixel is left over
    (149, 2, 2, 1, 74),
    (100, 2, 2, 1, 50),  # note 002, pooling
    (50, 2, 2, 1, 25),
    (25, 2, 2, 1, 12),
    (28, 3, 1, 1, 26),  # note 003 and 004
    (26, 3, 1, 1, 24),
    (24, 3, 1, 1, 22),
    (26, 2, 2, 1, 13),
    (13, 3, 1, 1, 11),
    (11, 2, 2, 1, 5),
    (8, 3, 3, 1, 2),
    (7, 3, 1, 2, 3),
    (5, 5, 3, 1, 1),
    (4, 5, 1, 1, 0),  # does not fit
    (1, 9, 2, 1, 0),
]

SAME_SIZES = [
    # n, k, s, places
    (28, 3, 1, 28),
    (28, 3, 2, 14),
    (14, 3, 2, 7),
    (7, 3, 2, 4),
    (7, 2, 2, 4),
    (11, 2, 2, 6),
    (299, 5, 1, 299),
    (5, 7, 1, 5),  # "same" always fits, however small the image
]

GRID = [(n, k, s, d) for n in (1, 2, 7, 11, 28) for k in (1, 2, 3, 5) for s in (1, 2, 3) for d in (1, 2)]


@pytest.mark.parametrize(("n", "k", "s", "d", "pads"), SAME_PADS)
def test_same_pads_of_the_notes(n, k, s, d, pads):
    assert same_pads(n, k, s, d) == pads


@pytest.mark.parametrize(("n", "k", "s", "d"), GRID)
def test_same_pads_equals_naive(n, k, s, d):
    assert same_pads(n, k, s, d) == naive.same_pads(n, k, s, d)


@pytest.mark.parametrize(("n", "k", "s", "d", "places"), VALID_SIZES)
def test_output_size_of_the_notes(n, k, s, d, places):
    assert output_size(n, k, s, d) == places


@pytest.mark.parametrize(("n", "k", "s", "d"), GRID)
def test_output_size_counts_the_places(n, k, s, d):
    assert output_size(n, k, s, d) == len(naive.starts(n, k, s, d, 0, 0))


@pytest.mark.parametrize(("n", "k", "s", "places"), SAME_SIZES)
def test_same_output_size_of_the_notes(n, k, s, places):
    window = Window((k, 3), (s, 1), "same")
    assert window.output_size(n, 9) == (places, 9)


@pytest.mark.parametrize(("n", "k", "s", "d"), GRID)
def test_same_output_size_is_the_ceiling(n, k, s, d):
    assert Window((1, k), (1, s), "same", (1, d)).output_size(5, n) == (5, -(-n // s))


def test_window_keeps_rows_and_columns_apart():
    window = Window((3, 2), (2, 1), ((1, 0), (2, 3)), (1, 2))
    assert window.output_size(6, 5) == ((6 + 1 - 3) // 2 + 1, 5 + 5 - 2)


def test_window_pads_are_explicit_ones():
    assert Window((3, 3), padding=((1, 2), (3, 4))).pads(6, 7) == ((1, 2), (3, 4))


def test_window_reach_includes_dilation():
    assert Window((3, 2), dilation=(2, 4)).reach == (5, 5)


def test_output_shape_puts_channels_last():
    assert Window((3, 2)).output_shape((8, 6, 7, 3), 5, "Conv2D") == (8, 4, 6, 5)


def test_output_shape_keeps_the_unknown_batch():
    assert Window((3, 2)).output_shape((None, 6, 7, 3), 5, "Conv2D") == (None, 4, 6, 5)


@pytest.mark.parametrize("size", [(None, 7), (6, None), (None, None)])
def test_output_shape_of_unknown_image_size_is_unknown(size):
    assert Window((3, 2)).output_shape((None, *size, 3), 5, "Conv2D") == (None, None, None, 5)


def test_window_larger_than_the_image_says_what_would_fit():
    message = r"^Conv2D 'c': expected an image of at least 5x3 pixels.*Received 4x2 pixels.*padding='same'"
    with pytest.raises(ValueError, match=message):
        Window((3, 3), dilation=(2, 1)).output_shape((None, 4, 2, 1), 5, "Conv2D 'c'")


def test_window_larger_than_the_padded_image_names_the_padded_size():
    with pytest.raises(ValueError, match="2x3 pixels, 4x3 with padding"):
        Window((5, 1), padding=((1, 1), (0, 0))).output_shape((None, 2, 3, 1), 5, "Conv2D")


@pytest.mark.parametrize(("value", "expected"), [(3, (3, 3)), ((3, 5), (3, 5)), ([2, 1], (2, 1))])
def test_pair(value, expected):
    assert pair(value, "kernel_size") == expected


@pytest.mark.parametrize("value", [0, -1, (3, 0), (1, 2, 3), (4,), "3", "33", 2.5, (2.0, 3), True, None])
def test_pair_refuses(value):
    with pytest.raises(
        ValueError, match=r"Conv2D 'c': expected strides as one or two whole numbers.*Received strides="
    ):
        pair(value, "strides", "Conv2D 'c'")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("valid", "valid"),
        ("SAME", "same"),
        (2, ((2, 2), (2, 2))),
        (0, ((0, 0), (0, 0))),
        ((1, 2), ((1, 1), (2, 2))),
        (((1, 2), (3, 4)), ((1, 2), (3, 4))),
        ([[1, 2], [3, 4]], ((1, 2), (3, 4))),
        ((1, (3, 4)), ((1, 1), (3, 4))),
    ],
)
def test_parse_padding(value, expected):
    assert parse_padding(value) == expected


@pytest.mark.parametrize("value", ["full", "causal", "", -1, (1, 2, 3), ((0, 1),), 1.5, (1, -2), None, "12"])
def test_parse_padding_refuses(value):
    with pytest.raises(ValueError, match=r"expected padding 'valid', 'same'.*Received padding="):
        parse_padding(value)
