"""The house keeps its order: imports point downwards, heavy libraries wait until needed, public names are listed.

Nothing is run here but one `import tinyconv`; the rest is read from the source.
"""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import tinyconv

ROOT = Path(tinyconv.__file__).parent

#: From the ground up. A part imports from floors below its own, and from itself.
FLOORS = [
    {"_types"},
    {"checks"},
    {"archives", "config", "figures", "files", "geometry", "interrupts", "registry", "tensor"},
    {"activations", "curves", "initializers", "regularizers", "labels", "gradcheck", "random", "warp"},
    {"layers", "losses", "metrics", "optimizers", "callbacks"},
    {"engine"},
    {"preprocessing"},
    {"utils"},
    {"doctor"},
    {"models"},
    {"backend", "data", "datasets", "explain", "export", "interop", "ops", "plots", "saving"},
    {"notes"},
    {"presets"},
    {"commands"},
    {"cli"},
    {"__main__"},
]
FLOOR = {part: i for i, parts in enumerate(FLOORS) for part in parts}

#: Third-party libraries that may be imported where they are used, inside a function; requests comes with pooch.
INSIDE_FUNCTIONS = {"matplotlib", "PIL", "h5py", "pooch", "requests", "tqdm", "threadpoolctl"}
#: Those of extras, without which all but the one thing they are for works.
INSIDE_FUNCTIONS |= {"onnx", "onnxruntime", "scipy", "tensorboardX"}
#: The modules of the engine that write machine code, and what they need for it. Nothing imports them unasked.
COMPILER = {
    "tinyconv.engine.lanes": {"llvmlite"},
    "tinyconv.engine.vector": {"numba", "llvmlite"},
    "tinyconv.engine.compiler": {"numba"},
}
#: Those that are not imported by `import tinyconv`.
HEAVY = INSIDE_FUNCTIONS | {"torch", "keras", "tensorflow", "pandas", "numba"}

#: Parts that may use tinyconv as its users do, by the names of the top.
USERS = {"cli", "commands", "notes", "__main__"}

#: What of numpy.random holds a state of its own. Everything else changes one that the whole process shares.
OWN_STATE = {"Generator", "PCG64", "RandomState", "SeedSequence", "default_rng"}


def sources():
    """(module name, syntax tree) of every file of the package, but for the notes' programs, which only use it."""
    for path in sorted(set(ROOT.rglob("*.py")) - set(ROOT.glob("notes/programs/*"))):
        parts = ["tinyconv", *path.relative_to(ROOT).with_suffix("").parts]
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), ast.parse(path.read_text(encoding="utf-8"))


TREES = dict(sources())
every_module = pytest.mark.parametrize("module", TREES)


def part_of(module):
    """The file or folder directly under tinyconv; "" for tinyconv itself."""
    return (module.split(".") + [""])[1]


def is_type_checking(node):
    """Whether a statement is `if TYPE_CHECKING:`, which does not run."""
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def statements(tree, inside_functions):
    """Every node that runs; those inside functions only if asked for."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if is_type_checking(node):
            continue
        if inside_functions or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))


def imports(tree, inside_functions=True):
    """(module, name or None) for each import: ("tinyconv.checks", "sentence"), ("sys", None)."""
    for node in statements(tree, inside_functions):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module, alias.name) for alias in node.names)


def imported_modules(tree, inside_functions=True):
    """Modules of tinyconv that are imported: `from tinyconv import config` is "tinyconv.config"."""
    for module, name in imports(tree, inside_functions):
        if module.split(".")[0] == "tinyconv":
            yield f"{module}.{name}" if f"{module}.{name}" in TREES else module


@every_module
def test_every_part_has_its_floor(module):
    assert part_of(module) in FLOOR or module == "tinyconv"


@every_module
def test_imports_point_downwards(module):
    mine = part_of(module)
    parts = {part_of(other) for other in imported_modules(TREES[module])} - {mine, ""}
    upwards = {part for part in parts if mine and FLOOR[part] >= FLOOR[mine]}
    assert not upwards


@pytest.mark.parametrize(
    ("low", "high"), [("layers", "engine"), ("engine", "models"), ("models", "cli"), ("checks", "layers")]
)
def test_the_floors_say_what_the_design_says(low, high):
    assert FLOOR[low] < FLOOR[high]


@every_module
def test_nothing_inside_uses_the_names_of_the_top(module):
    if module == "tinyconv" or part_of(module) in USERS:
        return
    assert "tinyconv" not in set(imported_modules(TREES[module]))


def test_no_module_imports_itself_in_a_circle():
    graph = {module: set(imported_modules(tree, inside_functions=False)) for module, tree in TREES.items()}
    for package in graph:  # a module's own packages are begun before it, and are no circle
        graph[package] -= {".".join(package.split(".")[:n]) for n in range(1, package.count(".") + 2)}
    while leaves := {module for module, others in graph.items() if not others & graph.keys()}:
        graph = {module: others for module, others in graph.items() if module not in leaves}
    assert not graph


@every_module
def test_imports_are_absolute(module):
    assert not [n for n in ast.walk(TREES[module]) if isinstance(n, ast.ImportFrom) and n.level]


@every_module
def test_only_numpy_is_imported_with_the_module(module):
    libraries = {name.split(".")[0] for name, _ in imports(TREES[module], inside_functions=False)}
    assert libraries <= sys.stdlib_module_names | {"numpy", "tinyconv"} | COMPILER.get(module, set())


@every_module
def test_other_libraries_are_those_that_are_declared(module):
    libraries = {name.split(".")[0] for name, _ in imports(TREES[module])}
    allowed = {"numpy", "tinyconv"} | INSIDE_FUNCTIONS | COMPILER.get(module, set())
    assert libraries <= sys.stdlib_module_names | allowed


def test_import_tinyconv_loads_no_heavy_library():
    code = "import sys, tinyconv; print(*sys.modules, sep='\\n')"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT.parent, capture_output=True, text=True, check=True, timeout=60
    )
    assert not HEAVY & set(found.stdout.split())


# Public names

PACKAGES = [module for module in TREES if (ROOT.parent / module.replace(".", "/") / "__init__.py").exists()]


def bound_names(tree):
    """Public names that a module binds by importing, assigning or defining."""
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name).split(".")[0] for alias in node.names)
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name


@pytest.mark.parametrize("package", PACKAGES)
def test_all_lists_what_the_package_offers(package):
    bound = {name for name in bound_names(TREES[package]) if not name.startswith("_") or name == "__version__"}
    listed = getattr(importlib.import_module(package), "__all__", [])
    assert sorted(listed) == sorted(bound)


@pytest.mark.parametrize("module", [m for m in TREES if any(n == "__all__" for n in bound_names(TREES[m]))])
def test_every_listed_name_exists_and_is_listed_once(module):
    loaded = importlib.import_module(module)
    assert [name for name in loaded.__all__ if not hasattr(loaded, name)] == []
    assert len(set(loaded.__all__)) == len(loaded.__all__)


def test_the_public_namespaces_are_those_of_keras():
    spaces = "layers models optimizers losses metrics callbacks datasets utils initializers regularizers activations"
    assert {*spaces.split(), "Sequential", "Model", "Input", "gradcheck", "config"} <= set(tinyconv.__all__)


# Habits


@every_module
def test_no_global_random_state(module):
    used = {
        node.attr
        for node in ast.walk(TREES[module])
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("np.random", "numpy.random")
    }
    assert used <= OWN_STATE
    assert "random" not in {name for name, _ in imports(TREES[module])}


@every_module
def test_every_module_begins_by_saying_what_it_is(module):
    assert ast.get_docstring(TREES[module])


@every_module
def test_no_pickle(module):
    assert not {name for name, _ in imports(TREES[module])} & {"pickle", "dill", "joblib", "shelve"}
    assert "allow_pickle=True" not in ast.unparse(TREES[module])
