"""Whole trainings against real Keras (extra "oracle"): from the same weights, on the same batches, ten steps."""

import warnings

import numpy as np
import pytest
from oracle import array, load_keras
from tiny_networks import two_headed_data

import tinyconv
from tinyconv import layers, optimizers

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras's own
]

OPTIMIZERS = {
    "momentum": ("SGD", {"learning_rate": 0.01, "momentum": 0.9}),
    "nesterov": ("SGD", {"learning_rate": 0.01, "momentum": 0.9, "nesterov": True}),
    "adam": ("Adam", {"learning_rate": 0.001}),
    "rmsprop": ("RMSprop", {"learning_rate": 0.001}),
    "adam-clipped": ("Adam", {"learning_rate": 0.001, "global_clipnorm": 0.5, "weight_decay": 0.01}),
}
every_optimizer = pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)


@pytest.fixture(scope="module")
def keras():
    """Keras; its import warns of things that are not ours."""
    torch = pytest.importorskip("torch", reason="needs the extra 'oracle'")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # on a busy machine, PyTorch's threads wait for each other longer than they work
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        keras = load_keras()
    yield keras
    torch.set_num_threads(threads)


def note_004(library, kind):
    """The network of course note 004."""
    return library.Sequential(
        [
            library.Input((28, 28, 1)),
            kind.Conv2D(32, (3, 3), activation="relu"),
            kind.MaxPooling2D(pool_size=(2, 2)),
            kind.Conv2D(64, (3, 3), activation="relu"),
            kind.MaxPooling2D(pool_size=(2, 2), padding="same"),
            kind.Flatten(),
            kind.Dense(64, activation="relu"),
            kind.Dense(10, activation="softmax"),
        ]
    )


def normalized(library, kind):
    """Batch normalisation, regularizers, and dropout that drops nothing."""
    return library.Sequential(
        [
            library.Input((9, 8, 2)),
            kind.Conv2D(5, 3, strides=2, padding="same", activation="relu", kernel_regularizer="l2"),
            kind.BatchNormalization(momentum=0.8),
            kind.Dropout(0.0),
            kind.AveragePooling2D(2, padding="same"),
            kind.Flatten(),
            kind.Dense(7, activation="elu", kernel_regularizer="l1"),
            kind.BatchNormalization(),
            kind.Dense(3, activation="softmax"),
        ]
    )


def branched(library, kind):
    """Branches that are added and laid side by side, and a layer that is used twice."""
    x = library.Input((9, 8, 2))
    shared = kind.Conv2D(4, 3, padding="same", activation="tanh")
    a = shared(kind.Conv2D(4, 1)(x))
    b = kind.DepthwiseConv2D((3, 2), padding="same", depth_multiplier=2)(x)
    joined = kind.Concatenate()([kind.Add()([shared(a), b]), x])
    return library.Model(x, kind.Dense(3, activation="softmax")(kind.GlobalAveragePooling2D()(joined)))


def two_headed(library, kind):
    """Two inputs, two outputs."""
    left, right = library.Input((5,), name="left"), library.Input((4,), name="right")
    h = kind.Add()([kind.Dense(6, activation="tanh")(left), kind.Dense(6)(right)])
    outputs = [kind.Dense(3, activation="softmax", name="kind")(h), kind.Dense(2, name="size")(kind.Dense(7)(h))]
    return library.Model([left, right], outputs)


def both(keras, network, optimizer, **settings):
    """Our network and Keras's, from the same weights and compiled alike."""
    name, arguments = optimizer
    ours, theirs = network(tinyconv, layers), network(keras, keras.layers)
    theirs.set_weights(ours.get_weights())
    ours.compile(getattr(optimizers, name)(**arguments), **settings)
    theirs.compile(getattr(keras.optimizers, name)(**arguments), **settings)
    return ours, theirs


def on_batch(model, method, *data, **settings):
    """What train_on_batch or test_on_batch reports for this batch alone."""
    if hasattr(model, "reset_metrics"):
        model.reset_metrics()  # Keras goes on counting
    found = getattr(model, method)(*data, return_dict=True, **settings)
    return {name: value if isinstance(value, float) else float(array(value)) for name, value in found.items()}


def assert_agree(ours, theirs, data, **settings):
    """Ten steps give the same losses, and in the end the same weights."""
    for step, batch in enumerate(data):
        found = [on_batch(model, "train_on_batch", *batch, **settings) for model in (ours, theirs)]
        assert found[0].keys() == found[1].keys()
        for name in found[0]:
            np.testing.assert_allclose(found[0][name], found[1][name], rtol=1e-4, err_msg=f"{name}, step {step}")
    expected = theirs.get_weights()
    largest = max(np.abs(w).max() for w in expected)
    for w, ref in zip(ours.get_weights(), expected, strict=True):
        np.testing.assert_allclose(w, ref, rtol=1e-3, atol=1e-3 * largest)


def image_batches(shape, classes, size=4):
    """Ten batches of random images and labels."""
    rng = np.random.default_rng(1)
    return [(rng.random((size, *shape), dtype=np.float32), rng.integers(0, classes, size)) for _ in range(10)]


CLASSIFICATION = {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]}
NETWORKS = {
    "note 004": (note_004, (28, 28, 1), 10),
    "batch normalization": (normalized, (9, 8, 2), 3),
    "branches": (branched, (9, 8, 2), 3),
}


@every_optimizer
@pytest.mark.parametrize(("network", "shape", "classes"), NETWORKS.values(), ids=NETWORKS)
def test_ten_steps_agree(keras, network, shape, classes, optimizer):
    ours, theirs = both(keras, network, optimizer, **CLASSIFICATION)
    assert_agree(ours, theirs, image_batches(shape, classes))


@every_optimizer
def test_ten_steps_of_two_outputs_agree(keras, optimizer):
    settings = {
        "loss": {"kind": "sparse_categorical_crossentropy", "size": "mse"},
        "loss_weights": {"kind": 0.7, "size": 0.3},
        "metrics": {"kind": ["accuracy"], "size": ["mae"]},
    }
    ours, theirs = both(keras, two_headed, optimizer, **settings)
    x, y = two_headed_data()
    assert_agree(ours, theirs, [(x, {"kind": y[0], "size": y[1]})] * 10)


@pytest.mark.filterwarnings("ignore:Gradients do not exist:UserWarning")
@pytest.mark.parametrize("regularizer", [None, "l2"])
def test_an_output_without_a_loss_agrees(keras, regularizer):
    """Its weights do not decay, unless a regularizer makes them part of the loss."""

    def network(library, kind):
        x = library.Input((5,))
        untrained = kind.Dense(2, bias_initializer="ones", kernel_regularizer=regularizer)
        return library.Model(x, [kind.Dense(3)(x), untrained(x)])

    optimizer = ("AdamW", {"learning_rate": 0.01, "weight_decay": 0.5})
    ours, theirs = both(keras, network, optimizer, loss=["mse", None])
    rng = np.random.default_rng(1)
    data = [(rng.normal(size=(4, 5)), [rng.normal(size=(4, 3)), rng.normal(size=(4, 2))]) for _ in range(10)]
    assert_agree(ours, theirs, data)


def test_class_weights_agree(keras):
    ours, theirs = both(keras, normalized, OPTIMIZERS["momentum"], **CLASSIFICATION)
    assert_agree(ours, theirs, image_batches((9, 8, 2), 3), class_weight={0: 0.5, 1: 3.0})


def test_sample_weights_agree(keras):
    ours, theirs = both(keras, normalized, OPTIMIZERS["adam"], **CLASSIFICATION)
    assert_agree(ours, theirs, image_batches((9, 8, 2), 3), sample_weight=np.arange(4) / 3)


def test_frozen_layers_agree(keras):
    ours, theirs = both(keras, normalized, OPTIMIZERS["momentum"], **CLASSIFICATION)
    for model in (ours, theirs):
        model.layers[0].trainable = model.layers[1].trainable = False
        model.compile("sgd", **CLASSIFICATION)
    assert_agree(ours, theirs, image_batches((9, 8, 2), 3))


def test_one_hot_labels_agree(keras):
    settings = {"loss": "categorical_crossentropy", "metrics": ["accuracy"]}
    ours, theirs = both(keras, branched, OPTIMIZERS["adam"], **settings)
    assert_agree(ours, theirs, [(x, np.eye(3, dtype="float32")[y]) for x, y in image_batches((9, 8, 2), 3)])


def test_yes_or_no_agrees(keras):
    def network(library, kind):
        return library.Sequential([library.Input((4,)), kind.Dense(5, "relu"), kind.Dense(1, "sigmoid")])

    rng = np.random.default_rng(1)
    data = [(rng.normal(size=(6, 4)), rng.integers(0, 2, (6, 1))) for _ in range(10)]
    settings = {"loss": "binary_crossentropy", "metrics": ["accuracy"]}
    assert_agree(*both(keras, network, OPTIMIZERS["rmsprop"], **settings), data)


def histories(keras, **settings):
    """What both record of a training on 21 samples in batches of 8, without shuffling."""
    ours, theirs = both(keras, normalized, OPTIMIZERS["momentum"], **CLASSIFICATION)
    x, y = (np.concatenate(part) for part in zip(*image_batches((9, 8, 2), 3, 3)[:7], strict=True))
    settings = {"batch_size": 8, "epochs": 2, "shuffle": False, "verbose": 0, **settings}
    return [model.fit(x, y, **settings).history for model in (ours, theirs)]


@pytest.mark.parametrize(
    "settings",
    [{}, {"validation_split": 0.3}, {"class_weight": {1: 3.0}}, {"sample_weight": np.arange(21.0)}],
    ids=["plain", "validation_split", "class_weight", "sample_weight"],
)
def test_histories_agree(keras, settings):
    ours, theirs = histories(keras, **settings)
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-4, err_msg=name)


def test_initial_weights_have_the_shapes_and_order_of_keras(keras):
    for network in (note_004, normalized, branched, two_headed):
        ours, theirs = network(tinyconv, layers), network(keras, keras.layers)
        assert [w.shape for w in ours.get_weights()] == [w.shape for w in theirs.get_weights()]


@pytest.mark.parametrize("network", [note_004, normalized, branched, two_headed])
def test_layers_are_named_and_ordered_as_in_keras(keras, network):
    keras.utils.clear_session()
    ours, theirs = network(tinyconv, layers), network(keras, keras.layers)
    assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers]


@pytest.mark.parametrize("method", ["compile", "fit", "evaluate", "predict", "train_on_batch", "test_on_batch"])
def test_arguments_are_those_of_keras_in_its_order(keras, method):
    from oracle import arguments

    mine, theirs = (arguments(getattr(module.Model, method)) for module in (tinyconv, keras))
    known = [name for name in theirs if name in mine]
    own = ["record", "doctor"] if method == "fit" else []
    assert list(mine) == known + own
    assert {name: mine[name] for name in known} == {name: theirs[name] for name in known}
