"""Figures of a network: filters, feature maps, saliency, Grad-CAM and shapes, by the numbers in them."""

import matplotlib
import numpy as np
import pytest
from matplotlib.patches import Polygon
from tiny_networks import CLASSES, IMAGE, C, branched, compiled, convnet, images, two_headed

from tinyconv import Input, Model, Sequential, notes, plots
from tinyconv.layers import (
    Activation,
    Add,
    BatchNormalization,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Flatten,
    GlobalAveragePooling2D,
    MaxPooling2D,
    ReLU,
)
from tinyconv.plots.looking import gradient_of_score

X = images(3)


def pictures(figure):
    """The arrays that are drawn as tiles."""
    return [np.asarray(image.get_array()) for image in figure.axes[0].images]


def texts(figure):
    """Everything that is written in the first panel."""
    return [text.get_text() for text in figure.axes[0].texts]


def one_conv(channels, filters=4, **settings):
    """A network of one convolution."""
    return Sequential([Input((7, 6, channels)), Conv2D(filters, (3, 2), **settings)])


def skipping():
    """conv > norm > relu, with a second convolution beside it: (model, the ReLU's and the second's name)."""
    x = Input(IMAGE)
    a = ReLU(name="relu")(BatchNormalization(name="norm")(Conv2D(4, 3, padding="same", name="first")(x)))
    b = Conv2D(4, 3, padding="same", activation="tanh", name="second")(a)
    y = Dense(CLASSES, activation="softmax")(GlobalAveragePooling2D()(Add()([a, b])))
    return Model(x, y)


# Filters


def test_filters_are_the_kernel_centred_at_zero():
    model = one_conv(1)
    figure = plots.filters(model)
    kernel = model.layers[0].params["kernel"]
    for f, shown in enumerate(pictures(figure)):
        np.testing.assert_array_equal(shown, kernel[:, :, 0, f])
    end = np.abs(kernel).max()
    assert {image.get_clim() for image in figure.axes[0].images} == {(-end, end)}
    assert {image.get_interpolation() for image in figure.axes[0].images} == {"nearest"}
    assert texts(figure)[::2] == ["0", "1", "2", "3"]


def test_filters_on_three_channels_are_in_colour_and_grey_is_zero():
    model = one_conv(3)
    kernel = model.layers[0].weights[0]
    kernel[0, 0, :, 1] = 0
    shown = pictures(plots.filters(model))[1]
    np.testing.assert_allclose(shown, 0.5 + 0.5 * kernel[..., 1] / np.abs(kernel).max(), rtol=1e-6)
    np.testing.assert_array_equal(shown[0, 0], [0.5] * 3)


def test_filters_on_many_channels():
    model = one_conv(10, filters=9)
    figure, kernel = plots.filters(model), model.layers[0].params["kernel"]
    np.testing.assert_array_equal(pictures(figure), kernel[:, :, :8, :8].transpose(3, 2, 0, 1).reshape(64, 3, 2))
    assert figure.get_suptitle() == "conv2d: 8 of 9 filters of 3x2"


@pytest.mark.parametrize("channels", [3, 10])
def test_filters_on_one_channel_of_many(channels):
    model = one_conv(channels)
    shown = pictures(plots.filters(model, channel=2))
    np.testing.assert_array_equal(shown, model.layers[0].params["kernel"][:, :, 2].transpose(2, 0, 1))


def test_at_most_sixty_four_filters():
    figure = plots.filters(one_conv(1, filters=65))
    assert len(pictures(figure)) == 64
    assert figure.get_suptitle() == "conv2d: 64 of 65 filters of 3x2"


def test_filters_of_a_depthwise_convolution():
    layer = DepthwiseConv2D(3, depth_multiplier=2)
    layer.build((None, 7, 6, 5))
    shown = pictures(plots.filters(layer))
    np.testing.assert_array_equal(shown, layer.params["kernel"].reshape(3, 3, 10).transpose(2, 0, 1))


def test_filters_of_a_layer_by_name():
    model = skipping()
    expected = model.get_layer("second").weights[0][:, :, 1].transpose(2, 0, 1)
    np.testing.assert_array_equal(pictures(plots.filters(model, "second", channel=1)), expected)
    np.testing.assert_array_equal(pictures(plots.filters(model, model.get_layer("second"), channel=1)), expected)


@pytest.mark.parametrize(
    ("ask", "match"),
    [
        (lambda: plots.filters(Conv2D(4, 3)), "a convolution that is built"),
        (lambda: plots.filters(convnet(), "dense"), "a convolution of .*: conv2d"),
        (lambda: plots.filters(convnet(), channel=2), r"channel as a whole number from 0 to 1\. Received channel=2"),
        (lambda: plots.filters(Sequential([Input((4,)), Dense(2)])), "a model with a convolution"),
    ],
)
def test_no_such_filters(ask, match):
    with pytest.raises(ValueError, match=match):
        ask()


# Feature maps


def test_maps_are_what_the_layer_returns():
    model = convnet()
    expected = Model(model.inputs, model.layers[0].output).predict(X[:1], verbose=0)[0]  # (h, w, F)
    figure = plots.feature_maps(model, X[0])
    np.testing.assert_allclose(pictures(figure), expected.transpose(2, 0, 1), rtol=1e-5, atol=1e-6)
    assert figure.get_suptitle() == "conv2d: 4 maps of 5x4"


@pytest.mark.parametrize("shape", [(7, 6), (7, 6, 1), (1, 7, 6, 1)])
def test_an_image_may_come_without_batch_and_channel(shape):
    model = one_conv(1)
    flat = np.arange(42.0)
    expected = pictures(plots.feature_maps(model, flat.reshape(7, 6)))
    np.testing.assert_array_equal(pictures(plots.feature_maps(model, flat.reshape(shape))), expected)


def signed():
    """A network whose maps have signs: 1 and -3 times the image, and a dead one."""
    model = one_conv(1, filters=3)
    kernel = model.layers[0].weights[0]
    kernel[...] = 0
    kernel[0, 0, 0] = [1, -3, 0]
    return model


def test_own_scales():
    image = np.zeros((7, 6))
    image[1, 2] = 2
    figure = plots.feature_maps(signed(), image)
    assert [image.get_clim() for image in figure.axes[0].images] == [(-2, 2), (-6, 6), (-1, 1)]
    assert [image.get_visible() for image in figure.axes[0].images] == [True, True, False]
    assert texts(figure) == ["0", "2", "1", "6", "2", "0", "dead"]
    assert "each map on its own scale" in figure.axes[0].get_title(loc="left")
    assert figure.alt.endswith("1 of these is dead.")


def test_shared_scale():
    figure = plots.feature_maps(signed(), np.ones((7, 6)), scale="shared")
    assert {image.get_clim() for image in figure.axes[0].images} == {(-3, 3)}
    assert "all maps on one scale" in figure.axes[0].get_title(loc="left")
    assert len(figure.axes) == 2  # the bar of the colours


def test_maps_without_signs_begin_at_zero():
    figure = plots.feature_maps(convnet(), X[0])
    assert {image.get_clim()[0] for image in figure.axes[0].images} == {0}


def test_nan_does_not_hide_the_other_maps():
    model = signed()
    model.layers[0].weights[0][0, 0, 0] = [1, np.nan, 0]
    figure = plots.feature_maps(model, np.ones((7, 6)))
    assert texts(figure) == ["0", "1", "1", "nan", "2", "0", "dead"]


def test_activation_of_a_layer_of_its_own_is_followed():
    model = skipping()
    expected = Model(model.input, model.get_layer("relu").output).predict(X[:1], verbose=0)[0]
    figure = plots.feature_maps(model, X[0], "first")
    np.testing.assert_allclose(pictures(figure), expected.transpose(2, 0, 1), rtol=1e-5, atol=1e-6)
    assert figure.get_suptitle() == "first > norm > relu: 4 maps of 7x6"


def test_two_readers_are_not_followed():
    x = Input(IMAGE)
    a = Conv2D(4, 3, name="a")(x)
    model = Model(x, Add()([Activation("relu")(a), a]))
    assert plots.feature_maps(model, X[0], "a").get_suptitle() == "a: 4 maps of 5x4"


def test_at_most_sixty_four_maps():
    figure = plots.feature_maps(one_conv(C, filters=66), X[0])
    assert len(pictures(figure)) == 64
    assert "66 maps of 5x5, 64 of them shown" in figure.alt


@pytest.mark.parametrize(
    ("ask", "match"),
    [
        (lambda: plots.feature_maps(convnet(), X), r"one image. Received x.shape=\(3, 7, 6, 2\). Choose one"),
        (lambda: plots.feature_maps(convnet(), X[0, :-1]), r"samples of shape \(7, 6, 2\)"),
        (lambda: plots.feature_maps(convnet(), X[0], "flatten"), "a layer that returns images: .*conv2d"),
        (lambda: plots.feature_maps(convnet(), X[0], "conv"), "the name of a layer"),
        (lambda: plots.feature_maps(convnet(), X[0], Conv2D(1, 1)), "a layer of Sequential"),
        (lambda: plots.feature_maps(convnet(), X[0], scale="one"), "'own', 'shared'"),
        (lambda: plots.feature_maps(two_headed(), X[0]), "a model that takes one image"),
        (lambda: plots.feature_maps(Sequential([Conv2D(3, 3)]), X[0]), "a known input shape"),
    ],
)
def test_no_such_maps(ask, match):
    with pytest.raises(ValueError, match=match):
        ask()


# Strip


def rows_of(figure):
    """Titles of the rows of maps."""
    return [axes.get_title(loc="left") for axes in figure.axes[1:]]


@pytest.mark.parametrize("activation", ["softmax", None])
def test_strip_ends_in_the_probabilities(activation):
    model = convnet(activation=activation)
    (found,) = model.predict(X[:1], verbose=0)
    expected = found if activation else np.exp(found) / np.exp(found).sum()
    figure = plots.feature_strip(model, X[0], labels=["cat", "dog", "hen"])
    bars = figure.axes[-1]
    np.testing.assert_allclose([bar.get_width() for bar in bars.patches], expected, rtol=1e-4)
    assert [label.get_text() for label in bars.get_yticklabels()] == ["cat", "dog", "hen"]
    assert [title.split(":")[0] for title in rows_of(figure)] == ["conv2d", "max_pooling2d", "probability"]


def test_labels_for_every_class():
    with pytest.raises(ValueError, match=r"labels: expected a name for class 2\. Received 2 labels"):
        plots.feature_strip(convnet(), X[0], labels=["cat", "dog"])


def test_strip_of_two_classes_with_one_output():
    model = Sequential([Input(IMAGE), Conv2D(4, 3), Flatten(), Dense(1, activation="sigmoid")])
    (second,) = model.predict(X[:1], verbose=0)[0]
    widths = [bar.get_width() for bar in plots.feature_strip(model, X[0]).axes[-1].patches]
    np.testing.assert_allclose(widths, [1 - second, second], rtol=1e-5)


def test_strip_of_a_network_without_classes():
    assert rows_of(plots.feature_strip(one_conv(C), X[0])) == ["conv2d: 4 maps of 5x5"]


def test_strip_shows_maps_that_differ():
    model = one_conv(1, filters=4)
    kernel = model.layers[0].weights[0]
    kernel[...] = 0
    kernel[0, 0, 0] = [1, 2, 1e-6, 0]  # the same, stronger, too weak, dead
    kernel[2, 1, 0, 0] = -1
    figure = plots.feature_strip(model, X[0, ..., :1], columns=3)
    assert [text.get_text() for text in figure.axes[1].texts][::2] == ["0", "1"]


def test_strip_of_a_deep_network_has_few_rows():
    model = Sequential([Input(IMAGE), *(Conv2D(2, 1) for _ in range(9))])
    assert len(plots.feature_strip(model, X[0]).axes) == 1 + 6
    assert len(plots.feature_strip(model, X[0], layers=["conv2d_3", "conv2d_7"]).axes) == 1 + 2


# Saliency


def score(model, x, class_):
    """The number of a class before softmax or sigmoid."""
    outputs = model.predict(x[None], verbose=0)[0]
    if len(outputs) == 1:
        return (1 if class_ else -1) * np.log(outputs[0] / (1 - outputs[0]))
    return np.log(outputs[class_])


@pytest.fixture
def precise(float64):
    """An image, for networks in float64."""
    return np.random.default_rng(5).random(IMAGE)


@pytest.mark.parametrize(
    ("make", "classes"),
    [
        (convnet, (0, 2)),
        (skipping, (1, 2)),
        (lambda: Sequential([Input(IMAGE), Conv2D(4, 3), Flatten(), Dense(1, activation="sigmoid")]), (0, 1)),
    ],
)
def test_saliency_is_the_slope_of_the_score(make, classes, precise):
    model, h = make(), 1e-6
    a, b = (plots.saliency_map(model, precise, class_) for class_ in classes)
    assert a.shape == IMAGE
    for place in [(0, 0, 0), (3, 2, 1), (6, 5, 1)]:
        step = np.zeros(IMAGE)
        step[place] = h
        slopes = [(score(model, precise + step, c) - score(model, precise - step, c)) / (2 * h) for c in classes]
        # Softmax divides by a sum that depends on the pixel too, the same for both classes.
        assert a[place] - b[place] == pytest.approx(slopes[0] - slopes[1], rel=1e-5, abs=1e-7)


def test_saliency_of_the_predicted_class():
    model = convnet()
    best = int(model.predict(X[:1], verbose=0).argmax())
    np.testing.assert_array_equal(plots.saliency_map(model, X[0]), plots.saliency_map(model, X[0], best))


def test_logits_need_no_cut():
    model = convnet(activation=None)
    twin = convnet()
    twin.set_weights(model.get_weights())
    np.testing.assert_array_equal(plots.saliency_map(model, X[0], 1), plots.saliency_map(twin, X[0], 1))


def test_softmax_as_a_layer_of_its_own_is_left_out_too():
    model = convnet(activation=None)
    twin = Sequential([*convnet(activation=None).layers, Activation("softmax")])
    twin.set_weights(model.get_weights())
    np.testing.assert_array_equal(plots.saliency_map(model, X[0], 1), plots.saliency_map(twin, X[0], 1))


def test_nothing_stays_in_the_model():
    model = compiled(branched())
    model.fit(X, [0, 1, 2], verbose=0)
    gradients = [g for layer in model.sublayers() for g in layer.grads.values()]
    before = [g.copy() for g in gradients], model.get_weights()
    plots.saliency(model, X[0])
    plots.grad_cam(model, X[0])
    for old, new in zip([*before[0], *before[1]], [*gradients, *model.get_weights()], strict=True):
        np.testing.assert_array_equal(old, new)


def test_saliency_figure_shows_sign_and_size():
    model = convnet()
    found = plots.saliency_map(model, X[0], 1)
    figure = plots.saliency(model, X[0], 1, labels=["cat", "dog", "hen"])
    signed, size = (axes.images[0] for axes in figure.axes[1:3])
    np.testing.assert_allclose(signed.get_array(), found.sum(axis=-1))
    np.testing.assert_allclose(size.get_array(), np.abs(found).max(axis=-1))
    assert signed.get_clim()[0] == -signed.get_clim()[1]
    assert size.get_clim()[0] == 0
    assert "for dog" in figure.get_suptitle()
    low, middle, high = (np.array(signed.cmap(share)) for share in (0.25, 0.5, 0.75))
    assert low[0] > low[2]  # orange
    np.testing.assert_allclose(middle, 1, atol=0.01)  # white
    assert high[2] > high[0]  # blue
    assert figure.axes[1].get_title(loc="left") == "brighter here: blue raises, orange lowers it"


@pytest.mark.parametrize("draw", [plots.saliency, plots.grad_cam, plots.feature_maps, plots.feature_strip])
def test_a_network_of_nan_can_be_looked_at(draw, tmp_path):
    model = convnet()
    for weights in model.weights:
        weights[...] = np.nan
    draw(model, X[0]).savefig(tmp_path / "nan.png")


@pytest.mark.parametrize(
    ("ask", "match"),
    [
        (lambda: plots.saliency(convnet(), X[0], CLASSES), "class_ as a whole number from 0 to 2. Received class_=3"),
        (lambda: plots.saliency(convnet(), X[0], "dog"), "class_ as a whole number"),
        (lambda: plots.saliency(one_conv(C), X[0]), "a model with one output, a number for each class"),
        (lambda: plots.saliency(two_headed(), X[0]), "a model that takes one image"),
        (lambda: plots.grad_cam(Sequential([Input(IMAGE), Flatten(), Dense(3)]), X[0]), "a model with a convolution"),
        (lambda: plots.grad_cam(convnet(), X[0], "flatten"), "a layer that returns images"),
    ],
)
def test_no_such_gradient(ask, match):
    with pytest.raises(ValueError, match=match):
        ask()


# Grad-CAM


@pytest.fixture
def by_hand():
    """Maps x and relu(-x), their means, and scores 2 a + 5 b and -a + 3 b of the means."""
    layers = [Conv2D(2, 1, activation="relu"), GlobalAveragePooling2D(), Dense(2, activation="softmax")]
    model = Sequential([Input((2, 2, 1)), *layers])
    model.set_weights([np.array([[[[1, -1]]]]), np.zeros(2), np.array([[2, -1], [5, 3]]), np.zeros(2)])
    return model


@pytest.mark.parametrize(
    ("class_", "expected"),
    [
        (0, [[0.5, 1.0], [1.5, 2.0]]),  # each cell of the first map counts 2 / 4
        (1, [[0.0, 0.0], [0.0, 0.0]]),  # -1 / 4: speaks against the class, and is left out
    ],
)
def test_grad_cam_by_hand(by_hand, class_, expected):
    image = np.array([[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_allclose(plots.grad_cam_map(by_hand, image, class_=class_), expected)


def test_grad_cam_takes_the_last_convolution():
    model = skipping()
    np.testing.assert_array_equal(plots.grad_cam_map(model, X[0]), plots.grad_cam_map(model, X[0], "second"))
    assert plots.grad_cam_map(model, X[0]).shape == IMAGE[:2]


def test_gradient_by_a_layer_that_is_bypassed(precise):
    model = skipping()
    model.build()
    weights = model.layers[-1].weights[0]  # (4, CLASSES)
    found = gradient_of_score(model, precise[None], 2, "test", model.get_layer("second").output)
    np.testing.assert_allclose(found.gradient, np.broadcast_to(weights[:, 2] / 42, (7, 6, 4)))


def test_grad_cam_of_a_model_inside():
    inner = Sequential([Input(IMAGE), Conv2D(4, 3, activation="relu")], name="base")
    model = Sequential([Input(IMAGE), inner, GlobalAveragePooling2D(), Dense(3)])
    assert plots.grad_cam_map(model, X[0]).shape == (5, 4)


def test_grad_cam_figure():
    model = convnet()
    found = plots.grad_cam_map(model, X[0])
    alone, beneath, over = (image for axes in plots.grad_cam(model, X[0]).axes[1:3] for image in axes.images)
    np.testing.assert_array_equal(alone.get_array(), found)
    np.testing.assert_array_equal(over.get_array(), found)
    assert over.get_extent() == [-0.5, 5.5, 6.5, -0.5]
    assert {image.get_interpolation() for image in (alone, beneath, over)} == {"nearest"}


# Shapes


def boxes(figure):
    """(width, height) of the front of every box, in inches."""
    fronts = [patch for patch in figure.axes[0].patches if isinstance(patch, Polygon)][::3]
    return [tuple(np.ptp(front.get_xy(), axis=0)) for front in fronts]


def test_shapes_name_every_layer():
    written = texts(plots.shapes(convnet()))
    for text in ("Conv2D 3x3", "conv2d", "5x4x4", "76 params", "MaxPool 2x2", "2x2x4", "Flatten", "16", "51 params"):
        assert text in written


def test_boxes_are_in_proportion():
    network = [Input((8, 6, 4)), MaxPooling2D(), Conv2D(16, 1), Flatten(), Dense(3)]
    sizes = boxes(plots.shapes(Sequential(network)))
    assert len(sizes) == 5
    assert sizes[0][1] == pytest.approx(2 * sizes[1][1])
    assert sizes[2] == pytest.approx((2 * sizes[1][0], sizes[1][1]))  # four times the channels
    assert sizes[3][1] > sizes[4][1]


def test_shapes_of_a_graph_say_where_inputs_come_from():
    assert "from relu, second" in texts(plots.shapes(skipping()))


def test_a_layer_that_is_called_twice_has_its_parameters_once():
    x, layer = Input((4,)), Dense(4)
    assert texts(plots.shapes(Model(x, layer(layer(x)))))[-5:-1] == ["Dense", "dense", "4", "the same again"]


def test_shapes_of_a_huge_network_allocate_nothing():
    model = notes.network("note001")
    figure = plots.shapes(model)
    assert "350,586,533 parameters" in figure.get_suptitle()
    assert not any(layer.params for layer in model.layers)


def test_shapes_of_unknown_sizes():
    written = texts(plots.shapes(Sequential([Input((None, None, 3)), Conv2D(4, 3), GlobalAveragePooling2D()])))
    assert "?x?x4" in written


def test_rows_are_of_one_length():
    figure = plots.shapes(Sequential([Input((4,)), *(Dense(4) for _ in range(8))]))
    starts = [text.get_position() for text in figure.axes[0].texts if text.get_fontweight() == "bold"]
    assert [sum(y == row for _, y in starts) for row in sorted({y for _, y in starts}, reverse=True)] == [5, 4]


def test_shapes_need_a_shape():
    with pytest.raises(ValueError, match="a known input shape"):
        plots.shapes(Sequential([Dense(3)]))


# All of them

FIGURES = {
    "filters": lambda: plots.filters(convnet()),
    "feature_maps": lambda: plots.feature_maps(convnet(), X[0]),
    "feature_strip": lambda: plots.feature_strip(convnet(), X[0]),
    "saliency": lambda: plots.saliency(convnet(), X[0]),
    "grad_cam": lambda: plots.grad_cam(convnet(), X[0]),
    "shapes": lambda: plots.shapes(convnet()),
    "confusion_matrix": lambda: plots.confusion_matrix(np.eye(3, dtype=int)),
    "wrong_predictions": lambda: plots.wrong_predictions(X, [0, 1, 2], [1, 1, 0], [0.5, 0.9, 0.7], ["a", "b", "c"]),
    "curves": lambda: plots.curves({"loss": [1.0, 0.5]}),
}


@pytest.mark.parametrize("name", FIGURES)
def test_figures_have_a_sentence_and_can_be_written(name, tmp_path):
    before = dict(matplotlib.rcParams)
    figure = FIGURES[name]()
    figure.savefig(tmp_path / "figure.png")
    assert dict(matplotlib.rcParams) == before
    assert figure.alt.endswith(".")
    assert "\n" not in figure.alt
    assert ". " not in figure.alt
