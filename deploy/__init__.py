"""What puts Earmark on a Pi and keeps it there: the systemd unit, the sample settings, the microphone's name, the
broker's access list.

Takes the edge's settings, gives texts on standard output. Must hold: nothing is installed or changed by these commands,
so that a person sees what root will be given; nothing of the edge is imported but its settings and errors.
"""
