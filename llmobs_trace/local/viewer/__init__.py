"""A path and its parameters come in, the viewer's page, file or JSON goes out; the thread that has the store.

routes      which path is answered by what
parameters  text of a query → bounded values
assets      the files of pages/
apart       what takes long, in a process of its own
response    what goes out
"""

from __future__ import annotations

from llmobs_trace.local.viewer.apart import Apart
from llmobs_trace.local.viewer.response import Response
from llmobs_trace.local.viewer.routes import respond

__all__ = ["Apart", "Response", "respond"]
