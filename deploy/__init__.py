"""What puts Earmark on a Pi and keeps it there: the installer, the systemd unit, the sample settings, the microphone's
name, the broker's access list.

``install`` changes the machine; everything else takes the edge's settings and gives texts on standard output, so that a
person sees what root will be given. Must hold: nothing of the edge is imported but its settings and errors, and by
``install``, which runs before anything is installed, not even these.
"""
