"""Saving what is the user's own: settings of compile, layers, losses, models."""

import numpy as np
import pytest
from saved_models import assert_twins, change_config, refused, round_trip
from tiny_networks import compiled, convnet, images, labels, one_hot, two_headed, two_headed_data

from tinyconv import Input, Model, Sequential, initializers, losses, metrics, optimizers, saving
from tinyconv.layers import Add, Dense, Flatten, Layer
from tinyconv.models import clone_model, load_model
from tinyconv.optimizers.schedules import ExponentialDecay


@pytest.fixture
def path(tmp_path):
    """Where the model goes."""
    return tmp_path / "model.keras"


# What compile was told

COMPILED = {
    "names": {"optimizer": "adam", "loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]},
    "objects": {
        "optimizer": optimizers.SGD(ExponentialDecay(0.5, 10, 0.9, staircase=True), momentum=0.9, clipnorm=2.0),
        "loss": losses.SparseCategoricalCrossentropy(),
        "metrics": [metrics.SparseTopKCategoricalAccuracy(k=2)],
    },
    "class": {"optimizer": "sgd", "loss": losses.SparseCategoricalCrossentropy, "metrics": None},
}


@pytest.mark.parametrize("settings", COMPILED.values(), ids=COMPILED)
def test_a_loaded_model_evaluates_as_before(settings, path):
    model = convnet()
    model.compile(**settings)
    expected = model.evaluate(images(), labels(), verbose=0)
    loaded = round_trip(model, path)
    assert loaded.evaluate(images(), labels(), verbose=0) == expected
    assert loaded.optimizer.get_config() == model.optimizer.get_config()


def test_settings_by_output_come_back(path):
    model, (x, y) = two_headed(), two_headed_data()
    loss = {"kind": "sparse_categorical_crossentropy", "size": losses.Huber(2.0)}
    model.compile("sgd", loss, loss_weights={"kind": 0.5, "size": 2.0}, metrics={"kind": ["accuracy"]})
    expected = model.evaluate(x, y, verbose=0)
    assert round_trip(model, path).evaluate(x, y, verbose=0) == expected


def test_a_model_can_be_loaded_without_its_settings(path):
    assert round_trip(compiled(), path, compile=False).optimizer is None


def test_a_model_that_was_not_compiled_is_not_compiled(path):
    assert round_trip(convnet(), path).optimizer is None


class Doubled(losses.CategoricalCrossentropy):
    """A loss of a user's own."""


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_a_loss_of_ones_own_comes_back(ending, path):
    path = path.with_suffix(ending)
    model = compiled(loss=Doubled())
    expected = model.evaluate(images(), one_hot(labels()), verbose=0)
    assert round_trip(model, path, custom_objects={"Doubled": Doubled}).evaluate(
        images(), one_hot(labels()), verbose=0
    ) == pytest.approx(expected)


def test_an_unknown_loss_says_how_to_go_on(path):
    compiled(loss=Doubled()).save(path)
    with pytest.raises(ValueError, match=r"loss 'Doubled'.*custom_objects={'Doubled': Doubled}.*or compile=False"):
        load_model(path)


def change_settings(path, change):
    """Let a function change what compile was told."""
    change_config(path, lambda entry: change(entry["compile_config"]))


def test_a_function_of_keras_is_known_by_its_name(path):
    compiled().save(path)
    function = {"module": "builtins", "class_name": "function", "config": "mean_squared_error"}
    change_settings(path, lambda settings: settings.update(loss=function, metrics=[function]))
    assert load_model(path)._settings == {
        "loss": "mean_squared_error",
        "loss_weights": None,
        "metrics": ["mean_squared_error"],
    }


UNKNOWN = {
    "weighted metrics": (
        {"weighted_metrics": ["accuracy"]},
        r"weighted_metrics=\['accuracy'\], which",
    ),
    "an unknown function": ({"loss": {"class_name": "function", "config": "my_loss"}}, "loss 'my_loss'"),
    "an unknown optimizer": ({"optimizer": {"class_name": "Lion", "config": {}}}, "optimizer 'Lion'"),
    "averaged weights": ({"optimizer": {"class_name": "Adam", "config": {"use_ema": True}}}, "use_ema=True"),
}


@pytest.mark.parametrize(("settings", "match"), UNKNOWN.values(), ids=UNKNOWN)
def test_settings_that_are_not_ours_are_named(path, settings, match):
    compiled().save(path)
    change_settings(path, lambda found: found.update(settings))
    refused(path, rf"{match}.*compile=False")
    assert load_model(path, compile=False).optimizer is None


# Layers of one's own


class Scale(Layer):
    """A layer of a user's own: y = x * factor * kernel."""

    def __init__(self, factor, kernel_initializer="ones", **kwargs):
        super().__init__(**kwargs)
        self.factor = factor
        self.kernel_initializer = initializers.get(kernel_initializer)

    def compute_output_shape(self, input_shape):
        return input_shape

    def weight_shapes(self, input_shape):
        return {"kernel": (input_shape[-1],)}

    def forward(self, x, training=False):
        return x * self.factor * self.params["kernel"], x

    def backward(self, dy, cache):
        self.grads["kernel"] += (dy * cache * self.factor).sum(axis=0)
        return dy * self.factor * self.params["kernel"]


class Halves(initializers.Constant):
    """An initializer of a user's own."""


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_a_layer_of_ones_own_comes_back(ending, path):
    path = path.with_suffix(ending)
    model = Sequential([Input((5,)), Scale(3, kernel_initializer=Halves(0.5)), Dense(2)])
    loaded = round_trip(model, path, custom_objects={"Scale": Scale, "Halves": Halves})
    assert type(loaded.layers[0].kernel_initializer) is Halves
    assert_twins(model, loaded, np.ones((2, 5)))


@pytest.fixture
def registered():
    """`Scale` and `Halves`, registered as long as the test runs."""
    with saving.custom_object_scope({}):
        saving.register_keras_serializable("mine")(Scale)
        saving.register_keras_serializable(name="Half")(Halves)
        yield


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_a_registered_layer_comes_back_without_being_named(registered, ending, path):
    path = path.with_suffix(ending)
    model = Sequential([Input((5,)), Scale(3, kernel_initializer=Halves(0.5)), Dense(2)])
    assert_twins(model, round_trip(model, path), np.ones((2, 5)))
    other = type("Scale", (Scale,), {})
    assert type(load_model(path, custom_objects={"mine>Scale": other}).layers[0]) is other


def test_a_registered_layer_has_its_package_in_the_file(registered, path):
    Sequential([Input((5,)), Scale(3, kernel_initializer=Halves(0.5))]).save(path)
    found = []
    change_config(path, lambda entry: found.append(entry["config"]["layers"][1]))
    assert found[0]["registered_name"] == "mine>Scale"
    assert found[0]["config"]["kernel_initializer"]["registered_name"] == "Custom>Half"


def test_a_scope_ends(path):
    model = Sequential([Input((5,)), Scale(3)])
    with saving.custom_object_scope({"Scale": Scale}):
        assert_twins(model, round_trip(model, path), np.ones((2, 5)))
    refused(path, "layer 'Scale'")
    assert "Scale" not in saving.get_custom_objects()


class Line(Sequential):
    """A model of a user's own."""


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_a_model_of_ones_own_comes_back(ending, path):
    path, model = path.with_suffix(ending), Line([Input((5,)), Dense(2)])
    loaded = round_trip(model, path, custom_objects={"Line": Line})
    assert type(loaded) is Line
    assert_twins(model, loaded, np.ones((2, 5)))


def test_an_unknown_layer_is_named_with_the_way_out(path):
    Sequential([Input((5,)), Scale(3)]).save(path)
    with pytest.raises(
        ValueError,
        match=rf"^{path}: .*layer 'Scale': expected a class that tinyconv has.*custom_objects={{'Scale': Scale}}",
    ):
        load_model(path)


def test_custom_objects_must_be_layers(path):
    Sequential([Input((5,)), Scale(3)]).save(path)
    with pytest.raises(ValueError, match=r"a subclass of tinyconv\.layers\.Layer"):
        load_model(
            path, custom_objects={"Scale": lambda **settings: 3} | {"Scale": type("Scale", (), {"from_config": str})}
        )


class Forgetful(Scale):
    """Does not keep its argument."""

    def __init__(self, factor, **kwargs):
        super().__init__(factor, **kwargs)
        del self.factor


def test_a_layer_that_forgets_an_argument_cannot_be_saved(path):
    with pytest.raises(ValueError, match=r"an attribute for each argument of its constructor.*no attribute 'factor'"):
        Sequential([Input((5,)), Forgetful(3)]).save(path)


def test_a_clone_keeps_classes_of_ones_own():
    model = Line([Input((5,)), Scale(3, name="s")])
    clone = clone_model(model)
    assert (type(clone), type(clone.layers[0])) == (Line, Scale)
    assert type(Line.from_config(model.get_config(), {"Scale": Scale})) is Line


def test_settings_that_json_cannot_hold_are_refused(path):
    model = Sequential([Input((5,)), Scale(np.ones(5))])
    with pytest.raises(ValueError, match=r"settings that JSON can hold\. Received Object of type ndarray"):
        model.save(path)
    assert not path.exists()


def test_a_layer_in_two_models_inside_is_refused(path):
    shared = Dense(4)
    both = [Sequential([Input((4,)), Dense(4), shared]), Sequential([Input((4,)), Flatten(), shared])]
    x = Input((4,))
    with pytest.raises(ValueError, match="layers that belong to one model inside"):
        Model(x, Add()([inner(x) for inner in both])).save(path)
