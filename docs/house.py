"""Draws the rooms of the package and which imports which, from the imports themselves.

Run it as ``python docs/house.py [FILE.svg]``, where Graphviz is installed.
An arrow that follows from others, by way of a third room, is left out.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "einsdiff"


def room_of(module: str) -> str:
    """Return the room that a module is in: a folder, or one inside of it where there are some.

    >>> room_of("einsdiff.algebra.rewriting.rules.patterns"), room_of("einsdiff.notation.lexer")
    ('algebra.rewriting', 'notation')
    """
    parts = module.split(".")[1:]
    has_rooms = any(path.is_dir() for path in (PACKAGE / parts[0]).glob("[a-z]*"))
    return ".".join(parts[:2] if has_rooms else parts[:1])


def imported(path: Path) -> Iterator[str]:
    """List what a module imports of the package, wherever it stands in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("einsdiff."):
            folder = PACKAGE.parent.joinpath(*str(node.module).split("."))
            for alias in node.names:
                is_module = (folder / f"{alias.name}.py").exists() or (folder / alias.name).is_dir()
                yield f"{node.module}.{alias.name}" if is_module else str(node.module)


def imports() -> dict[str, set[str]]:
    """Return for each room those that its modules import from."""
    rooms: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        if not path.stem.startswith("__"):
            module = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
            rooms.setdefault(room_of(module), set()).update(map(room_of, imported(path)))
    return {room: found - {room} for room, found in rooms.items()}


def reduced(edges: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Leave out what follows by way of others.

    >>> reduced({"a": {"b", "c"}, "b": {"c"}, "c": set()})
    {'a': {'b'}, 'b': {'c'}, 'c': set()}
    """
    below: dict[str, set[str]] = {}

    def all_below(room: str) -> set[str]:
        if room not in below:
            below[room] = set().union(*(all_below(n) | {n} for n in edges[room]))
        return below[room]

    return {
        room: {n for n in found if not any(n in all_below(other) for other in found - {n})}
        for room, found in edges.items()
    }


def dot(edges: Mapping[str, set[str]]) -> str:
    """Write the picture in the language of Graphviz."""
    told = ['digraph { rankdir=TB; ranksep=0.35; nodesep=0.18; fontname="Helvetica"; compound=true']
    told.append('node [shape=box style="rounded,filled" fillcolor="#eef3f8" fontname="Helvetica"]')
    told.append('edge [color="#6b6b6b" arrowsize=0.6]')
    tops = sorted({room.partition(".")[0] for room in edges})
    for top in tops:
        inside = sorted(room for room in edges if room.partition(".")[0] == top)
        if len(inside) > 1:
            told.append(f'subgraph "cluster_{top}" {{ label="{top}" style=rounded color="#0072b2"')
        for room in inside:
            name = room.partition(".")[2] or room
            told.append(f'"{room}" [label="{name}"]')
        told += ["}"] * (len(inside) > 1)
    for room, found in sorted(edges.items()):
        told += [f'"{room}" -> "{other}"' for other in sorted(found)]
    return "\n".join([*told, "}"]) + "\n"


if __name__ == "__main__":
    target = Path(__file__).parent / "pictures" / "house.svg"
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else target
    command = ["dot", "-Tsvg", "-o", str(target)]
    subprocess.run(command, input=dot(reduced(imports())), text=True, check=True)
