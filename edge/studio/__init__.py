"""The studio: pages in a browser on which a person tries Earmark, on this machine.

Takes the settings, bundle and people database that every command uses. Gives pages: try a voice, people, household map,
trade-off, models. Must hold: the pipeline, enrolment and database are those of the daemon, nothing of them is built
anew here; no recording and no voiceprint reaches the disk unless somebody is enrolled; nothing is fetched from
anywhere. Nothing else in ``edge`` imports this room: it is the only one that needs the extra ``studio``.

``command`` starts it, ``server`` is Streamlit's, ``app`` is what that runs, ``pages``, ``parts`` and ``visit`` draw and
remember. Everything that computes is in the other modules, which know nothing of Streamlit.
"""
