"""`python -m cronjob`."""

from cronjob.cli import main

raise SystemExit(main())
