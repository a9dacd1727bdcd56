"""Mutation testing: change the deciding modules in small ways; at least one test must fail for each change.

Use: ``mutation.py [PATTERN...]``, where a pattern selects mutants by name, for instance
``bedrock_resilience.retrying._budget.*``. Without a pattern all modules of ``[tool.mutmut]`` in pyproject.toml are
changed, which takes hours.

mutmut makes the mutants and finds the tests that reach each of them. It collects the tests again for each mutant,
which takes longer than to run them, so the mutants run here first: the tests are collected once, and each mutant runs
them in a fork, until one fails. A mutant that no test notices there runs once more by mutmut, in a process that imports
the mutated modules itself.

Prints each change that no test noticed and fails if there is one. A change that makes no difference has
``# pragma: no mutate`` with the reason on its line. mutmut does not change decorated functions, such as properties.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import resource
import signal
import struct
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from time import monotonic, sleep  # noqa: TID251 - it waits for processes
from typing import NoReturn

import pytest
from mutmut.__main__ import collect_or_load_stats, create_mutants
from mutmut.configuration import config
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.utils.file_utils import copy_also_copy_files, copy_src_dir, setup_source_paths
from mutmut.utils.format_utils import mangled_name_from_mutant_name
from mutmut.workers.isolation import get_mutant_runner

MUTMUT = str(Path(sys.executable).with_name("mutmut"))
NOTICED = {"killed", "timeout", "segfault", "caught by type check"}
SURVIVED, KILLED = 0, 1  # exit status of a fork
MAX_MEMORY = 4 << 30  # bytes of a fork; a loop that does not end may fill more than the machine has
SHARED = struct.Struct("qd")  # what a fork tells: the index of the test that runs, and the time by which it must end


def main(patterns: list[str]) -> int:
    """Make the mutants, run them and print the result; return the exit status."""
    print("making the mutants", flush=True)
    subprocess.run([sys.executable, __file__, "--prepare"], check=True)
    names = [
        name
        for name, status in results_of_mutmut().items()
        if status != "skipped" and (not patterns or any(fnmatch(name, pattern) for pattern in patterns))
    ]
    status_by_mutant = run_in_forks(names)
    unnoticed = [name for name, status in status_by_mutant.items() if status not in NOTICED]
    if unnoticed:
        print(f"{len(unnoticed)} of {len(names)} run once more, by mutmut", flush=True)
        subprocess.run([MUTMUT, "run", *unnoticed], check=True)
        results = results_of_mutmut()
        status_by_mutant |= {name: results[name] for name in unnoticed}
    for name in unnoticed:
        if status_by_mutant[name] not in NOTICED:
            print(f"\n{status_by_mutant[name]}: {name}", flush=True)
            subprocess.run([MUTMUT, "show", name], check=False)
    print(f"\n{len(names)} changes:", dict(Counter(status_by_mutant.values())))
    return 0 if names and NOTICED.issuperset(status_by_mutant.values()) else 1


def prepare() -> None:
    """Write the mutants and the statistics of the tests, as ``mutmut run`` does before its first mutant."""
    set_mutant_under_test("mutant_generation")
    Path("mutants").mkdir(exist_ok=True)
    copy_src_dir()
    copy_also_copy_files()
    setup_source_paths()
    processors = os.cpu_count() or 1
    create_mutants(processors)
    collect_or_load_stats(get_mutant_runner(processors), apply_config_invalidation=True)


def results_of_mutmut() -> dict[str, str]:
    """Return the status of each mutant that mutmut has made."""
    command = [MUTMUT, "results", "--all", "true"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return {name: status for name, _, status in (line.strip().rpartition(": ") for line in lines)}


def run_in_forks(names: list[str]) -> dict[str, str]:
    """Return the status of each mutant after its tests have run in a fork of one process that has collected them."""
    settings = config()
    setup_source_paths()
    os.environ["PYTHONPATH"] = str(Path("mutants/src").absolute())  # for the tests that start an interpreter
    set_mutant_under_test("")
    with contextlib.chdir("mutants"):
        runs = MutantRuns(names)
        options = ["--rootdir=.", "-p", "no:terminal", *settings.pytest_add_cli_args]
        pytest.main([*options, *settings.pytest_add_cli_args_test_selection], plugins=[runs])
    return runs.status_by_mutant


@dataclass
class Fork:
    """A process that runs the tests of one mutant."""

    mutant: str | None  # None runs the tests without a mutant
    tests: list[pytest.Item]
    shared: mmap.mmap = field(default_factory=lambda: mmap.mmap(-1, SHARED.size))

    def tell(self, index: int, seconds: float) -> None:
        """Write down, for the other process, which test runs and how long it may take."""
        self.shared[:] = SHARED.pack(index, monotonic() + seconds)

    def told(self) -> tuple[pytest.Item | None, float]:
        """Return the test that runs, and the time by which it must end."""
        index, deadline = SHARED.unpack(self.shared[:])
        return self.tests[index] if self.tests else None, deadline


class MutantRuns:
    """A pytest plugin that runs the collected tests for each mutant instead of once."""

    def __init__(self, names: list[str]) -> None:
        self.waiting = names[::-1]
        self.total = len(names)
        self.status_by_mutant: dict[str, str] = {}
        stats = json.loads(Path("mutmut-stats.json").read_text())
        self.tests_by_function: dict[str, list[str]] = stats["tests_by_mangled_function_name"]
        self.duration_by_test: dict[str, float] = stats["duration_by_test"]
        self.noticed_by_function: defaultdict[str, Counter[pytest.Item]] = defaultdict(Counter)
        self.mutants_by_test: defaultdict[pytest.Item, list[str]] = defaultdict(list)  # those that a test noticed
        self.broken: set[pytest.Item] = set()
        self.item_by_name: dict[str, pytest.Item] = {}
        self.forks: dict[int, Fork] = {}
        self.failed = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a failure."""
        self.failed |= report.failed

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the tests for each mutant, as many forks at a time as there are processors."""
        self.item_by_name = {item.nodeid: item for item in session.items}
        started = reported = monotonic()
        while self.waiting or self.forks:
            while self.waiting and len(self.forks) < (os.cpu_count() or 1):
                mutant = self.waiting.pop()
                self.fork(Fork(mutant, self.tests_of(mutant)))
            sleep(0.005)
            self.note_ended()
            if monotonic() > reported + 60:
                reported = monotonic()
                counts = dict(Counter(self.status_by_mutant.values()))
                done = f"{len(self.status_by_mutant)} of {self.total}"
                print(f"{done} after {reported - started:.0f} s: {counts}", flush=True)
        for test in self.broken:
            self.status_by_mutant |= dict.fromkeys(self.mutants_by_test[test], f"{test.nodeid} fails alone")
        return True

    def tests_of(self, mutant: str) -> list[pytest.Item]:
        """Return the tests that reach a mutant, in the order in which they are likely to notice it soon.

        First those that noticed others of its function, then those of its module's file; of each, the fastest first.
        """
        function = mangled_name_from_mutant_name(mutant)
        module = function.rpartition(".")[0].rpartition(".")[2].lstrip("_")
        noticed = self.noticed_by_function[function]
        names = self.tests_by_function.get(function, ())
        items = [self.item_by_name[name] for name in names if name in self.item_by_name]

        def order(item: pytest.Item) -> tuple[int, bool, float]:
            own = item.path.stem.startswith(f"test_{module}")
            return -noticed[item], not own, self.duration_by_test.get(item.nodeid, 0.0)

        return sorted(items, key=order)

    def fork(self, fork: Fork) -> None:
        """Start a process that runs the tests of a mutant."""
        fork.tell(0, 60)
        pid = os.fork()
        if pid == 0:
            self.run(fork)
        self.forks[pid] = fork

    def run(self, fork: Fork) -> NoReturn:
        """In the forked process: run the tests until one fails."""
        try:
            os.setpgid(0, 0)
            resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
            set_mutant_under_test(fork.mutant or "")
            for index, item in enumerate(fork.tests):
                fork.tell(index, 10 + 10 * self.duration_by_test.get(item.nodeid, 0.0))
                following = fork.tests[index + 1] if index + 1 < len(fork.tests) else None
                item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
                if self.failed:
                    os._exit(KILLED)
            os._exit(SURVIVED)
        finally:  # an error of pytest itself is a test that failed
            os._exit(KILLED)

    def note_ended(self) -> None:
        """Note what came out of the forks that have ended, and end those whose test takes too long."""
        for pid, fork in list(self.forks.items()):
            ended, exit_status = os.waitpid(pid, os.WNOHANG)
            test, deadline = fork.told()
            if ended:
                del self.forks[pid]
                self.note(fork, test, "killed" if exit_status else "survived")
            elif monotonic() > deadline:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                del self.forks[pid]
                self.note(fork, test, "timeout")

    def note(self, fork: Fork, test: pytest.Item | None, status: str) -> None:
        """Note the status of a mutant. A test that notices its first one runs again without any, and must pass."""
        if fork.mutant is None:
            if status != "survived":
                self.broken.update(fork.tests)
            return
        self.status_by_mutant[fork.mutant] = status
        if status != "survived" and test is not None:
            if test not in self.mutants_by_test:
                self.fork(Fork(None, [test]))
            self.mutants_by_test[test].append(fork.mutant)
            self.noticed_by_function[mangled_name_from_mutant_name(fork.mutant)][test] += 1


if __name__ == "__main__":
    if sys.argv[1:] == ["--prepare"]:
        prepare()
    else:
        sys.exit(main(sys.argv[1:]))
