"""What pytest leaves alone: the notes' programs, which run when they are imported, and engine code without Numba."""

from importlib.util import find_spec

WITH_NUMBA = (
    *(f"tinyconv/engine/{name}" for name in ("blocks/*", "kernels/*", "compiler.py", "lanes.py", "updates.py")),
    *("tinyconv/engine/vector*.py", "tests/engine_cases.py", "tests/test_engine_*.py"),
)

collect_ignore_glob = ["tinyconv/notes/programs/*", *(() if find_spec("numba") else WITH_NUMBA)]
