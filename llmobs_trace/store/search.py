"""Indexes the words of spans, and turns a search into SQL. The store's connection.

SQLite's FTS5, without a copy of the text: a fifth of the text's size. Its `ascii` tokenizer knows no
languages, and need not: `words.fold` has been over the text, and is over the query. The index lags behind the
spans: pages that search bring it up to date first, for about a second, and programs with nothing else to do.
`state.searched` says how far it is whole. Spans beyond that are searched by reading them; where many of them
may be passed over, it is said that they are `unsearched` yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from llmobs_trace.store.columns import searched_text
from llmobs_trace.store.words import fold, has_words, words

if TYPE_CHECKING:
    import sqlite3

MAX_WORDS: Final = 16
# To read so many takes half a second.
MAX_READ: Final = 10_000
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


def is_lacking(connection: sqlite3.Connection) -> bool:
    """Whether the file has no index yet, and this SQLite can make one."""
    return has_fts5(connection) and not _is_there(connection)


def prepare(connection: sqlite3.Connection) -> None:
    """Make the index where it `is_lacking`, within a transaction."""
    if is_lacking(connection):
        connection.execute(_TABLE)
        connection.execute("UPDATE state SET searched = 0")


def catch_up(connection: sqlite3.Connection, at_once: int = _AT_ONCE) -> bool:
    """Index the next spans that the index lacks, within a transaction; says whether there may be more.

    What comes at once of one row is one entry, under the key of one of its spans: a word that a row's every
    span has is then found once a row.
    """
    if not has_fts5(connection) or not _is_there(connection):
        return False
    found = connection.execute(
        "SELECT s.key, s.experiment, s.in_row, CAST(v.event AS BLOB)"
        " FROM span s JOIN span_event v ON v.key = s.key"
        " WHERE s.key > (SELECT searched FROM state) ORDER BY s.key LIMIT ?",
        (at_once,),
    ).fetchall()
    entries: dict[tuple[bool, int], tuple[int, list[str]]] = {}
    for key, experiment, row, event in found:
        of = (True, row) if row is not None else (False, key)
        _, parts = entries.setdefault(of, (key, [f"{_EXPERIMENT}{experiment}"]))
        parts.append(fold(searched_text(event)))
    connection.executemany(
        "INSERT INTO search (rowid, words) VALUES (?,?)",
        [(key, "\n".join(parts)) for key, parts in entries.values()],
    )
    if len(found) == at_once:
        connection.execute("UPDATE state SET searched = ?", (found[-1][0],))
        return True
    # Of the keys up to there, those that are lacking were of spans that are deleted.
    last = found[-1][0] if found else 0
    connection.execute("UPDATE state SET searched = max(searched, spans_read, ?)", (last,))
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
    """Whether there are spans that the index lacks, and this SQLite can mend that."""
    if not has_fts5(connection):
        return False
    found = connection.execute("SELECT (SELECT max(key) FROM span) > searched FROM state").fetchone()
    return bool(found[0])


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
    may_pass_over: bool

    def select(self, query: str, parameters: Sequence[object] = ...) -> Iterator[tuple[Any, ...]]: ...


def rows_with(store: Searched, experiment: int, query: str) -> Condition:
    """Whether every word of the query is, or begins, a word of some span in the tree of the row `r.in_row`.

    A query without any word is found nowhere.
    """
    wanted = list(dict.fromkeys(words(query)))[:MAX_WORDS]
    if not wanted:
        return Condition("0", ())
    ((experiments,),) = store.select("SELECT count(*) FROM experiment")
    searched, last = _reach(store)
    is_read = searched < last and not unsearched(store)
    # A word that all spans have narrows nothing down.
    whose = f'"{_EXPERIMENT}{experiment}" ' if experiments > 1 else ""
    found: list[str] = []
    parameters: list[object] = []
    for word in wanted:
        ways: list[str] = []
        if searched or not is_read:
            ways.append(
                "SELECT s.in_row FROM search JOIN span s ON s.key = search.rowid WHERE search MATCH ?"
            )
            parameters.append(whose + _asked(word))
        if is_read:
            ways.append(
                "SELECT s.in_row FROM span s JOIN span_event v ON v.key = s.key"
                f" WHERE s.key > ? AND s.experiment = ? AND {FUNCTION}(v.event, ?)"
            )
            parameters += [searched, experiment, word]
        found.append(f"r.in_row IN ({' UNION ALL '.join(ways)})")
    return Condition(" AND ".join(found), tuple(parameters))


def unsearched(store: Searched) -> int:
    """How many spans a search passes over for now, since their words are yet to be indexed."""
    searched, last = _reach(store)
    left = last - searched
    return left if store.has_fts5 and store.may_pass_over and left > MAX_READ else 0


def _reach(store: Searched) -> tuple[int, int]:
    """The key up to which spans are in the index, as far as this SQLite can read it, and the last key."""
    ((searched, last),) = store.select(
        "SELECT CASE WHEN EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'search')"
        " THEN searched ELSE 0 END, (SELECT coalesce(max(key), 0) FROM span) FROM state"
    )
    return searched if store.has_fts5 else 0, last


def _asked(word: str) -> str:
    # A single letter begins too many words to be of use.
    return f'"{word}"*' if len(word) > 1 else f'"{word}"'


FUNCTION: Final = "llmobs_has_word"


def register(connection: sqlite3.Connection) -> None:
    """Let the connection's queries say `llmobs_has_word(event, word)`."""
    connection.create_function(FUNCTION, 2, _event_has_word, deterministic=True)


def _event_has_word(event: str, wanted: str) -> bool:
    return has_words(searched_text(event.encode()), [wanted])
