"""`cronjob daemon` on the files below a folder in place of those of the machine.

rooted_daemon.py FOLDER [OPTION...]
"""

import sys

from cronjob.cli import _parser
from cronjob.cli.service import run_daemon
from cronjob.core.source import PLACES

if __name__ == "__main__":
    root, *options = sys.argv[1:]
    sys.exit(run_daemon(_parser().parse_args(["daemon", *options]), PLACES.below(root)))
