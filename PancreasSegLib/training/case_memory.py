"""Cases in memory within a budget: what was not used for longest gives way."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar


class _Sized(Protocol):
    @property
    def nbytes(self) -> int: ...


Held = TypeVar("Held", bound=_Sized)


class CaseMemory(Generic[Held]):
    """Least recently used cases are dropped once all together exceed the budget; the one asked for always stays.

    Parameters
    ----------
    load : callable
        Takes the number of a case and returns it.
    budget_bytes : int or None
        None: without limit.
    """

    def __init__(self, load: Callable[[int], Held], budget_bytes: int | None = None) -> None:
        self._load, self._budget = load, budget_bytes
        self._held: OrderedDict[int, Held] = OrderedDict()
        self.loads = 0

    @property
    def nbytes(self) -> int:
        """Bytes that are held."""
        return sum(case.nbytes for case in self._held.values())

    def __getitem__(self, number: int) -> Held:
        """Return a case, read anew if it is not held."""
        if number in self._held:
            self._held.move_to_end(number)
            return self._held[number]
        case = self._load(number)
        self.loads += 1
        self._held[number] = case
        while self._budget is not None and len(self._held) > 1 and self.nbytes > self._budget:
            self._held.popitem(last=False)
        return case
