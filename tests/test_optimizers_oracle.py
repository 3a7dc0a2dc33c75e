"""Five steps of every optimizer beside Keras and PyTorch."""

import numpy as np
import pytest
from oracle import arguments, array, assert_arguments_of_keras, load_keras

from tinyconv.optimizers import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop, schedules

SEGMENTS = [("dense/kernel", slice(0, 6)), ("dense/bias", slice(6, 8)), ("dense_1/kernel", slice(8, 11))]
OPTIONS = [
    (SGD, {"learning_rate": 0.1}),
    (SGD, {"learning_rate": 0.1, "momentum": 0.9}),
    (SGD, {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True}),
    (RMSprop, {"learning_rate": 0.01}),
    (RMSprop, {"learning_rate": 0.01, "rho": 0.7, "momentum": 0.5}),
    (RMSprop, {"learning_rate": 0.01, "centered": True}),
    (RMSprop, {"learning_rate": 0.01, "momentum": 0.5, "centered": True, "epsilon": 0.01}),
    (Adam, {"learning_rate": 0.01}),
    (Adam, {"learning_rate": 0.01, "beta_1": 0.7, "beta_2": 0.8, "epsilon": 0.01}),
    (Adam, {"learning_rate": 0.01, "beta_2": 0.5, "amsgrad": True}),
    (AdamW, {"learning_rate": 0.01}),
    (AdamW, {"learning_rate": 0.01, "weight_decay": 0.5, "amsgrad": True}),
    (Adagrad, {"learning_rate": 0.1}),
    (Adagrad, {"learning_rate": 0.1, "initial_accumulator_value": 0.5, "epsilon": 0.01}),
]
SHARED = [{}, {"clipnorm": 0.5}, {"global_clipnorm": 0.5}, {"clipvalue": 0.5}, {"weight_decay": 0.2}]


def steps_of_keras(optimizer, start, gradients):
    """Weights after each gradient, from Keras, on one variable for each of SEGMENTS."""
    keras = load_keras()
    variables = [keras.Variable(start[part].astype("float32"), name=name.split("/")[1]) for name, part in SEGMENTS]
    results = []
    for gradient in gradients:
        parts = [keras.ops.convert_to_tensor(gradient[part].astype("float32")) for _, part in SEGMENTS]
        optimizer.apply(parts, variables)
        results.append(np.concatenate([array(variable) for variable in variables]))
    return results


def five_steps(ours, theirs):
    """Both, on the same float32 weights and gradients."""
    rng = np.random.default_rng(7)
    start, gradients = rng.normal(size=11), rng.normal(size=(5, 11))
    expected = steps_of_keras(theirs, start, gradients)
    w, results = start.astype("float32"), []
    for gradient in gradients:
        ours.step(w, gradient.astype("float32"), SEGMENTS)
        results.append(w.copy())
    np.testing.assert_allclose(results, expected, rtol=2e-5, atol=1e-6)


@pytest.mark.oracle
@pytest.mark.parametrize(("cls", "options"), OPTIONS)
@pytest.mark.parametrize("shared", SHARED, ids=str)
def test_five_steps_agree_with_keras(cls, options, shared):
    settings = options | shared
    five_steps(cls(**settings), getattr(load_keras().optimizers, cls.__name__)(**settings))


@pytest.mark.oracle
@pytest.mark.parametrize("cls", [SGD, Adam])
def test_five_steps_along_a_schedule_agree_with_keras(cls):
    settings = {"initial_learning_rate": 0.1, "decay_steps": 2, "decay_rate": 0.5}
    keras = load_keras()
    theirs = getattr(keras.optimizers, cls.__name__)(keras.optimizers.schedules.ExponentialDecay(**settings))
    five_steps(cls(schedules.ExponentialDecay(**settings)), theirs)


@pytest.mark.oracle
def test_five_steps_with_excluded_biases_agree_with_keras():
    ours, theirs = AdamW(0.01, weight_decay=0.5), load_keras().optimizers.AdamW(0.01, weight_decay=0.5)
    ours.exclude_from_weight_decay(var_names=["bias"])
    theirs.exclude_from_weight_decay(var_names=["bias"])
    five_steps(ours, theirs)


@pytest.mark.oracle
@pytest.mark.parametrize("cls", [SGD, RMSprop, Adam, AdamW, Adagrad])
def test_arguments_and_defaults_are_those_of_keras(cls):
    theirs = getattr(load_keras().optimizers, cls.__name__)
    assert_arguments_of_keras(cls, theirs)
    assert arguments(Optimizer).keys() <= arguments(theirs).keys()


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("ours", "name", "theirs"),
    [
        (SGD(0.1, momentum=0.9), "SGD", {"lr": 0.1, "momentum": 0.9}),
        (SGD(0.1, momentum=0.9, nesterov=True), "SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
        (Adam(0.1, epsilon=1e-30), "Adam", {"lr": 0.1, "eps": 1e-30}),
        (AdamW(0.1, weight_decay=0.3, epsilon=1e-30), "AdamW", {"lr": 0.1, "weight_decay": 0.3, "eps": 1e-30}),
        (RMSprop(0.1, rho=0.8, epsilon=1e-30), "RMSprop", {"lr": 0.1, "alpha": 0.8, "eps": 1e-30}),
    ],
)
def test_five_steps_agree_with_torch_where_epsilon_is_too_small_to_matter(ours, name, theirs):
    torch, rng = pytest.importorskip("torch"), np.random.default_rng(8)
    w, gradients = rng.normal(size=11), rng.normal(size=(5, 11))
    tensor = torch.tensor(w)
    other = getattr(torch.optim, name)([tensor], **theirs)
    for gradient in gradients:
        tensor.grad = torch.tensor(gradient)
        other.step()
        ours.step(w, gradient)
    np.testing.assert_allclose(w, tensor.numpy(), rtol=1e-10)
