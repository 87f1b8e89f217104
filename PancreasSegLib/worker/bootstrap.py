"""The script that a worker is started with: ``bootstrap.py LIBRARY OWNER [PATH ...]``.

It loads the library from the folder LIBRARY and serves the process OWNER. The folder in which the library lies is
not put on ``sys.path``, as it may hold packages for another Python; each PATH is.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    del sys.path[0]  # this folder, whose modules would hide others

    import importlib.util

    library, owner, *paths = sys.argv[1:]
    sys.path += [path for path in paths if path not in sys.path]
    spec = importlib.util.spec_from_file_location(
        "PancreasSegLib", library + "/__init__.py", submodule_search_locations=[library]
    )
    assert spec is not None and spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules["PancreasSegLib"] = package
    spec.loader.exec_module(package)

    from PancreasSegLib.worker.server import main

    main(int(owner))
