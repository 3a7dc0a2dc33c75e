"""Where the examples come from: generators, data sets, dictionaries, and weights of samples and classes."""

import json
import threading
import warnings
from itertools import cycle

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

from tinyconv import Sequential, config
from tinyconv.layers import Dense
from tinyconv.models.batches import Stream
from tinyconv.preprocessing.background import in_background
from tinyconv.preprocessing.dataset import PyDataset
from tinyconv.preprocessing.tables import to_categorical

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
    assert_same(trained_on(make(), epochs=2, shuffle=False), by_hand(2))


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
    source = batches((1, 5, 2))
    assert_same(trained_on(DataSet(source), shuffle=False), trained_on(Again(source)))


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


# Data that begin a pass when asked for one


class Passes:
    """Batches in a new order in each pass, made in other threads; walking it otherwise is an error."""

    augments = False

    def __init__(self, sizes=(4, 3, 4)):
        self.source, self.seed = batches(sizes), 0

    def __len__(self):
        return len(self.source)

    def epoch(self):
        self.seed += 1
        order = np.random.default_rng(self.seed).permutation(len(self.source))
        yield from in_background([lambda i=i: self.source[i] for i in order], workers=2)

    def __next__(self):
        raise AssertionError

    def __iter__(self):
        raise AssertionError

    def get_state(self):
        return {"seed": self.seed}

    def set_state(self, state):
        self.seed = state["seed"]


def stream(source, steps=None, where="fit", shuffle=False):
    return Stream(source, (["x"], ["y"]), steps, need_labels=True, finite=True, where=where, shuffle=shuffle)


def taken(data):
    """What tells the batches of an epoch from each other."""
    return [float(batch.x[0].flat[0]) for batch in data]


def test_an_epoch_is_a_pass():
    data = stream(Passes())
    assert data.steps == 3
    found = [taken(data) for _ in range(3)]
    assert [sorted(epoch) for epoch in found] == [sorted(found[0])] * 3
    expected = Passes()
    assert found == [[float(x.flat[0]) for x, _ in expected.epoch()] for _ in range(3)]


def test_looking_at_the_first_batch_begins_no_second_pass():
    data, source = stream(Passes()), Passes()
    assert data.first.x[0].flat[0] == data.first.x[0].flat[0]
    assert taken(data) == [float(x.flat[0]) for x, _ in source.epoch()]
    assert data.source.seed == 1


def test_steps_go_on_from_pass_to_pass():
    data, source = stream(Passes(), steps=2), Passes()
    expected = [float(x.flat[0]) for _ in range(2) for x, _ in source.epoch()]
    assert [taken(data) for _ in range(3)] == [expected[:2], expected[2:4], expected[4:]]
    assert taken(stream(Passes(), steps=6)) == expected


@pytest.mark.parametrize("make", [DataSet, Again])
def test_steps_go_on_in_every_data_set(make):
    once = [float(x.flat[0]) for x, _ in batches()]
    data = stream(make(), steps=2)
    assert [taken(data) for _ in range(3)] == [once[:2], [once[2], once[0]], once[1:]]


@pytest.mark.parametrize("make", [DataSet, Again, Passes])
def test_evaluation_begins_a_pass_each_time(make):
    data = stream(make(), steps=2, where="validation_data")
    data.first  # noqa: B018
    for _ in range(2):
        assert len(taken(data)) == 2
    if make is Passes:
        assert data.source.seed == 2


@pytest.mark.parametrize("make", [DataSet, Again, Passes])
@pytest.mark.parametrize("steps", [None, 1, 2, 3, 5])
@pytest.mark.parametrize("epochs", [0, 1, 2, 3])
@pytest.mark.parametrize("shuffle", [False, True])
def test_another_process_goes_on_with_the_same_batches(make, steps, epochs, shuffle):
    data = stream(make(), steps, shuffle=shuffle)
    data.first  # noqa: B018
    for _ in range(epochs):
        taken(data)
    state = json.loads(json.dumps(data.get_state()))
    expected = [taken(data) for _ in range(4)]
    other = stream(make(), steps, shuffle=shuffle)
    other.first  # noqa: B018
    other.set_state(state)
    assert [taken(other) for _ in range(4)] == expected


def test_a_generator_stays_where_it_is():
    data = stream(forever(batches()), steps=2)
    first = data.first
    data.set_state(data.get_state())
    assert taken(data)[0] == float(first.x[0].flat[0])


def test_no_thread_is_left_where_training_stops_early():
    before = threading.active_count()
    for _ in stream(Passes()):
        break
    stream(Passes()).first.take(slice(0, 1))
    assert threading.active_count() == before


def test_a_data_set_that_is_empty_now():
    source = Again()
    data = stream(source, steps=2)
    assert len(taken(data)) == 2
    source.source = []
    with pytest.warns(UserWarning, match="expected 2 batches, the number of steps. Received 1 before the data ended"):
        assert len(taken(data)) == 1
    with pytest.raises(ValueError, match="fit: expected batches in every epoch"):
        taken(data)


def test_data_that_end_within_an_epoch_give_a_warning():
    with pytest.warns(UserWarning, match="fit: expected 5 batches, the number of steps. Received 3 before the data en"):
        fit(compiled(), iter(batches()), None, steps_per_epoch=5)
    with pytest.warns(UserWarning, match="evaluate: expected 4 batches, the number of steps. Received 3"):
        compiled().evaluate(DataSet(), steps=4, verbose=0)


def test_data_that_are_known_never_to_end():
    with pytest.raises(ValueError, match=r"fit: expected steps_per_epoch=, .*Received data that never end, and none"):
        fit(compiled(), cycle(batches()), None)
    assert len(fit(compiled(), cycle(batches()), None, steps_per_epoch=2, epochs=2)["loss"]) == 2


# Batches by number


class Numbered(PyDataset):
    """Notes in which threads its batches were made."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.threads, self.heard = set(), []

    def __len__(self):
        return 3

    def __getitem__(self, index):
        self.threads.add(threading.get_ident())
        return batches()[index]

    def on_epoch_begin(self):
        self.heard.append("begin")

    def on_epoch_end(self):
        self.heard.append("end")


@pytest.mark.parametrize("workers", [1, 2])
def test_batches_by_number_are_fetched_ahead_if_that_is_wished(workers):
    source = Numbered(workers=workers)
    assert_same(trained_on(source, epochs=2, shuffle=False), by_hand(2))
    assert (threading.get_ident() in source.threads) == (workers == 1)
    assert source.heard == ["begin", "end"] * 2


@pytest.mark.parametrize("workers", [1, 2])
def test_batches_by_number_are_shuffled(workers):
    def orders(shuffle=True):
        config.set_random_seed(6)
        data = stream(Numbered(workers=workers), shuffle=shuffle)
        return [taken(data) for _ in range(9)]

    in_order = [float(x.flat[0]) for x, _ in batches()]
    assert orders(shuffle=False) == [in_order] * 9
    assert [sorted(epoch) for epoch in orders()] == [sorted(in_order)] * 9
    assert len({*map(tuple, orders())}) > 2
    assert orders() == orders()


@pytest.mark.parametrize("make", [Again, Passes])
def test_data_with_an_order_of_their_own_keep_it(make):
    assert taken(stream(make(), shuffle=True)) == taken(stream(make()))


@pytest.mark.parametrize("make", [DataSet, Numbered])
def test_validation_takes_the_batches_in_order(make):
    losses = [fit(compiled(), X, Y, validation_data=make(), callbacks=[Unchanging()])["val_loss"] for _ in range(2)]
    assert [*map(len, losses)] == [1, 1]
    model = compiled()
    expected = np.concatenate([model.predict(x, verbose=0) for x, _ in batches()])
    np.testing.assert_array_equal(model.predict(make(), verbose=0), expected)


# Lists as PyTorch's DataLoader has them


def test_a_list_is_a_pair():
    assert_same(trained_on([x, y] for x, y in batches()), by_hand())
    assert_same(trained_on([x.tolist(), y.tolist()] for x, y in batches()), by_hand())
    model = compiled()
    weighted = [[x, y, np.full(len(x), 2.0)] for x, y in batches()]
    expected = model.evaluate(iter(batches()), verbose=0)
    np.testing.assert_allclose(model.evaluate(iter(weighted), verbose=0), 2 * expected, rtol=1e-5)
    expected = model.predict(iter(batches()), verbose=0)
    for lists in ([x, y] for x, y in batches()), ([x] for x, _ in batches()), (x.tolist() for x, _ in batches()):
        np.testing.assert_array_equal(model.predict(lists, verbose=0), expected)


def test_a_list_for_several_inputs_is_one_for_each():
    model, (x, _) = two_headed(), two_headed_data()
    np.testing.assert_array_equal(model.predict(iter([x]), verbose=0)[0], model.predict(x, verbose=0)[0])


@pytest.mark.oracle
def test_pytorch_data_loader():
    torch = pytest.importorskip("torch")
    data = torch.utils.data.TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))
    loader = torch.utils.data.DataLoader(data, batch_size=4)
    pairs = [(X[i : i + 4], Y[i : i + 4]) for i in range(0, N, 4)]
    assert_same(trained_on(loader, epochs=2), trained_on(Again(pairs), epochs=2))
    assert len(compiled().predict(loader, verbose=0)) == N


def test_what_to_inherit_from_has_no_batches():
    with pytest.raises(NotImplementedError):
        PyDataset()[0]
    with pytest.raises(NotImplementedError):
        len(PyDataset())


# Validation data are to be left as they are


@pytest.mark.usefixtures("doctor")
def test_validation_data_that_are_changed_at_random_give_a_warning():
    source = Passes()
    source.augments = True
    with pytest.warns(UserWarning, match=r"images as they are, to measure on.*ImageDataGenerator\(rescale") as seen:
        compiled().fit(X, Y, validation_data=source, epochs=3, verbose=0)
    assert [warning.filename for warning in seen] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(compiled(), source, None, validation_data=Passes())


# Tables and tensors


def test_pandas_tables():
    pandas = pytest.importorskip("pandas")
    names = [f"pixel{i}" for i in range(X[0].size)]
    table = pandas.DataFrame(X.reshape(N, -1), columns=names, index=range(100, 100 + N)).sample(frac=1, random_state=0)
    order = table.index - 100
    y = pandas.Series(Y, index=range(100, 100 + N)).loc[table.index]
    weights = pandas.Series(np.arange(N) / 3).loc[order]
    arrays = (X.reshape(N, -1)[order], Y[order])
    same = [Sequential([Dense(CLASSES, activation="softmax")]) for _ in range(2)]
    for model, data, weight in zip(same, [(table, y), arrays], [weights, np.arange(N)[order] / 3], strict=True):
        config.set_random_seed(3)
        fit(compiled(model), *data, sample_weight=weight, validation_data=data)
    assert_same(same[0].get_weights(), same[1].get_weights())
    np.testing.assert_array_equal(to_categorical(y), one_hot(Y[order]))


@pytest.mark.oracle
def test_torch_tensors():
    torch = pytest.importorskip("torch")
    models = [compiled(), compiled()]
    models[1].set_weights(models[0].get_weights())
    fit(models[0], torch.from_numpy(X), torch.from_numpy(Y), shuffle=False)
    fit(models[1], shuffle=False)
    assert_same(models[0].get_weights(), models[1].get_weights())


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
