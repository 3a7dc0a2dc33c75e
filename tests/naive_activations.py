"""The activations as functions of one number, with their slopes, and softmax: definitions, like `naive`."""

import math

import numpy as np


def relu(x):
    """Nothing below zero."""
    return x if x > 0 else 0.0


def relu_slope(x):
    """1 above zero, else 0."""
    return 1.0 if x > 0 else 0.0


def leaky_relu(x, negative_slope=0.2):
    """A little below zero."""
    return x if x > 0 else negative_slope * x


def leaky_relu_slope(x, negative_slope=0.2):
    """1 above zero, else the slope."""
    return 1.0 if x > 0 else negative_slope


def elu(x, alpha=1.0):
    """Bends towards -alpha below zero."""
    return x if x > 0 else alpha * (math.exp(x) - 1)


def elu_slope(x, alpha=1.0):
    """1 above zero, else alpha * exp(x)."""
    return 1.0 if x > 0 else alpha * math.exp(x)


SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def selu(x):
    """A scaled elu."""
    return SELU_SCALE * elu(x, SELU_ALPHA)


def selu_slope(x):
    """The scaled slope of elu."""
    return SELU_SCALE * elu_slope(x, SELU_ALPHA)


def gelu(x):
    """x times the probability that a standard normal number lies below x."""
    return x * 0.5 * (1 + math.erf(x / math.sqrt(2)))


def gelu_slope(x):
    """Product rule: the probability, plus x times the normal density."""
    density = math.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    return 0.5 * (1 + math.erf(x / math.sqrt(2))) + x * density


def sigmoid(x):
    """1 / (1 + exp(-x))."""
    return 1 / (1 + math.exp(-x))


def sigmoid_slope(x):
    """exp(-x) / (1 + exp(-x))^2."""
    return math.exp(-x) / (1 + math.exp(-x)) ** 2


def tanh_slope(x):
    """1 / cosh(x)^2."""
    return 1 / math.cosh(x) ** 2


#: Keras's name -> (the function, its slope).
ACTIVATIONS = {
    "linear": (lambda x: x, lambda x: 1.0),
    "relu": (relu, relu_slope),
    "leaky_relu": (leaky_relu, leaky_relu_slope),
    "elu": (elu, elu_slope),
    "selu": (selu, selu_slope),
    "gelu": (gelu, gelu_slope),
    "sigmoid": (sigmoid, sigmoid_slope),
    "tanh": (math.tanh, tanh_slope),
}


def elementwise(function, x, **settings):
    """A function of one number, applied to every number of an array."""
    y = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        y[index] = function(float(x[index]), **settings)
    return y


def softmax(x):
    """y_i = exp(x_i) / sum over j of exp(x_j), along the last axis."""
    y = np.zeros(x.shape)
    for sample in np.ndindex(x.shape[:-1]):
        powers = [math.exp(value) for value in x[sample]]
        for i, power in enumerate(powers):
            y[(*sample, i)] = power / sum(powers)
    return y


def softmax_backward(dy, x):
    """dx_i = sum over j of dy_j * y_j * ([i = j] - y_i)."""
    y = softmax(x)
    dx = np.zeros(x.shape)
    for sample in np.ndindex(x.shape[:-1]):
        for i in range(x.shape[-1]):
            for j in range(x.shape[-1]):
                dx[(*sample, i)] += dy[(*sample, j)] * y[(*sample, j)] * ((i == j) - y[(*sample, i)])
    return dx
