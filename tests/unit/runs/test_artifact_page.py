"""Programs can read what a run leaves: every kind has its form, and what is stored fits the schema that is published."""

import json

import jsonschema
import pytest

from agentos.domain.artifact import ArtifactKind
from agentos.runs.artifact_page import FORMS, artifact_page, artifact_schemas
from agentos.workflows.kit.records import dump_json
from tests.stages.delivery import NOTE, report_of
from tests.stages.documents import BRIEF, LLD
from tests.unit.workflows.test_finalize_rules import RECORD
from tests.unit.workflows.test_implementation_rules import REVIEW, SPEC
from tests.unit.workflows.test_pr_rules import BASE, HEAD, PACKAGE

STORED = {
    "issue-brief": BRIEF,
    "lld": LLD,
    "spec": SPEC,
    "review": REVIEW,
    "checks": report_of(BASE, HEAD, NOTE),
    "review-package": PACKAGE,
    "dossier": PACKAGE,
    "close-out": RECORD,
}


def test_every_kind_has_its_form_and_its_row() -> None:
    assert set(FORMS) == set(ArtifactKind)
    assert [kind for kind in ArtifactKind if f"\n| `{kind}` |" not in artifact_page()] == []


@pytest.mark.parametrize("name", sorted(STORED))
def test_what_is_stored_fits_its_schema(name: str) -> None:
    schema = artifact_schemas()[name]
    stored = json.loads(dump_json(STORED[name]))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(stored, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(dict.fromkeys(stored), schema)
