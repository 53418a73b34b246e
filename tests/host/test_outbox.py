"""Who is next of those that wait to be sent, and whose are dropped."""

from cronjob.host.outbox import Outbox


def outbox(*given: str, of_one: int = 2, most: int = 100) -> Outbox[str]:
    """Those of `ann1` are ann's."""
    box = Outbox[str](of_one, most)
    for one in given:
        assert box.add(one[:-1], one) is None
    return box


def taken(box: Outbox[str], number: int) -> list[str | None]:
    return [box.take() for _ in range(number)]


def test_of_one_user_the_oldest_is_first() -> None:
    assert taken(outbox("ann1", "ann2", "ann3", of_one=3), 4) == ["ann1", "ann2", "ann3", None]


def test_users_take_turns_and_none_has_more_than_his_share_out() -> None:
    box = outbox("ann1", "ann2", "ann3", "bob1", "eve1")
    assert taken(box, 5) == ["ann1", "bob1", "eve1", "ann2", None]
    assert len(box) == 1


def test_the_next_of_a_user_follows_when_one_is_done() -> None:
    box = outbox("ann1", "ann2", of_one=1)
    assert taken(box, 2) == ["ann1", None]
    box.done("ann")
    assert taken(box, 2) == ["ann2", None]


def test_who_has_most_loses_his_oldest() -> None:
    box = outbox("bob1", "ann1", "ann2", most=3)
    assert [box.add("bob", "bob2"), box.add("bob", "bob3")] == ["ann1", "bob1"]
    assert taken(box, 3) == ["ann2", "bob2", "bob3"]


def test_nothing_is_left_of_what_is_cleared() -> None:
    box = outbox("ann1", "bob1")
    box.clear()
    assert (len(box), box.take()) == (0, None)
