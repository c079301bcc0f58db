"""What the figures say: a summary against the limits, and tables in Markdown.

A ratio in brackets is to the hand-written optimum of the same run. Where a geometric mean over
problems is taken, those without both figures are left out, and their number is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import exp, log
from typing import Any

from tests.benchmarks.problems import SIZES

__all__ = ["DENSE", "best_peer", "dense_system", "duration", "markdown", "summary"]

#: The peers' routes to the dense array, and to its structure.
DENSE = ("jax", "torch", "autograd", "asdex", "casadi")
SPARSE = ("asdex sparse", "casadi sparse")

#: One matrix product or one write of memory, or little more; there level is what can be.
LEVEL = ("bilinear", "quadratic", "least squares", "logistic gradient", "logistic Hessian")

#: The columns of the tables.
DENSE_COLUMNS = (
    *("hand", "einsdiff first", "einsdiff repeated", "einsdiff compiled", "einsdiff into buffer"),
    *DENSE,
)
OTHER_COLUMNS = (
    *("hand core", "einsdiff core", "einsdiff sparse", *SPARSE),
    *("einsdiff product", "einsdiff operator", "jax product"),
)

Figures = Mapping[str, Any]


def duration(seconds: float) -> str:
    """Write seconds with three digits and a fitting unit."""
    for unit, scale in (("s", 1), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            value = seconds / scale
            return f"{value:.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"
    return f"{seconds / 1e-9:.0f} ns"


def mean(ratios: list[float]) -> float:
    """Return the geometric mean."""
    return exp(sum(map(log, ratios)) / len(ratios))


def seconds(found: Figures, system: str) -> float | None:
    """Return what a system took, if it was measured."""
    value: float | None = found.get(system, {}).get("seconds")
    return value


def best_peer(found: Figures, systems: tuple[str, ...] = DENSE) -> tuple[float, str] | None:
    """Return what the fastest of the peers took, and which that is."""
    times = [(t, system) for system in systems if (t := seconds(found, system)) is not None]
    return min(times, default=None)


def dense_system(found: Figures) -> str:
    """Return which of einsdiff's ways to the dense array counts: the compiled one, if measured."""
    compiled = seconds(found, "einsdiff compiled") is not None
    return "einsdiff compiled" if compiled else "einsdiff repeated"


def each(
    figures: Figures, sizes: tuple[str, ...], structured: bool = False
) -> Iterator[tuple[str, str, Figures]]:
    """Iterate over problems and sizes that were measured."""
    for name, by_size in figures["results"].items():
        if not structured or figures["problems"][name]["structured"]:
            for size in sizes:
                if size in by_size:
                    yield name, size, by_size[size]


# --- the summary ------------------------------------------------------------------------------


def summary(figures: Figures) -> str:
    """Return a table of what must be reached and what is."""
    rows = [*_against_hand(figures), *_memory(figures), *_against_peers(figures)]
    rows += [*_structured(figures), *_tiny(figures), *_extras(figures)]
    lines = ["| what | limit | measured | reached |", "|---|---|---|---|"]
    lines += [
        f"| {what} | {limit} | {measured} | {'yes' if reached else '**no**'} |"
        for what, limit, measured, reached in rows
    ]
    return "\n".join(lines)


Row = tuple[str, str, str, bool]


def _against_hand(figures: Figures) -> Iterator[Row]:
    ratios = {}
    for name, size, found in each(figures, SIZES[1:]):
        hand, own = seconds(found, "hand"), seconds(found, dense_system(found))
        if hand and own:
            ratios[f"{name}, {size}"] = own / hand
    if ratios:
        average = mean(list(ratios.values()))
        yield (
            f"dense derivative against hand, geometric mean of {len(ratios)}",
            "at most 1.1",
            f"{average:.2f}",
            average <= 1.1,
        )
        over = {k: r for k, r in sorted(ratios.items(), key=lambda p: -p[1]) if r > 1.25}
        worst = ", ".join(f"{k} {r:.2f}" for k, r in over.items()) or f"{max(ratios.values()):.2f}"
        yield "the same, each", "at most 1.25", worst, not over


def _memory(figures: Figures) -> Iterator[Row]:
    ratios = {}
    for name, size, found in each(figures, SIZES[1:]):
        own = found.get(dense_system(found), {}).get("bytes")
        hand = found.get("hand", {}).get("bytes", 0)
        if own and hand > 2**23:
            ratios[f"{name}, {size}"] = own / hand
    if ratios:
        over = {k: r for k, r in sorted(ratios.items(), key=lambda p: -p[1]) if r > 1.1}
        worst = ", ".join(f"{k} {r:.2f}" for k, r in over.items()) or f"{max(ratios.values()):.2f}"
        yield f"its peak memory against hand, each of {len(ratios)}", "at most 1.1", worst, not over


def _against_peers(figures: Figures) -> Iterator[Row]:
    ratios, behind = [], []
    for name, size, found in each(figures, SIZES[1:]):
        peer, own = best_peer(found), seconds(found, dense_system(found))
        if peer and own:
            ratios.append(peer[0] / own)
            if ratios[-1] < (0.9 if name in LEVEL else 1):
                behind.append(f"{name}, {size} {1 / ratios[-1]:.2f} times {peer[1]}")
    if ratios:
        yield (
            f"dense derivative against the best peer, each of {len(ratios)}",
            "ahead, or level",
            ", ".join(behind) or f"{mean(ratios):.1f} times as fast in geometric mean",
            not behind,
        )


def _structured(figures: Figures) -> Iterator[Row]:
    forms = (
        ("einsdiff into buffer", "dense derivative into an earlier buffer", DENSE, 30),
        ("einsdiff core", "core and deltas", DENSE + SPARSE, 100),
        ("einsdiff sparse", "sparse matrix", DENSE + SPARSE, 0),
        ("einsdiff product", "product with a vector, compiled", DENSE + SPARSE, 100),
        ("einsdiff operator", "SciPy operator", DENSE + SPARSE, 0),
    )
    for system, what, peers, limit in forms:
        ratios = []
        for _, _, found in each(figures, SIZES[1:], structured=True):
            peer, own = best_peer(found, peers), seconds(found, system)
            if peer and own:
                ratios.append(peer[0] / own)
        if ratios:
            route = "dense route" if peers == DENSE else "dense or sparse route"
            yield (
                f"{what} against the best peer's {route}, geometric mean of {len(ratios)}",
                f"at least {limit} times" if limit else "none",
                f"{mean(ratios):.1f} times",
                mean(ratios) >= limit,
            )


def _tiny(figures: Figures) -> Iterator[Row]:
    ratios = {}
    for name, _, found in each(figures, SIZES[:1]):
        own, jax = seconds(found, "einsdiff compiled"), seconds(found, "jax")
        if own and jax:
            ratios[name] = own / jax
    if ratios:
        over = {k: r for k, r in sorted(ratios.items(), key=lambda p: -p[1]) if r > 1}
        yield (
            f"compiled call on tiny arrays against jitted JAX, each of {len(ratios)}",
            "at most 1",
            f"{mean(list(ratios.values())):.2f} in geometric mean"
            + "".join(f", {k} {r:.2f}" for k, r in over.items()),
            not over,
        )


def _extras(figures: Figures) -> Iterator[Row]:
    extras = figures.get("extras", {})
    overhead, cold = extras.get("overhead", {}), extras.get("cold", {})
    if "compiled" in overhead:
        excess = [1e6 * (r["call"] - r["statements"]) for r in overhead["compiled"]]
        yield (
            "compiled call beyond its NumPy statements, 1 to 6 operands",
            "3 µs + 0.3 µs an operand",
            f"{min(excess):.1f} to {max(excess):.1f} µs",
            all(e <= 3 + 0.3 * r["operands"] for e, r in zip(excess, overhead["compiled"])),  # noqa: B905
        )
        repeated = overhead["repeated"]["seconds"]
        yield "repeated gradient of A x by A", "25 µs", duration(repeated), repeated <= 25e-6
        imported = overhead["import"]
        yield (
            "import einsdiff, without NumPy",
            "60 ms",
            duration(imported["seconds"]) + (", with NumPy" if imported["imports_numpy"] else ""),
            imported["seconds"] <= 60e-3 and not imported["imports_numpy"],
        )
    if "catalogue" in cold:
        value = cold["catalogue"]["median"]
        count = len(cold["catalogue"]["rows"])
        yield (
            f"first derivative, median of {count} rows of the catalogue",
            "3 ms",
            duration(value),
            value <= 3e-3,
        )
        for system, what in (("jax", "JAX's trace and compilation"), ("sympy", "SymPy's")):
            ratios = [r[system] / r["einsdiff"] for r in cold["problems"].values() if r.get(system)]
            if ratios:
                yield (
                    f"the same against {what}, geometric mean of {len(ratios)}",
                    "20 times",
                    f"{mean(ratios):.0f} times",
                    mean(ratios) >= 20,
                )
    for name, growth in extras.get("scale", {}).items():
        if isinstance(growth, dict) and growth.get("exponent") is not None:
            last = growth["points"][-1]
            taken = last["differentiate"] + last["plan"]
            yield (
                f"{name}: growth of the time up to {last['size']:,} {growth['unit']}",
                f"n^{growth['limit']:g}",
                f"n^{growth['exponent']:.2f}, {duration(taken)}",
                growth["exponent"] <= growth["limit"],
            )


# --- the tables -------------------------------------------------------------------------------


def markdown(figures: Figures) -> str:
    """Return everything as Markdown."""
    return "\n\n".join([*_parts(figures)]) + "\n"


def _parts(figures: Figures) -> Iterator[str]:
    machine = figures["machine"]
    yield "# Benchmarks"
    yield (
        f"{machine['processor']}, {figures['cores']} of {machine['cores']} cores, "
        f"{machine['memory_gib']} GiB; {machine['system']}, Python {machine['python']}; "
        + ", ".join(f"{k} {v}" for k, v in machine["versions"].items())
        + f". Load at the start {machine['load']:.1f}; the run took {figures['seconds']:.0f} s."
    )
    yield (
        "## Summary\n\n" + summary(figures) + "\n\nIn the tables of dense arrays a number in "
        "brackets is the ratio to the optimum by hand. A dash is explained at the end."
    )
    for size in SIZES:
        rows = {name: r[size] for name, r in figures["results"].items() if size in r}
        if rows:
            yield f"## {size.capitalize()}"
            yield from _tables(rows)
    for part, table in (
        ("overhead", _overhead),
        ("cold", _cold),
        ("scale", _scale),
        ("networks", _networks),
    ):
        found = figures.get("extras", {}).get(part)
        if found and "failed" not in found and "skipped" not in found:
            yield f"## {part.capitalize()}\n\n" + table(found)
    yield from _reasons(figures)


def _tables(rows: Figures) -> Iterator[str]:
    for title, columns in (("The dense array", DENSE_COLUMNS), ("Other forms", OTHER_COLUMNS)):
        shown = [c for c in columns if any(c in found for found in rows.values())]
        if shown:
            cells = {name: [_cell(found, c) for c in shown] for name, found in rows.items()}
            yield f"### {title}\n\n" + _table(["problem", *shown], cells)
    once = [c for c in DENSE + SPARSE if any("setup" in r.get(c, {}) for r in rows.values())]
    once = [c for c in once if c not in ("torch", "autograd")]  # they do nothing once
    if once:
        cells = {
            name: [duration(f["setup"]) if "setup" in (f := r.get(c, {})) else "–" for c in once]
            for name, r in rows.items()
        }
        yield (
            "### Once for each function: tracing, compiling, finding and colouring zeros\n\n"
            + _table(["problem", *once], cells)
        )
    weighed = [c for c in DENSE_COLUMNS if any("bytes" in r.get(c, {}) for r in rows.values())]
    if weighed:
        cells = {name: [_weight(found, c) for c in weighed] for name, found in rows.items()}
        yield "### Peak memory of one call\n\n" + _table(["problem", *weighed], cells)


def _table(heads: list[str], rows: Mapping[str, list[str]]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    lines += [f"| {name} | " + " | ".join(cells) + " |" for name, cells in rows.items()]
    return "\n".join(lines)


def _cell(found: Figures, system: str) -> str:
    figure = found.get(system, {})
    if "seconds" not in figure:
        return next((k for k in ("wrong", "failed") if k in figure), "–")
    text = duration(figure["seconds"])
    hand = seconds(found, "hand")
    if hand and system in DENSE_COLUMNS[1:]:
        ratio = figure["seconds"] / hand
        digits = ".0f" if ratio >= 100 else ".2f" if ratio >= 0.1 else ".1g"
        text += f" ({ratio:{digits}})"
    return text


def _weight(found: Figures, system: str) -> str:
    weight = found.get(system, {}).get("bytes")
    if weight is None:
        return "–"
    text = f"{weight / 2**20:.1f} MiB"
    hand = found.get("hand", {}).get("bytes", 0)
    return f"{text} ({weight / hand:.2f})" if hand > 2**20 and system != "hand" else text


def _overhead(found: Figures) -> str:
    rows = {
        str(r["operands"]): [
            duration(r["call"]),
            duration(r["statements"]),
            duration(max(0, r["call"] - r["statements"])),
        ]
        for r in found["compiled"]
    }
    return _table(["operands", "compiled call", "its statements alone", "difference"], rows)


def _cold(found: Figures) -> str:
    rows = {
        name: [duration(r[s]) if r.get(s) else "–" for s in ("einsdiff", "sympy", "jax")]
        for name, r in found["problems"].items()
    }
    return _table(
        ["problem", "einsdiff, text to numbers", "SymPy, derivative", "JAX, trace and compile"],
        rows,
    )


def _scale(found: Figures) -> str:
    rows = {}
    for name, growth in found.items():
        for p in growth["points"]:
            rows[f"{name}, {p['size']:,} {growth['unit']}"] = [
                f"{p['nodes']:,}",
                f"{p['searches']:,}",
                duration(p["differentiate"]),
                duration(p["plan"]),
            ]
    return _table(
        ["expression", "nodes", "path searches", "differentiate", "plan and compile"], rows
    )


def _networks(found: Figures) -> str:
    rows = {}
    for name, r in found.items():
        seconds = r.get("seconds")
        whole = f"{r['flops']:.2g}" + (f", {duration(seconds[0])}" if seconds else "")
        one = f"{r['by one'] / r['flops']:.2f}"
        rows[name] = [
            str(r["tensors"]),
            duration(r["search"]),
            whole,
            one + (f" ({seconds[1] / seconds[0]:.2f})" if seconds else ""),
            duration(r["plan"]),
            f"{r['by all'] / r['flops']:.2f}" if "by all" in r else "–",
            f"{r['limit'] / r['peak']:.3f}" if "limit" in r else "–",
            " and ".join(f"{n / r['flops']:.2f}" for n in r["within"]) if "limit" in r else "–",
        ]
    columns = ["tensors", "plan", "operations, time", "by one tensor (time)", "planned in"]
    columns += ["by all tensors", "memory limit", "operations within it"]
    return _table(["network", *columns], rows)


def _reasons(figures: Figures) -> Iterator[str]:
    lines = []
    for name, size, found in each(figures, SIZES):
        for system, figure in found.items():
            for kind in ("wrong", "failed", "skipped"):
                if kind in figure and figure[kind] not in (
                    "no zeros to find",
                    "no zeros to leave out",
                ):
                    lines.append(f"- {name}, {size}, {system}: {kind}: {figure[kind]}")
    if lines:
        yield "## Not measured\n\n" + "\n".join(lines)
