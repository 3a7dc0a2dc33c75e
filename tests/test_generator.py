"""ImageDataGenerator: what its settings do to an image and in which order, and settings that cannot be."""

import numpy as np
import pytest

from tinyconv import config, utils
from tinyconv.preprocessing.image import ImageDataGenerator


def photos(n=6, height=8, width=9, channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, height, width, channels), np.uint8)


def changed(settings, images, seed=1):
    """A batch of all images in order, as the settings change them."""
    return next(ImageDataGenerator(**settings).flow(images, batch_size=len(images), shuffle=False, seed=seed))


# Chance


def test_without_settings_nothing_changes():
    images = photos()
    found = changed({}, images)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, images)
    assert not ImageDataGenerator().augments


@pytest.mark.parametrize(
    "settings",
    [
        {"rotation_range": 20},
        {"width_shift_range": 0.2},
        {"height_shift_range": [1, 2]},
        {"shear_range": 10},
        {"zoom_range": 0.1},
        {"zoom_range": (1, 1.5)},
        {"channel_shift_range": 5},
        {"horizontal_flip": True},
        {"vertical_flip": True},
        {"brightness_range": (0.5, 1)},
    ],
)
def test_every_kind_of_chance_changes_images_and_says_so(settings):
    assert ImageDataGenerator(**settings).augments
    images = photos()
    assert not np.array_equal(changed(settings, images), images)


@pytest.mark.parametrize("settings", [{"rescale": 1 / 255}, {"zoom_range": 0}, {"width_shift_range": []}])
def test_what_is_no_chance(settings):
    assert not ImageDataGenerator(**settings).augments


def test_flips_are_whole_and_about_half():
    images = photos(n=64)
    found = changed({"horizontal_flip": True, "vertical_flip": True}, images)
    kinds = [images, images[:, :, ::-1], images[:, ::-1], images[:, ::-1, ::-1]]
    counts = [sum(np.array_equal(f, k) for f, k in zip(found, kind)) for kind in kinds]
    assert sum(counts) == 64
    assert min(counts) > 5


def test_shifts_in_whole_pixels_and_by_choices():
    draws = [
        ImageDataGenerator(height_shift_range=3).get_random_transform((20, 30, 3), seed)["tx"] for seed in range(60)
    ]
    assert {*draws} == {-2, -1, 0, 1, 2}
    generator = ImageDataGenerator(width_shift_range=np.array([0.1, 0.5]))
    draws = [generator.get_random_transform((20, 30, 3), seed)["ty"] for seed in range(60)]
    assert {*np.round(draws)} == {-15, -3, 3, 15}


def test_fractions_are_of_the_height_and_the_width():
    generator = ImageDataGenerator(height_shift_range=0.5, width_shift_range=0.5)
    drawn = [generator.get_random_transform((10, 1000, 1), seed) for seed in range(40)]
    assert 4 < max(abs(d["tx"]) for d in drawn) < 5
    assert 400 < max(abs(d["ty"]) for d in drawn) < 500


def test_images_that_stay_are_not_touched_by_the_warp_of_the_others():
    images = photos()
    images[0] = 0
    parameters = [{}, {"theta": 20.0}, {"tx": 0, "flip_horizontal": True}] * 2
    found = ImageDataGenerator().prepared(images, parameters)
    for i, p in enumerate(parameters):
        np.testing.assert_array_equal(found[i], ImageDataGenerator().apply_transform(images[i], p))
    np.testing.assert_array_equal(found[3], images[3])
    np.testing.assert_array_equal(found[2], images[2, :, ::-1])


def test_bytes_and_floats_are_changed_alike():
    images = photos()
    settings = {"rotation_range": 30, "channel_shift_range": 9, "brightness_range": (0.5, 1), "horizontal_flip": True}
    np.testing.assert_array_equal(changed(settings, images), changed(settings, images.astype(np.float32)))
    np.testing.assert_allclose(changed(settings, images), changed(settings, images.astype(float)), atol=1.01)


def test_both_engines_change_images_alike():
    pytest.importorskip("numba")
    images = photos()
    settings = {"rotation_range": 30, "zoom_range": 0.3, "shear_range": 9, "fill_mode": "reflect"}
    results = []
    for name in config.ENGINES:
        with config.engine(name):
            results.append(changed(settings, images))
    np.testing.assert_allclose(*results, atol=1e-3)


def test_the_given_images_stay_as_they_are():
    images = photos().astype(np.float32)
    before = images.copy()
    changed({"rescale": 2, "samplewise_center": True, "horizontal_flip": True}, images)
    ImageDataGenerator().apply_transform(images[0], {"flip_horizontal": True, "channel_shift_intensity": 5.0})
    np.testing.assert_array_equal(images, before)


def test_a_seed_or_the_global_seed_fixes_chance():
    generator = ImageDataGenerator(rotation_range=30)
    x = photos()[0]
    np.testing.assert_array_equal(generator.random_transform(x, seed=4), generator.random_transform(x, seed=4))
    utils.set_random_seed(7)
    first, second = generator.random_transform(x), generator.random_transform(x)
    assert not np.array_equal(first, second)
    utils.set_random_seed(7)
    np.testing.assert_array_equal(generator.random_transform(x), first)


# What is always done


def test_order_function_then_scale_then_the_images_own_mean():
    seen = []

    def double(x):
        seen.append(x.copy())
        return x * 2

    images = photos()
    found = changed({"preprocessing_function": double, "rescale": 0.5, "samplewise_center": True}, images)
    np.testing.assert_array_equal(seen, images)
    np.testing.assert_allclose(found, images - images.mean((1, 2, 3), keepdims=True), atol=1e-3)


def test_a_function_may_return_whole_numbers():
    found = changed({"preprocessing_function": lambda x: (x > 100).astype(np.uint8), "rescale": 0.5}, photos())
    np.testing.assert_array_equal(found, (photos() > 100) * 0.5)


def test_samplewise():
    found = changed({"samplewise_center": True, "samplewise_std_normalization": True}, photos())
    np.testing.assert_allclose(found.mean((1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(found.std((1, 2, 3)), 1, atol=1e-4)


def test_featurewise_is_by_channel():
    images = photos(n=20) * np.array([1, 0.5, 0.1])
    generator = ImageDataGenerator(featurewise_center=True, featurewise_std_normalization=True)
    generator.fit(images)
    assert generator.mean.shape == generator.std.shape == (1, 1, 3)
    found = next(generator.flow(images, batch_size=20))
    np.testing.assert_allclose(found.mean((0, 1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(found.std((0, 1, 2)), 1, atol=1e-4)


def test_whitened_pixels_have_nothing_in_common():
    mixing = np.random.default_rng(1).normal(size=(12, 12))
    images = (np.random.default_rng(0).normal(size=(200, 12)) @ mixing).reshape(200, 2, 2, 3)
    generator = ImageDataGenerator(featurewise_center=True, zca_whitening=True, dtype="float64")
    generator.fit(images)
    rows = next(generator.flow(images, batch_size=200)).reshape(200, 12)
    np.testing.assert_allclose(rows.T @ rows / 200, np.eye(12), atol=1e-6)


def test_fit_measures_rescaled_and_changed_images():
    images = photos()
    generator = ImageDataGenerator(featurewise_center=True, rescale=0.5, height_shift_range=3, fill_mode="constant")
    generator.fit(images)
    plain = generator.mean
    np.testing.assert_allclose(plain.ravel(), images.mean((0, 1, 2)) / 2, rtol=1e-5)
    generator.fit(images, augment=True, rounds=2, seed=1)
    assert (generator.mean < plain).all()  # zeros came in at the edges


def test_a_batch_to_standardize_has_one_mean():
    images = photos().astype(np.float32)
    found = ImageDataGenerator(samplewise_center=True).standardize(images)
    assert found is images
    assert abs(found.mean()) < 1e-3
    assert abs(found[0].mean()) > 1e-2


def test_standardize_takes_bytes():
    found = ImageDataGenerator(rescale=0.5).standardize(np.full((2, 2, 1), 9, np.uint8))
    assert found[0, 0, 0] == 4.5


def test_a_class_of_ones_own_has_its_methods_called():
    class Inverted(ImageDataGenerator):
        def standardize(self, x):
            return 255 - x

    images = photos()
    np.testing.assert_array_equal(next(Inverted().flow(images, shuffle=False)), 255.0 - images)


@pytest.mark.parametrize("setting", ["featurewise_center", "zca_whitening"])
def test_without_fit_there_is_a_warning(setting):
    with pytest.warns(UserWarning, match="does nothing until fit") as warned:
        next(ImageDataGenerator(**{"featurewise_center": True, setting: True}).flow(photos()))
    assert any(setting in str(one.message) for one in warned)


@pytest.mark.parametrize(
    ("settings", "name", "value"),
    [
        ({"zca_whitening": True}, "featurewise_center", True),
        (
            {"zca_whitening": True, "featurewise_center": True, "featurewise_std_normalization": True},
            "featurewise_std_normalization",
            False,
        ),
        ({"featurewise_std_normalization": True}, "featurewise_center", True),
        ({"samplewise_std_normalization": True}, "samplewise_center", True),
    ],
)
def test_settings_that_set_others_say_so(settings, name, value):
    with pytest.warns(UserWarning, match=f"sets {name}={value}"):
        generator = ImageDataGenerator(**settings)
    assert getattr(generator, name) is value


# What cannot be


@pytest.mark.parametrize("name", ["rotation_range", "shear_range"])
def test_a_fraction_of_a_degree_is_warned_of(name):
    with pytest.warns(UserWarning, match=rf"{name}=0.2 means at most 0.2 degrees.*{name}=20"):
        ImageDataGenerator(**{name: 0.2})


def test_an_argument_cut_off_is_guessed():
    with pytest.raises(TypeError, match="Did you mean 'rotation_range'"):
        ImageDataGenerator(rescale=1 / 255, horizontal_flip=True, rotation=0.2, height_shift_range=0.2)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"rotation_range": "20"}, "rotation_range as a number"),
        ({"rotation_range": (10, 20)}, "rotation_range as a number"),
        ({"shear_range": np.nan}, "shear_range as a number"),
        ({"width_shift_range": "0.2"}, "width_shift_range as a fraction, a number of pixels, or a list"),
        ({"height_shift_range": [1, "a"]}, "height_shift_range as a fraction"),
        ({"zoom_range": (0.5, 1, 2)}, "zoom_range as a pair"),
        ({"zoom_range": "0.5"}, "zoom_range as a pair"),
        ({"brightness_range": 0.5}, "brightness_range as a pair"),
        ({"fill_mode": "edge"}, "fill_mode 'edge'"),
        ({"fill_mode": "nearst"}, "Did you mean 'nearest'"),
        ({"interpolation_order": 7}, "from 0 to 5"),
        ({"data_format": "channels_first"}, "transpose"),
        ({"validation_split": 1}, "validation_split from 0 to below 1"),
        ({"validation_split": -0.1}, "validation_split from 0 to below 1"),
        ({"preprocessing_function": 3}, "a function of one image"),
        ({"rescale": "1/255"}, "rescale as a number"),
        ({"dtype": "uint8"}, "dtype 'uint8'"),
    ],
)
def test_settings_that_cannot_be(settings, words):
    with pytest.raises(ValueError, match=words):
        ImageDataGenerator(**settings)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda g: g.fit(photos()[0]), ValueError, r"\(N, H, W, C\).*x\[..., None\]"),
        (lambda g: g.fit(photos()[:0]), ValueError, "at least one"),
        (lambda g: g.apply_transform(photos(), {}), ValueError, "one image"),
        (lambda g: g.random_transform(photos()), ValueError, "one image"),
        (lambda g: g.apply_transform(photos()[0], {"thta": 3}), ValueError, "Did you mean 'theta'"),
        (lambda g: g.flow(photos(), batchsize=3), TypeError, "Did you mean 'batch_size'"),
        (lambda g: g.flow_from_directory(".", image_size=3), TypeError, "flow_from_directory"),
        (lambda g: g.flow_from_dataframe({}, x_column="a"), TypeError, "Did you mean 'x_col'"),
    ],
)
def test_errors(call, error, words):
    with pytest.raises(error, match=words):
        call(ImageDataGenerator())


def test_a_function_that_returns_another_shape():
    with pytest.raises(ValueError, match=r"preprocessing_function: expected an image of shape \(8, 9, 3\)"):
        changed({"preprocessing_function": lambda x: x[..., 0]}, photos())
