"""From a call to a finished span, on the user's thread.

A call or a block goes in; one encoded event, a line of JSON, comes out through the slot in `recorder`.

- `recorder`: the slot: where finished events go, and the settings capture obeys
- `ids`: trace and span ids
- `entry`: what can be a parent, and where it stands while it is open
- `active`: which of them is the parent of a new span
- `carry`: the same over tasks, threads, executors, processes and HTTP headers
- `span`: the span, from its first clock read to its event
- `failure`: an exception as the wire's error
- `block`: `experiment_span` as a with-block and as a decorator's maker
- `arguments`: a call's arguments by their names
- `decorate`: one wrapper for each kind of callable
- `stream`: what a generator yielded, gathered within bounds
- `row`: which row of the dataset a root span is
- `metric`: a label and a value become an event
"""
