"""Traces the calls of model clients: one span a call, from the request to the last chunk of its answer.

What a call is, whoever the client:

- `dialect`: the seam: what one kind of call asks and answers, as data
- `messages`: the one plain chat shape, and which provider's shape becomes what
- `call`: the span of one call, opened and ended
- `text`: a text whose pieces come one by one
- `streams`: a client's stream, watched to its end; `bodies`: a raw response's
- `wrappers`: what stands in the place of a client's function

One module a client, which never imports it:

- `openai`, and `responses`, its newer API; `anthropic`; `stainless`: what clients of one generator share
- `litellm`; `typed_streams` watches its streams
- `google_genai`, of messages that `gemini_parts` puts together; `gemini_calls` is what is wrapped

Beside them:

- `instrument`: which clients are traced; `clients`: how they are wrapped, now or when they are imported
- `returned`: streams and chunks that decorated functions return and yield
- `at_start`: those that `configure` or the environment names
- `foreign`: whose child another tracer's span is; `conventions`: what its attributes say; `told_twice`: which
  of its calls are ours already
"""
