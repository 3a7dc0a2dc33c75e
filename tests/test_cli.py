"""The command line, called as a function: what it prints, writes and returns, also when something is wrong."""

import contextlib
import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

import tinyconv
from tinyconv import cli, config, datasets, layers, notes
from tinyconv.commands import gradcheck, networks, predict, train
from tinyconv.commands.train import DATA, Settings
from tinyconv.models import load_model
from tinyconv.notes import printed
from tinyconv.optimizers.schedules import CosineDecay

SHEET = sorted(Path(__file__).parents[1].glob("data/glyphs/*.png"))


@dataclass
class Run:
    """What came of a call of the command line."""

    code: int
    out: str
    err: str


def run(*arguments):
    """Call the command line; argparse's way out counts as an exit code too."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = cli.main([str(argument) for argument in arguments])
        except SystemExit as exit_:
            code = exit_.code
    return Run(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """Glyphs are drawn once for this file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINYCONV_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(folder, run) of one short training."""
    folder = tmp_path_factory.mktemp("runs") / "first"
    return folder, run("train", "--limit", 500, "--epochs", 3, "--out", folder)


@pytest.fixture
def digit(tmp_path):
    """A 4 as people draw one: black on white, and not of the network's size."""
    image = Image.new("RGB", (90, 120), "white")
    ImageDraw.Draw(image).text((20, 10), "4", fill="black", font=ImageFont.load_default(90))
    image.save(tmp_path / "four.png")
    return tmp_path / "four.png"


# train


def test_train_succeeds(trained):
    assert (trained[1].code, trained[1].err) == (0, "")


def test_train_writes_what_it_says(trained):
    folder, result = trained
    files = ["classes.json", "confusion.png", "curves.png", "history.csv", "model.keras", "wrong.png"]
    assert sorted(path.name for path in folder.iterdir()) == files
    assert f"Written to {folder}: {', '.join(files)}" in result.out


@pytest.mark.parametrize("name", ["curves.png", "confusion.png", "wrong.png"])
def test_train_draws_pictures(trained, name):
    with Image.open(trained[0] / name) as picture:
        assert min(picture.size) > 300


def test_train_writes_a_line_per_epoch(trained):
    with (trained[0] / "history.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["epoch", "accuracy", "loss", "val_accuracy", "val_loss"]
    assert len(rows) == 3
    assert float(rows[2]["loss"]) < float(rows[0]["loss"])


def test_train_tells_the_three_parts_apart(trained):
    for line in ("training        450", "validation       50", "test            500"):
        assert line in trained[1].out


def test_train_prints_the_accuracy_of_the_model_it_writes(trained):
    folder, result = trained
    (x, y) = (part[:500] for part in datasets.glyphs.load_data()[1])
    found = load_model(folder / "model.keras").predict(x[..., None] / np.float32(255), verbose=0).argmax(-1)
    right = int((found == y).sum())
    assert f"Test accuracy: {right / 500:.4f} ({right} of 500 images)" in result.out


def test_train_keeps_the_names_of_the_classes(trained):
    content = json.loads((trained[0] / "classes.json").read_text(encoding="utf-8"))
    assert content == {"classes": list("0123456789"), "dark_ground": True}


def test_train_shows_the_network(trained):
    assert "Total params: 166,986" in trained[1].out


def test_same_seed_gives_the_same_training(trained, tmp_path):
    run("train", "--limit", 500, "--epochs", 3, "--out", tmp_path / "again")
    assert (tmp_path / "again/history.csv").read_text() == (trained[0] / "history.csv").read_text()


def test_train_chooses_a_new_folder_each_time(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert run("train", "--limit", 20, "--epochs", 1, "--model", "note003-strides").code == 0
    names = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert names == ["glyphs-note003-strides-1", "glyphs-note003-strides-2"]


def test_train_never_writes_over_a_folder(trained):
    before = (trained[0] / "model.keras").read_bytes()
    result = run("train", "--limit", 20, "--out", trained[0])
    assert result.code == 2
    assert "expected --out as a new or empty folder" in result.err
    assert (trained[0] / "model.keras").read_bytes() == before


def test_train_takes_an_empty_folder(tmp_path):
    assert train.make_folder(str(tmp_path), "title") == tmp_path


def test_a_training_that_never_began_leaves_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("train", "--limit", 1)
    assert (result.code, "validation_split" in result.err) == (2, True)
    assert list((tmp_path / "runs").iterdir()) == []


def test_network_that_rescales_and_ends_in_logits(tmp_path):
    assert run("train", "--limit", 400, "--epochs", 3, "--model", "note002", "--out", tmp_path / "run").code == 0
    model = load_model(tmp_path / "run/model.keras")
    images = datasets.glyphs.load_data()[1][0][:7]
    assert networks.fed(images, model).max() > 1
    np.testing.assert_allclose(networks.probabilities(model, networks.fed(images, model)).sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("name", DATA)
def test_default_network_of_each_data_set_exists(name):
    assert DATA[name].network in notes.NETWORKS


def test_learning_rate_falls_to_0_along_a_cosine():
    optimizer = notes.NETWORKS["note004"].make_optimizer()
    train._slow_down(optimizer, "cosine", 10)
    assert isinstance(optimizer.learning_rate, CosineDecay)
    np.testing.assert_allclose([optimizer.learning_rate(0), optimizer.learning_rate(10)], [1e-3, 0], atol=1e-9)


def test_learning_rate_may_stay():
    optimizer = notes.NETWORKS["note004"].make_optimizer()
    train._slow_down(optimizer, "constant", 10)
    assert optimizer.learning_rate == 1e-3


def test_schedule_of_a_note_is_kept():
    optimizer = notes.NETWORKS["note002-decay"].make_optimizer()
    before = optimizer.learning_rate
    train._slow_down(optimizer, "cosine", 10)
    assert optimizer.learning_rate is before


def test_optimizer_and_rate_of_the_command_line():
    optimizer = train._optimizer(notes.NETWORKS["note004"], Settings(optimizer="sgd", lr=0.25))
    assert (type(optimizer).__name__, optimizer.learning_rate) == ("SGD", 0.25)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "note04"], "Did you mean 'note004'"),
        (["--optimizer", "adm"], "Did you mean 'adam'"),
        (["--lr", "-1"], "expected learning_rate from 0"),
        (["--model", "note002-decay", "--lr", "0.1"], "expected its schedule to set the learning rate"),
    ],
)
def test_train_with_wrong_settings(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("train", "--limit", 20, *arguments)
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["--epochs", "0"], ["--limit", "-3"], ["--batch-size", "x"], ["--seed", "-1"]])
def test_train_with_numbers_out_of_range(arguments):
    result = run("train", *arguments)
    assert result.code == 2
    assert "expected a whole number" in result.err


def test_train_with_an_unknown_data_set():
    assert "invalid choice: 'mnst'" in run("train", "--data", "mnst").err


@pytest.mark.data
@pytest.mark.parametrize("name", [name for name in DATA if name != "glyphs"])
def test_train_on_real_data(name, tmp_path):
    if config.data_folder() is None:
        pytest.skip("TINYCONV_DATA is unset")
    limit = {"mnist": 1000, "fashion-mnist": 1000, "sign-mnist": 1000}.get(name, 250)
    result = run("train", "--data", name, "--limit", limit, "--epochs", 3, "--out", tmp_path / "run")
    assert (result.code, result.err) == (0, "")
    with (tmp_path / "run/history.csv").open(encoding="utf-8") as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert losses[0] > losses[1] > losses[2]


# predict


def test_predict_prints_a_line_per_image(trained, digit):
    result = run("predict", trained[0] / "model.keras", digit, digit)
    assert result.code == 0
    form = (
        rf"{re.escape(str(digit))}: \d, \d+\.\d % \(then \d, \d+\.\d %; \d, \d+\.\d %\)  \(light and dark exchanged\)"
    )
    assert [bool(re.fullmatch(form, line)) for line in result.out.splitlines()] == [True, True]


@pytest.mark.skipif(not SHEET, reason="data/glyphs holds no images")
def test_predict_on_the_sample_images(trained):
    result = run("predict", trained[0] / "model.keras", *SHEET)
    assert (result.code, len(result.out.splitlines())) == (0, len(SHEET))


def test_predict_orders_classes_by_probability():
    words = predict._in_words(np.array([0.1, 0.0625, 0.7, 0.1375]), ["a", "b", "c", "d"])
    assert words == "c, 70.0 % (then d, 13.8 %; a, 10.0 %)"


def test_predict_names_two_classes():
    assert predict._in_words(np.array([0.25, 0.75]), ["cat", "dog"]) == "dog, 75.0 % (then cat, 25.0 %)"


@pytest.mark.parametrize(("flag", "exchanged"), [(None, True), ("--invert", True), ("--no-invert", False)])
def test_light_and_dark(trained, digit, flag, exchanged):
    result = run("predict", trained[0] / "model.keras", digit, *([flag] if flag else []))
    assert ("(light and dark exchanged)" in result.out) == exchanged


def test_image_on_dark_ground_stays(trained, tmp_path):
    image = datasets.glyphs.load_data()[1][0][0]
    Image.fromarray(image).save(tmp_path / "glyph.png")
    assert "(light and dark exchanged)" not in run("predict", trained[0] / "model.keras", tmp_path / "glyph.png").out


def test_nothing_is_exchanged_where_the_ground_is_unknown(trained, digit, tmp_path):
    (tmp_path / "model.keras").write_bytes((trained[0] / "model.keras").read_bytes())
    assert "(light and dark exchanged)" not in run("predict", tmp_path / "model.keras", digit).out


def test_image_is_turned_as_its_exif_says(tmp_path):
    upright = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8))
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its left side
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "lying.png", exif=exif)
    np.testing.assert_array_equal(predict.read_image(tmp_path / "lying.png", 6, 8, 1)[..., 0], np.asarray(upright))


def test_transparent_ground_is_white(tmp_path):
    Image.new("RGBA", (5, 4), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    np.testing.assert_array_equal(predict.read_image(tmp_path / "clear.png", 4, 5, 1), 255)


def test_sixteen_bits(tmp_path):
    Image.fromarray(np.array([[0, 257], [25700, 65535]], np.uint16)).save(tmp_path / "deep.png")
    np.testing.assert_array_equal(predict.read_image(tmp_path / "deep.png", 2, 2, 1)[..., 0], [[0, 1], [100, 255]])


@pytest.mark.parametrize(("channels", "mode"), [(1, "RGB"), (3, "L"), (3, "P"), (1, "1")])
def test_image_gets_the_channels_of_the_network(tmp_path, channels, mode):
    Image.new(mode, (5, 4)).save(tmp_path / "image.png")
    assert predict.read_image(tmp_path / "image.png", 6, 7, channels).shape == (6, 7, channels)


def test_network_of_any_size_leaves_the_image_its_own(tmp_path):
    Image.new("L", (5, 4)).save(tmp_path / "image.png")
    assert predict.read_image(tmp_path / "image.png", None, None, 1).shape == (4, 5, 1)


@pytest.mark.parametrize(
    ("content", "reason"), [(b"no image", "something that is no image"), (None, "no file of this name")]
)
def test_predict_on_what_is_no_image(trained, tmp_path, content, reason):
    path = tmp_path / "image.png"
    if content is not None:
        path.write_bytes(content)
    result = run("predict", trained[0] / "model.keras", path)
    assert result.code == 2
    assert result.err == f"tinyconv: error: image {path}: expected a file that Pillow can read. Received {reason}.\n"


def test_an_unreadable_image_stops_before_anything_is_printed(trained, digit, tmp_path):
    assert run("predict", trained[0] / "model.keras", digit, tmp_path / "nothing.png").out == ""


def test_predict_without_a_model(digit):
    assert run("predict", "nothing.keras", digit).code == 2


def test_names_that_do_not_fit_the_model(trained, digit, tmp_path):
    (tmp_path / "model.keras").write_bytes((trained[0] / "model.keras").read_bytes())
    networks.Meaning(("cat", "dog")).write(tmp_path)
    result = run("predict", tmp_path / "model.keras", digit)
    assert "expected 10 classes, as many as model.keras has outputs. Received 2" in result.err


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"classes": 3}'])
def test_damaged_names(tmp_path, text):
    (tmp_path / "classes.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r'classes.json: expected JSON with a list "classes"'):
        networks.Meaning.beside(tmp_path / "model.keras", 3)


def test_network_that_takes_no_image():
    model = tinyconv.Sequential([layers.Input((5,)), layers.Dense(2)])
    with pytest.raises(ValueError, match="expected a network that takes one grey or RGB image"):
        networks.image_shape(model)


@pytest.mark.parametrize("activation", ["sigmoid", None])
def test_one_output_tells_two_classes(activation):
    model = tinyconv.Sequential([layers.Input((2, 3, 1)), layers.Flatten(), layers.Dense(1, activation=activation)])
    found = networks.probabilities(model, np.ones((4, 2, 3, 1), np.float32))
    assert found.shape == (4, 2)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize(("ground", "dark"), [(0, True), (20, True), (40, False), (255, False)])
def test_ground_is_seen_at_the_border(ground, dark):
    images = np.full((3, 8, 7), ground, np.uint8)
    images[:, 2:6, 2:5] = 128
    assert networks.is_dark_ground(images) == dark


def test_photographs_have_no_ground():
    assert not networks.is_dark_ground(np.zeros((3, 8, 7, 3), np.uint8))


# summary, reproduce, gradcheck


def test_summary_of_a_note():
    assert "Total params: 350,586,533" in run("summary", "note001").out


def test_summary_of_a_file(trained):
    assert "conv2d_1 (Conv2D)" in run("summary", trained[0] / "model.keras").out


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


def test_reader_that_has_seen_enough():
    with process("reproduce") as running:
        running.stdout.close()
        assert running.stderr.read() == ""
    assert running.returncode == 0


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")
def test_ctrl_c_while_training(tmp_path):
    with process("train", "--limit", 2000, "--epochs", 1000, "--out", tmp_path / "run") as running:
        while "Epoch 1/" not in running.stdout.readline():
            assert running.poll() is None
        running.send_signal(signal.SIGINT)
        error = running.stderr.read()
    assert (running.returncode, error) == (130, "\ntinyconv: interrupted\n")
    assert (tmp_path / "run/history.csv").exists()
