"""What was looked at is told in three grades."""

from agentos.domain.finding import Check, Grade


def test_what_is_well_needs_no_mend_and_a_grade_is_its_word() -> None:
    assert Check("git", Grade.OK, "2.43").mend == ""
    assert [f"{grade}" for grade in Grade] == ["ok", "warn", "fail"]
