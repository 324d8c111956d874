"""A mailbox behind a real SMTP server (aiosmtpd), read by Python's own e-mail library.

Prints its port, then one line of JSON for each message that it took. Arguments: a user and a password (or two empty ones: nobody has to log
in), then the answers to the first messages, such as "451 4.3.0 try later"; all further ones are taken.
"""

import asyncio
import json
import logging
import sys
import warnings
from email import message_from_bytes, policy

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

# It warns of logging in without TLS, which is all that a test on one machine needs.
warnings.simplefilter("ignore")
logging.getLogger("mail.log").setLevel(logging.ERROR)

USER, PASSWORD, *ANSWERS = sys.argv[1:]


def report(envelope: Envelope) -> dict:
    message = message_from_bytes(envelope.original_content, policy=policy.default)
    texts = [part for part in message.walk() if part.get_content_maintype() == "text"]
    return {
        "from": envelope.mail_from,
        "to": envelope.rcpt_tos,
        "headers": [[name, str(value)] for name, value in message.items()],
        "parts": [{"content_type": part.get_content_type(), "text": part.get_content()} for part in texts],
        "defects": [str(defect) for part in message.walk() for defect in part.defects],
        "longest_line": max(len(line) for line in envelope.original_content.split(b"\r\n")),
    }


class Handler:
    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        if ANSWERS:
            return ANSWERS.pop(0)
        print(json.dumps(report(envelope)), flush=True)
        return "250 2.0.0 taken as 4B1C2D3E4F"


def log_in(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: object) -> AuthResult:
    known = isinstance(given, LoginPassword) and (given.login, given.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=known, handled=False)


def session() -> SMTP:
    return SMTP(Handler(), authenticator=log_in, auth_required=bool(USER), auth_require_tls=False, hostname="mailbox")


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
