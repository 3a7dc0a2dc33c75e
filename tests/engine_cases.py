"""Compares a convolution algorithm of the engine with the mathematics: the layers, in float64.

`run` lets an algorithm loose on random images, in buffers with guard zones around them. `mathematics` computes the same
with `tinyconv.layers`. Where two cells of a window, or a number and 0, differ by less than float32 can tell, the two
may decide differently which one wins, and their gradients then differ for good reason. So the decisions of the run are
forced upon the mathematics, and `check` makes sure that each of them is right or a near-tie.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyconv import layers
from tinyconv.engine.blocks.case import ConvCase
from tinyconv.engine.kernels.maps import AVERAGE, CLOSED, EXTREME, STORED
from tinyconv.geometry import Window, pair
from tinyconv.layers.im2col import cells, pad

POOLINGS = {"max": layers.MaxPooling2D, "min": layers.MinPooling2D, "average": layers.AveragePooling2D}

#: Numbers on either side of a guarded array that nobody may read or change.
MARGIN = 64


@dataclass
class Run:
    """What an algorithm was given and what came out."""

    x: Any
    kernel: Any
    bias: Any
    dy: Any
    out: Any
    winner: Any
    mask: Any
    dx: Any = None
    dkernel: Any = None
    dbias: Any = None


def conv_case(height, width, channels, filters, size=3, padding="valid", strides=1, dilation=1, pool=None, **settings):
    """A `ConvCase` in few words; ``pool`` is its size, its strides and its padding."""
    window = Window(pair(size, "size"), pair(strides, "strides"), padding, pair(dilation, "dilation"))
    if pool is not None:
        pool = Window(pair(pool[0], "size"), pair(pool[1], "strides"), pool[2])
    return ConvCase(height, width, channels, filters, window, pool=pool, **settings)


def numbers(case, n, seed=0):
    """A `Run` with random images, weights and gradients, and nothing in the other arrays; all but weights guarded."""
    rng = np.random.default_rng(seed)
    taps = (*case.window.size, case.channels // case.groups, case.filters)
    map_shape, out_shape = (n, *case.map_size, case.filters), (n, *case.out_size, case.filters)
    nothing = (1, 1, 1, 1)
    return Run(
        x=guarded(rng.normal(size=(n, case.height, case.width, case.channels))),
        kernel=(rng.normal(size=taps) / np.sqrt(np.prod(taps[:3]))).astype("float32"),
        bias=rng.normal(size=case.filters).astype("float32"),
        dy=guarded(rng.normal(size=out_shape)),
        out=guarded(np.full(out_shape, np.nan)),
        winner=guarded(np.full(out_shape if case.kind == EXTREME else nothing, 99), "uint8"),
        mask=guarded(np.full(map_shape if case.kind == AVERAGE and case.relu else nothing, 99), "uint8"),
        dx=guarded(np.full((n, case.height, case.width, case.channels), np.nan)),
        dkernel=np.full(taps, np.nan, "float32"),
        dbias=np.full(case.filters, np.nan, "float32"),
    )


def run(kind, case, n=3, threads=2, seed=0, **arrays):
    """What the algorithm makes of random numbers, or of these ``arrays``. Before, it has worked on other numbers."""
    algorithm = kind(case, threads)
    go(algorithm, numbers(case, n + 1, seed + 1), threads)
    result = numbers(case, n, seed)
    for name, array in arrays.items():
        setattr(result, name, guarded(array))
    return go(algorithm, result, threads)


def go(algorithm, r, threads):
    """Forward and backward, with the images in as many slices as there are threads; fills the `Run`."""
    parts = [len(r.x) * t // threads for t in range(threads + 1)]
    with np.errstate(over="ignore", invalid="ignore"):  # as in a network: NaN and infinity show in the result
        algorithm.load(r.kernel, r.bias, True)
        for t in range(threads):
            algorithm.forward(t, parts[t], parts[t + 1], r.x, r.out, r.winner, r.mask)
        for t in range(threads):
            algorithm.backward(t, parts[t], parts[t + 1], r.x, r.dy, r.out, r.winner, r.mask, r.dx)
        algorithm.gradients(r.dkernel, r.dbias, add=False)
    return r


def mathematics(case, r):
    """(out, dx, dkernel, dbias) in float64, with the decisions of the run."""
    scaled = r.x.astype("float64") * case.scale + case.offset
    conv, z, cache = convolve(case, r, scaled)
    dy = r.dy.astype("float64")
    if case.kind == EXTREME:
        open_, shape = (r.winner != CLOSED) | (not case.relu), z.shape
        winner = np.where(r.winner == CLOSED, 0, r.winner)
        out = np.where(open_, picked(z, case.pool, winner), 0)
        dz = pooling(case).backward(np.where(open_, dy, 0), (winner, shape))  # (N, OH, OW, F)
    elif case.kind == AVERAGE:
        passes = r.mask if case.relu else np.ones(z.shape)
        out, pooled = pooling(case).forward(z * passes)
        dz = pooling(case).backward(dy, pooled) * passes
    else:
        passes = r.out > 0 if case.relu else np.ones(z.shape)
        out, dz = z * passes, dy * passes
    dx = conv.backward(dz, cache) * case.scale
    return out, dx, conv.grads["kernel"], conv.grads["bias"]


def convolve(case, r, x):
    """(the layer, its map, its cache) in float64."""
    window = case.window
    conv = layers.Conv2D(
        case.filters, window.size, window.strides, window.padding, dilation_rate=window.dilation, groups=case.groups,
        dtype="float64",
    )  # fmt: skip
    conv.build((None, *x.shape[1:]))
    conv.params["kernel"][...], conv.params["bias"][...] = r.kernel, r.bias
    return conv, *conv.forward(x)


def pooling(case):
    """The layer that pools."""
    return POOLINGS[case.pool_kind](case.pool.size, case.pool.strides, case.pool.padding)


def picked(z, pool, winner):
    """The cell of each window at this place."""
    candidates = np.stack(list(cells(pad(z, pool, np.nan), pool)))  # (KH*KW, N, PH, PW, F)
    return np.take_along_axis(candidates, winner[None].astype(int), axis=0)[0]


def check(kind, case, n=3, threads=2, tolerance=1e-4, seed=0):
    """Everything is within the tolerance of the mathematics, relative to the largest entry; no guard is touched."""
    r = run(kind, case, n, threads, seed)
    expected = mathematics(case, r)
    for name, wanted in zip(("out", "dx", "dkernel", "dbias"), expected, strict=True):
        assert distance(getattr(r, name), wanted) < tolerance, f"{name} of {case}"
    check_decisions(case, r, tolerance)
    for name in ("x", "dy", "out", "winner", "mask", "dx"):
        assert intact(getattr(r, name)), f"numbers around {name} changed, {case}"
    return r


def check_decisions(case, r, tolerance):
    """Each decision that `mathematics` took over is right, or wrong by less than the tolerance."""
    _, z, _ = convolve(case, r, r.x.astype("float64") * case.scale + case.offset)
    if case.kind == STORED or (case.kind == AVERAGE and not case.relu):
        return
    close = tolerance * np.abs(z).max()
    if case.kind == AVERAGE:
        assert set(np.unique(r.mask)) <= {0, 1}
        np.testing.assert_array_equal(r.mask == 1, np.where(np.abs(z) < close, r.mask == 1, z > 0))
        return
    best, _ = pooling(case).forward(z)
    closed = r.winner == CLOSED
    chosen = picked(z, case.pool, np.where(closed, 0, r.winner))
    assert np.abs(chosen - best)[~closed].max(initial=0) < close
    if case.relu:
        np.testing.assert_array_equal(closed, np.where(np.abs(best) < close, closed, best <= 0))
    else:
        assert not closed.any()


def distance(found, wanted):
    """The largest difference, relative to the largest number wanted."""
    assert found.shape == wanted.shape
    return np.abs(found - wanted).max(initial=0) / max(np.abs(wanted).max(initial=0), 1e-30)


def guarded(array, dtype="float32"):
    """A copy with guard zones on both sides: NaN, or 77 for bytes."""
    room = np.full(array.size + 2 * MARGIN, np.nan if dtype == "float32" else 77, dtype)
    inside = room[MARGIN : MARGIN + array.size].reshape(array.shape)
    inside[...] = array
    return inside


def intact(array):
    """Whether the guard zones of a `guarded` array are what they were."""
    room = array.base
    around = np.concatenate([room[:MARGIN], room[-MARGIN:]])
    return bool(np.all(np.isnan(around) if room.dtype == "float32" else around == 77))
