"""The same seed, number of threads and machine give the same bits; and a run can be repeated from its record."""

import hashlib
import json
import os
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from killed_training import KINDS, data, images, network, write_pictures
from tiny_networks import X, Y, assert_same, compiled, convnet, differ

from tinyconv import Input, Sequential, config
from tinyconv.callbacks import BackupAndRestore, LambdaCallback
from tinyconv.layers import BatchNormalization, Conv2D, Dense, Dropout, Flatten
from tinyconv.models import Record


@pytest.fixture(params=["numba", "numpy"])
def engine(request):
    """Both, one after the other."""
    if request.param == "numba":
        pytest.importorskip("numba")
    with config.engine(request.param):
        yield request.param


@pytest.fixture(params=[1, 2])
def threads(request):
    """One and two."""
    config.set_threads(request.param)
    yield request.param
    config.set_threads(None)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of images."""
    folder = tmp_path_factory.mktemp("pictures")
    write_pictures(folder)
    return folder


def batch_by_batch():
    """A generator function that draws numbers of its own."""
    x, y = images()
    rng = np.random.default_rng(4)
    while True:
        order = rng.permutation(len(x))[:6]
        yield x[order], y[order]


def given(kind, pictures):
    """Arguments of `fit`."""
    return {"x": batch_by_batch(), "steps_per_epoch": 4} if kind == "generator" else data(kind, pictures)


def results(model, history):
    """All that training makes: (arrays, lists by name)."""
    return [*model.get_weights(), *model.optimizer.slots.values()], history.history


def run(kind, pictures, seed=7, **settings):
    """The results of a training."""
    config.set_random_seed(seed)
    model = network()
    return results(model, model.fit(**given(kind, pictures), epochs=3, verbose=0, **settings))


def assert_equal(ours, theirs):
    """Two trainings have the same results, bit by bit."""
    assert_same(ours[0], theirs[0])
    assert ours[1] == theirs[1]


# The same bits


@pytest.mark.parametrize("kind", [*KINDS, "generator"])
def test_the_same_seed_and_threads_give_the_same_bits(engine, threads, kind, pictures):
    first = run(kind, pictures)
    assert_equal(run(kind, pictures), first)
    if kind != "generator":  # whose order is its own
        assert differ(run(kind, pictures, seed=8)[0], first[0])


@pytest.mark.parametrize("kind", ["flow", "folder"])
def test_another_process_gives_the_same_bits(engine, kind, pictures):
    program = (
        "import sys, pathlib, test_reproducible as t; print(t.fingerprint(sys.argv[1], pathlib.Path(sys.argv[2])))"
    )
    paths = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "TINYCONV_ENGINE": engine, "PYTHONHASHSEED": "5"}
    found = subprocess.run(
        [sys.executable, "-c", program, kind, str(pictures)],
        env=environment, capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    assert found.stdout.strip() == fingerprint(kind, pictures)


def fingerprint(kind, pictures):
    """Of the results of a training with two threads."""
    config.set_threads(2)
    try:
        arrays, history = run(kind, pictures)
    finally:
        config.set_threads(None)
    digest = hashlib.sha256(json.dumps(history).encode())
    for array in arrays:
        digest.update(array.tobytes())
    return digest.hexdigest()


def large(threads):
    """The results of a training whose sums are long enough to be shared out."""
    config.set_threads(threads)
    try:
        config.set_random_seed(7)
        rng = np.random.default_rng(0)
        x, y = rng.random((64, 17, 15, 3)), rng.integers(0, 3, 64)
        layers = [Conv2D(9, 3, activation="relu"), BatchNormalization(), Flatten(), Dropout(0.2), Dense(70), Dense(3)]
        model = Sequential([Input((17, 15, 3)), *layers])
        model.compile("sgd", "mse")
        return results(model, model.fit(x, np.eye(3)[y], batch_size=16, epochs=2, verbose=0))
    finally:
        config.set_threads(None)


def test_another_number_of_threads_differs_by_rounding_only(engine):
    (one, history), (two, other) = large(1), large(2)
    for a, b in zip(one, two, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    for name in history:
        np.testing.assert_allclose(history[name], other[name], rtol=1e-5)
    if engine == "numba":
        assert differ(one, two)  # or the documentation could promise more
    assert_same(large(2)[0], two)


@pytest.mark.parametrize("where", ["set_random_seed", "set_threads"])
def test_the_documentation_says_so(where):
    text = " ".join(getattr(config, where).__doc__.split())
    assert "same bits" in text
    assert "differ by rounding" in text


# The record


def test_without_a_seed_one_is_drawn_that_repeats_the_run(pictures):
    config.set_random_seed(None)
    drawn = config.random_seed()
    first = run("arrays", pictures, seed=drawn)
    config.set_random_seed(None)
    assert config.random_seed() != drawn
    config.set_random_seed(None)
    model = network()
    history = model.fit(**data("arrays", pictures), epochs=3, verbose=0)
    again = run("arrays", pictures, seed=history.record.seed)
    assert_equal(again, results(model, history))
    assert differ(again[0], first[0])


@pytest.fixture
def own_settings():
    """Everything that a record restores is as it was afterwards."""
    names = ("_engine", "_threads", "_floatx", "_winograd", "_columns_budget")
    before = {name: getattr(config, name) for name in names}
    yield
    for name, value in before.items():
        setattr(config, name, value)


def begin_anew(pictures):
    """A program that says nothing of seeds and settings."""
    model = network()
    return model, model.fit(**data("flow", pictures), epochs=2, verbose=0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_run_is_repeated_from_its_line(engine, dtype, pictures, capsys, own_settings):
    config.set_threads(2)
    config.set_floatx(dtype)
    config.set_winograd(False)
    config.set_columns_budget(5000)
    config.set_random_seed(None)
    first = results(*begin_anew(pictures))
    model = compiled()
    model.fit(X, Y, verbose=0, record=True)
    [line] = capsys.readouterr().out.splitlines()
    other = "numpy" if engine == "numba" else None
    for change in (config.set_threads, config.set_winograd, config.set_engine, config.set_floatx):
        change({"set_threads": 1, "set_winograd": True, "set_engine": other, "set_floatx": "float32"}[change.__name__])
    config.set_columns_budget(2**20)
    config.set_random_seed(5)
    Record.parse(f"2025-01-01 {line}").restore()
    assert_equal(results(*begin_anew(pictures)), first)


def test_fit_prints_the_record_only_if_asked(capsys):
    history = compiled().fit(X, Y, verbose=0)
    assert capsys.readouterr().out == ""
    assert history.record.seconds > 0
    history = compiled().fit(X, Y, verbose=2, record=True)
    assert capsys.readouterr().out.splitlines()[1:] == [str(history.record)]


def test_a_record_holds_what_the_run_was_made_with(engine, threads):
    config.set_random_seed(123)
    record = compiled().fit(X, Y, verbose=0).record
    assert (record.seed, record.engine, record.threads, record.dtype) == (123, engine, threads, "float32")
    assert record.lanes in ((8, 16) if engine == "numba" else (0,))
    assert record.numpy == np.__version__
    assert Record.parse(str(record)) == record
    assert "\n" not in str(record)


def test_on_numpy_a_matrix_product_has_one_thread_unless_set():
    with config.engine("numpy"):
        assert compiled().fit(X, Y, verbose=0).record.threads == 1


def test_a_training_that_breaks_off_has_a_record_too():
    def stop(batch, logs):
        assert model.history.record.seconds == 0
        raise KeyboardInterrupt

    model = compiled()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, verbose=0, callbacks=[LambdaCallback(on_train_batch_end=stop)])
    assert model.history.record.seconds > 0


def test_a_training_that_went_on_has_the_seed_that_it_began_with(tmp_path):
    def stop(epoch, logs):
        raise KeyboardInterrupt

    config.set_random_seed(11)
    hooks = [BackupAndRestore(tmp_path), LambdaCallback(on_epoch_begin=lambda epoch: epoch == 1 and stop(epoch, None))]
    with pytest.raises(KeyboardInterrupt):
        compiled(convnet(Dropout(0.2))).fit(X, Y, verbose=0, epochs=3, callbacks=hooks)
    config.set_random_seed(None)
    assert compiled(convnet(Dropout(0.2))).fit(X, Y, verbose=0, epochs=3, callbacks=hooks[:1]).record.seed == 11


@pytest.mark.parametrize("line", ["", "seed=1", "seed=x", None])
def test_a_line_that_is_no_record_is_refused(line):
    record = compiled().fit(X, Y, verbose=0).record
    line = str(record).replace("winograd=True", "winograd=maybe") if line is None else line
    with pytest.raises(
        ValueError, match=r"Record\.parse: expected seed=\.\.\. engine=\.\.\. .*seconds=\.\.\.\. Received"
    ):
        Record.parse(line)


def test_another_machine_is_mentioned(own_settings):
    record = compiled().fit(X, Y, verbose=0).record
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        record.restore()
    with pytest.warns(UserWarning, match=r"Record.restore: expected numpy 1\.0\. Received numpy .* differ by rounding"):
        replace(record, numpy="1.0").restore()
