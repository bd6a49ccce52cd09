from todo.items import Item, show


def test_an_open_item_has_an_empty_box():
    assert show(1, Item("Pay rent")) == "1 [ ] Pay rent"


def test_a_done_item_has_a_ticked_box():
    assert show(2, Item("Pay rent", done=True)) == "2 [x] Pay rent"
