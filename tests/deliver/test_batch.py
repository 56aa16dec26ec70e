"""Records → request bodies: nothing is lost, nothing is added, nothing is decoded."""

from __future__ import annotations

import json

from hypothesis import assume, example, given
from hypothesis import strategies as st

from llmobs_trace.deliver.batch import ENVELOPE_BYTES, Batch, Entries, bodies, by_experiment, read_id
from llmobs_trace.journal import Position, Records

ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20) | st.sampled_from(
    ['","span":', '","metric":', 'a\\","b', '\\"', '"', "a/b", "\\"]
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
events = st.dictionaries(
    st.sampled_from(["span", "metric", "experiment", "x"]) | st.text(max_size=5), json_values, max_size=4
)


rubbish = st.binary(max_size=60) | st.sampled_from(
    [
        b"",
        b"{}",
        b'{"experiment":"e"}',
        b'{"experiment":"e","other":{}}',
        b'{"experiment":"e","span":{',
        b'{"experiment":5,"span":{}}',
        b'{"experiment":"e" ,"span":{}}',
    ]
)
records_of_ours = st.tuples(ids, st.booleans(), events)


def compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def as_line(of_ours: tuple[str, bool, object]) -> bytes:
    experiment_id, is_span, event = of_ours
    return compact({"experiment": experiment_id, "span" if is_span else "metric": event})


def in_a_row(lines: list[bytes]) -> Records:
    return Records([n // 7 for n in range(len(lines))], [n % 7 for n in range(len(lines))], lines)


@given(st.lists(records_of_ours | st.tuples(st.just("e"), st.booleans(), events) | rubbish, max_size=20))
def test_whatever_ids_and_events_hold_each_comes_to_its_experiment_in_order(
    given_ones: list[tuple[str, bool, object] | bytes],
) -> None:
    records = in_a_row([one if isinstance(one, bytes) else as_line(one) for one in given_ones])
    found, unreadable = by_experiment(records)
    expected: dict[str, list[tuple[int, bool, bytes]]] = {}
    for number, one in enumerate(given_ones):
        if not isinstance(one, bytes):
            expected.setdefault(one[0], []).append((number, one[1], compact(one[2])))
    # Bytes may happen to be a record of ours, as far as anybody can tell without decoding them.
    assume(all(read_id(encoded_id) in expected for encoded_id in found))
    assert expected == {
        read_id(encoded_id): [
            (record.at.segment * 7 + record.at.offset, event.is_span, event.json) for record, event in entries
        ]
        for encoded_id, entries in found.items()
    }
    whole = [record for entries in found.values() for record, _ in entries]
    assert sorted([*whole, *unreadable], key=lambda record: record.at) == list(records)


@given(st.lists(rubbish, max_size=5))
def test_no_bytes_whatever_raise_and_none_are_passed_over(lines: list[bytes]) -> None:
    found, unreadable = by_experiment(in_a_row(lines))
    assert sum(map(len, found.values())) + len(unreadable) == len(lines)
    for encoded_id in [*found, *lines]:
        read_id(encoded_id)


@given(
    st.lists(st.tuples(st.booleans(), st.integers(min_value=0, max_value=400)), max_size=40),
    st.integers(min_value=100, max_value=1000),
    st.integers(min_value=1, max_value=10),
    st.sets(st.integers(0, 40)),
)
def test_every_event_is_in_one_body_in_order_and_within_the_bounds(
    shapes: list[tuple[bool, int]], max_bytes: int, max_events: int, cut_at: set[int]
) -> None:
    lines = [as_line(("e", is_span, {"n": n, "x": "x" * size})) for n, (is_span, size) in enumerate(shapes)]
    records = in_a_row(lines)
    entries = by_experiment(records)[0].get(b'"e"', Entries(b'{"experiment":"e",', records))
    cuts = [Position(n // 7, n % 7) for n in sorted(cut_at)]
    parts = list(bodies(entries, max_bytes, max_events, cuts))
    assert [record for part in parts for record in part.records] == list(records)
    for part in parts:
        batch = Batch.of("e", part)
        body = json.loads(batch.body())
        assert body["data"]["type"] == "events"
        attributes = body["data"]["attributes"]
        assert [compact(one) for one in attributes.get("spans", [])] == batch.spans
        assert [compact(one) for one in attributes.get("metrics", [])] == batch.metrics
        assert [event.json for _, event in part if event.is_span] == batch.spans
        assert [event.json for _, event in part if not event.is_span] == batch.metrics
        assert len(part) == len(batch.spans) + len(batch.metrics) <= max_events
        assert len(batch.body()) <= min(max_bytes, batch.size_bytes) or len(part) == 1
        first, *others = (record.at for record in part.records)
        assert not any(first < cut <= at for at in others for cut in cuts)


def test_what_does_not_begin_as_a_record_is_none_though_it_goes_on_as_one() -> None:
    lines = [b'{"experimenT":"e","span":{}}', b'{"experiment":"e","span":{}}']
    found, unreadable = by_experiment(in_a_row(lines))
    assert ({*found}, len(unreadable)) == ({b'"e"'}, 1)


def test_a_kind_without_events_is_left_out() -> None:
    batch = Batch.of("e", by_experiment(in_a_row([b'{"experiment":"e","span":{}}']))[0][b'"e"'])
    assert batch.body() == b'{"data":{"attributes":{"spans":[{}]},"type":"events"}}'


def of_sizes(*sizes: int) -> Entries:
    """Events that take so many bytes each, their commas included."""
    lines = [b'{"experiment":"e","span":%b}' % (b"x" * (size - 1)) for size in sizes]
    return Entries(b'{"experiment":"e",', in_a_row(lines))


def test_an_event_takes_a_comma_and_a_metric_two_bytes_more() -> None:
    lines = [b'{"experiment":"e","span":{"a":1}}', b'{"experiment":"e","metric":{"a":1}}']
    entries = by_experiment(in_a_row(lines))[0][b'"e"']
    assert entries.sizes() == [len('{"a":1}') + 1, len('{"a":1}') + 3]


def test_a_body_s_size_is_known_before_it_is_made() -> None:
    span, metric = b'{"s":1}', b'{"m":22}'
    for spans in (0, 1, 2, 3):
        for metrics in (0, 1, 2, 3):
            batch = Batch(experiment_id="e", spans=[span] * spans, metrics=[metric] * metrics)
            left_out = len('"spans":[],') * (not spans) + len('"metrics":[],') * (not metrics)
            commas = bool(spans) + bool(metrics)  # one for each event is counted
            if spans or metrics:
                assert batch.size_bytes == len(batch.body()) + left_out + commas
    assert len(b'{"data":{"attributes":{"metrics":[],"spans":[]},"type":"events"}}') == ENVELOPE_BYTES


@given(
    st.lists(st.integers(1, 60), max_size=30),
    st.integers(60, 400),
    st.integers(1, 12),
    st.sets(st.integers(0, 30)),
)
@example([10] * 6, ENVELOPE_BYTES + 60, 6, set())
@example([10] * 6, ENVELOPE_BYTES + 59, 6, set())
@example([10] * 6, ENVELOPE_BYTES + 60, 5, set())
@example([10] * 6, ENVELOPE_BYTES + 20, 6, {1, 2, 3})
@example([10] * 6, ENVELOPE_BYTES + 60, 6, {0, 6, 7})
def test_a_body_holds_as_many_as_fit(
    sizes: list[int], max_bytes: int, max_events: int, cut_at: set[int]
) -> None:
    expected: list[list[int]] = []
    for index, size in enumerate(sizes):
        held = sum(sizes[at] for at in expected[-1]) if expected else 0
        is_new = (
            not expected
            or ENVELOPE_BYTES + held + size > max_bytes
            or len(expected[-1]) == max_events
            or index in cut_at
        )
        if is_new:
            expected.append([])
        expected[-1].append(index)
    cuts = [Position(at // 7, at % 7) for at in sorted(cut_at)]
    parts = bodies(of_sizes(*sizes), max_bytes, max_events, cuts)
    assert [[at.segment * 7 + at.offset for at in (r.at for r in part.records)] for part in parts] == expected


def test_hundreds_of_cuts_before_the_events_part_none_of_them() -> None:
    cuts = [Position(0, at) for at in range(-300, 1)]
    [part] = bodies(of_sizes(10, 10, 10), 1_000, 10, cuts)
    assert len(part) == 3


def test_an_id_is_a_text_that_is_not_empty() -> None:
    assert read_id(b'"e"') == "e"
    for other in (b'""', b"5", b"null", b"[]", b'["e"]', b"", b'"e', b"\xff"):
        assert read_id(other) is None
