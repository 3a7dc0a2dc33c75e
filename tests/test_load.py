"""The runs of `tests.load` at a size for every day, and that they find what they look for."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests import load

ROOT = Path(__file__).parents[1]

with_proc = pytest.mark.skipif(not load.Watch.own.exists(), reason="this system does not say what a process holds")


@pytest.mark.slow
@pytest.mark.parametrize("name", load.RUNS)
def test_a_run_of_every_day_finds_no_fault(name):
    if name != "table":
        pytest.importorskip("numba")
    figures, faults, samples = load.run_apart(name, load.QUICK[name])
    assert not faults
    assert figures["seconds"] > 0
    assert len(samples) >= 2


# What is wrong is found


#: Programs that print the faults which are found in them.
LEAVING = """
import os, threading
import numpy as np
from tests import load

kept, opened, over = [], [], threading.Event()


def leave(model):
    kept.append((model, np.ones(2**17)))
    opened.append(os.open(os.devnull, os.O_RDONLY))
    threading.Thread(target=over.wait).start()


_, faults, _ = load.run("fits", number=40, every=2, after=leave)
over.set()
print(*faults, sep="\\n")
"""
TAKING = """
import numpy as np
from tests import load

with load.Watch(interval=0.01) as watch:
    with watch.part("much", 20):
        much = np.ones(10**7)
    with watch.part("little", 20):
        much[:] = 2
print(*watch.faults, sep="\\n")
"""


def faults_of(program):
    """What a program prints in a process of its own: here, others have left memory behind, which goes and is reused."""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    return ran.stdout.splitlines()


@with_proc
def test_what_trainings_leave_behind_is_found():
    pytest.importorskip("numba")
    faults = faults_of(LEAVING)
    assert [fault.partition(":")[0] for fault in faults[:3]] == ["memory", "handles", "threads"]
    assert faults[3] == "40 models that nobody uses are alive"


@with_proc
def test_a_part_that_takes_too_much_memory_is_found():
    assert [fault.partition(":")[0] for fault in faults_of(TAKING)] == ["much"]


def test_an_error_in_a_thread_is_a_result():
    def fail():
        raise ValueError("no")

    right, wrong = load.at_once([lambda: 3, fail])
    assert right == 3
    assert isinstance(wrong, ValueError)


def test_a_wrong_gradient_is_found(monkeypatch):
    model = load.very_deep(3, "float64")
    x, y = np.random.default_rng(0).random((4, 8, 7, 2)), np.arange(4) % 3
    assert load.slope_error(model, x, y) < 1e-6
    right = load.layers.Conv2D.backward

    def wrong(layer, dy, cache):
        dx = right(layer, dy, cache)
        layer.grads["bias"] *= 1.01
        return dx

    monkeypatch.setattr(load.layers.Conv2D, "backward", wrong)
    with load.config.engine("numpy"):
        assert load.slope_error(model, x, y) > 1e-5


def test_a_run_that_breaks_off_is_a_fault(monkeypatch):
    monkeypatch.setitem(load.RUNS, "deep", lambda watch, folder: 1 / 0)
    figures, [fault], _ = load.run("deep")
    assert "ZeroDivisionError" in fault
    assert figures["files open at the end"] == figures["files open at the beginning"]


# The command line


def test_the_command_writes_figures_and_a_picture(monkeypatch, capsys, tmp_path):
    samples = [load.Sample(0.0, 50.0, 5, 1), load.Sample(2.0, 80.0, 6, 2)]
    monkeypatch.setattr(load, "run_apart", lambda name, sizes: ({"seconds": 2.0}, ["bad"] * (name == "deep"), samples))
    arguments = ["--only", "fits", "--json", str(tmp_path / "load.json"), "--picture", str(tmp_path / "load.png")]
    assert load.main(arguments) == 0
    assert json.loads((tmp_path / "load.json").read_text())["figures"] == {"fits": {"seconds": 2.0}}
    assert (tmp_path / "load.png").read_bytes().startswith(b"\x89PNG")
    assert capsys.readouterr().out.endswith("1 runs, 0 faults, 2 seconds\n")
    assert load.main([]) == 1
    assert "FAULT bad" in capsys.readouterr().out


def test_the_picture_says_what_is_to_be_seen():
    samples = [load.Sample(0.0, 50.0, 5, 1), load.Sample(2.0, 80.0, 6, 2)]
    assert "deep 80 MB" in load.picture({"fits": samples, "deep": samples}).alt
