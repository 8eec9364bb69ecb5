#!/usr/bin/env python3
"""entropy.py PROGRAM SOCKET: starts the example Entropy, asks it for its features as a front-end does, and ends it."""
import os
import signal
import socket
import struct
import subprocess
import sys
import time

program, path = sys.argv[1:]
process = subprocess.Popen([program, path])
try:
    end = time.monotonic() + 20
    while not os.path.exists(path):
        assert process.poll() is None and time.monotonic() < end, "it does not listen"
        time.sleep(0.02)
    for _ in range(2):  # one front-end after another
        link = socket.socket(socket.AF_UNIX)
        link.settimeout(20)
        link.connect(path)
        link.sendall(struct.pack("<III", 1, 1, 0))  # GET_FEATURES, version 1
        answer = link.recv(20, socket.MSG_WAITALL)
        request, flags, size, features = struct.unpack("<IIIQ", answer)
        assert (request, flags, size) == (1, 5, 8) and features >> 32 & 1, "VERSION_1 is not offered"
        link.close()
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0, "it did not end well"
    assert not os.path.exists(path), "it left its socket"
finally:
    process.kill()
print("entropy: two front-ends answered, ended by SIGTERM")
