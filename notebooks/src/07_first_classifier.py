# %% [markdown]
# # 07 A first classifier, from files to predictions
#
# **Goal.** You can take images from a folder or a table to arrays, split them, train a network, read its curves, test
# it once, find its mistakes, and keep it in a file.
#
# **You need.** Notebooks 01 to 04. Nothing is downloaded: the digits are drawn from fonts. Everything works the same
# with your own data.

# %%
import csv
import math
import tempfile
from pathlib import Path

import numpy as np
from IPython.display import display

from tinyconv import Sequential, config, datasets, explain, layers, losses, metrics, models, plots, utils
from tinyconv.preprocessing import train_test_split

# %matplotlib inline


def show(figure):
    """A figure, and its sentence for those who cannot see it."""
    display(figure)
    print(figure.alt)


utils.set_random_seed(0)
config.set_threads(2)
KEPT = tempfile.TemporaryDirectory()  # is gone when Python ends
FOLDER = Path(KEPT.name)

# %% [markdown]
# ## Predict first
#
# A network that has learned nothing yet gives each of 10 digits about the same probability. **What is its accuracy,
# and what is its loss?**
#
# <details><summary>Answer</summary>
#
# Accuracy about 0.1. The loss is minus the logarithm of the probability of the right class: -ln 0.1 = 2.3. If the
# first loss that you see is 24 or 60, as in note 000, something is wrong with the data before any learning begins.
#
# </details>
#
# ## By hand: the loss of one image
#
# Three classes. The last layer gives the scores 2, 1 and 0; the right class is number 1. Softmax makes probabilities
# of the scores, and the loss is -ln of the right one.

# %%
scores = [2.0, 1.0, 0.0]
powers = [math.exp(score) for score in scores]
probabilities = [power / sum(powers) for power in powers]
loss = -math.log(probabilities[1])
print("probabilities", [round(p, 4) for p in probabilities], "loss", round(loss, 4))

# %% [markdown]
# ## By `explain`

# %%
trace = explain.softmax_cross_entropy(scores, label=1)
print(trace)

assert np.isclose(trace.loss, loss)

# %% [markdown]
# ## By the loss that `compile` takes
#
# A label may be a number (`sparse_categorical_crossentropy`), or a row with a single 1 in it, called one-hot
# (`categorical_crossentropy`). It is the same loss.

# %%
one_hot = utils.to_categorical([1], 3)  # (N, classes)
print("class 1 of 3, one-hot:", one_hot[0])
sparse = losses.SparseCategoricalCrossentropy()([1], np.array([probabilities]))
dense = losses.CategoricalCrossentropy()(one_hot, np.array([probabilities]))

assert np.isclose(float(sparse), loss, atol=1e-5)
assert np.isclose(float(dense), loss, atol=1e-5)

# %% [markdown]
# ## From files to arrays
#
# Images come as a folder with a folder for each class, as in notes 000 and 001, or as a table with a row for each
# image, as in note 003. Here are both, made of a few drawn digits, and read again.

# %%
IMAGES = 6000
(x, y), (x_test, y_test) = datasets.glyphs.load_data(train_size=IMAGES, test_size=1000)  # (N, 28, 28), (N,)

for i in range(50):  # a folder of a class each
    place = FOLDER / "images" / str(y[i])
    place.mkdir(parents=True, exist_ok=True)
    utils.save_img(place / f"{i}.png", x[i, ..., None], scale=False)  # (H, W, C)
files = utils.image_dataset_from_directory(
    FOLDER / "images", color_mode="grayscale", image_size=(28, 28), batch_size=50, seed=0
)
images, labels = next(iter(files))  # (N, 28, 28, 1), (N,)
print("from the folder:", np.shape(images), "classes", files.class_names)

with open(FOLDER / "digits.csv", "w", newline="") as file:  # a table: the label, then 784 pixels
    csv.writer(file).writerows([y[i], *x[i].ravel()] for i in range(50))
table = np.loadtxt(FOLDER / "digits.csv", delimiter=",")  # (N, 785)
from_table = table[:, 1:].reshape(-1, 28, 28, 1)  # (N, H, W, C)
print("from the table:", from_table.shape)

assert np.array_equal(from_table[..., 0], x[:50])
assert np.asarray(images).shape == (50, 28, 28, 1)

# %% [markdown]
# With your own data, give your own folder or table. `datasets.mnist.load_data()` gives the real MNIST, in arrays of
# the same shapes; it is downloaded once.
#
# ## Three parts: to learn, to choose, to test
#
# The network learns from the training part. You look at the validation part while you choose epochs, layers and
# rates. The test part is used **once**, at the end. Here it even has other fonts than the rest.
#
# Pixels from 0 to 255 become numbers from 0 to 1, and get the channel axis that `Conv2D` asks for.

# %%
x_train, x_valid, y_train, y_valid = train_test_split(
    x[..., None] / 255, y, test_size=0.2, stratify=y, random_state=0
)  # (N, 28, 28, 1), (N,)
x_test = x_test[..., None] / 255  # (N, 28, 28, 1)
print(x_train.shape, x_valid.shape, x_test.shape, "pixels from", x_train.min(), "to", x_train.max())

# %% [markdown]
# ## The network
#
# It is a small one of the kind that the notes use. Before it learns, look at what you predicted.


# %% tags=["volatile"]
def network():
    """Two convolutions, each with pooling, and two dense layers."""
    utils.set_random_seed(0)
    model = Sequential([layers.Input((28, 28, 1))])
    model.add(layers.Conv2D(16, 3, activation="relu"))
    model.add(layers.MaxPooling2D())
    model.add(layers.Conv2D(32, 3, activation="relu"))
    model.add(layers.MaxPooling2D())
    model.add(layers.Flatten())
    model.add(layers.Dense(64, activation="relu"))
    model.add(layers.Dense(10, activation="softmax"))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


model = network()
show(plots.shapes(model))
first_loss, first_accuracy = model.evaluate(x_valid, y_valid, verbose=0)
print(f"before learning: loss {first_loss:.2f}, accuracy {first_accuracy:.2f}.")

assert abs(first_loss - math.log(10)) < 0.5

# %% tags=["volatile"] short={"EPOCHS": 3}
EPOCHS = 6
history = model.fit(x_train, y_train, batch_size=64, epochs=EPOCHS, validation_data=(x_valid, y_valid), verbose=0)
show(history.plot())
print(history.describe())

assert history.history["val_accuracy"][-1] > 0.9

# %% [markdown]
# ## The test, once

# %% tags=["volatile"]
test_loss, test_accuracy = model.evaluate(x_test, y_test, verbose=0)
print(f"test accuracy {test_accuracy:.3f}, in fonts that the network never saw")
predicted = model.predict(x_test, verbose=0)  # (N, 10)
classes = predicted.argmax(axis=1)  # (N,)
show(plots.confusion_matrix(metrics.confusion_matrix(y_test, predicted)))
show(plots.wrong_predictions(x_test, y_test, classes, predicted.max(axis=1), list("0123456789"), most=16))

assert test_accuracy > 0.85
assert np.isclose((classes == y_test).mean(), test_accuracy, atol=1e-6)

# %% [markdown]
# ## Keep it, and use it again

# %% tags=["volatile"]
model.save(FOLDER / "digits.keras")
again = models.load_model(FOLDER / "digits.keras")
one = x_test[5:6]  # (1, 28, 28, 1): a batch of one image, as the network takes nothing but batches
print("it is a", again.predict(one, verbose=0).argmax(), "and should be a", y_test[5])

assert np.allclose(again.predict(one, verbose=0), model.predict(one, verbose=0), atol=1e-6)

# %% [markdown]
# ## Vary one thing: the pixels' scale
#
# The same network, the same images, but pixels from 0 to 255, as in note 000. Only the loss before any learning:

# %% tags=["volatile"]
unscaled_loss = network().evaluate(255 * x_valid, y_valid, verbose=0)[0]
print(
    f"pixels from 0 to 1: {first_loss:.2f}    pixels from 0 to 255: {unscaled_loss:.2f}    guessing: {math.log(10):.2f}"
)

assert unscaled_loss > 3 * first_loss

# %% [markdown]
# ## Exercises
#
# **1.** You have 500 images and set 40 of them aside for validation. The accuracy is 0.35. How far may that be off by
# chance?
#
# <details><summary>Answer</summary>
#
# One standard error is sqrt(0.35 × 0.65 / 40) = 0.075. Twice that: somewhere from 0.20 to 0.50. This is note 001's
# curve. One image more or less is 0.025.
#
# </details>
#
# **2.** `model.predict(x_test[0])` fails. Why?
#
# <details><summary>Answer</summary>
#
# Its shape is (28, 28, 1), and a network takes a batch (N, 28, 28, 1). Write `x_test[:1]`.
#
# </details>
#
# **3.** The labels are letters from "A" to "Y". What do you do before `fit`?
#
# <details><summary>Answer</summary>
#
# `preprocessing.LabelEncoder().fit_transform(labels)` numbers them from 0, in alphabetical order. Keep the encoder:
# its `classes_` turn numbers into letters again.
#
# </details>
#
# **4.** Is 0.9 accuracy good?
#
# <details><summary>Answer</summary>
#
# Compare it with the dullest guess. If 90 of 100 images are roses, "always a rose" has 0.9 too. Here all digits are
# equally many, and guessing has 0.1.
#
# </details>

# %%
standard_error = math.sqrt(0.35 * 0.65 / 40)
assert round(standard_error, 3) == 0.075

# %% [markdown]
# ## What the course notes said, and where they slipped
#
# * Notes 000, 002 and 004 use one set both for validation and as the test. Whoever then picks the best epoch has
#   picked it by the test images.
# * Note 001's `glob.glob` gives files in the order of the disk. With `random_state=42` the split is still another one
#   on another machine. Write `sorted(glob.glob(...))`.
# * Note 003 takes 24 classes, which fits its tables with labels from 0 to 23. The well-known tables of the same
#   images have labels up to 24, without 9, and `to_categorical(labels, 24)` fails on them.
# * `print(model.summary())` of note 003 prints "None" at the end: `summary` prints by itself and returns nothing.
