"""Where the examples come from: generators, data sets, dictionaries, and weights of samples and classes."""

import numpy as np
import pytest
from tiny_networks import (
    CLASSES,
    Again,
    DataSet,
    N,
    Seen,
    Unchanging,
    X,
    Y,
    assert_same,
    batches,
    compiled,
    convnet,
    fit,
    forever,
    one_hot,
    surprises,
    two_headed,
    two_headed_data,
)

from tinyconv import config

# Generators and data sets


def trained_on(x, model=None, **settings):
    """The weights after training on a generator or data set."""
    config.set_random_seed(5)
    model = compiled() if model is None else model
    fit(model, x, None, **settings)
    return model.get_weights()


def by_hand(epochs=1):
    """The weights after `train_on_batch` on each of the batches."""
    config.set_random_seed(5)
    model = compiled()
    for x, y in batches() * epochs:
        model.train_on_batch(x, y)
    return model.get_weights()


def test_generator_equals_steps_by_hand():
    assert_same(trained_on(batch for batch in batches()), by_hand())


def test_endless_generator_equals_steps_by_hand():
    assert_same(trained_on(forever(batches()), steps_per_epoch=3, epochs=2), by_hand(2))


def test_endless_generator_loses_no_batch_between_epochs():
    assert_same(trained_on(forever(batches()), steps_per_epoch=2, epochs=3), by_hand(2))


def test_generator_is_not_closed_by_fit():
    source = forever(batches())
    trained_on(source, steps_per_epoch=2)
    assert len(next(source)[0]) == 4


@pytest.mark.parametrize("make", [DataSet, Again])
def test_data_set_equals_steps_by_hand(make):
    assert_same(trained_on(make(), epochs=2), by_hand(2))


def test_data_set_hears_the_end_of_each_epoch():
    source = DataSet()
    trained_on(source, epochs=3)
    assert source.ended == 3


def test_data_set_may_change_between_epochs():
    class Growing(DataSet):
        def on_epoch_end(self):
            self.source = self.source + batches([2])

    seen = Seen()
    trained_on(Growing(), epochs=2, callbacks=[seen])
    assert [batch for batch, _ in seen.batches][:3] == [0, 1, 2]


def test_batches_may_be_of_every_size():
    assert_same(trained_on(DataSet(batches((1, 5, 2)))), trained_on(Again(batches((1, 5, 2)))))


def test_generator_may_yield_weights():
    model = compiled()
    weighted = [(x, y, np.full(len(x), 2.0)) for x, y in batches()]
    plain = [np.mean(surprises(model, x, y)) for x, y in batches()]
    np.testing.assert_allclose(
        model.evaluate(DataSet(weighted), verbose=0), np.average(plain, weights=[8, 6, 8]) * 2, rtol=1e-5
    )


def test_generator_may_yield_dictionaries():
    x, y = two_headed_data()
    model = compiled(two_headed(), loss={"kind": "sparse_categorical_crossentropy", "size": "mse"})
    batch = ({"left": x[0], "right": x[1]}, {"kind": y[0], "size": y[1]})
    assert len(fit(model, Again([batch]), None, epochs=2)["loss"]) == 2


def test_predict_from_a_generator_of_x():
    model = convnet()
    found = model.predict(iter([x for x, _ in batches()]), verbose=0)
    np.testing.assert_array_equal(found, np.concatenate([model.predict(x, verbose=0) for x, _ in batches()]))


def test_predict_from_a_generator_ignores_labels():
    assert convnet().predict(DataSet(), verbose=0).shape == (N, CLASSES)


def test_evaluate_takes_so_many_steps_of_a_generator():
    model = compiled()
    x, y = batches()[0]
    np.testing.assert_allclose(
        model.evaluate(forever(batches()), steps=1, verbose=0), model.evaluate(x, y, verbose=0), rtol=1e-6
    )


def test_generator_that_ends_is_an_error_in_the_next_epoch():
    with pytest.raises(ValueError, match=r"fit: expected batches in every epoch.*a generator that has ended"):
        fit(compiled(), iter(batches()), None, epochs=2)


def test_validation_generator_that_ends_is_an_error_not_a_loss_of_zero():
    with pytest.raises(ValueError, match="validation_data: expected batches in every epoch"):
        fit(compiled(), validation_data=iter(batches()), epochs=2)


def test_empty_generator():
    with pytest.raises(ValueError, match=r"expected at least one batch.*an iterator that is empty"):
        fit(compiled(), iter([]), None)


# Weights of samples and classes


def test_sample_weights_in_the_loss():
    model, weights = compiled(), np.arange(N) / 3
    expected = (surprises(model) * weights).sum() / N  # over the number of samples, not the sum of the weights
    np.testing.assert_allclose(model.evaluate(X, Y, sample_weight=weights, verbose=0), expected, rtol=1e-5)


def test_sample_weights_in_training():
    model, other = compiled(), compiled()
    other.set_weights(model.get_weights())
    keep = np.arange(N) < 4
    fit(model, sample_weight=keep.astype(float), batch_size=N, shuffle=False)
    fit(other, X[keep], Y[keep], sample_weight=np.full(4, 4 / N), batch_size=N, shuffle=False)
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_sample_weights_are_shuffled_with_their_samples():
    model, weights = compiled(), np.arange(N) / 3
    expected = (surprises(model) * weights).mean()
    history = fit(model, sample_weight=weights, batch_size=4, callbacks=[Unchanging()])
    np.testing.assert_allclose(history["loss"], [expected], rtol=1e-5)


def test_class_weights_in_the_loss():
    model, factors = compiled(), {0: 0.5, 2: 3.0}
    weights = np.array([0.5, 1.0, 3.0])[Y]  # classes that are not named weigh 1
    expected = (surprises(model) * weights).mean()
    np.testing.assert_allclose(model.train_on_batch(X, Y, class_weight=factors), expected, rtol=1e-5)


def test_class_weights_of_one_hot_labels():
    model, factors = compiled(loss="categorical_crossentropy"), {0: 0.5, 2: 3.0}
    expected = (surprises(model) * np.array([0.5, 1.0, 3.0])[Y]).mean()
    np.testing.assert_allclose(model.train_on_batch(X, one_hot(Y), class_weight=factors), expected, rtol=1e-5)


def test_class_weights_and_sample_weights_multiply():
    model, weights = compiled(), np.arange(N) / 3
    expected = (surprises(model) * weights * np.array([0.5, 1.0, 3.0])[Y]).mean()
    history = fit(model, sample_weight=weights, class_weight={0: 0.5, 2: 3.0}, batch_size=N)
    np.testing.assert_allclose(history["loss"], [expected], rtol=1e-5)


def test_class_weights_leave_validation_alone():
    model = compiled()
    history = fit(model, class_weight={0: 100.0}, validation_data=(X, Y))
    np.testing.assert_allclose(history["val_loss"], [surprises(model).mean()], rtol=1e-5)


def test_sample_weights_by_output():
    x, y = two_headed_data()
    model = compiled(two_headed(), loss=["sparse_categorical_crossentropy", "mse"])
    weights = [np.arange(N) / 3, np.ones(N)]
    found = model.test_on_batch(x, y, sample_weight=weights, return_dict=True)
    kind = -np.log(model.predict(x, verbose=0)[0][np.arange(N), y[0]])
    np.testing.assert_allclose(found["kind_loss"], (kind * weights[0]).mean(), rtol=1e-5)
