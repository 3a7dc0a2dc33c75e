"""ImageDataGenerator gives real Keras's batches, image by image, for the same seed."""

import io
from contextlib import redirect_stdout

import numpy as np
import pytest
from oracle import assert_arguments_of_keras, load_keras
from PIL import Image

from tinyconv.preprocessing import image as ours
from tinyconv.preprocessing import transforms

pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("ignore:Please import:DeprecationWarning")]


@pytest.fixture(scope="module")
def theirs():
    """Keras's module; its use of an old name of SciPy's is not ours to warn of."""
    load_keras()
    pytest.importorskip("scipy", reason="needs the extra 'oracle'")
    return pytest.importorskip("keras.src.legacy.preprocessing.image")


def photos(n=7, height=12, width=9, channels=3, seed=0):
    """Smooth images of bytes: random ones would hide a warp of a hair's breadth among their jumps."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width] / 6.0
    phase, speed = rng.uniform(0, 6, (2, n, 1, 1, channels)), rng.uniform(0.5, 2, (2, n, 1, 1, channels))
    waves = np.sin(rows[..., None] * speed[0] + phase[0]) + np.cos(columns[..., None] * speed[1] + phase[1])
    return (waves * 60 + 128).astype(np.uint8)  # (N, H, W, C)


def assert_same_batches(mine, keras_iterator, batches=5, **tolerance):
    for _ in range(batches):
        assert_same(next(mine), next(keras_iterator), **tolerance)


def assert_same(batch, expected, **tolerance):
    if isinstance(expected, tuple | list):
        assert type(batch) is type(expected)
        assert len(batch) == len(expected)
        for one, other in zip(batch, expected):
            assert_same(one, other, **tolerance)
        return
    assert batch.shape == expected.shape
    assert batch.dtype == expected.dtype
    np.testing.assert_allclose(batch, expected, **({"rtol": 1e-4, "atol": 2e-3} | tolerance))


SETTINGS = {
    "nothing": {},
    "note 000": {"rescale": 1 / 255, "horizontal_flip": True, "rotation_range": 2, "height_shift_range": 0.2},
    "rotation": {"rotation_range": 40},
    "rotation, black outside": {"rotation_range": 40, "fill_mode": "constant", "cval": 7.5},
    "rotation, mirrored": {"rotation_range": 170, "fill_mode": "reflect"},
    "rotation, repeated": {"rotation_range": 170, "fill_mode": "wrap"},
    "shift by fractions": {"width_shift_range": 0.3, "height_shift_range": 0.2},
    "shift by pixels": {"width_shift_range": 3, "height_shift_range": 4},
    "shift by pixels, not whole": {"width_shift_range": 2.5},
    "shift by choices": {"width_shift_range": [-3, 0, 2], "height_shift_range": (0.1, 0.4)},
    "shear": {"shear_range": 30},
    "zoom": {"zoom_range": 0.4},
    "zoom by a pair": {"zoom_range": [0.5, 1.5], "fill_mode": "constant"},
    "everything that moves": {
        "rotation_range": 25,
        "width_shift_range": 0.2,
        "height_shift_range": 2,
        "shear_range": 12,
        "zoom_range": (0.8, 1.3),
        "horizontal_flip": True,
        "vertical_flip": True,
    },
    "nearest pixel": {"rotation_range": 25, "zoom_range": 0.2, "interpolation_order": 0},
    "splines": {"rotation_range": 25, "zoom_range": 0.2, "interpolation_order": 3},
    "channel shift": {"channel_shift_range": 60.0},
    "flips": {"horizontal_flip": True, "vertical_flip": True},
    "brightness": {"brightness_range": (0.3, 1.9)},
    "flips and brightness": {"horizontal_flip": True, "brightness_range": [0.5, 1.5], "channel_shift_range": 20},
    "samplewise": {"samplewise_center": True, "samplewise_std_normalization": True, "rescale": 1 / 255},
    "preprocessing function": {"preprocessing_function": lambda x: x[..., ::-1] - 100.0, "rescale": 0.01},
    "fills of float64": {"rotation_range": 20, "dtype": "float64"},
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=list(SETTINGS))
@pytest.mark.parametrize("engine", ["numba", "numpy"])
def test_batches_of_an_array(theirs, settings, engine):
    from tinyconv import config

    images, labels = photos(), np.arange(7)
    with config.engine(engine):
        mine = ours.ImageDataGenerator(**settings).flow(images, labels, batch_size=3, seed=11)
        assert_same_batches(mine, theirs.ImageDataGenerator(**settings).flow(images, labels, batch_size=3, seed=11))


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("scale", [1, 1 / 255, -3])
def test_brightness_of_numbers_off_the_usual_scale(theirs, channels, scale):
    settings = {"brightness_range": (0.2, 1.7)}
    images = photos(channels=channels).astype(np.float32) * scale
    mine = ours.ImageDataGenerator(**settings).flow(images, batch_size=4, seed=5)
    expected = theirs.ImageDataGenerator(**settings).flow(images, batch_size=4, seed=5)
    # A whole number of 255 may come out one less, where rounding decides.
    assert_same_batches(mine, expected, atol=1.01 * max(1, abs(scale) * 2))
    assert abs(np.mean(next(mine) - next(expected))) < 0.05


def test_batches_by_number(theirs):
    settings = {"rotation_range": 30, "horizontal_flip": True}
    mine = ours.ImageDataGenerator(**settings).flow(photos(), batch_size=3, seed=4)
    expected = theirs.ImageDataGenerator(**settings).flow(photos(), batch_size=3, seed=4)
    assert len(mine) == len(expected) == 3
    for _ in range(2):
        for i in (0, 1, 2):
            assert_same(mine[i], expected[i], atol=2e-3)
        mine.on_epoch_end()
        expected.on_epoch_end()
    mine.reset()
    expected.reset()
    assert_same_batches(mine, expected)


@pytest.mark.parametrize("subset", ["training", "validation"])
def test_parts_of_an_array(theirs, subset):
    x, more, y = photos(), np.arange(14).reshape(7, 2), np.array([0, 1, 2, 0, 1, 2, 0])
    arguments = {"batch_size": 2, "seed": 3, "subset": subset}
    if subset == "validation":  # Keras gives the images for training the weights of those for validation
        arguments["sample_weight"] = np.linspace(0, 1, 7)
    mine = ours.ImageDataGenerator(validation_split=0.45).flow((x, more), y, **arguments)
    assert_same_batches(mine, theirs.ImageDataGenerator(validation_split=0.45).flow((x, more), y, **arguments))


@pytest.mark.parametrize(
    "settings",
    [
        {"featurewise_center": True, "featurewise_std_normalization": True},
        {"zca_whitening": True, "featurewise_center": True, "rescale": 1 / 255, "zca_epsilon": 0.1},
        {"featurewise_center": True, "rotation_range": 20, "horizontal_flip": True},
    ],
)
@pytest.mark.parametrize("augment", [False, True])
def test_statistics_of_the_data(theirs, settings, augment):
    images = photos(n=15, height=5, width=5)
    generators = [module.ImageDataGenerator(**settings) for module in (ours, theirs)]
    for generator in generators:
        generator.fit(images, augment=augment, rounds=2, seed=8)
    mine, expected = generators
    for name in ("mean", "std", "zca_whitening_matrix"):
        if getattr(expected, name) is not None:
            assert_same(getattr(mine, name), getattr(expected, name), rtol=1e-3, atol=5e-3)
    assert_same_batches(mine.flow(images, seed=2), expected.flow(images, seed=2), rtol=1e-3, atol=1e-2)


# Files


@pytest.fixture
def folders(tmp_path):
    """Three classes of 4, 5 and 1 images of different sizes, one in a folder in the folder."""
    for name, n in {"b": 4, "a": 5, "c": 1}.items():
        (tmp_path / name).mkdir()
        for i, pixels in enumerate(photos(n, 14, 11, seed=n)):
            Image.fromarray(pixels[: 14 - i]).save(tmp_path / name / f"{9 - i}.png")
    (tmp_path / "a" / "inside").mkdir()
    Image.fromarray(photos(1)[0]).save(tmp_path / "a" / "inside" / "x.bmp")
    (tmp_path / "a" / "notes.txt").write_text("no image")
    return tmp_path


def both(theirs, settings, call):
    """(our iterator, Keras's), which print the same."""
    iterators, printed = [], []
    for module in (ours, theirs):
        with redirect_stdout(io.StringIO()) as out:
            iterators.append(call(module.ImageDataGenerator(**settings)))
        printed.append(out.getvalue())
    assert printed[0] == printed[1]
    return iterators


@pytest.mark.parametrize("class_mode", ["categorical", "sparse", "input", None])
@pytest.mark.parametrize("color_mode", ["rgb", "grayscale", "rgba"])
def test_batches_of_a_folder(theirs, folders, class_mode, color_mode):
    settings = {"rescale": 1 / 255, "rotation_range": 20, "horizontal_flip": True}
    arguments = {"target_size": (10, 13), "class_mode": class_mode, "color_mode": color_mode, "batch_size": 4}
    mine, expected = both(theirs, settings, lambda g: g.flow_from_directory(folders, **arguments, seed=6))
    for name in ("class_indices", "filenames", "filepaths", "num_classes", "samples", "image_shape", "n", "batch_size"):
        assert getattr(mine, name) == getattr(expected, name)
    assert mine.classes.tolist() == mine.labels.tolist() == expected.classes.tolist()
    assert_same_batches(mine, expected)


@pytest.mark.parametrize("subset", ["training", "validation"])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
def test_parts_of_a_folder(theirs, folders, subset, interpolation):
    arguments = {"subset": subset, "interpolation": interpolation, "target_size": (8, 8), "classes": ["b", "a"]}
    arguments["keep_aspect_ratio"] = interpolation == "bilinear"
    settings = {"validation_split": 0.4, "zoom_range": 0.2}
    mine, expected = both(theirs, settings, lambda g: g.flow_from_directory(str(folders), **arguments, seed=1))
    assert mine.filenames == expected.filenames
    assert_same_batches(mine, expected)


def test_files_that_are_saved(theirs, folders, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "keras").mkdir()
    (tmp_path / "only").mkdir()
    (folders / "a").rename(tmp_path / "only" / "a")
    names = iter(["mine", "keras"])
    arguments = {"save_prefix": "seen", "target_size": (8, 8), "batch_size": 4, "seed": 9}
    mine, expected = both(
        theirs,
        {"rotation_range": 20},
        lambda g: g.flow_from_directory(tmp_path / "only", save_to_dir=tmp_path / next(names), **arguments),
    )
    next(mine), next(expected)
    files = sorted(path.name for path in (tmp_path / "mine").iterdir())
    assert files == sorted(path.name for path in (tmp_path / "keras").iterdir())
    assert len(files) == 4
    for name in files:
        one, other = (np.asarray(Image.open(tmp_path / place / name), int) for place in ("mine", "keras"))
        assert abs(one - other).max() <= 1


TABLES = {
    "categorical": {"class_mode": "categorical"},
    "some classes": {"class_mode": "categorical", "classes": ["z", "y"]},
    "lists": {"class_mode": "categorical", "y_col": "several"},
    "some of lists": {"class_mode": "categorical", "y_col": "several", "classes": ["q", "p"]},
    "binary": {"class_mode": "binary", "y_col": "yes"},
    "sparse": {"class_mode": "sparse"},
    "input": {"class_mode": "input"},
    "raw": {"class_mode": "raw", "y_col": "height", "weight_col": "weight"},
    "raw columns": {"class_mode": "raw", "y_col": ["height", "weight"]},
    "multi_output": {"class_mode": "multi_output", "y_col": ["height", "kind"]},
    "none": {"class_mode": None},
    "validation": {"subset": "validation"},
    "training": {"subset": "training", "validate_filenames": False},
}


@pytest.mark.parametrize("arguments", TABLES.values(), ids=list(TABLES))
def test_batches_of_a_table(theirs, folders, arguments):
    pandas = pytest.importorskip("pandas")
    n = 8
    table = pandas.DataFrame(
        {
            "filename": [f"{'ab'[i % 2]}/{9 - i // 2}.png" for i in range(n)],
            "class": list("xyzzyxyz"),
            "several": [["p"], ("q", "r"), ["p", "q"], ["r"], ["r", "p"], "q", ["p"], ["q"]],
            "yes": list("ynynnyyn"),
            "height": np.arange(n) / 2,
            "weight": np.arange(n, 0, -1),
            "kind": np.arange(n) % 3,
        }
    )
    settings = {"rotation_range": 15, "validation_split": 0.3}
    arguments = {"target_size": (9, 7), "batch_size": 3, "seed": 2} | arguments
    mine, expected = both(theirs, settings, lambda g: g.flow_from_dataframe(table, str(folders), **arguments))
    for name in ("class_indices", "classes", "filenames", "filepaths", "samples"):
        assert getattr(mine, name) == getattr(expected, name, getattr(mine, name))
    assert_same_batches(mine, expected)


# One image


@pytest.mark.parametrize("axes", [(1, 2, 0), (0, 1, 2), (2, 1, 0), (1, 0, 2)])
@pytest.mark.parametrize("fill_mode", ["nearest", "constant", "reflect", "wrap"])
@pytest.mark.parametrize("order", [0, 1, 2])
def test_affine_transform(theirs, axes, fill_mode, order):
    image = photos(1, 7, 10, 3)[0].astype(float)
    image = image.transpose(2, 0, 1) if axes[2] == 0 else image
    moves = {"theta": 33, "tx": 1.3, "ty": -0.7, "shear": 12, "zx": 0.7, "zy": 1.4}
    names = dict(zip(("row_axis", "col_axis", "channel_axis"), axes))
    how = {"fill_mode": fill_mode, "cval": 3.25, "order": order}
    mine = ours.apply_affine_transform(image, **moves, **names, **how)
    np.testing.assert_allclose(mine, theirs.apply_affine_transform(image, **moves, **names, **how), atol=1e-9)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_affine_transform_keeps_the_type(theirs, dtype):
    image = photos(1, 7, 10, 3)[0].astype(dtype) - np.array(100, dtype)
    mine = ours.apply_affine_transform(image, theta=20, row_axis=0, col_axis=1, channel_axis=2)
    expected = theirs.apply_affine_transform(image, theta=20, row_axis=0, col_axis=1, channel_axis=2)
    assert mine.dtype == dtype
    np.testing.assert_allclose(mine, expected, atol=1e-4)


@pytest.mark.parametrize("scale", [True, False])
def test_brightness_and_channels(theirs, scale):
    image = photos(1)[0].astype(np.float32)
    for x, factor in ((image, 0.4), (image, 1.6), (image * 3 - 200, 0.8)):
        mine = ours.apply_brightness_shift(x, factor, scale)
        assert abs(mine - theirs.apply_brightness_shift(x, factor, scale)).max() < (1.01 if scale else 3.5)
    assert_same(ours.apply_channel_shift(image, 30.0, 2), theirs.apply_channel_shift(image, 30.0, 2))


def test_the_numbers_drawn(theirs):
    settings = SETTINGS["everything that moves"] | {"channel_shift_range": 3, "brightness_range": (1, 2)}
    mine = ours.ImageDataGenerator(**settings).get_random_transform((12, 9, 3), seed=3)
    assert mine == theirs.ImageDataGenerator(**settings).get_random_transform((12, 9, 3), seed=3)


def test_arguments(theirs):
    from tinyconv.preprocessing.image import DirectoryIterator, ImageDataGenerator, NumpyArrayIterator

    for mine in (ImageDataGenerator, DirectoryIterator, NumpyArrayIterator):
        assert_arguments_of_keras(mine, getattr(theirs, mine.__name__))
    for method in ("flow", "flow_from_directory", "flow_from_dataframe", "fit", "get_random_transform"):
        assert_arguments_of_keras(
            getattr(ImageDataGenerator, method), getattr(theirs.ImageDataGenerator, method), but=("self",)
        )
    for name in transforms.__all__:
        assert_arguments_of_keras(getattr(ours, name), getattr(theirs, name))
