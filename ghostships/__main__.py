"""The command `ghostships`, also as `python -m ghostships`: a process of its own, whose memory is settled first."""

from __future__ import annotations

import sys

from ghostships import allocation


def main() -> int:
    """Run the command line of this process; returns its exit status."""
    allocation.settle()
    from ghostships import cli

    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
