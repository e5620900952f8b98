"""Between a voice assistant and its speech-to-text service: the words go on, and who said them is told beside.

Takes connections that speak the Wyoming protocol. Gives them to the real service, event by event, and listens along.
Must hold: audio is passed on before anything is computed from it; a name never stands in the text; the only room that
imports ``wyoming``.
"""
