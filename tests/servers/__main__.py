"""Real servers and pools as a command: python -m tests.servers"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from servers.command import main

sys.exit(main())
