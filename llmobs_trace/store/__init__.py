"""Keeps events in one SQLite file, for the command line and the viewer: what needs no keys.

    schema      the tables, as SQL with their meaning; migrations
    catalog_tables  those of projects, datasets and experiments that were made by name
    views       the same for people with a SQL shell
    columns     an event → what the tables index of it
    preview     a large event → what lists show of it
    shortening  a value → as much of it as there is room for
    strings     a value → the strings and numbers in it
    words       text → the words that a search finds it by
    arriving    a batch → appended as it came: all that a traced program pays for
    deriving    what was appended → the tables and the words: by readers, and programs with nothing to do
    writing     events → the tables; which of them are new
    placing     spans and metrics → the row in whose tree they are
    row_tags    the tags of rows, to be found by
    conditions  text → conditions on rows, and
    row_conditions  conditions → the rows that meet them, in an order
    search      the index of words, and what a search asks of it
    summing     new metrics → the sums of their labels
    late_columns events that an older version added → what it had no columns for
    lookup      many ids in few queries
    files       which files a store is made of now, and making them
    opening     a path → a connection, waited for
    forks       what a forked child must leave alone
    store       one open store: add events, whatever becomes of its files
    naming      ids and names that nothing has yet
    projects    projects by name
    datasets    datasets by name, and
    records     their rows by version
    publications  where else an experiment was sent
    made_experiments  experiments by name, and how far each is
    by_hand     what a person calls an experiment, and writes of it
    marks       what a person says of a row: the latest counts
    removal     deleting experiments, so that it can be undone or for good
    queries     what the command line asks of it
    paged_events  an experiment's events as they came, page by page
    forest      the spans of a trace → trees
    scores      the metrics of an experiment → scored, failed, missing, not applicable, by label
    overview    an experiment → a line of a list
    amounts     the rows of an experiment → the time, tokens and money that they took
    prices      model calls whose cost nobody stated → what they cost, kept
    tabular     an experiment → columns and lines, one a row or one a span
    column_types  the cells of a column → what it holds

Nothing here imports `sqlite3` before a store is opened.
"""
