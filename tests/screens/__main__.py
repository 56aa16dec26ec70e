"""Pictures of every page, to look at: python -m tests.screens DIRECTORY"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from screens.command import main

sys.exit(main())
