"""A picture of a network, and its forms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from einsdiff.display.network.graphviz import _dot
from einsdiff.display.network.palette import Panel, shortened
from einsdiff.display.network.svg import _svg
from einsdiff.errors import OperandError


@dataclass(frozen=True, slots=True, repr=False)
class Diagram:
    """A picture of an expression as a tensor network.

    Attributes
    ----------
    svg
        The picture, an SVG document.
    dot
        The same graph in Graphviz's language.

    Examples
    --------
    >>> import einsdiff as ed
    >>> picture = ed.grad("ij,j->i", "A", "x", wrt="A").diagram()
    >>> picture
    <Diagram: f_i = A_ij x_j; ∂f_i/∂A_pq = δ_ip x_q>
    >>> print(str(picture).splitlines()[0])
    graph einsdiff {
    """

    svg: str
    dot: str
    title: str

    def __repr__(self) -> str:
        return f"<Diagram: {self.title}>"

    def __str__(self) -> str:
        return self.dot

    def _repr_svg_(self) -> str:
        return self.svg

    def save(self, path: str | Path) -> None:
        """Write the picture to a file.

        Parameters
        ----------
        path
            Its name, which ends in ``.svg``, or in ``.dot`` or ``.gv`` for Graphviz.

        Raises
        ------
        OperandError
            The name ends otherwise.

        Examples
        --------
        >>> import einsdiff as ed
        >>> ed.parse("A_ij x_j").diagram().save("product.png")
        Traceback (most recent call last):
        einsdiff.OperandError: a diagram is not written to '.png' files
        <BLANKLINE>
        name the file product.svg or product.dot; `dot -Tpng product.dot` makes a PNG
        """
        path = Path(path)
        texts = {".svg": self.svg, ".dot": self.dot, ".gv": self.dot}
        if path.suffix not in texts:
            raise OperandError(
                f"a diagram is not written to {path.suffix!r} files",
                action=f"name the file {path.stem}.svg or {path.stem}.dot; "
                f"`dot -Tpng {path.stem}.dot` makes a PNG",
            )
        path.write_text(texts[path.suffix], encoding="utf-8")


def diagram(panels: Sequence[Panel], arrow: str = "") -> Diagram:
    """Draw one network, or a function and its derivative with an arrow between."""
    title = "; ".join(shortened(panel.caption, 120) for panel in panels)
    return Diagram(_svg(panels, arrow, title), _dot(panels, arrow), title)
