# %% [markdown]
# # 05 From loops to im2col to Numba
#
# **Goal.** You can write a convolution in three ways, you know why two of them are hundreds of times faster than the
# third, what that costs in memory and in waiting, and why their results agree only to rounding.
#
# **You need.** Notebooks 01, 02 and 04. Numba is installed with tinyconv.
#
# All times are of the computer this ran on. Run it on yours: other numbers, the same story.

# %%
# %matplotlib inline
import time

import numpy as np
from numba import njit
from threadpoolctl import threadpool_limits

from tinyconv import Sequential, config, explain, figures, layers

config.set_threads(1)
one_core = threadpool_limits(1)  # for NumPy's matrix product, too: so all ways have the same

# %% [markdown]
# ## Predict first
#
# Two images of 28x28 pixels with 8 channels, 16 filters of 3x3. That is 2 * 26 * 26 * 16 * 72 = 1,557,504
# multiplications.
#
# 1. How long do plain Python loops take? A millisecond, a second, a minute?
# 2. The same loops, the same order, translated to machine code: how many times faster?
# 3. All ways add the same 72 products for a cell. Will all digits of the sums be the same?

# %%
random = np.random.default_rng(0)
x = random.normal(size=(2, 28, 28, 8)).astype("float32")  # (N, H, W, C)
kernel = random.normal(size=(3, 3, 8, 16)).astype("float32")  # (KH, KW, C, F)

# %% [markdown]
# ## By hand: seven loops
#
# The definition of notebook 01, for all images, all places and all filters.


# %%
def by_loops(x, kernel):
    N, H, W, C = x.shape
    KH, KW, _, F = kernel.shape
    y = np.zeros((N, H - KH + 1, W - KW + 1, F), x.dtype)
    for n in range(N):
        for i in range(H - KH + 1):
            for j in range(W - KW + 1):
                for f in range(F):
                    total = x.dtype.type(0)
                    for u in range(KH):
                        for v in range(KW):
                            for c in range(C):
                                total += x[n, i + u, j + v, c] * kernel[u, v, c, f]
                    y[n, i, j, f] = total
    return y


# %% [markdown]
# ## im2col: write the windows down, multiply once
#
# Python is slow at each single step, and fast at one large step. So every window is written as a row of a matrix, and
# the kernels as columns of another. Their product is the convolution.

# %%
A = np.array([[1, 0, 0, 0], [0, 1, 1, 1], [0, 0, 1, 0], [0, 1, 0, 0]])
small = explain.im2col(A, [[1, 2], [3, 4]])
assert small.matrix.shape == (9, 4)
small.figure()

# %% [markdown]
# *Nine windows as nine rows; inner pixels are written down four times, the corners once.*


# %%
def by_im2col(x, kernel):
    N, H, W, C = x.shape
    KH, KW, _, F = kernel.shape
    windows = np.lib.stride_tricks.sliding_window_view(x, (KH, KW), axis=(1, 2))  # (N, OH, OW, C, KH, KW)
    rows = windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, KH * KW * C)  # (N*OH*OW, KH*KW*C)
    return (rows @ kernel.reshape(-1, F)).reshape(N, H - KH + 1, W - KW + 1, F)


# %% [markdown]
# ## Numba: the same loops as machine code
#
# Numba translates a Python function when it is first called. The line of code below is all it takes.

# %%
compiled_loops = njit(by_loops)

# %% [markdown]
# Is that what tinyconv does? Its layers use im2col, for that is what a person can read. Its engine has compiled
# kernels, but better ones than these loops: they compute 8 or 16 filters at once in one register, and need no matrix.
#
# ## The same by the layer
#
# All ways beside the layer and the engine, and beside the same sum in float64.

# %%
model = Sequential([layers.Input((28, 28, 8)), layers.Conv2D(16, 3, use_bias=False)])
layer = model.layers[-1]
layer.set_weights([kernel])
exact = by_im2col(x.astype("float64"), kernel.astype("float64"))

ways = {
    "Python loops": lambda: by_loops(x, kernel),
    "im2col": lambda: by_im2col(x, kernel),
    "compiled loops": lambda: compiled_loops(x, kernel),
    "the layer": lambda: np.asarray(layer(x)),
    "the engine": lambda: model.predict_on_batch(x),
}
for way, compute in ways.items():
    assert compute().shape == exact.shape, way
    assert np.allclose(compute(), exact, rtol=0, atol=1e-4), way
print("All five agree to four decimals, of numbers up to", round(float(np.abs(exact).max())))

# %% [markdown]
# ### Why not to the last digit?
#
# A float32 has about seven digits, and each addition rounds. Another order of the same additions rounds otherwise:

# %%
large, little = np.float32(1e8), np.float32(3)
print((large + little) - large, "is not", (large - large) + little)

# %% [markdown]
# The ways add their 72 products in different orders. None is wrong; each is as far from the exact sum as rounding takes
# it. That is why tests compare with a tolerance, and why two computers may train two slightly different networks from
# the same seed.

# %% tags=["volatile"]
for way, compute in ways.items():
    print(f"{way:15} largest distance from the float64 sums: {np.abs(compute() - exact).max():.1e}")

# %% [markdown]
# ## Measure
#
# The best of several runs: what else the computer does can only make a run slower.


# %% tags=["volatile"]
def best(compute, seconds=0.3):
    """The shortest time of a call, in milliseconds."""
    times = []
    while sum(times) < seconds:
        start = time.perf_counter()
        compute()
        times.append(time.perf_counter() - start)
    return 1000 * min(times)


milliseconds = {way: best(compute) for way, compute in ways.items()}
slowest = max(milliseconds.values())
for way, took in milliseconds.items():
    print(f"{way:15} {took:10.3f} ms, {slowest / took:8.0f} times as fast as the slowest")

# %% tags=["volatile"]
figure = figures.new_figure(6.4, 2.6)
axes = figure.subplots()
axes.plot(list(milliseconds.values()), list(milliseconds), "o", color="#3b6ea5")
axes.invert_yaxis()
axes.set_xscale("log")
axes.xaxis.set_major_formatter("{x:g}")
axes.set_xlabel("milliseconds, each line ten times the one before")
axes.grid(axis="x")
figure

# %% [markdown]
# *The loops in Python lie far to the right, hundreds to thousands of times as slow; the axis is logarithmic.*
#
# <details><summary>The answers</summary>
#
# 1. Something like a second: hundreds of nanoseconds for each multiplication, most of them spent on finding out what is
#    to be multiplied.
# 2. Some hundred to a thousand times. The work is the same; what is gone is Python asking at each step what it has
#    before it.
# 3. No, see above.
# </details>
#
# ### What is not measured: the first call
#
# Numba compiles at the first call. That pays only if the function is called often, or if the machine code is kept on
# disk, as tinyconv keeps it.

# %% tags=["volatile"]
fresh = njit(by_loops)
start = time.perf_counter()
fresh(x, kernel)
first = time.perf_counter() - start
print(f"first call {1000 * first:.0f} ms, later {milliseconds['compiled loops']:.2f} ms")
saved = (milliseconds["Python loops"] - milliseconds["compiled loops"]) / 1000
print(f"compiling has paid after {int(np.ceil(first / saved))} call(s) instead of the Python loops")

# %% [markdown]
# ## Vary one thing: more work
#
# On two images the engine need not be the fastest: before it begins it has things to prepare, which take the same time
# for two images as for many. Here are 64:

# %% tags=["volatile"]
many = random.normal(size=(64, 28, 28, 8)).astype("float32")
for way, compute in {
    "im2col": lambda: by_im2col(many, kernel),
    "compiled loops": lambda: compiled_loops(many, kernel),
    "the engine": lambda: model.predict_on_batch(many),
}.items():
    compute()
    took = best(compute)
    print(f"{way:15} {took:7.3f} ms for 64 images, {took / milliseconds[way]:4.1f} times its time for 2")

# %% [markdown]
# ### The price of im2col
#
# im2col writes most pixels down nine times. On small images that is nothing. Its matrix for **one** image of note 001,
# in front of the second convolution:

# %%
for name, (height, channels, k) in {
    "this notebook": (26, 8, 3),
    "note 004, second convolution": (11, 32, 3),
    "note 001, first convolution": (299, 3, 5),
    "note 001, second convolution": (149, 32, 3),
}.items():
    print(f"{name:30} {height**2 * k * k * channels * 4 / 2**20:8.2f} MiB for one image")
assert 149**2 * 64 * (3 * 3 * 32) == 409_208_832  # multiplications in note 001's second convolution

# %% [markdown]
# With a batch of 32 that is 780 MiB for a matrix that is thrown away at once. So tinyconv's layers cut the work into
# pieces whose matrix fits into a fixed budget. The result is the same but for rounding, for smaller products are added
# in another order:

# %%
whole = np.asarray(layer(x))
before = config.columns_budget()
config.set_columns_budget(100_000)  # bytes; the whole matrix has 2 * 26 * 26 * 72 * 4 = 389,376
in_pieces = np.asarray(layer(x))
config.set_columns_budget(before)
assert np.allclose(in_pieces, whole, rtol=0, atol=1e-4)
print("In pieces of 100 kB: the same to four decimals.")

# %% [markdown]
# ## Exercises
#
# **1.** How many rows and columns has the im2col matrix of a 6x6 image and a 3x3 kernel? How often is an inner pixel
# written down? Check with `print(explain.im2col(np.arange(36).reshape(6, 6), np.ones((3, 3))))`.
#
# <details><summary>Answer</summary>
#
# 16 rows, one for each place, and 9 columns. The four innermost pixels are written down nine times, a corner once.
# </details>

# %%
matrix = explain.im2col(np.arange(36).reshape(6, 6), np.ones((3, 3)))
print(matrix.alt)

assert matrix.repeats[2, 2] == 9

# %% [markdown]
# **2.** With stride 3 and a 3x3 kernel, how much larger than the image is the matrix?
#
# <details><summary>Answer</summary>
#
# Not at all: each pixel lies under at most one window.
# </details>
#
# **3.** Put the loop over the filters `f` innermost in `by_loops`, adding into `y[n, i, j, f]`. Compile and measure it.
# Why is it faster?
#
# <details><summary>Answer</summary>
#
# The weights of neighbouring filters lie side by side in memory, and each of them is multiplied with the same pixel.
# The processor can take 8 or 16 at once. That is the idea of tinyconv's kernels; `docs/engine.md` tells the rest.
# </details>
#
# **4.** A 3x3 convolution needs nine multiplications for each output and channel. Could there be a way with fewer?
#
# <details><summary>Answer</summary>
#
# Yes: Winograd's. It computes 4x4 outputs together from 6x6 pixels, with 36 multiplications instead of 144, and pays
# with more additions and a little more rounding. The engine uses it where it pays.
# </details>

# %% [markdown]
# ## What the course notes say, and where they slip
#
# * **Note 003** says that dense networks have a "high computation cost" on images, and that CNNs are "more efficient
#   due to weight sharing and reduced parameters". Sharing saves parameters and memory, not multiplications: each of the
#   nine weights is used at every place. Note 001's second convolution has 18,496 parameters and 409 million
#   multiplications; its first dense layer has 350 million of both.
# * **Note 003** says that max pooling "makes our model faster". It does: the layers behind it have a quarter of the
#   places. The pooling itself costs time, too.
# * None of the notes says what a convolution costs, or that the first step of a training is slow because something is
#   being compiled or set up. In **note 001** the first epoch takes 7 s, the others 2 s.
#
# Next: [06 Backward by hand](06_backward_by_hand.ipynb).
