"""Sphinx's settings. The source folder is made by `stage`."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

project = "Deep generative models"
html_title = "Deep generative models"
author = "the course"
language = "en"
extensions = ["myst_nb", "sphinx_design", "lectures.website.maths"]
exclude_patterns = ["downloads"]

nb_execution_mode = "off"  # figures are the stored outputs
nb_render_markdown_format = "myst"
nb_ipywidgets_js = {}  # a saved page has no kernel that could move a widget
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "attrs_inline", "attrs_block"]
myst_heading_anchors = 3
myst_update_mathjax = False
suppress_warnings = ["myst.header"]  # an exercise may go from its title straight to a third level
html_math_renderer = "katex"

add_module_names = False
python_maximum_signature_line_length = 72
toc_object_entries_show_parents = "hide"

html_theme = "sphinx_book_theme"
html_static_path = [str(HERE / "static"), str(HERE / "katex" / "static")]
html_css_files = ["katex.min.css", "course.css"]
html_context = {"default_mode": "auto"}  # light or dark as the reader's machine is set
html_js_files = ["course.js"]
html_favicon = str(HERE / "static" / "icon.svg")
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_show_sphinx = False
html_sidebars = {"**": ["navbar-logo.html", "search-button-field.html", "sbt-sidebar-nav.html"]}
html_theme_options = {
    "logo": {"text": "Deep generative models"},
    "home_page_in_toc": False,
    "show_navbar_depth": 1,
    "max_navbar_depth": 3,
    "show_toc_level": 2,
    "navbar_persistent": [],
    "use_download_button": False,  # each page has its own, for the notebook as it is in the course
    "use_fullscreen_button": False,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
