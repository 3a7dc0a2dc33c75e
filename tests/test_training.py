"""Learning: what fit computes, what it changes, and when it stops."""

import numpy as np
import pytest
from tiny_networks import (
    IMAGE,
    DataSet,
    N,
    Seen,
    X,
    Y,
    assert_same,
    batches,
    compiled,
    convnet,
    differ,
    fit,
    forever,
    images,
    labels,
    surprises,
)

from tinyconv import Input, Model, Sequential, config, optimizers
from tinyconv.callbacks import Callback, LambdaCallback
from tinyconv.layers import (
    BatchNormalization,
    Dense,
    Dropout,
    Flatten,
)
from tinyconv.metrics import Metric


def seen_samples(**settings):
    """The order in which a training sees samples 0 to 10: a network that returns its input, under MSE to 0."""
    order = []

    class Watch(Dense):
        def forward(self, x, training=False):
            if training:
                order.append([int(v) for v in x[:, 0]])
            return super().forward(x, training)

    model = compiled(Sequential([Input((1,)), Watch(1)]), loss="mse")
    x = np.arange(11.0)[:, None]
    fit(model, x, np.zeros((11, 1)), **settings)
    return order


# It learns


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
def test_ten_images_are_learned_by_heart(optimizer):
    model = compiled(convnet(Dense(16, activation="relu")), optimizer, metrics=["accuracy"])
    model.optimizer.learning_rate = 0.01
    history = fit(model, X[:10], Y[:10], epochs=100)
    assert history["accuracy"][-1] == 1
    assert history["loss"][-1] < 0.05


def test_a_line_is_found():
    model = compiled(Sequential([Input((1,)), Dense(1)]), "sgd", "mse")
    x = np.linspace(-1, 1, 10)[:, None]
    model.optimizer.learning_rate = 0.1
    fit(model, x, 3 * x - 2, epochs=200, batch_size=10)
    np.testing.assert_allclose([w.item() for w in model.get_weights()], [3, -2], atol=1e-3)


def test_one_step_of_gradient_descent(float64):
    model = compiled()
    before = model.get_weights()
    model.loss_and_gradients(X, Y)
    gradients = [g.copy() for layer in model.sublayers() for g in layer.grads.values()]
    model.train_on_batch(X, Y)
    for w, g, now in zip(before, gradients, model.get_weights(), strict=True):
        np.testing.assert_allclose(now, w - 0.01 * g, rtol=1e-12)


# Chance


def one_training(seed, *hidden):
    """(history, weights) of a short training with dropout and shuffling."""
    config.set_random_seed(seed)
    model = compiled(convnet(Dropout(0.5), *hidden), "adam", metrics=["accuracy"])
    return fit(model, epochs=3, batch_size=4, validation_split=0.3), model.get_weights()


def test_same_seed_same_history():
    assert one_training(5)[0] == one_training(5)[0]


def test_same_seed_same_weights_bit_for_bit():
    assert_same(one_training(5)[1], one_training(5)[1])


def test_other_seed_other_weights():
    assert differ(one_training(5)[1], one_training(6)[1])


def test_dropout_does_not_change_the_initial_weights():
    def initial(*hidden):
        config.set_random_seed(5)
        return convnet(*hidden).get_weights()

    assert_same(initial(Dropout(0.5)), initial())


def test_training_does_not_change_the_next_initial_weights():
    def second(epochs):
        config.set_random_seed(5)
        fit(compiled(convnet(Dropout(0.5))), epochs=epochs)
        return convnet().get_weights()

    assert_same(second(1), second(4))


def test_dropout_does_not_change_the_order_of_samples():
    config.set_random_seed(5)
    plain = seen_samples(epochs=2)
    config.set_random_seed(5)
    config.stream("dropout").random(100)
    assert seen_samples(epochs=2) == plain


def test_epochs_take_the_samples_in_new_orders():
    first, second = seen_samples(epochs=2)
    assert first != second
    assert sorted(first) == sorted(second) == list(range(11))


def test_without_shuffling_samples_come_in_order():
    assert seen_samples(shuffle=False, batch_size=4) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]


def test_shuffling_leaves_the_arrays_alone():
    x, y = X.copy(), Y.copy()
    fit(compiled(), x, y)
    assert_same([x, y], [X, Y])


# Batches


def test_last_batch_may_be_smaller():
    assert [len(part) for part in seen_samples(batch_size=4)] == [4, 4, 3]


def test_batches_hold_32_samples_unless_told():
    model, seen = compiled(), Seen()
    fit(model, images(65), labels(65), callbacks=[seen])
    assert len(seen.batches) == 3


def test_batch_size_may_exceed_the_samples():
    assert [len(part) for part in seen_samples(batch_size=100)] == [11]


def test_iterations_count_the_steps():
    model = compiled()
    fit(model, batch_size=4, epochs=2)
    assert model.optimizer.iterations == 6


def test_steps_per_epoch_goes_on_where_the_last_epoch_stopped():
    order = seen_samples(batch_size=4, steps_per_epoch=2, epochs=3, shuffle=False)
    assert order == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10], [0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]


def test_steps_per_epoch_may_exceed_the_batches():
    assert len(seen_samples(batch_size=4, steps_per_epoch=5)) == 5


# Validation


def test_validation_split_takes_the_last_part():
    seen = seen_samples(validation_split=0.3, batch_size=100)
    assert sorted(seen[0]) == list(range(7))  # floor(11 * 0.7)


def test_validation_split_evaluates_on_the_last_part():
    model = compiled(metrics=["accuracy"])
    history = fit(model, validation_split=0.3)
    np.testing.assert_allclose(history["val_loss"][-1], surprises(model)[7:].mean(), rtol=1e-5)


def test_validation_split_of_the_note():
    model, seen = compiled(Sequential([Input((1,)), Dense(1)]), loss="mse"), Seen()
    fit(model, np.zeros((400, 1)), np.zeros(400), validation_split=0.1, batch_size=360, callbacks=[seen])
    assert len(seen.batches) == 1


@pytest.mark.parametrize("extra", [(), (np.ones(5),)], ids=["x-y", "x-y-weights"])
def test_validation_data_as_arrays(extra):
    model = compiled()
    history = fit(model, validation_data=(images(5), labels(5), *extra))
    np.testing.assert_allclose(history["val_loss"], [model.evaluate(images(5), labels(5), verbose=0)], rtol=1e-6)


def test_validation_data_as_a_data_set():
    model = compiled()
    history = fit(model, validation_data=DataSet(), epochs=2)
    np.testing.assert_allclose(history["val_loss"][-1], model.evaluate(DataSet(), verbose=0), rtol=1e-6)


def test_validation_data_override_the_split():
    model, seen = compiled(), Seen()
    fit(model, validation_split=0.5, validation_data=(X, Y), batch_size=N, callbacks=[seen])
    assert len(seen.batches) == 1


def test_validation_weights_count():
    model, weights = compiled(), np.arange(N) / 4
    history = fit(model, validation_data=(X, Y, weights))
    np.testing.assert_allclose(history["val_loss"], [(surprises(model) * weights).mean()], rtol=1e-5)


def test_validation_every_other_epoch():
    history = fit(compiled(), validation_data=(X, Y), epochs=5, validation_freq=2)
    assert (len(history["loss"]), len(history["val_loss"])) == (5, 2)


def test_validation_after_the_epochs_in_a_list():
    seen = []
    note = LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append("val_loss" in logs))
    fit(compiled(), validation_data=(X, Y), epochs=4, validation_freq=[1, 3], callbacks=[note])
    assert seen == [True, False, True, False]


@pytest.mark.parametrize("freq", [0, "2", [0], 1.5])
def test_validation_freq_is_checked(freq):
    with pytest.raises(ValueError, match=r"fit: expected .*validation_freq as a whole number from 1"):
        fit(compiled(), validation_data=(X, Y), validation_freq=freq)


def test_validation_steps_take_the_same_samples_each_time():
    model = compiled()
    model.optimizer.learning_rate = 0.0
    history = fit(model, epochs=3, validation_data=(X, Y), validation_batch_size=4, validation_steps=2)
    np.testing.assert_allclose(history["val_loss"], [surprises(model)[:8].mean()] * 3, rtol=1e-5)


def test_more_validation_steps_than_batches_take_each_sample_once():
    model = compiled()
    history = fit(model, validation_data=(X, Y), validation_batch_size=4, validation_steps=9)
    np.testing.assert_allclose(history["val_loss"], [surprises(model).mean()], rtol=1e-5)


def test_more_steps_than_batches_predict_each_sample_once():
    assert len(compiled().predict(X, batch_size=4, steps=9, verbose=0)) == N


def test_validation_steps():
    model = compiled()
    history = fit(model, validation_data=(X, Y), validation_batch_size=4, validation_steps=2)
    np.testing.assert_allclose(history["val_loss"], [surprises(model)[:8].mean()], rtol=1e-5)


def test_validation_changes_no_training():
    def weights(**settings):
        config.set_random_seed(5)
        model = compiled(convnet(Dropout(0.4), BatchNormalization()))
        fit(model, epochs=3, batch_size=4, **settings)
        return model.get_weights()

    assert_same(weights(), weights(validation_data=(X, Y)))


# Frozen layers


def test_frozen_layers_do_not_change():
    model = convnet(Dense(8))
    model.get_layer("dense").trainable = False
    before = model.get_layer("dense").get_weights()
    fit(compiled(model, "adam"), epochs=3)
    assert_same(model.get_layer("dense").get_weights(), before)


def test_layers_before_a_frozen_one_still_learn():
    model = convnet(Dense(8, trainable=False))
    before = model.get_layer("conv2d").get_weights()
    fit(compiled(model))
    assert differ(before, model.get_layer("conv2d").get_weights())


def test_freezing_after_training_takes_effect_at_the_next_compile():
    model = compiled()
    fit(model)
    model.get_layer("conv2d").trainable = False
    before = model.get_layer("conv2d").get_weights()
    fit(compiled(model))
    assert_same(model.get_layer("conv2d").get_weights(), before)


def test_frozen_and_thawed():
    model = convnet()
    model.trainable = False
    fit(compiled(model, "adam"))
    before = model.get_weights()
    model.trainable = True
    fit(compiled(model, "adam"))
    assert differ(before, model.get_weights())


def test_everything_frozen_learns_nothing():
    model = convnet(BatchNormalization())
    model.trainable = False
    before = model.get_weights()
    fit(compiled(model, "adam"))
    assert_same(model.get_weights(), before)


def test_frozen_batch_normalization_keeps_its_averages():
    model = convnet(BatchNormalization(trainable=False))
    before = model.get_layer("batch_normalization").get_weights()
    fit(compiled(model), epochs=2)
    assert_same(model.get_layer("batch_normalization").get_weights(), before)


def test_batch_normalization_moves_its_averages_in_training_only():
    model = compiled(convnet(BatchNormalization()))
    fit(model)
    before = model.get_layer("batch_normalization").get_weights()[2:]
    model.evaluate(X, Y, verbose=0)
    assert_same(model.get_layer("batch_normalization").get_weights()[2:], before)
    fit(model)
    assert differ(before, model.get_layer("batch_normalization").get_weights()[2:])


# Epochs that were done before


def test_initial_epoch_counts_on():
    seen = Seen()
    history = compiled().fit(X, Y, initial_epoch=3, epochs=5, verbose=0, callbacks=[seen])
    assert history.epoch == seen.epochs == [3, 4]


def test_nothing_is_learned_where_all_epochs_were_done():
    model = compiled()
    before = model.get_weights()
    assert fit(model, initial_epoch=3, epochs=3) == {}
    assert_same(model.get_weights(), before)


@pytest.mark.parametrize("epoch", [-1, 0.5, None])
def test_initial_epoch_is_checked(epoch):
    with pytest.raises(ValueError, match="fit: expected initial_epoch as a whole number from 0"):
        fit(compiled(), initial_epoch=epoch)


def test_a_callback_may_choose_where_to_start():
    class Later(Callback):
        def on_train_begin(self, logs=None):
            self.model.training_start = self.model.training_start._replace(epoch=2, batch=1)

    seen = Seen()
    fit(compiled(), epochs=4, batch_size=4, callbacks=[Later(), seen])
    assert (seen.epochs, [i for i, _ in seen.batches]) == ([2, 3], [1, 2, 0, 1, 2])


def test_the_data_and_callbacks_are_known_while_training_only():
    model, seen = compiled(), []
    look = LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append((model.training_batches, model.training_callbacks))
    )
    fit(model, callbacks=[look])
    assert seen[0][0].steps == 1
    assert look in seen[0][1].callbacks
    assert model.training_batches is model.training_callbacks is None


# Stopping


def test_stop_training_before_the_first_epoch():
    stop = LambdaCallback(on_train_begin=lambda logs=None: setattr(model, "stop_training", True))
    model = compiled()
    assert fit(model, epochs=3, callbacks=[stop]) == {}


def test_stop_training_ends_after_the_epoch():
    model = compiled()
    stop = LambdaCallback(on_epoch_end=lambda epoch, logs: setattr(model, "stop_training", epoch == 1))
    assert len(fit(model, epochs=9, callbacks=[stop])["loss"]) == 2


def test_stop_training_within_an_epoch_ends_it():
    model, seen = compiled(), Seen()
    stop = LambdaCallback(on_train_batch_end=lambda batch, logs: setattr(model, "stop_training", batch == 1))
    fit(model, epochs=9, batch_size=2, callbacks=[seen, stop])
    assert (len(seen.batches), seen.epochs) == (2, [0])


def test_a_stopped_model_trains_again():
    model = compiled()
    model.stop_training = True
    assert len(fit(model, epochs=2)["loss"]) == 2


def interrupt(batch, logs=None):
    """What Ctrl-C does, in the middle of an epoch."""
    if batch == 1:
        raise KeyboardInterrupt


def interrupted(model, *data, **settings):
    """The model after an interrupted training."""
    with pytest.raises(KeyboardInterrupt):
        fit(model, *data, batch_size=4, callbacks=[LambdaCallback(on_train_batch_end=interrupt)], **settings)
    return model


def test_after_an_interrupt_the_model_still_predicts():
    assert np.isfinite(interrupted(compiled()).predict(X, verbose=0)).all()


def test_after_an_interrupt_the_model_trains_on():
    model = interrupted(compiled(optimizer="adam"))
    fit(model, epochs=2)
    assert model.optimizer.iterations == 2 + 2


def test_after_an_interrupt_the_history_holds_the_whole_epochs():
    model, epochs = compiled(), []
    end = LambdaCallback(on_epoch_begin=lambda epoch: epochs.append(epoch))
    later = LambdaCallback(on_train_batch_end=lambda batch, logs: interrupt(batch) if len(epochs) == 3 else None)
    with pytest.raises(KeyboardInterrupt):
        fit(model, epochs=5, batch_size=4, callbacks=[end, later])
    assert model.history.epoch == [0, 1]
    assert len(model.history.history["loss"]) == 2
    assert model.training_batches is None


def test_after_an_interrupt_the_generator_goes_on():
    source = forever(batches())
    interrupted(compiled(), source, None, steps_per_epoch=5)
    assert len(next(source)[0]) == 4


def test_after_an_interrupt_the_next_epoch_counts_from_nothing():
    model = interrupted(compiled(metrics=["accuracy"]))
    expected = model.evaluate(X, Y, verbose=0)
    np.testing.assert_allclose(model.test_on_batch(X, Y), expected, rtol=1e-6)


# What is handed to the user


class Keeper(Metric):
    """Keeps the predictions."""

    def reset_state(self):
        self.kept = []

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.kept.append((y_pred, y_pred.copy()))

    def result(self):
        return 0.0


@pytest.mark.parametrize(("activation", "loss"), [("softmax", "sparse_categorical_crossentropy"), (None, "mse")])
def test_predictions_that_a_metric_keeps_do_not_change(activation, loss):
    keeper = Keeper()
    model = compiled(convnet(activation=activation), loss=loss, metrics=[keeper])
    fit(model, X, Y if activation else np.eye(3)[Y], batch_size=4)
    assert len(keeper.kept) == 3
    for kept, then in keeper.kept:
        np.testing.assert_array_equal(kept, then)


def test_predictions_that_a_callback_keeps_do_not_change():
    model, kept = compiled(), []
    keep = LambdaCallback(on_predict_batch_end=lambda batch, logs: kept.append(logs["outputs"][0]))
    found = model.predict(X, batch_size=4, verbose=0, callbacks=[keep])
    np.testing.assert_array_equal(np.concatenate(kept), found)


# Float types


def test_float64_from_end_to_end(float64):
    model = compiled(convnet(BatchNormalization()), "adam")
    fit(model)
    arrays = [*model.get_weights(), *model.optimizer.slots.values(), model.predict(X, verbose=0)]
    assert {a.dtype.name for a in arrays} == {"float64"}


def test_float32_from_end_to_end():
    model = compiled(convnet(BatchNormalization()), "adam")
    fit(model, X.astype(np.float64), Y)
    arrays = [*model.get_weights(), *model.optimizer.slots.values(), model.predict(X, verbose=0)]
    assert {a.dtype.name for a in arrays} == {"float32"}


def test_layers_of_two_float_types_are_refused():
    model = compiled(Sequential([Input(IMAGE), Flatten(), Dense(4, dtype="float64"), Dense(2)]), loss="mse")
    with pytest.raises(ValueError, match=r"layers of one float type.*float32.*float64"):
        fit(model, X, np.ones((N, 2)))


# Outputs without a loss


def test_weights_that_no_loss_depends_on_do_not_decay():
    """As in Keras, whose optimizers see only what has a gradient."""
    x = Input((5,))
    ones = {"bias_initializer": "ones"}
    learns, idle, penalized = Dense(3), Dense(2, **ones), Dense(2, kernel_regularizer="l2", **ones)
    model = Model(x, [learns(x), idle(x), penalized(x)])
    model.compile(optimizers.SGD(0.1, weight_decay=0.5), loss=["mse", None, None])
    before = model.get_weights()
    model.train_on_batch(np.ones((4, 5)), [np.ones((4, 3)), np.ones((4, 2)), np.ones((4, 2))])
    changed = [bool((new != old).any()) for new, old in zip(model.get_weights(), before, strict=True)]
    assert changed == [True, True, False, False, True, False]  # a penalty is a loss, for the kernel alone


def test_one_loss_of_several_outputs_is_reported_once():
    x = Input((5,))
    model = Model(x, [Dense(3, name="a")(x), Dense(2, name="b")(x)])
    model.compile("sgd", loss=["mse", None], metrics=[["mae"], []])
    logs = model.train_on_batch(np.ones((4, 5)), [np.ones((4, 3)), np.ones((4, 2))], return_dict=True)
    assert list(logs) == ["loss", "a_mae"]
