"""What the notebooks share: the way to the warehouse, and how figures, tables and plots look.

Nothing here or in the notebooks needs a network: plots are drawn as SVG by this process.
"""

import os
from datetime import date, datetime
from html import escape
from pathlib import Path

import altair as alt
import pyarrow as pa
from markdown_it import MarkdownIt

from pipelines.reading import Reader

HERE = Path(__file__).parent
WIDTH = 780
BLUE, GREY, PALE = "#2f6bb3", "#8a94a0", "#d9e6f5"
COLOURS = [BLUE, "#e8853a", "#4aa38b", "#b65a8c", "#8a7cc2", "#c9a227", GREY]


def connect(destination: str = "") -> Reader:
    """The marts of a destination: the one given, else LEADHOUSE_DESTINATION, else duckdb.

    Where each is stands in leadhouse's settings.
    """
    if Path.cwd() == HERE:
        # Jupyter starts beside the notebook; settings and the DuckDB file are one up
        os.chdir(HERE.parent)
    return Reader(destination or os.environ.get("LEADHOUSE_DESTINATION", "duckdb"))


class Html(str):
    """A text that notebooks show as HTML."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return self


def say(markdown: str) -> Html:
    """A heading or a sentence that has values in it: what those hold is neither a link nor a picture nor a tag."""
    return Html(MarkdownIt("zero").enable(["heading", "emphasis"]).render(markdown))


def figures(now: dict[str, float], before: dict[str, float] | None = None) -> Html:
    """Numbers side by side, each with how much it differs from the one before. Names that end in % are shares."""
    style = "display:inline-block;min-width:7.5em;margin:0 1.6em 1em 0;vertical-align:top"
    tiles = []
    for name, value in now.items():
        share = name.endswith("%")
        note = ""
        if before and before.get(name):
            change = round(value - before[name] if share else 100 * (value / before[name] - 1))
            note = f"{change:+d} {'points' if share else '%'}".replace("-", "−")
        tiles.append(
            f'<div style="{style}"><div style="font-size:2em;font-weight:600;line-height:1.2">'
            f"{f'{value:.0f} %' if share else _text(value)}</div>"
            f'<div>{escape(name.removesuffix(" %"))}</div><div style="color:{GREY}">{note}</div></div>'
        )
    return Html(f"<div>{''.join(tiles)}</div>")


def table(rows: pa.Table, *, bar: str = "", empty: str = "None.") -> Html:
    """A table with the columns' names as headings; numbers stand right, and `bar` names a column drawn as bars."""
    if not rows.num_rows:
        return Html(f"<p>{escape(empty)}</p>")
    longest = max(rows[bar].to_pylist()) if bar else 0
    right = {name for name in rows.column_names if _is_number(rows.schema.field(name).type)}
    lines = ["<table><thead><tr>"]
    lines += [f"<th{_style(name in right)}>{escape(name.replace('_', ' '))}</th>" for name in rows.column_names]
    lines.append("</tr></thead><tbody>")
    for row in rows.to_pylist():
        lines.append("<tr>")
        for name, value in row.items():
            length = 100 * value / longest if name == bar and longest else 0
            short = name in right or isinstance(value, date)
            lines.append(f"<td{_style(name in right, short, length)}>{escape(_text(value))}</td>")
        lines.append("</tr>")
    return Html("".join([*lines, "</tbody></table>"]))


def bars(
    rows: pa.Table, length: str, of: str, *, title: str, label: str = "", width: int = WIDTH - 260
) -> alt.LayerChart | alt.FacetChart:
    """Lying bars, the longest on top, each with its number, or with what the column `label` says."""
    plot = alt.Chart(rows, title=title, width=width).encode(
        x=alt.X(f"{length}:Q", axis=None), y=alt.Y(f"{of}:N", title=None, sort="-x")
    )
    number = plot.mark_text(align="left", dx=4)
    return alt.layer(
        plot.mark_bar(), number.encode(text=f"{label}:N" if label else alt.Text(f"{length}:Q", format=","))
    )


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _style(right: bool, short: bool = False, length: float = 0) -> str:
    style = f"text-align:{'right' if right else 'left'}"
    if short:
        style += ";white-space:nowrap"
    if length:
        style += f";background:linear-gradient(270deg,{PALE} {length:.0f}%,transparent {length:.0f}%)"
    return f' style="{style}"'


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else ""
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.1f}"
        case datetime():
            return f"{value:%-d %b %Y %H:%M}"
        case date():
            return f"{value:%-d %b %Y}"
    return str(value)


@alt.theme.register("leadhouse", enable=True)
def _theme() -> alt.theme.ThemeConfig:
    font = "Helvetica Neue, Helvetica, Arial, DejaVu Sans, sans-serif"
    return {
        "config": {
            "padding": {"left": 0, "top": 5, "right": 5, "bottom": 5},
            "font": font,
            "view": {"stroke": None, "continuousWidth": WIDTH, "continuousHeight": 240},
            "title": {"anchor": "start", "fontSize": 15, "fontWeight": 600, "offset": 12, "subtitleColor": GREY},
            "axis": {"labelFontSize": 12, "titleFontSize": 12, "titleColor": GREY, "titleFontWeight": "normal"},
            "axisX": {"grid": False, "domainColor": "#ccd2d8", "tickColor": "#ccd2d8"},
            "axisY": {"gridColor": "#e8ebee", "domain": False, "ticks": False, "labelLimit": 220, "labelPadding": 6},
            "legend": {"orient": "top", "title": None, "labelFontSize": 12, "offset": 6},
            "range": {"category": COLOURS},
            "bar": {"color": BLUE},
            "circle": {"color": BLUE, "opacity": 1},
        }
    }


alt.renderers.enable("svg")
