"""What each check of the doctor calls sick, and the healthy cases beside it that it leaves alone."""

import gc
import re
import warnings

import numpy as np
import pytest
from tiny_networks import convnet, images, labels, one_hot

from tinyconv import Input, Model, Sequential, doctor, losses, optimizers
from tinyconv.doctor import data, network, plans
from tinyconv.initializers import Constant, RandomNormal
from tinyconv.layers import Add, BatchNormalization, Conv2D, Dense, Flatten, LeakyReLU, MaxPooling2D, ReLU, Rescaling
from tinyconv.models import clone_model, load_model
from tinyconv.optimizers.schedules import (
    CosineDecay,
    ExponentialDecay,
    LearningRateSchedule,
    PiecewiseConstantDecay,
    PolynomialDecay,
)

pytestmark = pytest.mark.usefixtures("doctor")

N = 96
RNG = np.random.default_rng(5)
X, Y = RNG.random((N, 6, 5, 2)), RNG.integers(0, 3, N)


def told(model, x=X, y=Y, optimizer="sgd", loss="sparse_categorical_crossentropy", **settings):
    """Names of the warnings of a training."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if loss is not None:
            model.compile(optimizer, loss)
        model.fit(x, y, **{"verbose": 0} | settings)
    assert all(str(one.message).startswith(f"{one.category.name}: ") for one in caught)
    return [one.category.name for one in caught]


def net(*hidden, units=3, activation="softmax"):
    """Flatten, the hidden layers, and one output for each class."""
    return Sequential([Input(X.shape[1:]), Flatten(), *hidden, Dense(units, activation=activation)])


def conv(*beginning, **settings):
    """A convolution after the layers given, and an output."""
    last = [Conv2D(4, 3, **settings), Flatten(), Dense(3, activation="softmax")]
    return Sequential([Input(X.shape[1:]), *beginning, *last])


# input-scale


@pytest.mark.parametrize(
    ("factor", "sick"), [(255, True), (40, True), (30, False), (1, False), (0.03, False), (1 / 255**2 * 250, True)]
)
def test_scale(factor, sick):
    assert ("input-scale" in told(net(), factor * X)) == sick


def test_one_large_number_is_no_scale():
    x = X - 0.5
    x[4, 2, 1, 0] = 90
    assert told(net(), x) == []


def test_bytes_are_looked_at_as_they_arrive():
    assert "input-scale" in told(conv(), (255 * X).astype(np.uint8))
    assert told(conv(Rescaling(1 / 255)), (255 * X).astype(np.uint8)) == []
    assert "input-scale" in told(conv(Rescaling(1 / 255)), X / 255)  # twice


def test_normalization_before_or_right_behind_makes_up_for_scale():
    quick = BatchNormalization(momentum=0.1)
    assert told(conv(quick), 255 * X) == []
    first = [Input(X.shape[1:]), Conv2D(4, 3, activation="relu"), MaxPooling2D()]
    last = [Flatten(), Dense(3, activation="softmax")]
    assert told(Sequential([*first, BatchNormalization(momentum=0.1), *last]), 255 * X) == []
    hidden = [Conv2D(4, 3, activation="sigmoid"), BatchNormalization(momentum=0.1)]
    assert "input-scale" in told(Sequential([Input(X.shape[1:]), *hidden, Flatten(), Dense(3, "softmax")]), 255 * X)


def test_layers_of_models_inside_count():
    inside = Sequential([Input(X.shape[1:]), Rescaling(1 / 255), Flatten()])
    assert told(Sequential([Input(X.shape[1:]), inside, Dense(3, activation="softmax")]), 255 * X) == []
    inside = Sequential([Input(X.shape[1:]), Flatten(), Dense(4)])
    assert "input-scale" in told(Sequential([Input(X.shape[1:]), inside, Dense(3, activation="softmax")]), 255 * X)


def test_what_a_trained_network_takes_is_its_own_business():
    model = net()
    told(model, 255 * X)
    assert "input-scale" not in told(model, 255 * X)
    copy = clone_model(model)
    copy.set_weights(model.get_weights())
    assert "input-scale" not in told(copy, 255 * X)


def test_steps_tell_that_a_network_without_biases_has_learned():
    model = Sequential([Input(X.shape[1:]), Flatten(), Dense(3, use_bias=False, activation="softmax")])
    assert "input-scale" in told(model, 255 * X)
    assert told(model, 255 * X, loss=None) == []


def test_samples_are_taken_from_all():
    for n in (1, 5, 64, 65, 100, 127, 128, 1000):
        chosen = data.spread(np.arange(n), 64)
        assert len(chosen) <= 64
        assert n - chosen[-1] <= -(-n // 64)


# constant-input


def changed(x, **parts):
    """A copy in which the parts are set."""
    x = x.copy()
    for where, value in parts.values():
        x[where] = value
    return x


CONSTANT = {
    "zeros": 0 * X,
    "one number": np.full_like(X, 0.7),
    "one image": X[:1].repeat(N, axis=0),
    "a channel": changed(X, alpha=(np.s_[..., 1], 1.0)),
    "a quarter not filled": changed(X, rest=(np.s_[72:], 0.0)),
}


@pytest.mark.parametrize("x", CONSTANT.values(), ids=CONSTANT)
def test_nothing_to_see(x):
    assert told(net(), x) == ["constant-input"]


VARYING = {
    "a tenth blank": changed(X, rest=(np.s_[87:], 0.0)),
    "a pixel of all": changed(X, border=(np.s_[:, 0, 0], 0.0)),
    "a channel of most": changed(X, alpha=(np.s_[1:, ..., 1], 1.0)),
    "one sample": X[:1],
}


@pytest.mark.parametrize("x", VARYING.values(), ids=VARYING)
def test_something_to_see(x):
    assert told(net(), x, Y[: len(x)]) == []


def test_columns_of_a_table_may_be_constant():
    table = changed(X.reshape(N, -1), empty=(np.s_[:, 3], 0.0))
    assert told(Sequential([Input((60,)), Dense(3, activation="softmax")]), table) == []


# first-loss


@pytest.mark.parametrize(("stddev", "sick"), [(0.05, False), (0.5, False), (20, True)])
def test_first_loss(stddev, sick):
    model = net(Dense(16, kernel_initializer=RandomNormal(stddev=stddev)))
    assert ("first-loss" in told(model)) == sick


def test_first_loss_of_one_sigmoid():
    model = net(Dense(16, kernel_initializer=RandomNormal(stddev=20)), units=1, activation="sigmoid")
    assert "first-loss" in told(model, y=Y % 2, loss="binary_crossentropy")
    assert told(net(units=1, activation="sigmoid"), y=Y % 2, loss="binary_crossentropy") == []


def test_a_trained_network_may_be_surprised():
    model = net(Dense(16))
    told(model, epochs=30, optimizer=optimizers.SGD(0.5))
    model.get_layer(index=1).params["kernel"][...] *= 60
    assert "first-loss" not in told(model)


def test_weights_of_samples_are_no_surprise():
    assert told(net(), class_weight={0: 40.0, 1: 40.0, 2: 40.0}) == []
    heavy = net(Dense(16, kernel_initializer=RandomNormal(stddev=20)))
    assert "first-loss" in told(heavy, sample_weight=np.full(N, 0.01))


# labels-and-loss

ONE_HOT = one_hot(Y)
PAIRS = {
    "sigmoid for several classes": (("sigmoid", 3), "sparse_categorical_crossentropy", Y, True),
    "softmax of one unit": (("softmax", 1), "binary_crossentropy", Y % 2, True),
    "softmax of one unit, mse": (("softmax", 1), "mse", Y % 2, True),
    "softmax for yes or no": (("softmax", 3), "binary_crossentropy", ONE_HOT, True),
    "softmax of two for yes or no": (("softmax", 2), "binary_crossentropy", np.eye(2)[Y % 2], False),
    "softmax and mse": (("softmax", 3), "mse", ONE_HOT, True),
    "several classes at once": (("softmax", 3), "categorical_crossentropy", np.maximum(ONE_HOT, [1, 0, 0]), True),
    "probabilities": (("softmax", 3), "categorical_crossentropy", 0.7 * ONE_HOT + 0.1, False),
    "labels from 1": (("softmax", 4), "sparse_categorical_crossentropy", Y + 1, True),
    "few labels from 1": (("softmax", 4), "sparse_categorical_crossentropy", (Y + 1)[:8], False),
    "one-hot": (("softmax", 3), "categorical_crossentropy", ONE_HOT, False),
    "sigmoid": (("sigmoid", 1), "binary_crossentropy", Y % 2, False),
    "sigmoids": (("sigmoid", 3), "binary_crossentropy", np.maximum(ONE_HOT, [1, 0, 0]), False),
    "numbers": (("linear", 1), "mse", Y / 2, False),
    "numbers from sigmoid": (("sigmoid", 1), "mse", Y / 2, False),
    "logits": (("linear", 3), losses.SparseCategoricalCrossentropy(from_logits=True), Y, False),
}


@pytest.mark.parametrize(("last", "loss", "y", "sick"), PAIRS.values(), ids=PAIRS)
def test_labels_and_loss(last, loss, y, sick):
    activation, units = last
    found = told(net(units=units, activation=activation), X[: len(y)], y, loss=loss)
    assert found == (["labels-and-loss"] if sick else [])


def test_a_softmax_before_logits_is_told_by_compile_with_or_without_doctor():
    with pytest.warns(
        doctor.LabelsWarning, match=r"labels-and-loss: Dense 'dense': its softmax is left out of the loss"
    ):
        net().compile("sgd", losses.SparseCategoricalCrossentropy(from_logits=True))


# missing-class


def part(*numbers):
    return np.array(numbers)


LAST = net().layers[-1]
PARTS = {
    "sorted": (part(90, 90, 60), part(0, 0, 60), True),
    "only in validation": (part(60, 60, 0), part(10, 10, 20), True),
    "only in training": (part(60, 60, 60), part(20, 20, 0), True),
    "rare": (part(400, 400, 20), part(100, 100, 0), False),
    "not so rare": (part(400, 400, 60), part(100, 100, 0), True),
    "all there": (part(50, 2, 50), part(9, 1, 9), False),
    "no validation": (part(50, 2, 50), None, False),
    "nowhere": (part(50, 0, 50), None, True),
    "nowhere of few": (part(10, 0, 10), None, False),
    "nowhere in both": (part(50, 0, 50), part(5, 0, 5), True),
}


@pytest.mark.parametrize(("learned", "held_out", "sick"), PARTS.values(), ids=PARTS)
def test_missing_class(learned, held_out, sick):
    found = data.missing_class(LAST, learned, held_out)
    assert (found is not None) == sick


def test_missing_class_names_it():
    text = data.missing_class(LAST, part(60, 60, 0), part(10, 10, 20)).received
    assert text == "none of class 2 among 120 in the training part, and 20 of class 2 among 40 in the validation part"
    many = data.missing_class(LAST, np.repeat([0, 900], 10), np.repeat([30, 30], 10)).received
    assert many.startswith("none of class 0, 1, 2, 3, 4 and 5 more among 9000")


def test_classes_of_one_sigmoid():
    order = np.argsort(Y % 2)
    model = lambda: net(units=1, activation="sigmoid")  # noqa: E731
    sorted_data = {"x": X[order], "y": (Y % 2)[order], "loss": "binary_crossentropy", "validation_split": 0.2}
    assert told(model(), **sorted_data) == ["missing-class"]
    assert told(model(), X, Y % 2, loss="binary_crossentropy", validation_split=0.2) == []


def test_numbers_are_no_classes():
    order = np.argsort(Y)
    assert told(net(units=1, activation="linear"), X[order], Y[order], loss="mse", validation_split=0.2) == []


# validation-overlap


@pytest.mark.parametrize(
    ("common", "n", "sick"), [(0, 40, False), (4, 40, False), (5, 40, True), (2, 9, False), (9, 9, True)]
)
def test_overlap(common, n, sick):
    held_out = np.concatenate([X[:common], RNG.random((n - common, 6, 5, 2))])
    found = data.overlap(X, held_out)
    assert (found is not None) == sick


def test_overlap_of_many_samples():
    x = RNG.random((70_000, 20)).astype(np.float32)
    assert re.match(r"about (8|9|100)\d?%? of them", data.overlap(x, x[-500:]).received)
    assert data.overlap(x, x.copy()) is not None
    half = np.concatenate([x[:150], RNG.random((150, 20), dtype=np.float32)])
    assert re.match("about [3-6].% of them", data.overlap(x, half).received)
    assert data.overlap(x[:-500], x[-500:]) is None


def test_samples_that_agree_at_first_are_compared_as_a_whole():
    x = np.zeros((200, 100))
    x[np.arange(200), np.arange(200) % 100] = 1  # digits have a few pixels on black, and most marks are 0
    held_out = np.zeros((60, 100))
    held_out[np.arange(60), np.arange(60)] = 2
    assert data.copies(x, np.arange(200), held_out) == (0, 60)
    held_out[:30] /= 2
    assert data.copies(x, np.arange(200), held_out) == (30, 60)


def test_types_of_the_parts_may_differ():
    whole = RNG.integers(0, 256, (50, 6, 5, 2)).astype(np.uint8)
    assert data.copies(whole, np.arange(50), whole.astype(np.float64)) == (50, 50)


def test_small_samples_may_be_equal_by_chance():
    x = RNG.integers(0, 3, (300, 4)).astype(float)
    assert data.overlap(x[:200], x[200:]) is None
    assert data.overlap(x, x) is not None


def test_files_on_disk_are_not_read_for_it(tmp_path):
    x = np.memmap(tmp_path / "x", np.float32, "w+", shape=(50, 30))
    x[...] = RNG.random(x.shape)
    assert data.overlap(x, x) is None


def test_pairs_of_inputs_share_images():
    a, b = Input((6, 5, 2)), Input((6, 5, 2))
    y = Dense(3, activation="softmax")(Flatten()(Add()([a, b])))
    model = Model([a, b], y)
    assert told(model, [X[:80], X[16:]], Y[:80], validation_data=([X[:16], X[40:56]], Y[:16])) == []


# dead-relu


def bias(dead, units=20):
    """A bias that keeps some units of a ReLU silent."""
    values = np.zeros(units, np.float32)
    values[:dead] = -50
    return values


@pytest.mark.parametrize(("dead", "sick"), [(0, False), (18, False), (19, True), (20, True)])
@pytest.mark.parametrize("kind", ["dense", "conv", "apart", "without bias"])
def test_dead_relu(dead, sick, kind):
    model = {
        "dense": lambda: net(Dense(20, activation="relu")),
        "conv": lambda: Sequential(
            [Input(X.shape[1:]), Conv2D(20, 3, activation="relu"), Flatten(), Dense(3, activation="softmax")]
        ),
        "apart": lambda: net(Dense(20), ReLU(max_value=6)),
        "without bias": lambda: net(Dense(20, use_bias=False, activation="relu")),
    }[kind]()
    model.build()
    layer = model.get_layer(index=0 if kind == "conv" else 1)
    if kind == "without bias":
        layer.params["kernel"][:, :dead] = -1  # of numbers above 0
    else:
        layer.params["bias"][...] = bias(dead)
    assert told(model, optimizer=optimizers.SGD(0.001)) == (["dead-relu"] if sick else [])


def half_dead(dead):
    """A network of which so many of twenty units are silent."""
    model = net(Dense(20, activation="relu"))
    model.build()
    model.get_layer(index=1).params["bias"][...] = bias(dead)
    return model


def test_units_that_answer_to_one_sample_live():
    x = changed(X, bright=(np.s_[5], 400.0), dark=(np.s_[9], -400.0))
    assert network.dead_relu(half_dead(19), [X]).received.startswith("0 from 19 of 20 units for each of 96 samples")
    assert network.dead_relu(half_dead(19), [x]) is None


def test_few_samples_must_be_unanimous():
    assert network.dead_relu(half_dead(19), [X[:15]]) is None
    assert network.dead_relu(half_dead(19), [X[:16]]) is not None
    assert network.dead_relu(half_dead(20), [X[:1]]) is not None


def test_leaky_relu_is_never_dead():
    assert told(net(Dense(10, bias_initializer=Constant(-5)), LeakyReLU()), optimizer=optimizers.SGD(1e-4)) == []


def test_zeros_as_last_kernel_are_no_death():
    model = Sequential([Input(X.shape[1:]), Flatten(), Dense(8, activation="relu"), Dense(3, "softmax")])
    model.build()
    model.layers[-1].params["kernel"][...] = 0
    assert told(model, optimizer=optimizers.SGD(0.0), epochs=6) == []


def test_frozen_layers_have_no_gradient_to_be_looked_at():
    model = net(Dense(8, activation="relu"))
    model.get_layer(index=1).trainable = False
    assert told(model) == []


# exploding-gradient and vanishing-gradient


def test_a_rate_that_is_too_high_explodes():
    line = net(units=1, activation="linear")
    assert told(line, y=Y / 2, loss="mse", optimizer=optimizers.SGD(1.0), epochs=4) == ["exploding-gradient"]
    line = net(units=1, activation="linear")
    assert told(line, y=Y / 2, loss="mse", optimizer=optimizers.SGD(0.01), epochs=4) == []


def test_hard_batches_after_easy_ones_do_not_explode():
    x = X.reshape(N, -1)
    y = x @ RNG.normal(size=(x.shape[1], 1)) / 10
    model = Sequential([Input(x.shape[1:]), Dense(1)])
    model.build()
    model.layers[-1].params["kernel"][...] = np.linalg.lstsq(x, y, rcond=None)[0]
    hard = np.arange(N) // 8 % 4 == 3  # in the steps 4, 8 and 12
    y[hard] += 1
    settings = {"loss": "mse", "batch_size": 8, "shuffle": False, "optimizer": optimizers.SGD(1e-4)}
    model.layers[-1].params["bias"][...] = 1e-6  # it has learned before
    assert told(model, x, y, **settings) == []
    model.layers[-1].params["bias"][...] = 0
    first = np.roll(np.arange(N), 8)  # a hard one comes first
    assert told(model, x[first], y[first], **settings) == []
    y[hard & (np.arange(N) >= 32)] -= 1  # one alone is hard
    model.layers[-1].params["bias"][...] = 0
    assert told(model, x, y, **settings) == []


def test_a_gradient_that_grows_towards_the_first_layer_explodes():
    small, large = RandomNormal(stddev=1e-6), RandomNormal(stddev=10)
    model = net(Dense(8, kernel_initializer=small), Dense(8, kernel_initializer=large), units=1, activation="linear")
    model.build()
    model.layers[-1].params["kernel"][...] *= 10
    assert told(model, y=Y / 2, loss="mse", optimizer=optimizers.SGD(0.0)) == ["exploding-gradient"]


@pytest.mark.parametrize(
    ("depth", "activation", "sick"), [(3, "sigmoid", False), (12, "sigmoid", True), (12, "relu", False)]
)
def test_gradients_vanish_in_deep_networks_of_sigmoids(depth, activation, sick):
    model = net(*[Dense(16, activation=activation, kernel_initializer="he_normal") for _ in range(depth)])
    assert told(model, optimizer="adam") == (["vanishing-gradient"] if sick else [])


def test_a_last_layer_that_begins_near_0_is_given_time():
    model = net(Dense(8, activation="tanh"))
    model.build()
    model.layers[-1].params["kernel"][...] *= 1e-5
    assert told(model, optimizer="adam", epochs=2) == []


# not-finite


def broken(model, x=X, y=Y, optimizer="sgd", **settings):
    """What a training says of a loss that is not finite; once, and beside the scale of its inputs."""
    model.compile(optimizer, "sparse_categorical_crossentropy")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(x, y, verbose=0, shuffle=False, **settings)
    [text] = [str(one.message) for one in caught if one.category is doctor.NotFiniteWarning]
    return text


def test_an_overflow_names_the_layer_where_it_comes_out():
    model = net(Dense(4), Dense(5, name="second"), Dense(6))
    model.build()
    for layer, factor in zip(model.layers[1:4], (1, 1e38, 1), strict=True):
        layer.params["kernel"][...] = factor
    text = broken(model, 1000 * X, batch_size=40)
    assert "Dense 'second': expected a finite output" in text
    assert "in epoch 1, batch 1, step 1 of this training: inf comes out first here, where inputs go to" in text


def test_weights_that_are_nan_already_are_named():
    model = net(Dense(4), Dense(5, name="second"))
    model.build()
    model.get_layer("second").params["bias"][2] = np.nan
    text = broken(model)
    assert "Dense 'second': expected finite weights" in text
    assert "bias holds nan since before this step" in text


def test_the_batch_is_the_one_whose_loss_was_not_finite():
    x = changed(X, bad=(np.s_[70:], 3e38))
    text = broken(net(Dense(8, kernel_initializer="ones")), x, batch_size=16)
    assert "epoch 1, batch 5, step 5" in text  # samples 64 to 79
    text = broken(net(Dense(8, kernel_initializer="ones")), x, batch_size=16, initial_epoch=3, epochs=4)
    assert "epoch 4, batch 5, step 5" in text


def test_weights_of_classes_are_named():
    text = broken(net(), class_weight={1: np.nan})
    assert "not-finite: fit: expected finite sample_weight and class_weight" in text


def test_a_regularizer_may_be_it():
    model = net(Dense(4, kernel_regularizer="l2"))
    model.build()
    model.layers[1].params["kernel"][...] = 3e19  # whose square is too large
    model.layers[-1].params["kernel"][...] = 0
    assert "so that the loss or a regularizer is too large" in broken(model)


# schedule


class Halved(LearningRateSchedule):
    def __call__(self, step):
        return 0.1 * 0.5 ** (step // 50)


SCHEDULES = {
    "note 002": (ExponentialDecay(5e-3, 1500, 0.96), 104, 0, True),
    "note 002, in steps": (ExponentialDecay(5e-3, 13, 0.96), 104, 0, False),
    "note 002, longer": (ExponentialDecay(5e-3, 1500, 0.96), 600, 0, False),
    "a stair that is not reached": (ExponentialDecay(0.1, 200, 0.5, staircase=True), 150, 0, True),
    "a stair that is": (ExponentialDecay(0.1, 100, 0.5, staircase=True), 150, 0, False),
    "boundaries beyond": (PiecewiseConstantDecay([1000], [0.1, 0.01]), 900, 0, True),
    "boundaries behind": (PiecewiseConstantDecay([1000], [0.1, 0.01]), 900, 1500, False),
    "cosine": (CosineDecay(0.1, 500), 500, 0, False),
    "the first tenth of a cosine": (CosineDecay(0.1, 500), 50, 0, False),
    "a cosine in epochs": (CosineDecay(0.1, 10), 500, 0, True),
    "a cosine that has ended": (CosineDecay(0.1, 500), 500, 600, True),
    "a warm-up": (CosineDecay(0.0, 400, warmup_target=0.1, warmup_steps=100), 500, 0, False),
    "0 at once": (ExponentialDecay(0.1, 1, 0.5), 500, 0, True),
    "a line to little": (PolynomialDecay(0.1, 400, 0.0001), 500, 0, False),
    "one's own": (Halved(), 500, 0, False),
    "a try": (ExponentialDecay(5e-3, 1500, 0.96), 19, 0, False),
}


@pytest.mark.parametrize(("rate", "steps", "begin", "sick"), SCHEDULES.values(), ids=SCHEDULES)
def test_schedule(rate, steps, begin, sick):
    optimizer = optimizers.SGD(rate)
    optimizer.iterations = begin
    assert (plans.schedule(optimizer, steps) is not None) == sick


def test_a_number_is_no_schedule():
    assert plans.schedule(optimizers.SGD(0.1), 500) is None


def test_the_steps_of_fit_are_counted():
    rate = lambda: optimizers.SGD(ExponentialDecay(0.01, 2000, 0.96))  # noqa: E731
    assert told(net(), optimizer=rate(), epochs=20) == ["schedule"]  # 60 steps
    assert told(net(), optimizer=rate(), epochs=20, initial_epoch=15) == []  # 15
    assert told(net(), optimizer=rate(), epochs=20, batch_size=2) == []  # 960


# other-model


def ready(*hidden):
    """A network that is compiled."""
    model = net(*hidden)
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def again(model, **settings):
    return told(model, loss=None, **settings)


def test_a_copied_cell():
    old = ready()
    assert again(old) == []
    new = ready(Dense(8))
    assert again(old) == ["other-model"]
    assert again(old) == []  # somebody who goes on with it means it
    assert again(new) == []


def test_several_that_are_compiled_and_then_trained():
    models = [ready(), ready(Dense(8)), ready(Dense(9))]
    assert [again(model) for model in models * 2] == [[]] * 6


def test_each_compiled_before_its_own_training():
    first = ready()
    again(first)
    first.compile("sgd", "sparse_categorical_crossentropy")
    assert again(first) == []


def test_a_network_of_other_shapes_is_another_task():
    old = ready()
    again(old)
    other = net(units=5)
    other.compile("sgd", "sparse_categorical_crossentropy")
    assert again(old) == []


def test_a_copy_that_is_kept_for_comparison(tmp_path):
    old = ready()
    again(old)
    old.save(tmp_path / "old.keras")
    copy = load_model(tmp_path / "old.keras")
    assert again(old) == []
    copy = clone_model(old)
    copy.compile("sgd", "sparse_categorical_crossentropy")
    copy.set_weights(old.get_weights())
    assert again(old) == []


def test_a_network_that_was_looked_at_is_not_forgotten():
    old = ready()
    again(old)
    new = ready(Dense(8))
    new.predict(X, verbose=0)
    assert again(old) == []


def test_a_network_that_is_gone_is_not_missed():
    old = ready()
    again(old)
    ready(Dense(8))
    gc.collect()
    assert again(old) == []


def test_networks_that_share_layers_train_in_turn():
    old = ready()
    again(old)
    shared = Model(old.inputs[0], old.layers[-1](Flatten()(old.inputs[0])))
    shared.compile("sgd", "sparse_categorical_crossentropy")
    assert again(old) == []
    new = ready()
    again(old)
    shared = Model(new.inputs[0], new.layers[-1](Flatten()(new.inputs[0])))
    shared.compile("sgd", "sparse_categorical_crossentropy")
    assert again(new) == []


# batch-of-one


def norm(**settings):
    return BatchNormalization(momentum=0.1, **settings)


BATCHES = {
    "one by one": (lambda: net(Dense(8), norm()), 1, 96, True),
    "maps one by one": (lambda: conv(norm()), 1, 96, True),
    "two by two": (lambda: net(Dense(8), norm()), 2, 96, False),
    "a last one": (lambda: net(Dense(8), norm()), 5, 96, True),
    "a last two": (lambda: net(Dense(8), norm()), 5, 92, False),
    "a last map": (lambda: conv(norm()), 5, 96, False),
    "frozen": (lambda: net(Dense(8), norm(trainable=False)), 1, 96, False),
    "nothing to normalise": (lambda: net(Dense(8)), 1, 96, False),
    "a single sample": (lambda: net(Dense(8), norm()), 32, 1, True),
}


@pytest.mark.parametrize(("make", "size", "n", "sick"), BATCHES.values(), ids=BATCHES)
def test_batch_of_one(make, size, n, sick):
    assert ("batch-of-one" in told(make(), X[:n], Y[:n], batch_size=size)) == sick


@pytest.mark.parametrize(("sizes", "sick"), [((1, 1, 1), True), ((5, 5, 1), True), ((5, 5, 2), False)])
def test_batches_of_one_that_pass_by(sizes, sick):
    stream = [(images(n, seed=i), labels(n, seed=i)) for i, n in enumerate(sizes)]
    assert ("batch-of-one" in told(convnet(norm()), iter(stream), None)) == sick


# moving-statistics


def centred(momentum, x):
    return Sequential([Input(x.shape[1:]), BatchNormalization(momentum=momentum), Flatten(), Dense(3, "softmax")])


STATISTICS = {
    "few steps": (0.99, X, 3, True),
    "fewer are needed": (0.5, X, 3, False),
    "enough": (0.99, X, 80, False),
    "far in mean alone": (0.99, 3 + X / X.std(), 3, True),
    "as they began": (0.99, (X - X.mean()) / X.std(), 3, False),
}


@pytest.mark.parametrize(("momentum", "x", "epochs", "sick"), STATISTICS.values(), ids=STATISTICS)
def test_moving_statistics(momentum, x, epochs, sick):
    assert told(centred(momentum, x), x, epochs=epochs) == (["moving-statistics"] if sick else [])


def test_averages_that_began_before_are_nobodys_business():
    model = centred(0.99, X)
    assert told(model) == ["moving-statistics"]
    assert told(model) == []


# The walk


def test_layers_are_computed_as_in_training_and_left_alone():
    model = centred(0.9, X)
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(X, Y, verbose=0, doctor=False)
    before = model.get_weights()
    found = {type(layer).__name__: y for layer, _, y in network.walk(model, [X])}
    assert [*found] == ["BatchNormalization", "Flatten", "Dense"]
    np.testing.assert_allclose(
        found["BatchNormalization"].mean(axis=(0, 1, 2)), model.layers[0].params["beta"], atol=1e-5
    )
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
