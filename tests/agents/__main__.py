"""One agent program, written against each client and framework: python -m tests.agents"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from agents.command import main

sys.exit(main())
