"""Run the command line: ``python -m rnnstats``."""

from __future__ import annotations

import sys

from rnnstats.cli import main

if __name__ == "__main__":
    sys.exit(main())
