"""Carries the active span over the borders of a call stack: callables, headers, threads, tasks and other
units of work.

- `callables`: `propagate`, and jobs that run later or elsewhere
- `headers`: `inject` and `continue_trace`, W3C trace context
- `install`: what of the interpreter and of other libraries is wrapped, and when
- `jobs`: everything that takes a function to run it elsewhere
- `threads`, `tasks`, `trio`, `greenlets`, `gevent`: units of work, one by one
"""
