"""``python -m einsdiff`` is the `einsdiff` command."""

import sys

from einsdiff.cli import main

sys.exit(main())
