"""A name server that never answers: what a program begins with that is to find no name, for minutes.

The program gets a network and mounts of its own, where the resolver's configuration names a socket that
nobody reads from. Where the system gives no namespaces, looking a name up sleeps instead.
"""

from __future__ import annotations

SILENT_NAMES = """
import ctypes, fcntl, os, socket, struct, tempfile, time

def _silence_names():
    libc = ctypes.CDLL(None, use_errno=True)
    new_mounts, new_user, new_network, bind, private = 0x20000, 0x10000000, 0x40000000, 0x1000, 0x44000
    if libc.unshare(new_mounts | new_network) and libc.unshare(new_user | new_mounts | new_network):
        return None
    with tempfile.NamedTemporaryFile("w", delete=False) as file:
        file.write("nameserver 127.0.0.1\\noptions timeout:30 attempts:5\\n")
    libc.mount(b"none", b"/", None, private, None)
    failed = libc.mount(file.name.encode(), os.path.realpath("/etc/resolv.conf").encode(), None, bind, None)
    os.unlink(file.name)
    if failed:
        return None
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    fcntl.ioctl(server, 0x8914, struct.pack("16sh14x", b"lo", 0x41))  # SIOCSIFFLAGS: up and running
    server.bind(("127.0.0.1", 53))
    return server

try:
    name_server = _silence_names()
except OSError:
    name_server = None
if name_server is None:
    socket.getaddrinfo = lambda *_, **__: time.sleep(3600)
"""
