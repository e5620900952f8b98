"""The page with the cards of the models that are installed."""

from __future__ import annotations

import streamlit as st

from edge.settings import bundle_dirs
from edge.studio.cards import ModelCard, facts, figure_rows, installed, statements
from edge.studio.opened import Opened


def page(opened: Opened) -> None:
    """Draw it."""
    st.title("Models")
    st.markdown("What each model is for, what it must not be used for, where it comes from, and how well it does.")
    session = opened.session
    used = [session.bundle.path, *(pack.path for pack in session.bundle.packs)]
    for card in installed(bundle_dirs(session.settings, session.folder), used):
        with st.container(border=True, key=f"model-{card.kind}-{card.name}"):
            _card(card)


def _card(card: ModelCard) -> None:
    raw = card.raw
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"### {card.name} {raw.get('version', '')}", width="content")
        st.badge("voices" if card.kind == "bundle" else "gender or emotion", color="blue")
        if card.in_use:
            st.badge("in use", icon=":material/check:", color="green")
    if card.problem:
        st.error(card.problem)
        return
    st.markdown(str(raw.get("summary", "")))
    for column, (name, value) in zip(st.columns(4), facts(card), strict=True):
        column.caption(name.capitalize())
        column.markdown(f"**{value}**")
    left, right = st.columns(2, gap="large")
    left.markdown("**Made for**")
    left.markdown(str(raw.get("intended_use", "-")))
    right.markdown("**Must not be used for**")
    right.markdown("\n".join(f"- {one}" for one in statements(card, "must_not_be_used_for")))
    if limits := statements(card, "limits"):
        with st.expander("Limits"):
            st.markdown("\n".join(f"- {one}" for one in limits))
    if rows := figure_rows(card):
        measured = raw["figures"]
        with st.expander("Figures"):
            st.dataframe(rows, hide_index=True, width="stretch")
            st.caption(
                f"`{measured.get('command', '')}`, {measured.get('measured', '')}, {measured.get('machine', '')}"
            )
    with st.expander("Where it comes from"):
        st.markdown(str(raw.get("training_data", "")))
        for one in raw.get("attribution", []):
            st.markdown(f"- {one.get('what')}. {one.get('licence')}, <{one.get('source')}>")
