# %% [markdown]
# # 02 Sizes: stride, padding, dilation
#
# **Goal.** You can say how large the output of any convolution or pooling is, which pixels it never looks at, and what
# "same" padding adds. At the end you work out every shape that the five course notes print.
#
# **You need.** Notebook 01.

# %%
# %matplotlib inline
import math
import re

import numpy as np

from tinyconv import explain, layers
from tinyconv.notes import NETWORKS, network
from tinyconv.notes.printed import SUMMARIES

# %% [markdown]
# ## Predict first
#
# 1. A window of 3 moves over 28 pixels, 2 at a time. How many places does it have? Does it see the last pixel?
# 2. "Same" padding with stride 2: how many zeros are added to 28 pixels, and on which side?
# 3. A 6x6 image, a 3x3 kernel, stride 2. Once with `padding=1`, once with `padding="same"`. Are the outputs the same
#    size? Are they the same numbers?

# %% [markdown]
# ## By hand: write down where the window begins
#
# The window begins at pixel 0, 2, 4 and so on, as long as its end is still on the image.

# %%
n, k, s = 28, 3, 2
begins = [first for first in range(0, n, s) if first + k <= n]
print(begins)
print(len(begins), "places; the last one ends at pixel", begins[-1] + k - 1, "of 0 to", n - 1)

# %% [markdown]
# As a formula: behind the first place there are n - k pixels left, and each step uses s of them. **What is left over
# after the last whole step is dropped**, so the quotient is rounded down:
#
# $$\text{places} = \left\lfloor \frac{n + \text{padding} - (d\,(k-1)+1)}{s} \right\rfloor + 1$$
#
# Here d is the dilation, the distance between neighbouring cells of the window: a window of k cells reaches over
# d (k-1) + 1 pixels. Usually d = 1, and it reaches over k.


# %%
def places(n, k, s=1, padding=0, d=1):
    """How many places a window has; `padding` is what is added on both sides together."""
    return math.floor((n + padding - (d * (k - 1) + 1)) / s) + 1


def same(n, k, s=1, d=1):
    """(before, after): what "same" adds so that ceil(n / s) windows fit; the odd pixel goes after."""
    wanted = math.ceil(n / s)
    missing = max((wanted - 1) * s + d * (k - 1) + 1 - n, 0)
    return missing // 2, missing - missing // 2


print(places(28, 3, 2), "places without padding")
print(same(28, 3, 2), "added by 'same', which makes", places(28, 3, 2, sum(same(28, 3, 2))), "places")

# %% [markdown]
# <details><summary>The answers to 1 and 2</summary>
#
# 1. 13 places. The last one ends at pixel 26: pixel 27 is never seen.
# 2. One zero, after the last pixel, and none before the first. With stride 2, "same" does not keep the size: it makes
#    ceil(28 / 2) = 14.
# </details>
#
# ## The same by `explain`

# %%
print(explain.output_size(28, 3, strides=2))

# %%
print(explain.output_size(28, 3, strides=2, padding="same"))

# %% [markdown]
# ## The same by the layer
#
# Not for one example: for all sizes up to 20, windows up to 5, strides up to 3 and three dilations.

# %%
tried = 0
for n in range(1, 21):
    for k in range(1, 6):
        for s, d in [(1, 1), (2, 1), (3, 1), (1, 2), (1, 3)]:
            for padding, added in [("valid", 0), ("same", sum(same(n, k, s, d))), (1, 2)]:
                if places(n, k, s, added, d) < 1:
                    continue  # the window is larger than the image
                layer = layers.Conv2D(1, k, strides=s, padding=padding, dilation_rate=d, name="tried")
                assert layer.compute_output_shape((None, n, n, 1)) == (None, *[places(n, k, s, added, d)] * 2, 1)
                tried += 1
print(tried, "layers, and the formula is right for each.")

# %% [markdown]
# ## Vary one thing: the same size, other numbers
#
# Image A of note 001 with stride 2. `padding=1` puts a zero on every side. "Same" needs one zero only, and puts it at
# the bottom and on the right, so that its windows lie one pixel further.

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

explicit = explain.conv(A, K, strides=2, padding=1)
lopsided = explain.conv(A, K, strides=2, padding="same")
assert explicit.y[:, :, 0].tolist() == [[1, 1, 1], [1, 3, 0], [1, 0, 0]]
assert lopsided.y[:, :, 0].tolist() == [[1, 2, 0], [2, 0, 0], [0, 0, 1]]
explain.compare(explicit, lopsided).figure()

# %% [markdown]
# *Both outputs are 3 by 3, but six of their nine cells differ: the windows do not lie on the same pixels.*
#
# <details><summary>The answer to 3</summary>
#
# The same size, other numbers. PyTorch pads like the first, Keras and TensorFlow like the second. Whoever takes weights
# from one to the other without noticing gets a network that works a little worse, and no error.
# </details>
#
# ### Dilation
#
# With dilation 2 the kernel has the same nine numbers, but leaves out every other pixel. It sees 5x5 pixels.

# %%
wide = explain.conv(A, K, dilation_rate=2)
wide.cell(0, 0).figure()

# %% [markdown]
# *Nine pixels of a 5x5 square: every other row and column is left out, and only 2x2 places are left.*

# %% [markdown]
# ### How far does a number see?
#
# A number behind two layers depends on several pixels of the image: its receptive field. A window of k adds k - 1
# steps, and a step is as long as all strides before it multiplied.

# %%
print(explain.receptive_field(network("note004")))

# %% [markdown]
# ## Every shape of the five notes
#
# Here all networks of the notes pass through the two functions from above. Where the notes print a summary, the result
# is compared with what they print, too.

# %%
for name in NETWORKS:
    model = network(name)
    height = model.input_shape[1]
    sizes = [height]
    for layer in model.layers:
        window = getattr(layer, "kernel_size", None) or getattr(layer, "pool_size", None)
        if window:
            added = sum(same(height, window[0], layer.strides[0])) if layer.padding == "same" else 0
            height = places(height, window[0], layer.strides[0], added)
            sizes.append(height)
            assert layer.output.shape[1] == height
    if name in SUMMARIES:
        printed = re.findall(r"\(None, (\d+), \d+, \d+\)", SUMMARIES[name])
        shapes = [layer.output.shape for layer in model.layers]
        assert [int(rows) for rows in printed] == [shape[1] for shape in shapes if len(shape) == 4]
    print(f"{name:16}", " → ".join(map(str, sizes)) + ", as the note prints it" * (name in SUMMARIES))

# %% [markdown]
# ## Exercises
#
# **1.** Note 001 pools 299x299 maps with 2x2 windows. Which pixels are lost?
#
# <details><summary>Answer</summary>
#
# floor((299 - 2) / 2) + 1 = floor(148.5) + 1 = 149. The last row and the last column lie under no window. It happens
# again at the next pooling: 149 becomes 74.
# </details>
#
# **2.** In which case does "same" add the same number of zeros before and after?
#
# <details><summary>Answer</summary>
#
# Where the number is even. With stride 1 that is every odd window: a window of 3 needs 2 zeros, 1 and 1.
# </details>
#
# **3.** You want two 3x3 convolutions and no padding to see as much as one 5x5 convolution. Do they?
#
# <details><summary>Answer</summary>
#
# Yes: 1 + 2 + 2 = 5. And they need 2 * 9 = 18 weights for one channel instead of 25.
# </details>
#
# **4.** `layers.Conv2D(1, 7)` on a 6x6 image: what should happen? Try it.
#
# <details><summary>Answer</summary>
#
# There is no place for the window. tinyconv says so in words when it first sees the shape.
# </details>

# %% [markdown]
# ## What the course notes say, and where they slip
#
# * **Note 003** gives the size as [(I - F + 2P) / S] + 1, without rounding down. Its own networks need it: its second
#   pooling has I = 11, F = 2, P = 0 and S = 2. The formula says 5.5, its summary 5. And 2P is right only for equal
#   padding on both sides: "same" on 28 pixels with stride 2 adds 1 in all, so that P would be one half.
# * The note also writes "× D" for the number of maps behind the "+ 1". It means (size × size × D); read as arithmetic,
#   the formula would multiply the 1 only.
# * **Note 000** says that 'valid' "means apply when required only". It does not: 'valid' never pads. It drops what does
#   not fill a window.
# * **Note 000** shows "stride 2, padding 1", and its programs use `padding="same"`. Those are the two outputs of the
#   figure above.
#
# Next: [03 Pooling and flattening](03_pooling.ipynb).
