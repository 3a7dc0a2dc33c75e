# %% [markdown]
# # 04 Counting: parameters and memory
#
# **Goal.** You can compute the number of parameters of any layer from its shapes, you know what they cost while a
# network learns, and you can find the one layer that makes a network large.
#
# **You need.** Notebooks 01 to 03.

# %%
# %matplotlib inline
import re

import numpy as np

from tinyconv import layers, plots
from tinyconv.notes import NETWORKS, network
from tinyconv.notes.printed import SUMMARIES

# %% [markdown]
# ## Predict first
#
# Note 001 takes photographs of 299x299 pixels in 3 colours: a convolution with 32 filters of 5x5, pooling, one with 64
# filters of 3x3, pooling, flattening, then dense layers of 1000, 100 and 5 units.
#
# 1. Guess the number of parameters. Thousands, millions, or hundreds of millions?
# 2. Which layer has the most of them?
# 3. If the photographs were half as wide and half as high, which layers would get smaller?

# %% [markdown]
# ## The smallest case by hand
#
# **A convolution** has one kernel of KH x KW x C numbers for each filter, and one bias for each filter. The size of the
# image does not matter: the same numbers are used at every place.
#
# **A dense layer** has one number for each pair of an input and a unit, and one bias for each unit.
#
# **Batch normalisation** has four numbers for each channel: a scale and a shift, which learn, and a mean and a
# variance, which are only measured.
#
# Pooling, flattening, dropout and rescaling have none.

# %%
small = {
    "Conv2D(2, 3) on a grey image": (3 * 3 * 1 * 2 + 2, layers.Conv2D(2, 3), (None, 6, 6, 1)),
    "Conv2D(2, 3) on a colour image": (3 * 3 * 3 * 2 + 2, layers.Conv2D(2, 3), (None, 6, 6, 3)),
    "Dense(4) on 32 numbers": (32 * 4 + 4, layers.Dense(4), (None, 32)),
    "BatchNormalization on 2 maps": (4 * 2, layers.BatchNormalization(), (None, 4, 4, 2)),
    "MaxPooling2D": (0, layers.MaxPooling2D(2), (None, 4, 4, 2)),
}
for what, (by_hand, layer, shape) in small.items():
    layer.build(shape)
    assert layer.count_params() == by_hand
    print(f"{by_hand:4}  {what}")

# %% [markdown]
# ## The same by the summary
#
# `summary` works with shapes alone: nothing is allocated, so that you can look at a network that would not fit into
# your computer. With `formulas=True` it writes each product out.

# %%
network("note001").summary(formulas=True)

# %% [markdown]
# <details><summary>The answers</summary>
#
# 1. 350,586,533: hundreds of millions, for 360 training images.
# 2. The first dense layer: 74 * 74 * 64 = 350,464 numbers come out of flattening, and each is connected with each of
#    1000 units.
# 3. Only that one. It would have a quarter: convolutions do not know how large an image is.
# </details>

# %%
plots.shapes(network("note001"))

# %% [markdown]
# *Note 001: maps that get smaller, then one row of 350,464 numbers, each connected with 1000 units.*

# %%
flattened = 74 * 74 * 64
by_hand = [5 * 5 * 3 * 32 + 32, 3 * 3 * 32 * 64 + 64, flattened * 1000 + 1000, 1000 * 100 + 100, 100 * 5 + 5]
print(by_hand, "together", sum(by_hand))
print(f"the first dense layer has {by_hand[2] / sum(by_hand):.2%} of them")
assert sum(by_hand) == network("note001").count_params() == 350_586_533

# %% [markdown]
# ## The same for all five notes, to the digit
#
# `count` knows three rules. It is compared with each layer, and then with what the notes print. Where a note's page
# cuts the column off, its total is compared.


# %%
def count(layer, inputs):
    """Parameters of a layer that gets this shape."""
    if isinstance(layer, layers.Conv2D):
        return layer.kernel_size[0] * layer.kernel_size[1] * inputs[-1] * layer.filters + layer.filters
    if isinstance(layer, layers.Dense):
        return inputs[-1] * layer.units + layer.units
    if isinstance(layer, layers.BatchNormalization):
        return 4 * inputs[-1]
    return 0


totals = {}
for name in NETWORKS:
    model = network(name)
    shape, counted = model.input_shape, []
    for layer in model.layers:
        counted.append(count(layer, shape))
        assert counted[-1] == layer.count_params()
        shape = layer.output.shape
    totals[name] = sum(counted)
    if name in SUMMARIES:
        (total,) = re.findall(r"Total params: ([\d,]+)", SUMMARIES[name])
        assert totals[name] == int(total.replace(",", ""))
        printed = re.findall(r"\(None, [\d, ]+\) +(\d+)\n", SUMMARIES[name])
        assert [int(n) for n in printed] in ([], counted)
    print(f"{name:16} {totals[name]:>12,}" + "  as the note prints it" * (name in SUMMARIES))

# %% [markdown]
# ## Memory: four numbers for each parameter
#
# A parameter is a float32, 4 bytes. While Adam learns there are three more for each: its gradient, and the two running
# means that Adam keeps. On top of that, each image of a batch needs the outputs of all layers, which are kept for the
# way back.


# %%
def mebibytes(numbers):
    return f"{numbers * 4 / 2**20:10.1f} MiB"


print(f"{'':16} {'parameters':>14} {'while learning':>14} {'one image':>14}")
for name in ("note000", "note001", "note002", "note003", "note004"):
    computed = [layer for layer in network(name).layers if not isinstance(layer, layers.InputLayer)]
    outputs = sum(int(np.prod(layer.output.shape[1:])) for layer in computed)
    print(f"{name:16} {mebibytes(totals[name])} {mebibytes(4 * totals[name])} {mebibytes(outputs)}")

# %% [markdown]
# Note 001 needs 5.2 GiB before it sees its first image. Note 003 is the other way round: two images
# of a batch need more than all its parameters.
#
# ## Vary one thing: convolution or dense?
#
# What would a dense layer cost in place of note 001's first convolution, with the same input and the same output?

# %%
inputs, outputs = 299 * 299 * 3, 299 * 299 * 32
print(f"convolution {5 * 5 * 3 * 32 + 32:>22,} parameters")
print(f"dense       {inputs * outputs + outputs:>22,} parameters")

# %% [markdown]
# Two ideas save that: each cell looks at 5x5 pixels only, and all cells use the same kernel.
#
# And where does note 001 lose what it has saved? At flattening. Pool until the maps are small, and the dense layer
# shrinks with them:

# %%
for poolings in range(2, 8):
    side = 299 // 2**poolings
    print(f"{poolings} poolings: {side:2}x{side:<2} maps, first dense layer {side * side * 64 * 1000 + 1000:>11,}")

# %% [markdown]
# ## Exercises
#
# **1.** Note 003's first network on 64x64 images: how many parameters has its batch normalisation after 32 filters, and
# how many of them learn?
#
# <details><summary>Answer</summary>
#
# 4 * 32 = 128; 64 learn, 64 are measured. Summaries call the latter "non-trainable".
# </details>
#
# **2.** In note 003, `valid` has 2,002,698 parameters and `same` 3,231,498. Their convolutions are the same. Where does
# the difference come from?
#
# <details><summary>Answer</summary>
#
# From the first dense layer: 22x22 maps against 28x28 maps. (28*28 - 22*22) * 32 * 128 = 1,228,800.
# </details>
#
# **3.** A 1x1 convolution from 64 to 10 maps: how many parameters? What does it do at each pixel?
#
# <details><summary>Answer</summary>
#
# 64 * 10 + 10 = 650. At each pixel it is a dense layer from 64 numbers to 10.
# </details>
#
# **4.** Put `GlobalAveragePooling2D` in the place of `Flatten` in note 001. How many parameters are left?
#
# <details><summary>Answer</summary>
#
# Only 64 numbers reach the first dense layer: 2,432 + 18,496 + 65,000 + 100,100 + 505 = 186,533.
# </details>

# %%
assert totals["note003-same"] - totals["note003-valid"] == (28 * 28 - 22 * 22) * 32 * 128
assert 2_432 + 18_496 + (64 * 1000 + 1000) + 100_100 + 505 == 186_533

# %% [markdown]
# ## What the course notes say, and where they slip
#
# * All totals that the notes print are right.
# * **Note 001** trains 350 million parameters on 360 photographs, about a million for each. It learns them by heart:
#   accuracy 1.00 on what it has seen, 0.35 on its validation images. It does not say that one layer is to blame.
# * **Note 003** says that a convolutional network has "fewer parameters due to shared weights and pooling". Pooling has
#   a part in it only through the dense layer behind it. Its own `same` network has 3.2 million, 99 % of them in one
#   dense layer.
# * **Note 003**'s four small summaries have their column "Param #" cut off in the page; the totals can be read.
# * **Note 000** prints no summary at all. Its baseline has 6,649,925 parameters.
#
# Next: [05 From loops to im2col to Numba](05_loops_im2col_numba.ipynb).

# %%
assert totals["note000"] == 6_649_925
assert (28 * 28 * 32 * 128 + 128) / totals["note003-same"] > 0.99
