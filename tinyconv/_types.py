"""The two types that every signature of tinyconv speaks of."""

from typing import Any

import numpy.typing as npt

Array = npt.NDArray[Any]
#: ``None`` stands for the batch axis, whose length is known only when data arrive.
Shape = tuple[int | None, ...]
