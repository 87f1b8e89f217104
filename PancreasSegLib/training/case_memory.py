"""Cases in memory within a budget: what was not used for longest gives way, what comes next is read ahead."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
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
        self._coming: dict[int, Future[Held]] = {}
        self._reader = ThreadPoolExecutor(1, "cases") if budget_bytes is not None else None
        self.loads = 0

    @property
    def nbytes(self) -> int:
        """Bytes that are held."""
        return sum(case.nbytes for case in self._held.values())

    def expect(self, numbers: Iterable[int]) -> None:
        """Read cases that are asked for next in the background, while others are computed with."""
        if self._reader is None:
            return
        for number in numbers:
            if number not in self._held and number not in self._coming:
                self._coming[number] = self._reader.submit(self._load, number)

    def __getitem__(self, number: int) -> Held:
        """Return a case, read anew if it is not held."""
        coming = self._coming.pop(number, None)
        if number in self._held:
            self._held.move_to_end(number)
            return self._held[number]
        case = self._load(number) if coming is None else coming.result()
        self.loads += 1
        self._held[number] = case
        while self._budget is not None and len(self._held) > 1 and self.nbytes > self._budget:
            self._held.popitem(last=False)
        return case
