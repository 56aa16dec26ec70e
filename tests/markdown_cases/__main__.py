"""Markdown that means harm, drawn by a browser: python -m tests.markdown_cases"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from markdown_cases.command import main

sys.exit(main())
