"""A page that is one file: opens without network, prints, follows light and dark, and can be read aloud."""

from __future__ import annotations

import html
from collections.abc import Sequence

_STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1b1e22; --faint: #667079; --line: #d5dade;
  --head: #f3f5f7; --accent: #0a5ea8; --warn: #fff4d6;
  --series-1: #0a5ea8; --series-2: #c44f00; --series-3: #6b3fa0;
  --series-4: #00796b; --series-5: #a3195b; --series-6: #6d6200; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171a; --ink: #e6e8ea; --faint: #98a2ab; --line: #343b42;
  --head: #1d2226; --accent: #7fbcff; --warn: #3a3115;
  --series-1: #6bb3ff; --series-2: #ff9a4d; --series-3: #c39bf0;
  --series-4: #4fd1bd; --series-5: #ff7db3; --series-6: #d9cb4a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 70rem; padding: 1.5rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; margin: 0 0 .3rem; } h2 { font-size: 1.3rem; margin: 2.4rem 0 .6rem; }
h3 { font-size: 1.05rem; margin: 1.6rem 0 .4rem; } a { color: var(--accent); }
p, ul, dl { max-width: 46rem; } .by { color: var(--faint); margin: 0 0 1rem; }
.note { background: var(--warn); padding: .5rem .8rem; border-radius: 4px; max-width: 46rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .88rem; margin: .4rem 0 1rem;
  font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--faint); padding: 0 0 .3rem; max-width: 46rem; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
thead th { background: var(--head); vertical-align: bottom; }
th:first-child, td.text, th.text { text-align: left; }
th[scope=row] { font-weight: 500; text-align: left; white-space: normal; }
td.text { white-space: normal; min-width: 11rem; }
figure { margin: .6rem 0 1.2rem; } figure svg, figure img { max-width: 100%; height: auto; display: block; }
figcaption { color: var(--faint); font-size: .88rem; max-width: 46rem; padding-top: .2rem; }
.row { display: flex; flex-wrap: wrap; gap: 1.5rem; align-items: flex-start; } .row > figure { flex: 0 1 auto; }
dt { font-weight: 600; } dd { margin: 0 0 .5rem; } summary { cursor: pointer; }
nav ul { padding-left: 1.2rem; margin: .3rem 0; }
@media print { :root { --paper: #fff; --ink: #000; --faint: #444; --line: #bbb; --head: #eee; --warn: #eee; }
  body { max-width: none; padding: 0; font-size: 11px; } nav { display: none; } figure, tr { break-inside: avoid; }
  h2, h3 { break-after: avoid; } .wide { overflow: visible; }
  table { font-size: 8px; } th, td { padding: 1px 3px; } td.text { min-width: 0; }
  details::details-content { content-visibility: visible; height: auto; } }
"""


def page(title: str, body: Sequence[str]) -> str:
    """Return a whole HTML page.

    Parameters
    ----------
    title : str
        Plain text.
    body : sequence of str
        Elements, as they are.
    """
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            # nothing is ever loaded, whatever text found its way into the page
            '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
            "style-src 'unsafe-inline'\">",
            f"<title>{html.escape(title)}</title>",
            f"<style>{_STYLE}</style>",
            "</head>",
            "<body>",
            *body,
            "</body>",
            "</html>",
            "",
        ]
    )


def text(value: object) -> str:
    """Return any text with what HTML would take for markup escaped."""
    return html.escape(str(value))


def paragraph(sentence: str, kind: str = "") -> str:
    """Return a paragraph of plain text."""
    return f"<p{_kind(kind)}>{text(sentence)}</p>"


def table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]], *, words: Sequence[int] = ()) -> str:
    """Return a table whose first column names its rows.

    Parameters
    ----------
    caption : str
        What it shows.
    head : sequence of str
        Names of the columns.
    rows : sequence of sequence of str
        Plain text.
    words : sequence of int
        Columns of text, set to the left.
    """
    columns = [
        f'<th scope="col"{_kind("text" if n in words else "")}>{text(name)}</th>' for n, name in enumerate(head)
    ]
    lines = []
    for row in rows:
        cells = [f'<th scope="row">{text(row[0])}</th>']
        cells += [
            f"<td{_kind('text' if n in words else '')}>{text(cell)}</td>" for n, cell in enumerate(row[1:], 1)
        ]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return (
        f'<div class="wide"><table><caption>{text(caption)}</caption><thead><tr>{"".join(columns)}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def figure(content: str, caption: str) -> str:
    """Return a figure; `content` is an SVG or image element."""
    return f"<figure>{content}<figcaption>{text(caption)}</figcaption></figure>"


def section(heading: str, anchor: str, *content: str) -> str:
    """Return a section of the page that can be linked to."""
    return "\n".join([f'<section id="{text(anchor)}">', f"<h2>{text(heading)}</h2>", *content, "</section>"])


def _kind(name: str) -> str:
    return f' class="{name}"' if name else ""
