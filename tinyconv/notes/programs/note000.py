"""Course note 000, "Convolutional Neural Networks": five kinds of flowers, and four attempts to tell them apart better.

The note's Keras program. Behind an import that was changed stands where the note imports from; lines that the page
cuts off are completed, and where the note slips, the program does the same and a comment says so. Beside it must lie a
folder ``flowers`` with a folder of images for each class, ``images/test1.jpg`` and a folder ``models``; ``tinyconv
reproduce 000`` lays them there.
"""

# %% Imports
from tinyconv.preprocessing.image import ImageDataGenerator  # from keras.preprocessing.image
import numpy as np
from tinyconv.utils import img_to_array, load_img  # from tensorflow.keras.utils
import matplotlib.pyplot as plt

# %% Split data into training and testing
# The note's own split_data cannot run: create_dir is defined nowhere, "shuffle" is asked for before it is imported, a
# list of classes is given where one name is wanted, and ratios of 0.7, 0.2 and 0.1 do not add up to 1 in floats.
from tinyconv.preprocessing import split_folders

split_folders("flowers", "dataset/flowers", ratio=(0.8, 0.0, 0.2))

# %% Define the baseline
from tinyconv import keras  # from tensorflow
from tinyconv import layers  # from tensorflow.keras

# Pixels stay as they are, from 0 to 255: 1 means there's no scaling, as the note says itself, and it should be 1/255.
train_datagen = ImageDataGenerator(rescale=1)
test_datagen = ImageDataGenerator(rescale=1)

model = keras.Sequential()
model.add(layers.Conv2D(32, (3, 3), activation="relu", input_shape=(100, 100, 3)))
model.add(layers.MaxPool2D((2, 2)))
model.add(layers.Conv2D(64, (3, 3), activation="relu"))
model.add(layers.MaxPool2D((2, 2)))
model.add(layers.Conv2D(128, (3, 3), activation="relu"))
model.add(layers.MaxPool2D((2, 2)))
model.add(layers.Flatten())
model.add(layers.Dense(512, activation="relu"))
model.add(layers.Dense(5, activation="softmax"))
# 5 represent the number of classes because it's the last layer

# %% Read the images
training_iterator = train_datagen.flow_from_directory("dataset/flowers/train", batch_size=32, target_size=(100, 100))
testing_iterator = test_datagen.flow_from_directory("dataset/flowers/test", batch_size=32, target_size=(100, 100))

# %% Train the baseline
# The note's line says epochs=10, and eight are printed below it.
model.compile(loss="categorical_crossentropy", metrics=["accuracy"], optimizer="adam")
history = model.fit(training_iterator, validation_data=testing_iterator, epochs=8)


# %% Plot
def plot_history():
    """The note writes these lines anew after each training."""
    # plot Loss vs epochs
    plt.plot(history.history["loss"])
    plt.plot(history.history["val_loss"])
    plt.title("model loss")
    plt.ylabel("loss")
    plt.xlabel("no of epochs")
    plt.legend(["train", "test"], loc="upper left")
    plt.show()

    plt.plot(history.history["accuracy"])
    plt.plot(history.history["val_accuracy"])
    plt.title("model accuracy")
    plt.ylabel("accuracy")
    plt.xlabel("no of epochs")
    plt.legend(["train", "test"], loc="upper left")
    plt.show()


plot_history()

# %% Save the model
model.save("models/flower_baseline_model.h5")

# get the class labels
class_labels = testing_iterator.class_indices
print(class_labels)

# %% Load model and make predictions
from tinyconv.models import load_model  # from tensorflow.keras.models

model = load_model("models/flower_baseline_model.h5")

image1 = load_img("images/test1.jpg", target_size=(100, 100))
plt.imshow(image1)
plt.show()

# convert the image to array and add one dimension
image1 = img_to_array(image1)
image1 = image1.reshape(1, 100, 100, 3)

result = model.predict(image1)
print(result)

# Print the highest prediction
print([label for label in class_labels][np.argmax(result)])

# %% 1. Dropout regularization
model2 = keras.Sequential()
model2.add(layers.Conv2D(32, (3, 3), activation="relu", input_shape=(100, 100, 3)))
model2.add(layers.MaxPool2D((2, 2)))
model2.add(layers.Dropout(0.2))
model2.add(layers.Conv2D(64, (3, 3), activation="relu"))
model2.add(layers.MaxPool2D((2, 2)))
model2.add(layers.Dropout(0.2))
model2.add(layers.Conv2D(128, (3, 3), activation="relu"))
model2.add(layers.MaxPool2D((2, 2)))
model2.add(layers.Dropout(0.2))
model2.add(layers.Flatten())
model2.add(layers.Dense(512, activation="relu"))
model2.add(layers.Dropout(0.3))  # increase the dropout because the number of neurons
model2.add(layers.Dense(5, activation="softmax"))

# %% Train with dropout
model2.compile(loss="categorical_crossentropy", metrics=["accuracy"], optimizer="adam")
history = model2.fit(training_iterator, validation_data=testing_iterator, epochs=8)
plot_history()

# %% 2. Padding and filter optimization
model3 = keras.Sequential()
model3.add(layers.Conv2D(32, (3, 3), activation="relu", input_shape=(100, 100, 3)))
model3.add(layers.MaxPool2D((2, 2)))
model3.add(layers.Conv2D(64, (3, 3), activation="relu", padding="same"))
model3.add(layers.MaxPool2D((2, 2)))
model3.add(layers.Conv2D(128, (3, 3), activation="relu", padding="same"))
model3.add(layers.MaxPool2D((2, 2)))
model3.add(layers.Flatten())
model3.add(layers.Dense(512, activation="relu"))
model3.add(layers.Dense(5, activation="softmax"))

# %% Train with padding
# model3 is compiled, and "model" is trained: the baseline goes on learning, and model3 never begins.
model3.compile(loss="categorical_crossentropy", metrics=["accuracy"], optimizer="adam")
history = model.fit(training_iterator, validation_data=testing_iterator, epochs=8)
plot_history()

# %% 3. Adding more filters
model4 = keras.Sequential()
model4.add(layers.Conv2D(64, (3, 3), activation="relu", input_shape=(100, 100, 3)))
model4.add(layers.MaxPool2D((2, 2)))
model4.add(layers.Conv2D(128, (3, 3), activation="relu"))
model4.add(layers.MaxPool2D((2, 2)))
model4.add(layers.Conv2D(256, (3, 3), activation="relu"))
model4.add(layers.MaxPool2D((2, 2)))
model4.add(layers.Flatten())
model4.add(layers.Dense(512, activation="relu"))
model4.add(layers.Dense(5, activation="softmax"))

# %% Train with more filters
# The same slip: model4 is compiled, and the baseline is trained once more.
model4.compile(loss="categorical_crossentropy", metrics=["accuracy"], optimizer="adam")
history = model.fit(training_iterator, validation_data=testing_iterator, epochs=8)
plot_history()

# %% 4. Augmentation optimization
# The argument's name is cut off in the note; rotation_range counts in degrees, so that 0.2 turns nothing. And the test
# images are augmented too, so that every evaluation sees others.
train_datagen = ImageDataGenerator(rescale=1 / 255, horizontal_flip=True, rotation_range=0.2, height_shift_range=0.2)
test_datagen = ImageDataGenerator(rescale=1 / 255, horizontal_flip=True, rotation_range=0.2, height_shift_range=0.2)

training_iterator = train_datagen.flow_from_directory("dataset/flowers/train", batch_size=32, target_size=(100, 100))
testing_iterator = test_datagen.flow_from_directory("dataset/flowers/test", batch_size=32, target_size=(100, 100))

model5 = keras.Sequential()
model5.add(layers.Conv2D(32, (3, 3), activation="relu", input_shape=(100, 100, 3)))
model5.add(layers.MaxPool2D((2, 2)))
model5.add(layers.Conv2D(64, (3, 3), activation="relu"))
model5.add(layers.MaxPool2D((2, 2)))
model5.add(layers.Conv2D(128, (3, 3), activation="relu"))
model5.add(layers.MaxPool2D((2, 2)))
model5.add(layers.Flatten())
model5.add(layers.Dense(512, activation="relu"))
model5.add(layers.Dense(5, activation="softmax"))

# %% Train with augmentation
# And again: it is the baseline that goes on learning. It sees pixels 255 times as dark now, and all but begins anew.
model5.compile(loss="categorical_crossentropy", metrics=["accuracy"], optimizer="adam")
history = model.fit(training_iterator, validation_data=testing_iterator, epochs=8)
plot_history()

# ruff: noqa: C416, E402, I001
# mypy: ignore-errors
