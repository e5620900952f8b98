"""The page with the household's voices on a map and beside each other."""

from __future__ import annotations

import streamlit as st

from edge.studio import maps
from edge.studio.opened import Opened
from edge.studio.parts import chart
from edge.studio.visit import forget_tried, tried
from edge.studio.voices import flat, voices_of


def page(opened: Opened) -> None:
    """Draw it."""
    st.title("Household map")
    st.markdown(
        "Each voice is a point in a space of many dimensions. What lies close together sounds alike to the model."
    )
    session = opened.session
    enrolled = voices_of(session.people)
    heard = tried()
    if outdated := session.outdated:
        st.warning(f"Not on the map, since enrolled with another model: {', '.join(outdated)}.")
    if not enrolled:
        st.info(
            "Nobody is enrolled yet. The page **People** enrols somebody; then their clips stand here, and what you "
            "try on **Try a voice** beside them.",
            icon=":material/hub:",
        )
        return
    found = flat([*enrolled, *heard])
    chart(maps.household_map(found), "household-map")
    st.caption(
        "A diamond is a voiceprint, the mean of the person's clips. "
        f"The flat map keeps {sum(found.kept):.0%} of the differences between {session.bundle.dim} dimensions "
        "(principal components), so neighbours here may be further apart than they look. The table has the real "
        "likeness."
    )
    st.subheader("How alike")
    prints = [voice for voice in enrolled if voice.kind == "voiceprint"]
    chart(maps.likeness_table([*prints, *heard], prints), "likeness", width="content")
    st.caption(
        "Cosine of each row with each person's voiceprint: 1 is the same. What it takes to be named depends on how "
        "much speech there was and how noisy it is, so the page Try a voice shows a calibrated score instead."
    )
    if heard:
        if st.button("Forget what was tried", icon=":material/delete_sweep:"):
            forget_tried()
            st.rerun()
    else:
        st.info("What you try on **Try a voice** in this visit appears here, too.", icon=":material/mic:")
