"""Data sets of image files: sign digits and flowers, from folders and archives, whole and damaged."""

import hashlib
import io
import re

import numpy as np
import pytest
from data_files import bouquet, picture, tarred, use_folders, write, zipped
from PIL import Image

from tinyconv.datasets import flowers, sign_digits
from tinyconv.datasets._images import load_folders


@pytest.fixture
def own(monkeypatch, tmp_path):
    return use_folders(monkeypatch, tmp_path)


def digits(prefix="Dataset"):
    """Three images for each digit, in a grey that tells which one it is."""
    return {f"{prefix}/{d}/IMG_{i}.JPG": picture(8, 8, (20 * d,) * 3, "JPEG") for d in range(10) for i in range(3)}


def assert_digits(split):
    (x_train, y_train), (x_test, y_test) = split
    assert (x_train.shape, x_test.shape) == ((24, 8, 8, 3), (6, 8, 8, 3))
    images, labels = np.concatenate([x_train, x_test]), np.concatenate([y_train, y_test])
    assert np.bincount(labels).tolist() == [3] * 10
    assert np.abs(images.mean(axis=(1, 2, 3)) - 20 * labels.astype(float)).max() < 2


# Odd files


@pytest.mark.parametrize(
    "contents",
    [b"", b"no image", picture(40, 40, kind="JPEG")[:300], picture()[:-30], picture()[:40]],
    ids=["empty", "text", "cut JPEG", "cut PNG", "PNG header"],
)
def test_unreadable_file_is_named(own, contents):
    write(own / "flowers", bouquet() | {"daisy/bad one.png": contents})
    path = own / "flowers" / "daisy" / "bad one.png"
    with pytest.raises(ValueError, match=f"^image {re.escape(str(path))}: expected a file that Pillow can read"):
        flowers.load_data()


def test_warnings_of_pillow_do_not_leak(own):
    palette = Image.new("P", (4, 4))
    file = io.BytesIO()
    palette.save(file, "PNG", transparency=bytes(range(256)))  # Pillow warns of this when it is made RGB
    write(own / "flowers", bouquet() | {"daisy/odd.png": file.getvalue()})
    assert len(flowers.load_data(test_split=0)[0][0]) == 11


def test_same_seed_same_images(own):
    write(own / "flowers", bouquet())
    for one, other in zip(flowers.load_data(seed=5), flowers.load_data(seed=5), strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


# Sign digits


@pytest.mark.parametrize(
    "files",
    [
        digits(),
        {"Sign-Language-Digits-Dataset.zip": zipped(digits())},
        {"Sign-Language-Digits-Dataset-master.zip": zipped(digits("Sign-Language-Digits-Dataset-master/Dataset"))},
        {"Sign-Language-Digits-Dataset.zip": zipped(digits() | {"__MACOSX/Dataset/0/._IMG_0.JPG": b"?"})},
    ],
    ids=["folder", "zip", "GitHub's zip", "zip of a Mac"],
)
def test_sign_digits_are_found(own, files):
    write(own / "sign_digits", files)
    assert_digits(sign_digits.load_data(image_size=8))


def test_sign_digits_need_every_class(own):
    write(own / "sign_digits", {name: raw for name, raw in digits().items() if "/7/" not in name})
    with pytest.raises(ValueError, match=r"the folders 0 to 9. Received 0, 1, 2, 3, 4, 5, 6, 8, 9"):
        sign_digits.load_data()


def test_damaged_zip_is_named(own):
    write(own / "sign_digits", {"Sign-Language-Digits-Dataset.zip": zipped(digits())[:-50]})
    with pytest.raises(ValueError, match=r"^archive .*Dataset.zip: expected a whole zip file"):
        sign_digits.load_data()


def test_damaged_image_in_a_zip_is_named(own):
    write(own / "sign_digits", {"Sign-Language-Digits-Dataset.zip": zipped(digits() | {"Dataset/4/x.jpg": b"no"})})
    with pytest.raises(ValueError, match=r"^image .*Dataset.zip/Dataset/4/x.jpg: expected a file that Pillow can read"):
        sign_digits.load_data()


def test_missing_sign_digits_say_what_to_put_where(own):
    message = f"nothing of that in {own}/sign_digits or .*github.com/ardamavi.*glyphs needs no download"
    with pytest.raises(FileNotFoundError, match=message):
        sign_digits.load_data()


# Flowers


@pytest.mark.parametrize("below", ["", "flower_photos/", "tiny_FR/"])
def test_flowers_are_found(own, below):
    write(own / "flowers", {below + name: raw for name, raw in bouquet().items()} | {f"{below}LICENSE.txt": "thanks"})
    (x_train, y_train), (x_test, y_test) = flowers.load_data(image_size=(5, 7))
    assert (x_train.shape, x_test.shape) == ((8, 5, 7, 3), (2, 5, 7, 3))
    assert np.bincount(np.concatenate([y_train, y_test])).tolist() == [5, 5]


def test_class_names_are_the_folders(own):
    write(own / "flowers", bouquet(("tulip", "rose", ".hidden", "daisy")))
    assert flowers.class_names() == ("daisy", "rose", "tulip")


def test_archive_is_unpacked_into_the_cache(own, tmp_path, monkeypatch):
    archive = tarred({f"flower_photos/{k}": v for k, v in bouquet().items()})
    write(own / "flowers", {flowers.ARCHIVE: archive})
    monkeypatch.setattr(flowers, "SHA256", hashlib.sha256(archive).hexdigest())
    assert flowers.class_names() == ("daisy", "tulips")
    assert [f.name for f in (tmp_path / "cache" / "datasets" / "flowers").iterdir()] == ["flower_photos"]


@pytest.mark.parametrize(
    "archive",
    [b"no tar", tarred(bouquet())[:200], tarred(bouquet()), tarred({"../outside": b"1"})],
    ids=["no tar", "cut short", "no such folder", "leads outside"],
)
def test_another_archive_is_not_opened(own, tmp_path, archive):
    write(own / "flowers", {flowers.ARCHIVE: archive})
    with pytest.raises(ValueError, match=r"^archive .*flower_photos.tgz: expected TensorFlow's, with SHA-256"):
        flowers.load_data()
    assert not (tmp_path / "cache").exists()


def test_class_folders_without_images(tmp_path):
    write(tmp_path, {"a/notes.txt": "", "b/.hidden.png": picture()})
    with pytest.raises(ValueError, match=r"images \(.bmp, .gif, .jpeg, .jpg, .png\) in folders, one per class"):
        load_folders(tmp_path, ["a", "b"], 8, test_split=0.2, seed=0)


def test_image_size_is_checked(own):
    write(own / "flowers", bouquet())
    with pytest.raises(ValueError, match="image_size as one or two whole numbers from 1"):
        flowers.load_data(image_size=(0, 5))
