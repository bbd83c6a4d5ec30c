"""Sphinx: the documentation of trimorph. Build with: sphinx-build -W docs docs/_build"""

project = "trimorph"
author = "The trimorph developers"
copyright = "2026, the trimorph developers"  # noqa: A001  Sphinx names it so
release = version = "0.1.0"

extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "trimorph"
autodoc_typehints = "description"
