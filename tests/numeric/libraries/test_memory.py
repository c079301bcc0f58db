"""The default of the memory limit: what the machine, its control groups and the process allow."""

from __future__ import annotations

import subprocess
import sys

import pytest

from einsdiff.numeric.libraries.memory import _group_bytes

#: What groups of version 1 without a limit say.
NO_LIMIT = 9223372036854771712


@pytest.fixture
def limits(tmp_path):
    """Lay out control groups, and list the limits that are found."""

    def limits(groups, files):
        (tmp_path / "cgroup").write_text(groups)
        for name, text in files.items():
            path = tmp_path / "fs" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")
        return sorted(set(_group_bytes(tmp_path / "cgroup", tmp_path / "fs")))

    return limits


def test_no_groups_no_limits(limits):
    assert limits("", {}) == []


def test_the_root_of_a_container(limits):
    assert limits("0::/\n", {"memory.max": 1000}) == [1000]
    assert limits("0::/\n", {"memory.max": "max"}) == []


def test_a_group_and_those_that_it_is_in(limits):
    files = {"memory.max": "max", "user/memory.max": 5000, "user/mine/memory.max": 7000}
    assert limits("0::/user/mine\n", files) == [5000, 7000]


def test_groups_of_the_first_version(limits):
    groups = "5:devices:/\n4:cpu,memory:/job/1\n3:cpuset:/\n0::/\n"
    files = {
        "memory/memory.limit_in_bytes": NO_LIMIT,
        "memory/job/memory.limit_in_bytes": 3000,
        "cpuset/memory.limit_in_bytes": 1,
    }
    assert limits(groups, files) == [3000, NO_LIMIT]


def test_a_group_whose_folder_is_not_seen_from_inside(limits):
    assert limits("4:memory:/far/away\n", {"memory/memory.limit_in_bytes": 2000}) == [2000]


def test_the_limit_of_the_process_counts():
    resource = pytest.importorskip("resource")
    code = (
        "import resource; resource.setrlimit(resource.{0}, (3 * 2**30, -1))\n"
        "import einsdiff as ed; print(ed.set_memory_limit(None))"
    )
    for name in ("RLIMIT_AS", "RLIMIT_DATA"):
        if resource.getrlimit(getattr(resource, name))[1] == resource.RLIM_INFINITY:
            done = subprocess.run(
                [sys.executable, "-c", code.format(name)],
                capture_output=True,
                text=True,
                check=True,
            )
            assert int(done.stdout) <= 3 * 2**29
