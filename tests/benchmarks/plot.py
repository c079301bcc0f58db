"""Pictures of the figures: how far from the optimum each problem is, and how cost grows.

The colours are Okabe and Ito's, which are told apart by those who see fewer; markers differ, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks.problems import SIZES
from tests.benchmarks.report import best_peer, dense_system, seconds

__all__ = ["draw"]

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#999999"


def draw(figures: Mapping[str, Any], folder: Path) -> None:
    """Write the pictures that there are figures for, if matplotlib is installed."""
    try:
        import matplotlib
    except ImportError:
        print("no plot; it comes with: pip install matplotlib")
        return
    matplotlib.use("agg")
    matplotlib.rcParams["svg.hashsalt"] = "einsdiff"
    if any(seconds(found, "hand") for r in figures["results"].values() for found in r.values()):
        _ratios(figures, folder)
    if "network Hessian" in figures.get("extras", {}).get("scale", {}):
        _growth(figures["extras"]["scale"], folder)


def _ratios(figures: Mapping[str, Any], folder: Path) -> None:
    from matplotlib import patheffects
    from matplotlib import pyplot as plt
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    halo = [patheffects.withStroke(linewidth=2.5, foreground="white")]
    names = list(figures["results"])[::-1]
    sizes = [s for s in SIZES if any(s in r for r in figures["results"].values())]
    height = 1.6 + 0.34 * len(names)
    figure, axes = plt.subplots(
        1, len(sizes), figsize=(2.4 + 3.6 * len(sizes), height), sharey=True, squeeze=False
    )
    for axis, size in zip(axes[0], sizes, strict=True):
        points: dict[str, list[tuple[float, int]]] = {"own": [], "again": [], "peer": []}
        for y, name in enumerate(names):
            found = figures["results"][name].get(size, {})
            hand, peer = seconds(found, "hand"), best_peer(found)
            if not hand:
                continue
            own = seconds(found, dense_system(found))
            again = seconds(found, "einsdiff into buffer")
            ratios = {"own": own, "again": again, "peer": peer[0] if peer else None}
            known = {k: t / hand for k, t in ratios.items() if t}
            if "own" in known and "peer" in known:
                axis.plot([known["own"], known["peer"]], [y, y], color=GREY, lw=1, zorder=1)
            if peer:
                axis.annotate(
                    peer[1],
                    (known["peer"], y),
                    xytext=(6, 0),
                    textcoords="offset points",
                    va="center",
                    fontsize=7,
                    color="#333333",
                    path_effects=halo,
                    zorder=4,
                )
            for kind, ratio in known.items():
                points[kind].append((ratio, y))
        styles = (
            ("again", "einsdiff, into an earlier buffer", GREEN, "^"),
            ("peer", "best peer", ORANGE, "s"),
            ("own", "einsdiff", BLUE, "o"),
        )
        for kind, label, colour, marker in styles:
            xs, ys = zip(*points[kind], strict=True) if points[kind] else ((), ())
            axis.scatter(xs, ys, s=34, color=colour, marker=marker, label=label, zorder=3)
        axis.axvline(1, color="black", lw=1)
        axis.set_xscale("log")
        axis.margins(x=0.14)
        low, high = axis.get_xlim()
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 200 else (1,)))
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.set_title(size)
        axis.set_xlabel("time / time of the hand-written optimum")
        axis.grid(axis="x", which="major", color="#e5e5e5")
        axis.set_axisbelow(True)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
    axes[0][0].set_yticks(range(len(names)), [figures["problems"][n]["title"] for n in names])
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="upper center", ncols=3, frameon=False)
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.4 / height))
    _save(figure, folder, "benchmarks")


def _growth(scale: Mapping[str, Any], folder: Path) -> None:
    from matplotlib import pyplot as plt

    figure, axis = plt.subplots(figsize=(6, 4.2))
    styles = zip((BLUE, ORANGE, GREEN, "#CC79A7"), "os^D", strict=True)
    for (name, growth), (colour, marker) in zip(scale.items(), styles, strict=False):
        sizes = [p["size"] for p in growth["points"]]
        times = [p["differentiate"] + p["plan"] for p in growth["points"]]
        label = f"{name}, by {growth['unit']}"
        if growth["exponent"] is not None:
            label += f" (n^{growth['exponent']:.2f})"
        axis.plot(sizes, times, color=colour, marker=marker, label=label)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlabel("size of the expression")
    axis.set_ylabel("seconds to differentiate, plan and compile")
    axis.grid(which="major", color="#e5e5e5")
    axis.legend(frameon=False)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    figure.tight_layout()
    _save(figure, folder, "scale")


def _save(figure: Any, folder: Path, name: str) -> None:
    from matplotlib import pyplot as plt

    for ending in ("png", "svg"):
        figure.savefig(folder / f"{name}.{ending}", dpi=150)
    plt.close(figure)
