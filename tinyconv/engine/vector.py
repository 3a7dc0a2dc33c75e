"""A vector of floats and a register tile, as Numba knows none: the only file that writes instructions itself.

A processor adds, multiplies and compares `LANES` floats at once. Numba uses that where it recognises a loop; the
kernels cannot wait to be recognised, so they say it: a `vector` holds LANES neighbouring floats in one register.

    load(a, i)              the floats a[i] ... a[i + LANES - 1], of an array seen flat
    load_some(a, i, n)      only the first n of them; the others are 0, and their memory is not touched
    store, store_some       the same, back
    broadcast(a, i)         the float a[i] in every lane
    splat(s)                the number s in every lane
    + - *   fma(x, y, z)    lane by lane; fma is x*y + z
    relu(x)                 larger of x and 0; NaN stays NaN
    larger(x, y)            larger of both; y where one is NaN
    magnitude(x)            x without its sign
    if_beats(x, y, p, q)    p where x > y, or where x is NaN and y is not; else q
    if_equal, if_positive   p where x == y, or x > 0; else q

`tile` is the heart of every convolution here: a block of a matrix product that stays in registers while it is summed.
It has MR rows and NV vectors of columns. For each r < MR and column c,

    C[r, c] = (C[r, c] if accumulate) + sum over o < KO, i < KI of  A[r*a_r + o*a_o + i*a_i] * B[o*b_o + i*b_i + c]

counted from offsets into the three arrays. By choice of the strides it is a matrix product, one with A transposed, or
a convolution read straight from the image (o: rows of the window, i: cells of a row and their channels).

No load or store checks bounds. With NUMBA_DISABLE_JIT=1 the same names come from `vector_plain`, in NumPy, with checks,
so that a debugger can step through a kernel.
"""

import operator

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

from tinyconv.engine import vector_plain
from tinyconv.engine.lanes import LANES

#: What the compiler may do to floats: fuse a product and a sum, and forget the sign of zero. NaN and infinity count.
FLOAT_FLAGS = ("contract", "nsz")

_INT = ir.IntType(64)
_FLOAT = ir.FloatType()
_VECTOR = ir.VectorType(_FLOAT, LANES)
_INTS = ir.VectorType(ir.IntType(32), LANES)
_BYTES = ir.VectorType(ir.IntType(8), LANES)


class _VectorType(types.Type):
    def __init__(self) -> None:
        super().__init__(name=f"f32x{LANES}")


vector = _VectorType()


@register_model(_VectorType)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, _VECTOR)


# What the intrinsics share. b is LLVM's builder, which appends one instruction per call.


def _address(context, b, kind, array, offset, of=_VECTOR):
    """Pointer to a vector that begins at an offset into an array's data."""
    first = context.make_array(kind)(context, b, array).data
    return b.bitcast(b.gep(first, [offset]), of.as_pointer())


def _in_every_lane(b, scalar, of=_VECTOR):
    undefined = ir.Constant(of, ir.Undefined)
    first = b.insert_element(undefined, scalar, ir.Constant(ir.IntType(32), 0))
    return b.shuffle_vector(first, undefined, ir.Constant(_INTS, [0] * LANES))


def _call(b, name, result, *arguments):
    """Call one of LLVM's own functions."""
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    return b.call(cgutils.get_or_insert_function(b.module, kind, name), arguments)


def _multiply_add(b, x, y, z):
    # fmuladd, not fma: without such an instruction, a product and a sum instead of a call into the C library.
    return _call(b, f"llvm.fmuladd.v{LANES}f32", _VECTOR, x, y, z)


def _first(b, n):
    """Bits that are set in the first n lanes."""
    count = _in_every_lane(b, b.trunc(n, ir.IntType(32)), _INTS)
    return b.icmp_signed("<", ir.Constant(_INTS, list(range(LANES))), count)


def _to_bytes(b, v):
    """Small whole numbers, from floats to bytes."""
    return b.trunc(b.fptosi(v, _INTS), _BYTES)


def _from_bytes(b, v):
    return b.sitofp(b.zext(v, _INTS), _VECTOR)


# Memory


@intrinsic
def load(_, a, i):
    def generate(context, b, signature, arguments):
        return b.load(_address(context, b, signature.args[0], *arguments), align=4)

    return vector(a, types.intp), generate


@intrinsic
def load_some(_, a, i, n):
    def generate(context, b, signature, arguments):
        array, offset, n = arguments
        at = _address(context, b, signature.args[0], array, offset)
        zero, align = ir.Constant(_VECTOR, [0.0] * LANES), ir.Constant(ir.IntType(32), 4)
        return _call(b, f"llvm.masked.load.v{LANES}f32.p0", _VECTOR, at, align, _first(b, n), zero)

    return vector(a, types.intp, types.intp), generate


@intrinsic
def store(_, a, i, v):
    def generate(context, b, signature, arguments):
        array, offset, v = arguments
        b.store(v, _address(context, b, signature.args[0], array, offset), align=4)
        return context.get_dummy_value()

    return types.void(a, types.intp, vector), generate


@intrinsic
def store_some(_, a, i, v, n):
    def generate(context, b, signature, arguments):
        array, offset, v, n = arguments
        at = _address(context, b, signature.args[0], array, offset)
        align = ir.Constant(ir.IntType(32), 4)
        _call(b, f"llvm.masked.store.v{LANES}f32.p0", ir.VoidType(), v, at, align, _first(b, n))
        return context.get_dummy_value()

    return types.void(a, types.intp, vector, types.intp), generate


@intrinsic
def load_bytes(_, a, i, n):
    """The first n (at most LANES) bytes from a[i] on, as floats."""

    def generate(context, b, signature, arguments):
        array, offset, n = arguments
        at = _address(context, b, signature.args[0], array, offset, _BYTES)
        zero, align = ir.Constant(_BYTES, [0] * LANES), ir.Constant(ir.IntType(32), 1)
        with b.if_else(b.icmp_signed(">=", n, ir.Constant(_INT, LANES))) as (whole, part):
            with whole:
                all_of_it, after_whole = b.load(at, align=1), b.block
            with part:
                some = _call(b, f"llvm.masked.load.v{LANES}i8.p0", _BYTES, at, align, _first(b, n), zero)
                after_part = b.block
        found = b.phi(_BYTES)
        found.add_incoming(all_of_it, after_whole)
        found.add_incoming(some, after_part)
        return _from_bytes(b, found)

    return vector(a, types.intp, types.intp), generate


@intrinsic
def store_bytes(_, a, i, v, n):
    """The first n (at most LANES) lanes, whole numbers from 0 to 255, as bytes from a[i] on."""

    def generate(context, b, signature, arguments):
        array, offset, v, n = arguments
        at = _address(context, b, signature.args[0], array, offset, _BYTES)
        with b.if_else(b.icmp_signed(">=", n, ir.Constant(_INT, LANES))) as (whole, part):
            with whole:
                b.store(_to_bytes(b, v), at, align=1)
            with part:
                align = ir.Constant(ir.IntType(32), 1)
                _call(b, f"llvm.masked.store.v{LANES}i8.p0", ir.VoidType(), _to_bytes(b, v), at, align, _first(b, n))
        return context.get_dummy_value()

    return types.void(a, types.intp, vector, types.intp), generate


@intrinsic
def broadcast(_, a, i):
    def generate(context, b, signature, arguments):
        return _in_every_lane(b, b.load(_address(context, b, signature.args[0], *arguments, of=_FLOAT), align=4))

    return vector(a, types.intp), generate


# Arithmetic


@intrinsic
def splat(_, s):
    return vector(types.float32), lambda context, b, signature, arguments: _in_every_lane(b, arguments[0])


@intrinsic
def fma(_, x, y, z):
    return vector(vector, vector, vector), lambda context, b, signature, arguments: _multiply_add(b, *arguments)


def _operation(instruction, python_operator):
    @intrinsic
    def compute(_, x, y):
        def generate(context, b, signature, arguments):
            return getattr(b, instruction)(*arguments, flags=FLOAT_FLAGS)

        return vector(vector, vector), generate

    @overload(python_operator)
    def choose(x, y):
        return (lambda x, y: compute(x, y)) if x == vector and y == vector else None


_operation("fadd", operator.add)
_operation("fsub", operator.sub)
_operation("fmul", operator.mul)


@intrinsic
def relu(_, x):
    def generate(context, b, signature, arguments):
        zero = ir.Constant(_VECTOR, [0.0] * LANES)
        return b.select(b.fcmp_ordered(">", zero, arguments[0]), zero, arguments[0])

    return vector(vector), generate


@intrinsic
def larger(_, x, y):
    def generate(context, b, signature, arguments):
        return b.select(b.fcmp_ordered(">", *arguments), *arguments)

    return vector(vector, vector), generate


@intrinsic
def magnitude(_, x):
    kind = vector(vector)
    return kind, lambda context, b, signature, arguments: _call(b, f"llvm.fabs.v{LANES}f32", _VECTOR, *arguments)


def _choice(compare):
    @intrinsic
    def choose(_, x, y, p, q):
        def generate(context, b, signature, arguments):
            x, y, p, q = arguments
            return b.select(compare(b, x, y), p, q)

        return vector(vector, vector, vector, vector), generate

    return choose


if_beats = _choice(lambda b, x, y: b.and_(b.fcmp_unordered(">", x, y), b.fcmp_ordered("ord", y, y)))
if_equal = _choice(lambda b, x, y: b.fcmp_ordered("==", x, y))


@intrinsic
def if_positive(_, x, p, q):
    def generate(context, b, signature, arguments):
        x, p, q = arguments
        return b.select(b.fcmp_ordered(">", x, ir.Constant(_VECTOR, [0.0] * LANES)), p, q)

    return vector(vector, vector, vector), generate


@intrinsic(prefer_literal=True)
def tile(_, MR, NV, KO, KI, A, a, a_r, a_o, a_i, B, b, b_o, b_i, C, c, c_r, accumulate):
    """MR and NV are literal numbers. MR*NV <= 12 with LANES 8, where a processor has 16 registers; 24 with LANES 16."""
    if not isinstance(MR, types.IntegerLiteral) or not isinstance(NV, types.IntegerLiteral):
        return None
    rows, vectors, n = range(MR.literal_value), range(NV.literal_value), types.intp
    signature = types.void(MR, NV, n, n, A, n, n, n, n, B, n, n, n, C, n, n, n)

    def generate(context, b, signature, arguments):
        _, _, KO, KI, A, a, a_r, a_o, a_i, B, at_b, b_o, b_i, C, c, c_r, accumulate = arguments
        kinds = signature.args

        def number(k):
            return ir.Constant(_INT, k)

        def moved(pointer, offset):
            return b.gep(pointer, [offset])

        def as_vector(pointer):
            return b.bitcast(pointer, _VECTOR.as_pointer())

        first_a = _address(context, b, kinds[4], A, a, _FLOAT)
        first_b = _address(context, b, kinds[9], B, at_b, _FLOAT)
        first_c = _address(context, b, kinds[13], C, c, _FLOAT)
        row_of_a = [b.mul(a_r, number(r)) for r in rows]
        row_of_c = [moved(first_c, b.mul(c_r, number(r))) for r in rows]
        cells = {(r, v): as_vector(moved(row_of_c[r], number(LANES * v))) for r in rows for v in vectors}
        sums = {cell: cgutils.alloca_once(b, _VECTOR) for cell in cells}  # LLVM keeps them in registers
        with b.if_else(b.icmp_signed("!=", accumulate, number(0))) as (go_on, anew):
            with go_on:
                for cell, pointer in cells.items():
                    b.store(b.load(pointer, align=4), sums[cell])
            with anew:
                for cell in cells:
                    b.store(ir.Constant(_VECTOR, [0.0] * LANES), sums[cell])
        with cgutils.for_range(b, KO, intp=_INT) as outer:
            part_of_a, part_of_b = moved(first_a, b.mul(outer.index, a_o)), moved(first_b, b.mul(outer.index, b_o))
            starts = [moved(part_of_a, offset) for offset in row_of_a]
            with cgutils.for_range(b, KI, intp=_INT) as inner:
                here_a, here_b = b.mul(inner.index, a_i), moved(part_of_b, b.mul(inner.index, b_i))

                def weight(v, here=here_b):
                    return b.load(as_vector(moved(here, number(LANES * v))), align=4)

                def entry(r, here=here_a):
                    return _in_every_lane(b, b.load(moved(starts[r], here), align=4))

                def add(r, v, x, w):
                    b.store(_multiply_add(b, x, w, b.load(sums[r, v])), sums[r, v])

                if len(vectors) <= len(rows):  # hold what is fewer in registers, and stream the other past it
                    held = [weight(v) for v in vectors]
                    for r in rows:
                        x = entry(r)
                        for v in vectors:
                            add(r, v, x, held[v])
                else:
                    held = [entry(r) for r in rows]
                    for v in vectors:
                        w = weight(v)
                        for r in rows:
                            add(r, v, held[r], w)
        for cell, pointer in cells.items():
            b.store(b.load(sums[cell]), pointer, align=4)
        return context.get_dummy_value()

    return signature, generate


if vars(numba.config)["DISABLE_JIT"]:
    globals().update({name: twin for name, twin in vars(vector_plain).items() if not name.startswith("_")})
