"""The notebook of the month as one HTML file: its prose, tables and plots, without its code.

The cells are run here, one after another, as a kernel would run them; plots are SVG pictures inside the file, so that
it needs no network, no script and no Jupyter, whoever opens it.
"""

import ast
import base64
import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt

from sources.errors import SettingError

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "site_this_month.ipynb"
STYLE = """
body { font: 15px/1.5 "Helvetica Neue", Helvetica, Arial, sans-serif; color: #1d2733; background: #f3f5f7; margin: 0 }
main { max-width: 800px; margin: 2em auto; padding: 2em 3em 3em; background: #fff; border-radius: 6px }
h1 { font-size: 1.9em; margin: 0 0 .2em } h2 { font-size: 1.3em; margin: 2em 0 .4em }
img { max-width: 100%; height: auto; display: block; margin: 1em 0 }
table { border-collapse: collapse; width: 100%; margin: 1em 0; font-size: .93em }
th { font-weight: 600; color: #5b6672; border-bottom: 2px solid #ccd2d8; padding: .3em .6em }
td { border-bottom: 1px solid #e8ebee; padding: .3em .6em }
@media print { body { background: #fff } main { margin: 0; padding: 0 } h2, tr, img { break-inside: avoid } }
"""
PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>
<style>{style}</style></head>
<body><main>
{body}
</main></body>
</html>
"""


@dataclass(frozen=True)
class Report:
    """Where a report has been put, and its heading."""

    path: Path
    title: str


def report(destination: str, month: str = "", output: Path | None = None) -> Report:
    """Write what happened on the site in a month (YYYY-MM; the newest one if empty) to a file.

    Without `output` it is named after the month, in the working directory. Raises SettingError for a destination
    without models or a file that cannot be written, WarehouseError where there is nothing to tell.
    """
    if output is not None and not output.absolute().parent.is_dir():
        raise SettingError(f"--output: the folder {output.absolute().parent} does not exist", remedy="make it first")
    names: dict[str, Any] = {"__name__": "__main__"}
    body = "\n".join(rendered(NOTEBOOK, names, destination=destination, month=month))
    (title,) = re.findall(r"<h1>(.*?)</h1>", body)
    path = (output or Path(f"leadhouse-{names['days'].first:%Y-%m}.html")).absolute()
    try:
        path.write_text(PAGE.format(title=title, style=STYLE, body=body), encoding="utf-8")
    except OSError as error:
        raise SettingError(
            f"{path} cannot be written: {error.strerror}", remedy="name another with --output"
        ) from error
    return Report(path, title)


def rendered(notebook: Path, names: dict[str, Any], **parameters: str) -> Iterator[str]:
    """The HTML of a notebook's cells, run one by one; `parameters` overrule the cell that is tagged so."""
    with _beside(notebook.parent):
        for cell in json.loads(notebook.read_text("utf-8"))["cells"]:
            source = "".join(cell["source"])
            if cell["cell_type"] == "markdown":
                yield MarkdownIt().render(source)
                continue
            yield _html(_run(source, names))
            if "parameters" in cell["metadata"].get("tags", ()):
                names |= parameters


def _run(source: str, names: dict[str, Any]) -> object:
    """Run a cell; returns what its last line is worth, as Jupyter shows it."""
    tree = ast.parse(source)
    match tree.body:
        case [*body, ast.Expr(value=last)]:
            exec(compile(ast.Module(body, []), "<cell>", "exec"), names)  # noqa: S102 — a notebook of ours
            return eval(compile(ast.Expression(last), "<cell>", "eval"), names)  # noqa: S307
    exec(compile(tree, "<cell>", "exec"), names)  # noqa: S102
    return None


def _html(output: Any) -> str:
    if output is None:
        return ""
    if hasattr(output, "_repr_html_"):
        return str(output._repr_html_())
    picture = output._repr_mimebundle_()["image/svg+xml"]
    # a picture of its own each: the names that SVG gives its parts would clash in one document
    data = base64.b64encode(picture.encode()).decode()
    titles = re.findall(r"""aria-label="Title text '(.*?)'\"""", picture)
    return f'<img alt="{", ".join(titles)}" src="data:image/svg+xml;base64,{data}">'


@contextmanager
def _beside(folder: Path) -> Iterator[None]:
    """Modules of a folder can be imported, as by a kernel that was started there."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
