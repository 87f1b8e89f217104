"""The report of an evaluation: one file that refers to nothing outside it, safe whatever the names are."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from evaluated import evaluated, run_with_boxes

from PancreasSegLib.evaluation.summary import write_evaluation
from PancreasSegLib.report.evaluation_report import write_evaluation_report
from PancreasSegLib.report.evaluation_tables import digits

VOID = {"meta", "img", "link", "br", "hr", "input", "path", "use"}


class Page(HTMLParser):
    """Checks that tags close in order, and collects what a page refers to."""

    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.references, self.ids, self.text = [], [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        self.references += [v for k, v in attrs if k in ("src", "href", "xlink:href", "srcset", "action", "data")]
        self.ids += [v for k, v in attrs if k == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    evaluation, run = run_with_boxes(folder)
    write_evaluation_report(folder / "report.html", evaluation, run, pictures=1)
    return Page((folder / "report.html").read_text(encoding="utf-8")), (folder / "report.html").read_text("utf-8")


def test_it_is_well_formed_and_refers_to_nothing_outside(report):
    page, text = report
    assert not page.open
    assert page.references
    for reference in page.references:
        assert reference.startswith(("#", "data:image/jpeg;base64,")), reference[:80]
    assert {r[1:] for r in page.references if r[0] == "#"} <= set(page.ids)
    assert not re.search(r"@import|url\((?!#)", text)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.seen}
    outside = set(re.findall(r"https?://[^\s\"'<)]+", text)) - {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert not outside


def test_figures_of_one_page_do_not_share_names(report):
    page, _ = report
    clips = [identity for identity in page.ids if re.fullmatch(r"[pm][0-9a-f]{10}", identity)]
    assert clips
    assert len(set(clips)) == len(clips)


def test_it_can_be_read_aloud_printed_and_in_the_dark(report):
    page, text = report
    tags = page.seen
    assert next(attrs for tag, attrs in tags if tag == "html")["lang"] == "en"
    assert all(attrs.get("alt") for tag, attrs in tags if tag == "img")
    assert all(attrs.get("aria-label") for tag, attrs in tags if tag == "svg" and "width" in attrs)
    assert all("scope" in attrs for tag, attrs in tags if tag == "th")
    assert sum(tag == "table" for tag, _ in tags) == sum(tag == "caption" for tag, _ in tags)
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text
    assert "#010203" not in text  # every placeholder has become a colour of the page


def test_it_says_what_was_found(report):
    words = " ".join("".join(report[0].text).split())
    for part in (
        "Bland",
        "Worst",
        "Best",
        "Spearman",
        "Wilcoxon",
        "95 % CI",
        "Holm",
        "both directions",
        "slice spacing",
    ):
        assert part in words, part
    assert "1 missed" in words
    assert "Research use" in words


def test_names_cannot_become_markup(tmp_path):
    evil = "<script>alert(1)</script>"
    evaluation = evaluated(
        {evil: [0.8, 0.7, 0.9, 0.5], 'b" onload="x': [0.7, 0.8, 0.9, 0.6]}, label=evil, case=evil + "{}"
    )
    write_evaluation_report(tmp_path / "report.html", evaluation)
    text = (tmp_path / "report.html").read_text("utf-8")
    page = Page(text)
    assert not page.open
    assert evil not in text
    assert not any("onload" in attrs for _, attrs in page.seen)


@pytest.mark.parametrize("dices", [[0.8], [1.0, 1.0], [0.0, 0.0, 0.0], list(np.linspace(0.2, 0.9, 60))])
def test_any_cohort_makes_a_page(tmp_path, dices):
    write_evaluation_report(tmp_path / "report.html", evaluated({"m": dices}))
    assert not Page((tmp_path / "report.html").read_text("utf-8")).open


def test_files_for_programs(tmp_path):
    import csv
    import json

    evaluation = evaluated({"one": [0.8, 0.7, 0.0, 0.5, 0.5], "two": [0.7, 0.8, 0.9, 0.5, 0.5]}, lost=2)
    write_evaluation(tmp_path, evaluation)
    content = json.loads((tmp_path / "summary.json").read_text())
    assert content["format"] == "pancreasseg-evaluation/1"
    dice = content["summary"]["pancreas"]["one"]["measures"]["dice"]
    assert dice["mean"] == pytest.approx(0.5)
    assert dice["interval"]["low"] < 0.5 < dice["interval"]["high"]
    assert content["summary"]["pancreas"]["one"]["outcomes"]["missed"] == 1
    assert content["summary"]["pancreas"]["one"]["measures"]["hd95_mm"]["infinite"] == 1
    assert content["comparisons"][0]["first"] == "one"
    assert len(content["cases"]) == 10
    with (tmp_path / "cases.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["model"] for row in rows] == ["one"] * 5 + ["two"] * 5
    assert rows[2]["hd95_mm"] == "inf"


def test_digits():
    assert digits(0.12345) == "0.123"
    assert digits(-3.26, "volume_error_ml", signed=True) == "−3.3"
    assert digits(float("inf"), "hd95_mm") == "∞"
    assert digits(None) == digits(float("nan")) == "–"
    assert digits(0.5, "nsd_1mm") == "0.500"
