"""Events come in and stay in one SQLite file, for the command line and the viewer: what needs no keys.

    schema    the tables, as SQL with their meaning; migrations
    views     the same for people with a SQL shell
    columns   an event → what the tables index of it
    preview   a large event → what lists show of it
    words     text → the words that a search finds it by
    writing   a batch → one transaction; which of it is new
    placing   spans and metrics → the row in whose tree they are
    search    the index of words, and what a search asks of it
    lookup    many ids in few queries
    store     one open store: add events
    queries   what the command line asks of it
    forest    the spans of a trace → trees
    scores    the metrics of an experiment → scored, failed and missing, by label
    receiver  the endpoint, over HTTP
    viewer    pages, and the JSON that they are made of

Nothing here imports `sqlite3` before a store is opened.
"""
