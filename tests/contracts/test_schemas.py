"""What old events have is never taken away: the check of schemas against schemas, and of classes against files."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import jsonschema
import msgspec
import pytest

from adapters.mongo.commits import envelope
from adapters.schemas import exported
from adapters.schemas.compatibility import narrowings
from adapters.schemas.exported import FileUnreadable, Incompatible, check, export
from adapters.schemas.record import Record
from domain.aggregate import Aggregate
from domain.events import EVENTS
from tests.contracts.schema_changes import (
    COMPATIBLE,
    INCOMPATIBLE,
    REFUSED_BY_REGISTRIES,
    Colour,
    Demanding,
    Fewer,
    More,
    Size,
    Wider,
    schema_with,
)


@pytest.mark.parametrize(("before", "after"), COMPATIBLE)
def test_what_can_read_all_that_was_written_is_compatible(before, after):
    assert narrowings(schema_with(before), schema_with(after)) == []


@pytest.mark.parametrize(("before", "after", "words"), INCOMPATIBLE)
def test_what_cannot_is_named_with_its_field(before, after, words):
    (narrowing,) = narrowings(schema_with(before), schema_with(after))
    assert f"{narrowing.field} {narrowing.what}" == f"data.it{'' if words[0] in '.[{' else ' '}{words}"
    assert not narrowing.is_readable


@pytest.mark.parametrize(("before", "after", "words"), REFUSED_BY_REGISTRIES)
def test_what_only_registries_mind_is_told_apart(before, after, words):
    (narrowing,) = narrowings(schema_with(before), schema_with(after))
    assert (narrowing.field, narrowing.what, narrowing.is_readable) == ("data.it", words, True)


# Classes against files ----------------------------------------------------------------------------------------


class One:
    class Happened(Aggregate.Event):
        size: Size
        colour: Colour


class Grown:
    """One as it may become."""

    class Happened(Aggregate.Event):
        size: Wider
        colour: More


class Broken:
    """One as it may not."""

    class Happened(Aggregate.Event):
        size: Demanding
        colour: Fewer
        weight: int


class Second:
    class Happened(Aggregate.Event):
        class_version = 2

        weight: int

        @staticmethod
        def upcast_v1_v2(fields: dict[str, Any]) -> None:
            fields.clear()
            fields["weight"] = 1


class Third:
    class Happened(Aggregate.Event):
        class_version = 3

        weight: int

        @staticmethod
        def upcast_v1_v2(fields: dict[str, Any]) -> None: ...

        @staticmethod
        def upcast_v2_v3(fields: dict[str, Any]) -> None: ...


def of(holder: type[Any]) -> dict[str, type]:
    return {"Thing.Happened": holder.Happened}


def content(folder) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.fixture
def folder(tmp_path):
    """With the files of One."""
    export(of(One), tmp_path)
    return tmp_path


def test_an_event_that_is_not_exported_yet_fails_until_it_is(tmp_path):
    (problem,) = check(of(One), tmp_path)
    assert (problem.event, problem.field) == ("Thing.Happened", None)
    assert "no schema file yet: run `runledger schemas export`" in problem.says
    assert [file.name for file in export(of(One), tmp_path)] == ["Thing.Happened.v1.json"]
    assert check(of(One), tmp_path) == []


def test_an_export_that_has_nothing_to_do_writes_nothing(folder):
    assert export(of(One), folder) == []


def test_a_compatible_change_fails_until_it_is_exported(folder):
    (problem,) = check(of(Grown), folder)
    assert "has changed since Thing.Happened.v1.json was exported: run `runledger schemas export`" in problem.says
    export(of(Grown), folder)
    assert check(of(Grown), folder) == []
    assert list(content(folder)) == ["Thing.Happened.v1.json"]


def test_an_incompatible_change_fails_with_the_event_the_field_and_what_to_do(folder):
    problems = {problem.field: problem.says for problem in check(of(Broken), folder)}
    assert problems.keys() == {"size.width", "colour", "weight"}
    for field, says in problems.items():
        assert says.startswith(f"Thing.Happened: the field `{field}` ")
        assert "events of version 1 in the log could no longer be read as they were meant" in says
        assert "`class_version = 2`" in says
        assert "`upcast_v1_v2(fields)`" in says


def test_an_incompatible_change_is_never_exported(folder):
    before = content(folder)
    with pytest.raises(Incompatible, match="the field `weight` is new and has no default"):
        export(of(Broken) | {"Thing.Added": Grown.Happened}, folder)
    assert content(folder) == before


def test_a_new_version_with_an_upcaster_is_exported_beside_the_old_one(folder):
    (problem,) = check(of(Second), folder)
    assert "version 2 has no schema file yet" in problem.says
    before = content(folder)
    export(of(Second), folder)
    assert check(of(Second), folder) == []
    assert content(folder).keys() == {"Thing.Happened.v1.json", "Thing.Happened.v2.json"}
    assert content(folder).items() > before.items()


def test_a_new_version_without_an_upcaster_is_not_exported(folder, monkeypatch):
    monkeypatch.delattr(Second.Happened, "upcast_v1_v2")
    with pytest.raises(Incompatible, match=r"add the static method `upcast_v1_v2\(fields\)`"):
        export(of(Second), folder)


def test_an_upcaster_must_stay(folder, monkeypatch):
    export(of(Second), folder)
    monkeypatch.delattr(Second.Happened, "upcast_v1_v2")
    (problem,) = check(of(Second), folder)
    assert "has version 2 but no `upcast_v1_v2`, so events of version 1 could not be read" in problem.says


def test_a_version_that_skips_one_fails(folder):
    with pytest.raises(Incompatible, match="set `class_version = 2`"):
        export(of(Third), folder)


def test_a_version_that_goes_back_fails(folder):
    export(of(Second), folder)
    with pytest.raises(Incompatible, match=r"gone back to version 1.*set `class_version = 2`"):
        export(of(One), folder)


def test_an_old_versions_file_that_is_lost_fails(folder):
    export(of(Second), folder)
    (folder / "Thing.Happened.v1.json").unlink()
    with pytest.raises(Incompatible, match=r"lost its schema file Thing.Happened.v1.json"):
        export(of(Second), folder)


def test_an_event_whose_class_is_gone_fails(folder):
    (problem,) = check({}, folder)
    assert problem.event == "Thing.Happened"
    assert "restore the class" in problem.says


def test_an_incompatible_envelope_fails_without_talk_of_upcasters(folder):
    file = folder / "Thing.Happened.v1.json"
    wider = msgspec.json.decode(file.read_bytes())
    wider["properties"]["shard"] = {"type": "integer"}
    file.write_bytes(msgspec.json.encode(wider))
    (problem,) = check(of(One), folder)
    assert "the field `shard` of the envelope is gone" in problem.says
    assert problem.says.endswith("Envelopes have no upcasters: undo that change.")
    assert "class_version" not in problem.says


@pytest.mark.parametrize("text", ["<<<<<<< HEAD", "[]"])
def test_a_file_that_is_no_schema_is_named(folder, text):
    (folder / "Thing.Happened.v1.json").write_text(text)
    with pytest.raises(FileUnreadable, match=r"Thing.Happened.v1.json.*restore it"):
        check(of(One), folder)


# The events of this system ------------------------------------------------------------------------------------


def sample(schema: dict[str, Any], root: dict[str, Any], is_full: bool) -> Any:
    """Something that the schema allows: with every field, or with those alone that must be there."""
    match schema:
        case {"$ref": str(name)}:
            return sample(root["$defs"][name.removeprefix("#/$defs/")], root, is_full)
        case {"anyOf": [*choices]}:
            return sample(choices[0 if is_full else -1], root, is_full)
        case {"type": "object", "properties": dict(properties), "required": [*required]}:
            names = properties if is_full else required
            return {name: sample(properties[name], root, is_full) for name in names}
        case {"type": "array", "items": dict(items)}:
            return [sample(items, root, is_full)]
    return schema["enum"][0] if "enum" in schema else SCALARS[schema.get("format", schema["type"])]


SCALARS = {
    "string": "text",
    "integer": 7,
    "number": 1.5,
    "boolean": True,
    "null": None,
    "uuid": str(uuid4()),
    "date-time": datetime.now(UTC).isoformat(),
}


@pytest.mark.parametrize("is_full", [True, False], ids=["every field", "needed fields"])
@pytest.mark.parametrize("record", exported.committed(), ids=lambda record: record.file)
def test_whatever_a_committed_schema_allows_can_be_read_and_nothing_beside_it(record: Record, is_full):
    schema = exported.committed()[record]
    written = sample(schema, schema, is_full)
    validator = jsonschema.Draft7Validator(schema)
    validator.validate(written)

    recorded = envelope.decode(5, msgspec.json.encode(written))

    assert recorded.type == record.type
    assert type(recorded.data) is EVENTS[record.type]
    for object in (written, written["data"]):
        object["unheard_of"] = 1
        with pytest.raises(jsonschema.ValidationError, match="unheard_of"):
            validator.validate(written)
        del object["unheard_of"]


def test_the_committed_schemas_are_those_of_the_classes():
    assert check() == []


def test_later_versions_are_records_of_their_own():
    assert Record("Thing.Happened", 1).name == "Thing.Happened"
    assert Record("Thing.Happened", 2).name == "Thing.Happened.v2"
    assert Record.in_file("Thing.Happened.v12.json") == Record("Thing.Happened", 12)
