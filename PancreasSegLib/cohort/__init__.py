"""Cohorts: thousands of scans from an archive to a table of measurements, and back to a better model.

An archive is listed in units (`source`), their headers become rows, one a series (`series`), of which a stated
rule chooses one scan a study (`choice`); `index` keeps that, resumable and without names or dates, in the cohort's
folder (`folder`). Each chosen scan is a task (`task`) that reads it (`scan_files`), segments, measures and writes
all or nothing; Dask carries the tasks to processes or machines (`cluster`), `run` gathers their rows into the
table (`table`), and `plan` says beforehand what it will take. `review` says what a reader should look at
(`outliers` among it), opens it, and keeps the readers' answers in the cohort.
"""
