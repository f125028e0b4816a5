"""Break the core in every way that mutmut can think of, and see whether the tests notice: see docs/mutation.md.

The mutants are mutmut's. Each meets the tests in a process of its own: first the quick ones that call what it changes,
in a process forked from one that has collected them all, where the code of a function is replaced; and if it gets by,
all that its module has, in a process that has imported nothing of ours yet, where it takes the place of the module.
Nothing is written to the tree.
"""

from __future__ import annotations

import argparse
import gc
import importlib.abc
import importlib.util
import inspect
import itertools
import json
import os
import random
import resource
import signal
import sys
import time
import tomllib
import types
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import attrs  # noqa: F401 - what the tests need and is not ours is imported once, not for each mutant
import cattrs  # noqa: F401
import hypothesis.stateful
import hypothesis.strategies
import libcst
import msgspec  # noqa: F401
import pytest
from libcst.helpers import get_full_name_for_node
from libcst.metadata import MetadataWrapper, WhitespaceInclusivePositionProvider
from mutmut.mutation.file_mutation import MutationVisitor
from mutmut.mutation.mutators import mutation_operators
from mutmut.mutation.pragma_handling import IgnoredCode

ROOT = Path(__file__).parents[2]
SURVIVORS = ROOT / "tests/mutation/survivors.toml"

RPC = (
    "test_session test_malformed test_callerror_codes test_session_stateful test_field test_vendor_actions "
    "test_tolerance test_tolerance_texts test_tolerance_repairs test_tolerance_policy test_hostile_rpc"
)
TESTS = {
    "frames": "test_frames test_malformed test_session test_callerror_codes",
    "codec": "test_codec test_writer test_vendor_actions test_open_values test_hostile_payloads test_session",
    "session": RPC,
    "inbound": RPC,
    "outbound": RPC,
}
"""The tests that judge each module, those that find most first."""

QUICK, SECONDS = 5, 180
"""CPU time after which a mutant counts as one that never ends: on its own, and when all has to be imported first."""
MEMORY = 4 << 30
"""Bytes of address space after which it counts as one that takes whatever it gets."""


T = TypeVar("T")


def path_of(module: str) -> Path:
    return ROOT / f"ocpp_sansio/{module}.py"


class Mutant(NamedTuple):
    """One change to a module. Where the same change can be made to several equal lines, so many mutants are equal."""

    module: str
    function: str
    """In which it is; empty at module level."""
    before: str
    """The lines that change, without indentation."""
    after: str
    source: str

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self[:4]


class Functions(libcst.CSTVisitor):
    """Maps each node to the qualified name of the function or class it is in."""

    def __init__(self) -> None:
        self.names: dict[int, str] = {}
        self._path: list[str] = []

    def on_visit(self, node: libcst.CSTNode) -> bool:
        self.names[id(node)] = ".".join(self._path)
        if isinstance(node, libcst.FunctionDef | libcst.ClassDef):
            self._path.append(get_full_name_for_node(node) or "")
        return True

    def on_leave(self, node: libcst.CSTNode) -> None:
        if isinstance(node, libcst.FunctionDef | libcst.ClassDef):
            self._path.pop()


class Breakage(MutationVisitor):
    """All of mutmut's mutants, those of decorated functions as well, as here no function is wrapped.

    Not of what no test is there for: `__all__` is the linter's to judge, and type variables are the type checkers'.
    """

    def _skip_node_and_children(self, node: libcst.CSTNode) -> bool:
        match node:
            case libcst.Assign(targets=[libcst.AssignTarget(target=libcst.Name(value="__all__"))]):
                return True
            case libcst.Assign(value=libcst.Call(func=libcst.Name(value="TypeVar"))):
                return True
            case libcst.FunctionDef(decorators=[_, *_]):
                return False
        return super()._skip_node_and_children(node)


def mutants_of(module: str) -> Iterator[Mutant]:
    source = path_of(module).read_text("utf-8")
    visitor, functions = Breakage(mutation_operators, IgnoredCode(set(), set(), set())), Functions()
    wrapper = MetadataWrapper(libcst.parse_module(source))
    tree = wrapper.visit(visitor)
    tree.visit(functions)
    places = wrapper.resolve(WhitespaceInclusivePositionProvider)
    starts = [0, *itertools.accumulate(map(len, source.splitlines(keepends=True)))]
    for mutation in visitor.mutations:
        place = places[mutation.original_node]
        start, end = (starts[at.line - 1] + at.column for at in (place.start, place.end))
        mutated = source[:start] + tree.code_for_node(mutation.mutated_node) + source[end:]
        if mutated != source:
            yield Mutant(module, functions.names[id(mutation.original_node)], *difference(source, mutated), mutated)


def difference(before: str, after: str) -> tuple[str, str]:
    """The lines that differ, joined."""
    lines = [before.splitlines(), after.splitlines()]
    for _ in range(2):  # once from the start, once from the end
        while all(lines) and lines[0][-1] == lines[1][-1]:
            for each in lines:
                each.pop()
        for each in lines:
            each.reverse()
    old, new = (" ".join(map(str.strip, each)) for each in lines)
    return old, new


# -- the quick way: in a process that has collected the tests --


def functions_of(code: types.CodeType) -> Iterator[types.CodeType]:
    """The functions and methods of a module, without what is inside them."""
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            if const.co_flags & inspect.CO_NEWLOCALS and const.co_flags & inspect.CO_OPTIMIZED:
                yield const
            else:
                yield from functions_of(const)


@lru_cache(2)
def code_of(path: str, source: str) -> dict[str, types.CodeType]:
    return {code.co_qualname: code for code in functions_of(compile(source, path, "exec", dont_inherit=True))}


class Profile:
    """A handful of examples, always the same; and whoever finds one that fails need not find the least."""

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self):
        ci = hypothesis.settings.get_profile("ci")
        phases = [hypothesis.Phase.explicit, hypothesis.Phase.generate]
        hypothesis.settings.register_profile("mutation", ci, max_examples=5, phases=phases)
        hypothesis.settings.load_profile("mutation")


class Bench(Profile):
    """Takes over from pytest once that has collected the tests, and lets them meet one mutant after the other.

    Each in a process of its own, where the code of the functions that it changes is replaced. That shows nothing of a
    mutant that changes no function, nor what a function does while modules are imported, so who stands here has not
    survived yet.
    """

    ENOUGH = 1.0
    """Seconds of tests per mutant, from the quickest on."""

    def __init__(self, mutants: list[Mutant], jobs: int, report: Callable[[int, str], None]) -> None:
        self._mutants = mutants
        self._jobs = jobs
        self._report = report

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session):
        callers = self._callers(session)
        if not callers:
            os._exit(1)  # a test fails on its own
        changes = (self._change(mutant) for mutant in self._mutants)
        concerned = [(number, change) for number, change in enumerate(changes) if change]
        for (number, _), verdict in run_all(
            concerned, self._jobs, QUICK, lambda job: self._meet(session, job[1], callers)
        ):
            self._report(number, verdict)
        return True

    def _callers(self, session: pytest.Session) -> dict[str, list[tuple[float, int]]]:
        """Which tests call each function, with how long they take. In a process of its own, which leaves no trace."""
        reader, writer = os.pipe()
        if os.fork():
            os.close(writer)
            with os.fdopen(reader) as stream:
                callers = json.load(stream)
            os.wait()
            return callers
        modules = {str(path_of(module)) for module in TESTS}
        callers = defaultdict(list)
        for number, item in enumerate(session.items):
            if getattr(item.obj, "is_hypothesis_test", False):
                continue  # slow
            called = set()

            def profile(frame: types.FrameType, event: str, _: object, called: set[str] = called) -> None:
                if event == "call" and frame.f_code.co_filename in modules:
                    called.add(frame.f_code.co_filename + frame.f_code.co_qualname.partition(".<locals>")[0])

            start = time.process_time()
            sys.setprofile(profile)
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            sys.setprofile(None)
            for function in called:
                callers[function].append((time.process_time() - start, number))
        with os.fdopen(writer, "w") as stream:
            json.dump({} if session.testsfailed else callers, stream)
        os._exit(0)

    @staticmethod
    def _change(mutant: Mutant) -> dict[str, types.CodeType]:
        """The functions that are not as they were."""
        path = str(path_of(mutant.module))
        was, becomes = code_of(path, path_of(mutant.module).read_text("utf-8")), code_of(path, mutant.source)
        return {path + name: code for name, code in becomes.items() if was.get(name) != code}

    def _meet(self, session: pytest.Session, change: dict[str, types.CodeType], callers: dict[str, Any]) -> int:
        for function in gc.get_objects():
            if isinstance(function, types.FunctionType):
                code = function.__code__
                if (changed := change.get(code.co_filename + code.co_qualname)) is not None:
                    function.__code__ = changed
        patience = self.ENOUGH
        for seconds, number in sorted(each for name in change for each in map(tuple, callers.get(name, ()))):
            item = session.items[number]
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            patience -= seconds
            if session.testsfailed or patience < 0:
                break
        return session.testsfailed


# -- the thorough way: in a process that has imported nothing of ours --


class Impostor(importlib.abc.MetaPathFinder, importlib.abc.SourceLoader):
    """Finds the mutant where the module is looked for."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant
        self._name = f"ocpp_sansio.{mutant.module}"

    def find_spec(self, fullname, path, target=None):
        if fullname != self._name:
            return None
        return importlib.util.spec_from_file_location(fullname, self.get_filename(fullname), loader=self)

    def get_filename(self, fullname):
        return str(path_of(self._mutant.module))

    def get_data(self, path):
        return self._mutant.source.encode()


def meet(mutant: Mutant) -> int:
    sys.meta_path.insert(0, Impostor(mutant))
    # One file after the other: most mutants fall at the first, and need not wait until all are collected.
    verdicts = (run_pytest([name], Profile()) for name in TESTS[mutant.module].split())
    return next(filter(None, verdicts), 0)


# -- both --


def run_pytest(tests: Iterable[str], plugin: object) -> int:
    os.environ |= {"CI": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    sys.dont_write_bytecode = True  # two mutants may have the same size and the same second
    sys.path[:0] = [str(ROOT), str(ROOT / "transports")]
    arguments = "-x -q --tb=no -p no:cacheprovider".split()
    return pytest.main([*arguments, *(f"tests/{name}.py" for name in tests)], plugins=[plugin])


def run_all(jobs: Iterable[T], at_a_time: int, seconds: int, run: Callable[[T], int]) -> Iterator[tuple[T, str]]:
    """Each in a process of its own, with what became of it."""
    running: dict[int, T] = {}
    waiting = iter(jobs)
    while True:
        for job in itertools.islice(waiting, at_a_time - len(running)):
            running[start(run, job, seconds)] = job
        if not running:
            return
        pid, status = os.wait()
        yield running.pop(pid), verdict_of(status)


def start(run: Callable[[T], int], job: T, seconds: int) -> int:
    if pid := os.fork():
        return pid
    try:
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        os._exit(bool(run(job)))
    finally:
        os._exit(99)


def verdict_of(status: int) -> str:
    if os.WIFSIGNALED(status):
        return "timed out" if os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL) else "killed"
    return "killed" if os.WEXITSTATUS(status) else "survived"


def quick_verdicts(mutants: list[Mutant], modules: list[str], jobs: int) -> dict[int, str]:
    """The mutants that fall the quick way, by their number."""
    tests = dict.fromkeys(name for module in modules for name in TESTS[module].split())
    reader, writer = os.pipe()
    if pid := os.fork():
        os.close(writer)
        with os.fdopen(reader) as stream:
            verdicts = dict(json.loads(line) for line in stream)
        if os.waitpid(pid, 0)[1]:
            sys.exit("the tests fail without any mutant")
        return {number: verdict for number, verdict in verdicts.items() if verdict != "survived"}
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    with os.fdopen(writer, "w") as stream:
        run_pytest(tests, Bench(mutants, jobs, lambda *each: print(json.dumps(each), file=stream, flush=True)))
    os._exit(0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("modules", nargs="*", default=list(TESTS), metavar="module", help=", ".join(TESTS))
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes at a time")
    parser.add_argument("--only", default="", metavar="TEXT", help="mutants with this text in their change")
    parser.add_argument("--sample", type=int, default=sys.maxsize, metavar="N", help="so many of each module at most")
    arguments = parser.parse_args()
    os.chdir(ROOT)

    mutants = []
    for module in arguments.modules:
        some = [each for each in mutants_of(module) if arguments.only in each.before + each.after]
        mutants += random.Random(module).sample(some, min(arguments.sample, len(some)))
    quick = quick_verdicts(mutants, arguments.modules, arguments.jobs)
    verdicts = [(mutants[number], verdict) for number, verdict in quick.items()]
    unbroken = [Mutant(module, "", "", "", path_of(module).read_text("utf-8")) for module in arguments.modules]
    left = [mutant for number, mutant in enumerate(mutants) if number not in quick]
    print(f"{len(quick)} of {len(mutants)} mutants fell quickly", file=sys.stderr, flush=True)
    for mutant, verdict in run_all(unbroken + left, arguments.jobs, SECONDS, meet):
        if mutant not in unbroken:
            verdicts.append((mutant, verdict))
            print(verdict, json.dumps(mutant.key, ensure_ascii=False), file=sys.stderr, flush=True)
        elif verdict != "survived":
            sys.exit(f"the tests of {mutant.module} fail without any mutant")
    return report(verdicts, is_everything=not arguments.only and arguments.sample == sys.maxsize)


def report(verdicts: list[tuple[Mutant, str]], *, is_everything: bool) -> int:
    """Print the table and what is new about it. Returns 1 if there is anything."""
    listed = {
        tuple(mutant) for each in tomllib.loads(SURVIVORS.read_text("utf-8"))["survivors"] for mutant in each["mutants"]
    }
    of_module = defaultdict(Counter)
    for mutant, verdict in verdicts:
        of_module[mutant.module][verdict] += 1
    print("| module | mutants | killed | timed out | survived | noticed |\n|---|--:|--:|--:|--:|--:|")
    for module, count in of_module.items():
        noticed = 1 - count["survived"] / count.total()
        numbers = count.total(), count["killed"], count["timed out"], count["survived"]
        print("|", module, *(f"| {number}" for number in numbers), f"| {noticed:.1%} |")

    survivors = {mutant.key for mutant, verdict in verdicts if verdict == "survived"}
    gone = {key for key in listed if key[0] in of_module} - survivors if is_everything else set()
    for title, keys in (("Survived, and not listed:", survivors - listed), ("Listed, but did not survive:", gone)):
        if keys:
            print("", title, *(f"  {json.dumps(key, ensure_ascii=False)}," for key in sorted(keys)), sep="\n")
    return bool(gone or survivors - listed)


if __name__ == "__main__":
    sys.exit(main())
