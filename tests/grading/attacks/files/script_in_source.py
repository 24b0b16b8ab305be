"""Closes the page's tags from inside its own source and its function's docstring."""

DESERVES = {}
NEVER = ["<script>steal", "</pre><img src=x onerror=steal"]


def damage(nb, folder, target):
    bad = "</pre></div><script>steal()</script></pre><img src=x onerror=steal()>"
    cell(nb, "double")["source"] = f"def double(x):\n    '''{bad}'''\n    # {bad}\n    return 2 * x"
    return nb
