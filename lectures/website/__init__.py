"""The course as a static site: `python -m lectures.website` (or `make site`) writes build/site.

stage   copies notebooks and pages into one source folder: alternative texts, downloads, cards
alt     what a figure shows, in words, from the text and the titles beside it
api     the pages of dgm_lib, from its source text
maths   KaTeX, run while building: pages carry finished formulas
check   what would embarrass us: broken links, missing figures, raw maths, heavy pages
conf    the settings of Sphinx

Nothing is executed but KaTeX: figures are the stored outputs of the lectures. Nothing is fetched,
neither while building nor by the pages. katex/ is KaTeX 0.19.1 (MIT), style sheet, script and fonts.
"""
