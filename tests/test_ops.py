"""The names of TensorFlow and Keras for functions of arrays, as the programs of their tutorials use them."""

import numpy as np
import pytest
from oracle import load_keras

import tinyconv as tf
from tinyconv import keras, layers, ops
from tinyconv.tensor import Tensor

X = np.array([[1.0, -2.0, 0.5], [3.0, 3.0, -1000.0]], np.float32)

CALLS = {
    "argmax": lambda o: o.argmax(X, axis=-1),
    "argmax down": lambda o: o.argmax(X, 0),
    "cast": lambda o: o.cast([[0, 2]], "float32"),
    "convert_to_tensor": lambda o: o.convert_to_tensor([[1, 2]], dtype="float32"),
    "expand_dims": lambda o: o.expand_dims(X, 0),
    "expand_dims at the end": lambda o: o.expand_dims(X, -1),
    "one_hot": lambda o: o.one_hot(np.array([[2, 0], [-1, 1]]), 3),
    "relu": lambda o: o.relu(X),
    "sigmoid": lambda o: o.sigmoid(X),
    "softmax": lambda o: o.softmax(X),
    "softmax down": lambda o: o.softmax(X, 0),
    "squeeze": lambda o: o.squeeze(X[:, None, :, None]),
    "squeeze one": lambda o: o.squeeze(X[:, None, :, None], 1),
}


@pytest.mark.oracle
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_functions_are_those_of_keras(call):
    theirs = np.asarray(call(load_keras().ops))
    ours = call(ops)
    assert isinstance(ours, Tensor)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-7)
    assert ours.dtype.kind == theirs.dtype.kind


def test_argmax_asks_for_the_axis_where_keras_and_tensorflow_differ():
    assert tf.argmax([1.0, 5.0, 2.0]).numpy() == 1
    with pytest.raises(ValueError, match=r"argmax: expected an axis, for more than one.*shape \(2, 3\).*axis=-1"):
        tf.argmax(X)


def test_the_quick_start_of_tensorflow():
    model = keras.Sequential([layers.Input((3,)), layers.Dense(4)])
    predictions = model(X[:1]).numpy()
    assert type(predictions) is np.ndarray
    np.testing.assert_allclose(tf.nn.softmax(predictions).numpy().sum(), 1, rtol=1e-6)
    np.testing.assert_array_equal(model.predict(tf.expand_dims(X[0], 0), verbose=0), predictions)
    assert tf.cast(X, tf.float32)[..., tf.newaxis].shape == (2, 3, 1)


def test_what_layers_return_answers_numpy():
    images = np.zeros((2, 5, 6, 3))
    augment = keras.Sequential([layers.RandomFlip("horizontal"), layers.Rescaling(1 / 255)])
    assert augment(images, training=True)[0].numpy().astype("uint8").shape == (5, 6, 3)
    left, right = layers.Input((3,)), layers.Input((3,))
    both = keras.Model([left, right], [layers.add([left, right]), layers.concatenate([left, right])])
    added, beside = both([X, X])
    np.testing.assert_array_equal(added.numpy(), 2 * X)
    np.testing.assert_array_equal(beside.numpy(), np.hstack([X, X]))


@pytest.mark.parametrize(
    "layer",
    [layers.RandomFlip(), layers.RandomRotation(0.1), layers.RandomContrast(0.2), layers.Resizing(4, 7)],
    ids=lambda layer: type(layer).__name__,
)
def test_layers_for_images_take_one_alone(layer):
    image = np.arange(90.0).reshape(5, 6, 3)
    assert layer(image, training=True).shape == layer(image[None], training=True).shape[1:]
    np.testing.assert_array_equal(layer(image), layer(image[None])[0])
    with pytest.raises(ValueError, match=r"expected 4 axes .*Received x\.shape=\(5, 6\)"):
        layer(image[..., 0])


def test_a_sequence_of_layers_for_images_takes_one_alone():
    resize = keras.Sequential([layers.Resizing(4, 7), layers.Rescaling(1 / 255)])
    image = np.arange(90.0).reshape(5, 6, 3)
    for _ in range(2):
        assert resize(image).shape == (4, 7, 3)
    np.testing.assert_array_equal(resize(image), resize(image[None])[0])
    nested = keras.Sequential([resize, layers.RandomFlip()])
    assert nested(image).shape == (4, 7, 3)


def test_names_of_older_programs():
    assert tf.data.experimental.AUTOTUNE == tf.data.AUTOTUNE
    numbers = tf.data.Dataset.from_tensor_slices(np.arange(3))
    assert tf.data.experimental.cardinality(numbers).numpy() == 3
    assert keras.backend.image_data_format() == keras.config.image_data_format() == "channels_last"
