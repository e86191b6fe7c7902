"""`python -m grok_rt`: the command line, where `grok-rt` is not on the path."""

from __future__ import annotations

import sys

from grok_rt.cli import main

sys.exit(main())
