"""Course note 002, "4.3 Convolutional Neural Networks": hands that show digits, and three learning rates.

The note's Keras program. Behind an import that was changed stands where the note imports from; lines that the page
cuts off are completed, the lines of its notebook (Google Drive, unzip) and an import it never uses (imageio) are left
out, and where it slips, a comment says so. Beside it must lie the folder ``Dataset`` with the folders 0 to 9;
``tinyconv reproduce 002`` lays it there.
"""

# %% Imports
import os
import numpy as np
from os import listdir
from tinyconv.utils import to_categorical  # from keras.utils
from tinyconv.preprocessing import train_test_split  # from sklearn.model_selection
from tinyconv.utils.image_utils import img_to_array  # from keras.utils.image_utils
import PIL
import PIL.Image
import matplotlib.pyplot as plt
import tinyconv as tf  # import tensorflow as tf
from tinyconv import keras  # from tensorflow
from tinyconv import layers  # from tensorflow.keras
from tinyconv.models import Sequential  # from tensorflow.keras.models
from matplotlib import pyplot as plt

# Settings
num_classes = 10
test_size = 0.2


# %% Images as arrays
def get_img(data_path):
    ## Getting image array from path:
    img = PIL.Image.open(data_path)
    img = img.convert("L")
    img = img_to_array(img)
    # np.resize does not resize a picture: it takes the first 10,000 numbers, row after row, and repeats them if there
    # are fewer. Images that have 100x100 pixels already stay as they are; three of this data set are larger.
    img = np.resize(img, (100, 100, 1))
    return img


# %% The whole data set as arrays
# Nothing below uses these arrays. The note had 163 files here, and 2062 afterwards.
dataset_path = "Dataset"

## Getting all data from data path
labels = sorted(listdir(dataset_path))
X = []
Y = []
for i, label in enumerate(labels):
    data_path = dataset_path + "/" + label

    for data in listdir(data_path):
        img = get_img(data_path + "/" + data)
        X.append(img)
        Y.append(i)
## create dataset
X = 1 - np.array(X).astype("float32") / 255
Y = np.array(Y).astype("float32")
Y = to_categorical(Y, num_classes)

X, X_test, Y, Y_test = train_test_split(X, Y, test_size=test_size, random_state=42)
print(X.shape)
print(X_test.shape)
print(Y.shape)
print(Y_test.shape)

# %% Load data using keras utils
img_height = 100
img_width = 100
batch_size = 128

# The "validation" part is the test set of everything below.
train_ds = tf.keras.utils.image_dataset_from_directory(
    "Dataset",
    validation_split=0.2,
    subset="training",
    seed=1337,
    image_size=(img_height, img_width),
    batch_size=batch_size,
)

test_ds = tf.keras.utils.image_dataset_from_directory(
    "Dataset",
    validation_split=0.2,
    subset="validation",
    seed=1337,
    image_size=(img_height, img_width),
    batch_size=batch_size,
)

# %% Class names and images
# Print class names
class_names = train_ds.class_names
print(class_names)

# Plot images
plt.figure(figsize=(10, 10))
for images, labels in train_ds.take(1):
    for i in range(9):
        ax = plt.subplot(3, 3, i + 1)
        plt.imshow(images[i].numpy().astype("uint8"))
        plt.title(class_names[labels[i]])
        plt.axis("off")

# %% Build model
num_classes = len(class_names)
# Build model
model = Sequential([
    layers.Rescaling(1. / 255, input_shape=(img_height, img_width, 3)),  # Standardize the data
    layers.Conv2D(16, 3, padding="same", activation="relu"),
    layers.MaxPooling2D(),
    layers.Conv2D(32, 3, padding="same", activation="relu"),
    layers.MaxPooling2D(),
    layers.Conv2D(64, 3, padding="same", activation="relu"),
    layers.MaxPooling2D(),
    layers.Flatten(),
    layers.Dense(128, activation="relu"),
    layers.Dense(num_classes),
])  # fmt: skip

# from_logits should be set to true since softmax was not used in the last output layer
# If softmax is used in the output layer then from_logits should be set to false
model.compile(optimizer="adam",
              loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
              metrics=["accuracy"])  # fmt: skip

model.summary()

# %% Check the performance of the initial model
epochs = 20
history = model.fit(train_ds, validation_data=test_ds, epochs=epochs)


# %% Plot training and test accuracy
def plot_history():
    """The note writes these lines anew after each training."""
    acc = history.history["accuracy"]
    val_acc = history.history["val_accuracy"]

    loss = history.history["loss"]
    val_loss = history.history["val_loss"]

    epochs_range = range(epochs)

    plt.figure(figsize=(8, 8))
    plt.subplot(1, 2, 1)
    plt.plot(epochs_range, acc, label="Training Accuracy")
    plt.plot(epochs_range, val_acc, label="Validation Accuracy")
    plt.legend(loc="lower right")
    plt.title("Training and Validation Accuracy")

    plt.subplot(1, 2, 2)
    plt.plot(epochs_range, loss, label="Training Loss")
    plt.plot(epochs_range, val_loss, label="Validation Loss")
    plt.legend(loc="upper right")
    plt.title("Training and Validation Loss")
    plt.show()


plot_history()

# %% Evaluate
score = model.evaluate(test_ds)
print("Network test score [loss, accuracy]:", score)

# %% Build model again
num_classes = len(class_names)
# Build model
model = Sequential([
    layers.Rescaling(1. / 255, input_shape=(img_height, img_width, 3)),  # Standardize the data
    layers.Conv2D(16, 3, padding="same", activation="relu"),
    layers.MaxPooling2D(),
    layers.Conv2D(32, 3, padding="same", activation="relu"),
    layers.MaxPooling2D(),
    layers.Conv2D(64, 3, padding="same", activation="relu"),
    layers.MaxPooling2D(),
    layers.Flatten(),
    layers.Dense(128, activation="relu"),
    layers.Dense(num_classes),
])  # fmt: skip

# %% Learning rate 0.005, slowly less
# decay_steps=1500: there are 8 x 13 = 104 steps, after which the rate is still 0.997 of what it was.
opt = keras.optimizers.Adam(learning_rate=keras.optimizers.schedules.ExponentialDecay(
    initial_learning_rate=5e-3,
    decay_rate=0.96,
    decay_steps=1500,
))  # fmt: skip

model.compile(optimizer=opt,
              loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
              metrics=["accuracy"])  # fmt: skip

epochs = 8
history = model.fit(train_ds, validation_data=test_ds, epochs=epochs)
plot_history()

# %% Build model once more
num_classes = len(class_names)
# Build model
model = Sequential([
    layers.Rescaling(1. / 255, input_shape=(img_height, img_width, 3)),  # Standardize the data
    layers.Conv2D(16, 3, padding="same", activation="relu"),
    layers.MaxPooling2D(),
    layers.Conv2D(32, 3, padding="same", activation="relu"),
    layers.MaxPooling2D(),
    layers.Conv2D(64, 3, padding="same", activation="relu"),
    layers.MaxPooling2D(),
    layers.Flatten(),
    layers.Dense(128, activation="relu"),
    layers.Dense(num_classes),
])  # fmt: skip

# %% Learning rate 0.0005, slowly less
opt = keras.optimizers.Adam(learning_rate=keras.optimizers.schedules.ExponentialDecay(
    initial_learning_rate=5e-4,
    decay_rate=0.96,
    decay_steps=1500,
))  # fmt: skip

model.compile(optimizer=opt,
              loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
              metrics=["accuracy"])  # fmt: skip

epochs = 8
history = model.fit(train_ds, validation_data=test_ds, epochs=epochs)
plot_history()

# %% Evaluate again
score = model.evaluate(test_ds)
print("Network test score [loss, accuracy]:", score)

# ruff: noqa: F401, F811, I001
# mypy: ignore-errors
