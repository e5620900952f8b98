"""Every installed model has a card on the page, and one that cannot be read says why."""

from __future__ import annotations

import shutil

from edge.bundle import read_card
from edge.bundle.locate import PACKAGED
from edge.studio.cards import facts, figure_rows, installed, statements


def test_the_models_of_the_package_have_everything_that_the_page_shows():
    cards = {card.name: card for card in installed((), [PACKAGED / "compact"])}
    assert {"accurate", "baseline", "compact", "gender"} <= cards.keys()
    assert [name for name, card in cards.items() if card.in_use] == ["compact"] == list(cards)[:1]
    for card in cards.values():
        assert not card.problem and card.size_bytes > 1000
        assert all(len(text) > 10 for text in statements(card, "must_not_be_used_for"))
        told = dict(facts(card))
        assert told["licence"] == card.raw["licence"] and len(told) == 4
    assert {row["list"] for row in figure_rows(cards["accurate"])} == set(
        read_card(PACKAGED / "accurate").raw["figures"]["lists"]
    )
    assert figure_rows(cards["gender"]) == []
    assert dict(facts(cards["gender"]))["tells"] == "gender"


def test_a_card_that_cannot_be_read_is_listed_with_the_reason(tmp_path):
    shutil.copytree(PACKAGED / "baseline", tmp_path / "mine")
    (tmp_path / "mine" / "card.json").write_text('{"schema": 1}')
    mine = next(card for card in installed([tmp_path], []) if card.name == "mine")
    assert mine.problem and "name" in mine.problem
