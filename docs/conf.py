"""How Sphinx builds the documentation; needs the extra ``docs`` and no network.

The command is ``sphinx-build -W docs docs/_build``.
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]  # the checkout's own package, installed or not

import pages  # noqa: E402

import segibn  # noqa: E402

project = "segibn"
author = "the segibn contributors"
project_copyright = author
version = release = segibn.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"segibn {release}"
html_copy_source = False
html_show_sphinx = False
python_maximum_signature_line_length = 80
toc_object_entries = False

smartquotes = False  # --datasets has two hyphens
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 4
suppress_warnings = ["config.cache"]  # the functions of `pages` are no part of a configuration

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True


def setup(app: object) -> None:
    """Let ``pages`` fill in what is made from the code, before a page is parsed."""
    app.connect("source-read", pages.read_source)  # type: ignore[attr-defined]
    app.connect("autodoc-process-docstring", pages.mark_examples)  # type: ignore[attr-defined]
