"""Pictures of the same thing, a little different each time: training data that never repeat themselves.

`ImageDataGenerator` holds settings. What it does to an image, in this order:

    turned, shifted, slanted, zoomed, flipped (one warp) -> an amount added -> made brighter or darker     by chance
    -> preprocessing_function -> rescaled -> standardised by its own mean -> by the data's mean            always

Its `flow` methods make batches of such images from arrays, folders or tables, see `tinyconv.preprocessing.iterators`.
The chance comes first and for itself: `get_random_transform` draws numbers, `apply_transform` is told them. So a whole
batch is drawn at once, and worked on wherever there is time.
"""

import math
import warnings
from typing import Any

import numpy as np

from tinyconv import config, warp
from tinyconv._types import Array
from tinyconv.checks import channels_last, lookup, reject_unknown_arguments, sentence
from tinyconv.preprocessing.flows import Flows
from tinyconv.preprocessing.transforms import (
    affine_matrices,
    check_filling,
    is_number,
    shift_brightness,
    shift_channels,
    two_numbers,
    warp_images,
)

__all__ = ["ImageDataGenerator"]

#: Where each image stands unless something moves it, by the names of `get_random_transform`.
STILL = {"theta": 0.0, "tx": 0.0, "ty": 0.0, "shear": 0.0, "zx": 1.0, "zy": 1.0}

#: Images that `fit` works on at once.
_PIECE = 64


class ImageDataGenerator(Flows):
    """Settings for changing images by chance and bringing them to one scale.

    Args:
        featurewise_center: subtract the mean of the data, by channel; `fit` finds it.
        samplewise_center: subtract each image's own mean.
        featurewise_std_normalization: divide by the standard deviation of the data, by channel; centres too.
        samplewise_std_normalization: divide by each image's own standard deviation; centres too.
        zca_whitening: take out what neighbouring pixels have in common; `fit` finds the matrix. Centres too.
        zca_epsilon: added to the singular values before they divide.
        rotation_range: most degrees that an image is turned by, either way. Degrees: 0.2 is next to nothing.
        width_shift_range, height_shift_range: how far an image is shifted, either way. Below 1 it is a fraction of
            its size, else pixels; a whole number n means -n+1 to n-1 whole pixels; a list names the choices. As in
            Keras, "width" moves it up and down and "height" sideways (see `tinyconv.preprocessing.transforms`).
        brightness_range: pair of factors for the brightness. Rounds to whole numbers of 0 to 255.
        shear_range: most degrees that an image is slanted by, either way.
        zoom_range: pair of factors, or z for (1 - z, 1 + z): below 1 enlarges. Rows and columns get one each.
        channel_shift_range: most that is added to an image, either way; it stays within its least and largest number.
        fill_mode: what stands where an image does not reach: ``'nearest'``, ``'constant'``, ``'reflect'``, ``'wrap'``.
        cval: that number, for ``'constant'``.
        horizontal_flip, vertical_flip: whether every second image or so is flipped.
        rescale: all images are multiplied by it; ``1/255`` gives numbers from 0 to 1. None and 0 leave them.
        preprocessing_function: called with each image (H, W, C) after it was changed and before it is rescaled;
            returns one of the same shape. Random numbers of its own it must seed itself.
        data_format: only ``'channels_last'``.
        validation_split: fraction that `subset` = ``'validation'`` stands for: the first images, of each folder where
            there are folders.
        interpolation_order: 0 takes the nearest pixel, 1 mixes four; 2 to 5 are splines, which need SciPy.
        dtype: ``'float32'`` or ``'float64'``, of the batches; that of `tinyconv.config.floatx` unless given.

    Raises:
        TypeError: for unknown arguments.
        ValueError: for settings that cannot be.

    >>> generator = ImageDataGenerator(rescale=1 / 255, horizontal_flip=True, rotation_range=20)
    >>> images, labels = np.zeros((10, 28, 28, 1)), np.arange(10)
    >>> x, y = next(generator.flow(images, labels, batch_size=4, seed=1))
    >>> x.shape, y
    ((4, 28, 28, 1), array([2, 9, 6, 4]))
    """

    channel_axis, row_axis, col_axis = 3, 1, 2

    def __init__(
        self,
        featurewise_center: bool = False,
        samplewise_center: bool = False,
        featurewise_std_normalization: bool = False,
        samplewise_std_normalization: bool = False,
        zca_whitening: bool = False,
        zca_epsilon: float = 1e-6,
        rotation_range: float = 0,
        width_shift_range: Any = 0.0,
        height_shift_range: Any = 0.0,
        brightness_range: Any = None,
        shear_range: float = 0.0,
        zoom_range: Any = 0.0,
        channel_shift_range: float = 0.0,
        fill_mode: str = "nearest",
        cval: float = 0.0,
        horizontal_flip: bool = False,
        vertical_flip: bool = False,
        rescale: float | None = None,
        preprocessing_function: Any = None,
        data_format: str | None = None,
        validation_split: float = 0.0,
        interpolation_order: int = 1,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        reject_unknown_arguments(ImageDataGenerator, kwargs)
        self.featurewise_center, self.featurewise_std_normalization = featurewise_center, featurewise_std_normalization
        self.samplewise_center, self.samplewise_std_normalization = samplewise_center, samplewise_std_normalization
        self.zca_whitening, self.zca_epsilon = zca_whitening, zca_epsilon
        self.rotation_range = _degrees(rotation_range, "rotation_range")
        self.width_shift_range = _choices(width_shift_range, "width_shift_range")
        self.height_shift_range = _choices(height_shift_range, "height_shift_range")
        self.shear_range = _degrees(shear_range, "shear_range")
        self.channel_shift_range = _number(channel_shift_range, "channel_shift_range")
        pair = (1 - zoom_range, 1 + zoom_range) if is_number(zoom_range) else zoom_range
        self.zoom_range = [*two_numbers(pair, "zoom_range", "ImageDataGenerator")]
        self.brightness_range = brightness_range
        if brightness_range is not None:
            two_numbers(brightness_range, "brightness_range", "ImageDataGenerator")
        check_filling(fill_mode, interpolation_order, "ImageDataGenerator")
        self.fill_mode, self.cval, self.interpolation_order = fill_mode, cval, interpolation_order
        self.horizontal_flip, self.vertical_flip = bool(horizontal_flip), bool(vertical_flip)
        self.rescale = None if rescale is None else _number(rescale, "rescale")
        if preprocessing_function is not None and not callable(preprocessing_function):
            received = f"preprocessing_function={preprocessing_function!r}"
            raise ValueError(sentence("ImageDataGenerator", "a function of one image", received))
        self.preprocessing_function = preprocessing_function
        self.data_format = channels_last(data_format, "ImageDataGenerator")
        if not is_number(validation_split) or not 0 <= validation_split < 1:
            received = f"validation_split={validation_split!r}"
            raise ValueError(sentence("ImageDataGenerator", "validation_split from 0 to below 1", received))
        self.validation_split = validation_split
        self.dtype = dtype if isinstance(dtype, str) else np.dtype(dtype or config.floatx()).name
        lookup("dtype", self.dtype, config.FLOATS)
        self.mean: Array | None = None
        self.std: Array | None = None
        self.zca_whitening_matrix: Array | None = None
        self._centre()

    def _centre(self) -> None:
        """What is divided by a standard deviation, or whitened, is centred first."""
        if self.zca_whitening:
            self._override("zca_whitening", "featurewise_center", True)
            self._override("zca_whitening", "featurewise_std_normalization", False)
        if self.featurewise_std_normalization:
            self._override("featurewise_std_normalization", "featurewise_center", True)
        if self.samplewise_std_normalization:
            self._override("samplewise_std_normalization", "samplewise_center", True)

    def _override(self, setting: str, name: str, value: bool) -> None:
        if bool(getattr(self, name)) != value:
            warnings.warn(f"ImageDataGenerator: {setting}=True sets {name}={value}.", UserWarning, stacklevel=4)
        setattr(self, name, value)

    @property
    def augments(self) -> bool:
        """Whether anything is left to chance."""
        ranges = [self.rotation_range, self.width_shift_range, self.height_shift_range, self.shear_range]
        flips = self.horizontal_flip or self.vertical_flip
        moves = any(map(bool, ranges)) or self.zoom_range != [1, 1] or flips
        return moves or self.channel_shift_range != 0 or self.brightness_range is not None

    # Chance

    def get_random_transform(self, img_shape: tuple[int, ...], seed: Any = None) -> dict[str, Any]:
        """Draw how one image is changed.

        Args:
            img_shape: (H, W, C), for shifts by a fraction.
            seed: a whole number, or a source of random numbers; the stream for augmentation unless given.

        Returns:
            The arguments of `apply_transform`.

        >>> ImageDataGenerator(rotation_range=10).get_random_transform((28, 28, 1), seed=3)["theta"]
        1.0159580514915092
        """
        if seed is None:
            seed = config.stream("augmentation")
        random: Any = seed if hasattr(seed, "uniform") else np.random.RandomState(seed)
        theta = random.uniform(-self.rotation_range, self.rotation_range) if self.rotation_range else 0
        tx = _shift(random, self.height_shift_range, img_shape[0])
        ty = _shift(random, self.width_shift_range, img_shape[1])
        shear = random.uniform(-self.shear_range, self.shear_range) if self.shear_range else 0
        zx, zy = (1, 1) if self.zoom_range == [1, 1] else random.uniform(self.zoom_range[0], self.zoom_range[1], 2)
        flip_horizontal = bool(random.random() < 0.5) and self.horizontal_flip
        flip_vertical = bool(random.random() < 0.5) and self.vertical_flip
        most = self.channel_shift_range
        intensity = random.uniform(-most, most) if most else None
        brightness = None if self.brightness_range is None else random.uniform(*self.brightness_range)
        return {
            "theta": theta,
            "tx": tx,
            "ty": ty,
            "shear": shear,
            "zx": zx,
            "zy": zy,
            "flip_horizontal": flip_horizontal,
            "flip_vertical": flip_vertical,
            "channel_shift_intensity": intensity,
            "brightness": brightness,
        }

    # From numbers to changed images

    def apply_transform(self, x: Any, transform_parameters: dict[str, Any]) -> Array:
        """Change one image (H, W, C) as told.

        Args:
            x: the image, which stays as it is.
            transform_parameters: what `get_random_transform` returns; names that are missing leave the image alone:
                theta, shear (degrees), tx, ty (pixels), zx, zy (factors), flip_horizontal, flip_vertical,
                channel_shift_intensity, brightness.
        """
        image = _one_image(x, "apply_transform")
        known = [*STILL, "flip_horizontal", "flip_vertical", "channel_shift_intensity", "brightness"]
        for name in transform_parameters:
            lookup("transform parameter", name, dict.fromkeys(known))
        return self._transformed(image[None], [transform_parameters])[0]

    def random_transform(self, x: Any, seed: int | None = None) -> Array:
        """Change one image (H, W, C) by chance."""
        return self.apply_transform(x, self.get_random_transform(_one_image(x, "random_transform").shape, seed))

    def standardize(self, x: Array) -> Array:
        """What is done to every image after chance has had its way; one image (H, W, C), in place if it is of floats.

        A batch (N, H, W, C) may be passed too; but then, as in Keras, it has one mean for all its images.
        """
        if self.preprocessing_function:
            x = self.preprocessing_function(x)
        x = np.asarray(x)
        return self._standardized(x if x.dtype.kind == "f" else x.astype(self.dtype), None)

    def prepared(self, images: Array, parameters: list[dict[str, Any]]) -> Array:
        """A batch (N, H, W, C), changed as told by one dictionary for each image and brought to scale.

        Whoever derives a class from this one and changes what is done to an image has it done image by image.
        """
        if any(getattr(type(self), name) is not getattr(ImageDataGenerator, name) for name in _BY_IMAGE):
            pairs = zip(images.astype(_float_of(images, self.dtype)), parameters, strict=True)
            return np.stack([self.standardize(self.apply_transform(x, p)) for x, p in pairs]).astype(self.dtype)
        changed = self._transformed(images, parameters)
        if self.preprocessing_function:
            changed = np.stack([self._preprocessed(image) for image in changed]).astype(changed.dtype, copy=False)
        return self._standardized(changed, (1, 2, 3)).astype(self.dtype, copy=False)

    def _preprocessed(self, image: Array) -> Array:
        found = np.asarray(self.preprocessing_function(image))
        if found.shape != image.shape:
            way_out = "Return an array of the same shape."
            expected = f"an image of shape {image.shape} from it"
            raise ValueError(sentence("preprocessing_function", expected, f"shape {found.shape}", way_out))
        return found

    def _transformed(self, images: Array, parameters: list[dict[str, Any]]) -> Array:
        """(N, H, W, C) -> a new (N, H, W, C) of floats."""
        moved = self._moved(images, parameters)
        intensities = [p.get("channel_shift_intensity") for p in parameters]
        if intensities[0] is not None:
            moved = shift_channels(moved, np.array(intensities))
        factors = [p.get("brightness") for p in parameters]
        return moved if factors[0] is None else shift_brightness(moved, np.array(factors), scale=False)

    def _moved(self, images: Array, parameters: list[dict[str, Any]]) -> Array:
        """Turned, shifted, slanted, zoomed and then flipped, by one warp. Images that only flip are copied."""
        size, dtype = (images.shape[1], images.shape[2]), _float_of(images, self.dtype)
        chosen = {name: np.array([p.get(name, still) for p in parameters], float) for name, still in STILL.items()}
        moves = np.any([chosen[name] != still for name, still in STILL.items()], axis=0)  # (N,)
        down, across = (
            np.array([bool(p.get(name)) for p in parameters]) for name in ("flip_vertical", "flip_horizontal")
        )
        matrices = warp.product(affine_matrices(size, **chosen), warp.flip(size, down, across))  # (N, 2, 3)
        source = images if images.dtype == np.uint8 and dtype == np.float32 else images.astype(dtype, copy=False)
        outside = self.fill_mode, self.cval, self.interpolation_order
        if moves.all():
            return warp_images(source, matrices, *outside)
        result = images.astype(dtype)
        if moves.any():
            result[moves] = warp_images(source[moves], matrices[moves], *outside)
        for i in np.flatnonzero(~moves & (down | across)):
            result[i] = images[i, :: -1 if down[i] else 1, :: -1 if across[i] else 1]
        return result

    def _standardized(self, x: Array, axes: Any) -> Array:
        """Rescale and standardise in place; ``axes`` are those of one image."""
        if self.rescale:
            x *= self.rescale
        if self.samplewise_center:
            x -= x.mean(axes, keepdims=True)
        if self.samplewise_std_normalization:
            x /= x.std(axes, keepdims=True) + 1e-6
        self._warn_if_not_fitted()
        if self.featurewise_center and self.mean is not None:
            x -= self.mean
        if self.featurewise_std_normalization and self.std is not None:
            x /= self.std + 1e-6
        if self.zca_whitening and self.zca_whitening_matrix is not None:
            rows = x.reshape(-1, math.prod(x.shape[-3:]))  # (N, H*W*C)
            x = (rows @ self.zca_whitening_matrix).reshape(x.shape)
        return x

    def _warn_if_not_fitted(self) -> None:
        found = {
            "featurewise_center": self.mean,
            "featurewise_std_normalization": self.std,
            "zca_whitening": self.zca_whitening_matrix,
        }
        for setting, measured in found.items():
            if getattr(self, setting) and measured is None:
                text = f"ImageDataGenerator: {setting} does nothing until fit(images) has seen the data."
                warnings.warn(text, UserWarning, stacklevel=4)

    def fit(self, x: Any, augment: bool = False, rounds: int = 1, seed: int | None = None) -> None:
        """Find the mean, the standard deviation and the whitening of some data, whichever the settings ask for.

        Args:
            x: images (N, H, W, C). They are rescaled first, if ``rescale`` says so.
            augment: whether the data are changed by chance before they are measured.
            rounds: how many times, if so.
            seed: of that chance.

        Raises:
            ValueError: for another number of axes, or no images.
        """
        images = np.array(x, self.dtype)
        if images.ndim != 4 or not len(images):
            way_out = "Grey images need an axis of one channel: x[..., None]." if images.ndim == 3 else ""
            expected = "images of shape (N, H, W, C), at least one"
            raise ValueError(sentence("ImageDataGenerator.fit", expected, f"x.shape={images.shape}", way_out))
        if self.rescale:
            images *= self.rescale
        if augment:
            images = self._augmented(images, rounds, seed)
        if self.featurewise_center:
            self.mean = images.mean((0, 1, 2)).reshape(1, 1, -1)
            images -= self.mean
        if self.featurewise_std_normalization:
            self.std = images.std((0, 1, 2)).reshape(1, 1, -1)
            images /= self.std + 1e-6
        if self.zca_whitening:
            rows = images.reshape(len(images), -1)  # (N, H*W*C)
            u, s, _ = np.linalg.svd(rows.T, full_matrices=False)  # (H*W*C, K), (K,), for K = min(N, H*W*C)
            self.zca_whitening_matrix = (u * (np.sqrt(len(rows)) / (s + self.zca_epsilon))) @ u.T

    def _augmented(self, images: Array, rounds: int, seed: int | None) -> Array:
        random = config.stream("augmentation") if seed is None else np.random.RandomState(seed)
        result = np.empty((rounds * len(images), *images.shape[1:]), images.dtype)
        for start in range(0, len(result), _PIECE):
            out = result[start : start + _PIECE]
            which = np.arange(start, start + len(out)) % len(images)
            chosen = [self.get_random_transform(images.shape[1:], random) for _ in which]
            out[...] = self._transformed(images[which], chosen)
        return result


#: Methods for one image; a batch goes around them as long as they are the ones above.
_BY_IMAGE = ("apply_transform", "standardize")


def _shift(random: Any, most: Any, length: int) -> float:
    """Pixels to shift by: from a list of choices, up to a whole number, or up to a fraction of the image's length."""
    if not most:
        return 0
    if isinstance(most, list) or (isinstance(most, int) and most > 0):
        amount = random.choice(most) * random.choice([-1, 1])
    else:
        amount = random.uniform(-most, most)
    return amount * length if np.max(most) < 1 else amount


def _number(value: Any, name: str) -> Any:
    if not is_number(value):
        raise ValueError(sentence("ImageDataGenerator", f"{name} as a number", f"{name}={value!r}"))
    return value


def _degrees(value: Any, name: str) -> Any:
    """A number of degrees. A fraction of one is warned of: most who write 0.2 mean something else."""
    if 0 < abs(_number(value, name)) < 1:
        text = f"ImageDataGenerator: {name}={value} means at most {abs(value)} degrees, which nobody sees. "
        warnings.warn(text + f"Write {name}=20 for 20 degrees.", UserWarning, stacklevel=3)
    return value


def _choices(value: Any, name: str) -> Any:
    """A number, or a list of numbers."""
    if is_number(value):
        return value
    choices = np.asarray(value).tolist() if isinstance(value, list | tuple | np.ndarray) else None
    if not isinstance(choices, list) or not all(map(is_number, choices)):
        way_out = f"For example {name}=0.2, {name}=3 or {name}=[-3, 0, 3]."
        expected = f"{name} as a fraction, a number of pixels, or a list of them"
        raise ValueError(sentence("ImageDataGenerator", expected, f"{name}={value!r}", way_out))
    return choices


def _one_image(x: Any, where: str) -> Array:
    image = np.asarray(x)
    if image.ndim != 3:
        raise ValueError(sentence(where, "one image (H, W, C)", f"shape {image.shape}"))
    return image


def _float_of(images: Array, dtype: str) -> Any:
    """float64 where that is wanted or there already, else float32."""
    return np.float64 if np.float64 in (images.dtype, np.dtype(dtype)) else np.float32
