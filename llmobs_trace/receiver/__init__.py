"""Serves the documented endpoint and the viewer over HTTP: events go to the store, pages come from it.

http       the head of a request ⇄ bytes; no input, no output
access     whose request is answered: the Host, the keys
routes     a path → the endpoint's experiment, or a page
bodies     a compressed body → what it holds, bounded
compact    a body → its JSON without blanks
schema     the documented members as tables: the closed schema, for reading
faults     a body that isn't as documented → every fault, each with the pointer to its value
events     a body → its events as bytes, or its faults
problems   the error bodies in both documented shapes
rehearsal  which request is to fail, and how
endpoint   a whole request of the endpoint → its answer
questions  what `llmobs-trace doctor` asks → its answer
pages      a request of the viewer → its answer
page_writes  whether a page of ours asks for a change
pricing    what model calls cost of the experiments that somebody looks at
expiry     what somebody deleted long ago, removed for good
budget     how much of all bodies is held at once
limits     how long and how much, as data
incoming   one connection's bytes → heads and bodies, each in time
connection one connection: requests read, answers written, in their order
service    whole requests → answers, on threads
server     the listener, its connections, its end
"""
