"""``pancreasseg train --teacher``: a small model learns from a large one beside the experts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PancreasSegLib.training.recipe import Recipe
    from PancreasSegLib.training.teacher import Lesson

CASES = "cases"


def recipe_of_lessons(
    teacher: str,
    dataset: Path,
    unread: Path | None,
    recipe: str,
    overrides: list[str],
    name: str | None,
    least_confidence: float,
) -> Recipe:
    """Let the teacher label, and return the recipe that learns from it."""
    from PancreasSegLib.cli.interruption import cancelled_by_ctrl_c
    from PancreasSegLib.cli.terminal import note, say
    from PancreasSegLib.inference import Segmenter
    from PancreasSegLib.training.recipe import load_recipe
    from PancreasSegLib.training.teacher import label_by_teacher, taught_recipe

    segmenter = Segmenter.load(teacher)
    wanted = [f"name={name or f'{segmenter.package.name}-student'}", *overrides]
    folder = (loaded := load_recipe(recipe, wanted)).output / loaded.name / CASES

    def tell(number: int, count: int, lesson: Lesson) -> None:
        sure = f"confidence {lesson.confidence:.2f}" if lesson.confidence is not None else ""
        said = ", ".join(part for part in (sure, lesson.left_out and f"left out: {lesson.left_out}") if part)
        note(f"{number} of {count}: {lesson.scan}, {said}")

    with cancelled_by_ctrl_c() as cancel:
        lessons = label_by_teacher(
            segmenter,
            dataset,
            unread,
            folder,
            least_confidence=least_confidence,
            on_lesson=tell,
            cancel=cancel,
        )
    learnt = sum(not lesson.left_out for lesson in lessons)
    say(f"{segmenter.package.name} labelled {learnt} of {len(lessons)} CTs; all cases are in {folder}")
    loaded = load_recipe(recipe, [*wanted, f"data.root={folder.resolve()}"])
    return taught_recipe(loaded, segmenter.package, dataset, lessons)
