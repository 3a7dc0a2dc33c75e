"""Layers that turn, shift, cut and tint images: against Keras, by hand, and what they draw."""

import inspect

import numpy as np
import pytest
from oracle import array, load_keras

from tinyconv import Sequential, config, layers
from tinyconv.layers import (
    CenterCrop,
    Conv2D,
    Dense,
    Flatten,
    Input,
    RandomBrightness,
    RandomContrast,
    RandomCrop,
    RandomFlip,
    RandomRotation,
    RandomTranslation,
    RandomZoom,
    Resizing,
)

#: Each random layer, as strong as it may well be.
RANDOM = {
    "flip": lambda **options: RandomFlip(**options),
    "rotation": lambda **options: RandomRotation(0.3, **options),
    "translation": lambda **options: RandomTranslation(0.4, 0.4, **options),
    "zoom": lambda **options: RandomZoom(0.5, 0.5, **options),
    "contrast": lambda **options: RandomContrast(0.9, (0, 1), **options),
    "brightness": lambda **options: RandomBrightness(0.9, (0, 1), **options),
    "crop": lambda **options: RandomCrop(3, 2, **options),
}
every_random_layer = pytest.mark.parametrize("make", RANDOM.values(), ids=RANDOM)


def images(*shape, seed=0):
    return np.random.default_rng(seed).random(shape or (4, 9, 7, 3)).astype("float32")


def trained(layer, x):
    """What training sees."""
    return layer(x, training=True)


# Chance


@every_random_layer
def test_prediction_is_not_left_to_chance(make):
    x, layer = images(), make()
    np.testing.assert_array_equal(layer(x), layer(x))
    if not isinstance(layer, RandomCrop):
        np.testing.assert_array_equal(layer(x), x)


@every_random_layer
def test_every_call_draws_anew(make):
    x, layer = images(8, 9, 7, 2), make()
    assert np.abs(trained(layer, x) - trained(layer, x)).max() > 0.01


@every_random_layer
def test_the_seed_of_the_program_decides(make):
    x, layer = images(), make()
    results = []
    for seed in (4, 4, 5):
        config.set_random_seed(seed)
        results.append(trained(layer, x))
    np.testing.assert_array_equal(results[0], results[1])
    assert np.abs(results[0] - results[2]).max() > 0.01


@every_random_layer
def test_an_own_seed_decides_alone(make):
    x = images()
    first = trained(make(seed=3), x)
    config.set_random_seed(99)
    before = config.random_state()
    np.testing.assert_array_equal(trained(make(seed=3), x), first)
    assert config.random_state() == before
    assert np.abs(trained(make(seed=4), x) - first).max() > 0.01


@every_random_layer
def test_other_streams_stay_where_they_are(make):
    before = config.random_state()
    trained(make(), images())
    after = config.random_state()
    assert [name for name in before if before[name] != after[name]] == ["augmentation"]


@pytest.mark.parametrize("kind", [kind for kind in RANDOM if kind != "crop"])
def test_every_image_has_its_own_chance(kind):
    x = np.repeat(images(1, 9, 7, 3), 6, axis=0)
    y = trained(RANDOM[kind](), x)
    assert len(np.unique(y.round(4), axis=0)) > 1


def test_one_crop_serves_the_batch():
    x = np.repeat(images(1, 9, 7, 3), 6, axis=0)
    assert len(np.unique(trained(RandomCrop(4, 3), x), axis=0)) == 1


@pytest.mark.parametrize(
    ("mode", "kinds"), [("horizontal", "0|"), ("vertical", "0-"), ("horizontal_and_vertical", "0|-+")]
)
def test_flips_are_those_allowed_and_as_frequent(mode, kinds):
    x = np.repeat(images(1, 4, 5, 1), 400, axis=0)
    ways = {"0": x[0], "|": x[0, :, ::-1], "-": x[0, ::-1], "+": x[0, ::-1, ::-1]}
    y = trained(RandomFlip(mode), x)
    shares = {kind: np.mean([np.array_equal(one, way) for one in y]) for kind, way in ways.items()}
    assert sum(shares.values()) == 1
    for kind, share in shares.items():
        assert share == pytest.approx(1 / len(kinds), abs=0.1) if kind in kinds else share == 0


@pytest.mark.parametrize(
    ("layer", "measure", "low", "high"),
    [
        (RandomRotation((-0.1, 0.2)), lambda m: np.degrees(np.arctan2(m[:, 0, 1], m[:, 0, 0])), -36, 72),
        (RandomTranslation((-0.1, 0.3), 0), lambda m: -m[:, 0, 2], -2, 6),
        (RandomTranslation(0, 0.2), lambda m: -m[:, 1, 2], -6, 6),
        (RandomZoom((-0.5, 0.2)), lambda m: m[:, 0, 0], 0.5, 1.2),
        (RandomZoom(0, 0.3), lambda m: m[:, 1, 1], 0.7, 1.3),
    ],
)
def test_numbers_are_drawn_evenly_from_the_range(layer, measure, low, high):
    found = measure(layer.draw(2000, (20, 30)))
    assert low <= found.min() < low + 0.01 * (high - low)
    assert high - 0.01 * (high - low) < found.max() <= high
    assert found.mean() == pytest.approx((low + high) / 2, abs=0.03 * (high - low))


def test_zoom_keeps_proportions_unless_asked():
    one, two = RandomZoom(0.5).draw(9, (5, 5)), RandomZoom(0.5, 0.5).draw(9, (5, 5))
    np.testing.assert_array_equal(one[:, 0, 0], one[:, 1, 1])
    assert (two[:, 0, 0] != two[:, 1, 1]).all()


def test_contrast_is_less_as_well_as_more():
    x = np.tile(np.array([0.4, 0.6], "float32").reshape(1, 1, 2, 1), (500, 1, 1, 1))
    spread = np.ptp(trained(RandomContrast(0.3, (0, 1)), x), axis=2).ravel() / 0.2
    assert 0.7 <= spread.min() < 0.72
    assert 1.28 < spread.max() <= 1.3


# By hand


def test_contrast_by_channel_and_cut():
    x = np.array([[[[0.0, 5.0], [4.0, 5.0]]]])
    config.set_random_seed(0)
    layer = RandomContrast((0.0, 1.0), (-0.5, 4.2))
    y, (f, _) = layer.forward(x, training=True)
    stretched = 2 + 2 * np.array([-1, 1]) * f.item()
    np.testing.assert_allclose(y[0, 0, :, 0], np.clip(stretched, -0.5, 4.2))
    np.testing.assert_allclose(y[0, 0, :, 1], 4.2)


def test_contrast_is_around_the_mean_of_all_rows_and_columns():
    x = np.array([[0.0, 2.0, 4.0], [8.0, 9.0, 13.0]]).reshape(1, 2, 3, 1)
    y, (f, _) = RandomContrast((0.0, 1.0), (-99, 99)).forward(x, training=True)
    np.testing.assert_allclose(y, 6 + (x - 6) * f)


def test_what_is_cut_has_no_gradient():
    x = np.array([0.2, 0.9, 0.5]).reshape(1, 1, 3, 1)
    layer = RandomBrightness((0.3, 0.3), (0, 1))
    y, cache = layer.forward(x, training=True)
    np.testing.assert_allclose(y.ravel(), [0.5, 1, 0.8])
    np.testing.assert_array_equal(layer.backward(np.ones_like(y), cache).ravel(), [1, 0, 1])


def test_what_just_fits_is_not_cut():
    x = np.array([0.0, 0.5, 0.75]).reshape(1, 1, 3, 1)
    for shift in (0.25, -0.5):
        layer = RandomBrightness((shift, shift), (0, 1))
        y, cache = layer.forward(x, training=True)
        np.testing.assert_array_equal(layer.backward(np.ones_like(y), cache), (x + shift >= 0) & (x + shift <= 1))


def test_random_crop_takes_every_place_and_no_other():
    x = np.arange(5.0 * 4).reshape(1, 5, 4, 1)
    layer, corners = RandomCrop(3, 3), set()
    for _ in range(100):
        y = trained(layer, x)[0, :, :, 0]
        np.testing.assert_array_equal(y - y[0, 0], x[0, :3, :3, 0])
        corners.add(float(y[0, 0]))
    assert corners == {0, 1, 4, 5, 8, 9}


def test_crop_of_a_small_image_is_enlarged():
    assert trained(RandomCrop(6, 9), images()).shape == (4, 6, 9, 3)
    np.testing.assert_allclose(
        trained(RandomCrop(12, 6), images()), Resizing(12, 6, crop_to_aspect_ratio=True)(images())
    )


@pytest.mark.parametrize("size", [(4, 9), (9, 4)], ids=str)
def test_crop_of_an_image_that_is_small_one_way_is_enlarged_too(size):
    x = np.arange(36.0).reshape(1, *size, 1)
    np.testing.assert_allclose(trained(RandomCrop(6, 6), x), Resizing(6, 6, crop_to_aspect_ratio=True)(x))


def test_frame_of_the_fill_value():
    y = Resizing(8, 8, pad_to_aspect_ratio=True, fill_value=7)(np.ones((1, 4, 8, 1)))
    np.testing.assert_array_equal(y[0, :, 0, 0], [7, 7, 1, 1, 1, 1, 7, 7])


def test_augmentation_may_stand_behind_what_learns():
    rng = np.random.default_rng(0)
    x, y = rng.random((40, 9, 8, 2)).astype("float32"), rng.integers(0, 2, 40)
    hidden = [Conv2D(3, 3), RandomTranslation(0.2, 0.2), RandomContrast(0.2, (-9, 9)), Resizing(5, 5), CenterCrop(3, 3)]
    model = Sequential([Input((9, 8, 2)), *hidden, Flatten(), Dense(2, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    before = hidden[0].get_weights()[0]
    assert np.isfinite(model.fit(x, y, verbose=0).history["loss"]).all()
    assert np.abs(hidden[0].get_weights()[0] - before).max() > 0


# Errors


@pytest.mark.parametrize(
    ("message", "make"),
    [
        ("RandomFlip 'a': mode 'sideways'.*one of", lambda: RandomFlip("sideways", name="a")),
        ("RandomRotation 'a': expected factor as a number from -1 to 1", lambda: RandomRotation(1.5, name="a")),
        ("factor=\\(0.1, 0.2, 0.3\\)", lambda: RandomRotation((0.1, 0.2, 0.3))),
        ("factor='much'", lambda: RandomRotation("much")),
        ("fill_mode 'mirror'", lambda: RandomRotation(0.1, fill_mode="mirror")),
        ("interpolation 'bicubic'", lambda: RandomRotation(0.1, interpolation="bicubic")),
        ("width_factor", lambda: RandomTranslation(0.1, (-3, 0.1))),
        ("height_factor", lambda: RandomZoom(-1.5)),
        ("factor as a number from 0 to 1", lambda: RandomContrast(-0.2)),
        ("value_range", lambda: RandomContrast(0.2, 255)),
        ("channels_last", lambda: RandomFlip(data_format="channels_first")),
        ("height as a whole number from 1", lambda: Resizing(0, 3)),
        ("interpolation 'lanczos3'", lambda: Resizing(2, 3, "lanczos3")),
        ("antialias=False", lambda: Resizing(2, 3, antialias=True)),
        ("fill_mode 'reflect'", lambda: Resizing(2, 3, fill_mode="reflect")),
        ("both", lambda: Resizing(2, 3, crop_to_aspect_ratio=True, pad_to_aspect_ratio=True)),
    ],
)
def test_errors(message, make):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_flip_has_no_fill_mode():
    with pytest.raises(TypeError, match="RandomFlip: expected arguments among"):
        RandomFlip(fill_mode="reflect")


# Keras


@pytest.fixture
def keras():
    """Real Keras."""
    return load_keras()


quiet = pytest.mark.filterwarnings("ignore::DeprecationWarning")
#: Layers without chance: the least number is the largest.
FIXED = [
    *[("RandomRotation", (f, f)) for f in (0.07, -0.25, 0.61)],
    ("RandomTranslation", (0.23, 0.23), (-0.31, -0.31)),
    ("RandomTranslation", (-0.9, -0.9), (0.7, 0.7)),
    ("RandomZoom", (0.37, 0.37), (-0.4, -0.4)),
    ("RandomZoom", (-0.33, -0.33)),
    ("RandomZoom", (1.0, 1.0)),
]


@pytest.mark.oracle
@quiet
@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize("fill_mode", ["reflect", "constant", "wrap", "nearest"])
@pytest.mark.parametrize(("name", "arguments"), [(name, arguments) for name, *arguments in FIXED])
def test_pixels_are_those_of_keras(keras, name, arguments, fill_mode, interpolation):
    x, options = images(2, 11, 9, 3), {"fill_mode": fill_mode, "interpolation": interpolation, "fill_value": 0.4}
    wanted = array(getattr(keras.layers, name)(*arguments, **options)(x, training=True))
    found = trained(getattr(layers, name)(*arguments, **options), x)
    np.testing.assert_allclose(found, wanted, atol=1e-4)


@pytest.mark.oracle
@quiet
@pytest.mark.parametrize("mode", ["horizontal", "vertical"])
def test_flips_are_those_of_keras(keras, mode):
    x = images(6, 5, 4, 3)
    ways = np.unique(array(keras.layers.RandomFlip(mode, seed=1)(np.repeat(x[:1], 20, 0), training=True)), axis=0)
    ours = np.unique(trained(RandomFlip(mode, seed=1), np.repeat(x[:1], 20, 0)), axis=0)
    np.testing.assert_array_equal(ours, ways)


@pytest.mark.oracle
@quiet
def test_tones_are_those_of_keras(keras):
    x = images(2, 5, 4, 3)
    tensor = keras.ops.convert_to_tensor
    ours = RandomContrast((0.3, 0.6), (0.1, 0.8))
    y, (f, _) = ours.forward(x, training=True)
    theirs = keras.layers.RandomContrast((0.3, 0.6), (0.1, 0.8))
    np.testing.assert_allclose(y, array(theirs.transform_images(tensor(x), {"contrast_factor": tensor(f)})), atol=1e-5)
    theirs = keras.layers.RandomBrightness((0.2, 0.2), (0.8, 0.1))(x, training=True)
    np.testing.assert_allclose(trained(RandomBrightness((0.2, 0.2), (0.8, 0.1)), x), array(theirs), atol=1e-5)


@pytest.mark.oracle
@quiet
@pytest.mark.parametrize("size", [(9, 4), (4, 9), (22, 16), (11, 8), (3, 3), (13, 5)])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("Resizing", {}),
        ("Resizing", {"interpolation": "nearest"}),
        ("Resizing", {"crop_to_aspect_ratio": True}),
        ("Resizing", {"pad_to_aspect_ratio": True, "fill_value": 0.3}),
        ("CenterCrop", {}),
    ],
)
def test_sizes_are_those_of_keras(keras, name, options, size):
    x = images(2, 11, 8, 3)
    wanted = array(getattr(keras.layers, name)(*size, **options)(x))
    np.testing.assert_allclose(getattr(layers, name)(*size, **options)(x), wanted, atol=1e-4)


CONFIGURED = [
    RandomFlip("vertical", seed=3),
    RandomRotation((-0.1, 0.3), "wrap", "nearest", 5, 0.25),
    RandomTranslation(0.2, (-0.1, 0.4), "constant", seed=1),
    RandomZoom(0.2),
    RandomZoom(0.2, (0.1, 0.3)),
    RandomContrast((0.1, 0.4), (0, 1)),
    RandomBrightness(0.3, seed=2),
    RandomCrop(5, 4, seed=8),
    CenterCrop(5, 4),
    Resizing(5, 4, "nearest", pad_to_aspect_ratio=True, fill_value=3),
]


@pytest.mark.oracle
@quiet
@pytest.mark.parametrize("layer", CONFIGURED, ids=repr)
def test_settings_travel_to_keras_and_back(keras, layer):
    ours = layer.get_config()
    theirs = getattr(keras.layers, type(layer).__name__).from_config(ours).get_config()
    known = inspect.signature(type(layer)).parameters
    back = type(layer).from_config({"name": layer.name} | {k: v for k, v in theirs.items() if k in known})
    assert back.get_config() == ours
