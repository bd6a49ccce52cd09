from todo.files import load, save
from todo.items import Item


def test_a_missing_file_is_an_empty_list(tmp_path):
    assert load(tmp_path / "todo.json") == []


def test_what_was_saved_is_loaded(tmp_path):
    items = [Item("Pay rent"), Item("Call Ann", done=True)]
    save(tmp_path / "todo.json", items)
    assert load(tmp_path / "todo.json") == items
