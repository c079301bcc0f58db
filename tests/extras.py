"""What tests need beyond Python packages that `pip` installs, and may have to do without.

Where `EINSDIFF_REQUIRE_EXTRAS` is set, as in `.ci/run`, what is missing is a failure.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import NoReturn

import pytest

KATEX = Path(__file__).parent / "display" / "katex.cjs"


def missing(what: str) -> NoReturn:
    """Skip the test that runs, since something is not installed; or fail, if it must be."""
    if os.environ.get("EINSDIFF_REQUIRE_EXTRAS"):
        pytest.fail(f"{what} is needed where EINSDIFF_REQUIRE_EXTRAS is set", pytrace=False)
    pytest.skip(f"needs {what}")


def katex_complaints(formulas: Sequence[str]) -> list[str | None]:
    """Return for each formula what KaTeX in its strict mode says against it, None if nothing."""
    node = shutil.which("node") or missing("node")
    found = subprocess.run(
        [node, str(KATEX)], input=json.dumps(formulas), capture_output=True, text=True
    )
    if found.returncode == 3:
        missing("the npm package katex, in a folder that NODE_PATH names")
    assert found.returncode == 0, found.stderr
    complaints: list[str | None] = json.loads(found.stdout)
    assert len(complaints) == len(formulas)
    return complaints


def needs(module: str) -> None:
    """Go on only if a package can be imported; see `missing`."""
    try:
        import_module(module)
    except ImportError:
        missing(f"the package {module}")
