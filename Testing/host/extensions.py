"""``slicer.app.extensionsManagerModel()``: what a module asks to be installed is recorded."""

from __future__ import annotations

from .strict import Strict


class ExtensionsManagerModel(Strict):
    """The extensions of the application.

    Attributes
    ----------
    interactive
        Whether the application may ask about what an extension needs.
    requests
        Names that were to be installed, with whether the application was to be started anew.
    reachable
        Whether the extensions' server answers.
    """

    def __init__(self) -> None:
        self.interactive = True
        self.requests: list[tuple[str, bool]] = []
        self.reachable = True
        self._installed: set[str] = set()

    def clear(self) -> None:
        """Forget everything."""
        self.__init__()

    def isExtensionInstalled(self, extensionName: str) -> bool:
        """Say whether an extension is installed, loaded or not."""
        return extensionName in self._installed

    def installExtensionFromServer(self, extensionName: str, restart: bool = True, update: bool = False) -> bool:
        """Record the extension; its modules can be used after a restart."""
        self.requests.append((extensionName, restart))
        if self.reachable:
            self._installed.add(extensionName)
        return self.reachable
