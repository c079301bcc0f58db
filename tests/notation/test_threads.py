"""Threads and forks together."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import threading

import pytest

from einsdiff.algebra.nodes import interning, nodes
from einsdiff.notation.threads import cached_property
from einsdiff.numeric.libraries import anonymous

needs_forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")


def test_a_property_is_computed_once_and_has_no_lock():
    computed = []

    class Thing:
        @cached_property
        def value(self) -> object:
            computed.append(1)
            return object()

    thing = Thing()
    assert thing.value is thing.value
    assert len(computed) == 1
    assert isinstance(Thing.value, functools.cached_property)  # which documentation knows


def test_two_threads_that_compute_a_property_at_once_get_one_value():
    both = threading.Barrier(2, timeout=60)

    class Thing:
        @cached_property
        def value(self) -> object:
            both.wait()  # with a lock around it, the second one would never come here
            return object()

    thing = Thing()
    found: list[object] = []
    pair = [threading.Thread(target=lambda: found.append(thing.value)) for _ in range(2)]
    for one in pair:
        one.start()
    for one in pair:
        one.join(60)
    assert len(found) == 2
    assert found[0] is found[1] is thing.value


def _status_of_a_child(action) -> int:
    """Fork, and return 0 if the action ends in the child."""
    pid = os.fork()
    if pid == 0:
        import signal

        signal.alarm(30)  # a child that hangs is ended
        try:
            action()
        finally:
            os._exit(0 if sys.exc_info()[0] is None else 1)
    return os.waitpid(pid, 0)[1]


@needs_forks
@pytest.mark.filterwarnings("ignore:.*fork")
def test_locks_that_a_thread_held_are_open_in_a_child():
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with interning._lock, anonymous._anonymous.lock:
            held.set()
            done.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(60)
    try:
        import numpy as np

        def work() -> None:
            nodes.variable("never before", (3, 5, 7, 11))
            anonymous.anonymous_name(np.ones(2))

        assert _status_of_a_child(work) == 0
    finally:
        done.set()
        thread.join()


WORK_AND_FORK = """
import os, signal, sys, threading, time, warnings
warnings.simplefilter("ignore", DeprecationWarning)
import einsdiff as ed

def compute(k):
    n = 2 + k % 5
    x = [0.1 * i for i in range(n)]
    A = [[1.0 / (1 + i + j) for j in range(n)] for i in range(n)]
    J = ed.hessian(f"exp(A_ij x_j) x_i + {k} x_i x_i", A=A, x=x, wrt="x")
    H = J.dense()
    return str(J), J.structure_hash, J.solve(x), J.code(), H

def work():
    k = 0
    while not stop:
        compute(k); k += 1

stop = False
threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads:
    thread.start()  # the first modules are imported while the first children are forked
failed = 0
for k in range(int(sys.argv[1])):
    time.sleep(0.003 * (k % 7))
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)
        try:
            compute(1000 + k)
        except BaseException:
            os._exit(1)
        os._exit(0)
    failed += os.waitpid(pid, 0)[1] != 0
stop = True
for thread in threads:
    thread.join()
sys.exit(failed)
"""


@needs_forks
def test_children_that_are_forked_while_threads_work_do_not_hang():
    done = subprocess.run(
        [sys.executable, "-c", WORK_AND_FORK, "20"], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
