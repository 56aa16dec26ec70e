"""The seeded fault campaign as a command: python -m tests.campaign --runs 200 --seed 7"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from campaign.command import main

sys.exit(main())
