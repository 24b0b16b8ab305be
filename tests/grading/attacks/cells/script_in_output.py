"""Right, and displays scripts, SVG, frames and markdown that would run in the instructor's browser."""

from IPython.display import HTML, SVG, IFrame, Javascript, Latex, Markdown, display

DESERVES = {}
NEVER = [
    "<script>steal",
    '<svg xmlns="http://www.w3.org/2000/svg" onload',
    "<iframe",
    "<img src=x onerror=steal",
    'href="java' + "script:",
]
bad = "<script>steal()</script><img src=x onerror=steal()>"
display(
    HTML(bad), Javascript("steal()"), Markdown(bad + "[a](javascript:steal())"), Latex(f"$x$ {bad}")
)
display(
    SVG('<svg xmlns="http://www.w3.org/2000/svg" onload="steal()"></svg>'),
    IFrame("https://example.org", 1, 1),
)
display({"text/html": bad, "text/plain": bad, "text/latex": bad, "image/svg+xml": bad}, raw=True)
display({"image/png": f'"/>{bad}', "image/jpeg": f"x' {bad}"}, raw=True)
display(
    {"application/javascript": "steal()", "application/vnd.jupyter.widget-view+json": {}}, raw=True
)
print(bad)


def double(x):
    return 2 * x
