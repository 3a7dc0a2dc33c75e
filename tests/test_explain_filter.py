"""`explain.filter`: the strongest answers are those of the network, and lie where it saw them; weights in words."""

import numpy as np
import pytest

from tinyconv import Sequential, explain, layers


def network(*more, weights=None):
    """A convolution whose filter 1 has the given weights, perhaps with layers after it."""
    model = Sequential([layers.Input((9, 8, 1)), layers.Conv2D(3, 3, name="first"), *more])
    model.build()
    if weights is not None:
        kernel = np.random.default_rng(2).normal(size=(3, 3, 1, 3))
        kernel[..., 0, 1] = weights
        model.get_layer("first").set_weights([kernel, np.array([0.5, 0.25, 0])])
    return model


def images(n=5):
    return np.random.default_rng(3).random((n, 9, 8, 1)).astype(np.float32)


@pytest.mark.parametrize(
    ("weights", "likes"),
    [
        ([[1, 1, 1], [1, 1, 1], [1, 1, 1]], "bright places"),
        ([[-1, -1, -1], [-1, -2, -1], [-1, -1, -1]], "dark places"),
        ([[1, 2, 1], [0, 0, 0], [-1, -2, -1]], "edges that are brighter above"),
        ([[-1, -2, -1], [0, 0, 0], [1, 2, 1]], "edges that are brighter below"),
        ([[1, 0, -1], [2, 0, -2], [1, 0, -1]], "edges that are brighter on the left"),
        ([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], "edges that are brighter on the right"),
        ([[2, 1, 0], [1, 0, -1], [0, -1, -2]], "edges that are brighter above and on the left"),
        ([[-1, 2, -1], [-1, 2, -1], [-1, 2, -1]], "lines, spots or corners"),
    ],
)
def test_weights_in_words(weights, likes):
    trace = explain.filter(network(weights=weights), images(), 1)
    assert trace.likes == likes
    assert f"answers most to {likes}." in trace.text(width=500)
    assert sum(trace.shares.values()) == pytest.approx(1)


def test_the_answers_are_the_largest_numbers_of_the_map():
    model, x = network(weights=np.eye(3)), images()
    maps = model.predict(x, verbose=0)[..., 1]  # (N, 7, 6)
    trace = explain.filter(model, x, 1)
    assert [a.value for a in trace.answers] == pytest.approx(np.sort(maps.max(axis=(1, 2)))[::-1][:4].tolist())
    for answer in trace.answers:
        assert maps[answer.image, answer.row, answer.column] == pytest.approx(answer.value)
        assert (answer.piece * np.eye(3)).sum() + 0.25 == pytest.approx(answer.value)


def test_a_deeper_filter_sees_more_of_the_image():
    pool, second = layers.MaxPooling2D(), layers.Conv2D(2, 2, padding="same", name="second")
    trace = explain.filter(network(pool, second), images(), -1, "second")
    assert (trace.filter, trace.filters, trace.kernel.shape) == (1, 2, (2, 2, 3))
    field = explain.receptive_field([layers.Conv2D(3, 3), pool, second], (9, 8))
    for answer in trace.answers:
        rows, columns = field.pixels(answer.row, answer.column)
        x = images()[answer.image, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1, 0]
        np.testing.assert_array_equal(answer.piece, x)
    assert "channel " in trace.text()


def test_the_activation_that_follows_belongs_to_it():
    trace = explain.filter(network(layers.Activation("relu"), weights=-np.ones((3, 3))), images(), 1)
    assert trace.answers == ()
    assert trace.quiet == 1
    assert "it gives 0 everywhere" in trace.text()
    assert trace.alt.endswith("its strongest answer in 5 images is 0.")


def test_one_image_is_enough_and_a_depthwise_filter_has_one_channel():
    model = Sequential([layers.Input((9, 8, 2)), layers.DepthwiseConv2D(3, depth_multiplier=2)])
    trace = explain.filter(model, np.random.default_rng(4).random((9, 8, 2)), 3)
    assert (trace.images, trace.filters, trace.kernel.shape) == (1, 4, (3, 3, 1))
    assert explain.filter(network(), images()[0, ..., 0], 0).images == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filter": 3}, "filter from 0 to 2"),
        ({"layer": "furst"}, "Did you mean 'first'"),
        ({"layer": "flatten"}, "a convolution of Sequential .*: first"),
        ({"images": np.zeros((4, 4))}, "4, 4, 1"),
        ({"model": layers.Dense(2)}, "a model with one input"),
        ({"model": Sequential([layers.Input((9, 8, 1)), layers.Flatten()])}, "it has none"),
    ],
)
def test_what_has_no_filter(arguments, message):
    given = {"model": network(layers.Flatten(name="flatten")), "images": images(), "filter": 0, **arguments}
    with pytest.raises(ValueError, match=message):
        explain.filter(**given)
