"""Convolution: what each mistake is answered with."""

import numpy as np
import pytest

from tinyconv import layers
from tinyconv.layers import Conv2D, DepthwiseConv2D


def test_wrong_rank_names_the_way_out_for_grey_images():
    layer = Conv2D(5, 3, name="first")
    message = r"^Conv2D 'first': expected 4 axes.*Received x.shape=\(8, 28, 28\).*x\[\.\.\., None\]"
    with pytest.raises(ValueError, match=message):
        layer(np.zeros((8, 28, 28)))


def test_wrong_channels_names_both_numbers_and_the_way_out():
    layer = Conv2D(5, 3, name="conv2d_2")
    layer(np.zeros((2, 28, 28, 1)))
    message = (
        r"^Conv2D 'conv2d_2': expected 1 channel, .*Received x.shape=\(32, 28, 28, 3\). Convert the images to grey"
    )
    with pytest.raises(ValueError, match=message):
        layer(np.zeros((32, 28, 28, 3)))


def test_wrong_channels_of_a_symbolic_input_are_refused():
    layer = Conv2D(5, 3, name="shared")
    layer(layers.Input((28, 28, 1)))
    with pytest.raises(ValueError, match=r"Conv2D 'shared': expected 1 channel"):
        layer(layers.Input((28, 28, 3)))


def test_kernel_larger_than_a_valid_image():
    layer = Conv2D(5, (7, 3), name="wide")
    message = r"^Conv2D 'wide': expected an image of at least 7x3 pixels.*Received 5x6 pixels.*smaller kernel"
    with pytest.raises(ValueError, match=message):
        layer(np.zeros((2, 5, 6, 1)))


def test_kernel_larger_than_a_valid_image_with_dilation():
    with pytest.raises(ValueError, match="at least 9x3 pixels"):
        Conv2D(5, (3, 3), dilation_rate=(4, 1)).compute_output_shape((None, 8, 8, 1))


def test_two_inputs_are_refused():
    with pytest.raises(ValueError, match=r"Conv2D 'c': expected (one|a single) input"):
        Conv2D(5, 3, name="c")([layers.Input((8, 8, 1)), layers.Input((8, 8, 1))])


def test_unknown_argument_suggests_the_nearest():
    with pytest.raises(TypeError, match=r"Conv2D: .*Received filtrs=9.*Did you mean 'filters'\?"):
        Conv2D(5, 3, filtrs=9)


@pytest.mark.parametrize("argument", ["filters", "groups", "kernel_initializer", "kernel_regularizer"])
def test_depthwise_refuses_what_only_conv2d_has(argument):
    with pytest.raises(TypeError, match=rf"DepthwiseConv2D: expected arguments among.*Received {argument}=2"):
        DepthwiseConv2D(3, **{argument: 2})


def test_strides_with_dilation():
    with pytest.raises(ValueError, match=r"expected strides or dilation_rate above 1, not both.*strides=\(2, 1\)"):
        Conv2D(5, 3, strides=(2, 1), dilation_rate=(1, 2))


def test_depthwise_strides_with_dilation():
    with pytest.raises(ValueError, match=r"DepthwiseConv2D '.*': expected strides or dilation_rate above 1, not both"):
        DepthwiseConv2D(3, strides=2, dilation_rate=2)


def test_groups_that_do_not_divide_the_filters():
    with pytest.raises(ValueError, match=r"groups that divide the filters.*groups=3, filters=5"):
        Conv2D(5, 3, groups=3)


def test_groups_that_do_not_divide_the_channels():
    with pytest.raises(ValueError, match=r"groups that divide the input's channels.*groups=3 for 4 channels"):
        Conv2D(6, 3, groups=3)(np.zeros((2, 7, 6, 4)))


@pytest.mark.parametrize("filters", [0, -5, 2.5, "many", None])
def test_filters_must_be_positive_whole_numbers(filters):
    with pytest.raises(ValueError, match=r"Conv2D 'c': expected filters.*Received filters="):
        Conv2D(filters, 3, name="c")


@pytest.mark.parametrize("groups", [0, -1, 1.5])
def test_groups_must_be_positive_whole_numbers(groups):
    with pytest.raises(ValueError, match=r"Conv2D 'c': expected groups.*Received groups="):
        Conv2D(6, 3, groups=groups, name="c")


@pytest.mark.parametrize("name", ["kernel_size", "strides", "dilation_rate"])
def test_window_settings_must_be_positive_whole_numbers(name):
    options = {"filters": 5, "kernel_size": 3, "name": "c", name: (3, 0)}
    with pytest.raises(ValueError, match=rf"Conv2D 'c': expected {name} as one or two.*Received {name}=\(3, 0\)"):
        Conv2D(**options)


@pytest.mark.parametrize("padding", ["full", "causal", -1, (1, 2, 3)])
def test_padding_must_be_known(padding):
    with pytest.raises(ValueError, match=r"Conv2D 'c': expected padding 'valid', 'same'.*Received padding="):
        Conv2D(5, 3, padding=padding, name="c")


def test_channels_first_is_refused():
    with pytest.raises(ValueError, match=r"channels_last.*Received data_format='channels_first'"):
        Conv2D(5, 3, data_format="channels_first")


def test_unknown_activation_suggests_the_nearest():
    with pytest.raises(ValueError, match=r"activation 'rleu'.*Did you mean 'relu'\?"):
        Conv2D(5, 3, activation="rleu")


def test_unknown_initializer_suggests_the_nearest():
    with pytest.raises(ValueError, match=r"glorot_unifrom.*Did you mean 'glorot_uniform'\?"):
        Conv2D(5, 3, kernel_initializer="glorot_unifrom")


def test_unknown_channels_cannot_be_built():
    with pytest.raises(ValueError, match=r"last axis is known.*Received shape=\(None, 28, 28, None\)"):
        Conv2D(5, 3).build((None, 28, 28, None))


def test_a_misspelled_argument_that_is_needed_suggests_the_nearest():
    with pytest.raises(TypeError, match=r"Conv2D: .*Received kernal_size=3.*Did you mean 'kernel_size'\?"):
        Conv2D(5, kernal_size=3)


def test_a_class_of_your_own_may_pass_arguments_on():
    class Three(Conv2D):
        def __init__(self, filters, **kwargs):
            super().__init__(filters, 3, **kwargs)

    assert Three(5, padding="same").padding == "same"
    with pytest.raises(TypeError, match=r"Three: .*Received pading='same'.*Did you mean 'padding'\?"):
        Three(5, pading="same")
