"""OpenTelemetry's instrumentations as a command: python -m tests.instrumentations"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from instrumentations.command import main

sys.exit(main())
