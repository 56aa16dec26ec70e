"""Publishing that is killed again and again, as a command: python -m tests.publish"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from publish.command import main

sys.exit(main())
