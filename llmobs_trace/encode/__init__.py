"""Encodes any value of a user's as valid JSON bytes, running none of its own code. User's thread.

``fast`` writes what is ``plain``, ``walk`` all else by way of a ``reader`` of its type: those are in
``stdlib_types``, ``optional_types`` (of modules that need not be loaded), ``declared_fields`` (dataclasses
and their kind), ``numpy_pandas`` and ``typing_forms``, which look at types through ``peek`` alone. ``choose``
finds the reader of a type, those that the program taught included.
``media`` are cut before anything is written. ``shape`` and ``bound`` then work on the bytes: what the wire
allows, and how large it may be. ``redact`` is the user's own say.
"""

from __future__ import annotations

from llmobs_trace.encode.bound import fit, with_note
from llmobs_trace.encode.choose import PLAIN, teach
from llmobs_trace.encode.fast import encode, encode_text
from llmobs_trace.encode.media import keep_media_if
from llmobs_trace.encode.peek import ABSENT, class_attribute, derives, name_of, one_of, type_name
from llmobs_trace.encode.redact import Redactor
from llmobs_trace.encode.shape import is_in_shape, shape_expected, shape_io
from llmobs_trace.encode.stdlib_types import marker

__all__ = [
    "ABSENT",
    "PLAIN",
    "Redactor",
    "class_attribute",
    "derives",
    "encode",
    "encode_text",
    "fit",
    "is_in_shape",
    "keep_media_if",
    "marker",
    "name_of",
    "one_of",
    "shape_expected",
    "shape_io",
    "teach",
    "type_name",
    "with_note",
]
