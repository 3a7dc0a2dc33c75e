"""Image files, usual and odd ones, as images and arrays and back."""

import io
import re
import warnings
import zipfile

import numpy as np
import pytest
from data_files import picture, write, zipped
from oracle import array, load_keras
from PIL import Image

from tinyconv.preprocessing.files import (
    UnreadableImageError,
    array_to_img,
    img_to_array,
    load_img,
    read_image,
    save_img,
)
from tinyconv.preprocessing.resizing import resize, smart_resize
from tinyconv.utils import image_utils

PHOTO = np.random.default_rng(0).integers(0, 256, (7, 11, 3), np.uint8)


def saved(tmp_path, image, name="a.png", **settings):
    image.save(tmp_path / name, **settings)
    return tmp_path / name


@pytest.fixture
def photo(tmp_path):
    return saved(tmp_path, Image.fromarray(PHOTO))


def lying():
    """A photo whose upper half is white, and the settings that make it one taken with the camera held upright."""
    image = Image.new("RGB", (16, 8))
    image.paste((255, 255, 255), (0, 0, 16, 4))
    exif = Image.Exif()
    exif[0x0112] = 6  # Orientation: turn the picture clockwise
    return image, {"exif": exif}


# Reading


def test_an_image_is_read_as_it_is(photo):
    image = load_img(photo)
    assert image.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(image), PHOTO)


@pytest.mark.parametrize("kind", [str, lambda p: p, lambda p: str(p).encode(), lambda p: io.BytesIO(p.read_bytes())])
def test_a_path_may_be_of_many_kinds(photo, kind):
    np.testing.assert_array_equal(np.asarray(load_img(kind(photo))), PHOTO)


def test_an_image_inside_a_zip_file(tmp_path, photo):
    write(tmp_path, {"a.zip": zipped({"b/c.png": photo.read_bytes(), "b/d.png": b"no"})})
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        np.testing.assert_array_equal(np.asarray(load_img(zipfile.Path(archive, "b/c.png"))), PHOTO)
        with pytest.raises(UnreadableImageError, match=r"^image .*a.zip/b/d.png: .*no image"):
            load_img(zipfile.Path(archive, "b/d.png"))


def test_an_in_memory_file_is_read_from_its_beginning(photo):
    file = io.BytesIO(photo.read_bytes())
    file.read(5)
    assert load_img(file).size == (11, 7)


@pytest.mark.parametrize(("mode", "shape"), [("rgb", (7, 11, 3)), ("rgba", (7, 11, 4)), ("grayscale", (7, 11))])
def test_colour_modes(photo, mode, shape):
    assert np.asarray(load_img(photo, mode)).shape == shape


def test_the_size_is_height_and_width(photo):
    assert load_img(photo, target_size=(5, 3)).size == (3, 5)
    assert load_img(photo, target_size=4).size == (4, 4)


def test_what_does_not_fit_is_cut_off_the_middle(tmp_path):
    wide = np.zeros((4, 10, 3), np.uint8)
    wide[:, 3:7] = 9
    image = load_img(saved(tmp_path, Image.fromarray(wide)), target_size=(2, 2), keep_aspect_ratio=True)
    assert (np.asarray(image) == 9).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"color_mode": "RGB"}, r"color_mode 'RGB': expected one of 'grayscale', 'rgb', 'rgba'"),
        ({"interpolation": "bilinaer"}, r"interpolation 'bilinaer': .* Did you mean 'bilinear'\?"),
        ({"target_size": (100, 100, 3)}, r"load_img: expected target_size as one or two whole numbers from 1"),
        ({"target_size": (0, 5)}, r"target_size=\(0, 5\)"),
    ],
)
def test_wrong_arguments(photo, arguments, message):
    with pytest.raises(ValueError, match=message):
        load_img(photo, **arguments)


@pytest.mark.parametrize("path", [None, 3, PHOTO])
def test_what_is_no_path(path):
    with pytest.raises(TypeError, match=r"load_img: expected a path .* or io.BytesIO as path. Received \w+"):
        load_img(path)


# Odd files


@pytest.mark.parametrize(
    ("contents", "reason"),
    [
        (b"", "an empty file"),
        ("Dear diary", "something that is no image"),
        (picture(40, 40, kind="JPEG")[:-40], "a file that is cut short"),
        (picture(40, 40, kind="JPEG")[:300], "a file that is cut short"),
        (picture()[:-30], "a file that is cut short"),
        (picture()[:40], "something that is no image"),
        (picture(kind="GIF")[:-8], "a file that is cut short"),
        (picture(kind="BMP")[:-8], "a file that is cut short"),
    ],
    ids=["empty", "text", "cut JPEG", "JPEG header", "cut PNG", "PNG header", "cut GIF", "cut BMP"],
)
@pytest.mark.parametrize("target_size", [None, (3, 5)])
def test_damaged_files_are_named(tmp_path, contents, reason, target_size):
    write(tmp_path, {"bad one.jpg": contents})
    start = re.escape(f"image {tmp_path / 'bad one.jpg'}: expected a file that Pillow can read. Received ")
    with pytest.raises(UnreadableImageError, match=f"^{start}.*({reason}).*Remove or replace it"):
        load_img(tmp_path / "bad one.jpg", target_size=target_size)


def test_damaged_contents_in_memory():
    with pytest.raises(ValueError, match=r"^image in io.BytesIO: expected a file that Pillow can read"):
        load_img(io.BytesIO(b"no"))


def test_programs_that_expect_the_errors_of_pillow_go_on(tmp_path):
    write(tmp_path, {"a.jpg": b"no"})
    with pytest.raises(OSError, match="no image"):
        load_img(tmp_path / "a.jpg")


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"^image .*nowhere.jpg: .* Received no file of this name"):
        load_img(tmp_path / "nowhere.jpg")


def test_folder(tmp_path):
    with pytest.raises(UnreadableImageError, match=r"Received a folder\. Name a file in it\.$"):
        load_img(tmp_path)


def test_file_that_may_not_be_read(photo, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pathlib.Path.read_bytes", refuse)
    with pytest.raises(
        UnreadableImageError, match=f"^image {re.escape(str(photo))}: .*may not read. Change its permissions"
    ):
        load_img(photo)


def test_file_that_claims_to_be_huge(photo, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 30)
    with pytest.raises(
        UnreadableImageError, match=r"more pixels than .* If you trust the file, set PIL.Image.MAX_IMAG"
    ):
        load_img(photo)


@pytest.mark.parametrize("action", ["error", "ignore"])
def test_a_file_of_which_pillow_only_warns_is_refused(photo, monkeypatch, action):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)  # 77 pixels: a warning of Pillow's, not yet an error
    with warnings.catch_warnings():
        warnings.simplefilter(action)
        for read in (load_img, lambda path: read_image(path, (3, 3))):
            with pytest.raises(UnreadableImageError, match="more pixels than Pillow takes for harmless"):
                read(photo)


def test_a_warning_that_is_made_an_error_is_not_blamed_on_the_file(photo, monkeypatch):
    monkeypatch.setattr(Image, "open", lambda file: warnings.warn("odd", UserWarning, stacklevel=2))
    with pytest.raises(UserWarning, match=r"^odd$"):
        load_img(photo)


def test_grey_of_16_bits_keeps_them(tmp_path):
    values = np.array([[0, 255, 256, 65535]], np.uint16)
    path = saved(tmp_path, Image.fromarray(values))
    np.testing.assert_array_equal(img_to_array(load_img(path, "grayscale"))[..., 0], values)


@pytest.mark.parametrize("mode", ["rgb", "rgba"])
def test_grey_of_16_bits_becomes_8_in_colour(tmp_path, mode):
    path = saved(tmp_path, Image.fromarray(np.array([[0, 128, 129, 257, 32768, 65535]], np.uint16)))
    image = np.asarray(load_img(path, mode))
    np.testing.assert_array_equal(image[0, :, :3], np.transpose([[0, 0, 1, 1, 128, 255]] * 3))


def test_grey_of_32_bits_becomes_8_in_colour(tmp_path):
    path = saved(tmp_path, Image.fromarray(np.array([[-5, 257, 10**6]], np.int32)), "a.tif")
    np.testing.assert_array_equal(np.asarray(load_img(path))[0, :, 0], [0, 1, 255])


def test_cmyk_becomes_rgb(tmp_path):
    path = saved(tmp_path, Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "a.jpg")
    assert np.abs(np.asarray(load_img(path)).astype(int) - [255, 0, 0]).max() < 6


def with_palette(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    return saved(tmp_path, image, transparency=bytes([0, 255]))


@pytest.mark.parametrize(
    ("mode", "pixels"),
    [("rgb", [[10, 20, 30], [40, 50, 60]]), ("rgba", [[10, 20, 30, 0], [40, 50, 60, 255]]), ("grayscale", [18, 48])],
)
def test_palette_with_transparency(tmp_path, mode, pixels):
    np.testing.assert_array_equal(np.asarray(load_img(with_palette(tmp_path), mode))[0], pixels)


def test_animation_gives_its_first_picture(tmp_path):
    frames = [Image.new("RGB", (5, 4), colour) for colour in ("red", "lime", "blue")]
    path = saved(tmp_path, frames[0], "a.gif", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(np.asarray(load_img(path)), np.full((4, 5, 3), [255, 0, 0]))


def test_photos_are_turned_only_if_asked(tmp_path):
    image, settings = lying()
    path = saved(tmp_path, image, "a.jpg", **settings)
    assert load_img(path).size == (16, 8)
    upright = load_img(path, upright=True)
    assert upright.size == (8, 16)
    assert np.asarray(upright)[:, 5:].min() > 200


def test_read_image_turns_photos_and_resizes_them(tmp_path):
    image, settings = lying()
    turned = read_image(saved(tmp_path, image, "a.jpg", **settings), (16, 16))
    assert (turned.shape, turned.dtype) == ((16, 16, 3), np.uint8)
    assert turned[:, 10:].min() > 200
    assert turned[:, :6].max() < 50


def test_read_image_keeps_the_colours_of_a_large_jpeg(tmp_path):
    write(tmp_path, {"a.jpg": picture(1600, 1200, kind="JPEG")})
    assert np.abs(read_image(tmp_path / "a.jpg", (10, 12)).astype(int) - [200, 100, 50]).max() < 5


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "1", "CMYK"])
def test_every_image_becomes_rgb(tmp_path, mode):
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    Image.new("RGB", (4, 4), (255, 255, 255)).convert(mode).save(path)
    np.testing.assert_array_equal(read_image(path, (4, 4)), np.full((4, 4, 3), 255))


# Arrays


def test_an_image_as_an_array():
    x = img_to_array(Image.fromarray(PHOTO))
    assert (x.shape, x.dtype) == ((7, 11, 3), np.float32)
    np.testing.assert_array_equal(x, PHOTO)


def test_a_grey_image_gets_a_channel():
    assert img_to_array(Image.fromarray(PHOTO[..., 0])).shape == (7, 11, 1)
    assert img_to_array(PHOTO[..., 0], "channels_first", "uint8").shape == (1, 7, 11)


def test_channels_first():
    np.testing.assert_array_equal(img_to_array(PHOTO, "channels_first"), PHOTO.transpose(2, 0, 1))


def test_the_note_on_sign_digits_imports_from_image_utils():
    assert image_utils.img_to_array is img_to_array


def test_a_path_is_no_image():
    with pytest.raises(TypeError, match=r"the path 'a.jpg'. Read it first: load_img\(\)"):
        img_to_array("a.jpg")


@pytest.mark.parametrize("shape", [(5,), (1, 2, 3, 4)])
def test_arrays_that_are_no_image(shape):
    with pytest.raises(ValueError, match=r"img_to_array: expected one image of shape \(H, W\) or \(H, W, C\)"):
        img_to_array(np.zeros(shape))


@pytest.mark.parametrize("function", [img_to_array, array_to_img])
def test_unknown_layout(function):
    with pytest.raises(
        ValueError, match=r"data_format='channels_last' or 'channels_first'. Received data_format='NHWC'"
    ):
        function(PHOTO, "NHWC")


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_an_array_as_an_image(channels, mode):
    x = np.arange(2 * 3 * channels).reshape(2, 3, channels) % 251
    image = array_to_img(x, scale=False)
    assert image.mode == mode
    np.testing.assert_array_equal(img_to_array(image), x)


def test_values_are_stretched():
    image = np.asarray(array_to_img([[[-1.0], [0.0], [3.0]]]))
    np.testing.assert_array_equal(image, [[0, 63, 255]])


@pytest.mark.parametrize("value", [0.0, 7.0, -3.0])
def test_a_constant_image_is_black(value):
    assert not np.asarray(array_to_img(np.full((2, 2, 3), value))).any()


def test_grey_above_255_gets_32_bits():
    image = array_to_img(np.array([[[0], [300]]]), scale=False)
    assert image.mode == "I"
    assert img_to_array(image).max() == 300


def test_the_array_stays_as_it_was():
    x = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    array_to_img(x)
    np.testing.assert_array_equal(x.ravel(), np.arange(12))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((1, 2, 2, 3)), r"\(1, 2, 2, 3\). Take one image of a batch: x\[0\]"),
        (np.zeros((2, 2)), r"\(2, 2\). Add the channel: x\[..., None\]"),
        (np.zeros((3, 28, 28)), r"1, 3 or 4 channels. Received x.shape=\(3, 28, 28\)"),
        (np.array([[[0.0], [np.nan]]]), r"finite numbers. Received nan at x\[0, 1, 0\]"),
    ],
)
def test_arrays_that_cannot_be_shown(x, message):
    with pytest.raises(ValueError, match=message):
        array_to_img(x)


# Writing


def test_what_is_saved_is_read_again(tmp_path):
    for path in (tmp_path / "a.png", str(tmp_path / "b.bmp")):
        save_img(path, PHOTO, scale=False)
        np.testing.assert_array_equal(np.asarray(load_img(path)), PHOTO)
    assert {p.name for p in tmp_path.iterdir()} == {"a.png", "b.bmp"}


def test_channels_first_are_saved(tmp_path):
    save_img(tmp_path / "a.png", PHOTO.transpose(2, 0, 1), "channels_first", scale=False)
    np.testing.assert_array_equal(np.asarray(load_img(tmp_path / "a.png")), PHOTO)


@pytest.mark.parametrize("name", ["a.jpg", "a.JPEG"])
def test_transparency_is_dropped_for_jpeg(tmp_path, name):
    with pytest.warns(UserWarning, match="JPEG format does not support RGBA"):
        save_img(tmp_path / name, np.full((4, 4, 4), 100), scale=False, quality=100)
    assert load_img(tmp_path / name).mode == "RGB"


def test_an_open_file_needs_a_format():
    file = io.BytesIO()
    save_img(file, PHOTO, file_format="jpg")
    assert Image.open(file).format == "JPEG"
    with pytest.raises(ValueError, match=r"save_img: expected an ending or file_format that Pillow can write"):
        save_img(io.BytesIO(), PHOTO)


@pytest.mark.parametrize("name", ["a", "a.jpgg", "a.txt"])
def test_unknown_ending(tmp_path, name):
    with pytest.raises(ValueError, match=rf"^image .*{name}: expected an ending or file_format that Pillow can write"):
        save_img(tmp_path / name, PHOTO)
    assert not list(tmp_path.iterdir())


def test_a_format_that_cannot_hold_the_image(tmp_path):
    write(tmp_path, {"a.jpg": b"old"})
    with pytest.raises(ValueError, match=r"an image that jpeg can hold. Received .*I.* Use png"):
        save_img(tmp_path / "a.jpg", np.full((2, 2, 1), 300), scale=False)
    assert (tmp_path / "a.jpg").read_bytes() == b"old"


def test_a_folder_that_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"a folder that exists. Received no folder .*nowhere"):
        save_img(tmp_path / "nowhere" / "a.png", PHOTO)


# Resizing


def test_bilinear_by_hand():
    x = np.array([[0.0, 4.0], [8.0, 12.0]])[..., None]
    expected = [[0, 1, 3, 4], [2, 3, 5, 6], [6, 7, 9, 10], [8, 9, 11, 12]]
    np.testing.assert_allclose(resize(x, (4, 4))[..., 0], expected)


def test_bicubic_by_hand():
    # Half a pixel from two pixels each: weights -1/16, 9/16, 9/16, -1/16, and at the border 9/17, 9/17, -1/17.
    x = np.array([0.0, 16.0, 0.0, 0.0]).reshape(1, 4, 1)
    np.testing.assert_allclose(resize(x, (1, 2), "bicubic").ravel(), [16 * 9 / 17, -16 / 17])


def test_nearest_keeps_the_type():
    x = np.arange(4, dtype=np.uint8).reshape(1, 4, 1)
    y = resize(x, (2, 2), "nearest")
    assert y.dtype == np.uint8
    np.testing.assert_array_equal(y[..., 0], [[1, 3], [1, 3]])


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"])
def test_resizing_laws(interpolation):
    x = PHOTO.astype(np.float32)
    np.testing.assert_array_equal(resize(x, (7, 11), interpolation), x)
    constant = resize(np.full((3, 5, 2), 7.0), (8, 2), interpolation)
    np.testing.assert_allclose(constant, 7)
    batch = resize(np.stack([x, 2 * x]), (4, 13), interpolation)
    np.testing.assert_allclose(batch[1], 2 * resize(x, (4, 13), interpolation), rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_resizing_hides_no_nan(wrong):
    x = np.zeros((4, 4, 1), np.float32)
    x[1, 2] = wrong
    with np.errstate(invalid="ignore"):
        assert not np.isfinite(resize(x, (8, 8))).all()


def test_smart_resize_takes_the_middle():
    x = np.zeros((4, 10, 1))
    x[:, 3:7] = 9
    np.testing.assert_array_equal(smart_resize(x, (2, 2)), np.full((2, 2, 1), 9))
    np.testing.assert_array_equal(smart_resize(x[None], 2)[0], smart_resize(x, (2, 2)))


def test_smart_resize_with_channels_first():
    expected = smart_resize(PHOTO, (5, 4)).transpose(2, 0, 1)
    np.testing.assert_array_equal(
        smart_resize(PHOTO.transpose(2, 0, 1), (5, 4), data_format="channels_first"), expected
    )


def test_smart_resize_wants_images():
    with pytest.raises(ValueError, match=r"smart_resize: expected \(H, W, C\) or \(N, H, W, C\)"):
        smart_resize(np.zeros((4, 4)), (2, 2))


# Beside Keras


@pytest.mark.oracle
@pytest.mark.parametrize("color_mode", ["rgb", "rgba", "grayscale"])
@pytest.mark.parametrize("keep", [False, True])
def test_load_img_is_that_of_keras(tmp_path, color_mode, keep):
    keras = load_keras()
    for i, mode in enumerate(["RGB", "L", "LA", "P", "RGBA", "1", "CMYK"]):
        path = saved(tmp_path, Image.fromarray(PHOTO).convert(mode), f"{i}.{'tif' if mode == 'CMYK' else 'png'}")
        for method in ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos"):
            for size in (None, (3, 9), (20, 10)):
                ours = load_img(path, color_mode, size, method, keep)
                theirs = keras.utils.load_img(path, color_mode, size, method, keep)
                assert ours.mode == theirs.mode
                np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


@pytest.mark.oracle
@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
def test_arrays_are_those_of_keras(scale, channels, layout):
    keras = load_keras()
    x = np.random.default_rng(1).uniform(0, 255, (4, 6, channels) if layout == "channels_last" else (channels, 4, 6))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Keras names the mode, which Pillow has for itself
        theirs = keras.utils.array_to_img(x, layout, scale)
    ours = array_to_img(x, layout, scale)
    assert ours.mode == theirs.mode
    np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))
    again = img_to_array(ours, layout)
    assert again.dtype == np.float32
    np.testing.assert_array_equal(again, keras.utils.img_to_array(theirs, layout))


@pytest.mark.oracle
@pytest.mark.parametrize("size", [(5, 9), (20, 31), (7, 4), (1, 1)])
@pytest.mark.parametrize("method", ["bilinear", "nearest"])
def test_smart_resize_is_that_of_keras(size, method):
    keras = load_keras()
    x = np.random.default_rng(2).uniform(0, 255, (2, 13, 17, 3)).astype(np.float32)
    theirs = array(keras.preprocessing.image.smart_resize(keras.ops.convert_to_tensor(x), size, method))
    np.testing.assert_allclose(smart_resize(x, size, method), theirs, atol=1e-3)
