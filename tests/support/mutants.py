"""Mutation testing of the access engine by the oracle: `python -m tests.support.mutants [WORLDS
[NAME]]`.

Changes one operator, constant, comparison or statement of a function at a time, in place, and asks
the same made-up worlds again until one disagrees. A mutant that no world tells apart is printed.
"""

from __future__ import annotations

import ast
import copy
import inspect
import os
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

SWAPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.GtE: ast.Gt,
    ast.Gt: ast.GtE,
    ast.Add: ast.Sub,
}


def changes(node: ast.AST) -> Iterator[tuple[str, Any]]:
    """Every way to change this one node: what is said of it, and a function that does it."""
    found = getattr(node, "op", None)
    if type(found) in SWAPPED:
        other = SWAPPED[type(found)]()
        said = f"{type(found).__name__}→{type(other).__name__}"
        yield said, lambda n, other=other: setattr(n, "op", other)
    if isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPPED:
        swap = SWAPPED[type(node.ops[0])]
        yield (
            f"{type(node.ops[0]).__name__}→{swap.__name__}",
            lambda n: n.ops.__setitem__(0, swap()),
        )
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Invert | ast.Not):
        yield "negation dropped", lambda n: setattr(n, "op", ast.UAdd()) or mark(n)
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield f"{node.value}→{not node.value}", lambda n: setattr(n, "value", not n.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield f"{node.value}→{node.value + 1}", lambda n: setattr(n, "value", n.value + 1)
    if isinstance(node, ast.List | ast.Tuple) and isinstance(node.ctx, ast.Load):
        for place in range(len(node.elts)):
            yield f"element {place} dropped", lambda n, place=place: n.elts.pop(place)
    if isinstance(node, ast.comprehension):
        for place in range(len(node.ifs)):
            yield f"if {place} dropped", lambda n, place=place: n.ifs.pop(place)
    if isinstance(node, ast.keyword | ast.arg) or not isinstance(node, ast.Call):
        return
    if isinstance(node.func, ast.Attribute) and node.func.attr in ("filter", "exclude"):
        other_name = "exclude" if node.func.attr == "filter" else "filter"
        yield f"{node.func.attr}→{other_name}", lambda n: setattr(n.func, "attr", other_name)
    for place, word in enumerate(node.keywords):
        if word.arg is not None and word.arg not in ("output_field", "default", "then"):
            yield f"{word.arg}= dropped", lambda n, place=place: n.keywords.pop(place)


def run_nodes(definition: ast.FunctionDef) -> Iterator[ast.AST]:
    """Yield what is run of a function: no annotation is."""
    waiting: list[ast.AST] = list(definition.body)
    while waiting:
        node = waiting.pop(0)
        yield node
        for name, value in ast.iter_fields(node):
            if name not in ("annotation", "returns"):
                inner = value if isinstance(value, list) else [value]
                waiting += [each for each in inner if isinstance(each, ast.AST)]


def mark(node: Any) -> None:
    node.dropped = True


class Drop(ast.NodeTransformer):
    """Replaces a marked negation by what it negated."""

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        return node.operand if getattr(node, "dropped", False) else node


def functions() -> Iterator[tuple[str, FunctionType]]:
    """The functions of the modules under test, by name."""
    import accounts.asker
    import accounts.backends
    import accounts.rule
    import records.models.rules
    from accounts.access import askers, grants, names, readers, rules, tools, who

    engine = (askers, grants, names, readers, rules, tools, who)
    for module in (accounts.asker, accounts.rule, *engine, accounts.backends, records.models.rules):
        for name, thing in vars(module).items():
            if getattr(thing, "__module__", "") != module.__name__:
                continue
            if inspect.isfunction(bare := inspect.unwrap(thing)):
                yield f"{module.__name__}.{name}", bare
            elif inspect.isclass(thing):
                for inner, method in vars(thing).items():
                    if inspect.isfunction(method) and method.__code__.co_filename.endswith(
                        module.__name__.replace(".", "/") + ".py"
                    ):
                        yield f"{module.__name__}.{name}.{inner}", method


def mutants(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """Every changed code of a function, with a description."""
    source = textwrap.dedent(inspect.getsource(function))
    tree = ast.parse(source)
    first = function.__code__.co_firstlineno - 1
    definition = tree.body[0]
    assert isinstance(definition, ast.FunctionDef)
    nodes = list(run_nodes(definition))
    for place, node in enumerate(nodes):
        for said, change in changes(node):
            other = copy.deepcopy(tree)
            again = other.body[0]
            assert isinstance(again, ast.FunctionDef)
            twin = list(run_nodes(again))[place]
            change(twin)
            again.decorator_list = []
            other.body.insert(0, ast.parse("from __future__ import annotations").body[0])
            made = ast.fix_missing_locations(Drop().visit(other))
            names: dict[str, Any] = dict(function.__globals__)
            try:
                exec(compile(made, "<mutant>", "exec"), names)
            except SyntaxError:
                continue
            line = first + getattr(node, "lineno", getattr(node, "end_lineno", 1) or 1)
            code = names[function.__name__].__code__
            if code.co_freevars == function.__code__.co_freevars:
                yield f"line {line}: {said}", code


def run(number: int, only: str) -> int:
    import django

    django.setup()
    from django.conf import settings as django_settings
    from django.db import connection, transaction
    from hypothesis import HealthCheck, Phase, given, seed, settings

    from accounts import access
    from accounts.access.grants import rights_of_anybody
    from accounts.prepared import prepared_text
    from tests.claims import test_access_edges
    from tests.support import company
    from tests.support.cases import CASES
    from tests.support.compared import compare
    from tests.support.tally import Tally
    from tests.support.worlds import World, worlds

    hashers = "django.contrib.auth.hashers.MD5PasswordHasher"
    django_settings.PASSWORD_HASHERS = [hashers]
    connection.settings_dict["TEST"]["NAME"] = None
    connection.creation.create_test_db(verbosity=0)
    made: list[World] = []

    @seed(11)
    @settings(
        max_examples=number,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(worlds())
    def make(world: World) -> None:
        made.append(world)

    make()
    asked = [*CASES.values(), *made]
    edges = [
        test
        for name, test in vars(test_access_edges).items()
        if name.startswith("test_") and not hasattr(test, "pytestmark")
    ]

    def is_told_apart() -> bool:
        # Made by what is a mutant now, or was one before.
        access.ANYONE.known.clear()
        access.forget_what_was_made()
        rights_of_anybody.cache_clear()
        prepared_text.cache_clear()
        for test in edges:
            try:
                with transaction.atomic():
                    test(company.found())
                    transaction.set_rollback(True)
            except Exception:
                return True
        for world in asked:
            try:
                with transaction.atomic():
                    compare(world, Tally(), people=4)
            except Exception:
                return True
        return False

    with tempfile.TemporaryDirectory() as folder:
        django_settings.EXPORT_ROOT = Path(folder)
        assert not is_told_apart(), "The worlds disagree without any mutant."
        killed, survivors, begun = 0, [], time.monotonic()
        for name, function in functions():
            if only not in name:
                continue
            right = function.__code__
            for said, code in mutants(function):
                function.__code__ = code
                try:
                    if is_told_apart():
                        killed += 1
                    else:
                        survivors.append(f"{name} {said}")
                        print(f"survived: {name} {said}", flush=True)
                finally:
                    function.__code__ = right
    total = killed + len(survivors)
    took = time.monotonic() - begun
    print(f"{total} mutants, {killed} killed ({100 * killed / total:.0f} %), {took:.0f} s")
    return 0


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "crmperms.settings")
    number, only = [*sys.argv[1:], "60", ""][:2] if len(sys.argv) != 2 else (sys.argv[1], "")
    sys.exit(run(int(number), only))
