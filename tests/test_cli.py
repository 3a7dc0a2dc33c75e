"""The command line as a whole: help, exit codes, errors; and the subcommands that need no data."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import cache_fixture, run

import tinyconv
from tinyconv import cli, layers, notes
from tinyconv.commands import gradcheck
from tinyconv.notes import printed

cache = cache_fixture()

# summary, reproduce, gradcheck


def test_summary_of_a_note():
    assert "Total params: 350,586,533" in run("summary", "note001").out


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_summary_of_a_file(tmp_path, name):
    notes.network("note003-strides").save(tmp_path / name)
    assert "conv2d_2 (Conv2D)" in run("summary", tmp_path / name).out


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_summary_of_a_missing_file_speaks_of_the_file(tmp_path, name):
    result = run("summary", tmp_path / name)
    assert (result.code, str(tmp_path / name) in result.err) == (2, True)


def test_summary_with_formulas():
    assert re.search(r"3[·*]3[·*]1[·*]32 \+ 32 = 320", run("summary", "note004", "--formulas").out)


def test_summary_of_nothing():
    result = run("summary", "note0004")
    assert (result.code, "Did you mean 'note004'" in result.err) == (2, True)


def test_reproduce_agrees():
    result = run("reproduce")
    assert result.code == 0
    assert "none different" in result.out


def test_reproduce_fails_where_a_number_differs(monkeypatch):
    monkeypatch.setitem(printed.MAX_POOLED, "A", "3 2 / 2 4")
    result = run("reproduce")
    assert (result.code, "1 different" in result.out) == (1, True)


def test_gradcheck_passes():
    result = run("gradcheck")
    assert result.code == 0
    checks = len(gradcheck.layer_types()) + 1  # and a network
    assert f"{checks} of {checks} checks passed" in result.out


def test_gradcheck_fails_on_a_wrong_gradient(monkeypatch):
    monkeypatch.setattr(layers.Flatten, "backward", lambda self, dy, cache: 1.01 * dy.reshape(cache))
    result = run("gradcheck")
    assert result.code == 1
    assert "WRONG GRADIENT" in result.out


def test_gradcheck_covers_every_layer():
    files = {cls.__module__ for cls in gradcheck.layer_types()}
    assert len(gradcheck.layer_types()) == len(set(gradcheck.layer_types()))
    assert files == {f"tinyconv.layers.{path.stem}" for path in _layer_files()}


def _layer_files():
    folder = Path(layers.__file__).parent
    return [path for path in folder.glob("*.py") if path.stem not in ("__init__", "base", "graph", "im2col")]


# The command itself


def test_version():
    assert run("--version").out == f"tinyconv {tinyconv.__version__}\n"


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_help_ends_with_an_example(name):
    result = run(name, "--help")
    assert result.code == 0
    assert re.search(rf"examples?:\n  tinyconv {name}", result.out)


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_examples_are_understood(name):
    for example in cli.COMMANDS[name][2]:
        cli.make_parser().parse_args(example.split()[1:])


def test_no_command():
    assert run().code == 2


def test_unknown_command():
    assert "invalid choice: 'trian'" in run("trian").err


def test_error_is_one_line_without_traceback():
    result = run("summary", "note0004")
    assert result.err.startswith("tinyconv: error: ")
    assert result.err.count("\n") == 1


def test_debugging_keeps_the_traceback(monkeypatch):
    monkeypatch.setenv("TINYCONV_DEBUG", "1")
    with pytest.raises(ValueError, match="note0004"):
        run("summary", "note0004")


def test_mistakes_of_tinyconv_keep_their_traceback(monkeypatch):
    def broken():
        raise KeyError("a bug")

    monkeypatch.setattr(notes, "reproduce", broken)
    with pytest.raises(KeyError):
        run("reproduce")


def test_interruption(monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(notes, "reproduce", interrupted)
    result = run("reproduce")
    assert (result.code, result.err) == (130, "\ntinyconv: interrupted\n")


def process(*arguments, **options):
    """Start ``python -m tinyconv`` as a process of its own."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-m", "tinyconv", *map(str, arguments)], **pipes, **options)


def test_as_a_module():
    out, _ = process("--version").communicate()
    assert out == f"tinyconv {tinyconv.__version__}\n"


def test_reader_that_has_seen_enough(monkeypatch):
    monkeypatch.setenv("TINYCONV_ENGINE", "numpy")  # nothing is said of Numba where it is missing
    with process("reproduce") as running:
        running.stdout.close()
        assert running.stderr.read() == ""
    assert running.returncode == 0


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")
def test_ctrl_c_while_training(tmp_path):
    def heed():  # a process started in the background may have been told to ignore it
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    words = ("train", "--limit", 2000, "--epochs", 1000, "--out", tmp_path / "run")
    with process(*words, preexec_fn=heed) as running:
        while "Epoch 1/" not in running.stdout.readline():
            assert running.poll() is None
        running.send_signal(signal.SIGINT)
        try:
            _, error = running.communicate(timeout=60)
        finally:
            running.kill()
    assert running.returncode == 130
    assert error.endswith("\ntinyconv: interrupted\n")  # before it, perhaps that kernels are compiled
    assert (tmp_path / "run/history.csv").exists()
