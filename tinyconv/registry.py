"""From a name or a configuration to an object, and back.

Initializers, regularizers, losses, metrics and optimizers may all be given as a string ("he_normal", "l2", "adam"), and
a saved model writes each of them down as a class name with the arguments of its constructor. Both ways are here, once.
So is the list of the classes of users' own that `load_model` knows by name.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

from tinyconv.checks import lookup, sentence


class Configurable:
    """Something that the arguments of its constructor describe completely."""

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as plain values that JSON can hold."""
        return {}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """A new object from what `get_config` returned."""
        return cls(**config)

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.get_config().items())
        return f"{type(self).__name__}({arguments})"


def snake_case(name: str) -> str:
    """A class name as Keras writes it in small letters.

    >>> snake_case("GlorotUniform"), snake_case("TopKCategoricalAccuracy"), snake_case("L2")
    ('glorot_uniform', 'top_k_categorical_accuracy', 'l2')
    >>> snake_case("MaxPooling2D"), snake_case("Conv2D"), snake_case("ReLU"), snake_case("BatchNormalization")
    ('max_pooling2d', 'conv2d', 're_lu', 'batch_normalization')
    """
    words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()


def table(*classes: type, **aliases: type) -> dict[str, type]:
    """Every string that names one of the classes: the class name, its snake_case form, and further aliases."""
    names = {cls.__name__: cls for cls in classes}
    return names | {snake_case(name): cls for name, cls in names.items()} | aliases


def find(kind: str, identifier: Any, base: type, names: Mapping[str, type]) -> Any:
    """The object that a name, a ``{"class_name", "config"}`` dict, a class or an instance of ``base`` stands for.

    Raises:
        ValueError: for an unknown name (the nearest one is suggested).
        TypeError: for anything that is none of these.
    """
    if isinstance(identifier, str):
        return lookup(kind, identifier, names)()
    if isinstance(identifier, Mapping) and "class_name" in identifier:
        return lookup(kind, identifier["class_name"], names).from_config(identifier.get("config", {}))
    if isinstance(identifier, type) and issubclass(identifier, base):
        return identifier()
    if isinstance(identifier, base):
        return identifier
    article = "an" if base.__name__[0] in "AEIOU" else "a"
    raise TypeError(sentence(kind, f"a name, a configuration or {article} {base.__name__}", repr(identifier)))


def describe(thing: Configurable | None) -> dict[str, Any] | None:
    """``{"class_name": ..., "config": {...}}``, which `find` takes back; None stays None."""
    return None if thing is None else {"class_name": type(thing).__name__, "config": thing.get_config()}


# Classes of a user's own

_own_classes: dict[str, Any] = {}


def get_custom_objects() -> dict[str, Any]:
    """The classes that `load_model` finds without being given them, by name; more can be put into the dictionary."""
    return _own_classes


def register_keras_serializable(package: str = "Custom", name: str | None = None) -> Callable[[type], type]:
    """A decorator: `load_model` then finds the class, which files call ``package>name``.

    >>> @register_keras_serializable(package="birds")
    ... class Wing:
    ...     pass
    >>> registered_name("Wing"), get_custom_objects().pop("birds>Wing") is Wing
    ('birds>Wing', True)
    """

    def register(cls: type) -> type:
        _own_classes[f"{package}>{name or cls.__name__}"] = cls
        return cls

    return register


def registered_name(class_name: str) -> str:
    """What files call a class of a user's own: the name it was registered under, or that of the class."""
    return next((name for name, cls in _own_classes.items() if cls.__name__ == class_name), class_name)


@contextmanager
def custom_object_scope(objects: Mapping[str, Any]) -> Iterator[None]:
    """Classes by name that `load_model` finds inside a ``with`` block."""
    before = dict(_own_classes)
    _own_classes.update(objects)
    try:
        yield
    finally:
        _own_classes.clear()
        _own_classes.update(before)
