"""Answers the viewer's requests: a page, a file or JSON. The thread that has the store.

routes           which path is answered by what
parameters       the text of a query → bounded values
response         what goes out
assets           the files of pages/
experiments      which experiments there are, and how often the store changed
experiments_listed  the list of them: sorted, and each summed up
experiment       one experiment, summed up by latency, spending, score_counts and histograms
rows             the list of its rows, as row_query reads what is wanted; neighbours of one
facets           what they can be narrowed down by; groups of them
traces           one row: its trace, its spans in the order of the tree
spans            one span, whole; its tags
writes           what a page changes: names, notes, deleting, marks
metrics          what was measured of rows and spans
compared         how two experiments and more compare
side_by_side     their rows; flips where one says something else, regressions which are worse, and what of
                 that is kept
compare_process  what takes long of it, in a process of its own
"""

from __future__ import annotations

from llmobs_trace.viewer.compare_process import Apart
from llmobs_trace.viewer.parameters import query_of
from llmobs_trace.viewer.response import Response
from llmobs_trace.viewer.routes import asked_about, respond

__all__ = ["Apart", "Response", "asked_about", "query_of", "respond"]
