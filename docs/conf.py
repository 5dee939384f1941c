"""Sphinx configuration of the documentation site: `make docs` builds it offline, with warnings as errors.

The source folder is the repository, so that the same links between pages, notebooks and the READMEs of `data/` and
`models/` work in the repository and on the site.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "docs" / "_ext")]
os.environ.setdefault("MPLBACKEND", "Agg")

import bayescale  # noqa: E402

project = "bayescale"
author = "The bayescale developers"
copyright = author
version = release = bayescale.__version__

root_doc = "docs/index"
include_patterns = [
    "docs/*.md", "docs/*/*.md", "notebooks/*.ipynb", "data/README.md", "models/README.md",
    "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md",
]  # fmt: skip
exclude_patterns = [".*", "**/_build", "tests", "bayescale", "demo", "dist", "build", "**/.ipynb_checkpoints"]

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "numpydoc",
    "sphinx_copybutton",
    "mathml",
    "command_help",
]

# Notebooks are shown with their committed outputs; `make notebooks` runs them.
nb_execution_mode = "off"
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3

# Docstrings are numpydoc, with types in the parameters. Public names in backticks become links.
default_role = "py:obj"
autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
numpydoc_xref_param_type = False

# Formulas are rendered as MathML at build time: no script, no network.
html_math_renderer = "mathml"

html_theme = "pydata_sphinx_theme"
html_title = "bayescale"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_extra_path = ["_root"]
html_sidebars = {page: [] for page in ("docs/index", "docs/tutorial/first-forecast", "docs/gallery")}
html_show_sourcelink = False
html_context = {"default_mode": "auto"}
html_copy_source = False
html_theme_options = {
    "logo": {"text": "bayescale"},
    "header_links_before_dropdown": 6,
    "navbar_align": "left",
    "navigation_with_keys": False,
    "show_prev_next": True,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "tango",
    "pygments_dark_style": "monokai",
}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
