"""Mutation testing by chosen tests: `python -m tests.support.mutants_by_tests MODULES MOST TEST…`.

Like `tests.support.mutants`, of which it takes how a function is changed; here pytest's own tests
are asked, in one process and one database, until one fails. At most so many mutants of the modules
(with commas between them) are tried, picked by a seed; what no test tells apart is printed.
"""

from __future__ import annotations

import inspect
import os
import random
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from types import FunctionType, ModuleType
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from tests.support.mutants import mutants


def functions(module: ModuleType) -> Iterator[tuple[str, FunctionType]]:
    """Every function and method that is written in this module, with its name."""
    for name, thing in vars(module).items():
        if getattr(thing, "__module__", "") != module.__name__:
            continue
        if inspect.isfunction(bare := inspect.unwrap(thing)):
            yield name, bare
        elif inspect.isclass(thing):
            for inner, attribute in vars(thing).items():
                method = getattr(attribute, "fget", attribute)
                if inspect.isfunction(method) and method.__code__.co_filename == module.__file__:
                    yield f"{name}.{inner}", method


def forget() -> None:
    """Forget what a mutant worked out, or was worked out before it."""
    from accounts import access
    from accounts.access.grants import rights_of_anybody
    from accounts.catalogue import evaluation
    from accounts.prepared import prepared_text

    access.ANYONE.known.clear()
    access.forget_what_was_made()
    rights_of_anybody.cache_clear()
    prepared_text.cache_clear()
    evaluation.effective.cache_clear()
    evaluation.effective_box.cache_clear()


class Mutating:
    """Takes the place of pytest's own loop over the tests."""

    def __init__(self, modules: str, most: int) -> None:
        self.modules, self.most = modules, most

    def pytest_runtestloop(self, session: Any) -> bool:
        items = list(session.items)
        if killer := self.killer_of(items):
            raise SystemExit(f"{killer} fails without any mutant.")
        tried = [
            (f"{module}.{name} {said}", function, code)
            for module in self.modules.split(",")
            for name, function in functions(import_module(module))
            for said, code in mutants(function)
        ]
        chosen = random.Random(11).sample(tried, min(self.most, len(tried)))
        survived, begun = 0, time.monotonic()
        for number, (said, function, code) in enumerate(chosen, 1):
            right, function.__code__ = function.__code__, code
            try:
                killer = self.killer_of(items)
            finally:
                function.__code__ = right
            if killer is None:
                survived += 1
                print(f"survived: {said}", flush=True)
            else:  # what told this one apart is asked first about the next
                items.remove(killer)
                items.insert(0, killer)
            if number % 10 == 0:
                print(f"{number} of {len(chosen)}, {time.monotonic() - begun:.0f} s", flush=True)
        forget()
        print(f"{self.modules}: {len(chosen)} of {len(tried)} mutants, {survived} survived")
        return True

    def killer_of(self, items: list[Any]) -> Any:
        """Return the test that fails, or None."""
        for item in items:
            forget()
            # As if the whole session came next: what a module shares is taken down, no database.
            reports = runtestprotocol(item, log=False, nextitem=item.session)
            if any(report.failed for report in reports):
                return item
        return None


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "crmperms.settings")
    modules, most, *tests = sys.argv[1:]
    plain = ["-q", "-p", "no:cacheprovider", "-p", "no:randomly", "-s"]
    sys.exit(pytest.main([*plain, *tests], plugins=[Mutating(modules, int(most))]))
