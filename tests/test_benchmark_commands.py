"""Every command of the benchmarks in small: it runs, notices who computes something else, and its arithmetic is right.

Nothing here depends on how long something takes.
"""

import dataclasses
import json
import sys

import pytest

from benchmarks import epoch, layers, readme, scaling, start, train_step, turns
from benchmarks.command import Command
from benchmarks.peers import COMPETITORS, MACHINE, OURS, Entry, Tinyconv
from benchmarks.pictures import Bar, Panel, bars
from benchmarks.problems import PROBLEMS, Problem
from benchmarks.report import Measurement

PNG = b"\x89PNG"


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Little to do, and processes that start at once: what measures does not depend on what is measured."""
    monkeypatch.setenv("TINYCONV_ENGINE", "numpy")
    monkeypatch.setitem(PROBLEMS, "M1", dataclasses.replace(PROBLEMS["M1"], batch_size=2))
    monkeypatch.setitem(PROBLEMS, "M5", dataclasses.replace(PROBLEMS["M5"], batch_size=2, input_shape=(11, 13, 3)))


# All commands


COMMANDS = {
    "train_step": (train_step, ["--models", "M1"]),
    "epoch": (epoch, ["--models", "M1"]),
    "layers": (layers, ["--only", "M1 dense"]),
    "scaling": (scaling, ["--axes", "depth"]),
}
every_command = pytest.mark.parametrize(("module", "arguments"), COMMANDS.values(), ids=COMMANDS)


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
        return None if self.name == MACHINE else float(len(self.name))

    def time(self, *settings):
        raise AssertionError("nothing may be timed before the losses agree")

    outputs = time


@every_command
def test_nothing_is_timed_after_a_wrong_loss(monkeypatch, capsys, module, arguments):
    monkeypatch.setattr(turns, "Worker", _Liar)
    monkeypatch.setitem(COMPETITORS, "torch", Entry("PyTorch", Tinyconv))
    monkeypatch.setitem(COMPETITORS, MACHINE, Entry("the machine", Tinyconv))
    monkeypatch.setattr(turns, "write", lambda problem, folder: None)
    assert module.main([*arguments, "--quick", "--peers", "torch"]) == 1
    assert "8.0. Received 5.0" in capsys.readouterr().err


def test_who_is_not_installed_is_left_out_with_a_line(monkeypatch, capsys):
    monkeypatch.setitem(COMPETITORS, "torch", Entry("PyTorch", Tinyconv, ("no_such_library",)))
    command = Command("train_step", "Time.", rounds=3)
    assert command.present(["torch", OURS]) == [OURS]
    assert capsys.readouterr().out == "Without PyTorch: no_such_library not installed.\n"
    assert command.settings["absent"] == {"torch": "no_such_library not installed"}


@every_command
@pytest.mark.parametrize("wrong", ["0", "-1", "few"])
def test_rounds_are_counted_from_one(wrong, capsys, module, arguments):
    with pytest.raises(SystemExit):
        module.main(["--rounds", wrong])
    assert "expected a whole number from 1" in capsys.readouterr().err


# Training step


@pytest.mark.parametrize("model", ["M1", "M5"])
def test_quick_training_step(tmp_path, capsys, model):
    file, picture = tmp_path / "speed.json", tmp_path / "speed.png"
    arguments = ["--models", model, "--quick", "--peers", "--one-at-a-time"]
    assert train_step.main([*arguments, "--json", str(file), "--picture", str(picture)]) == 0
    printed = capsys.readouterr().out
    assert f"{model}: {PROBLEMS[model].network}, batch 2; the loss is " in printed
    assert f"\n| training step, ms | {model} |\n| --- | ---: |\n| tinyconv | " in printed
    found = json.loads(file.read_text())
    assert len(found["results"][model][OURS]["train_step"]["seconds"]) == 1
    assert found["command"] == "train_step"
    assert found["settings"]["one_at_a_time"]
    assert found["settings"]["entrants"][model][OURS]["problem"]["batch_size"] == 2
    assert [phase["method"] for phase in found["settings"]["phases"][model]] == ["train_step", "predict"]
    assert picture.read_bytes().startswith(PNG)


def made_up():
    """A problem in which tinyconv takes 10 ms and PyTorch 25 ms for everything."""
    rounds = [{"train_step": [[s]], "predict": [[s]]} for s in (0.010, 0.025)]
    return {"M1": {name: Measurement(1.0, times, 10**8) for name, times in zip([OURS, "torch"], rounds, strict=True)}}


def test_tables_of_the_training_step():
    _, predict, memory = train_step.tables(made_up()).split("\n\n")
    assert predict.splitlines()[-1] == "| PyTorch | 25 (2.50x) |"
    assert memory.splitlines()[-1] == "| PyTorch | 100 |"


def test_picture_of_the_training_step():
    figure = train_step.picture(made_up(), "a machine")
    step, predict = figure.axes
    assert [patch.get_width() for patch in step.patches] == [1, 2.5]
    assert {"1  (10 ms)", "2.5x  (25 ms)"} <= {text.get_text() for text in step.texts}
    assert [label.get_text() for label in step.get_yticklabels()] == ["tinyconv", "PyTorch"]
    assert predict.get_title(loc="left") == "M1 (note004): predict"
    assert figure.get_supxlabel() == "a machine"


def test_bars_of_panels_with_different_labels_are_all_labelled():
    few, many = (Panel("p", [Bar(str(i), i + 1, "", True) for i in range(n)]) for n in (1, 3))
    *shown, empty = bars([[few, many], [few]], "title", "footer", reference=2).axes
    assert [[label.get_text() for label in axes.get_yticklabels()] for axes in shown] == [["0"], ["0", "1", "2"], ["0"]]
    assert len({axes.get_xlim() for axes in shown}) == 1, "lengths must be comparable"
    assert not empty.axison


# Epoch


def test_quick_epoch(tmp_path, capsys):
    file = tmp_path / "epoch.json"
    assert epoch.main(["--models", "M1", "--quick", "--peers", "--json", str(file)]) == 0
    printed = capsys.readouterr().out
    assert "\n| epoch of 2 steps, ms | M1 |\n| --- | ---: |\n| tinyconv | " in printed
    assert "| more than 2 train_on_batch | " in printed
    found = json.loads(file.read_text())
    [steps] = found["results"]["M1"][OURS]["train_step"]["seconds"]
    [[whole]] = found["results"]["M1"][OURS]["epoch"]["seconds"]
    assert len(steps) == 2
    assert found["lost_against_steps"]["M1"] == pytest.approx(whole / sum(steps) - 1)


def test_steps_are_timed_for_ours_alone():
    times = {"epoch": [[3.0], [8.0]], "train_step": [[1.0, 1.0], [2.0, 2.0]]}
    results = {"M1": {OURS: Measurement(1.0, times), "torch": Measurement(1.0, {"epoch": [[6.0], [8.0]]})}}
    assert epoch.loss_of_time(results["M1"][OURS]) == 0.75  # half as long again, and twice as long
    assert "| PyTorch | 7000 (1.50x) |" in epoch.tables(results, {"M1": 0.75}, 2)


# Layers


def test_blocks_of_the_notes():
    found = {name: (p.input_shape, p.title) for name, p in layers.of_the_notes().items()}
    assert found["M2 conv 2"] == ((14, 14, 75), "Conv2D + BatchNormalization + MaxPooling2D, batch 32")
    assert found["M3 conv 1"] == ((100, 100, 3), "Rescaling + Conv2D + MaxPooling2D, batch 128")
    assert found["M4 dense"] == ((12800,), "Dense, batch 32")
    assert list(found)[:3] == ["M1 conv 1", "M1 conv 2", "M1 dense"]
    assert len(found) == 15


def test_gradient_by_the_image_is_not_wanted():
    found = {name: layers.both_ways(problem) for name, problem in layers.of_the_notes().items()}
    assert [name for name, method in found.items() if method == "train_step"] == [f"M{i} conv 1" for i in (1, 2, 3, 4)]
    assert {layers.both_ways(problem) for problem in layers.single().values()} == {"gradients"}


def test_quick_layers(tmp_path, capsys, monkeypatch):
    tiny = {"M1 conv 1": (5, 6, 1), "1x1": (3, 4, 64)}
    cases = {
        name: dataclasses.replace(problem, batch_size=2, input_shape=tiny[name])
        for name, problem in (layers.of_the_notes() | layers.single()).items()
        if name in tiny
    }
    monkeypatch.setattr(layers, "of_the_notes", lambda: cases)
    monkeypatch.setattr(layers, "single", dict)
    file = tmp_path / "layers.json"
    assert layers.main(["--quick", "--peers", "mathematics", "--json", str(file)]) == 0
    forward, both = capsys.readouterr().out.split("\n\n")[1:]
    assert forward.splitlines()[0] == "| forward, ms | tinyconv | tinyconv, mathematics |"
    assert [line.split(" | ")[0] for line in both.splitlines()[2:]] == ["| M1 conv 1", "| 1x1"]
    assert all(line.count("x)") == 1 for line in (forward + "\n" + both).splitlines() if line.startswith("| M1 conv"))
    found = json.loads(file.read_text())["results"]
    assert {"predict", "train_step"} < found["M1 conv 1"]["mathematics"].keys()
    assert {"predict", "gradients"} < found["1x1"]["mathematics"].keys()


# Start


def python(text, **settings):
    return start.Program(["-c", text], **settings)


def test_a_program_is_given_its_loss_and_its_own_cache(tmp_path):
    where = "import os, sys; sys.stderr.write('words'); print('words'); print(float('warm' in os.environ['{}']))"
    program = python(where.format("TINYCONV_CACHE"))
    assert start.run(program, 1, str(tmp_path / "warm"))[1] == 1
    assert start.run(dataclasses.replace(program, is_cold=True), 1, str(tmp_path / "warm"))[1] == 0
    given = python(where.format("KERAS_BACKEND"), environment={"KERAS_BACKEND": "warm"})
    assert start.run(given, 1, str(tmp_path))[1] == 1
    assert start.run(python("pass", trains=False), 1, str(tmp_path))[1] is None


def test_a_program_that_fails_says_why(tmp_path):
    with pytest.raises(RuntimeError, match=r"ended with 1:\n(.|\n)*no such thing"):
        start.run(python("raise ValueError('no such thing')"), 1, str(tmp_path))


@pytest.mark.parametrize("wrong", [0.5, 9.0, float("nan")])
def test_impossible_loss_is_noticed(monkeypatch, capsys, wrong):
    monkeypatch.setattr(start, "programs", lambda names, threads: {"x": python(f"print('{wrong}')")})
    assert start.main(["--quick", "--peers"]) == 1
    assert f"x: expected the loss of a network that has not learned yet, about 2.3. Received {wrong}" in (
        capsys.readouterr().err
    )


def test_quick_start(monkeypatch, tmp_path, capsys):
    def programs(names, threads):
        steps = {name: python("print(2.3)") for name in (start.WARM, start.COLD, *names)}
        return steps | {name: python("pass", trains=False) for name in (start.IMPORT, start.NUMPY)}

    monkeypatch.setattr(start, "programs", programs)
    file = tmp_path / "start.json"
    assert start.main(["--quick", "--peers", "--json", str(file)]) == 0
    printed = capsys.readouterr().out
    assert "| the second more than the first | " in printed
    assert "\n| tinyconv, warm | " in printed
    found = json.loads(file.read_text())
    times = {name: one["process"]["seconds"][0][0] for name, one in found["results"]["start"].items()}
    assert found["import_over_numpy_ms"] == pytest.approx(1000 * (times[start.IMPORT] - times[start.NUMPY]))


def test_import_over_numpy_is_the_median_of_the_differences():
    one, other = (Measurement(None, {"process": [[a], [b], [c]]}) for a, b, c in ((5.0, 9.0, 2.0), (1.0, 8.0, 0.0)))
    assert start.more_than(one, other) == 2


@pytest.mark.parametrize(
    "name",
    [OURS, *[pytest.param(name, marks=pytest.mark.oracle) for name in start.PEERS]],
)
def test_first_step_is_that_of_the_note(tmp_path, name):
    if COMPETITORS[name].obstacle():
        pytest.skip(str(COMPETITORS[name].obstacle()))
    title = start.WARM if name == OURS else COMPETITORS[name].title
    program = start.programs([] if name == OURS else [name], 1)[title]
    start.check_loss(title, start.run(program, 1, str(tmp_path))[1])


# Scaling


def test_operations_of_a_training_step():
    problem = scaling.Size(batch=5, pixels=4, filters=2, depth=1).problem()
    conv, dense = 4 * 4 * 27 * 2, 2 * 2 * 2 * 10
    assert scaling.operations(problem) == 2 * 5 * (2 * conv + 3 * dense)


def test_every_value_of_an_axis_takes_part_and_the_machine_once_per_thread():
    known = scaling.axes(2)
    assert list(known) == ["batch", "pixels", "filters", "depth", "threads"]
    assert list(scaling.entrants(known["depth"], 1, [])) == [
        "1 tinyconv", "1 machine", "2 tinyconv", "3 tinyconv", "4 tinyconv",
    ]  # fmt: skip
    both = scaling.entrants(known["threads"], 1, ["torch-cl"])
    assert {key: one.threads for key, one in both.items()} == {
        "1 tinyconv": 1, "1 torch-cl": 1, "1 machine": 1, "2 tinyconv": 2, "2 torch-cl": 2, "2 machine": 2,
    }  # fmt: skip


def test_points_of_an_axis(monkeypatch):
    limits = pytest.importorskip("benchmarks.limits")
    monkeypatch.setattr(limits, "tile_operations", lambda threads: 600 * threads)
    monkeypatch.setattr(limits, "copied_bytes", lambda: 80)
    monkeypatch.setattr(scaling, "operations", lambda problem: 300)
    axis = scaling.Axis("threads", "threads", (1, 2))
    found = {
        "1 tinyconv": Measurement(1.0, {"train_step": [[4.0], [8.0]]}),
        "2 tinyconv": Measurement(1.0, {"train_step": [[2.0], [4.0]]}),
        "1 torch-cl": Measurement(1.0, {"train_step": [[12.0], [24.0]]}),
        "2 torch-cl": Measurement(1.0, {"train_step": [[2.0], [4.0]]}),
        "1 machine": Measurement(None, {"tile": [[2.0], [4.0]], "copy": [[4.0], [4.0]]}),
        "2 machine": Measurement(None, {"tile": [[4.0], [8.0]], "copy": [[2.0], [2.0]]}),
    }
    one, two = scaling.points(axis, scaling.entrants(axis, 1, ["torch-cl"]), found)
    assert (one.milliseconds, one.share, one.speed, one.bandwidth) == (6000, 0.25, 1, 20)  # 300/4 of 600/2 per second
    assert (two.milliseconds, two.share, two.speed, two.bandwidth) == (3000, 0.5, 2, 40)  # 300/2 of 1200/4
    assert (one.peers, two.peers) == ({"PyTorch channels_last": 3}, {"PyTorch channels_last": 1})
    text = scaling.tables({"threads": axis}, {"threads": [one, two]})
    assert text.splitlines()[0].startswith("| threads | training step, ms | share of peak |")
    figure = scaling.picture({"threads": axis}, {"threads": [one, two]}, "a machine")
    assert [patch.get_width() for patch in figure.axes[0].patches] == [0.25, 0.5]


def test_quick_scaling(monkeypatch, tmp_path, capsys):
    pytest.importorskip("numba")
    if getattr(sys.modules["numba"].config, "DISABLE_JIT", False):
        pytest.skip("the machine's peak takes too long without compiled code")
    few = {"filters": scaling.Axis("filters", "filters", (2, 3))}
    monkeypatch.setattr(scaling, "axes", lambda threads: few)
    monkeypatch.setattr(scaling.Size, "problem", lambda size: tiny(size.filters))
    file, picture = tmp_path / "scaling.json", tmp_path / "scaling.png"
    assert scaling.main(["--quick", "--peers", "--json", str(file), "--picture", str(picture)]) == 0
    assert "| filters | training step, ms | share of peak | " in capsys.readouterr().out
    found = json.loads(file.read_text())
    assert [point["value"] for point in found["points"]["filters"]] == [2, 3]
    assert {"tile", "copy"} < found["results"]["filters"]["1 machine"].keys()
    assert picture.read_bytes().startswith(PNG)


def tiny(filters):
    """A small network of the kind that is scaled."""
    layers_ = [("Conv2D", {"filters": filters, "kernel_size": 3}), ("Flatten", {}), ("Dense", {"units": 10})]
    return Problem("classifier", 2, (5, 4, 3), settings={"layers_": layers_})


def test_scaling_needs_the_machines_peak(monkeypatch, capsys):
    monkeypatch.setitem(COMPETITORS, MACHINE, Entry("the machine", Tinyconv, ("no_such_library",)))
    assert scaling.main(["--quick"]) == 1
    assert "no_such_library not installed" in capsys.readouterr().err


# The README's picture


def test_the_picture_shows_the_readme_s_table(tmp_path):
    assert readme.main(["--picture", str(tmp_path / "speed.png")]) == 0
    assert (tmp_path / "speed.png").read_bytes().startswith(PNG)
    text = (readme.ROOT / "README.md").read_text(encoding="utf-8")
    panels = readme.panels(text)
    assert [panel.title for panel in panels] == [f"M{k} ({PROBLEMS[f'M{k}'].network})" for k in (1, 2, 3, 4)]
    for panel in panels:
        assert [bar.ours for bar in panel.bars] == [True] + [False] * (len(panel.bars) - 1)
        assert panel.bars[0].length == 1
        ours = float(panel.bars[0].text.split("(")[1].split(" ")[0])
        for bar in panel.bars[1:]:
            milliseconds = float(bar.text.split("(")[1].split(" ")[0])
            assert bar.length == pytest.approx(milliseconds / ours, rel=0.08)  # a median of ratios
