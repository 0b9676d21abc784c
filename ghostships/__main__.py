"""`python -m ghostships` is the command `ghostships`."""

from __future__ import annotations

import sys

from ghostships.cli import main

if __name__ == "__main__":
    sys.exit(main())
