r"""Functions of all entries along some axes: the largest, products, shares.

.. math:: \frac{\partial}{\partial x_i} \log \sum_j e^{x_j} = \operatorname{softmax}(x)_i \qquad
    \frac{\partial}{\partial x_i} \prod_j x_j = \prod_{j \ne i} x_j .

They act on any number of axes, those of a signature such as ``(n0,n1)->()``.

>>> lookup("logsumexp", (2,)).jacobians, lookup("prod", (1,)).because.partition(":")[0]
(('softmax(x)_ij',), 'leaving one factor out')
"""

from __future__ import annotations

from typing import Any

from einsdiff.algebra.functions.of_matrices import numbered
from einsdiff.algebra.nodes.function_records import (
    KERNELS,
    RULE_LETTERS,
    About,
    Function,
    enter,
    family,
)


def _axes(count: int, start: int = 0) -> tuple[str, str]:
    """Return a signature's names of axes, and letters for them."""
    return ",".join(f"n{k}" for k in range(count)), RULE_LETTERS[start : start + count]


def _over_axes(
    name: str, rule: str, keeps_axes: bool = False, code: dict[str, str] | None = None, **facts: Any
) -> None:
    """Enter a function of the last axes, which its value has as well or has not.

    In `rule`, ``{x}`` is for the letters of the argument's axes, ``{y}`` for those of the value's,
    ``{z}`` for others, and ``{delta}`` for the deltas of both; elsewhere ``{axes}`` is for what
    NumPy calls the axes, and ``{rank}`` for how many they are.
    """
    called = name if "implementation" in facts else f"np.{name}"

    def entry(ranks: tuple[int, ...]) -> Function | None:
        if len(ranks) != 1 or not 0 < ranks[0] < 10:
            return None
        names, first = _axes(ranks[0])
        _, second = _axes(ranks[0], ranks[0])
        x, z = (second, first) if keeps_axes else (first, second)
        delta = " ".join(f"δ_{a}{b}" for a, b in zip(first, second, strict=True))
        axes = str(tuple(range(-ranks[0], 0)))
        plain = axes if ranks[0] > 1 else "-1"
        return Function(
            name,
            (rule.format(x=x, y=first, z=z, delta=delta),),
            f"{called}({{0}}, axis={axes})",
            f"({names})->({names if keeps_axes else ''})",
            code={
                library: spelled.replace("{axes}", plain).replace("{rank}", str(ranks[0]))
                for library, spelled in (code or {}).items()
            },
            **facts,
        )

    family(name, entry)


_SHARED = "[x_{x} = y] / (Σ_{z} [x_{z} = y])"


def _extremum(name: str, size: str, x: str, gradient: str) -> None:
    """Enter ``max`` or ``min``."""
    value = "3.0" if name == "max" else "1.0"
    _over_axes(
        name,
        _SHARED,
        latex=rf"\{name}",
        is_analytic=False,
        keeps_integers=True,
        needs_entries=True,
        code={"torch": f"torch.a{name}({{0}}, dim={{axes}})"},
        about=About(
            f"Take the {size} entry along axes: ``y_i = {name}_j x_ij``.",
            note=f"The derivative is 1 at the {size} entry and 0 elsewhere; of several {size} "
            "entries, each has an equal share.",
            example=f""">>> x = ed.tensor("x", {x})
>>> float(ed.{name}(x))
{value}
>>> ed.grad(ed.{name}(x), wrt="x").dense()
array({gradient})""",
        ),
    )


_extremum("max", "largest", "[3.0, 1.0, 3.0]", "[0.5, 0. , 0.5]")
_extremum("min", "smallest", "[3.0, 1.0, 2.0]", "[0., 1., 0.]")
_over_axes(
    "logsumexp",
    "softmax(x)_{x}",
    implementation="logsumexp",
    code={"torch": "torch.logsumexp({0}, dim={axes})"},
    temporary=1.25,
    about=About(
        "Take the logarithm of a sum of exponentials: ``y_i = log(Σ_j exp(x_ij))``.",
        note="The largest entry is taken out before the exponentials are formed, so that none "
        "overflows. The derivative is the softmax.",
        example=""">>> ed.logsumexp(ed.tensor("x", "n"))
f = logsumexp(x)
>>> float(ed.logsumexp(ed.tensor("x", [1000.0, 1000.0])))
1000.6931471805599""",
    ),
)
_over_axes(
    "prod",
    "others(x)_{x}",
    keeps_integers=True,
    because="leaving one factor out: `others({x})` has the products of all other entries",
    code={"torch": "torch.prod(torch.flatten({0}, -{rank}), dim=-1)"},
    about=About(
        "Multiply the entries along axes: ``y_i = Π_j x_ij``.",
        note="The derivative by one of them is the product of the others; nothing is divided, so "
        "that it is right where entries are 0.",
        example=""">>> x = ed.tensor("x", [2.0, 3.0, 0.0])
>>> float(ed.prod(x))
0.0
>>> ed.grad(ed.prod(x), wrt="x").dense()
array([0., 0., 6.])""",
    ),
)
enter(
    Function(
        "cumsum",
        ("[i ≥ j]",),
        "np.cumsum({0}, axis=-1)",
        "(n)->(n)",
        keeps_integers=True,
        code={"torch": "torch.cumsum({0}, dim=-1)"},
    )
)
#: An index as a number, ``i x_i``: of ones along an axis, how many stand before each.
POSITION = KERNELS["_position"] = Function(
    "_position",
    (),
    "np.subtract(np.cumsum({0}, axis=-1), 1)",
    "(n)->(n)",
    definition="[i ≥ j] x_j - 1",
    keeps_integers=True,
    code={"torch": "torch.sub(torch.cumsum({0}, dim=-1), 1)"},
)
_over_axes(
    "softmax",
    "y_{y} ({delta} - y_{x})",
    keeps_axes=True,
    implementation="softmax",
    code={"torch": "softmax({0}, dim={axes})", "jax": "jax.nn.softmax({0}, axis={axes})"},
    is_nonnegative=True,
    temporary=0.25,
    about=About(
        "Turn numbers into shares of 1: ``y_i = exp(x_i) / Σ_j exp(x_j)``.",
        note="Along the axes, the shares add to 1. The derivative is "
        "``∂y_i/∂x_j = y_i (δ_ij - y_j)``.",
        example=""">>> ed.softmax(ed.tensor("x", [0.0, 0.0])).dense()
array([0.5, 0.5])
>>> ed.softmax(ed.tensor("x", "n"))
f_i = softmax(x)_i""",
    ),
)
_over_axes(
    "log_softmax",
    "{delta} - exp(y_{x})",
    keeps_axes=True,
    implementation="log_softmax",
    code={"torch": "log_softmax({0}, dim={axes})", "jax": "jax.nn.log_softmax({0}, axis={axes})"},
    temporary=1.25,
    about=About(
        "Take the logarithm of `softmax`: ``y_i = x_i - log(Σ_j exp(x_j))``.",
        note="The derivative is ``∂y_i/∂x_j = δ_ij - exp(y_j)``.",
        example=""">>> ed.log_softmax(ed.tensor("x", "n"))
f_i = log_softmax(x)_i""",
    ),
)


def _others(order: int) -> None:
    """Enter the product of all entries but some: the derivatives of a product.

    ``others2(x)_ij`` is the product of all x_k with k neither i nor j, and 0 where i = j.
    """

    def entry(ranks: tuple[int, ...]) -> Function | None:
        if len(ranks) != 1 or not 0 < ranks[0] < 10:
            return None
        names, _ = _axes(ranks[0])
        _, letters = _axes(ranks[0] * (order + 1))
        return Function(
            numbered("others", order),
            (f"{numbered('others', order + 1)}(x)_{letters}",),
            f"others({{0}}, {order}, {ranks[0]})",
            f"({names})->({','.join([names] * order)})",
            implementation="others",
            keeps_integers=True,
            temporary=5,
        )

    family(numbered("others", order), entry, is_public=False)


for _order in range(1, 9):
    _others(_order)
