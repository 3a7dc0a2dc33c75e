"""Course note 004, "Convolutional Neural Networks using keras and tensorflow": a network that reads digits.

The note's Keras program. Behind an import that was changed stands where the note imports from; nothing else was
changed.
"""

# %% Imports
import matplotlib.pyplot as plt
import numpy as np

import tinyconv as tf  # import tensorflow as tf
from tinyconv.layers import *  # from tensorflow.keras.layers
from tinyconv.models import Model  # from keras.models
from tinyconv.optimizers import Adam, SGD  # from keras.optimizers

# The note shows neither the import of NumPy nor that of Matplotlib, and uses both.


# %% Define CNN model
def create_model():
    model = tf.keras.models.Sequential()
    model.add(tf.keras.layers.Conv2D(32, (3, 3), input_shape=(28, 28, 1), activation="relu"))
    model.add(tf.keras.layers.MaxPooling2D(pool_size=(2, 2)))
    model.add(tf.keras.layers.Conv2D(64, (3, 3), activation="relu"))
    model.add(tf.keras.layers.MaxPooling2D(pool_size=(2, 2), padding="same"))
    model.add(tf.keras.layers.Flatten())
    model.add(tf.keras.layers.Dense(64, activation="relu"))
    model.add(tf.keras.layers.Dense(10, activation="softmax"))
    return model


# %% Read data
(x_train, y_train), (x_test, y_test) = tf.keras.datasets.mnist.load_data()
x_train = np.expand_dims(x_train, -1) / 255
x_test = np.expand_dims(x_test, -1) / 255

# Convert y to one-hot
y_train = tf.keras.utils.to_categorical(y_train, 10)
y_test = tf.keras.utils.to_categorical(y_test, 10)

# %% Summary
model = create_model()
model.summary()  # Prints model structure

# %% Training
# Compile model - Build computation graph
model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])

# Fit model and store results in history object.
# The note shows this line twice with 20 epochs, and once with the 10 that it then prints.
history = model.fit(x_train, y_train, batch_size=128, epochs=10, validation_data=(x_test, y_test))

# %% Plot loss and accuracy during training
fig, ax = plt.subplots()
ax.plot(history.history["accuracy"], label="train")
ax.plot(history.history["val_accuracy"], label="test")
ax.set_title("Accuracy")
ax.legend(loc="lower right")

fig, ax = plt.subplots()
ax.plot(history.history["loss"], label="train")
ax.plot(history.history["val_loss"], label="test")
ax.set_title("Loss")
ax.legend(loc="upper right")

# ruff: noqa: F401, F403, I001
# mypy: ignore-errors
