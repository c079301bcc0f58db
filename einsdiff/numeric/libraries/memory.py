"""The memory limit: bytes are counted before they are allocated.

>>> format_bytes(512_000_000)
'488 MiB'
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from einsdiff.errors import OperandError
from einsdiff.notation.subscripts import is_index

#: The share of the machine's memory that a computation may take unless a limit is set.
SHARE = 0.5
#: What is taken for the machine's memory where the system does not say.
UNKNOWN_MACHINE = 8 * 2**30

_limit: int | None = None


def set_memory_limit(limit: int | None) -> int:
    """Set how many bytes a computation may allocate at one time.

    What needs more is computed in slices where that is possible, and refused where it is not,
    before anything is allocated.

    Parameters
    ----------
    limit
        Bytes; None for the default, half of the machine's memory, or of what its container or
        ``ulimit`` leave to the process, as it is now.

    Returns
    -------
    int
        The limit that held before, in bytes.

    Raises
    ------
    OperandError
        If the limit is not a whole number from 0.

    Examples
    --------
    >>> import einsdiff as ed
    >>> before = ed.set_memory_limit(10**9)
    >>> ed.set_memory_limit(before)
    1000000000
    """
    global _limit
    check_limit(limit)
    before = memory_limit()
    _limit = limit
    return before


def check_limit(limit: object) -> None:
    """Raise OperandError for what is no number of bytes.

    >>> check_limit(10**9)
    """
    if limit is not None and not (is_index(limit) and limit >= 0):
        raise OperandError(
            f"{limit!r} is no memory limit",
            action="a limit is a whole number of bytes from 0, such as 10**9, or None",
        )


def memory_limit() -> int:
    """Return the limit in bytes."""
    global _limit
    if _limit is None:
        _limit = int(SHARE * _machine_bytes())
    return _limit


def _machine_bytes() -> int:
    """Return the least of what the machine has and of what the process may take of it."""
    sizes = [*_group_bytes(Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")), *_process_bytes()]
    with suppress(AttributeError, ValueError, OSError):  # not every system has sysconf
        sizes.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return min(sizes, default=UNKNOWN_MACHINE)


def _group_bytes(groups: Path, root: Path) -> Iterator[int]:
    """List the limits of the control groups, of both versions, that the process is in.

    Linux says which these are in a file, in lines ``number:controllers:path``. They are mounted at
    the root; in a container its own group is the root.
    """
    lines = [""]
    with suppress(OSError):
        lines += groups.read_text().splitlines()
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        folders = []
        if not controllers:
            folders.append((root, "memory.max"))
        if not line or "memory" in controllers.split(","):
            folders.append((root / "memory", "memory.limit_in_bytes"))
        for top, name in folders:
            own = top / path.lstrip("/")
            for folder in (own, *own.parents):
                with suppress(ValueError, OSError):  # "max", or no such file: no limit
                    yield int((folder / name).read_text())
                if folder == top:
                    break


def _process_bytes() -> Iterator[int]:
    """List the limits that were set for the process, such as by ``ulimit -v``."""
    with suppress(ImportError):  # where there are none
        import resource

        for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA):
            most, _ = resource.getrlimit(kind)
            if most != resource.RLIM_INFINITY:
                yield most


def format_bytes(count: int) -> str:
    """Write a number of bytes in a unit that suits it.

    >>> format_bytes(100), format_bytes(8 * 10**12)
    ('100 bytes', '7.28 TiB')
    """
    size, unit = float(count), "bytes"
    for bigger in ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB"):
        if size < 1024:
            break
        size, unit = size / 1024, bigger
    return f"{count} bytes" if unit == "bytes" else f"{size:.3g} {unit}"
