"""Runs the AWS emulator with the variables of a settings file, which stands last among the arguments.

It takes any access key and runs the code of functions, and a port has no permissions: on Linux only connections of the
user who started it are served, as local/providers/peer.ts does it for providers. What the emulator does not do of a
secret's rotation, of a GitHub job that takes a role, and of a schedule is done here.
"""

import contextvars
import json
import os
import socket
import struct
import sys
import threading
import time

# 127.0.0.1 as the kernel prints it in this machine's byte order, and as an address of IPv6.
LOOPBACK = "%08X" % struct.unpack("=I", socket.inet_aton("127.0.0.1"))
MAPPED = "0" * 16 + "%08X" % struct.unpack("=I", b"\0\0\xff\xff")
ESTABLISHED = "01"
# NETLINK_SOCK_DIAG and SOCK_DIAG_BY_FAMILY of the kernel's headers.
SOCK_DIAG, BY_FAMILY = 4, 20


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


def asked_owner(source, target):
    """The same, asked of the kernel: a thousandth of what its tables cost on a machine with thousands of sockets.

    None where it does not say, as for a socket that was closed or is not there.
    https://man7.org/linux/man-pages/man7/sock_diag.7.html
    """
    address = socket.inet_aton("127.0.0.1").ljust(16, b"\0")
    sockets = struct.pack("!HH16s16s", source, target, address, address) + struct.pack("=I8s", 0, b"\xff" * 8)
    request = struct.pack("=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF) + sockets
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, SOCK_DIAG) as kernel:
            kernel.settimeout(1)
            kernel.send(struct.pack("=IHHII", 16 + len(request), BY_FAMILY, 1, 0, 0) + request)
            answer = kernel.recv(4096)
    except (AttributeError, OSError):
        return None
    if len(answer) < 88 or struct.unpack_from("=H", answer, 4)[0] != BY_FAMILY:
        return None
    state = answer[17]
    uid, inode = struct.unpack_from("=II", answer, 80)
    return uid if state == int(ESTABLISHED, 16) and inode != 0 else None


def is_of(uid, source, target):
    """Whether that connection is the user's; True where the system has no table of sockets."""
    if asked_owner(source, target) == uid:
        return True
    tables = []
    for path in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(path, encoding="ascii") as file:
                tables.append(file.read())
        except OSError:
            continue
    return not tables or any(owner_of(table, source, target) == uid for table in tables)


def only_for(uid, app, settings=""):
    """The ASGI application, closed to everybody else; /_keyplane/settings says whose it is, by its settings file."""

    async def guarded(scope, receive, send):
        async def say(status, body):
            await send({"type": "http.response.start", "status": status, "headers": []})
            await send({"type": "http.response.body", "body": body})

        if scope["type"] != "lifespan" and not is_of(uid, scope["client"][1], scope["server"][1]):
            if scope["type"] == "websocket":
                return await send({"type": "websocket.close", "code": 1008})
            return await say(403, b"only for the user who started it\n")
        if scope.get("path") == "/_keyplane/settings":
            return await say(200, settings.encode())
        return await app(scope, receive, send)

    return guarded


def rotating(secretsmanager, functions):
    """Starts a secret's rotation, says when it was and will be, and switches it off; everything else is the emulator's own.

    The function is called for the four steps, as Secrets Manager does; a rotation that did not end is gone on with. What an
    update sets up rotates by that alone nothing here: there may be no database yet.
    https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotateSecret.html
    """
    answer, error, reply = (
        secretsmanager.handle_request,
        secretsmanager.error_response_json,
        secretsmanager.json_response,
    )

    def steps(secret, version):
        function, config, _ = functions._get_func_record_for_ref(secret["RotationLambdaARN"])
        for step in ("createSecret", "setSecret", "testSecret", "finishSecret") if function else ():
            event = {"SecretId": secret["ARN"], "ClientRequestToken": version, "Step": step}
            record = functions._execution_record_for_config(function, config)
            if functions._execute_function_with_config_scope(record, event).get("error"):
                return

    def rotate(asked, secret):
        if "RotationRules" in asked:
            secret["RotationRules"] = asked["RotationRules"]
            secret["RotationLambdaARN"] = asked.get("RotationLambdaARN", secret.get("RotationLambdaARN"))
            secret["RotationEnabled"] = True
            return reply({"ARN": secret["ARN"], "Name": secret["Name"]})
        if not secret.get("RotationLambdaARN"):
            return error("InvalidRequestException", "No Lambda rotation function ARN is associated with this secret.", 400)
        secret["RotationEnabled"] = True
        pending, of = secretsmanager._find_stage_version(secret, "AWSPENDING")
        is_open = pending is not None and "AWSCURRENT" not in of["Stages"]
        version = pending if is_open else asked["ClientRequestToken"]
        if not is_open:
            secret["Versions"][version] = {
                "SecretString": None, "SecretBinary": None, "CreatedDate": int(time.time()), "Stages": ["AWSPENDING"],
            }
            if pending is not None:
                of["Stages"].remove("AWSPENDING")
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(steps, secret, version), daemon=True).start()
        if is_open:
            text = "A previous rotation isn't complete. That rotation will be reattempted."
            return error("InvalidRequestException", text, 400)
        return reply({"ARN": secret["ARN"], "Name": secret["Name"], "VersionId": version})

    def cancel(_, secret):
        # Its function and its rules stay, for whoever lets it rotate again.
        secret["RotationEnabled"] = False
        return reply({"ARN": secret["ARN"], "Name": secret["Name"]})

    def describe(answered, secret):
        status, headers, body = answered
        found = json.loads(body)
        _, current = secretsmanager._find_stage_version(secret, "AWSCURRENT")
        last = current and current["CreatedDate"]
        days = (secret.get("RotationRules") or {}).get("AutomaticallyAfterDays")
        if last:
            found["LastRotatedDate"] = last
        if secret.get("RotationEnabled") and days:
            found["NextRotationDate"] = (last or secret["CreatedDate"]) + days * 86_400
        return status, headers, json.dumps(found).encode()

    async def handle_request(method, path, headers, body, query_params):
        action = headers.get("x-amz-target", "").removeprefix("secretsmanager.")
        if action not in ("CreateSecret", "RotateSecret", "CancelRotateSecret", "DescribeSecret"):
            return await answer(method, path, headers, body, query_params)
        asked = json.loads(body)
        if action == "CreateSecret":
            made = await answer(method, path, headers, body, query_params)
            _, secret = secretsmanager._resolve(asked.get("Name"))
            if made[0] == 200 and secret and not {"SecretString", "SecretBinary"} & asked.keys():
                # Without a value there is no version either.
                secret["Versions"].clear()
            return made
        _, secret = secretsmanager._resolve(asked.get("SecretId"))
        if not secret:
            return error("ResourceNotFoundException", "Secrets Manager can't find the specified secret.", 400)
        if action == "DescribeSecret":
            return describe(await answer(method, path, headers, body, query_params), secret)
        if secret.get("DeletedDate"):
            return error("InvalidRequestException", "It was marked for deletion.", 400)
        return (rotate if action == "RotateSecret" else cancel)(asked, secret)

    secretsmanager.handle_request = handle_request


def comparing(sts):
    """Has a role's trust see every claim of a GitHub job's token, as AWS does; the emulator shows it three.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html
    """
    principal_of = sts._web_identity_principal

    def _web_identity_principal(token, provider_id, role_arn):
        from ministack.services.cognito import _decode_id_token_unverified

        principal, keys = principal_of(token, provider_id, role_arn)
        _, _, host = principal.partition(":oidc-provider/")
        try:
            claims = _decode_id_token_unverified(token) if host else {}
        except ValueError:
            claims = {}
        return principal, {**{f"{host}:{claim}".lower(): value for claim, value in claims.items()}, **keys}

    sts._web_identity_principal = _web_identity_principal


def scheduling(events, functions, queues, evaluator):
    """A schedule calls its function by its role and through Lambda's own queue; what it may not or cannot call lies among its
    dead letters, at once. The emulator calls it whoever may, once, and drops what fails.

    https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html
    """
    invoke = events._invoke_target

    def may(role, action, resource):
        _, _, _, region, *_ = resource.split(":")
        account, name = role.split(":")[4], role.rsplit("/", 1)[-1]
        asked = evaluator.EvalContext(
            principal_arn=role, principal_type="AssumedRole", principal_account=account,
            action=action, resource_arn=resource, region=region,
        )
        return evaluator.evaluate(asked, evaluator._gather_role_policies(name, account)).decision == "Allow"

    def put_aside(target, schedule, event, code):
        letters = (target.get("DeadLetterConfig") or {}).get("Arn", "")
        queue = queues._queue_by_arn(letters) if letters else None
        if queue is None or not may(target.get("RoleArn", ""), "sqs:SendMessage", letters):
            return
        said = {"ERROR_CODE": code, "TARGET_ARN": target["Arn"], "SCHEDULE_ARN": schedule.get("Arn", "")}
        events._dispatch_to_sqs(events.parse_arn(letters), json.dumps(event), {})
        queue["messages"][-1]["message_attributes"] = {
            name: {"DataType": "String", "StringValue": value} for name, value in said.items()
        }

    def _invoke_target(target, event, schedule, view=None):
        arn = target.get("Arn", "")
        if event.get("Source") != "aws.scheduler" or ":function:" not in arn:
            return invoke(target, event, schedule, view)
        function, config, _ = functions._get_func_record_for_ref(arn)
        if not may(target.get("RoleArn", ""), "lambda:InvokeFunction", arn):
            return put_aside(target, schedule, event, "AccessDeniedException")
        if not function or not config:
            return put_aside(target, schedule, event, "ResourceNotFoundException")
        functions.invoke_async_with_retry(functions._execution_record_for_config(function, config), event)

    events._invoke_target = _invoke_target


if __name__ == "__main__":
    settings = sys.argv[1]
    with open(settings, encoding="utf-8") as file:
        os.environ.update(json.load(file))
    # What it writes (its pid, code of functions) is for nobody else.
    os.umask(0o077)
    # The emulator reads the arguments as well, and settings when it is loaded.
    del sys.argv[1:]

    from ministack import app as emulator
    from ministack.core import iam_evaluator
    from ministack.services import eventbridge, lambda_svc, secretsmanager, sqs, sts

    rotating(secretsmanager, lambda_svc)
    comparing(sts)
    scheduling(eventbridge, lambda_svc, sqs, iam_evaluator)
    emulator.app = only_for(os.getuid(), emulator.app, settings)
    emulator.main()
