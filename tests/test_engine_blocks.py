"""Blocks one by one: which algorithm, with or without bias, in a layer used twice, frozen, wanted or not."""

import numpy as np
import pytest
from engine_cases import check, conv_case
from test_engine_plan import IMAGE, assert_agree, batch, blocks_of, step_of

from tinyconv import Input, Model, Sequential, config
from tinyconv.engine.blocks.base import Buffer, for_kernels
from tinyconv.engine.blocks.build import make
from tinyconv.engine.blocks.convolution import choose
from tinyconv.engine.blocks.depthwise import Depthwise
from tinyconv.engine.blocks.winograd import Winograd
from tinyconv.layers import (
    Activation,
    Add,
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    Layer,
    MaxPooling2D,
    ReLU,
    SpatialDropout2D,
)


@pytest.fixture(autouse=True)
def on_the_machine():
    """Blocks run what they can."""
    with config.engine("numba"):
        yield


# Which algorithm

BY_TWO = ((2, 2), (2, 2), "valid")

CHOICES = {
    "Winograd": (conv_case(9, 9, 8, 5), "winograd", "3x3 window, stride 1"),
    "2 by 4 cells": (conv_case(4, 6, 8, 5), "winograd", "3x3 window, stride 1"),
    "7 cells": (conv_case(3, 9, 8, 5), "tiles", "a map of 1x7, smaller than Winograd's tiles"),
    "7 channels": (conv_case(9, 9, 7, 5), "tiles", "few channels"),
    "7 channels, pooled": (conv_case(9, 9, 7, 5, pool=BY_TWO), "direct", "few channels, 2x2 pooling"),
    "averaged": (conv_case(9, 9, 7, 5, pool=BY_TWO, pool_kind="average"), "tiles", "few channels"),
    "5x3 window": (conv_case(9, 9, 8, 5, size=(5, 3)), "tiles", "5x3 window"),
    "strides": (conv_case(9, 9, 8, 5, strides=(1, 2)), "tiles", "strides or dilation"),
    "dilation": (conv_case(9, 9, 3, 5, dilation=2, pool=BY_TWO), "tiles", "strides or dilation"),
    "groups": (conv_case(9, 9, 8, 4, groups=4), "tiles", "4 groups"),
    "depthwise": (conv_case(9, 9, 8, 16, groups=8, strides=2), "depthwise", "each channel by itself"),
    "one channel": (conv_case(9, 9, 1, 5), "tiles", "few channels"),
}


@pytest.mark.parametrize("name", CHOICES)
def test_the_algorithm_suits_the_case(name):
    case, title, reason = CHOICES[name]
    kind, why = choose(case)
    assert (kind.title, why) == (title, reason)


def test_winograd_can_be_switched_off_and_on():
    model = Sequential([Input((9, 9, 8)), Conv2D(5, 3)])
    found = []
    for allowed in (True, False, True):
        config.set_winograd(allowed)
        found.append(model._plans.current.steps[0].runs.algorithm)
    assert found == ["winograd", "tiles", "winograd"]


@pytest.mark.parametrize("more", range(4))
def test_maps_that_end_anywhere_in_a_tile(more):
    check(Winograd, conv_case(7 + more, 10 - more, 9, 5, relu=more > 1))


@pytest.mark.parametrize("width", [5, 6, 7, 8])
def test_depthwise_windows_without_neighbours(width):
    check(Depthwise, conv_case(4, width, 3, 3, size=(2, 1), groups=3))  # no border between the rows of the gradient


# What a layer may be: one for each algorithm and block

LAYERS = {
    "direct": lambda **more: [Conv2D(3, 3, padding="same", activation="relu", **more), MaxPooling2D(padding="same")],
    "winograd": lambda **more: [Conv2D(8, 1), Conv2D(8, 3, padding="same", activation="relu", **more)],
    "tiles": lambda **more: [Conv2D(3, (2, 3), padding="same", **more)],
    "depthwise": lambda **more: [DepthwiseConv2D(3, padding="same", **more)],
    "dense": lambda **more: [Dense(19, activation="relu", **more)],
    "one unit": lambda **more: [Dense(1, **more)],
}
each_layer = pytest.mark.parametrize("name", LAYERS)


def network(*hidden):
    """An image, the layers, and three classes."""
    return Sequential([Input(IMAGE), *hidden, Flatten(), Dense(3, activation="softmax")])


@each_layer
def test_without_a_bias(name):
    assert_agree(network(*LAYERS[name](use_bias=False)), *batch(4))


@each_layer
@pytest.mark.parametrize("use_bias", [True, False])
def test_a_layer_used_twice_adds_both_gradients(name, use_bias):
    x = Input(IMAGE)
    y = x
    *before, shared = [layer for layer in LAYERS[name](use_bias=use_bias) if not isinstance(layer, MaxPooling2D)]
    for layer in before:
        y = layer(y)
    both = [MaxPooling2D()(shared(y)), MaxPooling2D()(shared(Activation("tanh")(y)))]
    merged = Add()(both)
    model = Model(x, Dense(3, activation="softmax")(Flatten()(merged)))
    assert sum(shared in step.layers and not isinstance(step.runs, Layer) for step in model._plans.current.steps) == 2
    assert_agree(model, *batch(4))


def test_a_normalisation_used_twice_adds_both_gradients():
    x = Input(IMAGE)
    shared = BatchNormalization()
    y = Add()([shared(Conv2D(4, 1)(x)), shared(Conv2D(4, 3, padding="same")(x))])
    assert_agree(Model(x, Dense(3, activation="softmax")(Flatten()(y))), *batch())


@each_layer
def test_gradients_may_be_asked_for_outside_of_training(name):
    model, (x, y) = network(*LAYERS[name]()), batch(4)
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.train_on_batch(x, y)
    model.set_weights([w * np.float32(1.5) for w in model.get_weights()])  # what the blocks have laid out is stale
    found = {}
    for engine in ("numpy", "numba"):
        with config.engine(engine):
            _, [dx] = model.loss_and_gradients(x, y, training=False)
        found[engine] = [dx, *(g.copy() for layer in model.sublayers() for g in layer.grads.values())]
    for got, want in zip(found["numba"], found["numpy"], strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-5 * np.abs(want).max())


@each_layer
def test_a_frozen_layer_passes_the_gradient_on(name):
    hidden = [Conv2D(4, 3, padding="same"), *LAYERS[name](), BatchNormalization()]
    for layer in hidden[1:]:
        layer.trainable = False
    assert_agree(network(*hidden), *batch(4))


def test_a_gradient_that_nobody_wants_is_not_computed():
    for hidden in ([MaxPooling2D(), Flatten()], [Dropout(0.5), Flatten()], [Flatten()]):
        model, (x, y) = Sequential([Input(IMAGE), *hidden, Dense(3, activation="softmax")]), batch(4)
        model.compile("sgd", "sparse_categorical_crossentropy")
        plan = model._plans.current
        assert not plan.steps[0].feeds_back
        model.train_on_batch(x, y)
    for name, letters, layer in (("pooling", "P", MaxPooling2D()), ("dropout", "D", Dropout(0.5))):
        block = make(name, letters, [layer], IMAGE)
        out, cache = block.forward(batch(4)[0], True)
        assert block.backward(out, cache, to_input=False) is None


def test_dense_takes_rows_of_any_shape():
    hidden = [Dense(6, activation="relu"), Dense(16), AveragePooling2D()]
    assert_agree(network(*hidden), *batch(4))


def test_an_output_without_a_loss_leaves_no_gradient():
    x = Input(IMAGE)
    hidden = Conv2D(4, 3, activation="relu", name="trunk")(x)
    outputs = [Dense(3, activation="softmax", name=name)(Flatten()(hidden)) for name in ("judged", "unjudged")]
    model, (images, y) = Model(x, outputs), batch(4)
    kind = "sparse_categorical_crossentropy"
    for losses, silent in (([kind, kind], set()), ([kind, None], {"unjudged"})):
        model.compile("sgd", losses)
        model.loss_and_gradients(images, [y, y])
        zero = {layer.name for layer in model.layers if layer.grads and not any(g.any() for g in layer.grads.values())}
        assert zero == silent


def test_a_map_that_two_layers_read_is_stored():
    x = Input(IMAGE)
    feature_map = Conv2D(5, 3, activation="relu")(x)
    y = Add()([MaxPooling2D()(feature_map), AveragePooling2D()(feature_map)])
    model = Model(x, Dense(3, activation="softmax")(Flatten()(y)))
    assert blocks_of(model._plans.current) == "CPP..F."
    assert_agree(model, *batch(4))


def test_relu_and_dropout_before_a_normalisation_are_part_of_it():
    hidden = [Conv2D(5, 3), ReLU(), Dropout(0.2), BatchNormalization(), MaxPooling2D()]
    steps = network(*hidden)._plans.current.steps
    assert [len(step.layers) for step in steps[:2]] == [1, 4]


# What no block takes


@pytest.mark.parametrize(
    "layer",
    [ReLU(max_value=1.0), ReLU(negative_slope=0.2), Activation("tanh"), Dropout(0.5, noise_shape=(None, 1, 1, 3)),
     SpatialDropout2D(0.3), MaxPooling2D((15, 17), padding="same")],
    ids=["clipped", "leaky", "tanh", "noise shape", "spatial", "255 cells"],
)  # fmt: skip
def test_rare_settings_run_as_the_layer_itself(layer):
    own = type(layer).from_config(layer.get_config())
    model = network(own)
    assert blocks_of(model._plans.current) == "..F."
    assert_agree(model, *batch(4))


def test_a_window_of_254_cells_is_the_largest():
    x = np.random.default_rng(0).normal(size=(2, 130, 5, 2)).astype("float32")
    x[:, 126, 1] = 9  # the winner is the last cell of the window
    block = make("pooling", "Q", [built(MaxPooling2D((127, 2)), x.shape[1:])], x.shape[1:])
    out, winner = block.forward(x, True)
    block.queue.settle()
    assert winner[0, 0, 0].tolist() == [253, 253]
    assert out[0, 0, 0].tolist() == [9, 9]


def built(layer, shape):
    """The layer, told the shape of its input."""
    layer.build((None, *shape))
    return layer


def test_images_of_unknown_size():
    x = Input((None, None, 3))
    y = GlobalAveragePooling2D()(Conv2D(5, 3, activation="relu")(x))
    model = Model(x, Dense(3, activation="softmax")(y))
    assert blocks_of(model._plans.current) == "..F."
    assert_agree(model, *batch(4))


def test_a_class_derived_from_one_with_a_block_is_not_taken_for_it():
    class Mine(MaxPooling2D):
        pass

    assert blocks_of(network(Mine())._plans.current) == "..F."


# Dropout


def test_random_numbers_are_drawn_in_the_order_of_the_layers():
    """One stream for all layers: a block that took its dropout too early or too late would draw another's mask."""
    x = Input(IMAGE)
    left, right = Conv2D(4, 3, activation="relu")(x), Conv2D(4, 3, activation="relu")(x)
    for layer in (Dropout(0.5), BatchNormalization(), ReLU(), MaxPooling2D()):  # one block, which ends after `right`
        left = layer(left)
    right = AveragePooling2D()(Dropout(0.3)(right))
    model = Model(x, Dense(3, activation="softmax")(Flatten()(Add()([left, right]))))
    assert blocks_of(model._plans.current) == "CNCDP..F."
    assert_agree(model, *batch())


@pytest.mark.parametrize("rate", [0.0, 1.0])
@pytest.mark.parametrize("after", [[], [BatchNormalization()]], ids=["alone", "before a normalisation"])
def test_nothing_or_everything_dropped(rate, after):
    found = [type(layer).from_config(layer.get_config()) for layer in after]
    hidden = [Conv2D(4, 3, activation="relu"), Dropout(rate), *found, MaxPooling2D(), Dropout(0.5)]
    assert_agree(network(*hidden), *batch(4))  # a rate of 0 draws no random numbers from those after it


# Memory


def test_a_buffer_serves_smaller_batches_and_is_made_anew_for_larger():
    buffer = Buffer((3, 2), "uint8")
    assert buffer.sample_bytes == 6
    first = buffer.take(4)
    assert first.shape == (4, 3, 2)
    assert np.shares_memory(first, buffer.take(2))
    assert np.shares_memory(first, buffer.take(4))
    assert not np.shares_memory(first, buffer.take(5))


def test_outputs_of_a_block_are_nobodys_buffers():
    model = Sequential([Input(IMAGE), Conv2D(4, 3)])
    first = model(batch(3)[0])
    kept = first.copy()
    model(batch(3, seed=1)[0])
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize("units", [16, 19])
def test_a_longer_batch_after_a_shorter_one(units):
    model, (x, y) = network(Conv2D(4, 3), Dense(units), Flatten()), batch(40)
    model.compile("sgd", "sparse_categorical_crossentropy")
    for n in (2, 3, 40, 17):
        model.train_on_batch(x[:n], y[:n])
    assert_agree(model, x, y)


def test_workspace_counts_each_buffer_once():
    shape = (8, 8, 4)
    pool = make("pooling", "P", [built(MaxPooling2D(), shape)], shape)
    out, image = 4 * 4 * 4, 8 * 8 * 4
    assert pool.workspace(5, to_input=False) == 5 * (4 * out + out)  # the values and their places
    assert pool.workspace(5, to_input=True) == 5 * (4 * out + out + 4 * image)
    conv = make("convolution", "CA", [built(Conv2D(6, 3), shape), None], shape)
    growth = conv.workspace(3, to_input=False) - conv.workspace(2, to_input=False)
    assert growth == 4 * 6 * 6 * 6
    assert conv.workspace(0, to_input=True) == conv.scratch_bytes > 0


@pytest.mark.parametrize(("relu", "mask"), [(True, 6 * 6 * 6), (False, 0)])
def test_averages_of_relu_keep_a_byte_for_each_cell(relu, mask):
    conv = make("convolution", "CAQ" if relu else "CQ", [Conv2D(6, 3), *[ReLU()] * relu, AveragePooling2D()], (8, 8, 4))
    growth = conv.workspace(3, to_input=False) - conv.workspace(2, to_input=False)
    assert growth == 4 * 3 * 3 * 6 + mask


@pytest.mark.parametrize(
    ("layer", "products"),
    [(Conv2D(6, (2, 3)), 7 * 6 * 2 * 3 * 4 * 6), (DepthwiseConv2D(3), 6 * 6 * 9 * 4), (Dense(5), 4 * 5)],
    ids=["tiles", "depthwise", "dense"],
)
def test_multiply_adds(layer, products):
    name = "dense" if isinstance(layer, Dense) else "convolution"
    assert make(name, "F" if name == "dense" else "C", [built(layer, (8, 8, 4))], (8, 8, 4)).multiply_adds == products


def test_kernels_get_what_they_can_take():
    x = np.arange(24, dtype="float32").reshape(2, 3, 4)
    assert for_kernels(x) is x
    x.flags.writeable = False
    for given in (x, x.astype("float64"), x.transpose(2, 0, 1), x[:, ::2]):
        taken = for_kernels(given)
        assert taken.dtype == np.float32
        assert taken.flags.c_contiguous
        assert taken.flags.writeable
        np.testing.assert_array_equal(taken, given)


def test_every_step_is_a_layer_or_a_block_that_says_why():
    model = network(*[layer for name in LAYERS for layer in LAYERS[name]()], BatchNormalization(), Dropout(0.1))
    for step in model._plans.current.steps:
        if not isinstance(step.runs, Layer):
            assert step.runs.title
            assert step.runs.algorithm
            assert step.runs.reason
    assert step_of(model, "numba", *batch(3))["loss"] > 0
