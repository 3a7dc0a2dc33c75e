# %% [markdown]
# # 09 Optimisers, learning rate, batch size
#
# **Goal.** You can compute a step of SGD, of momentum and of Adam by hand. You can see in a curve that a learning
# rate is too large or too small, and you know what a larger batch buys and costs.
#
# **You need.** Notebook 07; notebook 06 for what a gradient is.

# %%
import math

import numpy as np
from IPython.display import display

from tinyconv import Sequential, config, datasets, explain, layers, losses, optimizers, utils
from tinyconv.figures import described, new_figure

# %matplotlib inline


def show(figure):
    """A figure, and its sentence for those who cannot see it."""
    display(figure)
    print(figure.alt)


utils.set_random_seed(0)
config.set_threads(2)

# %% [markdown]
# ## Predict first
#
# A weight is 1, its gradient 0.5, the learning rate 0.001. **Where is the weight after one step of SGD, and where
# after the first step of Adam? And where, if the gradient is 500?**
#
# <details><summary>Answer</summary>
#
# SGD: 1 - 0.001 × 0.5 = 0.9995; with the gradient 500 it is 0.5. Adam: 0.999 both times. Adam divides by the size
# that the gradient has had so far, so that its first step is always about as long as the learning rate.
#
# </details>
#
# ## By hand

# %%
w, g, rate = 1.0, 0.5, 0.001

sgd = w - rate * g

velocity = 0.9 * 0.0 - rate * g  # momentum: what is left of the last step, and a new one
momentum = w + velocity

m = (1 - 0.9) * g  # mean of the gradients so far
v = (1 - 0.999) * g**2  # mean of their squares
m_hat, v_hat = m / (1 - 0.9), v / (1 - 0.999)  # corrected, as both began at 0
adam = w - rate * m_hat / (math.sqrt(v_hat) + 1e-7)
print("SGD", sgd, " momentum", momentum, " Adam", round(adam, 6))

# %% [markdown]
# ## By `explain`

# %%
trace = explain.adam_step(w, g, learning_rate=rate)
print(trace)

assert np.isclose(trace.updated[0], adam, atol=1e-8)
assert np.isclose(explain.adam_step(w, 500, learning_rate=rate).updated[0], 0.999, atol=1e-6)

# %% [markdown]
# ## By the optimizers that `compile` takes


# %%
def one_step(optimizer):
    """Where the weight is after one step."""
    weights = np.array([w])
    optimizer.step(weights, np.array([g]))
    return weights[0]


assert np.isclose(one_step(optimizers.SGD(rate)), sgd)
assert np.isclose(one_step(optimizers.SGD(rate, momentum=0.9)), momentum)
assert np.isclose(one_step(optimizers.Adam(rate)), adam, atol=1e-8)
print("hand, explain and optimizer agree")

# %% [markdown]
# ## Down a narrow valley
#
# A loss that is steep across and flat along: `10 a² + 0.1 b²`. Too long a step across throws it out; short steps
# hardly get along. Each optimizer goes 60 steps from the same point.


# %%
def way(optimizer, steps=60):
    """The points that an optimizer visits, (steps + 1, 2)."""
    point = np.array([1.0, 5.0])
    points = [point.copy()]
    for _ in range(steps):
        optimizer.step(point, np.array([20.0, 0.2]) * point)  # the gradient of 10 a² + 0.1 b²
        points.append(point.copy())
    return np.array(points)


ways = {
    "SGD 0.05": way(optimizers.SGD(0.05)),
    "SGD 0.09": way(optimizers.SGD(0.09)),
    "momentum 0.02": way(optimizers.SGD(0.02, momentum=0.9)),
    "RMSprop 0.1": way(optimizers.RMSprop(0.1)),
    "Adam 0.2": way(optimizers.Adam(0.2)),
}
figure = new_figure(7, 4)
axes = figure.subplots()
for style, (name, points) in zip(("-", "--", "-.", ":", (0, (5, 1, 1, 1))), ways.items()):
    height = 10 * points[:, 0] ** 2 + 0.1 * points[:, 1] ** 2
    axes.semilogy(np.maximum(height, 1e-8), linestyle=style, label=name)
axes.yaxis.set_major_formatter("{x:g}")
axes.set_xlabel("step")
axes.set_title("loss in the valley")
axes.legend()
show(described(figure, "The loss of five optimizers in 60 steps: plain SGD creeps, the others get along faster."))

far = way(optimizers.SGD(0.11))
assert abs(far[-1, 0]) > 100 > abs(ways["SGD 0.09"][-1, 0])  # above 2 / 20 = 0.1 it flies away
assert abs(ways["momentum 0.02"][-1, 1]) < abs(ways["SGD 0.09"][-1, 1])

# %% [markdown]
# ## On images
#
# The same network and the same drawn digits for each optimizer, each with the rate that it has if you only write its
# name.


# %% tags=["volatile"] short={"EPOCHS": 2}
EPOCHS = 4
(x, y), _ = datasets.glyphs.load_data(train_size=6000, test_size=1000)
x = x[..., None] / 255  # (N, 28, 28, 1)
x_train, y_train, x_valid, y_valid = x[:4800], y[:4800], x[4800:], y[4800:]


def learn(optimizer, batch_size=64, epochs=None):
    """A new network, trained with this optimizer; its history."""
    utils.set_random_seed(0)
    model = Sequential([layers.Input((28, 28, 1))])
    model.add(layers.Conv2D(16, 3, activation="relu"))
    model.add(layers.MaxPooling2D())
    model.add(layers.Conv2D(32, 3, activation="relu"))
    model.add(layers.MaxPooling2D())
    model.add(layers.Flatten())
    model.add(layers.Dense(64, activation="relu"))
    model.add(layers.Dense(10))  # scores, called logits: the softmax is in the loss
    model.compile(optimizer, losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    settings = {"validation_data": (x_valid, y_valid), "verbose": 0, "doctor": False}  # some rates are to be too high
    history = model.fit(x_train, y_train, batch_size, epochs or EPOCHS, **settings)
    return history.history


def table(found):
    """What each training reached."""
    print(f"{'':24}{'first loss':>12}{'last loss':>12}{'validation accuracy':>22}")
    for name, history in found.items():
        losses_ = history["loss"]
        print(f"{name:24}{losses_[0]:12.3f}{losses_[-1]:12.3f}{history['val_accuracy'][-1]:22.3f}")


by_name = {name: learn(name) for name in ("sgd", "rmsprop", "adagrad", "adam")}
by_name["SGD, momentum 0.9"] = learn(optimizers.SGD(0.01, momentum=0.9))
table(by_name)

assert by_name["adam"]["val_accuracy"][-1] > 0.9
assert by_name["adam"]["loss"][-1] < by_name["sgd"]["loss"][-1]

# %% [markdown]
# That does not mean that Adam is better: a rate of 0.01 is short for SGD. Compare optimizers each at its own best
# rate.
#
# ## Vary one thing: the learning rate

# %% tags=["volatile"]
by_rate = {f"Adam, rate {rate:g}": learn(optimizers.Adam(rate)) for rate in (1e-1, 5e-3, 5e-4, 5e-6)}
table(by_rate)

assert by_rate["Adam, rate 0.1"]["val_accuracy"][-1] < by_rate["Adam, rate 0.005"]["val_accuracy"][-1]
assert by_rate["Adam, rate 5e-06"]["loss"][-1] > by_rate["Adam, rate 0.0005"]["loss"][-1]

# %% [markdown]
# * Too large: the loss stays near ln 10 = 2.3 or jumps. The network is thrown about.
# * Too small: the loss falls in a smooth line, and has hardly begun when the epochs are over.
# * A *smooth* curve is no proof of a good rate. It may only be slow.
#
# ## A rate that falls
#
# Note 002 lets the rate decay: `ExponentialDecay(5e-3, decay_steps=1500, decay_rate=0.96)`. It trains for 8 epochs of
# 13 steps. **What is left of the rate at the end?** Guess, then run.

# %%
schedule = optimizers.schedules.ExponentialDecay(5e-3, decay_steps=1500, decay_rate=0.96)
steps = 8 * 13
by_hand = 5e-3 * 0.96 ** (steps / 1500)
print(f"after {steps} steps: {schedule(steps):.6f}, {schedule(steps) / 5e-3:.1%} of the beginning")

assert np.isclose(schedule(steps), by_hand)
assert schedule(steps) > 0.99 * 5e-3

# %% [markdown]
# Nothing happens: `decay_steps` counts updates, not epochs. To halve the rate in 8 epochs, write `decay_steps=104`
# and `decay_rate=0.5`.
#
# ## Vary one thing: the batch size
#
# A batch of 16 makes many short-sighted steps in an epoch, one of 512 makes few good ones. The same number of epochs:

# %% tags=["volatile"]
by_batch = {f"batches of {size}": learn("adam", size, epochs=2) for size in (16, 64, 512)}
table(by_batch)
for size in (16, 64, 512):
    print(f"batches of {size}: {math.ceil(len(x_train) / size)} steps an epoch")

assert by_batch["batches of 16"]["loss"][-1] < by_batch["batches of 512"]["loss"][-1]

# %% [markdown]
# Note 004 says: "smaller batches create more weight updates, but make training slower". Both are true of an epoch.
# What counts is the time to a good network, and there the middle is often best.
#
# ## Logits or probabilities
#
# The network above ends without softmax, and the loss has `from_logits=True`, as in note 002. With a softmax layer
# and `from_logits=False` it is the same loss, as long as no probability is rounded to 0:

# %%
for scores in ([2.0, 1.0, 0.0], [0.0, 200.0, 0.0]):
    probabilities = np.exp(np.array(scores) - max(scores))
    probabilities /= probabilities.sum()
    from_logits = float(losses.SparseCategoricalCrossentropy(from_logits=True)([0], np.array([scores])))
    from_probabilities = float(losses.SparseCategoricalCrossentropy()([0], np.array([probabilities])))
    print(scores, f"from logits {from_logits:.4f}, from probabilities {from_probabilities:.4f}")

assert np.isclose(from_logits, 200)
assert from_probabilities < 20  # cut off: the gradient is lost too

# %% [markdown]
# The mistake to avoid is both at once: a softmax layer *and* `from_logits=True` take the softmax twice, and the
# network learns slowly without any error message.
#
# ## Exercises
#
# **1.** For `10 a²`, from which learning rate on does plain SGD fly away?
#
# <details><summary>Answer</summary>
#
# A step makes `a - rate × 20 a = (1 - 20 rate) a`. It grows once `|1 - 20 rate| > 1`, that is from 0.1 on.
#
# </details>
#
# **2.** Adam's second step has the gradient 0.5 once more. How long is it?
#
# <details><summary>Answer</summary>
#
# As long as the first, 0.001: mean and root of the mean square are both 0.5 after the correction.
#
# </details>
#
# **3.** You double the batch size. What may you do with the learning rate of SGD?
#
# <details><summary>Answer</summary>
#
# Double it, as a first try: half as many steps, each of a gradient with less noise. That stops working for large
# batches.
#
# </details>
#
# **4.** Notebook 07's `describe()` says "the learning rate may be too high". What would you change first?
#
# <details><summary>Answer</summary>
#
# Only the rate: a third of it, with the same seed. Then look whether the end of the curve is calmer.
#
# </details>

# %%
twice = explain.adam_step(1 - 0.001, g, m=m, v=v, update=2, learning_rate=rate)
assert np.isclose(twice.updated[0], 1 - 2 * 0.001, atol=1e-6)

# %% [markdown]
# ## What the course notes said, and where they slipped
#
# * Note 002 compares "Adam with decay" at 0.005 and 0.0005 over 8 epochs. The decay is nil, as above, so it compares
#   two constant rates.
# * It ends with the lower rate, because the curve is smooth, at 0.803. Its first network had 0.905 after 20 epochs.
#   Fewer epochs at a lower rate are not a better rate.
# * It tunes by the same images that it calls the test.
# * It says that a schedule "can also help prevent overfitting". A schedule helps to end up closer to a minimum; that
#   of the training loss.
# * Note 003 gives `compile` no optimizer, and so learns with Keras's default, RMSprop.
