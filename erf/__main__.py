"""``python -m erf``: the command ``erf``."""

import sys

from erf.command.cli import main

if __name__ == "__main__":
    sys.exit(main())
