"""A webhook receiver that nobody of this project wrote: `standardwebhooks` verifies each delivery, `cloudevents` parses it.

Prints its port, then one line of JSON for each delivery. The secret (or nothing) is the first argument, the status to
answer with the second.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from standardwebhooks import Webhook, WebhookVerificationError

SECRET, STATUS = sys.argv[1], int(sys.argv[2])


def judge(headers: dict[str, str], body: bytes) -> dict:
    report = {"id": headers.get("webhook-id"), "signed": "webhook-signature" in headers, "bytes": len(body)}
    if SECRET:
        try:
            Webhook(SECRET).verify(body, headers)
            report["verified"] = True
        except WebhookVerificationError as error:
            report["verified"] = False
            report["error"] = str(error)
    event = from_http_event(HTTPMessage(headers=headers, body=body))
    report["event"] = {
        "id": event.get_id(),
        "source": event.get_source(),
        "type": event.get_type(),
        "subject": event.get_subject(),
        "time": event.get_time().isoformat(),
        "datacontenttype": event.get_datacontenttype(),
    }
    report["data"] = event.get_data()
    return report


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            report = judge(headers, body)
        except Exception as error:  # the test shows it
            report = {"failed": f"{type(error).__name__}: {error}"}
        print(json.dumps(report), flush=True)
        self.send_response(STATUS)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


server = HTTPServer(("127.0.0.1", 0), Receiver)
print(server.server_port, flush=True)
server.serve_forever()
