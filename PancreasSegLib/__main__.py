"""``python -m PancreasSegLib`` is the command line, where its script is not on PATH."""

from PancreasSegLib.cli.app import main

if __name__ == "__main__":
    main()
