"""Runs the AWS emulator with the variables of a settings file, which stands last among the arguments.

It takes any access key and runs the code of functions, and a port has no permissions: on Linux only connections of the
user who started it are served, as local/providers/peer.ts does it for providers. It also switches a secret's rotation off.
"""

import json
import os
import socket
import struct
import sys

# 127.0.0.1 as the kernel prints it in this machine's byte order, and as an address of IPv6.
LOOPBACK = "%08X" % struct.unpack("=I", socket.inet_aton("127.0.0.1"))
MAPPED = "0" * 16 + "%08X" % struct.unpack("=I", b"\0\0\xff\xff")
ESTABLISHED = "01"


def owner_of(table, source, target):
    """The user whose open socket leads from one port of 127.0.0.1 to another; None where there is none.

    https://docs.kernel.org/networking/proc_net_tcp.html
    """

    def ends(port):
        return {f"{address}:{port:04X}" for address in (LOOPBACK, MAPPED + LOOPBACK)}

    sources, targets = ends(source), ends(target)
    for line in table.splitlines()[1:]:
        _, local, remote, state, _, _, _, uid, _, inode, *_ = line.split()
        # A socket that its process has closed says inode 0, and user 0 whoever it was.
        if local in sources and remote in targets and state == ESTABLISHED and inode != "0":
            return int(uid)
    return None


def is_of(uid, source, target):
    """Whether that connection is the user's; True where the system has no table of sockets."""
    tables = []
    for path in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(path, encoding="ascii") as file:
                tables.append(file.read())
        except OSError:
            continue
    return not tables or any(owner_of(table, source, target) == uid for table in tables)


def only_for(uid, app):
    """The ASGI application, closed to everybody else."""

    async def guarded(scope, receive, send):
        if scope["type"] == "lifespan" or is_of(uid, scope["client"][1], scope["server"][1]):
            return await app(scope, receive, send)
        if scope["type"] == "websocket":
            return await send({"type": "websocket.close", "code": 1008})
        await send({"type": "http.response.start", "status": 403, "headers": []})
        await send({"type": "http.response.body", "body": b"only for the user who started it\n"})

    return guarded


def cancelling(secretsmanager):
    """Answers CancelRotateSecret, which the emulator does not know; everything else is its own.

    https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CancelRotateSecret.html
    """
    answer = secretsmanager.handle_request

    async def handle_request(method, path, headers, body, query_params):
        if headers.get("x-amz-target", "") != "secretsmanager.CancelRotateSecret":
            return await answer(method, path, headers, body, query_params)
        _, secret = secretsmanager._resolve(json.loads(body).get("SecretId"))
        if not secret:
            return secretsmanager.error_response_json("ResourceNotFoundException", "There is no such secret.", 400)
        if secret.get("DeletedDate"):
            return secretsmanager.error_response_json("InvalidRequestException", "It was marked for deletion.", 400)
        # Its function and its rules stay, for whoever lets it rotate again.
        secret["RotationEnabled"] = False
        return secretsmanager.json_response({"ARN": secret["ARN"], "Name": secret["Name"]})

    secretsmanager.handle_request = handle_request


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        os.environ.update(json.load(file))
    # What it writes (its pid, code of functions) is for nobody else.
    os.umask(0o077)
    # The emulator reads the arguments as well, and settings when it is loaded.
    del sys.argv[1:]

    from ministack import app as emulator
    from ministack.services import secretsmanager

    cancelling(secretsmanager)
    emulator.app = only_for(os.getuid(), emulator.app)
    emulator.main()
