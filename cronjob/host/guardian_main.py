"""Runs the guardian: `python -I -S guardian_main.py FD`.

-I and -S keep site-packages off the path, which the guardian does not need; so this file says where
the package is.
"""

import sys

sys.path.append(__file__.rpartition("/cronjob/")[0])

from cronjob.host.guardian import main  # found by the line above

if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
