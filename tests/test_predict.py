"""``tinyconv predict``: from image files to names and probabilities."""

import re
from pathlib import Path

import numpy as np
import pytest
from command_line import cache_fixture, run
from PIL import Image, ImageDraw, ImageFont

import tinyconv
from tinyconv import datasets, layers
from tinyconv.commands import networks, predict

SHEET = sorted(Path(__file__).parents[1].glob("data/glyphs/*.png"))

cache = cache_fixture()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The file of a network that has hardly learned."""
    folder = tmp_path_factory.mktemp("runs") / "first"
    run("train", "--limit", 100, "--epochs", 1, "--out", folder)
    return folder / "model.keras"


@pytest.fixture
def digit(tmp_path):
    """A 4 as people draw one: black on white, and not of the network's size."""
    image = Image.new("RGB", (90, 120), "white")
    ImageDraw.Draw(image).text((20, 10), "4", fill="black", font=ImageFont.load_default(90))
    image.save(tmp_path / "four.png")
    return tmp_path / "four.png"


def test_predict_prints_a_line_per_image(model, digit):
    result = run("predict", model, digit, digit)
    assert result.code == 0
    form = (
        rf"{re.escape(str(digit))}: \d, \d+\.\d % \(then \d, \d+\.\d %; \d, \d+\.\d %\)  \(light and dark exchanged\)"
    )
    assert [bool(re.fullmatch(form, line)) for line in result.out.splitlines()] == [True, True]


def test_predict_on_the_sample_images(model):
    assert [path.name for path in SHEET] == [f"{digit}.png" for digit in range(10)]
    result = run("predict", model, *SHEET)
    assert (result.code, len(result.out.splitlines())) == (0, 10)


def test_predict_orders_classes_by_probability():
    words = predict._in_words(np.array([0.1, 0.0625, 0.7, 0.1375]), ["a", "b", "c", "d"])
    assert words == "c, 70.0 % (then d, 13.8 %; a, 10.0 %)"


def test_predict_names_two_classes():
    assert predict._in_words(np.array([0.25, 0.75]), ["cat", "dog"]) == "dog, 75.0 % (then cat, 25.0 %)"


@pytest.mark.parametrize(("flag", "exchanged"), [(None, True), ("--invert", True), ("--no-invert", False)])
def test_light_and_dark(model, digit, flag, exchanged):
    result = run("predict", model, digit, *([flag] if flag else []))
    assert ("(light and dark exchanged)" in result.out) == exchanged


def test_image_on_dark_ground_stays(model, tmp_path):
    image = datasets.glyphs.load_data()[1][0][0]
    Image.fromarray(image).save(tmp_path / "glyph.png")
    assert "(light and dark exchanged)" not in run("predict", model, tmp_path / "glyph.png").out


def test_nothing_is_exchanged_where_the_ground_is_unknown(model, digit, tmp_path):
    (tmp_path / "model.keras").write_bytes(model.read_bytes())
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
    ("content", "reason"),
    [
        (b"no image", "something that is no image. Remove or replace it"),
        (b"", "an empty file. Remove or replace it"),
        (None, "no file of this name"),
    ],
)
def test_predict_on_what_is_no_image(model, tmp_path, content, reason):
    path = tmp_path / "image.png"
    if content is not None:
        path.write_bytes(content)
    result = run("predict", model, path)
    assert result.code == 2
    assert result.err == f"tinyconv: error: image {path}: expected a file that Pillow can read. Received {reason}.\n"


def test_predict_on_an_image_that_may_not_be_read(model, digit, monkeypatch):
    def refuse(self):
        raise PermissionError

    monkeypatch.setattr(Path, "read_bytes", refuse)
    result = run("predict", model, digit)
    assert result.code == 2
    assert f"image {digit}: expected a file that Pillow can read. Received a file that this user may not" in result.err


def test_an_unreadable_image_stops_before_anything_is_printed(model, digit, tmp_path):
    assert run("predict", model, digit, tmp_path / "nothing.png").out == ""


def test_predict_without_a_model(digit):
    assert run("predict", "nothing.keras", digit).code == 2


def test_names_that_do_not_fit_the_model(model, digit, tmp_path):
    (tmp_path / "model.keras").write_bytes(model.read_bytes())
    networks.Meaning(("cat", "dog")).write(tmp_path)
    result = run("predict", tmp_path / "model.keras", digit)
    assert "expected 10 classes, as many as model.keras has outputs. Received 2" in result.err


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"classes": 3}'])
def test_damaged_names(tmp_path, text):
    (tmp_path / "classes.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r'classes.json: expected JSON with a list "classes"'):
        networks.Meaning.beside(tmp_path / "model.keras", 3)


def test_network_that_takes_no_image():
    network = tinyconv.Sequential([layers.Input((5,)), layers.Dense(2)])
    with pytest.raises(ValueError, match="expected a network that takes one grey or RGB image"):
        networks.image_shape(network)


@pytest.mark.parametrize("activation", ["sigmoid", None])
def test_one_output_tells_two_classes(activation):
    network = tinyconv.Sequential([layers.Input((2, 3, 1)), layers.Flatten(), layers.Dense(1, activation=activation)])
    found = networks.probabilities(network, np.ones((4, 2, 3, 1), np.float32))
    assert found.shape == (4, 2)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize(("ground", "dark"), [(0, True), (20, True), (40, False), (255, False)])
def test_ground_is_seen_at_the_border(ground, dark):
    images = np.full((3, 8, 7), ground, np.uint8)
    images[:, 2:6, 2:5] = 128
    assert networks.is_dark_ground(images) == dark


def test_photographs_have_no_ground():
    assert not networks.is_dark_ground(np.zeros((3, 8, 7, 3), np.uint8))
