"""``tinyconv train``: what it writes and prints, and what it refuses."""

import csv
import json
import re

import numpy as np
import pytest
from command_line import cache_fixture, run
from PIL import Image

from tinyconv import config, datasets, notes
from tinyconv.commands import networks, train
from tinyconv.commands.train import DATA, Settings
from tinyconv.models import load_model
from tinyconv.optimizers.schedules import CosineDecay

cache = cache_fixture()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(folder, run) of one short training."""
    folder = tmp_path_factory.mktemp("runs") / "first"
    return folder, run("train", "--limit", 500, "--epochs", 3, "--out", folder)


def test_train_succeeds(trained):
    assert (trained[1].code, trained[1].err) == (0, "")


def test_train_writes_what_it_says(trained):
    folder, result = trained
    files = ["classes.json", "confusion.png", "curves.png", "history.csv", "model.keras", "wrong", "wrong.png"]
    assert sorted(path.name for path in folder.iterdir()) == files
    assert f"Written to {folder}: {', '.join(files)}" in result.out


@pytest.mark.parametrize("name", ["curves.png", "confusion.png", "wrong.png"])
def test_train_draws_pictures(trained, name):
    with Image.open(trained[0] / name) as picture:
        assert min(picture.size) > 300


def test_train_writes_the_images_it_gets_wrong(trained):
    model = load_model(trained[0] / "model.keras")
    paths = sorted((trained[0] / "wrong").iterdir())
    assert 1 <= len(paths) <= 32
    assert paths[0].name.startswith("01-true-")
    for path in paths:
        true, other = map(int, re.fullmatch(r"\d\d-true-(\d)-taken-for-(\d).png", path.name).groups())
        with Image.open(path) as picture:
            x = np.asarray(picture)[None, ..., None] / np.float32(255)
        assert model.predict(x, verbose=0).argmax() == other != true


def test_train_writes_a_line_per_epoch(trained):
    with (trained[0] / "history.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["epoch", "accuracy", "learning_rate", "loss", "val_accuracy", "val_loss"]
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
    assert (result.code, "at least one sample" in result.err) == (2, True)
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
