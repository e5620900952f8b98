"""What lets a login ask for a voice after the password: a helper for ``pam_exec``, its line, and its list of people.

Takes nothing, gives texts to ``earmark deploy``. Must hold: ``helper`` stands alone, since root runs it from a copy.
"""
