"""A mail server for tests (aiosmtpd, as Debian packages it): takes mail, prints each as a line of JSON, keeps nothing.

    /usr/bin/python3 sink.py starttls|implicit|none FOLDER [--user NAME --password WORD] [--later N] [--refuse]

FOLDER gets `authority.pem`, which its certificate for `localhost` comes from. With --later the first N mails are put off (451), with
--refuse every one is refused (550). The first line is {"port": …}.
"""

import argparse
import asyncio
import json
import ssl
import subprocess
import sys
from email import message_from_bytes, policy

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


def say(what):
    print(json.dumps(what), flush=True)


class Sink:
    def __init__(self, later, refuse):
        self.later, self.refuse = later, refuse

    async def handle_DATA(self, server, session, envelope):
        if self.refuse:
            say({"refused": True})
            return "550 no such mailbox"
        if self.later > 0:
            self.later -= 1
            say({"later": True})
            return "451 come again later"
        mail = message_from_bytes(envelope.content, policy=policy.default)
        say({
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "headers": {name.lower(): str(value) for name, value in mail.items()},
            "text": mail.get_content(),
            "tls": server.transport.get_extra_info("sslcontext") is not None,
            "user": session.auth_data.login.decode() if session.auth_data else None,
        })
        return "250 taken"


def certificate(folder):
    authority, key, chain = (f"{folder}/{name}" for name in ("authority.pem", "sink.key", "sink.pem"))
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    ca = [*new, "-subj", "/CN=Tests", "-keyout", f"{folder}/authority.key", "-out", authority]
    leaf = [*new, "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE",
            "-CA", authority, "-CAkey", f"{folder}/authority.key", "-keyout", key, "-out", chain]
    for command in (ca, leaf):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain, key)
    return context


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tls", choices=["starttls", "implicit", "none"])
    parser.add_argument("folder")
    parser.add_argument("--user")
    parser.add_argument("--password")
    parser.add_argument("--later", type=int, default=0)
    parser.add_argument("--refuse", action="store_true")
    chosen = parser.parse_args()
    context = None if chosen.tls == "none" else certificate(chosen.folder)

    def knows(server, session, envelope, mechanism, auth):
        right = isinstance(auth, LoginPassword) and (auth.login.decode(), auth.password.decode()) == (chosen.user, chosen.password)
        return AuthResult(success=right, auth_data=auth if right else None)

    settings = {"hostname": "localhost"}
    if chosen.user is not None:
        settings |= {"authenticator": knows, "auth_required": True, "auth_require_tls": chosen.tls == "starttls"}
    if chosen.tls == "starttls":
        settings |= {"tls_context": context, "require_starttls": True}
    asyncio.run(serve(Sink(chosen.later, chosen.refuse), settings, context if chosen.tls == "implicit" else None))


async def serve(sink, settings, implicit):
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(sink, loop=loop, **settings), "127.0.0.1", 0, ssl=implicit)
    say({"port": server.sockets[0].getsockname()[1]})
    # Until whoever started it goes.
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


main()
