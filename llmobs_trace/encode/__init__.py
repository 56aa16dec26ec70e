"""Any user value in, valid JSON bytes out, and none of its own code is run. On the user's thread.

``fast`` writes what is plain, ``walk`` writes everything else by way of the readers in ``known`` (values),
``records`` (objects with fields) and ``tables`` (numpy, pandas), which look at types through ``peek`` alone.
``shape`` and ``bound`` then work on the bytes: what the wire allows, and how large it may be. ``redact`` is
the user's own say.
"""

from __future__ import annotations

from llmobs_trace.encode.bound import fit
from llmobs_trace.encode.fast import encode, encode_text
from llmobs_trace.encode.peek import derives, one_of
from llmobs_trace.encode.redact import Redactor
from llmobs_trace.encode.shape import is_in_shape, shape_expected, shape_io

__all__ = [
    "Redactor",
    "derives",
    "encode",
    "encode_text",
    "fit",
    "is_in_shape",
    "one_of",
    "shape_expected",
    "shape_io",
]
