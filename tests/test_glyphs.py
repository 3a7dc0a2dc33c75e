"""The data set that draws itself: same seed, same images; other fonts for testing; a cache that does no harm."""

import os

import numpy as np
import pytest
from data_files import use_folders
from PIL import Image, ImageChops

from tinyconv.datasets import _fonts, _warp, glyph_sheet, glyphs

SMALL = {"train_size": 40, "test_size": 20}


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    use_folders(monkeypatch, tmp_path)
    return tmp_path / "cache" / "datasets" / "glyphs"


def arrays(split):
    (x_train, y_train), (x_test, y_test) = split
    return x_train, y_train, x_test, y_test


def assert_same(one, other):
    for a, b in zip(arrays(one), arrays(other), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture
def no_drawing(monkeypatch):
    """Fails where something is drawn."""
    return lambda: monkeypatch.setattr(glyphs, "draw", lambda *_: pytest.fail("drawn again"))


# What comes out


@pytest.mark.parametrize(("characters", "classes"), [("digits", 10), ("letters", 26), ("all", 36)])
def test_shapes_and_types(characters, classes):
    x_train, y_train, x_test, y_test = arrays(glyphs.load_data(characters, train_size=2 * classes, test_size=classes))
    assert [a.shape for a in (x_train, y_train)] == [(2 * classes, 28, 28), (2 * classes,)]
    assert [a.shape for a in (x_test, y_test)] == [(classes, 28, 28), (classes,)]
    assert {a.dtype for a in (x_train, y_train, x_test, y_test)} == {np.dtype(np.uint8)}
    assert len(glyphs.class_names(characters)) == classes


def test_every_class_occurs_equally_often():
    (_, y_train), (_, y_test) = glyphs.load_data(train_size=43, test_size=20)
    assert sorted(np.bincount(y_train)) == [4] * 7 + [5] * 3
    assert np.bincount(y_test).tolist() == [2] * 10


def test_classes_are_mixed():
    (_, labels), _ = glyphs.load_data(**SMALL)
    assert (np.diff(labels.astype(int)) == 1).mean() < 0.5


def test_strokes_are_light_on_dark_and_inside():
    (images, _), _ = glyphs.load_data("all", train_size=360, test_size=0)
    assert images.max(axis=(1, 2)).min() > 100
    border = np.concatenate([images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]], axis=1)
    assert border.mean() < 10 < images.mean()


def unit_vectors(images):
    """(K, 28, 28) -> (K, 784): what sets each image apart from the average of all, with length 1."""
    vectors = images.reshape(len(images), -1) - images.reshape(len(images), -1).mean(axis=0)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_labels_name_the_characters():
    """Averaged over fonts and distortions, the images of a label are nearest to the plain character."""
    (images, labels), _ = glyphs.load_data("all", train_size=36 * 60, test_size=0)
    characters = "".join(glyphs.class_names("all"))
    plain, _ = _fonts.templates({"DejaVu Sans": ("DejaVuSans",)}, characters)
    plain = plain[:, 1].reshape(36, 28, 2, 28, 2).mean(axis=(2, 4))  # (36, 28, 28), drawn with the plain pen
    means = np.array([images[labels == label].mean(axis=0) for label in range(36)])  # (36, 28, 28)
    nearest = (unit_vectors(means) @ unit_vectors(plain).T).argmax(axis=1)
    assert "".join(characters[i] for i in nearest).replace("O", "0") == characters.replace("O", "0")


def test_same_seed_same_images(cache):
    first = glyphs.load_data(**SMALL, seed=3)
    for file in cache.iterdir():
        file.unlink()
    assert_same(first, glyphs.load_data(**SMALL, seed=3))


def test_other_seed_other_images():
    (first, _), _ = glyphs.load_data(**SMALL, seed=3)
    (other, _), _ = glyphs.load_data(**SMALL, seed=4)
    assert (first != other).any(axis=(1, 2)).all()


def test_training_part_does_not_depend_on_the_test_part():
    (one, _), _ = glyphs.load_data(train_size=30, test_size=10)
    (other, _), _ = glyphs.load_data(train_size=30, test_size=20)
    np.testing.assert_array_equal(one, other)


def test_no_two_images_are_equal():
    (images, _), (others, _) = glyphs.load_data(train_size=1200, test_size=200)
    assert len(np.unique(np.concatenate([images, others]), axis=0)) == 1400


def test_global_random_state_is_left_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    glyphs.load_data(**SMALL)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"characters": "digit"}, r"characters 'digit'.*one of 'all', 'digits', 'letters'.*Did you mean 'digits'"),
        ({"train_size": -1}, "train_size as a whole number from 0. Received train_size=-1"),
        ({"test_size": 2.5}, r"test_size as a whole number from 0. Received test_size=2.5"),
        ({"seed": "0"}, "seed as a whole number from 0. Received seed='0'"),
    ],
)
def test_wrong_arguments(argument, message):
    with pytest.raises(ValueError, match=message):
        glyphs.load_data(**argument)


# Fonts


def test_no_font_is_in_both_parts():
    training, test = (
        {n for names in f.values() for n in names} for f in (_fonts.TRAINING_FAMILIES, _fonts.TEST_FAMILIES)
    )
    assert not training & test
    assert not _fonts.TRAINING_FAMILIES.keys() & _fonts.TEST_FAMILIES.keys()


@pytest.mark.parametrize("part", ["TRAINING_FAMILIES", "TEST_FAMILIES"])
def test_families_share_alike(part):
    families = getattr(_fonts, part)
    images, share = _fonts.templates(families, "07")
    sizes = [len(names) * len(_fonts.PENS) for names in families.values()]
    assert images.shape == (2, sum(sizes), 56, 56)
    np.testing.assert_allclose([s.sum() for s in np.split(share, np.cumsum(sizes)[:-1])], 1 / len(families))


@pytest.mark.parametrize(
    "name", [n for f in (_fonts.TRAINING_FAMILIES, _fonts.TEST_FAMILIES) for v in f.values() for n in v]
)
def test_font_tells_every_character_apart(name):
    """A font that lacks characters draws the same box for all of them."""
    images = [Image.fromarray(_fonts._draw(character, name, 0)) for character in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"]
    assert all(ImageChops.difference(a, b).getbbox() for i, a in enumerate(images) for b in images[:i])


def test_pen_makes_strokes_wider():
    ink = [_fonts._draw("8", "DejaVuSans", pen).sum(dtype=int) for pen in _fonts.PENS]
    assert ink == sorted(set(ink))


# Cache


def test_second_call_reads_the_cache(no_drawing):
    first = glyphs.load_data(**SMALL)
    no_drawing()
    assert_same(first, glyphs.load_data(**SMALL))


def test_cache_holds_one_file_and_nothing_half_written(cache):
    glyphs.load_data(**SMALL, seed=5)
    (file,) = cache.iterdir()
    assert file.name == f"digits-40-20-seed5-v{glyphs.VERSION}-{_fonts.fingerprint()}.npz"


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: b"",
        lambda raw: raw[: len(raw) // 2],
        lambda raw: b"no archive",
        lambda raw: raw[:900] + b"?" + raw[901:],
    ],
    ids=["empty", "cut short", "text", "one byte"],
)
def test_damaged_cache_is_drawn_anew(cache, damage):
    first = glyphs.load_data(**SMALL)
    (file,) = cache.iterdir()
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert_same(first, glyphs.load_data(**SMALL))
    assert file.stat().st_size == len(whole)


def test_cache_with_other_arrays_is_drawn_anew(cache):
    first = glyphs.load_data(**SMALL)
    (file,) = cache.iterdir()
    np.savez(file, **dict.fromkeys(("x_train", "y_train", "x_test", "y_test"), np.zeros(3)))
    assert_same(first, glyphs.load_data(**SMALL))


def test_cache_that_cannot_be_made_costs_only_the_drawing(tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert len(glyphs.load_data(**SMALL)[0][0]) == 40


def test_read_only_cache_costs_only_the_drawing(cache):
    cache.mkdir(parents=True)
    cache.chmod(0o500)
    if os.access(cache, os.W_OK):
        pytest.skip("this user may write everywhere")
    assert len(glyphs.load_data(**SMALL)[0][0]) == 40
    assert list(cache.iterdir()) == []


def test_full_disk_leaves_nothing_behind(cache, monkeypatch):
    def full(path, **_):
        path.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(np, "savez", full)
    assert len(glyphs.load_data(**SMALL)[0][0]) == 40
    assert list(cache.iterdir()) == []


def test_other_fonts_have_another_file(cache, monkeypatch):
    glyphs.load_data(**SMALL)
    monkeypatch.setattr(_fonts, "TEST_FAMILIES", {"DejaVu Serif": ("DejaVuSerif",)})
    glyphs.load_data(**SMALL)
    assert len(list(cache.iterdir())) == 2


# Distortion


def point(row, column, size=7):
    source = np.zeros((1, size, size))
    source[0, row, column] = 1
    return source


def sampled(source, matrix=((1, 0), (0, 1)), shift=(0, 0), pushes=None):
    size = source.shape[1]
    pushes = np.zeros((1, 2, size, size)) if pushes is None else pushes
    return _warp.sample(source, np.zeros(1, int), np.array([matrix], float), np.array([shift], float), pushes)[0]


def test_identity_changes_nothing():
    source = np.random.default_rng(0).random((1, 6, 6))
    np.testing.assert_allclose(sampled(source), source[0], atol=1e-12)


def test_shift_moves_rows_down_and_columns_right():
    np.testing.assert_allclose(sampled(point(3, 3), shift=(1, 2)), point(4, 5)[0], atol=1e-12)


def test_half_a_pixel_is_shared_by_two():
    expected = 0.5 * point(3, 3)[0] + 0.5 * point(3, 4)[0]
    np.testing.assert_allclose(sampled(point(3, 3), shift=(0, 0.5)), expected, atol=1e-12)


def test_matrix_maps_the_result_to_the_source():
    quarter_turn = ((0, -1), (1, 0))  # the pixel at offset (0, 2) comes from offset (-2, 0)
    np.testing.assert_allclose(sampled(point(1, 3), quarter_turn), point(3, 5)[0], atol=1e-12)


def test_constant_push_is_a_shift():
    pushes = np.zeros((1, 2, 7, 7))
    pushes[:, 1] = 1  # every pixel comes from one column further right
    np.testing.assert_allclose(sampled(point(3, 3), pushes=pushes), point(3, 2)[0], atol=1e-12)


def test_every_image_has_its_own_source():
    sources = np.stack([np.full((5, 5), k) for k in range(3)]).astype(float)
    still, plain = np.zeros((3, 2, 5, 5)), np.tile(np.eye(2), (3, 1, 1))
    images = _warp.sample(sources, np.array([2, 0, 1]), plain, np.zeros((3, 2)), still)
    np.testing.assert_allclose(images[:, 0, 0], [2, 0, 1])


def test_source_of_twice_the_size_is_covered():
    source = np.kron(np.random.default_rng(0).random((6, 6)), np.ones((2, 2)))[None]
    image = _warp.sample(source, np.zeros(1, int), np.eye(2)[None], np.zeros((1, 2)), np.zeros((1, 2, 6, 6)))
    np.testing.assert_allclose(image[0], source[0, ::2, ::2], atol=1e-12)


def test_matrices_enlarge():
    matrices = _warp.random_matrices(9, np.random.default_rng(0), turn=0, slant=0, scale=(2, 2))
    np.testing.assert_allclose(matrices, np.tile(np.eye(2) / 2, (9, 1, 1)), atol=1e-12)


def test_matrices_turn_within_bounds():
    matrices = _warp.random_matrices(1000, np.random.default_rng(0), turn=30, slant=0, scale=(1, 1))
    angles = np.degrees(np.arctan2(matrices[:, 1, 0], matrices[:, 0, 0]))
    assert 29 < np.abs(angles).max() <= 30
    assert abs(angles.mean()) < 2


def test_pushes_are_smooth_and_as_strong_as_asked():
    pushes = _warp.random_pushes(2000, 28, np.random.default_rng(0), strength=1.5)
    np.testing.assert_allclose(pushes.std(axis=(0, 1)), 1.5, rtol=0.1)
    assert np.abs(np.diff(pushes, axis=2)).max() < 1.5


# Pictures of glyphs


def test_sheet_places_every_image():
    images = np.arange(1, 7, dtype=np.uint8).reshape(2, 3, 1, 1)
    expected = np.full((5, 7), 64)
    expected[1::2, 1::2] = [[1, 2, 3], [4, 5, 6]]
    np.testing.assert_array_equal(glyph_sheet.sheet(images, gap=1), expected)


def test_command_writes_the_pictures(tmp_path):
    glyph_sheet.main(["--sheet", str(tmp_path / "sheet.png"), "--singles", str(tmp_path / "singles")])
    with Image.open(tmp_path / "sheet.png") as picture:
        assert (picture.size, picture.mode) == ((302, 182), "L")
    assert sorted(f.name for f in (tmp_path / "singles").iterdir()) == [f"{d}.png" for d in range(10)]
    with Image.open(tmp_path / "singles" / "7.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), glyph_sheet.samples()[0, 7])
