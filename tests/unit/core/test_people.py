from m365dq_dagster.core.people import Person


def test_a_person_is_told_by_both_names() -> None:
    assert Person("alice").told == "alice"
    assert Person("alice", "Bob of the night shift").told == "alice (as Bob of the night shift)"


def test_another_name_makes_no_second_person() -> None:
    assert Person("alice", "bob").is_same_as(Person("alice"))
    assert not Person("alice", "bob").is_same_as(Person("bob"))
