"""The quality report as one HTML page that needs nothing else."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from PancreasSegLib._version import __version__
from PancreasSegLib.data.case_quality import HISTOGRAM_EDGES_HU, CaseQuality
from PancreasSegLib.data.quality_report import QualityReport

_COLUMNS = 6  # labels with a column of their own in the table of cases
_STYLE = """
:root{color-scheme:dark}
body{margin:0 auto;max-width:1120px;padding:20px;background:#101214;color:#e8e8e8;
 font:15px/1.45 system-ui,"Segoe UI",sans-serif}
h1{font-size:1.5em;margin:.2em 0}h2{font-size:1.15em;margin:1.8em 0 .5em}p{margin:.4em 0}
a{color:#7cc4ff;text-decoration:none}a:hover{text-decoration:underline}
.faint{color:#9aa0a6}.chips span{display:inline-block;background:#22262a;border-radius:6px;padding:2px 10px;
 margin:3px 6px 3px 0}.bad{color:#ffa826}
table{border-collapse:collapse;font-size:13px;width:100%}
th{text-align:left;color:#9aa0a6;font-weight:500;position:sticky;top:0;background:#101214}
td,th{padding:3px 8px;border-bottom:1px solid #ffffff14;vertical-align:top}
td{white-space:nowrap}td.w{white-space:normal}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
img{max-width:100%;display:block;border-radius:4px}figure{margin:0 0 18px}
figcaption{font-size:13px;margin:3px 0 0}.wide{overflow-x:auto}
#only:checked~main .clean{display:none}
@media print{body{max-width:none}th{position:static}}
"""


def quality_page(report: QualityReport, pictures: Mapping[str, bytes]) -> str:
    """Return the page.

    Parameters
    ----------
    report : QualityReport
    pictures : mapping of str to bytes
        JPEG by case; cases without one are listed all the same.
    """
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f"<title>{escape(report.title)}: quality</title><style>{_STYLE}</style></head><body>",
        _head(report),
        '<input type="checkbox" id="only"> <label for="only">only cases with remarks</label><main>',
        *_remarks(report),
        *_missing(report),
        *_plots(report),
        *_table(report),
        *_gallery(report, pictures),
        f'</main><p class="faint">PancreasSeg {escape(__version__)}. Research use, not a medical device.</p>',
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def _head(report: QualityReport) -> str:
    patients = len({case.patient for case in report.cases})
    chips = [f"{len(report.cases)} cases", f"{patients} patients", f"{len(report.labels)} labels"]
    chips += [f'<b class="bad">{len(report.remarks)} with remarks</b>'] if report.remarks else ["no remarks"]
    chips += [f'<b class="bad">{len(report.failed)} failed</b>'] if report.failed else []
    chips += [f"{len(report.left_out)} left out"] if report.left_out else []
    orientations = Counter(case.orientation for case in report.cases)
    facts = [
        ("Labels", ", ".join(report.labels)),
        ("Orientation of the files", ", ".join(f"{code} ({n})" for code, n in orientations.most_common())),
        ("Licence", report.licence or "not stated: ask its owner"),
        ("Source", report.reference),
        ("Shared patients", report.kin),
        ("Compared with", ", ".join(report.compared)),
    ]
    listed = "".join(f'<p><span class="faint">{name}:</span> {escape(text)}</p>' for name, text in facts if text)
    return f'<h1>{escape(report.title)}</h1><p class="chips">{_spans(chips)}</p>{listed}'


def _spans(texts: Iterable[str]) -> str:
    return "".join(f"<span>{text}</span>" for text in texts)


def _remarks(report: QualityReport) -> Iterable[str]:
    """List what to look at, by kind, each with its cases."""
    yield "<h2>To look at</h2>"
    for remark, count in report.common.items():
        yield f"<p>{count} of {len(report.cases)} cases: {escape(remark.sentence)}</p>"
    if not report.remarks:
        yield "<p>No case stands out.</p>"
        return
    kinds = Counter(remark.code for found in report.remarks.values() for remark in found)
    yield f'<p class="chips">{_spans(f"{escape(code)}: {n}" for code, n in kinds.most_common())}</p>'
    yield '<div class="wide"><table><tr><th>Case</th><th>Remark</th><th></th></tr>'
    for name, found in sorted(report.remarks.items()):
        for number, remark in enumerate(found):
            case = f'<a href="#{escape(name, True)}">{escape(name)}</a>' if number == 0 else ""
            yield (
                f'<tr><td>{case}</td><td class="w">{escape(remark.sentence)}</td>'
                f'<td class="faint">{escape(remark.code)}</td></tr>'
            )
    yield "</table></div>"


def _missing(report: QualityReport) -> Iterable[str]:
    for title, cases in (("Failed", report.failed), ("Left out", report.left_out)):
        if not cases:
            continue
        yield f'<h2>{title}</h2><div class="wide"><table><tr><th>Case</th><th>Why</th><th></th></tr>'
        for case in cases:
            yield (
                f'<tr><td>{escape(case.name)}</td><td class="w">{escape(case.sentence)}</td>'
                f'<td class="faint">{escape(case.code)}</td></tr>'
            )
        yield "</table></div>"


def _plots(report: QualityReport) -> Iterable[str]:
    """Show how the cases are spread."""
    if not report.cases:
        return
    from PancreasSegLib.pictures.dataset_plots import draw_spread, draw_volumes

    def marked(*codes: str) -> list[str]:
        return [n for n, found in report.remarks.items() if any(remark.code in codes for remark in found)]

    odd = marked("outlier-spacing", "outlier-slice-distance", "windowed", "no-air")
    odd = odd if len(odd) <= len(report.cases) // 3 else []  # what is true of most is no outlier
    spread = draw_spread(
        {case.name: (min(case.spacing_mm), max(case.spacing_mm)) for case in report.cases},
        {case.name: case.histogram for case in report.cases},
        HISTOGRAM_EDGES_HU,
        odd,
    )
    yield "<h2>Voxels and values</h2>"
    yield _image(spread, "png", "spacing of the voxels and histogram of the values")
    volumes = {
        label: {case.name: case.labels[label].volume_ml for case in report.cases if label in case.labels}
        for label in report.labels
    }
    outlying = {
        label: [
            name
            for name, found in report.remarks.items()
            if any(r.code == "outlier-label-volume" and f"of {label}:" in r.sentence for r in found)
        ]
        for label in report.labels
    }
    yield "<h2>Volumes</h2>"
    yield _image(draw_volumes(volumes, outlying), "png", "volume of each label")


def _table(report: QualityReport) -> Iterable[str]:
    shown = report.labels[:_COLUMNS]
    more = len(report.labels) - len(shown)
    yield "<h2>Cases</h2>" + (f'<p class="faint">{more} more labels are in cases.csv.</p>' if more else "")
    heads = "".join(f'<th class="n">{escape(label)}, mL (HU)</th>' for label in shown)
    yield (
        '<div class="wide"><table><tr><th>Case</th><th>Voxels</th><th>Spacing, mm</th><th>Axes</th>'
        f'<th class="n">Values</th>{heads}<th>Remarks</th></tr>'
    )
    for case in report.cases:
        yield _row(report, case, shown)
    yield "</table></div>"


def _row(report: QualityReport, case: CaseQuality, shown: Sequence[str]) -> str:
    found = report.remarks.get(case.name, [])
    cells = [
        f'<td><a href="#{escape(case.name, True)}">{escape(case.name)}</a></td>',
        f"<td>{' × '.join(map(str, case.size_ijk))}</td>",
        f"<td>{' × '.join(f'{v:.3g}' for v in case.spacing_mm)}</td>",
        f"<td>{escape(case.orientation)}</td>",
        f'<td class="n">{case.hu_range[0]:.0f} to {case.hu_range[1]:.0f}</td>',
    ]
    for label in shown:
        quality = case.labels.get(label)
        if quality is None:
            text = '<span class="faint">not read</span>'
        elif quality.mean_hu is None:
            text = "none"
        else:
            text = f"{quality.volume_ml:.1f} ({quality.mean_hu:.0f})"
        cells.append(f'<td class="n">{text}</td>')
    codes = ", ".join(dict.fromkeys(remark.code for remark in found))
    cells.append(f'<td class="bad w">{escape(codes)}</td>')
    return f"<tr{'' if found else ' class=clean'}>{''.join(cells)}</tr>"


def _gallery(report: QualityReport, pictures: Mapping[str, bytes]) -> Iterable[str]:
    yield "<h2>Pictures</h2>"
    if report.cases:
        yield '<p class="faint">The patient\'s right is on the left; W 400 L 40.</p>'
    for case in report.cases:
        found = report.remarks.get(case.name, [])
        name = escape(case.name, True)
        yield f'<figure id="{name}"{"" if found else " class=clean"}>'
        if case.name in pictures:
            yield _image(pictures[case.name], "jpeg", f"{case.name} with its outlines")
        said = " ".join(escape(remark.sentence) for remark in found)
        facts = "; ".join(f"{escape(key)}: {escape(text)}" for key, text in case.facts.items())
        yield f'<figcaption><b>{name}</b> <span class="bad">{said}</span>'
        yield f'<span class="faint"> {facts}</span></figcaption></figure>'


def _image(data: bytes, kind: str, alt: str) -> str:
    text = base64.b64encode(data).decode()
    return f'<img alt="{escape(alt, True)}" loading="lazy" src="data:image/{kind};base64,{text}">'
