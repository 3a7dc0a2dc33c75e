"""Small mistakes that a person could make, put into a source file one at a time.

    a < b         <=, and so on for every comparison        a + b, a * b    a - b, a / b, and so on
    x and y       or                                        -x              x
    not x         x                                         3               4, and 2
    x += y        x = y, and x -= y                         min(x, y)       max
    h, w = ...    w, h = ...                                a[i, j]         a[j, i]
    transpose(1, 2, 0)   transpose(2, 1, 0), and transpose(1, 0, 2)         a.T             a

Left alone are words (docstrings, the texts of errors, `__repr__`), types, and decorators: no number comes from them.
"""

import ast
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

COMPARISONS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
ARITHMETIC = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult,
    ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
}  # fmt: skip
SIGNS = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=", ast.Is: "is",
    ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in", ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/",
    ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**", ast.BitAnd: "&", ast.BitOr: "|", ast.LShift: "<<",
    ast.RShift: ">>", ast.And: "and", ast.Or: "or", ast.MatMult: "@",
}  # fmt: skip
EXTREMES = {
    one: other
    for pair in (("min", "max"), ("minimum", "maximum"), ("argmin", "argmax"), ("fmin", "fmax"))
    for one, other in (pair, pair[::-1])
}

#: Functions whose arguments, or whose results, are words, and names of words.
WORDING = {"sentence", "did_you_mean", "warn", "lookup", "_channel_error", "__repr__", "__str__"}
WORDS = {"received", "expected", "way_out"}


@dataclass(frozen=True)
class Mutant:
    """One mistake.

    Attributes:
        file: of the checkout, such as "tinyconv/layers/dense.py".
        where: the function or class it is in, "" for neither.
        text: the line it is in, without the space before it.
        change: what it does, such as ``"< becomes <="``; with ``", 2nd"`` where a line can have it more than once.
        line, statement: the numbers of its line and of the first line of its statement.
        number: its place among all mutants of the file.
        deep: whether it is inside a function, and not where the file is imported.
    """

    file: str
    where: str
    text: str
    change: str
    line: int
    statement: int
    number: int
    deep: bool

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What names it, also after lines have been added elsewhere."""
        return self.file, self.where, self.text, self.change

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.change}: {self.text}"


@dataclass(frozen=True)
class Edit:
    """A change to a syntax tree: what is said of it, its node, the function it is in, and how it is made."""

    change: str
    node: ast.AST
    statement: int
    where: str
    deep: bool
    make: Callable[[], None]


def mutants(file: str, source: str) -> list[Mutant]:
    """All mistakes for a file, in the order of its lines."""
    lines, seen, found = source.splitlines(), Counter[tuple[str, str, str]](), []
    for number, edit in enumerate(_edits(ast.parse(source))):
        text = lines[edit.node.lineno - 1].strip()
        one = (edit.where, text, edit.change)
        seen[one] += 1
        change = edit.change if seen[one] == 1 else f"{edit.change}, {_ordinal(seen[one])}"
        found.append(Mutant(file, edit.where, text, change, edit.node.lineno, edit.statement, number, edit.deep))
    return found


def mutated(source: str, number: int) -> ast.Module:
    """The tree of a file with this mistake in it."""
    tree = ast.parse(source)
    list(_edits(tree))[number].make()
    return ast.fix_missing_locations(tree)


def _ordinal(n: int) -> str:
    return f"{n}{ {2: 'nd', 3: 'rd'}.get(n, 'th') }"


def _edits(tree: ast.Module) -> Iterator[Edit]:
    for statement in tree.body:
        yield from _within(statement, Place("", False))


@dataclass(frozen=True)
class Place:
    """Where a node is: in this function or class, run when called or on import, in a statement of this line."""

    where: str
    deep: bool
    statement: int = 0

    def inside(self, name: str, deep: bool) -> "Place":
        return Place(f"{self.where}.{name}".strip("."), deep, self.statement)


def _within(node: ast.AST, place: Place) -> Iterator[Edit]:
    """The edits of a node and of all below it."""
    if _is_wording(node):
        return
    if isinstance(node, ast.stmt):
        place = replace(place, statement=node.lineno)
    if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Lambda):
        yield from _within_definition(node, place)
        return
    for change, make in _of(node):
        yield Edit(change, node, place.statement, place.where, place.deep, make)
    for name, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and name != "annotation":
                yield from _within(child, place)


def _within_definition(node: ast.FunctionDef | ast.ClassDef | ast.Lambda, place: Place) -> Iterator[Edit]:
    """Default values belong to where the function is defined; what is inside runs when it is called."""
    name = "" if isinstance(node, ast.Lambda) else node.name
    if not isinstance(node, ast.ClassDef):
        for value in (*node.args.defaults, *node.args.kw_defaults):
            if value is not None:
                yield from _within(value, place.inside(name, place.deep))
    for child in [node.body] if isinstance(node, ast.Lambda) else node.body:
        yield from _within(child, place.inside(name, place.deep or not isinstance(node, ast.ClassDef)))


def _is_wording(node: ast.AST) -> bool:
    """Whether a node is only there to be read."""
    match node:
        case ast.Raise() | ast.JoinedStr() | ast.Import() | ast.ImportFrom() | ast.Assert():
            return True
        case ast.FunctionDef(name=name) | ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name in WORDING
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name in WORDS
        case ast.If(test=ast.Name(id="TYPE_CHECKING")) | ast.Expr(value=ast.Constant()):
            return True
    return False


def _of(node: ast.AST) -> Iterator[tuple[str, Callable[[], None]]]:
    """(what changes, how) for a node itself."""
    match node:
        case ast.Compare():
            for i, sign in enumerate(node.ops):
                yield from _other(sign, COMPARISONS, node.ops, i)
        case ast.BoolOp():
            other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            yield f"{SIGNS[type(node.op)]} becomes {SIGNS[type(other)]}", _set(node, op=other)
        case ast.BinOp() if type(node.op) in ARITHMETIC and not any(map(_is_word, (node.left, node.right))):
            other = ARITHMETIC[type(node.op)]()
            yield f"{SIGNS[type(node.op)]} becomes {SIGNS[type(other)]}", _set(node, op=other)
        case ast.UnaryOp(op=ast.Not() | ast.USub() as sign):
            yield f"{'not' if isinstance(sign, ast.Not) else 'minus'} is dropped", _become(node, node.operand)
        case ast.AugAssign():
            yield f"{SIGNS[type(node.op)]}= becomes =", _become(node, ast.Assign([node.target], node.value))
            if type(node.op) in ARITHMETIC:
                other = ARITHMETIC[type(node.op)]()
                yield f"{SIGNS[type(node.op)]}= becomes {SIGNS[type(other)]}=", _set(node, op=other)
        case ast.Constant(value=value) if type(value) is int:
            yield f"{value} becomes {value + 1}", _set(node, value=value + 1)
            yield f"{value} becomes {value - 1}", _set(node, value=value - 1)
        case ast.Name(id=name, ctx=ast.Load()) if name in EXTREMES:
            yield f"{name} becomes {EXTREMES[name]}", _set(node, id=EXTREMES[name])
        case ast.Attribute(attr=name) if name in EXTREMES:
            yield f"{name} becomes {EXTREMES[name]}", _set(node, attr=EXTREMES[name])
        case ast.Attribute(attr="T"):
            yield ".T is dropped", _become(node, node.value)
        case ast.Assign(targets=[ast.Tuple(elts=[_, _, *_] as elts)]):
            if not any(isinstance(one, ast.Starred) for one in elts[:2]):
                yield "the first two names change places", _swap(elts, 0, 1)
        case ast.Subscript(slice=ast.Tuple(elts=[first, second, *_] as elts)):
            if ast.dump(first) != ast.dump(second) and _is_index(first) and _is_index(second):
                yield "the first two indices change places", _swap(elts, 0, 1)
        case ast.Call(func=ast.Attribute(attr="transpose"), args=[_, _, *_] as args):
            yield "the first two axes change places", _swap(args, 0, 1)
            if len(args) > 2:
                yield "the last two axes change places", _swap(args, -2, -1)


def _other(sign: ast.AST, table: dict, signs: list, i: int) -> Iterator[tuple[str, Callable[[], None]]]:
    def make() -> None:
        signs[i] = table[type(sign)]()

    yield f"{SIGNS[type(sign)]} becomes {SIGNS[table[type(sign)]]}", make


def _set(node: ast.AST, **fields: object) -> Callable[[], None]:
    return lambda: [setattr(node, name, value) for name, value in fields.items()]


def _swap(elements: list, i: int, j: int) -> Callable[[], None]:
    def make() -> None:
        elements[i], elements[j] = elements[j], elements[i]

    return make


def _become(node: ast.AST, other: ast.AST) -> Callable[[], None]:
    """A node is its parent's; so it turns into another in its place."""

    def make() -> None:
        kind, fields = type(other), dict(ast.iter_fields(other))
        node.__dict__ = {**{n: v for n, v in node.__dict__.items() if n in node._attributes}, **fields}
        node.__class__ = kind

    return make


def _is_word(node: ast.AST) -> bool:
    """Whether it is a text or a type: their sum is no sum."""
    if isinstance(node, ast.Constant):
        return node.value is None or isinstance(node.value, str)
    if isinstance(node, ast.Name):
        return node.id in ("int", "float", "str", "bool") or (node.id[:1].isupper() and not node.id.isupper())
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.BinOp) and _is_word(node.left))


def _is_index(node: ast.AST) -> bool:
    """Whether it counts cells: not a slice, an ellipsis or a new axis."""
    if isinstance(node, ast.Constant):
        return type(node.value) is int
    return isinstance(node, ast.Name | ast.BinOp | ast.Attribute | ast.Subscript) and not _is_word(node)
