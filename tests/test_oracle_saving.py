"""Files exchanged with real Keras, in both directions."""

from random import Random

import numpy as np
import pytest
from oracle import load_keras
from saved_models import HOLDS, outputs, two_vectors, with_models_inside
from tiny_networks import CLASSES, branched, compiled, convnet, images, labels

import tinyconv
from tests.fuzz_networks import NOT_IN_KERAS, inputs_for, random_graph, randomized
from tinyconv import Input, Model, Sequential, optimizers
from tinyconv.layers import Conv2D, Dropout, MinPooling2D
from tinyconv.models import load_model
from tinyconv.optimizers.schedules import ExponentialDecay


@pytest.fixture
def path(tmp_path):
    """Where the model goes."""
    return tmp_path / "model.keras"


def keras_twin(path):
    """The model that real Keras makes of a file."""
    return load_keras().models.load_model(path, compile=False)


def assert_predict_the_same(model, other, x):
    """Two networks give the same outputs."""
    for mine, yours in zip(outputs(model, x), outputs(other, x), strict=True):
        np.testing.assert_allclose(mine, yours, rtol=1e-4, atol=1e-5)


def assert_keras_agrees(model, path, x):
    """Real Keras opens our file and predicts the same, and we open the file that it writes."""
    model.save(path)
    theirs = keras_twin(path)
    other = path.with_name("keras.keras")
    theirs.save(other)
    for twin in (theirs, load_model(other)):
        assert_predict_the_same(model, twin, x)


both_formats = pytest.mark.parametrize("ending", [".keras", ".h5"])
quiet = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::UserWarning:torch", "ignore::FutureWarning",
    r"ignore:[\s\S]*softmax over axis:UserWarning",  # of size 1
)  # fmt: skip
#: Layers and options that only tinyconv has; "same" average pooling, where Keras on PyTorch differs from itself; and
#: `RandomCrop`, where Keras predicts on images as large as they come, unlike its documentation.
OURS = ("min", "global-min", "conv-padding", "batchnorm-unbiased", "average-same", "random-crop")
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


def random_network(library, seed, *without):
    """A network of tinyconv or Keras; the same seed gives the same network."""
    return random_graph(Random(seed), NOT_IN_KERAS | {*without}).make(library)


@pytest.mark.oracle
@quiet
@both_formats
@pytest.mark.parametrize("seed", range(30))
def test_keras_opens_random_networks(seed, ending, tmp_path):
    path = tmp_path / f"model{ending}"
    model = randomized(random_network(tinyconv, seed), seed)
    model.save(path)
    assert_predict_the_same(model, keras_twin(path), inputs_for(model, seed))


@pytest.mark.oracle
@quiet
@both_formats
@pytest.mark.parametrize("seed", range(30))
def test_random_networks_of_keras_are_opened(seed, ending, tmp_path):
    path = tmp_path / f"model{ending}"
    without = ("RandomBrightness",) if ending == ".h5" else ()  # Keras cannot write it
    theirs = randomized(random_network(load_keras(), seed, *without), seed)
    theirs.save(path)
    model = load_model(path)
    assert_predict_the_same(theirs, model, inputs_for(model, seed))


@pytest.mark.oracle
@quiet
@pytest.mark.parametrize("seed", range(10))
def test_weights_alone_go_to_keras_and_back(seed, tmp_path):
    path = tmp_path / "model.weights.h5"
    model, theirs = random_network(tinyconv, seed), random_network(load_keras(), seed)
    randomized(model, seed).save_weights(path)
    theirs.load_weights(path)
    x = inputs_for(model, seed)
    assert_predict_the_same(model, theirs, x)
    randomized(theirs, seed + 1).save_weights(path)
    model.load_weights(path)
    assert_predict_the_same(theirs, model, x)


# Training goes on


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """On a busy machine, PyTorch's threads wait for each other longer than they work."""
    torch = pytest.importorskip("torch", reason="needs the extra 'oracle'")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


OPTIMIZERS = {
    "sgd": ("SGD", {"learning_rate": 0.1}),
    "momentum": ("SGD", {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True}),
    "rmsprop": ("RMSprop", {"learning_rate": 0.01, "momentum": 0.5, "centered": True}),
    "adam": ("Adam", {"learning_rate": 0.01}),
    "amsgrad": ("Adam", {"learning_rate": 0.01, "amsgrad": True}),
    "adamw": ("AdamW", {"learning_rate": 0.01, "weight_decay": 0.1}),
    "adagrad": ("Adagrad", {"learning_rate": 0.1}),
}


def learner(library, optimizer, settings):
    """A network with a frozen layer and a model inside, compiled."""
    kind = library.layers
    conv = kind.Conv2D(4, 2, activation="relu")
    inner = library.Sequential([library.Input((4, 4, 3)), conv, kind.BatchNormalization()])
    first = [library.Input((6, 6, 2)), kind.Conv2D(3, 3), kind.BatchNormalization(trainable=False), inner]
    model = library.Sequential([*first, kind.Flatten(), kind.Dense(CLASSES, activation="softmax")])
    model.compile(getattr(library.optimizers, optimizer)(**settings), "sparse_categorical_crossentropy")
    return model


def three_steps(model):
    """The losses of three steps."""
    x = images(9)[:, :6, :6]
    return [float(model.train_on_batch(x[i : i + 3], labels(9)[i : i + 3])) for i in (0, 3, 6)]


def to_keras(model, path):
    """Save by tinyconv, load by Keras."""
    model.save(path)
    return load_keras().models.load_model(path)


def assert_goes_on_in_the_other(theirs, ending, folder):
    """Three steps by Keras, three by both, and three more by both from what tinyconv saved."""
    three_steps(theirs)
    theirs.save(folder / f"theirs{ending}")
    model = load_model(folder / f"theirs{ending}")
    np.testing.assert_allclose(three_steps(model), three_steps(theirs), rtol=1e-4)
    again = to_keras(model, folder / f"ours{ending}")
    if ending == ".keras":  # with its own .h5 files Keras cannot go on either: its optimizer knows none of the weights
        np.testing.assert_allclose(three_steps(again), three_steps(model), rtol=1e-4)


@pytest.mark.oracle
@quiet
@both_formats
@pytest.mark.parametrize(("optimizer", "settings"), OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_training_begun_by_one_goes_on_in_the_other(optimizer, settings, ending, tmp_path):
    assert_goes_on_in_the_other(learner(load_keras(), optimizer, settings), ending, tmp_path)


@pytest.mark.oracle
@quiet
@both_formats
def test_a_schedule_goes_on_in_the_other(ending, tmp_path):
    schedule = load_keras().optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)
    assert_goes_on_in_the_other(learner(load_keras(), "Adam", {"learning_rate": schedule}), ending, tmp_path)


@pytest.mark.oracle
@quiet
@both_formats
def test_settings_of_compile_go_to_keras_and_back(ending, tmp_path):
    path = tmp_path / f"model{ending}"
    model = compiled(
        convnet(Dropout(0.5)), optimizers.Adam(ExponentialDecay(0.5, 10, 0.9), clipnorm=1.0), metrics=["accuracy"]
    )
    model.fit(images(), labels(), verbose=0)
    theirs = to_keras(model, path)
    theirs.save(path)
    loaded = load_model(path)
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    expected = model.evaluate(images(), labels(), verbose=0)
    np.testing.assert_allclose(loaded.evaluate(images(), labels(), verbose=0), expected, rtol=1e-5)


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
