"""The measuring tool: every competitor computes the same, a wrong one is refused, and ratios are what they say.

Nothing here depends on how long something takes.
"""

import dataclasses
import doctest
import importlib.util

import numpy as np
import pytest
from oracle import load_keras

from benchmarks import layers, turns
from benchmarks.peers import COMPETITORS, MACHINE, MATHEMATICS, OURS, Entry, Tinyconv
from benchmarks.problems import PROBLEMS, WeightedSum, read, write
from benchmarks.report import Measurement, as_json, by_problem, machine, ratio, time_and_ratio
from benchmarks.turns import Entrant, Phase, check_loss, check_outputs
from benchmarks.worker import Worker, answer, on_cores, timed
from tinyconv import config

#: Each network for few and small images; H and W differ, so that a flattening in the wrong order shows.
TINY = {
    "M1": dataclasses.replace(PROBLEMS["M1"], batch_size=2, input_shape=(26, 28, 1)),
    "M2": dataclasses.replace(PROBLEMS["M2"], batch_size=2, input_shape=(26, 21, 1)),
    "M3": dataclasses.replace(PROBLEMS["M3"], batch_size=2, input_shape=(19, 25, 3)),
    "M4": dataclasses.replace(PROBLEMS["M4"], batch_size=2, input_shape=(31, 38, 3)),
    "M5": dataclasses.replace(PROBLEMS["M5"], batch_size=2, input_shape=(11, 13, 3)),
}
every_problem = pytest.mark.parametrize("problem", TINY.values(), ids=TINY)


@pytest.fixture(autouse=True)
def threads():
    """A competitor sets the number of threads; it is put back afterwards."""
    before = config._threads
    yield
    config._threads = before


def loaded(make, problem):
    """A competitor in this process, ready to work."""
    competitor = make(problem, threads=1)
    competitor.load(problem.weights(), list(problem.data()))
    return competitor


# Problems


def test_problems_are_those_of_the_notes():
    found = {name: (problem.network, problem.batch_size) for name, problem in PROBLEMS.items()}
    notes = {"M1": ("note004", 128), "M2": ("note003", 32), "M3": ("note002", 128), "M4": ("note000", 32)}
    assert found == {**notes, "M5": ("note001", 8)}


@every_problem
def test_problem_is_the_same_in_another_process(problem, tmp_path):
    write(problem, tmp_path)
    other, weights, data = read(tmp_path)
    assert other == problem
    for a, b in zip([*weights, *data], [*problem.weights(), *problem.data()], strict=True):
        np.testing.assert_array_equal(a, b)


def test_line_of_layers_is_the_same_in_another_process(tmp_path):
    problem = dataclasses.replace(layers.of_the_notes()["M3 conv 1"], batch_size=2)
    write(problem, tmp_path)
    other, _, (x, target) = read(tmp_path)
    kinds = [type(layer).__name__ for layer in other.model().layers]
    assert kinds == ["Rescaling", "Conv2D", "MaxPooling2D"]
    assert (x.shape, target.shape) == ((2, 100, 100, 3), (2, 50, 50, 16))
    assert 0.5 <= target.min() < target.max() <= 1.5


def test_no_weight_is_as_it_started():
    """A bias or statistic that is not handed over would not show while it is 0 or 1."""
    assert not any(np.isin(w, (0, 1)).any() for w in TINY["M2"].weights())


@pytest.mark.parametrize(("name", "largest"), [("M1", 1), ("M3", 255)])
def test_images_have_the_range_of_the_note(name, largest):
    x, _ = TINY[name].data()
    assert 0.9 * largest < x.max() <= largest


def test_an_epoch_has_several_batches():
    x, y = dataclasses.replace(TINY["M1"], steps=3).data()
    assert len(x) == len(y) == 6


def test_weighted_sum_has_the_weights_as_gradient():
    t, y = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[5.0, 6.0], [7.0, 8.0]])
    values, cache = WeightedSum().forward(t, y)
    assert values.tolist() == [17, 53]
    assert WeightedSum().backward(np.array([0.5, 0.25]), cache).tolist() == [[0.5, 1.0], [0.75, 1.0]]


# Competitors


@pytest.fixture
def torch():
    """PyTorch, whose number of threads is put back afterwards."""
    torch = pytest.importorskip("torch", reason="needs the extra 'oracle'")
    threads = torch.get_num_threads()
    yield torch
    torch.set_num_threads(threads)


@pytest.fixture
def keras(torch):
    """Keras on PyTorch."""
    return load_keras()


@pytest.mark.oracle
@every_problem
@pytest.mark.parametrize("name", ["torch", "torch-cl"])
def test_pytorch_computes_our_loss_and_outputs(torch, problem, name):
    ours, theirs = loaded(Tinyconv, problem), loaded(COMPETITORS[name].make, problem)
    check_loss(name, theirs.loss(), ours.loss())
    np.testing.assert_allclose(theirs.predict().numpy(), ours.predict(), rtol=1e-3, atol=1e-5)


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Keras's own
@every_problem
def test_keras_computes_our_loss_and_outputs(keras, problem):
    ours, theirs = loaded(Tinyconv, problem), loaded(COMPETITORS["keras-torch"].make, problem)
    check_loss("keras-torch", theirs.loss(), ours.loss())
    np.testing.assert_allclose(keras.ops.convert_to_numpy(theirs.predict()), ours.predict(), rtol=1e-3, atol=1e-5)


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Keras's own
@pytest.mark.parametrize("problem", [TINY["M1"], TINY["M3"], TINY["M5"]], ids=["M1", "M3", "M5"])
@pytest.mark.parametrize("name", ["torch", "torch-cl", "keras-torch"])
def test_a_step_of_training_is_the_same(keras, problem, name):
    """Networks without dropout, which draws differently in each library."""
    ours, theirs = loaded(Tinyconv, problem), loaded(COMPETITORS[name].make, problem)
    before = ours.loss()
    ours.train_step()
    theirs.train_step()
    assert ours.loss() != before
    check_loss(name, theirs.loss(), ours.loss(), tolerance=1e-3)


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Keras's own
@pytest.mark.parametrize("name", ["torch", "torch-cl", "keras-torch"])
def test_an_epoch_of_one_batch_is_a_step(keras, name):
    ours, theirs = loaded(Tinyconv, TINY["M3"]), loaded(COMPETITORS[name].make, TINY["M3"])
    ours.train_step()
    theirs.epoch()
    check_loss(name, theirs.loss(), ours.loss(), tolerance=1e-3)


def test_our_epoch_learns_from_every_batch():
    ours = loaded(Tinyconv, dataclasses.replace(TINY["M1"], steps=3))
    ours.epoch()
    assert ours.model.optimizer.iterations == 3


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Keras's own
def test_their_epochs_learn_from_every_batch(keras):
    problem = dataclasses.replace(TINY["M1"], steps=3)
    torch, theirs = (loaded(COMPETITORS[name].make, problem) for name in ("torch-cl", "keras-torch"))
    assert len(torch.epoch()) == 3
    theirs.epoch()
    assert int(theirs.model.optimizer.iterations) == 3


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["torch", "torch-cl"])
@pytest.mark.parametrize("layer", [*layers.of_the_notes(), *layers.single()])
def test_pytorch_computes_the_outputs_and_gradients_of_our_layers(torch, layer, name):
    problem = dataclasses.replace((layers.of_the_notes() | layers.single())[layer], batch_size=2)
    ours, theirs = loaded(Tinyconv, problem), loaded(COMPETITORS[name].make, problem)
    check_loss(name, theirs.loss(), ours.loss())
    check_outputs(name, theirs.outputs(), ours.outputs())


@pytest.mark.oracle
def test_timing_a_layer_does_not_change_it(torch):
    problem = dataclasses.replace(layers.single()["1x1"], batch_size=2)
    for make in (Tinyconv, COMPETITORS["torch-cl"].make):
        competitor = loaded(make, problem)
        before = competitor.loss()
        competitor.train_step()
        competitor.gradients()
        assert competitor.loss() == pytest.approx(before, rel=1e-6)


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Keras's own
def test_optimizers_have_our_settings(keras):
    ours = TINY["M2"].program.make_optimizer().get_config()
    theirs = loaded(COMPETITORS["torch"].make, TINY["M2"]).optimizer
    assert type(theirs).__name__ == "RMSprop"
    assert [theirs.defaults[name] for name in ("lr", "alpha", "eps")] == [
        ours[name] for name in ("learning_rate", "rho", "epsilon")
    ]
    keras_config = loaded(COMPETITORS["keras-torch"].make, TINY["M2"]).model.optimizer.get_config()
    assert keras_config["rho"] == ours["rho"]


@pytest.mark.oracle
def test_pytorch_refuses_an_optimizer_without_translation(torch):
    from tinyconv import optimizers

    theirs = loaded(COMPETITORS["torch"].make, TINY["M1"])
    with pytest.raises(TypeError, match="expected an optimizer of the timed networks"):
        theirs._optimizer(optimizers.SGD(momentum=0.9))


@pytest.mark.oracle
def test_pytorch_refuses_a_layer_without_translation(torch):
    from benchmarks.torch_network import translate
    from tinyconv import Input, Sequential, layers

    model = Sequential([Input((5, 6, 2)), layers.AveragePooling2D()])
    with pytest.raises(TypeError, match="expected a layer of the timed networks"):
        translate(model.layers, [])


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["Conv2D", "MaxPooling2D"])
def test_pytorch_refuses_uneven_padding(torch, name):
    from benchmarks.torch_network import translate
    from tinyconv import Input, Sequential, layers

    layer = layers.Conv2D(4, 2, padding="same") if name == "Conv2D" else layers.MaxPooling2D(3, padding="same")
    model = Sequential([Input((5, 6, 2)), layer])
    with pytest.raises(ValueError, match=r"benchmarks: expected .* padding"):
        translate(model.layers, model.get_weights())


def test_who_needs_another_system_or_module_is_left_out():
    assert Entry("x", Tinyconv, platform="plan9").obstacle() == "needs plan9"
    assert Entry("x", Tinyconv, ("no_such_library",)).obstacle() == "no_such_library not installed"


# The checks before any timing


@pytest.mark.parametrize("wrong", [2.0003, 1.9997, float("nan"), float("inf")])
def test_wrong_loss_is_refused_with_both_numbers(wrong):
    with pytest.raises(ValueError, match=rf"PyTorch: expected the loss .* 2\.0\. Received {wrong}\."):
        check_loss("torch", wrong, 2.0)


def test_loss_within_rounding_is_accepted():
    check_loss("torch", 2.0001, 2.0)


ARRAYS = [np.linspace(1, 2, 12).reshape(3, 4), np.linspace(2, 3, 12).reshape(3, 4)]


@pytest.mark.parametrize(
    ("theirs", "message"),
    [
        ([1.001 * ARRAYS[0], ARRAYS[1]], r"the outputs .* 1\.0e-03 apart"),
        ([ARRAYS[0], 1.1 * ARRAYS[1]], r"the gradients .* 1\.0e-01 apart"),
        ([ARRAYS[0], np.nan * ARRAYS[1]], "the gradients .* nan apart"),
        ([ARRAYS[0].T, ARRAYS[1]], r"outputs of shape \(3, 4\). Received \(4, 3\)"),
    ],
    ids=["output", "gradient", "NaN", "shape"],
)
def test_wrong_outputs_are_refused(theirs, message):
    with pytest.raises(ValueError, match=f"PyTorch: expected {message}"):
        check_outputs("torch", theirs, ARRAYS)


def test_outputs_within_rounding_are_accepted():
    check_outputs("torch", [ARRAYS[0] * (1 + 1e-5), ARRAYS[1] * (1 + 1e-3)], ARRAYS)


# Arithmetic


def test_ratio_is_the_median_over_rounds_of_medians():
    theirs = [[1.0, 3.0, 90.0], [8.0], [5.0, 5.0]]  # medians 3, 8, 5
    ours = [[2.0, 2.0, 1.0], [2.0], [10.0, 10.0]]  # medians 2, 2, 10: ratios 1.5, 4, 0.5
    assert ratio(theirs, ours) == 1.5


def test_a_slow_minute_for_both_does_not_change_the_ratio():
    assert ratio([[2.0], [20.0], [2.0]], [[1.0], [10.0], [1.0]]) == 2


def made_up():
    """Results of two problems, in which tinyconv takes 10 ms and PyTorch 25 ms for everything."""
    rounds = [{"train_step": [[s, s]], "predict": [[s, s]]} for s in (0.010, 0.025)]
    both = {OURS: Measurement(1.0, rounds[0], 50_000_000), "torch": Measurement(1.0, rounds[1], 123_000_000)}
    return {"M1": both, "M4": both}


def test_table_by_problem():
    train = by_problem("training step, ms", made_up(), lambda one, ours: time_and_ratio(one, ours, "train_step"))
    assert train.splitlines() == [
        "| training step, ms | M1 | M4 |",
        "| --- | ---: | ---: |",
        "| tinyconv | 10 | 10 |",
        "| PyTorch | 25 (2.50x) | 25 (2.50x) |",
    ]


def test_what_was_not_timed_is_left_empty():
    one = made_up()["M1"][OURS]
    assert time_and_ratio(one, one, "epoch") == ""


def test_json_has_seconds_medians_ratios():
    found = as_json(made_up())["M4"]["torch"]
    assert found["train_step"] == {"median_ms": 25, "ratio": 2.5, "seconds": [[0.025, 0.025]]}
    assert (found["loss"], found["peak_bytes"]) == (1.0, 123_000_000)


def test_machine_has_versions():
    known = {"processor", "cores", "system", "python", "numpy"}
    assert known <= machine().keys()
    assert ("numba" in machine()) == (importlib.util.find_spec("numba") is not None)


# Processes


@pytest.mark.parametrize(("least", "seconds", "calls"), [(3, 0.0, 3), (1, 0.0, 1)])
def test_as_many_calls_are_timed_as_asked_for(least, seconds, calls):
    made = []
    assert len(timed(lambda: made.append(1), least, seconds)) == len(made) == calls


def test_calls_go_on_until_the_seconds_have_passed():
    assert sum(timed(lambda: None, 1, 1e-5)) >= 1e-5


def test_answers_of_a_competitor():
    competitor = loaded(Tinyconv, TINY["M1"])
    assert answer(competitor, "loss") == competitor.loss()
    assert len(answer(competitor, "predict", 2)) == 2
    assert len(answer(competitor, "predict")) == 1
    assert answer(competitor, "peak") > 10_000_000


def test_a_process_that_dies_says_why(tmp_path):
    with Worker(OURS, tmp_path, 1) as worker, pytest.raises(RuntimeError, match=r"problem\.json"):
        worker.ask("loss")


def test_a_process_stays_on_its_cores_while_it_measures():
    os = pytest.importorskip("os")
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("needs a system that can pin processes")
    before = os.sched_getaffinity(0)
    with on_cores(1):
        assert os.sched_getaffinity(0) == {max(before)}
    assert os.sched_getaffinity(0) == before


@pytest.fixture
def numpy_engine(monkeypatch):
    """Processes that start at once: what measures does not depend on what is measured."""
    monkeypatch.setenv("TINYCONV_ENGINE", "numpy")


PHASES = [Phase("train_step", 2), Phase("predict", who=[MATHEMATICS])]


@pytest.mark.parametrize("one_at_a_time", [False, True], ids=["together", "one at a time"])
def test_everybody_has_a_turn_in_every_round(numpy_engine, one_at_a_time):
    entrants = {name: Entrant(name, TINY["M5"]) for name in (OURS, MATHEMATICS)}
    found = turns.measure(entrants, PHASES, rounds=2, one_at_a_time=one_at_a_time)
    calls = {
        name: {phase: list(map(len, rounds)) for phase, rounds in one.rounds.items()} for name, one in found.items()
    }
    assert calls == {OURS: {"train_step": [2, 2]}, MATHEMATICS: {"train_step": [2, 2], "predict": [1, 1]}}
    assert found[OURS].loss == found[MATHEMATICS].loss
    assert found[OURS].peak > 10_000_000


class _Count:
    """A worker that notes how many of its kind there are."""

    alive = most = 0

    def __init__(self, *settings):
        pass

    def __enter__(self):
        _Count.alive += 1
        _Count.most = max(_Count.most, _Count.alive)
        return self

    def __exit__(self, *error):
        _Count.alive -= 1

    def ask(self, what):
        return 1

    def time(self, method, least, seconds):
        return [1.0]


@pytest.mark.parametrize(("one_at_a_time", "most"), [(False, 3), (True, 1)])
def test_as_many_processes_as_wanted_are_in_memory(monkeypatch, one_at_a_time, most):
    monkeypatch.setattr(turns, "Worker", _Count)
    monkeypatch.setattr(_Count, "most", 0)
    entrants = {name: Entrant(name, TINY["M1"]) for name in (OURS, MATHEMATICS, "torch")}
    turns.measure(entrants, PHASES, rounds=2, one_at_a_time=one_at_a_time)
    assert (_Count.most, _Count.alive) == (most, 0)


def test_outputs_are_compared_between_processes(numpy_engine, monkeypatch):
    problem = dataclasses.replace(layers.single()["1x1"], batch_size=1, input_shape=(3, 4, 64))
    entrants = {name: Entrant(name, problem) for name in (OURS, MATHEMATICS)}
    compared = []
    monkeypatch.setattr(turns, "check_outputs", lambda name, *arrays: compared.append((name, *arrays)))
    turns.measure(entrants, [Phase("gradients")], rounds=1, compare_outputs=True)
    [(name, theirs, ours)] = compared
    assert name == MATHEMATICS
    assert [a.shape for a in theirs] == [(1, 3, 4, 64), (1, 3, 4, 64)]
    for a, b in zip(theirs, ours, strict=True):
        np.testing.assert_array_equal(a, b)


# The machine itself


@pytest.fixture
def limits(monkeypatch):
    """The module, with little to do."""
    pytest.importorskip("numba")
    from benchmarks import limits

    monkeypatch.setattr(limits, "REPEATS", 2)
    monkeypatch.setattr(limits, "COPIED", 101)
    return limits


def test_tile_multiplies_as_often_as_it_says(limits):
    rng = np.random.default_rng(0)
    rows, depth, columns = limits.ROWS, 5, limits.VECTORS * limits.LANES
    a, b = rng.random((rows, depth), np.float32), rng.random((depth, columns), np.float32)
    c = np.ones((rows, columns), np.float32)
    limits.multiply(a.ravel(), b.ravel(), c.reshape(-1), depth, 3)
    np.testing.assert_allclose(c, 1 + 3 * a @ b, rtol=1e-5)


def test_machine_works_on_every_thread(limits):
    machine = COMPETITORS[MACHINE].make(TINY["M1"], threads=3)
    machine.load([], [])
    machine.tile()
    assert len(machine.operands) == 3
    for a, b, c in machine.operands:
        np.testing.assert_allclose(c, 1e-3 + limits.REPEATS * limits.DEPTH * a[0] * b[0], rtol=1e-5)
    machine.copy()
    assert machine.loss() is None
    np.testing.assert_array_equal(machine.target, np.ones(101))


def test_operations_of_the_tile(limits):
    assert limits.tile_operations(3) == 3 * 2 * limits.REPEATS * limits.DEPTH * 6 * 2 * limits.LANES
    assert limits.copied_bytes() == 2 * 4 * 101


# Examples


@pytest.mark.parametrize("name", ["report", "epoch"])
def test_examples_in_docstrings(name):
    result = doctest.testmod(importlib.import_module(f"benchmarks.{name}"))
    assert result.attempted > 0
    assert result.failed == 0
