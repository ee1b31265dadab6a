"""Changes the package in one place at a time, and lists undetected changes.

`python tests/mutations.py --files keras_dim/methods/moco.py --limit 40` runs
the tests of that file once for each change, in a copy, and prints the changes
for which all pass: they have no effect, or a test is missing. Each run is a
fork of this process, because importing TensorFlow takes the longest time.
"""

import argparse
import ast
import collections
import copy
import importlib
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).parents[1]
FOLDERS = ("methods", "mutual_information", "layers", "recipes")
# Further tests, above all for files without tests of the same name.
MORE_TESTS = {
    "layers/critics.py": ["methods/amdim_test.py"],
    "layers/priors.py": ["methods/deep_infomax_test.py"],
    "methods/base.py": ["methods/inputs_test.py"],
    "methods/replicated.py": [
        "methods/base_test.py",
        "methods/inputs_test.py",
        "methods/keras_test.py",
    ],
    "mutual_information/bounds.py": ["mutual_information/pairs_*test.py"],
}
OPPOSITES = {ast.Add: ast.Sub, ast.Mult: ast.Div, ast.And: ast.Or}
OPPOSITES |= {ast.Lt: ast.LtE, ast.Gt: ast.GtE, ast.Eq: ast.NotEq}
OPPOSITES |= {ast.Is: ast.IsNot, ast.In: ast.NotIn}
OPPOSITES |= {after: before for before, after in OPPOSITES.items()}
STATEMENTS = ast.Assign | ast.AugAssign | ast.Expr | ast.Return | ast.Raise
# The description of a change, and the source of the whole file with it.
Mutant = collections.namedtuple("Mutant", "file says source")


def changes(node):
    """Yields the kind of a change, the node, and the node to replace it by."""
    if isinstance(node, STATEMENTS):
        yield "delete", node, ast.Pass()
    if isinstance(node, ast.If | ast.IfExp | ast.While):
        yield "negate", node.test, ast.UnaryOp(ast.Not(), node.test)
    if isinstance(node, ast.BinOp | ast.BoolOp) and type(node.op) in OPPOSITES:
        new = copy.copy(node)
        new.op = OPPOSITES[type(node.op)]()
        yield "operator", node, new
    if isinstance(node, ast.Compare) and type(node.ops[0]) in OPPOSITES:
        ops = [OPPOSITES[type(node.ops[0])](), *node.ops[1:]]
        yield "operator", node, ast.Compare(node.left, ops, node.comparators)
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        is_bool = isinstance(node.value, bool)
        value = not node.value if is_bool else node.value + 1
        yield "constant", node, ast.Constant(value)
    if isinstance(node, ast.Call):
        for dropped in node.keywords:
            kept = [keyword for keyword in node.keywords if keyword != dropped]
            new = ast.Call(node.func, node.args, kept)
            yield f"keyword {dropped.arg}", node, new


def nodes(node):
    """Yields nodes to change: no docstring, message, annotation, decorator."""
    is_expression = isinstance(node, ast.Expr)
    is_docstring = is_expression and isinstance(node.value, ast.Constant)
    if is_docstring or isinstance(node, ast.JoinedStr):
        return
    yield node
    apart = [getattr(node, name, None) for name in ("annotation", "returns")]
    apart += getattr(node, "decorator_list", [])
    for child in ast.iter_child_nodes(node):
        if child not in apart and not isinstance(node, ast.Raise):
            yield from nodes(child)


def mutants_of(file):
    """Yields every `Mutant` of a file."""
    source = (ROOT / file).read_bytes()
    lengths = [len(line) for line in source.splitlines(keepends=True)]
    for node in nodes(ast.parse(source)):
        for kind, old, new in changes(node):
            begin = sum(lengths[: old.lineno - 1]) + old.col_offset
            end = sum(lengths[: old.end_lineno - 1]) + old.end_col_offset
            before, after = ast.unparse(old), ast.unparse(new)
            says = f"{file}:{old.lineno}: {kind}: {before}  ->  {after}"
            changed = source[:begin] + after.encode() + source[end:]
            yield Mutant(file, says, changed)


def tests_of(file):
    """Returns the paths of the tests of a file, or of its folder."""
    within = file.relative_to("keras_dim")
    own = f"{within.with_suffix('')}_*test.py"
    patterns = [own, *MORE_TESTS.get(within.as_posix(), ())]
    found = {path for p in patterns for path in (ROOT / "tests").glob(p)}
    found = found or (ROOT / "tests" / within.parent).glob("*_test.py")
    return tuple(str(path.relative_to(ROOT)) for path in sorted(found))


def fork(root, tests):
    """Starts tests in a copy of the repository; returns the process id."""
    process = os.fork()
    if process:
        return process
    try:
        # A process group, to be ended together with the tests' own processes.
        os.setsid()
        os.chdir(root)
        output = os.open("output.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.path.insert(0, str(root))
        tempfile.tempdir = str(root)
        os.environ |= {"PYTHONPATH": str(root), "TMPDIR": str(root)}
        arguments = ["-x", "-q", "-p", "no:cacheprovider", *tests]
        os._exit(int(sys.modules["pytest"].main(arguments)))
    finally:
        os._exit(1)


def outcomes(mutants, tests, original, workers):
    """Yields each mutant and whether the tests pass; hanging tests fail."""
    begin = time.monotonic()
    if os.waitpid(fork(original, tests), 0)[1]:
        output = (original / "output.txt").read_text("utf-8")
        sys.exit(f"Tests fail without any change:\n{output}")
    patience = 30 + 5 * (time.monotonic() - begin)
    waiting, running = collections.deque(mutants), {}
    try:
        while waiting or running:
            if waiting and len(running) < workers:
                root = pathlib.Path(tempfile.mkdtemp(dir=original.parent))
                shutil.copytree(original, root, dirs_exist_ok=True)
                mutant = waiting.popleft()
                (root / mutant.file).write_bytes(mutant.source)
                begin = time.monotonic()
                running[fork(root, tests)] = mutant, root, begin
            time.sleep(0.05)
            for process, (mutant, root, begin) in list(running.items()):
                done, status = os.waitpid(process, os.WNOHANG)
                if not done and time.monotonic() > begin + patience:
                    os.killpg(process, signal.SIGKILL)
                    done, status = os.waitpid(process, 0)
                if done:
                    del running[process]
                    shutil.rmtree(root)
                    yield mutant, status == 0
    finally:
        for process in running:
            os.killpg(process, signal.SIGKILL)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", nargs="+", help="of the package")
    parser.add_argument("--tests", nargs="+", help="instead of each file's own")
    parser.add_argument("--limit", type=int, help="draw so many changes")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--strict", action="store_true", help="1 if one lives")
    arguments = parser.parse_args()
    files = arguments.files or [
        path.relative_to(ROOT)
        for folder in FOLDERS
        for path in sorted((ROOT / "keras_dim" / folder).glob("[!_]*.py"))
    ]
    mutants = [m for file in files for m in mutants_of(pathlib.Path(file))]
    if arguments.limit and arguments.limit < len(mutants):
        mutants = random.Random(arguments.seed).sample(mutants, arguments.limit)
    groups = collections.defaultdict(list)
    for mutant in mutants:
        tests = arguments.tests or tests_of(mutant.file)
        groups[tuple(tests)].append(mutant)
    # Python could use the bytecode of one mutant for the next one.
    sys.dont_write_bytecode = True
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    for name in ("keras", "tensorflow_datasets", "pytest", "scipy"):
        importlib.import_module(name)
    survived = 0
    with tempfile.TemporaryDirectory() as folder:
        original = pathlib.Path(folder, "original")
        ignore = shutil.ignore_patterns("__pycache__")
        for name in ("keras_dim", "tests"):
            shutil.copytree(ROOT / name, original / name, ignore=ignore)
        shutil.copy(ROOT / "pyproject.toml", original)
        for tests, group in groups.items():
            found = outcomes(group, tests, original, arguments.workers)
            for survivor in (mutant for mutant, passed in found if passed):
                survived += 1
                print(survivor.says, flush=True)
    killed = len(mutants) - survived
    print(f"{len(mutants)} mutants, {killed} killed, {survived} survived")
    sys.exit(1 if arguments.strict and survived else 0)


if __name__ == "__main__":
    main()
