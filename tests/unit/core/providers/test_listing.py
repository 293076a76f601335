"""What a provider could not read of an answer travels with the rows that it could read."""

from __future__ import annotations

from flow_core.providers.contract.listing import Listing, find_unreadable


def test_a_listing_is_a_tuple_with_notes_about_what_could_not_be_read() -> None:
    listing = Listing.of(["a", "b"], ["bid bid_c: created_at is not a date"])
    assert listing == ("a", "b")
    assert find_unreadable(listing) == ("bid bid_c: created_at is not a date",)


def test_a_plain_tuple_could_be_read_completely() -> None:
    assert find_unreadable(("a", "b")) == ()


def test_notes_are_printable_and_bounded_whatever_the_answer_held() -> None:
    notes = find_unreadable(Listing.of((), (f"row {n} \x1b[2J {'x' * 100_000}" for n in range(5000))))
    assert 0 < len(notes) <= 100
    assert all(note.isprintable() and len(note) <= 300 for note in notes)
