"""``python -m PancreasSegLib.worker``: serve one client on stdin and stdout."""

from PancreasSegLib.worker.server import main

if __name__ == "__main__":
    main()
