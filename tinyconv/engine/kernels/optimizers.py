"""An optimizer's formula over all weights at once.

    i             0 1 2 3 ...
    w  weights    . . . . . . . . .
    g  gradient   . . . . . . . . .      one pass: everything of weight i is read, the formula worked out in registers,
    m  slot       . . . . . . . . .      and what has changed is written back, for many neighbouring i at a time
    v  slot       . . . . . . . . .

Written with NumPy, each + and * of a formula is a pass of its own; that is the plain twin of each kernel here, the
`update` of the class in `tinyconv.optimizers` that has its name. Slots and letters are explained there. A share is the
part of something new that goes into a mean: 1 - beta, 1 - rho.
"""

import math

from tinyconv.engine.compiler import inner, kernel


@kernel("f4[::1], f4[::1], f4")
def sgd(w, g, rate):
    """w -= rate * g."""
    for i in range(w.size):
        w[i] -= rate * g[i]


@kernel("f4[::1], f4[::1], f4[::1], f4, f4")
def sgd_momentum(w, g, m, rate, momentum):
    """m = momentum * m - rate * g; w += m."""
    for i in range(w.size):
        m[i] = momentum * m[i] - rate * g[i]
        w[i] += m[i]


@kernel("f4[::1], f4[::1], f4[::1], f4, f4")
def sgd_nesterov(w, g, m, rate, momentum):
    """As before, but w += momentum * m - rate * g."""
    for i in range(w.size):
        step = rate * g[i]
        m[i] = momentum * m[i] - step
        w[i] += momentum * m[i] - step


@inner
def mix(old, new, keep, share):
    """Part of something old and a share of something new."""
    return keep * old + share * new


@kernel("f4[::1], f4[::1], f4[::1], f4, f4, f4, f4")
def rmsprop(w, g, v, rate, rho, share, epsilon):
    """v = mean of g**2; w -= rate * g / sqrt(v + epsilon)."""
    for i in range(w.size):
        v[i] = mix(v[i], g[i] * g[i], rho, share)
        w[i] -= rate * g[i] / math.sqrt(v[i] + epsilon)


@kernel("f4[::1], f4[::1], f4[::1], f4[::1], f4, f4, f4, f4, f4")
def rmsprop_momentum(w, g, v, m, rate, rho, share, epsilon, momentum):
    """m = momentum * m + the step of `rmsprop`; w -= m."""
    for i in range(w.size):
        v[i] = mix(v[i], g[i] * g[i], rho, share)
        m[i] = momentum * m[i] + rate * g[i] / math.sqrt(v[i] + epsilon)
        w[i] -= m[i]


@kernel("f4[::1], f4[::1], f4[::1], f4[::1], f4, f4, f4, f4")
def rmsprop_centered(w, g, v, u, rate, rho, share, epsilon):
    """u = mean of g; the variance v - u**2 takes the place of v."""
    for i in range(w.size):
        v[i] = mix(v[i], g[i] * g[i], rho, share)
        u[i] = mix(u[i], g[i], rho, share)
        w[i] -= rate * g[i] / math.sqrt(v[i] - u[i] * u[i] + epsilon)


@kernel("f4[::1], f4[::1], f4[::1], f4[::1], f4[::1], f4, f4, f4, f4, f4")
def rmsprop_centered_momentum(w, g, v, u, m, rate, rho, share, epsilon, momentum):
    """Both."""
    for i in range(w.size):
        v[i] = mix(v[i], g[i] * g[i], rho, share)
        u[i] = mix(u[i], g[i], rho, share)
        m[i] = momentum * m[i] + rate * g[i] / math.sqrt(v[i] - u[i] * u[i] + epsilon)
        w[i] -= m[i]


@kernel("f4[::1], f4[::1], f4[::1], f4[::1], f4, f4, f4, f4")
def adam(w, g, m, v, alpha, share_1, share_2, epsilon):
    """m = mean of g, v = mean of g**2; w -= alpha * m / (sqrt(v) + epsilon)."""
    for i in range(w.size):
        m[i] += (g[i] - m[i]) * share_1
        v[i] += (g[i] * g[i] - v[i]) * share_2
        w[i] -= alpha * m[i] / (math.sqrt(v[i]) + epsilon)


@kernel("f4[::1], f4[::1], f4[::1], f4[::1], f4[::1], f4, f4, f4, f4")
def adam_amsgrad(w, g, m, v, v_hat, alpha, share_1, share_2, epsilon):
    """The largest v so far takes the place of v."""
    for i in range(w.size):
        m[i] += (g[i] - m[i]) * share_1
        v[i] += (g[i] * g[i] - v[i]) * share_2
        largest = v_hat[i]
        if not (largest >= v[i] or largest != largest):  # NaN stays
            largest = v[i]
        v_hat[i] = largest
        w[i] -= alpha * m[i] / (math.sqrt(largest) + epsilon)


@kernel("f4[::1], f4[::1], f4[::1], f4, f4")
def adagrad(w, g, s, rate, epsilon):
    """s += g**2; w -= rate * g / sqrt(s + epsilon)."""
    for i in range(w.size):
        s[i] += g[i] * g[i]
        w[i] -= rate * g[i] / math.sqrt(s[i] + epsilon)
