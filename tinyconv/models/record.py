"""What a training ran with, in one line from which it can be repeated.

    print(model.history.record)

    seed=7 engine=numba threads=2 dtype=float32 winograd=True columns=67108864 lanes=16 tinyconv=0.1.0 ... seconds=12.3

Some of it are settings, which `Record.restore` puts back. The rest says on what it ran: there the same program gives
the same bits, and elsewhere numbers that differ by rounding.
"""

import functools
import platform
import sys
import warnings
from dataclasses import asdict, dataclass, fields
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Self

import numpy as np

from tinyconv import config
from tinyconv.checks import sentence

__all__ = ["Record"]


@dataclass(frozen=True)
class Record:
    """Settings and surroundings of one `fit`; ``str(record)`` is one line, and `parse` reads it.

    Attributes:
        seed: what the random streams began with, given or drawn.
        engine, threads: what ran the network, and on how many threads.
        dtype: float type of the layers.
        winograd: whether Winograd's method was allowed.
        columns: bytes that a convolution of the engine "numpy" might spend on its columns.
        lanes: floats that the compiled kernels handle at once; 0 for the engine "numpy".
        tinyconv, numpy, numba, python: versions; numba is "none" where it is not installed.
        machine: kind of processor.
        seconds: time that `fit` took. A training that was killed and went on has the time since.

    >>> record = Record.of("float32", seconds=1.5)
    >>> Record.parse(str(record)) == record
    True
    """

    seed: int
    engine: str
    threads: int
    dtype: str
    winograd: bool
    columns: int
    lanes: int
    tinyconv: str
    numpy: str
    numba: str
    python: str
    machine: str
    seconds: float

    @classmethod
    def of(cls, dtype: str, seconds: float) -> Self:
        """The record of a run with the settings of now."""
        engine = config.engine_name()
        return cls(
            seed=config.random_seed(),
            engine=engine,
            threads=config.step_threads(),
            dtype=dtype,
            winograd=config.winograd(),
            columns=config.columns_budget(),
            lanes=_lanes() if engine == "numba" else 0,
            tinyconv=sys.modules["tinyconv"].__version__,
            numpy=np.__version__,
            numba=_numba(),
            python=platform.python_version(),
            machine=platform.machine(),
            seconds=round(seconds, 3),
        )

    def __str__(self) -> str:
        return " ".join(f"{name}={value}" for name, value in asdict(self).items())

    @classmethod
    def parse(cls, line: str) -> Self:
        """The record that a line stands for; what stands before its first word, such as a date, does not matter.

        Raises:
            ValueError: for a line without all of its words.
        """
        words = dict(word.split("=", 1) for word in line.split() if "=" in word)
        readers: dict[Any, Any] = {bool: {"True": True, "False": False}.__getitem__}
        try:
            return cls(**{field.name: readers.get(field.type, field.type)(words[field.name]) for field in fields(cls)})
        except (KeyError, ValueError) as error:
            expected = f"{' '.join(f'{field.name}=...' for field in fields(cls))}"
            raise ValueError(sentence("Record.parse", expected, f"{line!r}")) from error

    def restore(self) -> None:
        """Set seed, engine, threads and the other settings as they were: to be called at the program's beginning.

        Where versions or the processor are not those of the record, a UserWarning says so.

        Raises:
            RuntimeError: if the engine was "numba", which is not installed here.
        """
        config.set_engine(self.engine)
        config.set_threads(self.threads)
        config.set_floatx(self.dtype)
        config.set_winograd(self.winograd)
        config.set_columns_budget(self.columns)
        config.set_random_seed(self.seed)
        here, then = asdict(type(self).of(self.dtype, self.seconds)), asdict(self)
        differ = [name for name in then if then[name] != here[name]]
        if differ:
            way_out = "The results may differ by rounding."
            received, expected = (", ".join(f"{name} {at[name]}" for name in differ) for at in (here, then))
            warnings.warn(sentence("Record.restore", expected, received, way_out), UserWarning, stacklevel=2)


def _lanes() -> int:
    from tinyconv.engine.lanes import LANES

    return LANES


@functools.cache
def _numba() -> str:
    try:
        return version("numba")
    except PackageNotFoundError:
        return "none"
