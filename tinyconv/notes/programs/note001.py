"""Course note 001, "ConvNets": flowers at 299x299 pixels, and a network of 350 million parameters.

The note's Keras program. Behind an import that was changed stands where the note imports from; the one line that cannot
be read is completed, with a comment. Beside it must lie the folder ``tiny_FR`` with a folder of JPEG files for each
class; ``tinyconv reproduce 001`` lays it there.
"""

# %% Imports
import tinyconv as tf  # import tensorflow as tf

print(tf.__version__)

from tinyconv import keras  # from tensorflow

tf.random.set_seed(42)

import numpy as np

np.random.seed(42)

import matplotlib.pyplot as plt

import glob
import PIL
from PIL import Image

# %% Find the images
imgFiles = glob.glob("tiny_FR/*/*.jpg")

for items in imgFiles[:5]:
    print(items)

# %% Read the images
X = []
y = []

for fName in imgFiles:
    X_i = Image.open(fName)  # tiny_FR/sunflower/1715303025_e7065327e2.jpg (500, 333)

    X_i = X_i.resize((299, 299))  # To make them appropriate to Xception model when using Transfer Learning

    X_i = np.array(X_i) / 255.0  # Normalize to range 0.0 to 1.0 (not stretching, only scaling)

    X.append(X_i)

    label = fName.split("/")  # ['tiny_FR', 'sunflower', '1715303025_e7065327e2.jpg']

    y_i = label[1]  # 'sunflower'

    y.append(y_i)

# %% Labels
print(set(y))
# {'daisy', 'sunflower', 'dandelion', 'rose', 'tulip'}

from tinyconv.preprocessing import LabelEncoder  # from sklearn.preprocessing

lEncoder = LabelEncoder()
y = lEncoder.fit_transform(y)

print(set(y))
# {0, 1, 2, 3, 4}

print(lEncoder.classes_)
# ['daisy' 'dandelion' 'rose' 'sunflower' 'tulip']

y = np.array(y)

print(y.shape)
# (500,)

# %% Training and test part
from tinyconv.preprocessing import train_test_split  # from sklearn.model_selection

# The note's line cannot be read. It gave 400 images and 100, as arrays; float32 needs half the memory of float64.
X_train, X_test, y_train, y_test = train_test_split(np.array(X, np.float32), y, test_size=0.2, random_state=42)
del X

print("X_train_shape: {}".format(X_train.shape))
# X_train_shape: (400, 299, 299, 3)

print("X_test_shape: {}".format(X_test.shape))
# X_test_shape: (100, 299, 299, 3)

# %% Standard scaling
mu = X_train.mean()
std = X_train.std()

X_train_std = (X_train - mu) / std
X_test_std = (X_test - mu) / std

# %% Create the network using Functional API method
input_ = keras.layers.Input(shape=X_train.shape[1:])

x = keras.layers.Conv2D(filters=32, kernel_size=5, padding="same", activation="relu")(input_)
x = keras.layers.MaxPool2D(pool_size=2)(x)
x = keras.layers.Conv2D(filters=64, kernel_size=3, padding="same", activation="relu")(x)
x = keras.layers.MaxPool2D(pool_size=2)(x)

x = keras.layers.Flatten()(x)
x = keras.layers.Dense(units=1000, activation="relu")(x)
x = keras.layers.Dense(units=100, activation="relu")(x)

output_ = keras.layers.Dense(units=5, activation="softmax")(x)

model_CNN = keras.models.Model(inputs=[input_], outputs=[output_])

# %% Summary
model_CNN.summary()

# %% Training
model_CNN.compile(loss="sparse_categorical_crossentropy", optimizer="adam", metrics=["accuracy"])

history_CNN = model_CNN.fit(x=X_train_std, y=y_train, epochs=25, validation_split=0.1, batch_size=32)

# %% Plot
keys = ["accuracy", "val_accuracy"]
progress = {k: v for k, v in history_CNN.history.items() if k in keys}

from tinyconv.notes import tables as pd  # import pandas as pd

pd.DataFrame(progress).plot()

plt.xlabel("epochs")
plt.ylabel("accuracy")

plt.grid(True)
plt.show()

# %% Evaluation
test_loss, test_accuracy = model_CNN.evaluate(X_test_std, y_test)
# 100/1 [===] - 0s 3ms/sample - loss: 5.2441 - accuracy: 0.5500

print("Test-loss: %f, Test-accuracy: %f" % (test_loss, test_accuracy))
# Test-loss: 2.738503, Test-accuracy: 0.550000

# ruff: noqa: E402, F401, I001, NPY002, UP031, UP032
# mypy: ignore-errors
