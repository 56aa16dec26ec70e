"""What tracing OpenAI's client costs with this library, and with other tracers' instrumentation of it.

- `tracers`: which, what each needs, and its one line
- `server`: what speaks the protocol, in a process of its own
- `worker`: one tracer, measured in an environment of its own
- `__main__`: `python -m benchmarks.clients`, which prints the table
"""
