"""What an optimizer remembers: written, read, and training goes on as if it had never stopped."""

from importlib.util import find_spec

import h5py
import numpy as np
import pytest
from saved_models import change_weights, round_trip
from tiny_networks import assert_same, compiled, convnet, fit, two_headed, two_headed_data

from tinyconv import Input, Sequential, config, optimizers
from tinyconv.callbacks import LearningRateScheduler
from tinyconv.layers import BatchNormalization, Dense
from tinyconv.models import load_model
from tinyconv.optimizers.schedules import CosineDecay, ExponentialDecay

OPTIMIZERS = {
    "sgd": lambda: optimizers.SGD(0.1),
    "momentum": lambda: optimizers.SGD(0.1, momentum=0.9),
    "nesterov": lambda: optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "rmsprop": lambda: optimizers.RMSprop(0.01),
    "rmsprop-all": lambda: optimizers.RMSprop(0.01, momentum=0.9, centered=True),
    "adam": lambda: optimizers.Adam(0.01),
    "amsgrad": lambda: optimizers.Adam(0.01, amsgrad=True),
    "adamw": lambda: optimizers.AdamW(0.01, weight_decay=0.1, clipnorm=1.0),
    "adagrad": lambda: optimizers.Adagrad(0.1),
    "schedule": lambda: optimizers.Adam(ExponentialDecay(0.01, 3, 0.5)),
}
every_optimizer = pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
both_formats = pytest.mark.parametrize("ending", [".keras", ".h5"])
needs_numba = pytest.mark.skipif(not find_spec("numba"), reason="needs Numba")


@pytest.fixture
def path(tmp_path):
    """Where the model goes."""
    return tmp_path / "model.keras"


def begun(optimizer="adam", **settings):
    """A network after a few steps."""
    model = compiled(convnet(BatchNormalization()), optimizer, **settings)
    fit(model, epochs=2, batch_size=4, shuffle=False)
    return model


def go_on(model):
    """The losses of two more epochs."""
    return fit(model, epochs=2, batch_size=4, shuffle=False)["loss"]


def assert_goes_on(model, loaded):
    """Both learn the same from here on, bit for bit."""
    assert loaded.optimizer.iterations == model.optimizer.iterations
    assert go_on(loaded) == go_on(model)
    assert_same(loaded.get_weights(), model.get_weights())
    assert loaded.optimizer.slots.keys() == model.optimizer.slots.keys()
    for name, slot in model.optimizer.slots.items():
        np.testing.assert_array_equal(loaded.optimizer.slots[name], slot)


@pytest.mark.parametrize("engine", ["numpy", pytest.param("numba", marks=needs_numba)])
@both_formats
@every_optimizer
def test_training_goes_on_where_it_stopped(make, ending, engine, tmp_path):
    with config.engine(engine):
        model = begun(make())
        assert_goes_on(model, round_trip(model, tmp_path / f"model{ending}"))


@both_formats
def test_weights_in_double_precision_go_on(ending, tmp_path, float64):
    model = begun("adam")
    assert_goes_on(model, round_trip(model, tmp_path / f"model{ending}"))


@both_formats
def test_several_inputs_and_frozen_layers_go_on(ending, tmp_path):
    model, (x, y) = two_headed(), two_headed_data()
    model.layers[2].trainable = False
    model.compile("adam", {"kind": "sparse_categorical_crossentropy", "size": "mse"})
    model.fit(x, y, verbose=0, shuffle=False)
    loaded = round_trip(model, tmp_path / f"model{ending}")
    for each in (model, loaded):
        each.fit(x, y, verbose=0, shuffle=False)
    assert_same(loaded.get_weights(), model.get_weights())


def test_a_loaded_model_can_be_saved_again_before_it_learns(path):
    model = begun()
    assert_goes_on(model, round_trip(round_trip(model, path), path))


@both_formats
def test_the_learning_rate_that_a_callback_set_is_kept(ending, tmp_path):
    model = begun()
    fit(model, callbacks=[LearningRateScheduler(lambda epoch, rate: rate / 3)])
    loaded = round_trip(model, tmp_path / f"model{ending}")
    assert loaded.optimizer.learning_rate == model.optimizer.learning_rate == 0.001 / 3


def test_a_schedule_goes_on(path):
    model = begun(optimizers.SGD(CosineDecay(0.5, 20)))
    loaded = round_trip(model, path)
    assert loaded.optimizer.current_learning_rate == model.optimizer.current_learning_rate < 0.4


@both_formats
def test_the_memory_can_be_left_out(ending, tmp_path):
    model, path = begun(), tmp_path / f"model{ending}"
    model.save(path, include_optimizer=False)
    loaded = load_model(path)
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    assert (loaded.optimizer.iterations, loaded.optimizer.slots) == (0, {})


@both_formats
def test_before_the_first_step_there_is_no_memory(ending, tmp_path):
    loaded = round_trip(compiled(), tmp_path / f"model{ending}")
    assert (loaded.optimizer.iterations, loaded.optimizer.slots) == (0, {})


def test_a_memory_of_nan_and_infinity_comes_back(path):
    model = begun()
    model.optimizer.slots["momentum"][:2] = np.nan, np.inf
    loaded = round_trip(model, path)
    np.testing.assert_array_equal(loaded.optimizer.slots["momentum"], model.optimizer.slots["momentum"])


def test_layers_frozen_since_compile_leave_the_memory_out_and_say_so(path):
    model = begun()
    model.layers[0].trainable = False
    with pytest.warns(UserWarning, match=r"Its momentum and the like are not saved\. Call compile"):
        model.save(path)
    assert load_model(path).optimizer.slots == {}


# As it lies in the file


def test_arrays_lie_in_keras_order(path):
    model = Sequential([Input((5,)), Dense(3), Dense(2)])
    model.compile(optimizers.Adam(amsgrad=True), "mse")
    model.fit(np.ones((4, 5)), np.ones((4, 2)), verbose=0)
    model.save_weights(path.with_suffix(".weights.h5"))
    with h5py.File(path.with_suffix(".weights.h5")) as h5:
        store = h5["optimizer/vars"]
        shapes = [store[str(i)].shape for i in range(len(store))]
        first = [(5, 3), (5, 3), (3,), (3,), (3, 2), (3, 2), (2,), (2,)]  # momentum and velocity in turns
        assert shapes == [(), (), *first, (5, 3), (3,), (3, 2), (2,)]
        assert store["0"][()] == 1
        np.testing.assert_array_equal(store["3"][()].ravel(), model.optimizer.slots["velocity"][:15])
        np.testing.assert_array_equal(store["6"][()].ravel(), model.optimizer.slots["momentum"][18:24])


MISFITS = {
    "a wrong shape": (lambda s: replaced(s, "2", data=np.ones((2, 3, 3, 4), "f4")), r"expected shape \(3, 3, 2, 4\)"),
    "a wrong type": (lambda s: replaced(s, "2", data=np.ones((3, 3, 2, 4), "f8")), "Received shape .* of float64"),
    "too few": (lambda s: s.__delitem__("13"), r"adam: expected 2 arrays, or 14 of one that has learned\. Received 13"),
    "a missing one": (lambda s: s.move("5", "x"), "nothing at 5"),
    "a fraction of a step": (lambda s: replaced(s, "0", data=0.5), "iteration: expected a whole number from 0"),
    "a negative number of steps": (lambda s: replaced(s, "0", data=-1), "iteration: expected a whole number from 0"),
    "a rate that is none": (
        lambda s: replaced(s, "1", data=np.float32("nan")),
        "learning_rate: expected a number from 0",
    ),
    "a terabyte": (lambda s: replaced(s, "2", shape=(10**6, 10**6), dtype="f4", chunks=True), "1000000, 1000000"),
    "a link": (
        lambda s: replaced(s, "2", link=h5py.ExternalLink("/etc/passwd", "/x")),
        r"a link at 2 \(ExternalLink\)",
    ),
    "a loop": (lambda s: replaced(s, "2", link=h5py.SoftLink("/optimizer/vars/2")), r"a link at 2 \(SoftLink\)"),
}


def replaced(store, name, link=None, **dataset):
    """Another dataset, or a link, in the place of one."""
    del store[name]
    if link is None:
        store.create_dataset(name, **dataset)
    else:
        store[name] = link


@pytest.mark.parametrize(("change", "match"), MISFITS.values(), ids=MISFITS)
def test_a_memory_that_does_not_fit_is_left_out_with_a_warning(path, change, match):
    model = compiled(convnet(Dense(5)), "adam")
    fit(model)
    model.save(path)
    change_weights(path, lambda h5: change(h5["optimizer/vars"]))
    with pytest.warns(UserWarning, match=rf"^{path}: the optimizer starts anew.*{match}"):
        loaded = load_model(path)
    assert (loaded.optimizer.iterations, loaded.optimizer.slots) == (0, {})
    assert_same(loaded.get_weights(), model.get_weights())


# Weights alone


def test_weights_bring_the_memory_to_an_optimizer_that_has_learned(tmp_path):
    path = tmp_path / "model.weights.h5"
    model = begun()
    model.save_weights(path)
    weights, state = model.get_weights(), model.optimizer.get_state()
    expected = go_on(model)
    model.optimizer.learning_rate = 0.1
    model.load_weights(path)
    assert_same(model.get_weights(), weights)
    assert_same(list(model.optimizer.get_state().values()), [np.array(part) for part in state.values()])
    assert model.optimizer.learning_rate == np.float32(0.001)
    model.optimizer.learning_rate = 0.001
    assert go_on(model) == expected


def test_weights_leave_a_new_optimizer_as_it_is(tmp_path):
    path = tmp_path / "model.weights.h5"
    begun().save_weights(path)
    other = compiled(convnet(BatchNormalization()), optimizers.Adam(1e-5))
    other.load_weights(path)
    assert (other.optimizer.iterations, other.optimizer.learning_rate, other.optimizer.slots) == (0, 1e-5, {})


# get_state and set_state


def test_a_state_is_a_copy():
    model = begun("adam")
    state = model.optimizer.get_state()
    assert list(state) == ["iterations", "momentum", "velocity"]
    before = state["momentum"].copy()
    go_on(model)
    np.testing.assert_array_equal(state["momentum"], before)
    assert (model.optimizer.slots["momentum"] != before).any()


@every_optimizer
def test_a_state_makes_another_optimizer_the_same(make):
    model, other = begun(make()), compiled(convnet(BatchNormalization()), make())
    other.set_weights(model.get_weights())
    other.optimizer.set_state(model.optimizer.get_state())
    assert_goes_on(model, other)


@pytest.mark.parametrize("make", [OPTIMIZERS["adam"], OPTIMIZERS["adagrad"]])
def test_a_state_of_the_beginning_takes_all_back(make):
    optimizer = make()
    start = optimizer.get_state()
    w, again = np.ones(5, "f4"), np.ones(5, "f4")
    optimizer.step(w, np.arange(5, dtype="f4"))
    optimizer.set_state(start)
    optimizer.step(again, np.arange(5, dtype="f4"))
    np.testing.assert_array_equal(w, again)


STATES = {
    "another slot": ({"momentum": np.zeros(5), "speed": np.zeros(5)}, "momentum of shape .*, speed of shape"),
    "a missing slot": ({"momentum": np.zeros(5)}, "expected slots momentum, velocity of 5 numbers each"),
    "two lengths": ({"momentum": np.zeros(5), "velocity": np.zeros(4)}, r"velocity of shape \(4,\)"),
    "two axes": ({"momentum": np.zeros((5, 1)), "velocity": np.zeros(5)}, r"momentum of shape \(5, 1\)"),
    "another size": ({"momentum": np.zeros(4), "velocity": np.zeros(4)}, "of 5 numbers each"),
}


@pytest.mark.parametrize(("slots", "match"), STATES.values(), ids=STATES)
def test_a_state_that_does_not_fit_changes_nothing(slots, match):
    optimizer = optimizers.Adam()
    optimizer.step(np.ones(5), np.ones(5))
    before = optimizer.get_state()
    with pytest.raises(ValueError, match=match):
        optimizer.set_state({"iterations": 7, **slots})
    assert_same(list(map(np.array, optimizer.get_state().values())), list(map(np.array, before.values())))


def test_a_state_for_an_optimizer_that_keeps_none_is_refused():
    with pytest.raises(ValueError, match=r"SGD: expected no slots\. Received momentum of shape \(3,\)"):
        optimizers.SGD().set_state({"iterations": 1, "momentum": np.zeros(3)})
