"""Reads the attributes that OpenTelemetry's instrumentations give their spans, whichever convention they
follow.

- `names`: what the attributes' names say, once for all spans that have the same ones
- `reading`: what is taken out of a span's attributes, and what is left
- `chat`: messages in the plain chat shape
- `genai`: OpenTelemetry's own GenAI conventions, old and new
- `openinference`, `openllmetry`: the two that are most widely spread beside them
- `refusals`: what a call that failed cost, and by which status it was refused
- `describe`: a whole span of OpenTelemetry's, told to ours
"""
