"""Add and Concatenate: by hand, and their errors."""

import numpy as np
import pytest
from layer_helpers import normal

from tinyconv.layers import Add, Concatenate, Input

SHAPES = [(3, 7, 6, 4), (3, 7, 6, 2), (3, 7, 6, 5)]


def test_add_by_hand():
    y, _ = Add().forward([np.array([[1.0, 2]]), np.array([[10.0, 20]]), np.array([[100.0, 200]])])
    np.testing.assert_array_equal(y, [[111, 222]])


def test_add_gives_each_input_the_whole_gradient():
    dy = normal(3, 4)
    _, cache = Add().forward([normal(3, 4), normal(3, 4), normal(3, 4)])
    np.testing.assert_array_equal(Add().backward(dy, cache), [dy, dy, dy])


def test_add_of_the_same_array_twice_doubles_it():
    x = normal(3, 4)
    np.testing.assert_array_equal(Add().forward([x, x])[0], 2 * x)


def test_concatenate_by_hand():
    y, _ = Concatenate().forward([np.array([[1.0], [2]]), np.array([[3.0, 4], [5, 6]])])
    np.testing.assert_array_equal(y, [[1, 3, 4], [2, 5, 6]])


def test_concatenate_puts_the_inputs_side_by_side():
    parts = [normal(*shape, seed=i) for i, shape in enumerate(SHAPES)]
    y, _ = Concatenate().forward(parts)
    np.testing.assert_array_equal(y[..., :4], parts[0])
    np.testing.assert_array_equal(y[..., 4:6], parts[1])
    np.testing.assert_array_equal(y[..., 6:], parts[2])


def test_concatenate_gives_each_input_its_own_stretch():
    layer, dy = Concatenate(), normal(3, 7, 6, 11)
    _, cache = layer.forward([normal(*shape) for shape in SHAPES])
    for comp, ref in zip(layer.backward(dy, cache), (dy[..., :4], dy[..., 4:6], dy[..., 6:]), strict=True):
        np.testing.assert_array_equal(comp, ref)


def test_concatenate_along_rows():
    a, b = normal(2, 3, 4, 5), normal(2, 1, 4, 5)
    layer = Concatenate(axis=1)
    y, cache = layer.forward([a, b])
    np.testing.assert_array_equal(y, np.hstack([a, b]))
    np.testing.assert_array_equal(layer.backward(y, cache)[1], b)


def test_concatenate_shape_adds_up_along_the_axis():
    assert Concatenate().compute_output_shape([(None, *shape[1:]) for shape in SHAPES]) == (None, 7, 6, 11)


def test_concatenate_shape_of_an_unknown_length_is_unknown():
    assert Concatenate().compute_output_shape([(None, 7, 6, 4), (None, 7, 6, None)]) == (None, 7, 6, None)


@pytest.mark.parametrize("cls", [Add, Concatenate])
@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_inputs(cls, count):
    with pytest.raises(ValueError, match=rf"{cls.__name__} 'm': expected a list of two or more inputs"):
        cls(name="m")([np.zeros((2, 3))] * count)


@pytest.mark.parametrize("cls", [Add, Concatenate])
def test_one_symbolic_input(cls):
    with pytest.raises(ValueError, match=rf"{cls.__name__} 'm': expected a list of two or more inputs"):
        cls(name="m")(Input((7, 6, 4)))


@pytest.mark.parametrize("cls", [Add, Concatenate])
def test_an_array_instead_of_a_list(cls):
    with pytest.raises(ValueError, match=rf"{cls.__name__} 'm': expected a list of two or more inputs"):
        cls(name="m")(np.zeros((2, 3)))


def test_add_of_different_shapes_names_both():
    with pytest.raises(ValueError, match=r"Add 'm': expected inputs of one shape.*\(2, 7, 6, 4\).*\(2, 7, 6, 5\)"):
        Add(name="m")([np.zeros((2, 7, 6, 4)), np.zeros((2, 7, 6, 5))])


@pytest.mark.parametrize("cls", [Add, Concatenate])
def test_different_batches_are_refused(cls):
    with pytest.raises(ValueError, match=rf"{cls.__name__} 'm': expected inputs .*\(2, 7, 6, 4\).*\(3, 7, 6, 4\)"):
        cls(name="m")([np.zeros((2, 7, 6, 4)), np.zeros((3, 7, 6, 4))])


@pytest.mark.parametrize("shape", [(2, 8, 6, 4), (2, 7, 4)])
def test_concatenate_of_shapes_that_differ_elsewhere(shape):
    with pytest.raises(ValueError, match=r"Concatenate 'm': expected inputs that differ along axis -1 only"):
        Concatenate(name="m")([np.zeros((2, 7, 6, 4)), np.zeros(shape)])


@pytest.mark.parametrize("axis", [4, -5, 9])
def test_concatenate_along_an_axis_that_is_not_there(axis):
    with pytest.raises(ValueError, match=rf"Concatenate 'm'.*axis={axis}"):
        Concatenate(axis=axis, name="m")([np.zeros((2, 7, 6, 4)), np.zeros((2, 7, 6, 5))])
