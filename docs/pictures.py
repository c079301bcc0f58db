"""Draws the pictures of the documentation, into the folder `pictures` or the one that is given.

Run it as ``python docs/pictures.py [FOLDER]``, where einsdiff and Matplotlib are installed.
"""

import sys
from pathlib import Path

import numpy as np

import einsdiff as ed

A = np.array([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0], [9.0, 10.0, 11.0, 12.0]])
x = np.array([-2.0, 0.5, 3.0, 7.0])

#: The derivatives of A x by A, with numbers, and of RᵀR by R, with symbols.
PRODUCT = ed.grad("ij,j->i", A, x, wrt="A")
GRAM = ed.grad("G_pq = R_ip R_iq", wrt="R")


def draw(folder: Path) -> None:
    """Write all pictures."""
    PRODUCT.diagram().save(folder / "product.svg")
    GRAM.diagram().save(folder / "gram.svg")
    PRODUCT.plot().savefig(folder / "product.png")
    GRAM.plot(sizes={"m": 3, "n": 4}).savefig(folder / "gram.png")


if __name__ == "__main__":
    draw(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "pictures")
