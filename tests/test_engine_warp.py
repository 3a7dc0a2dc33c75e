"""The warp kernel against the plain warp, and the layers that it runs against themselves."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

pytest.importorskip("numba")

from engine_cases import guarded, intact

from tinyconv import Input, Model, Sequential, config
from tinyconv import warp as w
from tinyconv.engine.blocks.build import make
from tinyconv.engine.kernels import warp as kernels
from tinyconv.engine.warping import kernel_for, run, warped
from tinyconv.layers import Conv2D, Dense, Dropout, Flatten, RandomFlip, RandomRotation, RandomTranslation, RandomZoom

#: (N, H, W, C) and the size of the result: odd ones, single rows and pixels, each number of channels that has a loop.
SIZES = [
    ((3, 7, 6, 3), (5, 8)),
    ((2, 9, 4, 1), (9, 4)),
    ((2, 1, 5, 2), (3, 4)),
    ((2, 1, 1, 4), (3, 2)),
    ((1, 6, 1, 3), (1, 1)),
]

every_mode = pytest.mark.parametrize("fill_mode", w.FILL_MODES)
every_interpolation = pytest.mark.parametrize("interpolation", w.INTERPOLATIONS)
every_dtype = pytest.mark.parametrize("dtype", ["uint8", "float32"])


def images(shape, dtype, seed=0):
    """Pixels, with some that are special where there can be any."""
    x = np.random.default_rng(seed).uniform(0, 255, shape).astype(dtype)
    if dtype == "float32" and x.size > 60:
        x.flat[[5, 31, 47]] = np.nan, np.inf, -np.inf
    return x


def matrices(n, seed=0, reach=6):
    found = np.random.default_rng(seed).normal(size=(n, 2, 3)) * [1, 1, reach]
    found[::2] = np.round(2 * found[::2]) / 2  # points on cells, and just between two
    return found


def same(found, wanted):
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)
    assert found.dtype == np.float32


@config.silent_floats()  # which kernels are by nature, but not where they run as plain Python
@every_mode
@every_interpolation
@every_dtype
@pytest.mark.parametrize(("shape", "size"), SIZES, ids=str)
def test_equals_the_plain_warp(fill_mode, interpolation, dtype, shape, size):
    x, start, stop = guarded(images(shape, dtype), dtype), len(shape) - 4, shape[0]
    settings = {"fill_mode": fill_mode, "interpolation": interpolation}
    for seed, fill in enumerate((1.7, np.inf, np.nan)):
        m = matrices(len(x), seed)
        out = guarded(np.full((len(x), *size, shape[3]), 9.0))
        run(x, start, stop, w.lines(m, size), out, fill_value=fill, **settings)
        same(np.asarray(out), w.warp(x, m, size=size, fill_value=fill, **settings))
        assert intact(out)


@every_dtype
def test_only_the_images_asked_for(dtype):
    x, m = images((5, 4, 3, 2), dtype), matrices(5)
    out = np.full((5, 4, 3, 2), 9, "float32")
    run(x, 2, 4, w.lines(m, (4, 3)), out, "reflect", 0.0, "bilinear")
    same(out[2:4], w.warp(x[2:4], m[2:4], fill_mode="reflect"))
    assert (out[[0, 1, 4]] == 9).all()


@every_mode
@every_interpolation
def test_standing_still_changes_nothing_up_to_the_corners(fill_mode, interpolation):
    x = images((2, 5, 4, 3), "uint8")
    still = np.tile(np.eye(2, 3), (2, 1, 1))
    np.testing.assert_array_equal(warped(x, still, fill_mode=fill_mode, fill_value=7, interpolation=interpolation), x)


def test_the_modes_have_the_same_numbers():
    for code, name in enumerate(w.FILL_MODES):
        assert getattr(kernels, name.upper().replace("-", "_")) == code


def test_a_kernel_for_each_type():
    found = {kernel_for(np.zeros(1, dtype)) for dtype in ("uint8", "float32")}
    assert found == {kernels.warp_bytes, kernels.warp_floats}


# warped


@pytest.mark.parametrize("engine", ["numba", "numpy"])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64", "int32", "bool"])
def test_any_type_becomes_float32(dtype, engine):
    x, m = (3 * np.arange(30).reshape(1, 5, 3, 2)).astype(dtype), w.rotation(20)
    with config.engine(engine):
        same(warped(x, m), w.warp(x.astype("float32"), m))


@pytest.mark.parametrize("engine", ["numba", "numpy"])
def test_result_goes_where_it_should(engine):
    x, out = images((2, 5, 4, 3), "uint8"), np.zeros((2, 3, 3, 3), "float32")
    with config.engine(engine):
        assert warped(x, w.rotation(20), size=(3, 3), out=out) is out
    same(out, w.warp(x, w.rotation(20), size=(3, 3)))


def test_arrays_in_any_order():
    x = images((4, 5, 6, 3), "float32")
    turned = np.asfortranarray(x)[::2, ::-1]
    turned.flags.writeable = False
    same(warped(turned, w.rotation(20)), w.warp(turned, w.rotation(20)))


@pytest.mark.parametrize(
    "out", [np.zeros((2, 5, 4, 3)), np.zeros((2, 5, 4, 1), "f4"), np.zeros((2, 5, 8, 3), "f4")[:, :, ::2]]
)
def test_wrong_out(out):
    with pytest.raises(ValueError, match=r"warped: expected out as float32 of shape \(2, 5, 4, 3\)"):
        warped(images((2, 5, 4, 3), "uint8"), w.affine(), out=out)


def test_errors_are_those_of_warp():
    with pytest.raises(ValueError, match="numbers up to"):
        warped(np.zeros((1, 2, 2, 1), np.uint8), np.full((2, 3), np.inf))


def test_several_threads_at_once():
    x, several = images((6, 12, 11, 3), "uint8"), [matrices(6, seed) for seed in range(24)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda m: warped(x, m), several))
    for one, m in zip(found, several):
        same(one, w.warp(x, m))


# Layers


LAYERS = {
    "flip": lambda: RandomFlip(),
    "rotation": lambda: RandomRotation(0.2),
    "translation": lambda: RandomTranslation(0.2, 0.4, "constant", fill_value=0.3),
    "zoom": lambda: RandomZoom((-0.2, 0.5), fill_mode="wrap", interpolation="nearest", seed=3),
}


def outputs(new, x, engine):
    """Two batches in training."""
    config.set_random_seed(7)
    with config.engine(engine):
        entrance = Input(x.shape[1:])
        model = Model(entrance, new()(entrance))
        return [model(part, training=True) for part in (x, x[:3])]


@pytest.mark.parametrize("kind", LAYERS)
def test_both_engines_draw_the_same(kind):
    x = np.random.default_rng(0).random((5, 9, 8, 3)).astype("float32")
    for one, other in zip(outputs(LAYERS[kind], x, "numba"), outputs(LAYERS[kind], x, "numpy"), strict=True):
        same(np.asarray(one), np.asarray(other))
        assert np.abs(one - x[: len(one)]).max() > 0.1


def network():
    """Augmentation before everything, and once more behind parameters."""
    return Sequential(
        [
            Input((9, 8, 2)), RandomFlip(), RandomRotation(0.1), Conv2D(4, 3, activation="relu"), Dropout(0.2),
            RandomTranslation(0.2, 0.2, seed=4), Flatten(), Dense(3, activation="softmax"),
        ]
    )  # fmt: skip


@pytest.mark.parametrize("threads", [1, 3])
def test_training_is_the_same_on_both_engines(threads):
    rng = np.random.default_rng(0)
    x, y = rng.random((25, 9, 8, 2)).astype("float32"), rng.integers(0, 3, 25)
    losses = []
    config.set_threads(threads)
    try:
        for engine in ("numba", "numpy"):
            config.set_random_seed(5)
            with config.engine(engine):
                model = network()
                model.compile("sgd", "sparse_categorical_crossentropy")
                losses.append(model.fit(x, y, epochs=2, batch_size=8, verbose=0).history["loss"])
    finally:
        config.set_threads(None)
    np.testing.assert_allclose(*losses, rtol=1e-5)


def test_the_plan_runs_them_as_blocks(capsys):
    model = network()
    model.plan()
    assert capsys.readouterr().out.count("point by point") == 3


def test_without_a_wish_for_the_gradient_there_is_none():
    block = make("warp", "W", [RandomFlip(seed=1)], (5, 4, 2))
    x = np.random.default_rng(0).random((3, 5, 4, 2)).astype("float32")
    _, cache = block.forward(x, True)
    assert block.backward(x, cache, to_input=False) is None
    assert block.backward(x, cache).shape == x.shape
