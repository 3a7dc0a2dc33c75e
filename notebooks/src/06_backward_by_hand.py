# %% [markdown]
# # 06 Backward by hand, and how to check it
#
# **Goal.** You can compute the gradient of a convolution and of pooling with a pencil, and you can find out whether
# any `backward` is right.
#
# **You need.** Notebooks 01 and 03. A derivative is "how much the loss grows when this number grows a little"; more
# calculus is not needed.

# %%
import numpy as np
from IPython.display import display

from tinyconv import explain, gradcheck, layers

# %matplotlib inline


def show(figure):
    """A figure, and its sentence for those who cannot see it."""
    display(figure)
    print(figure.alt)


IMAGE = np.array(
    [
        [1, 0, 0, 0, 0, 0],
        [0, 1, 1, 1, 0, 0],
        [0, 0, 1, 0, 0, 1],
        [0, 1, 0, 0, 1, 0],
        [0, 0, 0, 1, 0, 1],
        [0, 0, 1, 0, 0, 1],
    ]
)
KERNEL = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0]])

# %% [markdown]
# This is image A of note 001, with its kernel. The loss shall be the sum of the 16 outputs, so that each output's own
# gradient, dY, is 1.
#
# ## Predict first
#
# The weight in the middle of the kernel is raised by 1. **By how much does the sum of all outputs grow?** Write a
# number down before you go on.
#
# <details><summary>Answer</summary>
#
# While the window moves, the middle weight lies on the 16 pixels of rows 1 to 4 and columns 1 to 4. It is multiplied
# by each of them once. Seven of them are 1, so the sum grows by 7.
#
# </details>
#
# ## By hand
#
# Each weight is used once at every place of the window. Its gradient is the sum of the pixels that it lay on, each
# times the dY of the output it went into. That is a convolution once more: of the image, with dY as the kernel.

# %%
dy = np.ones((4, 4))  # (OH, OW)
by_hand = np.zeros((3, 3))  # (KH, KW)
for u in range(3):
    for v in range(3):
        by_hand[u, v] = (IMAGE[u : u + 4, v : v + 4] * dy).sum()
print(by_hand)

assert by_hand.tolist() == [[6, 6, 5], [6, 7, 7], [4, 5, 7]]

# %% [markdown]
# The bias goes into every output once, with factor 1: its gradient is the sum of dY.
#
# The gradient of a pixel comes from all outputs whose window it was in. So each output hands its dY, times the
# weight, to the pixel under that weight.

# %%
dx = np.zeros((6, 6))  # (H, W)
for i in range(4):
    for j in range(4):
        dx[i : i + 3, j : j + 3] += dy[i, j] * KERNEL
print(dx)
print("gradient of the bias:", dy.sum())

# %% [markdown]
# ## By `explain`
#
# `explain.conv_backward` does the same, and writes out any sum that you ask for.

# %%
backward = explain.conv_backward(IMAGE, KERNEL)
print("dK at row 1, column 1:", backward.kernel_cell(1, 1))
print("dX at row 2, column 2:", backward.pixel(2, 2))
figure = backward.figure()
figure.set_dpi(70)
show(figure)

assert np.array_equal(backward.dkernel[..., 0, 0], by_hand)
assert np.array_equal(backward.dx[..., 0], dx)
assert backward.agree  # adding up, and sliding the turned kernel over dY, give the same dX

# %% [markdown]
# ## By the layer
#
# The layer that networks learn with gives these numbers too. It *adds* them to `layer.grads`, because a layer may be
# used twice in a network.

# %%
layer = layers.Conv2D(1, 3, dtype="float64")
layer.build((1, 6, 6, 1))
layer.params["kernel"][..., 0, 0] = KERNEL  # (KH, KW, C, F)
y, cache = layer.forward(IMAGE[None, ..., None].astype("float64"))  # (N, H, W, C) -> (N, OH, OW, F)
layer_dx = layer.backward(np.ones(y.shape), cache)  # (N, H, W, C)

assert np.array_equal(layer.grads["kernel"][..., 0, 0], by_hand)
assert np.array_equal(layer_dx[0, ..., 0], dx)
assert layer.grads["bias"] == 16
print("hand, explain and layer agree")

# %% [markdown]
# ## Through max pooling
#
# Pooling has no weights. Max pooling hands the gradient to the cell that won, and nothing to the others. Where two
# cells tie, the first in reading order gets all of it. This is a convention: other programs share it out, or choose
# otherwise.

# %%
pooled = explain.pool_backward(explain.conv(IMAGE, KERNEL).y)
show(pooled.figure())
for i in range(2):
    for j in range(2):
        print(pooled.sentence(i, j))

# %% [markdown]
# Now only four outputs have a gradient. The kernel's gradient is the sum of four windows, not sixteen:

# %%
through_pooling = explain.conv_backward(IMAGE, KERNEL, pooled.dx[..., 0]).dkernel[..., 0, 0]
print(through_pooling)

assert through_pooling.tolist() == [[1, 1, 3], [1, 4, 0], [3, 0, 1]]

# %% [markdown]
# ## Is a backward right? Ask the forward
#
# Raise one number by a small h, lower it by h, and see how much the loss changes. Divided by 2h, this is nearly the
# derivative, and it needs no `backward` at all:

# %% tags=["volatile"]
tanh = layers.Conv2D(1, 3, activation="tanh", dtype="float64")
tanh.build((1, 6, 6, 1))
tanh.params["kernel"][..., 0, 0] = KERNEL / 4  # (KH, KW, C, F)
check = explain.gradcheck(tanh, IMAGE, "kernel", (1, 1, 0, 0))
print(check)

assert check.agree

# %% [markdown]
# Look at the last table. With a large h the loss bends within the step, and the quotient is off. With a tiny h the
# two losses are nearly the same number, and what is left of their difference is rounding. The best h is in between.
#
# `gradcheck.check_layer` compares every cell of every gradient in this way.

# %% tags=["volatile"]
report = gradcheck.check_layer(tanh, IMAGE[None, ..., None])
print(report)

assert report.ok

# %% [markdown]
# ## Vary one thing: break it
#
# **1. A wrong turn.** For dX the kernel has to be turned by 180 degrees. This layer turns it once too often, which is
# the commonest mistake of all. Does the check find it?


# %% tags=["volatile"]
class Careless(layers.Conv2D):
    """A convolution whose dX is made with the kernel the wrong way round."""

    def backward(self, dy, cache):
        kernel = self.params["kernel"]
        self.params["kernel"] = kernel[::-1, ::-1].copy()
        dx = super().backward(dy, cache)
        self.params["kernel"] = kernel
        return dx


def is_found(kernel):
    """Whether the check finds the mistake with this kernel."""
    careless = Careless(1, 3, dtype="float64")
    careless.build((1, 6, 6, 1))
    careless.params["kernel"][..., 0, 0] = kernel
    try:
        gradcheck.check_layer(careless, IMAGE[None, ..., None])
    except gradcheck.GradientError as error:
        print(error)
        return True
    print("every gradient seems right")
    return False


SOBEL = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]])
assert not is_found(KERNEL)
assert is_found(SOBEL)

# %% [markdown]
# With the note's kernel the mistake stays hidden: turned by 180 degrees, that kernel is what it was. Test with a
# kernel that looks different from every side.
#
# **2. A tie.** At a tie the loss has a kink: a different slope to the left and to the right. No quotient can be right
# there, so the check leaves such cells out.

# %%
tie = explain.gradcheck(layers.MaxPooling2D(), [[0, 3], [3, 0]], "x", (0, 0, 1, 0))
print(tie.verdict)

assert tie.on_a_kink

# %% [markdown]
# **3. Too few digits.** The same quotient with float32, which has 7 digits, against float64, which has 16:

# %% tags=["volatile"]
exact = check.analytic
print("step      error in float64   error in float32")
errors = {"float64": [], "float32": []}
for step in (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6):
    for dtype, found in errors.items():
        values = []
        for sign in (1, -1):
            twin = layers.Conv2D(1, 3, activation="tanh", dtype=dtype)
            twin.build((1, 6, 6, 1))
            twin.params["kernel"][..., 0, 0] = KERNEL / 4
            twin.params["kernel"][1, 1] += sign * step
            values.append(twin.forward(IMAGE[None, ..., None].astype(dtype))[0].sum())
        found.append(abs((values[0] - values[1]) / (2 * step) - exact))
    print(f"{step:<9g} {errors['float64'][-1]:<18.1e} {errors['float32'][-1]:.1e}")

assert min(errors["float64"]) < 1e-8 < min(errors["float32"])

# %% [markdown]
# A gradient check in float32 finds fault with everything. That is why `gradcheck` copies a layer to float64 first.
#
# ## Exercises
#
# **1.** Image B of note 001 is below. What is its dK, if the loss is the sum of all outputs? Only the four corners,
# with a pencil.
#
# ```text
# 0 0 0 1 0 0
# 0 1 0 0 0 0
# 0 0 1 1 1 0
# 0 0 0 1 0 0
# 0 0 1 0 0 1
# 0 0 0 0 1 0
# ```
#
# <details><summary>Answer</summary>
#
# Each corner of dK is the sum of a 4x4 corner of the image: 5 at the upper left, 5 at the upper right, 4 at the lower
# left, 7 at the lower right. In full: `[[5, 6, 5], [5, 6, 6], [4, 6, 7]]`.
#
# </details>
#
# **2.** Why is a pixel in the corner of the image worth less in dX than one in the middle?
#
# <details><summary>Answer</summary>
#
# It is in one window only, one in the middle is in nine. Padding with zeros gives border pixels more windows.
#
# </details>
#
# **3.** Try `explain.conv_backward(IMAGE, KERNEL, strides=2)`. The dY is now 2x2. Where do the zeros in "dY, spread
# out" come from?
#
# <details><summary>Answer</summary>
#
# The window skipped every second place. An output that was never computed has no gradient: a 0 stands there.
#
# </details>
#
# **4.** Average pooling has no winner. Where does its gradient go?
#
# <details><summary>Answer</summary>
#
# In equal parts to all cells of the window: `explain.pool_backward([[1, 2], [3, 4]], mode="average")`.
#
# </details>

# %%
IMAGE_B = np.array(
    [
        [0, 0, 0, 1, 0, 0],
        [0, 1, 0, 0, 0, 0],
        [0, 0, 1, 1, 1, 0],
        [0, 0, 0, 1, 0, 0],
        [0, 0, 1, 0, 0, 1],
        [0, 0, 0, 0, 1, 0],
    ]
)
of_b = explain.conv_backward(IMAGE_B, KERNEL)
assert of_b.dkernel[..., 0, 0].tolist() == [[5, 6, 5], [5, 6, 6], [4, 6, 7]]

winners = explain.pool_backward(of_b.whole.y).dx[..., 0]
assert explain.conv_backward(IMAGE_B, KERNEL, winners).dkernel[..., 0, 0].tolist() == [[1, 1, 2], [1, 4, 0], [2, 0, 1]]

# %% [markdown]
# ## What the course note said, and where it slipped
#
# * Note 001 shows the two images, the kernel, the maps and the pooled maps. How the kernel comes about, the way back,
#   is in none of the five notes.
# * Its kernel stays the same when it is turned by 180 degrees, so that its example cannot tell correlation from
#   convolution, nor a right backward from a wrong one. Above, a wrong one passed.
# * Its pooling windows have ties. Which cell gets the gradient is a question the note does not raise.
