# %% [markdown]
# # 03 Pooling and flattening
#
# **Goal.** You can pool a map by hand with maximum, minimum and mean, you know what happens where two numbers tie and
# where the window sticks out, and you know in which order flattening writes the numbers down.
#
# **You need.** Notebooks 01 and 02.

# %%
# %matplotlib inline
import numpy as np

from tinyconv import explain, layers

# %% [markdown]
# ## Predict first
#
# This is the feature map of notebook 01. A 2x2 window moves over it, 2 cells at a time, and keeps one number of each
# window.

# %%
feature_map = np.array(
    [
        [1, 1, 2, 0],
        [1, 3, 0, 0],
        [2, 0, 0, 3],
        [0, 0, 3, 0],
    ]
)

# %% [markdown]
# 1. What is left if the window keeps its largest number? Its smallest?
# 2. One window has its largest number twice. If that number is to grow, which of the two cells must grow?
# 3. Which of the three, maximum, minimum or mean, tells you most about *where* the kernel found its pattern?

# %% [markdown]
# ## By hand

# %%
windows = [[feature_map[i : i + 2, j : j + 2] for j in (0, 2)] for i in (0, 2)]
largest = np.array([[w.max() for w in row] for row in windows])
smallest = np.array([[w.min() for w in row] for row in windows])
mean = np.array([[w.mean() for w in row] for row in windows])
print("largest\n", largest)
print("smallest\n", smallest)
print("mean\n", mean)

# %% [markdown]
# <details><summary>The answers</summary>
#
# 1. 3 2 / 2 3 and 1 0 / 0 0.
# 2. Either of them would do. Frameworks take one by convention: here, as in TensorFlow, the first in reading order.
#    Both cells would be wrong: then the number would count twice.
# 3. The maximum: a high number stays where a kernel matched anywhere in the window. The minimum is high only where it
#    matched everywhere; the mean thins a single match out.
# </details>
#
# ## The same by `explain`

# %%
trace = explain.pool(feature_map)
print(trace)

# %%
trace.figure()

# %% [markdown]
# *Each window's largest number is outlined; at the bottom right two 3 tie, and the first one counts.*

# %% [markdown]
# ## The same by the layers

# %%
x = feature_map.reshape(1, 4, 4, 1).astype("float32")
for layer, mode, by_hand in [
    (layers.MaxPooling2D(2), "max", largest),
    (layers.MinPooling2D(2), "min", smallest),
    (layers.AveragePooling2D(2), "average", mean),
]:
    assert np.array_equal(layer(x)[0, :, :, 0], by_hand)
    assert np.array_equal(explain.pool(feature_map, mode=mode).y[:, :, 0], by_hand)
assert largest.tolist() == [[3, 2], [2, 3]]
assert smallest.tolist() == [[1, 0], [0, 0]]
print("Three layers, three times the same four numbers as by hand.")

# %% [markdown]
# ### Where the gradient goes
#
# If the loss wants a pooled number to grow, the winner must grow, and no other cell. With a gradient of 1 for each
# pooled number:

# %%
backward = explain.pool_backward(feature_map)
print(backward.dx[:, :, 0].astype(int))
assert backward.dx[:, :, 0].tolist() == [[0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 1], [0, 0, 0, 0]]

# %% [markdown]
# ## Vary one thing: the edge
#
# Five columns, windows of two. `"valid"` drops the last row and column. `"same"` lets the window stick out. What counts
# there? Not 0: on a map of negative numbers a 0 would win. For the maximum the padding counts as minus infinity, for
# the minimum as plus infinity, and the mean leaves it out.

# %%
negative = -np.arange(1, 26).reshape(5, 5)
print(negative)
padded = layers.MaxPooling2D(2, padding="same")(negative.reshape(1, 5, 5, 1).astype("float32"))[0, :, :, 0]
print(padded.astype(int))
assert padded.max() < 0  # with zeros as padding the last row and column would be 0
mean_at_corner = layers.AveragePooling2D(2, padding="same")(np.full((1, 5, 5, 1), 8.0, "float32"))[0, -1, -1, 0]
assert mean_at_corner == 8  # with zeros as padding it would be 2

# %%
explain.pool(negative, padding="same").figure()

# %% [markdown]
# *Windows that stick out at the right and at the bottom choose among the real cells only.*

# %% [markdown]
# ### Strides instead of pooling
#
# A convolution with stride 2 makes a map smaller, too. It computes a quarter of the cells, so it is about four times
# cheaper than convolution and pooling; but it looks only at every other place, and what lies between is not found.

# %%
A = np.array(
    [
        [1, 0, 0, 0, 0, 0],
        [0, 1, 1, 1, 0, 0],
        [0, 0, 1, 0, 0, 1],
        [0, 1, 0, 0, 1, 0],
        [0, 0, 0, 1, 0, 1],
        [0, 0, 1, 0, 0, 1],
    ]
)
K = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0]])
strided = explain.conv(A, K, strides=2)
print("pooled\n", largest)
print("strided\n", strided.y[:, :, 0].astype(int))
assert np.array_equal(strided.y[:, :, 0], feature_map[::2, ::2])

# %% [markdown]
# All three matches, the 3s, lie between the places of the strided convolution. Pooling keeps two of them, one
# in each window. A network that *learns* its kernels with stride 2 can make up for much of that.
#
# ## Flattening
#
# A dense layer wants one row of numbers. Flatten computes nothing, it only writes the numbers down in order: row after
# row, in a row column after column, and at each pixel **channel after channel**.

# %%
print(explain.flatten([[7, 5], [5, 8]]))

# %%
two_channels = np.array([[[1, 10], [2, 20]], [[3, 30], [4, 40]]])  # (2, 2, 2): rows, columns, channels
flat = layers.Flatten()(two_channels[None].astype("float32"))[0].astype(int)
print(flat)
assert flat.tolist() == [1, 10, 2, 20, 3, 30, 4, 40]
assert flat[(1 * 2 + 0) * 2 + 1] == two_channels[1, 0, 1]  # (row × width + column) × channels + channel

# %% [markdown]
# ## Exercises
#
# **1.** Pool the 4x4 map with 2x2 windows and stride 1. How large is the result? How often does each 3 win? Check with
# `print(explain.pool(feature_map, 2, strides=1))`.
#
# <details><summary>Answer</summary>
#
# 3x3, for windows may overlap. The 3 at row 1, column 1 is in four windows and wins them all; the gradients of all four
# are added in its cell. The 3 at row 2, column 3 is in two windows, and wins both. The 3 at row 3, column 2 is in two:
# it wins one, and in the other it ties with the one before it, which comes first.
# </details>
#
# **2.** Behind a ReLU no number is below 0. Would padding with zeros then do harm to the maximum? To the mean?
#
# <details><summary>Answer</summary>
#
# Not to the maximum: a 0 beats nothing but loses or ties. The mean would still be too small at the edge.
# </details>
#
# **3.** PyTorch keeps channels first, (C, H, W). You copy a dense layer's weights from a network there that flattens a
# map of 2 channels. What must you do?
#
# <details><summary>Answer</summary>
#
# Put the weights into the other order: there the numbers above stand as 1 2 3 4 10 20 30 40. Without that, every weight
# would meet another pixel, and there would be no error.
# </details>

# %% [markdown]
# ## What the course notes say, and where they slip
#
# * **Note 000** announces min pooling as one of two kinds. It never uses it, and Keras has no such layer. tinyconv has:
#   `layers.MinPooling2D`. It is also `-max(-x)`. Average pooling, which many networks use, is missing.
# * **Note 001** prints the pooled maps of both its images. They are right; that image A ties at the bottom right, the
#   note does not say. For the way forward it does not matter.
# * **Note 003** says that max pooling makes a network "robust to translation". A little: a match may move within its
#   window. If it moves across the window's edge, the pooled map changes like the map itself.
# * **Note 003** pools 7x7 maps with `padding="same"` to 4x4, and **note 004** 11x11 maps to 6x6: there the windows
#   stick out. Their other poolings are either exact or drop a row and a column.
# * **Note 000** shows flattening with one channel, 7 5 / 5 8 as 7 5 5 8. With several channels the order is not "map
#   after map", as pictures of it suggest.
#
# Next: [04 Counting](04_counting.ipynb).
