"""Indexes the words of spans, and turns a search into SQL. The store's connection.

SQLite's FTS5, without a copy of the text: a fifth of the text's size. Its `ascii` tokenizer knows no
languages, and need not: `words.fold` has been over the text, and is over the query. The index may lag behind
the spans, since a Python whose SQLite has no FTS5 adds none: `state.searched` says how far it is whole, and
what lies beyond is searched by reading it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from llmobs_trace.store.columns import span_columns
from llmobs_trace.store.words import fold, has_words, words

if TYPE_CHECKING:
    import sqlite3

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


def add(connection: sqlite3.Connection, texts: Iterable[tuple[int, int, int | None, str]]) -> None:
    """Index new spans, `(key, experiment, row, text)` by ascending key, if the index reaches up to them.

    What comes at once of one row is one entry, under the key of one of its spans: a word that a row's every
    span has is then found once a row.
    """
    entries: dict[tuple[bool, int], tuple[int, list[str]]] = {}
    last = None
    for key, experiment, row, text in texts:
        of = (True, row) if row is not None else (False, key)
        _, parts = entries.setdefault(of, (key, [f"{_EXPERIMENT}{experiment}"]))
        parts.append(fold(text))
        last = key
    if last is None or not has_fts5(connection):
        return
    (searched,) = connection.execute("SELECT searched FROM state").fetchone()
    if searched == next(iter(entries.values()))[0] - 1:
        connection.executemany(
            "INSERT INTO search (rowid, words) VALUES (?,?)",
            [(key, "\n".join(parts)) for key, parts in entries.values()],
        )
        connection.execute("UPDATE state SET searched = ?", (last,))


def catch_up(connection: sqlite3.Connection) -> bool:
    """Index some of the spans that the index lacks, within a transaction; says whether there may be more."""
    if not has_fts5(connection):
        return False
    found = connection.execute(
        "SELECT s.key, s.experiment, s.in_row, CAST(v.event AS BLOB)"
        " FROM span s JOIN span_event v ON v.key = s.key"
        " WHERE s.key > (SELECT searched FROM state) ORDER BY s.key LIMIT ?",
        (_AT_ONCE,),
    ).fetchall()
    if found:
        # The keys in between are of nothing.
        connection.execute("UPDATE state SET searched = ?", (found[0][0] - 1,))
        add(connection, ((*span, span_columns(event)[0].text) for *span, event in found))
    if len(found) == _AT_ONCE:
        return True
    # Of the keys up to there, those that are lacking were of spans that are deleted.
    connection.execute("UPDATE state SET searched = max(searched, spans_read)")
    return False


def forget(connection: sqlite3.Connection) -> bool:
    """Begin the index anew where most of it is of spans that were deleted; whether it did.

    Without the text that an entry is of, it can't be taken out alone: its words lead nowhere till then.
    """
    if not has_fts5(connection) or not _is_there(connection):
        return False
    entries, gone = connection.execute(
        "SELECT count(*), total(NOT EXISTS (SELECT 1 FROM span WHERE key = d.id)) FROM search_docsize d"
    ).fetchone()
    if gone * 2 <= entries:
        return False
    connection.execute("DROP TABLE search")
    connection.execute(_TABLE)
    connection.execute("UPDATE state SET searched = 0")
    return True


def lags(connection: sqlite3.Connection) -> bool:
    """Whether there is no index yet, or spans that it lacks, and this SQLite can mend that."""
    if not has_fts5(connection):
        return False
    found = connection.execute("SELECT (SELECT max(key) FROM span) > searched FROM state").fetchone()
    return bool(found[0]) or not _is_there(connection)


def _is_there(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'search'").fetchone() is not None


# --- Asking -------------------------------------------------------------------------------------------------


class Condition(NamedTuple):
    """SQL that is true or not, with what goes in place of its question marks."""

    sql: str
    parameters: tuple[object, ...]


class Searched(Protocol):
    """What is searched: a `Store`, as far as that takes."""

    has_fts5: bool

    def select(self, query: str, parameters: Sequence[object] = ...) -> Iterator[tuple[Any, ...]]: ...


def rows_with(store: Searched, experiment: int, query: str) -> Condition:
    """Whether every word of the query is, or begins, a word of some span in the tree of the row `r.in_row`.

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
    # A word that all spans have narrows nothing down.
    whose = f'"{_EXPERIMENT}{experiment}" ' if experiments > 1 else ""
    found: list[str] = []
    parameters: list[object] = []
    for word in wanted:
        ways: list[str] = []
        if searched:
            ways.append(
                "SELECT s.in_row FROM search JOIN span s ON s.key = search.rowid WHERE search MATCH ?"
            )
            parameters.append(whose + _asked(word))
        if searched < last:
            ways.append(
                "SELECT s.in_row FROM span s JOIN span_event v ON v.key = s.key"
                f" WHERE s.key > ? AND s.experiment = ? AND {FUNCTION}(v.event, ?)"
            )
            parameters += [searched, experiment, word]
        found.append(f"r.in_row IN ({' UNION ALL '.join(ways)})")
    return Condition(" AND ".join(found), tuple(parameters))


def _asked(word: str) -> str:
    # A single letter begins too many words to be of use.
    return f'"{word}"*' if len(word) > 1 else f'"{word}"'


FUNCTION: Final = "llmobs_has_word"


def register(connection: sqlite3.Connection) -> None:
    """Let the connection's queries say `llmobs_has_word(event, word)`."""
    connection.create_function(FUNCTION, 2, _event_has_word, deterministic=True)


def _event_has_word(event: str, wanted: str) -> bool:
    columns, _ = span_columns(event.encode())
    return has_words(columns.text, [wanted])
