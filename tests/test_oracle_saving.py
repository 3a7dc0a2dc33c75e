"""Files exchanged with real Keras, in both directions."""

import numpy as np
import pytest
from oracle import load_keras
from saved_models import HOLDS, outputs, two_vectors, with_models_inside
from tiny_networks import branched, compiled, convnet, images, labels

from tinyconv import Input, Model, Sequential, optimizers
from tinyconv.layers import Add, Conv2D, Dense, Dropout, MinPooling2D
from tinyconv.models import load_model
from tinyconv.optimizers.schedules import ExponentialDecay


@pytest.fixture
def path(tmp_path):
    """Where the model goes."""
    return tmp_path / "model.keras"


def keras_twin(path):
    """The model that real Keras makes of a file."""
    return load_keras().models.load_model(path, compile=False)


def assert_keras_agrees(model, path, x):
    """Real Keras opens our file and predicts the same, and we open the file that it writes."""
    model.save(path)
    theirs = keras_twin(path)
    other = path.with_name("keras.keras")
    theirs.save(other)
    for twin in (theirs, load_model(other)):
        for mine, yours in zip(outputs(model, x), outputs(twin, x), strict=True):
            np.testing.assert_allclose(mine, yours, rtol=1e-4, atol=1e-5)


quiet = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning:torch", "ignore::FutureWarning")
#: Layers and options that only tinyconv has; and "same" average pooling, where Keras on PyTorch differs from itself.
OURS = ("min", "global-min", "conv-padding", "batchnorm-unbiased", "average-same")
SHARED = [case for case in HOLDS if not case.id.startswith(OURS)]


@pytest.mark.oracle
@quiet
@pytest.mark.parametrize("case", SHARED, ids=[case.id for case in SHARED])
def test_keras_opens_every_layer_it_has(case, path):
    layer = case.layer("float32")
    inputs = [Input(shape[1:]) for shape in case.shapes]
    model = Model(inputs, layer(inputs if case.takes_list else inputs[0]))
    x = case.input(dtype="float32")
    assert_keras_agrees(model, path, x)


@pytest.mark.oracle
@quiet
@pytest.mark.parametrize("make", [convnet, branched])
def test_keras_opens_networks_on_images(make, path):
    assert_keras_agrees(make(), path, images())


@pytest.mark.oracle
@quiet
def test_keras_opens_models_inside_shared_layers_and_several_outputs(path):
    assert_keras_agrees(with_models_inside(), path, two_vectors())


def random_graph(rng):
    """Dense layers and sums in random order, some layers called more than once."""
    shared = [Dense(3) for _ in range(3)]
    tensors = [x] = [Input((3,))]
    for _ in range(rng.integers(3, 9)):
        first, second = (tensors[rng.integers(len(tensors))] for _ in range(2))
        layer = shared[rng.integers(3)] if rng.random() < 0.5 else Dense(3)
        tensors.append(Add()([first, second]) if rng.random() < 0.4 else layer(first))
    return Model(x, list(dict.fromkeys([tensors[-1], tensors[rng.integers(1, len(tensors))]])))


@pytest.mark.oracle
@quiet
@pytest.mark.parametrize("seed", range(20))
def test_keras_finds_the_weights_of_any_graph(seed, path):
    rng = np.random.default_rng(seed)
    assert_keras_agrees(random_graph(rng), path, rng.normal(size=(2, 3)).astype(np.float32))


@pytest.mark.oracle
@quiet
def test_settings_of_compile_go_to_keras_and_back(path):
    model = compiled(
        convnet(Dropout(0.5)), optimizers.Adam(ExponentialDecay(0.5, 10, 0.9), clipnorm=1.0), metrics=["accuracy"]
    )
    model.save(path)
    with pytest.warns(UserWarning, match="Skipping variable loading for optimizer"):  # its state is not there yet
        theirs = load_keras().models.load_model(path)
    theirs.save(path)
    loaded = load_model(path)
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    expected = model.evaluate(images(), labels(), verbose=0)
    np.testing.assert_allclose(loaded.evaluate(images(), labels(), verbose=0), expected, rtol=1e-6)


@pytest.mark.oracle
@quiet
def test_a_layer_that_keras_lacks_can_be_given_to_it(path):
    keras = load_keras()

    class MinPooling2D_(keras.layers.MaxPooling2D):
        def call(self, x):
            return -super().call(-x)

    model = Sequential([Input((7, 6, 2)), Conv2D(3, 2), MinPooling2D(2, padding="same")])
    model.save(path)
    theirs = keras.models.load_model(path, custom_objects={"MinPooling2D": MinPooling2D_})
    np.testing.assert_allclose(outputs(theirs, images())[0], outputs(model, images())[0], atol=1e-5)
