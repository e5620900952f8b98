"""What keeps voiceprints and models from being read, swapped or forged: the device's key and what is made of it.

Takes: the state folder, systemd's credentials, passphrases, signing keys. Gives: ``Vault`` (seal, open, turn, mark)
under the key that ``keys`` finds or makes; ``passphrase`` for files that leave the device; ``signing`` for bundles.
Must hold: no key, passphrase or plain vector is ever in a message, a log or a ``repr``; the only place that imports
``cryptography``, and not before something is sealed or opened.
"""

from edge.vault.keys import CREDENTIAL, KEY_FILE, Key
from edge.vault.rotation import rotation
from edge.vault.sealing import Tampered, Vault, about

__all__ = ["CREDENTIAL", "KEY_FILE", "Key", "Tampered", "Vault", "about", "rotation"]
