"""``tinyconv explain`` and ``tinyconv inspect``."""

import json

import numpy as np
import pytest
from command_line import run
from note001 import DKERNEL_MAX_POOLED

from tinyconv import Sequential, config, layers
from tinyconv.commands.explain import TOPICS

PLAIN = [topic for topic in TOPICS if topic not in ("network", "filter", "receptive-field")]


@pytest.fixture(autouse=True)
def mathematics():
    """No kernels are compiled for a test of words."""
    with config.engine("numpy"):
        yield


@pytest.fixture
def model(tmp_path):
    model = Sequential([layers.Input((8, 8, 1)), layers.Conv2D(2, 3, activation="relu"), layers.MaxPooling2D()])
    model.add(layers.Flatten())
    model.add(layers.Dense(3, activation="softmax"))
    model.save(tmp_path / "model.keras")
    (tmp_path / "classes.json").write_text(json.dumps({"classes": ["ant", "bee", "cat"]}), encoding="utf-8")
    return tmp_path / "model.keras"


@pytest.fixture
def picture(tmp_path):
    from PIL import Image

    path = tmp_path / "bee.png"
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) * 4).save(path)
    return path


@pytest.mark.parametrize("topic", PLAIN)
def test_each_topic_prints_its_text(topic):
    result = run("explain", topic)
    assert (result.code, result.err) == (0, "")
    assert len(result.out) > 200


def test_a_cell():
    result = run("explain", "conv", "--row", 1, "--column", 1)
    assert result.out.startswith("Output cell at row 1, column 1: why it is 3\n")


def test_settings_of_the_convolution():
    words = "--kernel sobel --strides 2,1 --padding 0,1,0,1 --bias 0.5 --activation relu --turned"
    out = run("explain", "conv", *words.split()).out
    assert "stride 2 by 1, padding 0 above, 1 below, 0 left, 1 right" in " ".join(out.split())
    assert "bias 0.5" in out
    assert "after relu" in out
    assert "turned by 180 degrees" in out


def test_the_gradient_through_pooling():
    rows = ["  " + "  ".join(map(str, row)) for row in DKERNEL_MAX_POOLED["A"]]
    assert "\n".join(rows) in run("explain", "backward", "--mode", "max").out


def test_the_gradient_of_one_weight():
    out = run("explain", "backward", "--row", 0, "--column", 2).out
    assert out.startswith("Gradient of the weight at row 0, column 2: why it is 5\n")


def test_a_size_in_place_of_an_image():
    words = "size --image 28x11 --kernel 3x2 --strides 2 --padding same"
    out = run("explain", *words.split()).out
    assert out.startswith("Output size: 28 by 11 pixels become 14 by 6\n")


def test_a_cell_of_an_image_of_any_size(tmp_path):
    from PIL import Image

    Image.fromarray(np.full((300, 200), 7, np.uint8)).save(tmp_path / "large.png")
    out = run("explain", "conv", "--image", tmp_path / "large.png", "--row", 297, "--column", 0).out
    assert out.startswith("Output cell at row 297, column 0: why it is 21\n")


def test_a_map_can_be_pooled_as_it_is():
    assert "Min pooled, 1 by 1:\n  2\n" in run("explain", "pool", "--image", "3 4 / 2 9", "--mode", "min").out


def test_numbers_from_files(tmp_path, picture):
    (tmp_path / "map.csv").write_text("7,5\n5,8\n", encoding="utf-8")
    assert "7  5  5  8" in run("explain", "flatten", "--image", tmp_path / "map.csv").out
    assert "8 by 8" in run("explain", "conv", "--image", picture).out


def test_files_are_written(tmp_path):
    paths = [tmp_path / f"conv.{kind}" for kind in ("gif", "png", "html")]
    result = run("explain", "conv", "--gif", paths[0], "--png", paths[1], "--html", paths[2])
    assert result.code == 0
    starts = [path.read_bytes()[:6] for path in paths]
    assert starts == [b"GIF89a", b"\x89PNG\r\n", b"<!DOCT"]
    assert f"written: {paths[1]}" in result.out


def test_a_page_to_play_with(tmp_path):
    assert run("explain", "--html", tmp_path / "page.html").code == 0
    assert (tmp_path / "page.html").read_text(encoding="utf-8").lower().startswith("<!doctype html>")


def test_a_network(model, picture):
    out = run("explain", "network", "--model", model, "--image", picture, "--output", 1).out
    assert "why bee gets" in out
    assert "DIFFERENT" not in out
    assert "see" in run("explain", "receptive-field", "--model", model).out


def test_one_class_against_another(model, picture):
    out = run("explain", "network", "--model", model, "--image", picture, "--output", 1, "--against", 2).out
    assert "Why bee and not cat: bee has the sum" in out


def test_a_filter(model, picture):
    words = ("explain", "filter", "--model", model, "--filter", 1, "--image")
    assert "Filter 1 of conv2d: what it answers to" in run(*words, picture).out
    (picture.parent / "images").mkdir()
    for name in "abc":
        (picture.parent / "images" / f"{name}.png").write_bytes(picture.read_bytes())
    assert "strongest answers in 3 images" in run(*words, picture.parent / "images", "--layer", "conv2d").out


def test_inspect(model, picture, tmp_path):
    result = run("inspect", model, picture, "--out", tmp_path / "seen.png")
    assert result.code == 0
    assert any(name in result.out.splitlines()[0] for name in ("ant", "bee", "cat"))
    assert (tmp_path / "seen.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "one of conv, pixel"),
        ("--png x.png", "--html alone for a page"),
        ("conv --image nothing.png", "Known names: A, B"),
        ("conv --image 1,x/2,3", "'x' in row 0, column 1"),
        ("conv --kernel 1,2,3,4,5,6,7", "at least 1x7 pixels"),
        ("conv --strides 0", "strides as one or two whole numbers from 1"),
        ("conv --strides two", "expected whole numbers such as 2 or 2,1"),
        ("conv --padding around", "expected whole numbers"),
        ("conv --row 9", "row from 0 to 3"),
        ("backward --row 3", "row from 0 to 2"),
        ("pool --pool-size 0", "pool_size as one or two whole numbers from 1"),
        ("size --image 0x3", "whole number"),
        ("filter", "--model and --image"),
        ("network", "--model and --image"),
        ("receptive-field", "--model, a network"),
        ("conw", "invalid choice: 'conw'"),
    ],
)
def test_mistakes(words, message):
    result = run("explain", *words.split())
    assert result.code == 2
    assert message in result.err


def test_inspect_of_what_is_no_image(model, tmp_path):
    (tmp_path / "text.png").write_text("no image", encoding="utf-8")
    result = run("inspect", model, tmp_path / "text.png")
    assert result.code == 2
    assert "a file that Pillow can read" in result.err


def test_inspect_of_what_is_no_model(picture, tmp_path):
    (tmp_path / "model.keras").write_text("no model", encoding="utf-8")
    assert run("inspect", tmp_path / "model.keras", picture).code == 2
