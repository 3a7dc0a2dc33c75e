"""The judge of all gradients is judged: it passes right layers, and fails wrong ones loudly, naming the cell."""

import numpy as np
import pytest
from layer_helpers import VECTORS, WrongBias, normal
from tiny_networks import (
    IMAGE,
    compiled,
    convnet,
    images,
)

from tinyconv import Input, Model, Sequential
from tinyconv.gradcheck import GradientError, check_layer, check_model
from tinyconv.layers import (
    Activation,
    Add,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Layer,
    MaxPooling2D,
    MinPooling2D,
    ReLU,
    SpatialDropout2D,
)


def report_of(layer, x, **settings):
    """The report of a check that must fail."""
    with pytest.raises(GradientError) as error:
        check_layer(layer, x, **settings)
    assert str(error.value.report) in str(error.value)
    return error.value.report


def wrong_tensors(report):
    """Names of the arrays whose gradients the report calls wrong."""
    return [t.name for t in report.tensors if t.error > report.tolerance]


# Wrong layers


class WrongInput(Dense):
    """dx with the kernel's sign turned."""

    def backward(self, dy, cache):
        return -super().backward(dy, cache)


class SwappedAxes(Dense):
    """The kernel's gradient is laid out the other way round."""

    def backward(self, dy, cache):
        dx = super().backward(dy, cache)
        self.grads["kernel"] = self.grads["kernel"].T.reshape(self.grads["kernel"].shape)
        return dx


class MissingFactor(Activation):
    """y = x**2 whose derivative has lost its 2."""

    def __init__(self):
        super().__init__("linear")

    def forward(self, x, training=False):
        return x**2, x

    def backward(self, dy, cache):
        return dy * cache


class ForgottenBias(Dense):
    """The bias gets no gradient."""

    def backward(self, dy, cache):
        dx = super().backward(dy, cache)
        self.grads["bias"][...] = 0
        return dx


class SlightlyOff(Dense):
    """Every gradient of the kernel is 1e-4 of itself too large."""

    def backward(self, dy, cache):
        dx = super().backward(dy, cache)
        self.grads["kernel"] *= 1 + 1e-4
        return dx


class OneCellOff(Dense):
    """A single cell of dx is wrong."""

    def backward(self, dy, cache):
        dx = super().backward(dy, cache)
        dx[2, 3] += 0.5
        return dx


class NotANumber(Dense):
    """A single cell of dx is NaN."""

    def backward(self, dy, cache):
        dx = super().backward(dy, cache)
        dx[1, 2] = np.nan
        return dx


class NothingButNaN(Dense):
    """All of dx is NaN."""

    def backward(self, dy, cache):
        return np.full_like(super().backward(dy, cache), np.nan)


class Overwriting(Dense):
    """Writes `=` where `+=` belongs."""

    def backward(self, dy, cache):
        x, z, y = cache
        dz = self.activation.backward(dy, z, y)
        self.grads["kernel"][...] = x.T @ dz
        self.grads["bias"][...] = dz.sum(axis=0)
        return dz @ self.params["kernel"].T


class ForgottenStatistics(BatchNormalization):
    """Takes the batch's mean and variance for constants."""

    def backward(self, dy, cache):
        x_hat, inverse, _ = cache
        return super().backward(dy, (x_hat, inverse, False))


class TurnedKernel(Conv2D):
    """Spreads dy with the kernel where its half-turn belongs."""

    def backward(self, dy, cache):
        right = self.params["kernel"]
        self.params["kernel"] = right[::-1, ::-1]
        dx = super().backward(dy, cache)
        self.params["kernel"] = right
        return dx


WRONG = {
    "wrong dx": (lambda: WrongInput(3), VECTORS, "x"),
    "swapped axes": (lambda: SwappedAxes(3), VECTORS, "kernel"),
    "missing factor": (MissingFactor, VECTORS, "x"),
    "averaged bias": (lambda: WrongBias(3), VECTORS, "bias"),
    "forgotten bias": (lambda: ForgottenBias(3), VECTORS, "bias"),
    "relative error of 1e-4": (lambda: SlightlyOff(3), VECTORS, "kernel"),
    "one wrong cell": (lambda: OneCellOff(3), VECTORS, "x"),
    "one NaN": (lambda: NotANumber(3), VECTORS, "x"),
    "only NaN": (lambda: NothingButNaN(3), VECTORS, "x"),
    "constant statistics": (ForgottenStatistics, VECTORS, "x"),
    "turned kernel": (lambda: TurnedKernel(3, (2, 3)), (2, *IMAGE), "x"),
}


@pytest.mark.parametrize(("make", "shape", "tensor"), WRONG.values(), ids=WRONG)
def test_a_wrong_gradient_fails_and_only_it(make, shape, tensor):
    [name] = wrong_tensors(report_of(make(), normal(*shape)))
    assert name.split("/")[-1] == tensor


def test_the_message_names_tensor_cell_and_both_numbers():
    report = report_of(OneCellOff(3, name="off"), normal(*VECTORS))
    [x] = [t for t in report.tensors if t.name == "x"]
    assert x.index == (2, 3)
    np.testing.assert_allclose(x.analytic, x.numeric + 0.5, rtol=1e-6)
    assert str(report).startswith("OneCellOff 'off': WRONG GRADIENT (tolerance 1e-06, relative)\n")
    assert f"worst [2, 3]: backward {x.analytic:.9g}, quotient {x.numeric:.9g}" in str(report)
    assert [line[0] for line in str(report).splitlines()[1:]] == [" ", " ", "!"]


def test_nan_is_an_infinite_error_in_its_own_cell():
    [x] = [t for t in report_of(NotANumber(3), normal(*VECTORS)).tensors if t.name == "x"]
    assert (x.error, x.index) == (np.inf, (1, 2))
    assert np.isnan(x.analytic)


def test_the_error_is_an_assertion():
    assert issubclass(GradientError, AssertionError)


def test_forgotten_accumulation_shows_in_a_single_layer():
    assert [name.split("/")[-1] for name in wrong_tensors(report_of(Overwriting(3), normal(*VECTORS)))] == [
        "kernel",
        "bias",
    ]


def test_forgotten_accumulation_shows_where_a_layer_is_used_twice():
    x = Input((4,))
    layer = Overwriting(4, activation="tanh", name="twice")
    model = compiled(Model(x, layer(layer(x))), loss="mse")
    with pytest.raises(GradientError, match="! twice/kernel"):
        check_model(model, normal(3, 4), np.ones((3, 4)))


def test_a_wrong_layer_inside_a_network_is_found():
    model = compiled(Sequential([Input((5,)), WrongBias(6, activation="tanh", name="wrong"), Dense(2)]), loss="mse")
    with pytest.raises(GradientError, match="! wrong/bias"):
        check_model(model, normal(4, 5), np.ones((4, 2)))


def test_a_looser_tolerance_lets_a_small_error_pass():
    assert check_layer(SlightlyOff(3), normal(*VECTORS), tolerance=1e-3).ok


def test_some_cells_chosen_at_random_still_find_a_wrong_formula():
    report = report_of(WrongInput(3), normal(40, 50), samples=7)
    assert [t.checked for t in report.tensors] == [7, 3, 7]


# Right layers


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: Dense(3, activation="gelu"), VECTORS),
        (lambda: Conv2D(3, (2, 3), strides=2, padding="same", activation="elu"), (2, *IMAGE)),
        (lambda: BatchNormalization(), (4, *IMAGE)),
        (lambda: MaxPooling2D(), (2, *IMAGE)),
    ],
)
def test_right_layers_pass(make, shape):
    report = check_layer(make(), normal(*shape))
    assert report.worst < 1e-6
    assert "gradients agree" in str(report)


def test_layers_with_several_inputs():
    report = check_layer(Add(), [normal(*VECTORS), normal(*VECTORS, seed=1)])
    assert [t.name for t in report.tensors] == ["x[0]", "x[1]"]


def test_a_model_may_be_checked_as_a_layer():
    report = check_layer(convnet(activation="tanh"), images(2))
    assert [t.name for t in report.tensors] == ["conv2d/kernel", "conv2d/bias", "dense/kernel", "dense/bias", "x"]


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_inputs_of_any_size(scale):
    assert check_layer(Dense(3), scale * normal(*VECTORS)).ok


def test_a_gradient_of_zero_passes():
    class Constant(Layer):
        def forward(self, x, training=False):
            return np.ones_like(x), None

        def backward(self, dy, cache):
            return np.zeros_like(dy)

    assert check_layer(Constant(), normal(*VECTORS)).worst == 0


# Kinks


def skipped(layer, x):
    """(cells of x that were compared, cells left out)."""
    report = check_layer(layer, x)
    return report.tensors[-1].checked, report.tensors[-1].skipped


def test_relu_at_zero_is_skipped_and_counted():
    x = np.array([[1.0, 0.0, -1.0], [0.0, 2.0, 0.5]])
    assert skipped(ReLU(), x) == (4, 2)


def test_relu_within_the_step_of_zero_is_skipped():
    x = np.array([[1.0, 1e-6, -1.0, -3e-6]])
    assert skipped(ReLU(), x) == (2, 2)


@pytest.mark.parametrize("layer", [MaxPooling2D, MinPooling2D])
def test_ties_in_a_window_are_skipped_and_counted(layer):
    x = np.arange(16.0).reshape(1, 4, 4, 1)
    x[0, :2, :2, 0] = 3.0  # one window of four equal cells
    assert skipped(layer(), x) == (12, 4)


def test_the_report_counts_skipped_cells():
    report = check_layer(ReLU(), np.array([[1.0, 0.0, -1.0]]))
    assert "(2 cells, 1 on a kink skipped)" in str(report)


def test_a_wrong_gradient_beside_a_kink_fails():
    class Wrong(ReLU):
        def backward(self, dy, cache):
            return 1.5 * super().backward(dy, cache)

    assert wrong_tensors(report_of(Wrong(), np.array([[1.0, 0.0, -1.0]]))) == ["x"]


def test_nothing_but_kinks_is_no_success():
    with pytest.raises(GradientError, match="every cell lies on a kink"):
        check_layer(ReLU(), np.zeros((2, 3)))


def test_a_kink_in_the_middle_of_a_network_is_skipped():
    model = compiled(Sequential([Input((3,)), ReLU(), Dense(2)]), loss="mse")
    report = check_model(model, np.array([[1.0, 0.0, -1.0]]), np.ones((1, 2)))
    assert report.tensors[-1].skipped == 1


def test_nan_in_the_loss_is_no_success():
    with pytest.raises(GradientError):
        check_layer(Dense(3), np.full(VECTORS, np.nan))


# Chance


@pytest.mark.parametrize("seed", [None, 3])
def test_dropout_is_held_fixed(seed):
    report = check_layer(Dropout(0.5, seed=seed), normal(*VECTORS))
    assert report.tensors[0].checked == 20


def test_spatial_dropout_is_held_fixed():
    assert check_layer(SpatialDropout2D(0.5), normal(3, *IMAGE)).ok


def test_dropout_in_inference_passes_everything():
    assert check_layer(Dropout(0.5), normal(*VECTORS), training=False).ok
