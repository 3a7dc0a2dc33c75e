"""The plain twin of `vector`: the same names, in NumPy, for reading and for stepping through a kernel.

A vector is an array of LANES floats here. Loads and stores check that they stay inside the array.
"""

import numpy as np

from tinyconv.engine.lanes import LANES


def _cells(a, i, n=None):
    n = LANES if n is None else min(n, LANES)
    flat = a.reshape(-1)
    assert a.flags.c_contiguous, "the kernels see arrays flat"
    assert i >= 0, f"offset {i} before an array of {flat.size} numbers"
    assert i + n <= flat.size, f"offset {i} + {n} beyond an array of {flat.size} numbers"
    return flat[i : i + n]


def load(a, i):
    return _cells(a, i).astype(np.float32)


def load_some(a, i, n):
    v = np.zeros(LANES, np.float32)
    v[: min(n, LANES)] = _cells(a, i, n)
    return v


def store(a, i, v):
    _cells(a, i)[:] = v


def store_some(a, i, v, n):
    _cells(a, i, n)[:] = v[:n]


load_bytes = load_some


def store_bytes(a, i, v, n):
    _cells(a, i, n)[:] = v[:n].astype(np.uint8)


def broadcast(a, i):
    return splat(a.reshape(-1)[i])


def splat(s):
    return np.full(LANES, s, np.float32)


def fma(x, y, z):
    return x * y + z


def relu(x):
    return np.where(x < 0, np.float32(0), x)


def larger(x, y):
    return np.where(x > y, x, y)


def magnitude(x):
    return np.abs(x)


def if_beats(x, y, p, q):
    return np.where(~(x <= y) & ~np.isnan(y), p, q)


def if_equal(x, y, p, q):
    return np.where(x == y, p, q)


def if_positive(x, p, q):
    return np.where(x > 0, p, q)


def tile(MR, NV, KO, KI, A, a, a_r, a_o, a_i, B, b, b_o, b_i, C, c, c_r, accumulate):
    columns = NV * LANES
    entries, weights = A.reshape(-1), B.reshape(-1)
    for r in range(MR):
        row = C.reshape(-1)[c + r * c_r : c + r * c_r + columns]
        total = row.copy() if accumulate else np.zeros(columns, np.float32)
        for o in range(KO):
            for i in range(KI):
                start = b + o * b_o + i * b_i
                total += entries[a + r * a_r + o * a_o + i * a_i] * weights[start : start + columns]
        row[:] = total
