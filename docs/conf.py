"""Settings of the documentation: `make docs` builds it in build/docs."""
import runpy
import sys
from pathlib import Path

from pygments.lexers.special import TextLexer

import gslfit

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "examples"))

project = "gslfit"
author = copyright = "the gslfit developers"
version = release = gslfit.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon", "sphinx.ext.mathjax", "sphinx_design",
              "sphinx_copybutton", "sphinx_gallery.gen_gallery"]
exclude_patterns = ["**/sg_execution_times.rst", "sg_execution_times.rst", "generated/tutorials/*.ipynb", "generated/tutorials/*.py",
                    "_static", "_templates"]
source_suffix = {".rst": "restructuredtext", ".md": "myst-nb"}

html_theme = "pydata_sphinx_theme"
html_title = f"gslfit {version}"
html_static_path = ["_static"]
html_css_files = ["gslfit.css"]
html_search_scorer = "_static/scorer.js"
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {"show_toc_level": 2, "navigation_with_keys": False, "secondary_sidebar_items": ["page-toc"], "footer_end": [],
                      "header_links_before_dropdown": 7}
ALONE = ("index", "start", "which", "guide", "formulas", "models", "guesses", "errors", "bad-input", "generated/gallery", "mathematics",
         "benchmarks", "benchmarks-models", "benchmarks-replaces", "benchmarks-losses", "benchmarks-resampling", "nist",
         "glossary", "development")
html_sidebars = {page: [] for page in ALONE}       # pages that have none below them
templates_path = ["_templates"]

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
nb_execution_mode = "off"       # blocks of code are run by the tests, which compare what is printed
suppress_warnings = ["config.cache", "ref.python"]

autosummary_generate = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
copybutton_exclude = ".linenos, .gp, .go"

sphinx_gallery_conf = {
    "examples_dirs": str(HERE.parent / "examples" / "tutorials"), "gallery_dirs": "generated/tutorials", "filename_pattern": r"\.py$",
    "download_all_examples": False, "show_memory": False, "show_signature": False, "reset_modules": ("matplotlib",),
    "within_subsection_order": "FileNameSortKey", "min_reported_time": 1e9, "abort_on_example_error": True, "remove_config_comments": True,
}


def escape_bars(app, what, name, obj, options, lines):
    """Keep the bars of absolute values: |x| in a docstring is no substitution."""
    for k, line in enumerate(lines):
        parts = line.split("``")
        parts[::2] = [part.replace("|", r"\|") for part in parts[::2]]
        lines[k] = "``".join(parts)


def setup(app):
    """Write the pages that are made of the code before Sphinx reads them."""
    app.add_lexer("mermaid", TextLexer)
    app.connect("autodoc-process-docstring", escape_bars)
    for script in ("make_api", "make_gallery"):
        runpy.run_path(str(HERE / f"{script}.py"), run_name="__main__")
    return {"parallel_read_safe": True}
