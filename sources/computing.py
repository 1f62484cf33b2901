"""Threads wait for answers side by side, and compute one after another.

Python lets only one of them compute anyway; those that all want to get in each other's way, which is a fifth of what a
large load takes.
"""

import threading

TURN = threading.Lock()
