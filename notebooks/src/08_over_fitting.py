# %% [markdown]
# # 08 Fighting over-fitting
#
# **Goal.** You can see in the curves that a network learns its images by heart, and you can say what each remedy
# does: dropout, penalties on weights, batch normalisation, augmentation, more images. You try one at a time.
#
# **You need.** Notebook 07.

# %%
import numpy as np
from IPython.display import display

from tinyconv import Sequential, config, datasets, explain, layers, regularizers, utils
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
# Note 001 trains a network with 350,586,533 parameters on 360 images of flowers. After 25 epochs its accuracy on
# these 360 images is 1.00. **What is it on images that it has not seen?** Guessing would be 0.20.
#
# <details><summary>Answer</summary>
#
# 0.35 on the validation images, and the validation loss has risen from 1.42 to 3.46 meanwhile. A million parameters
# for each image are enough to learn every image by heart. That is over-fitting.
#
# </details>
#
# ## By hand: what dropout does
#
# In training, dropout with rate 0.5 switches off about half of the numbers, others each time, and doubles those that
# are left, so that their sum stays about the same. In prediction it does nothing.

# %%
numbers = np.array([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]])
kept = np.array([[1, 0, 0, 1, 1, 0]])  # drawn by lot
print("training sees", numbers * kept / (1 - 0.5), "prediction sees", numbers)

# %% [markdown]
# ## By `explain`, and by the layer

# %%
dropped = explain.dropout(numbers, rate=0.5, seed=0)
print(dropped)

by_hand = numbers * (dropped.scale > 0) / (1 - 0.5)
layer_y, _ = layers.Dropout(0.5, seed=0, dtype="float64").forward(numbers, training=True)
assert np.array_equal(dropped.y, by_hand)
assert np.array_equal(layer_y, by_hand)
assert np.array_equal(dropped.predicted, numbers)

# %% [markdown]
# ## By hand: a penalty on weights
#
# L2 adds `l2 * sum(w**2)` to the loss. Its gradient is `2 * l2 * w`: each step pulls every weight towards 0, a large
# one more. L1 adds `l1 * sum(|w|)`, which pulls all alike, and many weights end at 0.

# %%
w = np.array([3.0, -1.0, 0.5])
print("L2 penalty", 0.01 * (9 + 1 + 0.25), "gradient", 2 * 0.01 * w)
print("L1 penalty", 0.01 * (3 + 1 + 0.5), "gradient", 0.01 * np.sign(w))

assert np.isclose(regularizers.L2(0.01)(w), 0.01 * (w**2).sum())
assert np.allclose(regularizers.L2(0.01).gradient(w), 2 * 0.01 * w)
assert np.allclose(regularizers.L1(0.01).gradient(w), 0.01 * np.sign(w))

# %% [markdown]
# ## By hand: batch normalisation
#
# Each channel gets mean 0 and variance 1 within its batch. Then the network may scale and move it as it likes.

# %%
batch = np.array([1.0, 2.0, 6.0])
normal = (batch - batch.mean()) / np.sqrt(batch.var() + 1e-3)
trace = explain.batchnorm(batch)
print(trace)

layer = layers.BatchNormalization(dtype="float64")
layer.build((3, 1))
layer_y, _ = layer.forward(batch[:, None], training=True)  # (N, C)
assert np.allclose(trace.y[:, 0], normal)
assert np.allclose(layer_y[:, 0], normal)

# %% [markdown]
# ## Learning by heart
#
# 360 images, as in note 001, of 36 classes: drawn digits and letters. 1,800 others are for validation.


# %%
CLASSES = 36
(x, y), _ = datasets.glyphs.load_data("all", train_size=3960, test_size=36)
x = x[..., None] / 255  # (N, 28, 28, 1)
x_train, y_train = x[:360], y[:360]
x_valid, y_valid = x[360:2160], y[360:2160]
x_more, y_more = x[2160:], y[2160:]  # for later


def network(dropout=0.0, regularizer=None, normalise=False, filters=16, augment=False):
    """A small network with one remedy, or none."""
    utils.set_random_seed(0)
    model = Sequential([layers.Input((28, 28, 1))])
    if augment:
        model.add(layers.RandomRotation(0.03))  # a part of a full turn: up to 11 degrees
        model.add(layers.RandomTranslation(0.1, 0.1))
    for width in (filters, 2 * filters):
        model.add(layers.Conv2D(width, 3, activation="relu", kernel_regularizer=regularizer))
        if normalise:
            model.add(layers.BatchNormalization(momentum=0.9))
        model.add(layers.MaxPooling2D())
    model.add(layers.Flatten())
    model.add(layers.Dropout(dropout))
    model.add(layers.Dense(64, activation="relu", kernel_regularizer=regularizer))
    model.add(layers.Dropout(dropout))
    model.add(layers.Dense(CLASSES, activation="softmax"))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


# %% tags=["volatile"] short={"EPOCHS": 20}
EPOCHS = 40


def learn(model, images=x_train, labels=y_train, epochs=None):
    """Train, and return the history."""
    epochs = epochs or EPOCHS
    return model.fit(images, labels, 32, epochs, verbose=0, validation_data=(x_valid, y_valid))


def reached(history):
    """Accuracy at the end: in training, in validation."""
    return history.history["accuracy"][-1], history.history["val_accuracy"][-1]


plain = learn(network())
show(plain.plot())
print(plain.describe())

assert reached(plain)[0] > 0.9
assert reached(plain)[0] - reached(plain)[1] > 0.05

# %% [markdown]
# **How to read it.** Two curves that rise together: it learns. Training goes on rising, validation stays: it learns
# by heart. Training itself stays low: the network is too small, or the learning rate is wrong, and no remedy against
# over-fitting will help.
#
# ## One remedy at a time
#
# Everything else stays: images, seed, epochs.

# %% tags=["volatile"]
remedies = {
    "nothing": plain,
    "dropout 0.4": learn(network(dropout=0.4)),
    "L2 0.001": learn(network(regularizer=regularizers.L2(1e-3))),
    "L1 0.0001": learn(network(regularizer=regularizers.L1(1e-4))),
    "batch normalisation": learn(network(normalise=True)),
    "more filters": learn(network(filters=32)),
    "augmentation": learn(network(augment=True), epochs=2 * EPOCHS),
}
all_images, all_labels = np.concatenate([x_train, x_more]), np.concatenate([y_train, y_more])
remedies["six times the images"] = learn(network(), all_images, all_labels, epochs=max(EPOCHS // 4, 4))

print(f"{'':22}{'training':>10}{'validation':>12}{'gap':>8}")
for name, history in remedies.items():
    training, validation = reached(history)
    print(f"{name:22}{training:10.3f}{validation:12.3f}{training - validation:8.3f}")
error = np.sqrt(0.8 * 0.2 / len(x_valid))
print(f"Differences below {2 * error:.2f} may be chance.")

gaps = {name: training - validation for name, (training, validation) in ((n, reached(h)) for n, h in remedies.items())}
assert gaps["augmentation"] < gaps["nothing"]
assert reached(remedies["six times the images"])[1] > reached(plain)[1]

# %% [markdown]
# * More images help most, and augmentation is the cheapest way to more images. It needs more epochs, because no image
#   comes twice.
# * The gap closes from both sides: a remedy may make training worse without making validation better.
# * Batch normalisation is there to make learning faster and steadier. On so few images it need not help.
# * More filters make more parameters. That is a remedy against a network that is too small, not against over-fitting.
#
# What augmentation makes of one image:

# %%
changed = Sequential([layers.Input((28, 28, 1)), layers.RandomRotation(0.03), layers.RandomTranslation(0.1, 0.1)])
eight = changed(np.repeat(x_train[:1], 8, axis=0), training=True)  # (8, 28, 28, 1)
figure = new_figure(10, 1.6)
for axes, image in zip(figure.subplots(1, 8), eight[..., 0]):
    axes.imshow(image, cmap="gray", vmin=0, vmax=1)
    axes.set_axis_off()
show(described(figure, "The same character eight times, each time turned and moved a little otherwise."))

assert np.abs(eight[0] - eight[1]).max() > 0.1

# %% [markdown]
# ## Exercises
#
# **1.** In note 000 dropout gives 0.26 on the validation images after 8 epochs, and the baseline 0.48. The note
# concludes that the baseline is better. Do you?
#
# <details><summary>Answer</summary>
#
# The training accuracy with dropout is 0.43 and still rising: that network has not learned yet, so that there is
# nothing to regularise. Its first loss is 60, as pixels go from 0 to 255. Scale them, train it longer, and compare
# then.
#
# </details>
#
# **2.** Training accuracy 0.62, validation 0.66. How can validation be better?
#
# <details><summary>Answer</summary>
#
# Dropout and augmentation act in training only. And the training number is the mean over an epoch in which the
# network was still getting better.
#
# </details>
#
# **3.** Which augmentation would you not use for digits, and which for flowers?
#
# <details><summary>Answer</summary>
#
# Digits: no mirror, and no half turn, which makes a 9 of a 6. Flowers: a mirror is fine, but strong changes of colour
# may take away what tells a rose from a tulip.
#
# </details>
#
# **4.** Where in `fit` do you stop a training whose validation loss rises?
#
# <details><summary>Answer</summary>
#
# `callbacks=[EarlyStopping(patience=5, restore_best_weights=True)]`, from `tinyconv.callbacks`. It chooses by the
# validation images, so keep other images for the test.
#
# </details>
#
# ## What the course notes said, and where they slipped
#
# * Note 000 tries dropout, "same" padding, more filters and augmentation. From padding on it compiles `model3`,
#   `model4` and `model5`, and then calls `model.fit`: the baseline is trained further each time. You can see it in
#   the first loss of "padding", 0.11, which no new network has.
# * Its augmented run also divides pixels by 255 for the first time. Two things changed at once, and the note credits
#   one.
# * `rotation_range=0.2` means 0.2 degrees. On 100x100 pixels a corner moves by a quarter of a pixel.
# * Its test images are augmented too, and are the validation images.
