"""Releases of model clients as a command: python -m tests.clients"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from clients.command import main

sys.exit(main())
