"""Runs the guardian: `python -I -S guardian_main.py FD NATIVE_FD CGROUPS`.

FD is its socket, NATIVE_FD the program that takes a child's steps (-1 without one), CGROUPS the
directory for the cgroups of attempts (empty without one).

-I and -S keep site-packages off the path, which the guardian does not need; so this file says where
the package is.
"""

import sys

sys.path.append(__file__.rpartition("/cronjob/")[0])

from cronjob.host.guardian import main  # found by the line above

if __name__ == "__main__":
    stream, native, groups = sys.argv[1:]
    sys.exit(main(int(stream), int(native), groups))
