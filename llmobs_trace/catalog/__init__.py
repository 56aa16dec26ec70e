"""Finds or makes projects, datasets and experiments by name: the seam beside `deliver.destination`.

catalog        the seam: six verbs
local_catalog  one side: the local store
http_catalog   the other: Datadog, or a server like it
asking         one question → its answer, asked again where that helps; pages
refusals       what a server said → what is done about it, as a table, and in words
resources      what a server says of a thing, in either of its shapes
changes        what a dataset lacks → batches
digests        JSON → what it says, whoever wrote it
remote_events  an experiment's events, read back from there
backwards      the newest first → the oldest first
"""
