"""Where does this number come from? One immutable trace per operation, with many views.

    trace = explain.conv(image, kernel, padding="same")
    print(trace)        trace.figure()        trace.gif("conv.gif")        trace.html()        trace.alt

A trace runs the mathematics of `tinyconv.layers`, in float64, and keeps every term. Rows and columns count from 0.
"""

from tinyconv.explain.backward import conv_backward, pool_backward
from tinyconv.explain.columns import im2col
from tinyconv.explain.convolution import compare, conv, conv_cell, conv_pixel, correlation_and_convolution
from tinyconv.explain.fields import receptive_field
from tinyconv.explain.filters import filter
from tinyconv.explain.network import network
from tinyconv.explain.page import page
from tinyconv.explain.pooling import flatten, pool
from tinyconv.explain.sizes import output_size
from tinyconv.explain.training import adam_step, batchnorm, dropout, gradcheck, softmax_cross_entropy

__all__ = [
    "adam_step",
    "batchnorm",
    "compare",
    "conv",
    "conv_backward",
    "conv_cell",
    "conv_pixel",
    "correlation_and_convolution",
    "dropout",
    "filter",
    "flatten",
    "gradcheck",
    "im2col",
    "network",
    "output_size",
    "page",
    "pool",
    "pool_backward",
    "receptive_field",
    "softmax_cross_entropy",
]
