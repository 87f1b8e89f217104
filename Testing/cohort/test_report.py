"""The page about a cohort: every scan accounted for, groups and outliers shown, and nothing private."""

from __future__ import annotations

import re
import shlex

import numpy as np
import pytest
import typer

from PancreasSegLib.cli.app import program, run
from PancreasSegLib.cohort.folder import Cohort
from PancreasSegLib.cohort.outliers import find_outliers
from PancreasSegLib.cohort.summary import read_covariates, summarise_results
from PancreasSegLib.cohort.table import read_table
from PancreasSegLib.errors import CohortError
from PancreasSegLib.report.cohort_page import cohort_page


@pytest.fixture
def cohort(finished) -> Cohort:
    return finished[0]


def covariates(cohort, folder, column="scan"):
    """Write a sex and an age for every row of the index."""
    path = folder / "covariates.csv"
    ids = [row[column] for row in read_table(cohort.index_file)]
    lines = [f"{name},{'FM'[n % 2]},{40 + n}.5" for n, name in enumerate(ids)]
    path.write_text("\n".join([f"{column},sex,age", *lines]))
    return path


def test_the_page_accounts_for_every_scan_and_holds_nothing_private(cohort, tmp_path, capsys):
    page = tmp_path / "report.html"
    table = covariates(cohort, tmp_path)
    key = ["--key", str(cohort.path.parent / "key")]
    assert run(["cohort", "report", str(cohort.path), *key, "--covariates", str(table), "-o", str(page)]) == 0
    assert "2 scans measured" in capsys.readouterr().out
    text = page.read_text("utf-8")
    summary = summarise_results(cohort, covariates=table)
    flow = dict(summary.flow)
    assert flow["scans chosen"] == flow["scans run"] == 4
    assert flow["of these: done"] + flow["of these: failed"] + flow["of these: no pancreas"] == 4
    assert sum(summary.unfinished.values()) == 2
    for heading in ("By sex", "By age", "Outliers", "Least sure", "Methods", "Volume, mL"):
        assert heading in text
    assert text.count("data:image/jpeg") == 2 and "<script" not in text
    for private in ("cut.nii", str(cohort.path.parent), "none.nii"):
        assert private not in text


def test_the_least_sure_come_first(cohort):
    summary = summarise_results(cohort)
    sure = [row["confidence"] for row in summary.least_sure]
    assert sure == sorted(sure) and len(sure) == len(summary.rows) == 2


def test_what_lies_far_from_the_others_is_an_outlier():
    volumes = np.r_[np.linspace(70, 90, 30), 240.0]
    rows = [{"scan": f"s{n}", "volume_ml": float(v), "length_mm": 150.0} for n, v in enumerate(volumes)]
    (found,) = find_outliers(rows)
    assert (found.scan, found.measure, found.value) == ("s30", "volume_ml", 240.0)
    spread = np.median(np.abs(volumes - np.median(volumes)))
    assert found.score == pytest.approx(0.6745 * (240 - np.median(volumes)) / spread)
    assert find_outliers(rows[-9:]) == []  # too few to say


def test_groups_and_numbers_are_compared(cohort, tmp_path):
    summary = summarise_results(cohort)
    rng = np.random.default_rng(0)
    base = summary.rows[0]
    rows = [base | {"scan": str(n), "volume_ml": 60 + n + rng.normal(), "given: age": 30.0 + n} for n in range(20)]
    for n, row in enumerate(rows):
        row["given: site"] = "A" if n < 10 else "B"
    summary.rows[:] = rows
    summary.covariates[:] = ["given: age", "given: site"]
    text = cohort_page(summary)
    assert "rank correlation" in text and "<td>0.9" in text
    assert "Kruskal-Wallis" in text and ">A<" in text and ">B<" in text


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("name,sex\na,F\n", "no column"),
        ("scan\na\n", "nothing besides"),
        ("", "no column"),
        ("scan,sex\nx,F\n", "No scan"),
    ],
)
def test_covariates_that_do_not_fit_are_refused(cohort, tmp_path, content, sentence):
    path = tmp_path / "covariates.csv"
    path.write_text(content)
    with pytest.raises(CohortError, match=sentence):
        summarise_results(cohort, covariates=path)


def test_numbers_are_numbers_and_gaps_are_gaps(tmp_path):
    path = tmp_path / "c.csv"
    path.write_text("\ufeffscan,age,sex\na,41,F\nb,,M\n", encoding="utf-8")
    key, rows = read_covariates(path)
    assert (key, rows["a"]["age"], rows["b"]["age"], rows["b"]["sex"]) == ("scan", 41.0, None, "M")


def test_without_results_a_sentence_says_what_to_do(cohort_of):
    cohort, _ = cohort_of()
    with pytest.raises(CohortError, match="no results yet"):
        summarise_results(cohort)


def commands_of_the_page(project):
    text = (project / "Resources/Docs/cohorts.md").read_text("utf-8")
    blocks = re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL)
    lines = [line.partition("#")[0].strip() for block in blocks for line in block.splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("pancreasseg cohort")]


def test_every_option_on_the_page_exists(project):
    commands = commands_of_the_page(project)
    known = typer.main.get_command(program()).commands["cohort"].commands
    assert {words[1] for words in commands} == {"index", "plan", "run", "review", "report"} <= set(known)
    for _, name, *words in commands:
        options = {option for parameter in known[name].params for option in parameter.opts}
        assert {word for word in words if word.startswith("-")} <= options


@pytest.mark.slow
def test_the_four_commands_of_the_page_lead_to_a_report(project, scans, bright, tmp_path):
    study = tmp_path / "study"
    for _, name, *words in commands_of_the_page(project)[:4]:
        words = [{"/archive": str(scans), "study": str(study)}.get(word, word) for word in words]
        model = ["--model", str(bright)] if name in ("plan", "run") else []
        assert run(["cohort", name, *words, *model, "-q"]) == 0
    assert "2 pancreases measured" in (study / "report.html").read_text("utf-8")
