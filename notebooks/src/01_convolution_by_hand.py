# %% [markdown]
# # 01 A convolution by hand
#
# **Goal.** You can compute any cell of a feature map with pencil and paper, with one channel or three, and you know
# what frameworks mean by "convolution".
#
# **You need.** Adding and multiplying. Python and NumPy arrays help, but you can read without running.
#
# Rows and columns count from 0 everywhere.

# %%
# %matplotlib inline
import numpy as np

from tinyconv import explain, layers

# %% [markdown]
# ## An image is a table of numbers
#
# This is image A of course note 001, and its kernel: a small table that slides over the image.

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
K = np.array(
    [
        [0, 0, 1],
        [0, 1, 0],
        [1, 0, 0],
    ]
)

# %% [markdown]
# ## Predict first
#
# Lay the kernel on the image's top left corner, multiply each pixel with the number that lies on it, and add the nine
# products. Then move one pixel to the right and do it again.
#
# 1. How many places does the kernel have in a row?
# 2. What is the largest number that can come out, for an image of zeros and ones?
# 3. Where on A does the kernel find it?
#
# Write your answers down before you read on.

# %% [markdown]
# ## One cell by hand
#
# Row 1, column 1 of the output: the window lies on rows 1 to 3 and columns 1 to 3.

# %%
window = A[1:4, 1:4]
print(window)
print("times")
print(K)
print("is")
print(window * K)
print("and the sum is", (window * K).sum())

# %% [markdown]
# All cells are the same with another window. Two loops give the whole feature map.

# %%
by_hand = np.zeros((4, 4), int)
for i in range(4):
    for j in range(4):
        by_hand[i, j] = (A[i : i + 3, j : j + 3] * K).sum()
print(by_hand)

# %% [markdown]
# <details><summary>The answers</summary>
#
# 1. Four: the window begins in column 0, 1, 2 or 3; in column 4 it would stick out. 6 - 3 + 1 = 4.
# 2. 3. The kernel has three ones, and each is multiplied with a pixel that is at most 1.
# 3. Where the image has a diagonal of three ones from bottom left to top right: the 3 at row 1, column 1, at row 2,
#    column 3, and at row 3, column 2. So a kernel is a small picture of what it looks for.
# </details>

# %% [markdown]
# ## The same by `explain`
#
# `explain` runs the layer's mathematics, and keeps every product.

# %%
trace = explain.conv(A, K)
print(trace.cell(1, 1))

# %%
trace.cell(1, 1).figure()

# %% [markdown]
# *The window at row 1, column 1, its nine products with the kernel, and the 3 that they add up to.*

# %% [markdown]
# ## The same by the layer
#
# A layer takes a batch of images with channels, `(N, H, W, C)`, and its kernel is `(KH, KW, C, F)`: here one image, one
# channel, one filter.

# %%
layer = layers.Conv2D(1, 3, use_bias=False)
layer.build((None, 6, 6, 1))
layer.set_weights([K.reshape(3, 3, 1, 1)])
by_layer = layer(A.reshape(1, 6, 6, 1).astype("float32"))

assert by_layer.shape == (1, 4, 4, 1)
assert np.array_equal(by_layer[0, :, :, 0], by_hand)
assert np.array_equal(trace.y[:, :, 0], by_hand)
print("By hand, by explain and by the layer: the same sixteen numbers.")

# %% [markdown]
# ## Vary one thing: another kernel
#
# ### Correlation or convolution?
#
# In mathematics, convolution turns the kernel by 180 degrees before it slides. Frameworks do not: what they call
# convolution is cross-correlation. Turn the note's kernel: it stays the same, so this example cannot tell the two
# apart. Sobel's kernel, which looks for edges, can.

# %%
sobel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
assert np.array_equal(K, K[::-1, ::-1])
assert not np.array_equal(sobel, sobel[::-1, ::-1])

both = explain.correlation_and_convolution(A, sobel)
print(both.difference)
both.figure()

# %% [markdown]
# *Sobel's kernel as it is, above, and turned, below: where one output has 3, the other has -3.*

# %% [markdown]
# Does it matter? Not for learning: a network that learns a kernel just learns it turned. It matters as soon as you take
# a kernel from a book.
#
# ### Edges
#
# On an image that is dark on the left and bright on the right, Sobel's kernel answers only where they meet.

# %%
edge = np.repeat([[0, 0, 0, 9, 9, 9]], 5, axis=0)
explain.conv(edge, sobel).figure()

# %% [markdown]
# *Under the kernel the flat parts give 0, and the edge gives 36 in both columns whose window touches it.*

# %% [markdown]
# ### Three channels and a bias
#
# A colour image has three numbers in each pixel. So has the kernel: each channel has its own table, and **all products
# of all channels are added into one number**. A bias is added at the end. Three channels in, one map out.

# %%
colour = np.array(
    [
        [[1, 0, 2], [0, 1, 0], [2, 0, 1]],
        [[0, 1, 0], [3, 0, 1], [0, 2, 0]],
        [[1, 1, 0], [0, 0, 2], [1, 0, 1]],
    ]
)  # (3, 3, 3): rows, columns, channels
filters = np.array(
    [
        [[1, 0, -1], [0, 1, 0]],
        [[0, 2, 0], [1, 0, 1]],
    ]
)  # (2, 2, 3): rows, columns, channels
cell = explain.conv_cell(colour, filters, 0, 0, bias=5)
print(cell)

# %%
red, green, blue = ((colour[:2, :2, c] * filters[:, :, c]).sum() for c in range(3))
assert red + green + blue + 5 == cell.value

rgb = layers.Conv2D(1, 2)
rgb.build((None, 3, 3, 3))
rgb.set_weights([filters.reshape(2, 2, 3, 1), np.array([5])])
assert rgb(colour[None].astype("float32"))[0, 0, 0, 0] == cell.value
print(f"{red} from red, {green} from green, {blue} from blue, 5 from the bias: {cell.value:g}")

# %% [markdown]
# ## Exercises
#
# **1.** Compute the output at row 2, column 3 of A by hand. Check with `print(trace.cell(2, 3))`.
#
# <details><summary>Answer</summary>
#
# Rows 2 to 4, columns 3 to 5 hold 0 0 1 / 0 1 0 / 1 0 1. The kernel picks the diagonal: 1 + 1 + 1 = 3.
# </details>
#
# **2.** Which cells of the output change if you change the pixel at row 0, column 0? And at row 2, column 2? Check with
# `explain.conv_pixel(A, K, 2, 2)`.
#
# <details><summary>Answer</summary>
#
# The corner lies under one window only, the one at row 0, column 0 – and there under a 0 of the kernel, so that even
# this cell does not change. The pixel at row 2, column 2 lies under nine windows, rows 0 to 2 and columns 0 to 2; three
# of them lay a 1 on it.
# </details>
#
# **3.** Find a kernel that copies the image's inner 4x4 pixels.
#
# <details><summary>Answer</summary>
#
# A 1 in the middle and 0 around it.
# </details>
#
# **4.** How many products does one cell need for a 3x3 kernel on an image with 64 channels?
#
# <details><summary>Answer</summary>
#
# 3 * 3 * 64 = 576, and then one bias.
# </details>

# %% [markdown]
# ## What the course notes say, and where they slip
#
# **Note 001** shows A and a second image, B, with this kernel. Its numbers are right:

# %%
B = np.array(
    [
        [0, 0, 0, 1, 0, 0],
        [0, 1, 0, 0, 0, 0],
        [0, 0, 1, 1, 1, 0],
        [0, 0, 0, 1, 0, 0],
        [0, 0, 1, 0, 0, 1],
        [0, 0, 0, 0, 1, 0],
    ]
)
assert by_hand.tolist() == [[1, 1, 2, 0], [1, 3, 0, 0], [2, 0, 0, 3], [0, 0, 3, 0]]
assert explain.conv(B, K).y[:, :, 0].tolist() == [[1, 1, 1, 1], [0, 1, 1, 2], [1, 1, 3, 0], [0, 2, 0, 0]]
explain.conv(B, K).figure()

# %% [markdown]
# *Image B, the same kernel, and the 4x4 map that note 001 prints for it.*

# %% [markdown]
# But the note calls it "convolution", and its kernel is one of the few that look the same when turned. Whoever turns
# the kernel by mistake gets the same maps, and notices nothing.
#
# **Note 003** writes the size for colour images as (N N C) * (M M C) = (N-M+1) (N-M+1). That is right, and it is the
# part that most people stumble over: the C is gone, because one filter adds all channels up. Many filters give many
# maps: "4\*4\*2 means 2 filter apply".
#
# Next: [02 Sizes](02_sizes.ipynb).
