"""Programs can read the hidden lines: each fits the schema that is published, and nothing else is taken for one."""

import json
from dataclasses import replace

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentos.domain.block import KINDS, Block, CostBlock, EffectBlock, ReviewPackageBlock, StageBlock, StatusBlock
from agentos.domain.effect import EffectKey, marker
from agentos.domain.pipeline import Stage
from agentos.domain.status import JobState, Status
from agentos.runs.block_page import USES, block_page, block_schemas
from agentos.workflows.kit.blocks import hidden_block, read_block

STATUS = StatusBlock(
    run=2,
    job=JobState.RUNNING,
    status=Status.IN_PROGRESS,
    stage=Stage.IMPL,
    outcome=None,
    stages=(StageBlock(Stage.TRIAGE, 1, "PASS", skipped=False),),
    wait=None,
    pr="",
    cost=CostBlock(None, 3, 120),
)
PACKAGE = ReviewPackageBlock(1, 2, "a" * 40, 4, "https://forge.example/4", "", "d" * 64)


def test_every_kind_has_its_section_and_its_schema() -> None:
    assert set(USES) == set(KINDS)
    assert [name for name in KINDS.values() if f"\n## `{name}`\n" not in block_page()] == []
    for schema in block_schemas().values():
        jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("block", [EffectBlock("pr"), STATUS, PACKAGE], ids=lambda each: KINDS[type(each)])
def test_what_is_written_fits_its_schema_and_is_read_back(block: Block) -> None:
    line = hidden_block(block)
    kind = KINDS[type(block)]
    told = json.loads(line.removeprefix(f"<!-- agentos:{kind} v1 ").removesuffix(" -->"))
    jsonschema.validate(told, block_schemas()[kind])
    assert read_block(type(block), f"above\n{line}\r\nbelow") == block
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(dict.fromkeys(told), block_schemas()[kind])


def test_the_mark_of_an_effect_is_its_block() -> None:
    key = EffectKey("thread-reply:0123456789abcdef.1.2")
    assert marker(key) == hidden_block(EffectBlock(key))


@pytest.mark.parametrize(
    "line",
    [
        hidden_block(STATUS).replace(" v1 ", " v2 "),
        hidden_block(STATUS).replace("agentos:status", "agentos:state"),
        hidden_block(STATUS).replace('"running"', '"dancing"'),
        "<!-- agentos:status v1 {} -->",
        '<!-- agentos:status v1 {"run": -->',
        f"<!-- agentos:status v1 {{{'[' * 100_000}}} -->",
        f"> {hidden_block(STATUS)}",
    ],
    ids=["version", "kind", "value", "empty", "broken", "deep", "quoted"],
)
def test_another_version_and_garbage_count_as_not_there(line: str) -> None:
    assert read_block(StatusBlock, line) is None


def test_keys_that_came_later_are_passed_over() -> None:
    later = hidden_block(STATUS).replace('{"cost"', '{"colour": "green", "cost"')
    assert read_block(StatusBlock, later) == STATUS


@given(st.text())
def test_no_text_ends_a_hidden_block_early_or_opens_one(text: str) -> None:
    block = replace(PACKAGE, url=text)
    line = hidden_block(block)
    assert line.count("-->") == line.count("<!--") == len(line.splitlines()) == 1
    assert read_block(ReviewPackageBlock, line) == block
