"""Turns a call into a finished span, on the user's thread.

A call or a block goes in; one encoded event, a line of JSON, comes out through the slot in `recorder`.

A decorated callable:

- `block`: `experiment_span` as a with-block, and as the maker of decorators
- `span_arguments`: what a user says of a span beforehand, checked
- `decorate`: one wrapper for each kind of callable; `proxy`: what it answers as the callable
- `callable_facts`: what is known of a callable before its first call
- `call`: what runs around each call: the hot path
- `arguments`: a call's arguments by their names
- `known_streams`: the slot for who knows the streams of model clients
- `generators`: a generator's steps; `stream`: what it yielded, gathered within bounds
- `pickling`: a decorated callable on its way to another process

Which span is the parent:

- `active`: the rule; `entry`: its nouns
- `roots`: to whom the roots within a block belong
- `elsewhere`: another tracer's current span, which counts among the active ones
- `opened_by`: which of several entries that one object has open is left
- `carry`: the same over tasks, threads, executors, processes and HTTP headers

A span, from its first clock read to its event:

- `ids`: trace and span ids
- `span`: what a user holds; `details`: what few spans have
- `lifetime`: opened, and ended once; `row_root`: a row's, under ids that a runner of experiments made
- `values`: what a user gives, encoded and redacted; `register_type`: what a user's own types are recorded as
- `user_tags`: a user's tags
- `model_sums`: what a trace's model calls took, for its root
- `row_ids`: which row of the dataset a root span is
- `failure`: an exception as the wire's error, by `message`, `traceback_text`, `frames` and `sources`
- `span_record`: the whole as one line of JSON

Beside it:

- `evaluation`: which span an evaluator speaks of; `metric`: its event;
  `metric_times`: a time that no equal one has
- `recorder`: the slot: where events go, and the settings that capture obeys
- `before_set_up`: what is recorded while the library is being set up
"""
