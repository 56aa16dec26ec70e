"""The words of spans come in as they are added, and a search goes out as SQL; the store's connection.

SQLite's FTS5, without a copy of the text: a fifth of the text's size. Its `ascii` tokenizer knows no
languages, and need not: `words.fold` has been over the text, and is over the query. The index may lag behind
the spans, since a Python whose SQLite has no FTS5 adds none: `state.searched` says how far it is whole, and
what lies beyond is searched by reading it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

from llmobs_trace.local.columns import span_columns
from llmobs_trace.local.words import fold, has_words, words

if TYPE_CHECKING:
    import sqlite3

    from llmobs_trace.local.store import Store

MAX_WORDS: Final = 16
_AT_ONCE: Final = 2000
# No folded text holds a capital letter: this begins the word that says whose the span is.
_EXPERIMENT: Final = "\N{GREEK CAPITAL LETTER OMEGA}"
_TABLE: Final = (
    "CREATE VIRTUAL TABLE search USING fts5 (words, content = '', detail = none, tokenize = 'ascii')"
)


# --- Writing ------------------------------------------------------------------------------------------------


def has_fts5(connection: sqlite3.Connection) -> bool:
    """Whether this SQLite can write and read the index."""
    return ("ENABLE_FTS5",) in connection.execute("PRAGMA compile_options").fetchall()


def prepare(connection: sqlite3.Connection) -> None:
    """Make the index where the file has none yet, within a transaction."""
    if has_fts5(connection) and not _is_there(connection):
        connection.execute(_TABLE)
        connection.execute("UPDATE state SET searched = 0")


def add(connection: sqlite3.Connection, texts: Iterable[tuple[int, int, str]]) -> None:
    """Index new spans, `(key, experiment, text)` by ascending key, if the index reaches up to them."""
    rows = [(key, f"{_EXPERIMENT}{experiment} {fold(text)}") for key, experiment, text in texts]
    (searched,) = connection.execute("SELECT searched FROM state").fetchone()
    if rows and searched == rows[0][0] - 1 and has_fts5(connection):
        connection.executemany("INSERT INTO search (rowid, words) VALUES (?,?)", rows)
        connection.execute("UPDATE state SET searched = ?", rows[-1][:1])


def catch_up(connection: sqlite3.Connection) -> bool:
    """Index some of the spans that the index lacks, within a transaction; says whether there may be more."""
    if not has_fts5(connection):
        return False
    found = connection.execute(
        "SELECT s.key, s.experiment, CAST(v.event AS BLOB) FROM span s JOIN span_event v ON v.key = s.key"
        " WHERE s.key > (SELECT searched FROM state) ORDER BY s.key LIMIT ?",
        (_AT_ONCE,),
    ).fetchall()
    if found:
        # The keys in between are of nothing.
        connection.execute("UPDATE state SET searched = ?", (found[0][0] - 1,))
        add(connection, ((key, experiment, span_columns(event)[0].text) for key, experiment, event in found))
    return len(found) == _AT_ONCE


def lags(connection: sqlite3.Connection) -> bool:
    """Whether there are spans that the index lacks."""
    found = connection.execute("SELECT (SELECT max(key) FROM span) > searched FROM state").fetchone()
    return bool(found[0]) and has_fts5(connection)


def _is_there(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'search'").fetchone() is not None


# --- Asking -------------------------------------------------------------------------------------------------


class Condition(NamedTuple):
    """SQL that is true or not, with what goes in place of its question marks."""

    sql: str
    parameters: tuple[object, ...]


def rows_with(store: Store, experiment: int, query: str) -> Condition:
    """Whether the row of key `r.in_row` has a span in which every word of the query is, or begins, a word.

    A query without any word is found nowhere.
    """
    wanted = list(dict.fromkeys(words(query)))[:MAX_WORDS]
    if not wanted:
        return Condition("0", ())
    ((searched, last, experiments),) = store.select(
        "SELECT CASE WHEN EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'search')"
        " THEN searched ELSE 0 END, (SELECT coalesce(max(key), 0) FROM span),"
        " (SELECT count(*) FROM experiment) FROM state"
    )
    if not store.has_fts5:
        searched = 0
    found: list[str] = []
    parameters: list[object] = []
    if searched:
        found.append("SELECT s.in_row FROM search JOIN span s ON s.key = search.rowid WHERE search MATCH ?")
        # A word that all spans have narrows nothing down.
        whose = [f'"{_EXPERIMENT}{experiment}"'] if experiments > 1 else []
        parameters.append(" ".join([*whose, *map(_asked, wanted)]))
    if searched < last:
        found.append(
            "SELECT s.in_row FROM span s JOIN span_event v ON v.key = s.key"
            f" WHERE s.key > ? AND s.experiment = ? AND {FUNCTION}(v.event, ?)"
        )
        parameters += [searched, experiment, " ".join(wanted)]
    return Condition(f"r.in_row IN ({' UNION ALL '.join(found)})", tuple(parameters))


def _asked(word: str) -> str:
    # A single letter begins too many words to be of use.
    return f'"{word}"*' if len(word) > 1 else f'"{word}"'


FUNCTION: Final = "llmobs_has_words"


def register(connection: sqlite3.Connection) -> None:
    """Let the connection's queries say `llmobs_has_words(event, words)`."""
    connection.create_function(FUNCTION, 2, _event_has_words, deterministic=True)


def _event_has_words(event: str, wanted: str) -> bool:
    columns, _ = span_columns(event.encode())
    return has_words(columns.text, wanted.split(" "))
