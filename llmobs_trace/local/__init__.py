"""Events come in and stay in one SQLite file, for the command line and the viewer: what needs no keys.

    schema    the tables, as SQL with their meaning; migrations
    columns   an event → what the tables index of it
    store     one open store: add events
    queries   what the command line and the viewer ask of it
    forest    the spans of a trace → trees
    scores    the metrics of an experiment → scored, failed and missing, by label

Nothing here imports `sqlite3` before a store is opened.
"""
