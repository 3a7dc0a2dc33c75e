"""The measuring tool: every competitor computes the same, a wrong one is refused, and ratios are what they say.

Nothing here depends on how long something takes.
"""

import dataclasses
import json

import numpy as np
import pytest
from oracle import load_keras

from benchmarks import train_step
from benchmarks.peers import COMPETITORS, OURS, Entry, Tinyconv
from benchmarks.problems import PROBLEMS, read, write
from benchmarks.report import Measurement, as_json, ratio, tables
from benchmarks.worker import Worker, answer, timed

#: Each network for few and small images; H and W differ, so that a flattening in the wrong order shows.
TINY = {
    "M1": dataclasses.replace(PROBLEMS["M1"], batch_size=2, input_shape=(26, 28, 1)),
    "M2": dataclasses.replace(PROBLEMS["M2"], batch_size=2, input_shape=(26, 21, 1)),
    "M3": dataclasses.replace(PROBLEMS["M3"], batch_size=2, input_shape=(19, 25, 3)),
    "M4": dataclasses.replace(PROBLEMS["M4"], batch_size=2, input_shape=(31, 38, 3)),
    "M5": dataclasses.replace(PROBLEMS["M5"], batch_size=2, input_shape=(11, 13, 3)),
}
every_problem = pytest.mark.parametrize("problem", TINY.values(), ids=TINY)


def loaded(make, problem):
    """A competitor in this process, ready to work."""
    competitor = make(problem, threads=1)
    competitor.load(problem.weights(), list(problem.batch()))
    return competitor


# Problems


def test_problems_are_those_of_the_notes():
    found = {name: (problem.network, problem.batch_size) for name, problem in PROBLEMS.items()}
    notes = {"M1": ("note004", 128), "M2": ("note003", 32), "M3": ("note002", 128), "M4": ("note000", 32)}
    assert found == {**notes, "M5": ("note001", 8)}


@every_problem
def test_problem_is_the_same_in_another_process(problem, tmp_path):
    write(problem, tmp_path)
    other, weights, batch = read(tmp_path)
    assert other == problem
    for a, b in zip([*weights, *batch], [*problem.weights(), *problem.batch()], strict=True):
        np.testing.assert_array_equal(a, b)


def test_no_weight_is_as_it_started():
    """A bias or statistic that is not handed over would not show while it is 0 or 1."""
    assert not any(np.isin(w, (0, 1)).any() for w in TINY["M2"].weights())


@pytest.mark.parametrize(("name", "largest"), [("M1", 1), ("M3", 255)])
def test_images_have_the_range_of_the_note(name, largest):
    x, _ = TINY[name].batch()
    assert 0.9 * largest < x.max() <= largest


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
    train_step.check_losses({OURS: ours.loss(), name: theirs.loss()})
    np.testing.assert_allclose(theirs.predict().numpy(), ours.predict(), rtol=1e-3, atol=1e-5)


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Keras's own
@every_problem
def test_keras_computes_our_loss_and_outputs(keras, problem):
    ours, theirs = loaded(Tinyconv, problem), loaded(COMPETITORS["keras-torch"].make, problem)
    train_step.check_losses({OURS: ours.loss(), "keras-torch": theirs.loss()})
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
    train_step.check_losses({OURS: ours.loss(), name: theirs.loss()}, tolerance=1e-3)


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


def test_who_is_not_installed_is_left_out_with_a_line(monkeypatch, capsys):
    monkeypatch.setitem(COMPETITORS, "torch", Entry("PyTorch", Tinyconv, ("no_such_library",)))
    assert train_step.present(["torch"]) == [OURS]
    assert capsys.readouterr().out == "Without PyTorch: no_such_library not installed.\n"


def test_who_needs_another_system_is_left_out():
    assert Entry("x", Tinyconv, platform="plan9").obstacle() == "needs plan9"


# The check of losses


@pytest.mark.parametrize("wrong", [2.0003, 1.9997, float("nan"), float("inf")])
def test_wrong_loss_is_refused_with_both_numbers(wrong):
    with pytest.raises(ValueError, match=rf"PyTorch: expected the loss .* 2\.0\. Received {wrong}\."):
        train_step.check_losses({OURS: 2.0, "torch": wrong})


def test_loss_within_rounding_is_accepted():
    train_step.check_losses({OURS: 2.0, "torch": 2.0001})


class _Liar:
    """A worker whose loss is its name's length."""

    def __init__(self, name, folder, threads):
        self.name = name

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def ask(self, what, *settings):
        assert what == "loss", "nothing may be timed before the losses agree"
        return float(len(self.name))


def test_nothing_is_timed_after_a_wrong_loss(monkeypatch, capsys):
    monkeypatch.setattr(train_step, "Worker", _Liar)
    monkeypatch.setattr(train_step, "present", lambda peers: [OURS, "torch"])
    monkeypatch.setitem(train_step.PROBLEMS, "M1", TINY["M1"])
    assert train_step.main(["--models", "M1", "--quick"]) == 1
    assert "8.0. Received 5.0" in capsys.readouterr().err


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


def test_tables():
    train, _, memory = tables(made_up()).split("\n\n")
    assert train.splitlines() == [
        "| training step, ms | M1 | M4 |",
        "| --- | ---: | ---: |",
        "| tinyconv | 10 | 10 |",
        "| PyTorch | 25 (2.50x) | 25 (2.50x) |",
    ]
    assert memory.splitlines()[-1] == "| PyTorch | 123 | 123 |"


def test_json_has_seconds_medians_ratios_and_the_machine():
    found = as_json(made_up(), {"threads": 1})
    step = found["results"]["M4"]["torch"]["train_step"]
    assert step == {"median_ms": 25, "ratio": 2.5, "seconds": [[0.025, 0.025]]}
    assert {"processor", "cores", "python", "numpy"} <= found["machine"].keys()
    assert found["settings"] == {"threads": 1}


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
    assert answer(competitor, "peak") > 10_000_000


def test_a_process_that_dies_says_why(tmp_path):
    with Worker(OURS, tmp_path, 1) as worker, pytest.raises(RuntimeError, match=r"problem\.json"):
        worker.ask("loss")


@pytest.mark.parametrize("wrong", ["0", "-1", "few"])
def test_rounds_are_counted_from_one(wrong, capsys):
    with pytest.raises(SystemExit):
        train_step.main(["--rounds", wrong])
    assert "expected a whole number from 1" in capsys.readouterr().err


def test_quick_run_of_tinyconv_alone(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(train_step.PROBLEMS, "M1", dataclasses.replace(PROBLEMS["M1"], batch_size=3))
    file = tmp_path / "speed.json"
    assert train_step.main(["--models", "M1", "--quick", "--peers", "--json", str(file)]) == 0
    printed = capsys.readouterr().out
    assert "M1: note004, batch 3; the loss is " in printed
    assert "\n| training step, ms | M1 |\n| --- | ---: |\n| tinyconv | " in printed
    assert len(json.loads(file.read_text())["results"]["M1"][OURS]["train_step"]["seconds"]) == 1
