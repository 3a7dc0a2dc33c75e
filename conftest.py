"""Without Numba, the engine's machine code cannot be imported, and its examples are not looked for."""

from importlib.util import find_spec

collect_ignore = (
    []
    if find_spec("numba")
    else [
        f"tinyconv/engine/{name}"
        for name in (
            "blocks",
            "compiler.py",
            "kernels",
            "lanes.py",
            "threads.py",
            "updates.py",
            "vector.py",
            "vector_plain.py",
        )
    ]
)
