"""Sphinx configuration. Build with `sphinx-build -W --keep-going -b html docs docs/_build`."""

import re
import tomllib
from pathlib import Path

_pyproject = Path(__file__).parent.parent / "pyproject.toml"
_metadata = tomllib.loads(_pyproject.read_text(encoding="utf-8"))["project"]

project = _metadata["name"]
author = _metadata["authors"][0]["name"]
project_copyright = f"2026, {author}"
version = release = _metadata["version"]

# No intersphinx: the documentation builds without a network.
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
default_role = "code"

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "groupwise"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
# Written as in the source, not spelled out.
autodoc_type_aliases = {name: name for name in ("Array", "ArrayLike", "Wrt")}
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88

napoleon_google_docstring = False
napoleon_use_rtype = False
# Sections that the library's docstrings have besides NumPy's own.
napoleon_custom_sections = ["Shapes", "Source", "Units", "Errors"]

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["catalogue.css"]
html_title = f"{project} {release}"
html_copy_source = False
html_show_sphinx = False


def _plain_aliases(*arguments):
    """Write a type alias that Sphinx left as TypeAliasForwardRef('Name') as Name."""
    *_, signature, returns = arguments
    pattern = r"TypeAliasForwardRef\('(\w+)'\)"
    return tuple(text and re.sub(pattern, r"\1", text) for text in (signature, returns))


def setup(app):
    app.connect("autodoc-process-signature", _plain_aliases)
