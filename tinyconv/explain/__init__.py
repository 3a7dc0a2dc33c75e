"""Where does this number come from? One immutable trace per operation, with many views.

    trace = explain.conv(image, kernel, padding="same")
    print(trace.text())        trace.figure()        trace.gif("conv.gif")        trace.html()        trace.alt

A trace runs the mathematics of `tinyconv.layers`, in float64, and keeps every term. Rows and columns count from 0.
"""

from tinyconv.explain.convolution import compare, conv, conv_cell, conv_pixel, correlation_and_convolution
from tinyconv.explain.pooling import flatten, pool
from tinyconv.explain.sizes import output_size

__all__ = [
    "compare",
    "conv",
    "conv_cell",
    "conv_pixel",
    "correlation_and_convolution",
    "flatten",
    "output_size",
    "pool",
]
