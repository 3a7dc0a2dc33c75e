"""Where data sets are looked for; the notes' matrices in ``data/``; and the real data, where they are at hand."""

import os
from pathlib import Path

import note001
import numpy as np
import pytest
from data_files import use_folders, write

from tinyconv import config, datasets
from tinyconv.datasets import _fetch, fashion_mnist, flowers, mnist, sign_digits, sign_mnist
from tinyconv.layers import Conv2D, MaxPooling2D

DATA = Path(__file__).parent.parent / "data"


@pytest.mark.parametrize("name", datasets.__all__)
def test_every_data_set_loads_and_names_its_classes(name):
    module = getattr(datasets, name)
    assert {"load_data", "CLASS_NAMES"} <= set(module.__all__)
    assert len(set(module.CLASS_NAMES)) == len(module.CLASS_NAMES)


# Where data are looked for


def test_own_folder_comes_before_the_cache(monkeypatch, tmp_path):
    own = use_folders(monkeypatch, tmp_path)
    assert _fetch.places("mnist") == [own / "mnist", tmp_path / "cache" / "datasets" / "mnist"]


def test_own_folder_is_none_where_it_is_unset(monkeypatch):
    monkeypatch.setenv("TINYCONV_DATA", "")
    assert config.data_folder() is None


def test_home_is_expanded(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("TINYCONV_DATA", "TINYCONV_CACHE"):
        monkeypatch.setenv(name, "~/somewhere")
    assert config.data_folder() == config.cache_folder() == tmp_path / "somewhere"


@pytest.fixture
def elsewhere(monkeypatch, tmp_path):
    """Stand in an empty folder with no settings but a cache folder of the user."""
    for name in ("TINYCONV_DATA", "TINYCONV_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_checkout_keeps_its_downloads(elsewhere):
    write(elsewhere / "data", {"README.md": "# Data sets of tinyconv\n\nText.\n"})
    assert config.cache_folder() == elsewhere / "data" / "downloads"


@pytest.mark.parametrize("readme", ["# Data of another project\n", "", "\xff\xfe", "Text\n# Data sets of tinyconv\n"])
def test_other_projects_are_left_alone(elsewhere, readme):
    write(elsewhere / "data", {"README.md": readme})
    assert config.cache_folder() == elsewhere / "user" / "tinyconv"


def test_user_cache_elsewhere(elsewhere):
    assert config.cache_folder() == elsewhere / "user" / "tinyconv"


def test_this_checkout_is_recognised(monkeypatch):
    monkeypatch.delenv("TINYCONV_CACHE", raising=False)
    monkeypatch.chdir(DATA.parent)
    assert config.cache_folder() == DATA / "downloads"


# The notes' matrices


def matrix(name):
    return np.loadtxt(DATA / name, delimiter=",", dtype=int)


@pytest.mark.parametrize("name", ["A", "B"])
def test_note_001_gives_the_printed_maps(name):
    image = matrix(f"note001_image_{name.lower()}.csv")[None, :, :, None].astype(np.float32)  # (1, 6, 6, 1)
    conv, pool = Conv2D(1, 3, use_bias=False), MaxPooling2D()
    conv.build(image.shape)
    conv.set_weights([matrix("note001_kernel.csv")[:, :, None, None]])
    maps, _ = conv.forward(image)  # (1, 4, 4, 1)
    np.testing.assert_array_equal(maps[0, :, :, 0], note001.MAPS[name])
    np.testing.assert_array_equal(pool.forward(maps)[0][0, :, :, 0], note001.MAX_POOLED[name])


def test_note_003_is_16_rows_of_12_grey_values():
    pixels = matrix("note003_pixels.csv")
    assert (pixels.shape, pixels.min(), pixels.max()) == ((16, 12), 0, 255)
    assert (pixels[0, 0], pixels[1, 0], pixels[3, 4], pixels[15, 11]) == (157, 155, 131, 218)


# The real data

real = [
    pytest.mark.data,
    pytest.mark.skipif(not os.environ.get("TINYCONV_DATA"), reason="TINYCONV_DATA is unset"),
]


def real_data(module, *arguments, **settings):
    """The data set, or a skip where the folder lacks it: nothing is downloaded for a test."""
    name = module.__name__.rpartition(".")[2]
    if not (config.data_folder() / name).is_dir():
        pytest.skip(f"TINYCONV_DATA has no folder {name}")
    return module.load_data(*arguments, **settings)


class TestRealData:
    pytestmark = real

    def test_mnist(self):
        (x_train, y_train), (x_test, y_test) = real_data(mnist)
        assert (x_train.shape, x_test.shape) == ((60000, 28, 28), (10000, 28, 28))
        assert np.bincount(y_train).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
        assert np.bincount(y_test).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
        assert [round(float(x), 4) for x in (x_train.mean() / 255, x_train.std() / 255)] == [0.1307, 0.3081]

    def test_fashion_mnist(self):
        (x_train, y_train), (x_test, y_test) = real_data(fashion_mnist)
        assert (x_train.shape, x_test.shape) == ((60000, 28, 28), (10000, 28, 28))
        assert (np.bincount(y_train).tolist(), np.bincount(y_test).tolist()) == ([6000] * 10, [1000] * 10)
        assert [round(float(x), 4) for x in (x_train.mean() / 255, x_train.std() / 255)] == [0.2860, 0.3530]

    def test_sign_mnist(self):
        (x_train, y_train), (x_test, y_test) = real_data(sign_mnist)
        assert (x_train.shape, x_test.shape) == ((27455, 28, 28), (7172, 28, 28))
        assert np.bincount(y_train).tolist() == [
            *(1126, 1010, 1144, 1196, 957, 1204, 1090, 1013, 1162),
            *(1114, 1241, 1055, 1151, 1196, 1088, 1279, 1294, 1199, 1186, 1161, 1082, 1225, 1164, 1118),
        ]
        assert np.bincount(y_test).tolist() == [
            *(331, 432, 310, 245, 498, 247, 348, 436, 288),
            *(331, 209, 394, 291, 246, 347, 164, 144, 246, 248, 266, 346, 206, 267, 332),
        ]

    def test_sign_mnist_letters(self):
        (_, y_train), (_, y_test) = real_data(sign_mnist)
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"  # Kaggle's own labels count along it
        for labels, first in (
            (y_train, [3, 6, 2, 2, 13, 16, 8, 22, 3, 3]),
            (y_test, [6, 5, 10, 0, 3, 21, 10, 14, 3, 7]),
        ):
            assert [sign_mnist.LETTERS[label] for label in labels[:10]] == [alphabet[code] for code in first]

    def test_sign_digits(self):
        (x_train, y_train), (x_test, y_test) = real_data(sign_digits)
        assert (x_train.shape, x_test.shape) == ((1650, 100, 100, 3), (412, 100, 100, 3))
        counts = np.bincount(np.concatenate([y_train, y_test]))
        assert counts.tolist() == [205, 206, 206, 206, 207, 207, 207, 206, 208, 204]

    def test_flowers(self):
        (x_train, y_train), (x_test, y_test) = real_data(flowers, image_size=(30, 40))
        assert (x_train.shape, x_test.shape) == ((400, 30, 40, 3), (100, 30, 40, 3))
        assert np.bincount(np.concatenate([y_train, y_test])).tolist() == [100] * 5
        assert flowers.class_names() == flowers.CLASS_NAMES
