"""`python -m s3gw.processes.run_child MODULE SOCKET`: a process of the tree. MODULE's `main` is what it does.

Before it imports MODULE, which takes most of its start, it ignores signals and turns garbage collection off.
"""

from __future__ import annotations

import sys
from importlib import import_module

from s3gw import garbage
from s3gw.processes import child


def main() -> None:
    garbage.leave_for_now()
    settings, control = child.enter(int(sys.argv[2]))
    import_module(sys.argv[1]).main(settings, control)


if __name__ == "__main__":
    main()
