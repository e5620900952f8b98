"""What Streamlit runs for each look at a page: the door, the list of pages, and the page.

Takes what ``earmark studio`` opened. Must hold: without the key nothing is shown.
"""

from __future__ import annotations

import streamlit as st

from edge.studio.opened import KEY, current
from edge.studio.pages import household, models, people, trade_off, try_voice
from edge.studio.paint import icon
from edge.studio.parts import footer, told


def main() -> None:
    """Show the page that was asked for."""
    opened = current()
    st.set_page_config(page_title="Earmark studio", page_icon=icon(), layout="wide")
    if not _admitted():
        st.title("This studio has a key")
        st.info("Open the whole address that `earmark studio` printed in the terminal, with everything after the `?`.")
        return
    pages = [
        st.Page(told(try_voice.page, opened), title="Try a voice", icon=":material/mic:", url_path="try", default=True),
        st.Page(told(people.page, opened), title="People", icon=":material/group:", url_path="people"),
        st.Page(told(household.page, opened), title="Household map", icon=":material/hub:", url_path="household"),
        st.Page(told(trade_off.page, opened), title="Trade-off", icon=":material/tune:", url_path="trade-off"),
        st.Page(told(models.page, opened), title="Models", icon=":material/inventory_2:", url_path="models"),
    ]
    chosen = st.navigation({"Earmark studio": pages})
    with st.sidebar:
        footer(opened)
    chosen.run()


def _admitted() -> bool:
    """Whether this visitor has the key; it stays in the address, so that the page can be loaded again."""
    given = st.query_params.get(KEY, "") or st.session_state.get("studio-key", "")
    if not current().admits(given):
        return False
    st.session_state["studio-key"] = given
    if st.query_params.get(KEY, "") != given:
        st.query_params[KEY] = given
    return True


if __name__ == "__main__":
    main()
