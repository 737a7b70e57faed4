"""``python -m gatehouse``: the same as the command ``gatehouse``."""

from gatehouse.cli import main

if __name__ == "__main__":
    main()
