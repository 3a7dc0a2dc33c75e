"""Without Numba, the engine's machine code cannot be imported; neither its examples nor its tests are looked for."""

from importlib.util import find_spec

WITH_NUMBA = (
    *(f"tinyconv/engine/{name}" for name in ("blocks/*", "kernels/*", "compiler.py", "lanes.py", "updates.py")),
    *("tinyconv/engine/vector*.py", "tests/engine_cases.py", "tests/test_engine_*.py"),
)

collect_ignore_glob = [] if find_spec("numba") else list(WITH_NUMBA)
