"""Course note 003, "03_asl_cnn" and "cnn": hands that spell letters, and what padding, strides and pooling do to shapes.

The note's Keras programs. Behind an import that was changed stands where the note imports from; what the page cuts off
is completed, and where the note slips, a comment says so. Beside it must lie the note's tables,
``sign_mnist_train.csv`` and ``sign_mnist_valid.csv`` with labels from 0 to 23; ``tinyconv reproduce 003`` lays them
there.
"""

# %% A program to begin with: imports
import numpy as np

import tinyconv as tf  # import tensorflow as tf
from tinyconv import layers, models  # from tensorflow.keras
from tinyconv.datasets import mnist  # from keras.datasets

# %% Its data
# "Assuming X_train, y_train, X_valid, y_valid are already defined", the note says, and does not define them: grey
# images of 64x64 pixels in ten classes. The first of MNIST's digits, in a wide dark frame, are such images.
(X_train, y_train), (X_valid, y_valid) = mnist.load_data()
frame = ((0, 0), (18, 18), (18, 18))
X_train, X_valid = (np.pad(x, frame)[..., None] / 255 for x in (X_train[:2000], X_valid[:500]))
y_train, y_valid = (tf.keras.utils.to_categorical(y, 10) for y in (y_train[:2000], y_valid[:500]))

# %% Its network
# Define the CNN model
model = models.Sequential()

# First Convolutional Layer
model.add(layers.Conv2D(32, (3, 3), activation="relu", input_shape=(64, 64, 1)))
model.add(layers.BatchNormalization())
model.add(layers.MaxPooling2D((2, 2)))
model.add(layers.Dropout(0.25))

# Second Convolutional Layer
model.add(layers.Conv2D(64, (3, 3), activation="relu"))
model.add(layers.BatchNormalization())
model.add(layers.MaxPooling2D((2, 2)))
model.add(layers.Dropout(0.25))

# Flatten Layer
model.add(layers.Flatten())

# Dense Layer
model.add(layers.Dense(128, activation="relu"))
model.add(layers.Dropout(0.5))

# Output Dense Layer
model.add(layers.Dense(10, activation="softmax"))

# Compile the model
model.compile(
    optimizer="adam",
    loss="categorical_crossentropy",
    metrics=["accuracy"],
)

# %% Its training
# Fit the model
history = model.fit(
    X_train, y_train,
    epochs=10,
    batch_size=32,
    validation_data=(X_valid, y_valid),
)  # fmt: skip

# Print the model summary. summary() prints by itself and returns None, which print then prints too.
print(model.summary())

# %% 2.1 Loading and preparing the data
import tinyconv as keras  # import tensorflow.keras as keras
from tinyconv.notes import tables as pd  # import pandas as pd

train_df = pd.read_csv("sign_mnist_train.csv")
valid_df = pd.read_csv("sign_mnist_valid.csv")

# Separate out our target values
y_train = train_df["label"]
y_valid = valid_df["label"]
del train_df["label"]
del valid_df["label"]

# Separate out our image vectors
x_train = train_df.values
x_valid = valid_df.values

# Turn our scalar targets into binary categories
num_classes = 24
y_train = keras.utils.to_categorical(y_train, num_classes)
y_valid = keras.utils.to_categorical(y_valid, num_classes)

# Normalize our image data
x_train = x_train / 255
x_valid = x_valid / 255

# %% 2.2 Reshaping images for a CNN
print(x_train.shape, x_valid.shape)

x_train = x_train.reshape(-1, 28, 28, 1)
x_valid = x_valid.reshape(-1, 28, 28, 1)

print(x_train.shape, x_valid.shape)

# %% 2.3 Creating a convolutional model
from tinyconv.models import Sequential  # from tensorflow.keras.models
from tinyconv.layers import (
    Dense,
    Conv2D,
    MaxPool2D,
    Flatten,
    Dropout,
    BatchNormalization,
)  # from tensorflow.keras.layers

model = Sequential()
model.add(Conv2D(75, (3, 3), strides=1, padding="same", activation="relu", input_shape=(28, 28, 1)))
model.add(BatchNormalization())
model.add(MaxPool2D((2, 2), strides=2, padding="same"))
model.add(Conv2D(50, (3, 3), strides=1, padding="same", activation="relu"))
model.add(Dropout(0.2))
model.add(BatchNormalization())
model.add(MaxPool2D((2, 2), strides=2, padding="same"))
model.add(Conv2D(25, (3, 3), strides=1, padding="same", activation="relu"))
model.add(BatchNormalization())
model.add(MaxPool2D((2, 2), strides=2, padding="same"))
model.add(Flatten())
model.add(Dense(units=512, activation="relu"))
model.add(Dropout(0.3))
model.add(Dense(units=num_classes, activation="softmax"))

# %% 2.4 Summarizing the model
model.summary()

# %% 2.5 Compiling the model
# No optimizer is named, so that it is Keras's default, "rmsprop".
model.compile(loss="categorical_crossentropy", metrics=["accuracy"])

# %% 2.6 Training the model
# "Train for 20 epochs", the note says above this line, which trains for 10.
model.fit(x_train, y_train, epochs=10, verbose=1, validation_data=(x_valid, y_valid))

# %% Padding: imports and data
import tinyconv  # import tensorflow
from tinyconv import keras  # from tensorflow
from tinyconv.layers import Dense, Conv2D, Flatten  # from keras.layers
from tinyconv import Sequential  # from keras
from tinyconv.datasets import mnist  # from keras.datasets

(X_train, y_train), (X_test, y_test) = mnist.load_data()

# %% Padding "valid"
model = Sequential()

model.add(Conv2D(32, kernel_size=(3, 3), padding="valid", activation="relu", input_shape=(28, 28, 1)))
model.add(Conv2D(32, kernel_size=(3, 3), padding="valid", activation="relu"))
model.add(Conv2D(32, kernel_size=(3, 3), padding="valid", activation="relu"))

model.add(Flatten())

model.add(Dense(128, activation="relu"))
model.add(Dense(10, activation="softmax"))

model.summary()

# %% Padding "same"
model = Sequential()

model.add(Conv2D(32, kernel_size=(3, 3), padding="same", activation="relu", input_shape=(28, 28, 1)))
model.add(Conv2D(32, kernel_size=(3, 3), padding="same", activation="relu"))
model.add(Conv2D(32, kernel_size=(3, 3), padding="same", activation="relu"))

model.add(Flatten())

model.add(Dense(128, activation="relu"))
model.add(Dense(10, activation="softmax"))

model.summary()

# %% Strides
model = Sequential()

model.add(Conv2D(32, kernel_size=(3, 3), padding="same", strides=(2, 2), activation="relu", input_shape=(28, 28, 1)))
model.add(Conv2D(32, kernel_size=(3, 3), padding="same", strides=(2, 2), activation="relu"))
model.add(Conv2D(32, kernel_size=(3, 3), padding="same", strides=(2, 2), activation="relu"))

model.add(Flatten())

model.add(Dense(128, activation="relu"))
model.add(Dense(10, activation="softmax"))

model.summary()

# %% Pooling
from tinyconv.layers import (
    Dense,
    Conv2D,
    Flatten,
    MaxPooling2D,
)  # from keras.layers

model = Sequential()

model.add(Conv2D(32, kernel_size=(3, 3), padding="valid", activation="relu", input_shape=(28, 28, 1)))
model.add(MaxPooling2D(pool_size=(2, 2), strides=2, padding="valid"))
model.add(Conv2D(32, kernel_size=(3, 3), padding="valid", activation="relu"))
model.add(MaxPooling2D(pool_size=(2, 2), strides=2, padding="valid"))

model.add(Flatten())

model.add(Dense(128, activation="relu"))
model.add(Dense(10, activation="softmax"))

model.summary()

# ruff: noqa: E402, E501, F401, I001
# mypy: ignore-errors
