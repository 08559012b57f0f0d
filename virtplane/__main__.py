"""``python -m virtplane`` is ``virtplane``."""

import sys

from virtplane.cli import main

sys.exit(main())
