"""From a docstring of this library to Markdown.

Docstrings are written to be read in an editor: formulas in Unicode stand indented, `names` stand in
backquotes, lists of names are aligned, arguments follow under "Args:". Here each of these becomes
what it means, and everything else is text, so none of its stars or underscores is markup.
"""

import re

HEADINGS = ("Args", "Returns", "Raises", "Yields", "Attributes", "Source", "Example", "Examples")
ALIGNED = re.compile(r"^\s*([A-Za-z_][\w.*, ]*?)\s{2,}(\S.*)$")
ARXIV = re.compile(r"arXiv:\s?(\d{4}\.\d{4,5})")


def to_markdown(text: str) -> str:
    """The whole docstring (already dedented)."""
    blocks, lines = [], text.splitlines()
    while lines:
        heading = re.match(rf"^({'|'.join(HEADINGS)}):\s*$", lines[0])
        if heading:
            body = []
            lines.pop(0)
            while lines and (not lines[0].strip() or lines[0].startswith(" ")):
                body.append(lines.pop(0))
            blocks.append(f"**{heading[1]}**\n\n{entries(body)}")
            continue
        block = []
        while lines and lines[0].strip():
            if block and lines[0][:4].isspace() != block[0][:4].isspace():
                break
            block.append(lines.pop(0))
        while lines and not lines[0].strip():
            lines.pop(0)
        if block:
            blocks.append(paragraph(block))
    return "\n\n".join(blocks)


def paragraph(lines: list[str]) -> str:
    if lines[0].lstrip().startswith(">>>"):
        return fenced(lines, "python")
    if lines[0].startswith("|") or re.match(r"[-*] ", lines[0]):
        return "\n".join(map(inline, lines))
    rows = table(lines)
    if rows:
        told = "\n".join(f"* - {name}\n  - {inline(what)}" for name, what in rows)
        return f"```{{list-table}}\n:widths: auto\n\n{told}\n```"
    if lines[0].startswith("    "):
        return fenced(lines, "text")
    return "\n".join(map(inline, lines))


def fenced(lines: list[str], language: str) -> str:
    margin = min(len(line) - len(line.lstrip()) for line in lines)
    return "\n".join([f"```{language}", *(line[margin:] for line in lines), "```"])


def table(lines: list[str]) -> list[tuple[str, str]]:
    """Aligned names and what they are; [] where the lines are no such list."""
    rows: list[tuple[str, str]] = []
    column = None
    for line in lines:
        found = ALIGNED.match(line)
        if column is None:
            if not found:
                return []
            column = found.start(2)
        name, what = line[:column].strip(), line[column:]
        if not what.strip() or what.startswith(" ") or not line[column - 1].isspace():
            return []
        if name:
            names = ", ".join(f"`{part.strip()}`" for part in name.split(","))
            rows.append((names, what))
        else:
            rows[-1] = (rows[-1][0], f"{rows[-1][1]} {what}")
    return rows if len(rows) > 1 else []


def entries(lines: list[str]) -> str:
    """What stands under "Args:" and the like: `name: text` entries, or free text."""
    margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    lines = [line[margin:].rstrip() for line in lines]
    if any(line.startswith(">>>") for line in lines):
        return fenced([line for line in lines if line], "python")
    if not lines or not re.match(r"^\*{0,2}[\w, .*]+(\(.*?\))?:\s", lines[0]):
        return to_markdown("\n".join(lines))
    told: list[str] = []
    for line in filter(None, lines):
        name, colon, what = line.partition(": ")
        if colon and not line.startswith(" "):
            told.append(f"- `{name}`: {inline(what)}")
        elif told:
            told[-1] += f" {inline(line.strip())}"
        else:
            told.append(f"- {inline(line)}")
    return "\n".join(told)


def inline(text: str) -> str:
    r"""Text with its code spans kept, papers linked, and nothing else read as markup.

    >>> inline("see `a_b`, x_i * y_i [Dinh 2016, arXiv:1605.08803]")
    'see `a_b`, x\\_i \\* y\\_i \\[Dinh 2016, [arXiv:1605.08803](https://arxiv.org/abs/1605.08803)]'
    """
    parts = re.split(r"(`+[^`]+`+)", text)
    for index in range(0, len(parts), 2):
        safe = re.sub(r"([\\*_\[<{$~^])", r"\\\1", parts[index])
        parts[index] = ARXIV.sub(r"[arXiv:\1](https://arxiv.org/abs/\1)", safe)
    return "".join(parts)
