"""A note's program as real Keras runs it: the note's own import lines, where they are about Keras.

Keras 3 has moved two things since the notes were written, and stands by itself, without ``tensorflow.`` before it.
"""

from importlib.util import find_spec

from tinyconv.notes.running import with_imports_of_the_note

#: Where the notes import from, and where that is in Keras 3.
_TODAY = {
    "import tensorflow as tf": "from benchmarks import keras_names as tf",
    "import tensorflow": "import keras",
    "import tensorflow.keras as keras": "import keras",
    "from tensorflow": "from benchmarks.keras_names",
    "from keras.preprocessing.image": "from keras.src.legacy.preprocessing.image",
    "from keras.utils.image_utils": "from keras.utils",
}


def keras_program(text: str) -> str:
    """The program with Keras in its import lines; scikit-learn and pandas too, where they are installed.

    >>> keras_program("from tinyconv import layers  # from tensorflow.keras")
    'from keras import layers'
    """
    return with_imports_of_the_note(text, _today)


def _today(origin: str) -> str | None:
    library = origin.split()[1].split(".")[0]
    if library in ("sklearn", "pandas"):
        return origin if find_spec(library) else None
    return _TODAY.get(origin, origin.replace("tensorflow.keras", "keras"))


def environment() -> dict[str, str]:
    """With which backend Keras is to run: TensorFlow where it is installed, else PyTorch."""
    return {"KERAS_BACKEND": "tensorflow" if find_spec("tensorflow") else "torch"}
