"""How many floats the kernels handle at once."""

import os

import llvmlite.binding


def _lanes() -> int:
    """16 floats where the registers have 512 bits, else 8: one register with AVX, two with SSE or NEON."""
    if os.environ.get("TINYCONV_LANES"):
        return int(os.environ["TINYCONV_LANES"])
    is_host = not os.environ.get("NUMBA_CPU_NAME") and not os.environ.get("NUMBA_CPU_FEATURES")
    return 16 if is_host and llvmlite.binding.get_host_cpu_features().get("avx512f", False) else 8


LANES = _lanes()
