"""A base for the stand-ins that are no Qt objects: only declared attributes can be set."""

from __future__ import annotations

from typing import Any


class Strict:
    """Only attributes that the constructor made, or the class has, can be set later; a typo raises."""

    _sealed = False

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        original = cls.__init__

        def construct(self: Any, *args: Any, **kwargs: Any) -> None:
            original(self, *args, **kwargs)
            if type(self) is cls:
                object.__setattr__(self, "_sealed", True)

        cls.__init__ = construct

    def __setattr__(self, name: str, value: Any) -> None:
        if self._sealed and not hasattr(self, name):
            raise AttributeError(f"{type(self).__name__} has no attribute '{name}'")
        object.__setattr__(self, name, value)
